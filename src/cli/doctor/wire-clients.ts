// Will clients follow a move, and does the network let them? From what the wire showed: announcements that arrive or do
// not, who answers for an address, who took long. Pure: a view of the wire in, findings out.
import type { SeenHello } from '../../io/wire/observations.ts';
import { type Finding, fail, ok, some, warn } from './finding.ts';
import type { KnownService, WireView } from './wire-view.ts';

/** Announcements are repeated every `announcements.refresh`; one may be lost. */
const REFRESHES = 2;
const SLACK_MS = 1_000;

const byHolder = (view: WireView): ReadonlyMap<SeenHello, readonly KnownService[]> =>
  new Map(
    view.hellos.map((hello) => [
      hello,
      view.services.filter(({ holder, interface: on }) => holder === hello.node && on === hello.interface),
    ]),
  );

/** Hellos of a holder pass and its announcements do not: somebody on the way swallows gratuitous ARP. */
const checkAnnouncements = (view: WireView): Finding[] => {
  const patience = REFRESHES * view.refreshMs + SLACK_MS;
  return [...byHolder(view)].flatMap(([hello, services]) => {
    if (view.at - hello.firstAt < patience) return [];
    const due = services.filter(({ sinceMs }) => sinceMs >= patience);
    const swallowed = due.filter(
      ({ ip }) =>
        !view.announcements.some(
          (seen) =>
            seen.ip === ip &&
            seen.interface === hello.interface &&
            seen.mac === hello.mac &&
            view.at - seen.at < patience,
        ),
    );
    if (due.length === 0) return [];
    if (swallowed.length === 0)
      return [ok('announcements', `announcements of ${hello.node} arrive on ${hello.interface}`)];
    const what = `${hello.node} holds ${some(swallowed.map(({ ip }) => ip))}, its hellos arrive on ${hello.interface} and its announcements do not`;
    const right =
      'a switch port that lets gratuitous ARP and unsolicited advertisements pass; clients behind it follow by directed requests only';
    return [warn('announcements', what, right)];
  });
};

/** Announced by a station that says no hello which arrives here. */
const checkForeign = (view: WireView): Finding[] => {
  const known = new Set(view.hellos.map(({ mac }) => mac));
  const ours = new Map(view.services.map((service) => [service.ip, service]));
  return view.announcements.flatMap(({ ip, mac, interface: on, at }) => {
    const service = ours.get(ip);
    const isOwn = service?.mac === mac || view.ownMacs.has(mac);
    if (service === undefined || known.has(mac) || isOwn || view.at - at > 3 * view.refreshMs) return [];
    const what = `${mac} announces ${ip} on ${on}, and no hello of its arrives`;
    const right = 'stop the other program that has the address; if it is a node: heartbeat.transport: udp';
    return [fail('rival', what, right)];
  });
};

const checkAnswers = (view: WireView): Finding[] =>
  view.asked.flatMap(({ ip, interface: on, answers }) => {
    const service = view.services.find((each) => each.ip === ip);
    const isHere = service?.holder !== null && service?.holder === view.node;
    const right = answers.filter((mac) => mac === service?.mac);
    const wrong = answers.filter((mac) => mac !== service?.mac);
    if (wrong.length > 0) {
      const holder = service?.holder === null ? 'nobody' : service?.holder;
      const what = `${some(wrong)} answers for ${ip} on ${on}, which ${holder} holds`;
      return [
        fail('answers', what, 'no proxy ARP, no ARP suppression with an old entry, no second program for it'),
      ];
    }
    // A daemon does not hear what leaves its own host.
    if (isHere || service?.holder === null) return [];
    if (right.length === 0) {
      const what = `${service?.holder} holds ${ip} and did not answer within a second`;
      return [warn('answers', what, 'broadcast ARP must reach it and its answer this host')];
    }
    return [ok('answers', `${service?.holder} answers for ${ip} on ${on}, and nobody else`)];
  });

const checkSlow = (view: WireView): Finding[] => {
  const late = view.slowClients.filter(({ afterMs }) => afterMs !== null);
  const never = view.slowClients.filter(({ afterMs }) => afterMs === null);
  const named = (list: WireView['slowClients']): string =>
    some([...new Set(list.map(({ client, mac }) => `${client} (${mac})`))]);
  const findings: Finding[] = [];
  if (late.length > 0) {
    const worst = Math.max(...late.map(({ afterMs }) => afterMs ?? 0));
    const what = `slow to follow the last move of an IP: ${named(late)}, up to ${Math.round(worst)} ms`;
    findings.push(warn('slow-clients', what, 'they miss announcements: look at the ports between'));
  }
  if (never.length > 0) {
    const what = `did not show that they followed the last move of an IP: ${named(never)}`;
    const right =
      'gone meanwhile; else a client that learns from its own questions only, for as long as its cache lasts';
    findings.push(warn('slow-clients', what, right));
  }
  const stale = view.services.filter(({ staleClients }) => staleClients > 0);
  if (stale.length > 0) {
    const what = `clients still send to this node for ${some(stale.map(({ ip, staleClients }) => `${ip} (${staleClients})`))}`;
    findings.push(
      warn('slow-clients', what, 'they are asked to follow; what is left at the end of drain.window is lost'),
    );
  }
  return findings;
};

export const checkClients = (view: WireView): Finding[] => [
  ...checkAnnouncements(view),
  ...checkForeign(view),
  ...checkAnswers(view),
  ...checkSlow(view),
];
