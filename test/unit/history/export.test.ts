// The bundle for a bug report: what is in it, that it replays, and that redacted it names nobody.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { writeBundle } from '../../../src/cli/history/export-bundle.ts';
import { openJournals } from '../../../src/cli/history/journals.ts';
import { replayFiles } from '../../../src/cli/history/replay-run.ts';
import { parseConfig } from '../../../src/io/config/load-config.ts';
import { choosePseudonyms } from '../../../src/io/journal/pseudonyms.ts';
import { redactText, redactValue } from '../../../src/io/journal/redaction.ts';
import { tarOf } from '../../../src/io/journal/tar.ts';
import { holds } from '../../../src/machines/addresses.ts';
import { compareRank } from '../../../src/machines/claims.ts';
import { withDirectory } from '../journal/recorder.ts';

const SAMPLES = join(import.meta.dirname, '../../fixtures/journal');
const ALWAYS = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/** Name → octets of an archive, by the format's own fields. */
const untar = (bytes: Buffer): Map<string, Buffer> => {
  const files = new Map<string, Buffer>();
  const text = (at: number, length: number): string =>
    bytes
      .subarray(at, at + length)
      .toString()
      .replace(/\0.*$/s, '');
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    const sum = bytes
      .subarray(at, at + 512)
      .reduce((total, octet, index) => total + (index >= 148 && index < 156 ? 32 : octet), 0);
    assert.equal(Number.parseInt(text(at + 148, 8), 8), sum, 'the checksum of a header');
    const [name, prefix] = [text(at, 100), text(at + 345, 155)];
    const size = Number.parseInt(text(at + 124, 12), 8);
    files.set(prefix === '' ? name : `${prefix}/${name}`, bytes.subarray(at + 512, at + 512 + size));
    at += 512 * (1 + Math.ceil(size / 512));
  }
  return files;
};

const CONFIG = `node: n1
serviceIPs: [{ip: 10.99.0.100}, {ip: "fd99::100", nodes: [n1, n2]}]
heartbeat: {keyFile: /etc/holdfast/keys-of-acme}
`;

const exported = async (directory: string, name: string, isRedacted: boolean, window = ALWAYS) => {
  const parsed = parseConfig(CONFIG, 'config.yaml');
  assert.ok(parsed.ok);
  const out = join(directory, `${name}.tar.gz`);
  const result = await writeBundle({
    files: openJournals([join(SAMPLES, name)]).files,
    window,
    isRedacted,
    config: parsed.config,
    doctor: 'ok  link  eth0 (02:00:00:00:01:01) of n1 has 10.99.0.1/24\n',
    version: '0.0.0',
    madeAt: Date.UTC(2026, 10, 20),
    out,
  });
  const files = untar(gunzipSync(readFileSync(out)));
  const into = join(directory, `${name}-unpacked`);
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(into, path)), { recursive: true });
    writeFileSync(join(into, path), bytes);
  }
  return { result, files, into };
};

test('a bundle holds the journals as they were, the configuration without secrets, doctor and a manifest', () =>
  withDirectory(async (directory) => {
    const { files, into, result } = await exported(directory, 'cut', false);
    const names = [...files.keys()].map((name) => name.replace('holdfast-export/', ''));
    assert.deepEqual(names.slice(0, 3), ['manifest.json', 'config.yaml', 'doctor.txt']);
    assert.equal(names.filter((name) => /^journal\/n[123]-.*\.ndjson$/.test(name)).length, 3);
    const config = files.get('holdfast-export/config.yaml')?.toString() ?? '';
    assert.match(config, /10\.99\.0\.100/);
    assert.doesNotMatch(config, /acme/);
    assert.equal(result.isIdentical, true);
    const [was, is] = [join(SAMPLES, 'cut'), into].map((path) => replayFiles(openJournals([path]).files));
    assert.deepEqual(is, was);
  }));

for (const name of ['cut', 'drain', 'crash']) {
  test(`the bundle of the ${name}, redacted, names nobody and replays identically`, () =>
    withDirectory(async (directory) => {
      const { files, into, result } = await exported(directory, name, true);
      assert.deepEqual([result.isIdentical, result.keepsRanks], [true, true]);
      const text = [...files].map(([path, bytes]) => `${path}\n${bytes.toString()}`).join('\n');
      for (const secret of [/\bn[123]\b/, /10\.99\./, /fd99/, /02:00:00:00:01/, /acme/, /ff:fe00/])
        assert.doesNotMatch(text, secret);
      const was = replayFiles(openJournals([join(SAMPLES, name)]).files);
      assert.deepEqual(replayFiles(openJournals([into]).files), was);
    }));
}

test('a window leaves out segments that hold nothing of it', () =>
  withDirectory(async (directory) => {
    const { lives, end } = openJournals([join(SAMPLES, 'crash')]);
    const killed = lives.find(({ node }) => node === 'n1');
    const { result } = await exported(directory, 'crash', false, { ...ALWAYS, from: end - 100 });
    assert.equal(result.segments, 3);
    assert.ok(killed !== undefined && killed.to < end - 100);
  }));

test('a bundle never overwrites a file', () =>
  withDirectory(async (directory) => {
    await exported(directory, 'cut', false);
    await assert.rejects(exported(directory, 'cut', false), { code: 'EEXIST' });
  }));

const node = fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/);

test('under other names prefixes hold what they held, texts sort alike, and every IP ranks the nodes alike', () => {
  const hosts = fc.uniqueArray(fc.integer({ min: 2, max: 250 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(fc.uniqueArray(node, { minLength: 1, maxLength: 5 }), hosts, hosts, (nodes, these, those) => {
      const prefixes = [
        { ip: '192.0.2.1', length: 24 },
        { ip: '198.51.100.1', length: 24 },
        { ip: '2001:db8::1', length: 64 },
      ];
      const ips = [
        ...these.map((host) => `192.0.2.${host}`),
        ...those.map((host) => `198.51.100.${host}`),
        ...these.map((host) => `2001:db8::${(host + 16).toString(16)}`),
      ];
      const names = choosePseudonyms({ nodes, serviceIPs: ips, prefixes });
      assert.equal(names.keepsRanks, true);
      for (const ip of ips) {
        for (const prefix of prefixes)
          assert.equal(holds(names.prefix(prefix), names.ip(ip)), holds(prefix, ip), `${ip} ${prefix.ip}`);
        const ranked = nodes.toSorted((a, b) => compareRank(ip, a, b)).map((name) => names.node(name));
        const others = nodes.map((name) => names.node(name) ?? '');
        assert.deepEqual(
          others.toSorted((a, b) => compareRank(names.ip(ip), a, b)),
          ranked,
        );
      }
      for (const family of ['192.', '198.', '2001:']) {
        const sorted = ips.filter((ip) => ip.startsWith(family)).sort();
        const renamed = sorted.map((ip) => names.ip(ip));
        assert.deepEqual(renamed, renamed.toSorted());
      }
      const distinct = new Set(ips.map((ip) => names.ip(ip)));
      assert.equal(distinct.size, new Set(ips).size);
    }),
    { numRuns: 100 },
  );
});

test('with too many nodes for their order to be kept, that is said', () => {
  const nodes = Array.from({ length: 12 }, (_, index) => `n${index}`);
  const prefixes = [{ ip: '192.0.2.1', length: 24 }];
  assert.equal(choosePseudonyms({ nodes, serviceIPs: ['192.0.2.9'], prefixes }).keepsRanks, false);
});

test('names are replaced in sentences and values, and words of the format are not', () => {
  const prefixes = [{ ip: '10.0.0.1', length: 24 }];
  const names = choosePseudonyms({ nodes: ['leader', 'n1'], serviceIPs: ['10.0.0.9'], prefixes });
  const ip = names.ip('10.0.0.9');
  assert.equal(redactText('n1: silent; n10 holds 10.0.0.9.', names), `node-2: silent; n10 holds ${ip}.`);
  assert.equal(names.ip('fe80::1').startsWith('fe80::'), true);
  assert.deepEqual(
    redactValue({ type: 'leader', to: 'leader', node: 'leader', id: 'handover 10.0.0.9' }, names),
    {
      type: 'leader',
      to: 'leader',
      node: 'node-1',
      id: `handover ${ip}`,
    },
  );
  assert.deepEqual(redactValue({ ip: '10.0.0.9', length: 24 }, names), { ip, length: 16 });
});

test('an archive keeps names of up to 255 characters, and a file that shrank keeps its size', () => {
  const name = `${'d'.repeat(120)}/${'f'.repeat(90)}`;
  const chunks = [...tarOf([{ name, size: 600, chunks: [Buffer.from('short')] }], 0)];
  const files = untar(Buffer.concat(chunks));
  assert.equal(files.get(name)?.length, 600);
  assert.throws(() => [...tarOf([{ name: 'x'.repeat(101), size: 0, chunks: [] }], 0)], /too long/);
});
