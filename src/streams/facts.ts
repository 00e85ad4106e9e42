// A fact on its way to the inbox: an input, with the time at which it was read where the source knows better
// than the main thread (the wire thread does).
import type { Input, StampedInput } from '../machines/inputs.ts';

export interface Fact {
  /** Logical milliseconds; absent: the time of stamping. */
  readonly at?: number;
  readonly input: Input;
}

/**
 * The key under which a newer fact replaces an older one that was not stepped yet, or null for a fact of its
 * own. Level sources say what is, so only their newest word counts; events are all kept.
 */
export const levelKey = ({ input }: StampedInput): string | null => {
  switch (input.type) {
    case 'config.loaded':
    case 'clock':
      return input.type;
    case 'interface.changed': {
      // A link that went down and came back within one turn has flapped: both words count.
      const { name, index, mac, up } = input.interface;
      return `interface ${name} ${index} ${mac} ${up}`;
    }
    default:
      return null;
  }
};

/** What may be dropped when the inbox is full: a flood of it is a stranger's doing, and its loss moves nothing. */
export const isDroppable = ({ input }: StampedInput): boolean =>
  input.type === 'rival.heard' || input.type === 'clients.settled';
