// The core as it was at some time: the newest checkpoint before it, and the inputs since.
import { fileLines } from '../../io/journal/file-lines.ts';
import { scanSegment } from '../../io/journal/segment-scan.ts';
import { type Core, createCore } from '../../machines/core.ts';
import type { LifeFiles } from './journals.ts';

/**
 * The core of `life` after the last input at or before `at`, of the life's own clock; null when a damaged record keeps
 * it from getting there.
 */
export const coreAt = (life: LifeFiles, at: number): Core | null => {
  try {
    return walkTo(life, at);
  } catch {
    // What is damaged has been named by whoever read the files first.
    return null;
  }
};

const walkTo = (life: LifeFiles, at: number): Core => {
  const first = Math.max(
    0,
    life.segments.findLastIndex((segment) => segment.at <= at),
  );
  const core = createCore(life.segments[first]?.checkpoint);
  for (const { file } of life.segments.slice(first)) {
    const scan = scanSegment(file, fileLines(file), []);
    for (const entry of scan?.entries() ?? []) {
      if (entry.type === 'output' || !entry.isSealed) continue;
      if (entry.at > at) return core;
      core.step(entry.at, entry.input);
    }
  }
  return core;
};
