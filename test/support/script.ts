// Cluster scripts: text that a person can read, run in the simulator with constant latencies. Commands stand at
// the start of a line, recorded output follows as lines that begin with `> `, comments with `#`. The commands:
//   nodes 3 | ips 10.0.0.1 fd99::1 | clients 2      (first, before any other)
//   start|crash|kill|pause|resume|cut|restore|stop|undrain n1 n2 ...
//   isolate|deafen|mute|heal n1 (its port drops all | what comes in | what goes out | nothing)
//   cannot-hear|can-hear n1 n2 (n1 does not hear n2) | drain n1 [IP [n2]]
//   stall n1 4s | partition n1 c1 | join | foreign 10.0.0.1 | advance 250ms
//   expect IP STATE [n1] | expect-served IP [n1] | expect-dark IP
//   show claims | show peers | show clients | show frames        (record their output, as `advance` records transitions)
import { createAnswerers } from '../sim/checkers/answerers.ts';
import { steadyLatencies } from '../sim/latencies.ts';
import { DEFAULTS } from '../sim/profile.ts';
import { createRandom } from '../sim/random.ts';
import { sinceEpoch } from '../sim/trace.ts';
import { createWorld, type World } from '../sim/world.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
/** Every client uses every IP this often while time passes. */
const USE_EVERY_MS = 100;

const duration = (text: string): number => {
  const [, count = '', unit = ''] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined) throw new Error(`not a duration: ${text}`);
  return Number(count) * factor;
};

interface Setup {
  nodes: number;
  clients: number;
  ips: readonly string[];
}

interface Stage {
  readonly world: World;
  readonly answerers: ReturnType<typeof createAnswerers>;
  /** Frames sent per node and kind since the last `show frames`. */
  readonly frames: Map<string, number>;
  /** Packets that clients sent, and that arrived, since the last `show clients`. */
  readonly packets: Map<string, { sent: number; reached: number }>;
}

const createStage = ({ nodes, clients, ips }: Setup): Stage => {
  const world = createWorld({
    random: createRandom(1),
    nodes,
    clients: Array.from({ length: clients }, () => 'linux'),
    profile: { ...DEFAULTS, ips },
    link: () => ({ delayMs: 0.05, jitterMs: 0, loss: 0, duplication: 0 }),
    latencies: steadyLatencies,
    driftPpm: 0,
    clockOffsetMs: 0,
    switchAgeMs: 300_000,
    bufferFrames: 93,
  });
  const frames = new Map<string, number>();
  const packets = new Map<string, { sent: number; reached: number }>();
  const packetsOf = (client: string, ip: string) => {
    const key = `${client} ${ip}`;
    const counted = packets.get(key) ?? { sent: 0, reached: 0 };
    packets.set(key, counted);
    return counted;
  };
  const answerers = createAnswerers(world);
  world.observe(answerers);
  world.observe({
    onSent: (node, { kind }) => {
      const key = `${node} ${kind}`;
      frames.set(key, (frames.get(key) ?? 0) + 1);
    },
    onUse: (client, ip) => {
      packetsOf(client, ip).sent += 1;
    },
    onReached: (client, ip) => {
      packetsOf(client, ip).reached += 1;
    },
  });
  const talk = (): void => {
    for (const client of world.clients) for (const ip of ips) world.use(client, ip);
    world.queue.after(USE_EVERY_MS, talk);
  };
  if (clients > 0) talk();
  return { world, answerers, frames, packets };
};

const stateOn = (world: World, node: string, ip: string): string =>
  world
    .node(node)
    .core()
    ?.view()
    .serviceIPs.find((service) => service.ip === ip)?.state ?? 'down';

const show = ({ world, answerers, frames, packets }: Stage, what: string): string[] => {
  if (what === 'frames' || what === 'clients') {
    const lines =
      what === 'frames'
        ? [...frames].map(([key, count]) => `${key}: ${count}`)
        : [...packets].map(([key, { sent, reached }]) => `${key}: ${reached} of ${sent} arrived`);
    frames.clear();
    packets.clear();
    return lines.sort();
  }
  if (what === 'peers') {
    return [...world.nodes.values()].map(({ name }) => {
      const peers = world.node(name).core()?.view().peers ?? [];
      const said = peers.map(({ node, state }) => `${node} ${state}`).sort();
      return `${name} hears: ${said.join(', ') || 'nobody'}`;
    });
  }
  if (what !== 'claims') throw new Error(`show claims, peers, clients or frames, not ${what}`);
  return world.profile.ips.flatMap((ip) =>
    [...world.nodes.values()].map(({ name }) => {
      const view = world
        .node(name)
        .core()
        ?.view()
        .serviceIPs.find((service) => service.ip === ip);
      if (view === undefined) return `${ip} ${name} down`;
      const strength = view.state === 'unowned' ? '' : ` epoch ${view.epoch}${view.weak ? ' weak' : ''}`;
      const answers = answerers.awake(ip).includes(name) ? ', answers' : '';
      return `${ip} ${name} ${view.state}${strength}${answers}; since ${sinceEpoch(view.since)}: ${view.reason}`;
    }),
  );
};

const expectState = ({ world }: Stage, [ip = '', state = '', node]: readonly string[]): void => {
  const nodes = node === undefined ? [...world.nodes.keys()] : [node];
  const states = nodes.map((name) => stateOn(world, name, ip));
  if (!states.includes(state))
    throw new Error(`expected ${ip} ${state} on ${nodes.join(' or ')}: it is ${states.join(', ')}`);
};

const expectServed = ({ answerers }: Stage, [ip = '', node]: readonly string[], isServed: boolean): void => {
  const awake = answerers.awake(ip);
  const isRight = isServed
    ? awake.length === 1 && (node === undefined || awake[0] === node)
    : awake.length === 0;
  if (!isRight) throw new Error(`${ip} is answered by ${awake.join(' and ') || 'nobody'}`);
};

type Act = (world: World, name: string) => void;
const ACTS: Readonly<Record<string, Act>> = {
  start: (world, name) => world.start(name),
  crash: (world, name) => world.crash(name),
  kill: (world, name) => world.kill(name),
  pause: (world, name) => world.pause(name),
  resume: (world, name) => world.resume(name),
  cut: (world, name) => world.setCarrier(name, false),
  restore: (world, name) => world.setCarrier(name, true),
  isolate: (world, name) => world.setDeaf(name, { in: true, out: true }),
  deafen: (world, name) => world.setDeaf(name, { in: true, out: false }),
  mute: (world, name) => world.setDeaf(name, { in: false, out: true }),
  heal: (world, name) => world.setDeaf(name, { in: false, out: false }),
  undrain: (world, name) => world.tell(name, { type: 'undrain.requested' }),
  stop: (world, name) => world.tell(name, { type: 'stop.requested', reason: 'this node is being stopped' }),
};

/** Runs one command; returns what it has to say. Throws when an expectation fails or the command is unknown. */
const run = (stage: Stage, verb: string, words: readonly string[]): readonly string[] => {
  const { world } = stage;
  const [first = '', second = ''] = words;
  const act = ACTS[verb];
  if (act !== undefined) {
    for (const name of words) act(world, name);
    return [];
  }
  switch (verb) {
    case 'advance':
      world.run(duration(first));
      return world.trace.drain();
    case 'stall':
      world.stall(first, duration(second));
      return [];
    case 'partition':
      world.partition(words);
      return [];
    case 'drain':
      world.tell(
        first,
        { type: 'drain.requested', ips: second === '' ? null : [second], to: words[2] ?? null },
        { ip: second === '' ? null : second },
      );
      return [];
    case 'cannot-hear':
    case 'can-hear':
      world.setOneWay(second, first, verb === 'cannot-hear');
      return [];
    case 'join':
      world.partition([]);
      return [];
    case 'foreign':
      world.foreignClaim(first);
      return [];
    case 'expect':
      expectState(stage, words);
      return [];
    case 'expect-served':
      expectServed(stage, words, true);
      return [];
    case 'expect-dark':
      expectServed(stage, words, false);
      return [];
    case 'show':
      return show(stage, first);
    default:
      throw new Error(`unknown command: ${verb}`);
  }
};

/** Runs a script and returns it with the output that it has now. Errors name the line. `onEnd` sees what came of it. */
export const runScript = (text: string, onEnd: (world: World) => void = () => {}): string => {
  const setup: Setup = { nodes: 1, clients: 0, ips: ['10.0.0.1'] };
  let stage: Stage | null = null;
  const output: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.startsWith('> ')) continue;
    output.push(line);
    const [verb = '', ...words] = line.trim().split(/\s+/);
    if (verb === '' || verb.startsWith('#')) continue;
    try {
      if (verb === 'nodes' || verb === 'clients') setup[verb] = Number(words[0]);
      else if (verb === 'ips') setup.ips = words;
      else {
        stage ??= createStage(setup);
        output.push(...run(stage, verb, words).map((said) => `> ${said}`));
      }
    } catch (error) {
      throw new Error(`line ${index + 1}, "${line}": ${(error as Error).message}`, { cause: error });
    }
  }
  if (stage !== null) onEnd((stage as Stage).world);
  return output.join('\n');
};
