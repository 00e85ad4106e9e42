// Do hellos pass between the nodes, both ways and on time? Each hello lists whom its sender hears, so one listener can
// tell of every pair it hears both of. Pure: a view of the wire in, findings out.
import type { SeenHello, Stranger } from '../../io/wire/observations.ts';
import type { Instance } from '../../machines/hello.ts';
import { type Finding, fail, ok, some, warn } from './finding.ts';
import type { WireView } from './wire-view.ts';

/** What was refused longer ago is over. */
const RECENT_MS = 10_000;
/** Octets of payload that a full hello takes. */
const WHOLE_HELLO = 1_500;

const seconds = (ms: number): string =>
  ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;

const isCurrent = ({ at }: WireView, { lastAt, holdMs }: SeenHello): boolean => at - lastAt < holdMs;

interface Listener {
  readonly name: string;
  readonly instance: Instance;
}

/** Pairs of which one does not hear the other, as seen in what each says that it hears. */
const checkPairs = (heard: readonly SeenHello[], own: Listener | null): Finding[] => {
  const all: readonly Listener[] = [
    ...(own === null ? [] : [own]),
    ...heard.map(({ node, instance }) => ({ name: node, instance })),
  ];
  return heard.flatMap(({ node, instance, hears, interface: on }) => {
    const deafTo = all.filter((other) => other.instance !== instance && !hears.includes(other.instance));
    if (deafTo.length === 0) return [];
    const whom = some(deafTo.map(({ name }) => name));
    const what = `${node} is heard on ${on} and does not hear ${whom}: hellos pass one way only`;
    return [
      fail('one-way', what, 'look at the port, cable and filters between them; the same transport and keys'),
    ];
  });
};

/** Births that others hear and this host does not. */
const checkUnheard = (
  view: WireView,
  on: string,
  heard: readonly SeenHello[],
  own: Listener | null,
): Finding[] => {
  const known = new Set([...heard.map(({ instance }) => instance), ...(own === null ? [] : [own.instance])]);
  const hearers = new Map<Instance, string[]>();
  for (const { node, hears } of heard) {
    for (const instance of hears)
      if (!known.has(instance)) hearers.set(instance, [...(hearers.get(instance) ?? []), node]);
  }
  return [...hearers].map(([instance, nodes]) => {
    const who = view.names.get(instance) ?? `a node that is not known here (instance ${instance})`;
    const what = `${some(nodes)} hears ${who} on ${on}, and this host does not`;
    return fail(
      'not-heard',
      what,
      'its hellos must reach this port too: a filter, or a switch that does not flood them',
    );
  });
};

const checkTiming = (heard: readonly SeenHello[], own: Listener | null): Finding[] =>
  heard.map(({ node, interface: on, hears, worstGapMs, intervalMs, holdMs }) => {
    const gap = Math.round(worstGapMs);
    const measure = `at most ${gap} ms between two of its hellos (interval ${intervalMs} ms, hold time ${holdMs} ms)`;
    if (worstGapMs >= holdMs / 2) {
      const right = 'a longer heartbeat.deadAfter, or a host and network that are on time';
      return warn('late', `${node} on ${on}: ${measure}`, right);
    }
    const both = own !== null && hears.includes(own.instance) ? ', and hears this node' : '';
    return ok('hellos', `${node} is heard on ${on}${both}; ${measure}`);
  });

const checkTransport = ({ transport, node }: WireView, heard: readonly SeenHello[]): Finding[] => {
  const right = 'the same heartbeat.transport on every node; ethernet, unless the network loses it';
  const here = node === null ? 'the configuration here' : 'this node';
  return heard
    .filter((hello) => hello.transport !== transport)
    .map((hello) =>
      fail('transport', `${hello.node} says hello over ${hello.transport}, ${here} over ${transport}`, right),
    );
};

const REFUSED: Readonly<Record<string, readonly ['fail' | 'warn', string, string]>> = {
  'hello-signature': ['fail', 'that no key here verifies', 'the same heartbeat.keyFile on every node'],
  'hello-version': [
    'fail',
    'of another version of the protocol',
    'versions of Holdfast that read each other',
  ],
  'hello-malformed': ['warn', 'that are malformed', 'find out what sends them'],
};

const checkStrangers = ({ at, isSigning }: WireView, strangers: readonly Stranger[]): Finding[] =>
  strangers.flatMap(({ mac, reason, count, lastAt, interface: on }) => {
    if (at - lastAt > RECENT_MS) return [];
    if (reason === 'hello-group') return [ok('group', `${mac} on ${on} belongs to another heartbeat.group`)];
    const known = REFUSED[reason];
    if (known === undefined) return [];
    const [level, why, right] = known;
    const hint = reason === 'hello-signature' && !isSigning ? ' (there is none here: heartbeat.keyFile)' : '';
    const what = `${mac} on ${on} says hellos ${why}${hint}: ${count} so far`;
    return [level === 'fail' ? fail(reason, what, right) : warn(reason, what, right)];
  });

const checkMtu = ({ interfaces, tooLong }: WireView): Finding[] =>
  interfaces.flatMap(({ name, mtu }) => {
    if (mtu === null || mtu >= WHOLE_HELLO) return [];
    const right = `ip link set ${name} mtu ${WHOLE_HELLO}`;
    const what = `${name} has an MTU of ${mtu}, and a full hello takes ${WHOLE_HELLO} octets`;
    if (tooLong === 0) return [warn('mtu', `${what}: with many IPs or peers hellos will not leave`, right)];
    return [fail('mtu', `${what}: ${tooLong} did not leave`, right)];
  });

const checkNobody = (view: WireView, on: string): Finding[] => {
  const refused = view.strangers.some(
    (stranger) => stranger.interface === on && view.at - stranger.lastAt < RECENT_MS,
  );
  if (refused) return [];
  const wire = view.transport === 'udp' ? 'UDP port 1021 to 224.0.0.254' : 'ethertype 88b5';
  const right =
    'if there are other nodes: a switch that floods them, or heartbeat.transport: udp, the same everywhere';
  return [
    warn('nobody', `no node is heard on ${on}: hellos (${wire}) do not reach it, or there are none`, right),
  ];
};

const checkSilent = ({ silent }: WireView): Finding[] =>
  silent.map(({ node, interface: on, state, lastHeardMs }) => {
    const still = state === 'vouched' ? ' (another node hears it)' : '';
    return warn(
      'silent',
      `${node} has been silent on ${on} for ${seconds(lastHeardMs)}${still}`,
      'is it running, and its port up?',
    );
  });

export const checkHellos = (view: WireView): Finding[] => [
  ...view.interfaces.flatMap(({ name, instance }): Finding[] => {
    const heard = view.hellos.filter((hello) => hello.interface === name && isCurrent(view, hello));
    const own = instance === null ? null : { name: view.node ?? 'this node', instance };
    if (heard.length === 0) return checkNobody(view, name);
    return [
      ...checkTiming(heard, own),
      ...checkPairs(heard, own),
      ...checkUnheard(view, name, heard, own),
      ...checkTransport(view, heard),
    ];
  }),
  ...checkSilent(view),
  ...checkStrangers(view, view.strangers),
  ...checkMtu(view),
];
