// ARP and NDP heard on the wire: answers for what this node holds, rivals and clients noticed. Part of the
// wire step; pure.
import { isGroupMac } from './addresses.ts';
import { isKept } from './carrying.ts';
import type { Client } from './clients.ts';
import {
  type AdvertisementFrame,
  type ArpFrame,
  BROADCAST_MAC,
  familyOf,
  type Ip,
  type Mac,
  type NeighborFrame,
  type SolicitationFrame,
  UNSPECIFIED_IPV4,
  UNSPECIFIED_IPV6,
  ZERO_MAC,
} from './frames.ts';
import { arpAnswer, solicitedAdvertisement } from './neighbor-frames.ts';
import type { WireOutput } from './wire-facts.ts';
import { isSending, macOf, type WireState } from './wire-state.ts';

const NOTHING: readonly WireOutput[] = [];

/** RFC 826 leaves broadcast and our own; a frame for another station's unicast address is not ours to answer. */
const isForUs = (destination: Mac, mac: Mac): boolean => destination === BROADCAST_MAC || destination === mac;

const countAnswer = (state: WireState, name: string, protocol: 'arp' | 'ndp'): void => {
  if (!isSending(state)) return;
  const { counters } = state;
  counters.answers[name] ??= { arp: 0, ndp: 0 };
  counters.answers[name][protocol] += 1;
};

const isPeerMac = ({ desks }: WireState, mac: Mac): boolean => {
  for (const { ears } of desks.values()) if (ears.isPeerMac(mac)) return true;
  return false;
};

/**
 * A frame used a watched IP as its sender's: a rival, unless it is this node or a peer. In shadow mode peers answer
 * nothing either: what comes from their machines is the program's beside which they run.
 */
const hearRival = (state: WireState, at: number, name: string, ip: Ip, mac: Mac): readonly WireOutput[] => {
  if (!state.watched.has(ip) || state.ownMacs.has(mac) || mac === ZERO_MAC) return NOTHING;
  if (state.config.announce && isPeerMac(state, mac)) return NOTHING;
  state.counters.rivals[ip] = (state.counters.rivals[ip] ?? 0) + 1;
  if (!state.rivals.isNews(at, ip, mac)) return NOTHING;
  return [{ type: 'fact', input: { type: 'rival.heard', ip, interface: name, mac } }];
};

/** A client has shown that it knows this node's MAC for the IP. */
const confirm = (state: WireState, at: number, ip: Ip, client: Ip): readonly WireOutput[] => {
  if (!state.answers.has(ip)) return NOTHING;
  const afterMs = state.clients.confirm(ip, client, at);
  return afterMs === null ? NOTHING : [{ type: 'converged', afterMs }];
};

/** It answers a directed request, which a former owner may have sent on behalf of this node: a client of this one. */
const learnAndConfirm = (state: WireState, at: number, ip: Ip, client: Client): readonly WireOutput[] => {
  if (!state.answers.has(ip) || !isStation(client.mac) || state.ownMacs.has(client.mac)) return NOTHING;
  const outputs = confirm(state, at, ip, client.ip);
  state.clients.learn(ip, client, at, true);
  return outputs;
};

const isStation = (mac: Mac): boolean => mac !== ZERO_MAC && !isGroupMac(mac);

const hearArpReply = (state: WireState, at: number, name: string, arp: ArpFrame): readonly WireOutput[] => {
  const mac = macOf(state, name);
  // The answer to a directed request: its target is the service IP at this node's MAC.
  if (arp.tha !== mac || arp.ethernetDestination !== mac) return NOTHING;
  return learnAndConfirm(state, at, arp.tpa, { ip: arp.spa, mac: arp.sha });
};

/** A unicast request for what this node has given away: answered while a patient drain keeps its sender. */
const answerKept = (
  state: WireState,
  at: number,
  name: string,
  ip: Ip,
  client: Client,
  answer: () => NeighborFrame,
): readonly WireOutput[] => {
  if (!isKept(state, at, ip, client)) return NOTHING;
  countAnswer(state, name, familyOf(ip) === 'ipv4' ? 'arp' : 'ndp');
  return [{ type: 'send', interface: name, frame: answer() }];
};

const hearArp = (state: WireState, at: number, name: string, arp: ArpFrame): readonly WireOutput[] => {
  // RFC 5227 §2.1.1: during probing, a probe of another host for the same address is a conflict too.
  if (arp.spa === UNSPECIFIED_IPV4 && state.probes.isProbing(arp.tpa)) {
    return hearRival(state, at, name, arp.tpa, arp.sha);
  }
  if (state.watched.has(arp.spa)) return hearRival(state, at, name, arp.spa, arp.sha);
  if (!state.watched.has(arp.tpa)) return NOTHING;
  if (arp.operation !== 'request') return hearArpReply(state, at, name, arp);
  // An answer to a group or nobody would be a broadcast on a stranger's order.
  if (!isStation(arp.sha)) return NOTHING;
  const answer = state.answers.get(arp.tpa);
  const mac = macOf(state, name);
  const isAnswered =
    answer !== undefined &&
    answer.interface === name &&
    mac !== null &&
    isForUs(arp.ethernetDestination, mac);
  if (arp.spa !== UNSPECIFIED_IPV4 && !state.ownMacs.has(arp.sha)) {
    state.clients.learn(arp.tpa, { ip: arp.spa, mac: arp.sha }, at, isAnswered);
  }
  if (!isAnswered) {
    if (answer !== undefined || mac === null || arp.ethernetDestination !== mac) return NOTHING;
    return answerKept(state, at, name, arp.tpa, { ip: arp.spa, mac: arp.sha }, () => arpAnswer(arp, mac));
  }
  countAnswer(state, name, 'arp');
  const send: WireOutput = { type: 'send', interface: name, frame: arpAnswer(arp, mac) };
  // A unicast request asks the MAC that its sender has learned already.
  return arp.ethernetDestination === mac ? [send, ...confirm(state, at, arp.tpa, arp.spa)] : [send];
};

const hearSolicitation = (
  state: WireState,
  at: number,
  name: string,
  ns: SolicitationFrame,
): readonly WireOutput[] => {
  const sender = ns.sourceLinkLayerAddress ?? ns.ethernetSource;
  if (state.watched.has(ns.source)) return hearRival(state, at, name, ns.source, sender);
  if (!state.watched.has(ns.target)) return NOTHING;
  const isDad = ns.source === UNSPECIFIED_IPV6;
  // RFC 4862 §5.4.3: a DAD solicitation of another host for an address that is tentative here is a conflict.
  if (isDad && state.probes.isProbing(ns.target)) return hearRival(state, at, name, ns.target, sender);
  if (!isDad && !isStation(sender)) return NOTHING;
  const answer = state.answers.get(ns.target);
  const mac = macOf(state, name);
  const isAnswered =
    answer !== undefined &&
    answer.interface === name &&
    mac !== null &&
    (isGroupMac(ns.ethernetDestination) || ns.ethernetDestination === mac);
  if (!isDad && !state.ownMacs.has(sender)) {
    state.clients.learn(ns.target, { ip: ns.source, mac: sender }, at, isAnswered);
  }
  if (!isAnswered) {
    if (answer !== undefined || mac === null || isDad || ns.ethernetDestination !== mac) return NOTHING;
    const client = { ip: ns.source, mac: sender };
    return answerKept(state, at, name, ns.target, client, () => solicitedAdvertisement(ns, mac));
  }
  countAnswer(state, name, 'ndp');
  const send: WireOutput = { type: 'send', interface: name, frame: solicitedAdvertisement(ns, mac) };
  return ns.ethernetDestination === mac ? [send, ...confirm(state, at, ns.target, ns.source)] : [send];
};

const hearAdvertisement = (
  state: WireState,
  at: number,
  name: string,
  na: AdvertisementFrame,
): readonly WireOutput[] => {
  const mac = na.targetLinkLayerAddress ?? na.ethernetSource;
  if (state.watched.has(na.target)) return hearRival(state, at, name, na.target, mac);
  // The answer to a directed solicitation, whose source was the service IP.
  if (!na.solicited || na.ethernetDestination !== macOf(state, name)) return NOTHING;
  return learnAndConfirm(state, at, na.destination, { ip: na.target, mac });
};

export const hearNeighbor = (
  state: WireState,
  at: number,
  name: string,
  frame: NeighborFrame,
): readonly WireOutput[] => {
  switch (frame.kind) {
    case 'arp':
      return hearArp(state, at, name, frame);
    case 'ns':
      return hearSolicitation(state, at, name, frame);
    case 'na':
      return hearAdvertisement(state, at, name, frame);
  }
};
