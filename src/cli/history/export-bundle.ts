// The bundle for a bug report: the segments of a time window, the effective configuration without secrets, what
// doctor says, versions, and a manifest; under other names if wanted. The journals in it replay, and the manifest
// says whether they do so identically.
import { closeSync, createWriteStream, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Config } from '../../io/config/config.ts';
import { formatConfig } from '../../io/config/format-config.ts';
import { choosePseudonyms, type Pseudonyms } from '../../io/journal/pseudonyms.ts';
import { gatherNames, redactSegment, redactText } from '../../io/journal/redaction.ts';
import { type TarEntry, tarOf } from '../../io/journal/tar.ts';
import type { SegmentFile } from './journals.ts';
import { replayFiles, type Window, withinWindow } from './replay-run.ts';

export interface BundleOptions {
  readonly files: readonly SegmentFile[];
  readonly window: Window;
  readonly isRedacted: boolean;
  /** Null: there is none, or it was not given. */
  readonly config: Config | null;
  readonly doctor: string | null;
  readonly version: string;
  readonly madeAt: number;
  readonly out: string;
}

export interface BundleResult {
  readonly segments: number;
  readonly inputs: number;
  readonly isIdentical: boolean;
  /** Redacted, and every service IP ranks the nodes as before. */
  readonly keepsRanks: boolean | null;
}

const CHUNK_BYTES = 1024 * 1024;

function* chunksOf(file: string): Generator<Uint8Array> {
  const descriptor = openSync(file, 'r');
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(descriptor, chunk, 0, CHUNK_BYTES, null);
      if (length === 0) return;
      yield chunk.subarray(0, length);
    }
  } finally {
    closeSync(descriptor);
  }
}

const textEntry = (name: string, text: string): TarEntry => {
  const bytes = Buffer.from(text);
  return { name, size: bytes.length, chunks: [bytes] };
};

/** Where keys and credentials lie is nobody's business either. */
const withoutSecrets = (config: Config): Config => ({
  ...config,
  heartbeat: {
    ...config.heartbeat,
    keyFile: config.heartbeat.keyFile === null ? null : '/removed-from-the-bundle',
  },
  kubernetes: {
    ...config.kubernetes,
    kubeconfig: config.kubernetes.kubeconfig === null ? null : '/removed-from-the-bundle',
  },
});

interface Exported extends SegmentFile {
  readonly name: string;
}

/** The segments as they stand, or rewritten under other names into `scratch`. */
const exportSegments = (
  files: readonly SegmentFile[],
  names: Pseudonyms | null,
  scratch: string,
): readonly Exported[] => {
  let last: { instance: string; hash: string } | null = null;
  return files.flatMap(({ file, start }): Exported[] => {
    if (names === null) return [{ file, start, name: basename(file) }];
    // Without a header nobody knows whose it is, nor what it would tell.
    if (start === null) return [];
    const { node, instance } = start.header;
    const own = basename(file);
    const rest = own.startsWith(`${node}-`) ? own.slice(node.length + 1) : `${instance.slice(0, 8)}.ndjson`;
    const name = `${names.node(node) ?? 'node'}-${rest}`;
    const target = join(scratch, name);
    const previous: string | null = last?.instance === instance ? last.hash : null;
    last = { instance, hash: redactSegment(file, target, names, previous) };
    return [{ file: target, start, name }];
  });
};

/** Writes the bundle to `out`, which must not exist. Throws the system's error. */
export const writeBundle = async (options: BundleOptions): Promise<BundleResult> => {
  const { isRedacted, window, version, madeAt, config, doctor } = options;
  const files = withinWindow(options.files, window);
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-export-'));
  try {
    const names = isRedacted ? choosePseudonyms(gatherNames(files.map(({ file }) => file))) : null;
    const hidden = (text: string): string => (names === null ? text : redactText(text, names));
    const exported = exportSegments(files, names, scratch);
    const { findings, inputs, transitions } = replayFiles(exported);
    const isIdentical = findings.length === 0;
    const moment = (at: number): string | null => (Number.isFinite(at) ? new Date(at).toISOString() : null);
    const manifest = {
      holdfast: 'export',
      version,
      made: new Date(madeAt).toISOString(),
      window: { from: moment(window.from), to: moment(window.to) },
      redacted: isRedacted,
      note: isRedacted
        ? 'nodes, addresses and MACs are replaced, the same by the same throughout; hashes are made anew, so they show damage since the export only'
        : 'segments are as the daemon wrote them',
      ranksKept: names?.keepsRanks ?? null,
      replay: {
        identical: isIdentical,
        inputs,
        transitions,
        findings: findings
          .slice(0, 3)
          .map(({ line, problem, file }) => `${basename(file)}:${line}: ${problem}`),
      },
      journals: exported.map(({ name }) => name),
    };
    const root = 'holdfast-export';
    const entries: TarEntry[] = [
      textEntry(`${root}/manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`),
    ];
    if (config !== null)
      entries.push(textEntry(`${root}/config.yaml`, hidden(formatConfig(withoutSecrets(config)))));
    if (doctor !== null) entries.push(textEntry(`${root}/doctor.txt`, hidden(doctor)));
    for (const { file, name } of exported)
      entries.push({ name: `${root}/journal/${name}`, size: statSync(file).size, chunks: chunksOf(file) });
    const sink = createWriteStream(options.out, { flags: 'wx', mode: 0o600 });
    await pipeline(Readable.from(tarOf(entries, madeAt), { objectMode: false }), createGzip(), sink);
    return { segments: exported.length, inputs, isIdentical, keepsRanks: names?.keepsRanks ?? null };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};
