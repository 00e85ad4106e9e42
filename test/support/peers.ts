// What a node's wire thread would say of its peers, as inputs for the core. Every peer is proven, ready, on both
// prefixes and hears this node unless a test says otherwise.
import type { NodeName } from '../../src/machines/claims.ts';
import type { CoreConfig } from '../../src/machines/config.ts';
import type { Ip } from '../../src/machines/frames.ts';
import { type Instance, instanceOn, type WitnessedClaim } from '../../src/machines/hello.ts';
import type { Input, PeerClaim, PeerFact } from '../../src/machines/inputs.ts';
import { createNode, LISTENED, link, loaded, type Node, START } from './core.ts';
import { birthOf } from './wire-step.ts';

/** The birth of the node under test, and what its hellos on eth0 bear. */
export const BIRTH: Instance = birthOf('n1', 1);
export const MINE: Instance = instanceOn(BIRTH, 'eth0');

export const instanceOf = (node: NodeName, birth = 1): Instance => instanceOn(birthOf(node, birth), 'eth0');

export const READY = { starting: false, ready: true, leaving: false } as const;
export const LISTENING = { starting: true, ready: false, leaving: false } as const;
export const DRAINED = { starting: false, ready: false, leaving: false } as const;
export const LEAVING = { starting: false, ready: false, leaving: true } as const;

export const started = (over: { readonly drained?: boolean } = {}): Input => ({
  type: 'node.started',
  instance: BIRTH,
  version: 'test',
  drained: false,
  ...over,
});

export const peerFact = (node: NodeName, over: Partial<PeerFact> = {}): PeerFact => ({
  interface: 'eth0',
  node,
  instance: instanceOf(node),
  mac: `02:00:00:00:01:0${node.slice(-1)}`,
  proven: true,
  intervalMs: 50,
  holdMs: 200,
  flags: READY,
  subnets: [
    { ip: '10.99.0.0', length: 24 },
    { ip: 'fd99::', length: 64 },
  ],
  hears: [MINE],
  ...over,
});

export const heard = (node: NodeName, over: Partial<PeerFact> = {}): Input => ({
  type: 'peer.heard',
  peer: peerFact(node, over),
});
/** `ms`: when it was last heard, after START. */
export const late = (node: NodeName, ms: number): Input => ({
  type: 'peer.late',
  interface: 'eth0',
  node,
  instance: instanceOf(node),
  lastHeardAt: START + ms,
});
export const back = (node: NodeName): Input => ({
  type: 'peer.back',
  interface: 'eth0',
  node,
  instance: instanceOf(node),
});
export const whole = (node: NodeName): Input => ({
  type: 'peer.whole',
  interface: 'eth0',
  node,
  instance: instanceOf(node),
});

export const claim = (node: NodeName, ip: Ip, epoch: number, over: Partial<PeerClaim> = {}): PeerClaim => ({
  ip,
  node,
  epoch,
  weak: false,
  successor: null,
  ...over,
});
export const claimed = (node: NodeName, ...claims: readonly PeerClaim[]): Input => ({
  type: 'claims.heard',
  interface: 'eth0',
  node,
  claims,
  released: [],
});
export const released = (node: NodeName, ...ips: readonly Ip[]): Input => ({
  type: 'claims.heard',
  interface: 'eth0',
  node,
  claims: [],
  released: ips,
});
export const witnessed = (node: NodeName, ...claims: readonly WitnessedClaim[]): Input => ({
  type: 'claims.witnessed',
  interface: 'eth0',
  node,
  claims,
});

/**
 * n1 after its listening time, with `peers` that it hears and that have told that they hold nothing: what is
 * unheld has been taken by whoever is first, which is n1 only where it has the best rank.
 */
export const createMember = (peers: readonly NodeName[], over: Partial<CoreConfig> = {}): Node => {
  const node = createNode();
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded(over));
  for (const peer of peers) {
    node.at(10, heard(peer));
    node.at(20, whole(peer));
  }
  node.at(LISTENED);
  return node;
};

/** n1 with the peers n2, n3, …, of which `holder` holds `ips` with epoch 5. */
export const createStandby = (
  peers: readonly NodeName[],
  holder: NodeName,
  ips: readonly Ip[],
  over: Partial<CoreConfig> = {},
): Node => {
  const node = createNode();
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded(over));
  for (const peer of peers) {
    node.at(10, heard(peer));
    if (peer === holder) node.at(15, claimed(peer, ...ips.map((ip) => claim(peer, ip, 5))));
    node.at(20, whole(peer));
  }
  node.at(LISTENED);
  return node;
};
