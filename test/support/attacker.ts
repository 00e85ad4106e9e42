// Somebody on the segment who has not the key: records real hellos, says them again, spoils them.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import { type LabNode, sleep } from '../../src/cli/lab/lab-node.ts';
import type { Host } from '../../src/cli/lab/segment.ts';
import type { Stage } from '../../src/cli/lab/stage.ts';
import { writeMac } from '../../src/io/packets/address.ts';
import { hex, patched } from './frames.ts';

const REPEAT = fileURLToPath(new URL('./repeat-process.ts', import.meta.url));
const HELLO_GROUP = '03486f6c6466';
const ETHERTYPE = '88b5';

/** The hellos of each node in so many milliseconds, as they were on the wire, in their order. Needs tcpdump, tshark. */
export const recordHellos = async (
  { segment, nodes }: Stage,
  durationMs: number,
): Promise<ReadonlyMap<LabNode, readonly Uint8Array[]>> => {
  const capture = await startCapture(segment, 'bridge', { filter: `ether proto 0x${ETHERTYPE}` });
  await sleep(durationMs);
  const rows = await analyse(await capture.stop(), '', ['eth.src', 'data.data']);
  const frameOf = (row: (typeof rows)[number]): Uint8Array =>
    hex(
      HELLO_GROUP,
      (row['eth.src'] ?? '').replaceAll(':', ''),
      ETHERTYPE,
      (row['data.data'] ?? '').replaceAll(':', ''),
    );
  return new Map(
    nodes.map((node) => {
      const frames = rows.filter((row) => row['eth.src'] === node.host.mac).map(frameOf);
      assert(frames.length > 0, `${node.host.name} said hello`);
      return [node, frames];
    }),
  );
};

/** The same frames from another source; null leaves them as they are. */
export const fromSource = (source: string | null, frames: readonly Uint8Array[]): readonly Uint8Array[] =>
  frames.map((frame) => {
    const copy = Uint8Array.from(frame);
    if (source !== null) writeMac(source, copy, 6);
    return copy;
  });

/** From `host`: every hello heard is said again, `delayMs` later, for `forMs` in all. Gives how many were said. */
export const repeatHellos = async (
  host: Host,
  { forMs, delayMs = 0, source }: { forMs: number; delayMs?: number; source: string | null },
): Promise<number> => {
  const args = ['--for', String(forMs), '--delay', String(delayMs)];
  if (source !== null) args.push('--source', source);
  return Number(await host.exec(process.execPath, [REPEAT, ...args]));
};

/** One way to spoil a hello, and what becomes of it: null where it is judged as if it were whole. */
export interface Spoiled {
  readonly how: string;
  readonly reason: string | null;
  readonly frames: readonly Uint8Array[];
}

const ETHERNET = 14;
// Offsets in the frame (docs/protocol.md, Fixed part).
const VERSION = ETHERNET + 2;
const LENGTH = ETHERNET + 4;
const INSTANCE = ETHERNET + 10;
/** The longest frame on a link with an MTU of 1,500. */
const LONGEST = ETHERNET + 1_500;
/** Payload length is told without the signature of 32 octets. */
const LONGEST_PAYLOAD = 1_500 - 32;

/** A signed hello, from the payload on, cut, stretched, marked as another version or changed by one bit. */
export const spoil = (hello: Uint8Array): readonly Spoiled[] => {
  const octets = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
  const stretched = patched(hello, hello.length, new Uint8Array(LONGEST - hello.length).fill(0xa5));
  const saying = (frame: Uint8Array, length: number): Uint8Array =>
    patched(frame, LENGTH, Uint8Array.of(length >> 8, length & 0xff));
  const flipped = (at: number): Uint8Array =>
    patched(hello, at, Uint8Array.of((hello[at] as number) ^ (1 << (at % 8))));
  return [
    {
      how: 'cut short, at every length',
      reason: 'hello-truncated',
      frames: octets(hello.length - ETHERNET, ETHERNET).map((length) => hello.subarray(0, length)),
    },
    {
      how: 'longer by its own word than its frame',
      reason: 'hello-truncated',
      frames: [hello.length - ETHERNET + 1, 500, LONGEST_PAYLOAD].map((length) => saying(hello, length)),
    },
    {
      how: 'longer by its own word than any hello',
      reason: 'hello-malformed',
      frames: [LONGEST_PAYLOAD + 1, 1_500, 0xffff].flatMap((length) => [
        saying(hello, length),
        saying(stretched, length),
      ]),
    },
    {
      how: 'shorter by its own word than any hello',
      reason: 'hello-malformed',
      frames: [0, 1, 36].map((length) => saying(hello, length)),
    },
    {
      how: 'the longest frame there is, all of it a hello by its own word',
      reason: 'hello-signature',
      frames: [saying(stretched, LONGEST_PAYLOAD)],
    },
    { how: 'with other octets behind it', reason: null, frames: [stretched] },
    {
      how: 'of another version',
      reason: 'hello-version',
      frames: [0, 2, 255].map((version) => patched(hello, VERSION, Uint8Array.of(version))),
    },
    {
      how: 'with one bit changed, in every octet from the instance to the end of the signature',
      reason: 'hello-signature',
      frames: octets(hello.length - INSTANCE, INSTANCE).map(flipped),
    },
  ];
};
