// What a node of the version before says and understands of a hello. A reader skips TLVs and flag bits that it does not
// know (docs/protocol.md, Versions), so that nothing is misread: what is new is just not there, either way. Before this
// version hellos witnessed nothing and kept no clients (TLV 5, flag 16). Older ones that echo nothing are not spoken to by
// design: a hello that lists me and repeats nothing is dropped (Fresh).
import type { SimHello, WireFrame } from './sim-frames.ts';

const NOTHING_WITNESSED: SimHello['witnessed'] = [];

/** The frame as the version before has it; tables that it has as well stay the same objects. */
export const inPreviousDialect = <F extends WireFrame>(frame: F): F => {
  if (frame.kind !== 'hello') return frame;
  const { witnessed, changes } = frame;
  const isKept = changes.some(({ kept }) => kept);
  if (witnessed.length === 0 && !isKept) return frame;
  return {
    ...frame,
    witnessed: NOTHING_WITNESSED,
    changes: isKept ? changes.map((change) => ({ ...change, kept: false })) : changes,
  };
};
