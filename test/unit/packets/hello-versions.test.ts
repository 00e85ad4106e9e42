// Versions mix on a segment: what the version before said is read as it was meant, and that version, its own code, reads
// what this one says.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { helloCodec, LONGEST_HELLO } from '../../../src/io/packets/hello-codec.ts';
import type { HelloFrame } from '../../../src/machines/hello.ts';
import { hex } from '../../support/frames.ts';
import { PREVIOUS_COMMIT, previousObstacle } from '../../support/previous.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures');
const ROOT = join(import.meta.dirname, '../../..');

interface Recorded {
  readonly hellos: readonly { readonly frame: string; readonly hello: HelloFrame }[];
}

interface Vector {
  readonly group: string;
  readonly keys: readonly string[];
  readonly hello: HelloFrame;
}

const jsonOf = (name: string): unknown => JSON.parse(readFileSync(join(FIXTURES, name), 'utf8'));
const PREVIOUS = jsonOf('previous/hellos.json') as Recorded;
const vectors = (): readonly Vector[] =>
  readdirSync(join(FIXTURES, 'hello')).map((name) => jsonOf(join('hello', name)) as Vector);

const OPEN = helloCodec({ keys: [], group: 'default' });

const written = (codec: typeof OPEN, hello: HelloFrame): Uint8Array => {
  const buffer = new Uint8Array(LONGEST_HELLO);
  return buffer.slice(0, codec.write(hello, buffer));
};

/** The codec of the version before, taken out of the repository's history. */
const previousCodec = async (directory: string): Promise<typeof helloCodec> => {
  const archive = spawnSync('git', ['-C', ROOT, 'archive', PREVIOUS_COMMIT, 'src'], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const unpacked = spawnSync('tar', ['-x', '-C', directory], { input: archive.stdout });
  assert.equal(unpacked.status, 0, `${archive.stderr}${unpacked.stderr}`);
  const module = (await import(join(directory, 'src/io/packets/hello-codec.ts'))) as {
    helloCodec: typeof helloCodec;
  };
  return module.helloCodec;
};

describe('hellos of the version before', () => {
  it('are read as that version read them itself', () => {
    for (const { frame, hello } of PREVIOUS.hellos) {
      const bytes = hex(frame);
      assert.deepEqual(OPEN.read(bytes, bytes.length), hello);
    }
  });

  it('are the octets that this version writes for the same hello, so that it is read there as well', () => {
    for (const { frame, hello } of PREVIOUS.hellos)
      assert.equal(Buffer.from(written(OPEN, hello)).toString('hex'), frame);
  });

  it('show a takeover, a planned move, a farewell and a witness', () => {
    const all = PREVIOUS.hellos.map(({ hello }) => hello);
    const changes = all.flatMap((hello) => hello.changes);
    assert.ok(changes.some(({ held, successor }) => held && successor === null));
    assert.ok(changes.some(({ successor }) => successor !== null));
    assert.ok(changes.some(({ held }) => !held));
    assert.ok(all.some(({ flags }) => flags.leaving));
    assert.ok(all.some(({ witnessed }) => witnessed.length > 0));
  });
});

describe('the version before', () => {
  it('reads what this one says, signed or not, every TLV of it', {
    skip: previousObstacle() ?? false,
  }, async (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-previous-'));
    context.after(() => rmSync(directory, { recursive: true }));
    const previous = await previousCodec(directory);
    const open = PREVIOUS.hellos.map(({ hello }) => ({
      hello,
      group: 'default',
      keys: [] as readonly string[],
    }));
    for (const { hello, group, keys } of [...open, ...vectors()]) {
      const options = { keys: keys.map((key) => hex(key)), group };
      const frame = written(helloCodec(options), hello);
      assert.deepEqual(previous(options).read(frame, frame.length), hello);
    }
  });
});
