// A capture of tens of thousands of short frames on one port of the switch. The lab's own (src/cli/lab/capture.ts)
// keeps whole frames, and its ring holds some hundred of them: too few on a machine that is busy.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { sleep, waitFor } from '../src/cli/lab/lab-node.ts';
import type { Segment } from '../src/cli/lab/segment.ts';

/** Any ARP or Neighbor Discovery frame. */
const SNAP_OCTETS = 128;
const RING_KIB = 131_072;
/** tcpdump writes in blocks: what was read is in the file by then. */
const WRITTEN_MS = 1_000;

/** Captures what matches `filter` until the returned function is called, which gives the file. Throws if one was lost. */
export const captureMany = async (
  segment: Segment,
  port: string,
  filter: string,
): Promise<() => Promise<string>> => {
  const file = join(segment.directory, `many-${Date.now()}.pcap`);
  const size = ['-s', String(SNAP_OCTETS), '-B', String(RING_KIB)];
  const args = ['-n', '-Z', 'root', '-i', port, ...size, '-w', file, filter];
  const child = segment.switch.spawn('tcpdump', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    words += bytes.toString();
  });
  await waitFor('tcpdump to listen', 5_000, () => (words.includes('listening on') ? true : null));
  return async () => {
    await sleep(WRITTEN_MS);
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGINT');
    await ended;
    assert.match(words, /^0 packets dropped by kernel/m, words);
    return file;
  };
};

/** The most of `times` (milliseconds, in order) in any window of so many milliseconds. */
export const mostWithin = (times: readonly number[], windowMs: number): number => {
  let most = 0;
  for (let from = 0, to = 0; to < times.length; to += 1) {
    while ((times[to] as number) - (times[from] as number) > windowMs) from += 1;
    most = Math.max(most, to - from + 1);
  }
  return most;
};
