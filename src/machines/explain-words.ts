// How an explanation words what a journal holds: the core's reasons told afterwards by somebody else, and inputs
// as what happened to a node. Also which inputs are worth keeping for it.
import type { Fact } from './chronicle.ts';
import type { NodeName } from './claims.ts';
import type { Effect } from './effects.ts';
import type { Ip } from './frames.ts';
import type { Input } from './inputs.ts';

/** Inputs that may explain something about one IP. */
export const mayExplain =
  (ip: Ip) =>
  (input: Input, effects: readonly Effect[]): boolean => {
    switch (input.type) {
      case 'clock':
      case 'peer.heard':
      case 'peer.whole':
      case 'peer.late':
      case 'peer.back':
        return effects.some((effect) => isAbout(effect, ip));
      case 'clients.settled':
      case 'clients.carried':
      case 'clients.left':
      case 'address.failed':
      case 'rival.heard':
        return input.ip === ip;
      case 'claims.heard':
        return input.released.includes(ip) || input.claims.some((claim) => claim.ip === ip);
      case 'claims.witnessed':
        return input.claims.some((claim) => claim.ip === ip);
      case 'addresses.confirmed':
      case 'addresses.probed':
        return input.ips.includes(ip);
      default:
        return true;
    }
  };

const isAbout = (effect: Effect, ip: Ip): boolean =>
  effect.type === 'exit' ||
  effect.type === 'refuse' ||
  ((effect.type === 'record' || effect.type === 'yield') && effect.ip === ip);

const SILENT = /^(\S+) silent for (\d+) ms$/;
const PLACE = /^this node is (number (\d+) of (\d+)|the only one) that can take it$/;

/** The core's reason, told afterwards by somebody else: `this node` has a name, and what was is in the past. */
export const toldOf = (reason: string, node: NodeName): string =>
  reason
    .split('; ')
    .map((part) => {
      const silent = SILENT.exec(part);
      if (silent !== null) return `${silent[1]}, the holder, had been silent for ${silent[2]} ms`;
      const place = PLACE.exec(part);
      if (place?.[2] === undefined)
        return place === null ? part : `${node} was the only one that could take it`;
      return `${node} was number ${place[2]} of ${place[3]} that could take it`;
    })
    .join('; ')
    .replaceAll('this node', node);

/** How the clients took a move, to be added to a sentence. */
export const settledText = ({ input }: Fact): string => {
  if (input.type !== 'clients.settled') return '';
  const { known, confirmed, afterMs } = input;
  if (known === 0) return '; no client was known';
  const after = afterMs === null ? '' : ` after ${Math.max(1, Math.round(afterMs))} ms`;
  return `; ${confirmed} of ${known} clients confirmed${after}`;
};

/** Something happened to the node itself, or was asked of it. */
export const isTrouble = (input: Input): boolean =>
  (input.type === 'interface.changed' && !input.interface.up) ||
  input.type === 'interface.gone' ||
  input.type === 'wire.reborn' ||
  input.type === 'stop.requested' ||
  input.type === 'drain.requested' ||
  input.type === 'source.failed' ||
  input.type === 'rival.heard' ||
  input.type === 'address.failed';

/** Trouble that names IPs is about those. */
export const concerns = (input: Input, ip: Ip): boolean => {
  if (input.type === 'drain.requested') return input.ips === null || input.ips.includes(ip);
  if (input.type === 'rival.heard' || input.type === 'address.failed') return input.ip === ip;
  return true;
};

/** That, as a clause without its subject. */
export const troubleText = (input: Input): string => {
  switch (input.type) {
    case 'interface.changed':
      return `lost its link: ${input.interface.name} went down or has no carrier`;
    case 'interface.gone':
      return `lost its interface ${input.name}`;
    case 'wire.reborn':
      return `began anew: ${input.reason}`;
    case 'stop.requested':
      return `was told to stop: ${input.reason}`;
    case 'drain.requested':
      return `was told to drain${input.ips === null ? '' : ` ${input.ips.join(', ')}`}${input.to === null ? '' : ` to ${input.to}`}`;
    case 'source.failed':
      return `could not observe ${input.source}: ${input.reason}`;
    case 'rival.heard':
      return `heard ${input.mac}, which is no node, use ${input.ip}`;
    case 'address.failed':
      return `could not give ${input.ip} to its host: ${input.code}`;
    default:
      return input.type;
  }
};
