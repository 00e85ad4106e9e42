// Records test/fixtures/previous/hellos.json: hellos that daemons of an older version really sent in the lab while they
// were upgraded, one of each shape, and how that version itself read them. Needs root and tcpdump:
// `scripts/node.sh test/support/record-hellos.ts CHECKOUT NAME >test/fixtures/previous/hellos.json`, where CHECKOUT is
// one of the older version, set up, and NAME its commit or tag.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCapture } from '../../src/cli/lab/capture.ts';
import { enclose } from '../../src/cli/lab/enclosure.ts';
import { stageOptionsFor } from '../../src/cli/lab/scenario.ts';
import { upgrade } from '../../src/cli/lab/scenario-upgrade.ts';
import { createStage } from '../../src/cli/lab/stage.ts';
import type { HelloFrame } from '../../src/machines/hello.ts';

const PCAP_HEADER = 24;
const RECORD_HEADER = 16;

const framesOf = (pcap: Buffer): readonly Buffer[] => {
  const frames: Buffer[] = [];
  for (let at = PCAP_HEADER; at + RECORD_HEADER <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    frames.push(pcap.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length));
    at += RECORD_HEADER + length;
  }
  return frames;
};

/** Two hellos of one shape say the same kinds of things. */
const shapeOf = ({ flags, hears, changes, witnessed }: HelloFrame): string => {
  const kinds = changes.map(({ held, successor, kept }) => JSON.stringify([held, successor === null, kept]));
  return JSON.stringify([flags, hears.length, [...new Set(kinds)].sort(), witnessed.length]);
};

const [checkout = '', name = ''] = process.argv.slice(2);
await enclose();
const { helloCodec } = (await import(
  join(checkout, 'src/io/packets/hello-codec.ts')
)) as typeof import('../../src/io/packets/hello-codec.ts');
const stage = await createStage({ ...stageOptionsFor(upgrade), from: join(checkout, 'bin/holdfast') });
try {
  const capture = await startCapture(stage.segment, 'bridge', { filter: 'ether proto 0x88b5' });
  const [first] = stage.nodes;
  await stage.settled();
  await first?.command('drain', '--patient', '--timeout', '2s');
  await first?.command('undrain');
  await upgrade.play(stage, (line) => process.stderr.write(`${line}\n`));
  const codec = helloCodec({ keys: [], group: 'default' });
  const births = new Map<string, string>();
  const found = new Map<string, { readonly frame: string; readonly hello: HelloFrame }>();
  for (const frame of framesOf(readFileSync(await capture.stop()))) {
    const hello = codec.read(frame, frame.length);
    if (hello.kind !== 'hello') throw new Error(`${name} refuses ${frame.toString('hex')}: ${hello.reason}`);
    // A node's first life is of the older version.
    if (!births.has(hello.node)) births.set(hello.node, hello.instance);
    if (births.get(hello.node) !== hello.instance || found.has(shapeOf(hello))) continue;
    found.set(shapeOf(hello), { frame: frame.toString('hex'), hello });
  }
  const about = `What daemons of ${name} said in the lab, one hello of each shape, and how that version read it.`;
  process.stdout.write(`${JSON.stringify({ about, hellos: [...found.values()] })}\n`);
} finally {
  await stage.dispose();
}
