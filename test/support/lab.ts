// What every test of the lab and of the wire needs: a reason to skip aloud, and a segment that is always removed.
import { type TestContext, test } from 'node:test';
import { createSegment, type Segment, type SegmentOptions } from '../../src/cli/lab/segment.ts';
import { missingTools } from '../../src/cli/lab/tools.ts';

const ALWAYS = ['ip', 'nsenter', 'setpriv'];

/** Why a test that needs root (or an enclosure) and `tools` cannot run here, in words; null when it can. */
export const obstacle = (tools: readonly string[] = []): string | null => {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.geteuid?.() !== 0)
    return 'needs root for network namespaces: sudo, or unshare --user --map-root-user';
  const missing = missingTools([...ALWAYS, ...tools]);
  return missing.length === 0 ? null : `needs ${missing.join(', ')}`;
};

/** A test that is skipped, with the reason in the report, where root or one of `tools` is missing. */
export const wireTest = (
  title: string,
  tools: readonly string[],
  body: (context: TestContext) => Promise<void>,
): void => {
  const reason = obstacle(tools);
  test(title, { skip: reason ?? false }, body);
};

/** A segment that ends with the test, whatever becomes of it. */
export const segmentFor = async (context: TestContext, options: SegmentOptions = {}): Promise<Segment> => {
  const segment = await createSegment(options);
  context.after(() => segment.dispose());
  return segment;
};
