// The journal's writer: a worker that seals lines and hands them to the kernel, so that a slow disk blocks this
// thread and nothing else. It acknowledges each batch in shared memory, where the main thread waits briefly.
import { closeSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { NO_HASH, seal } from './journal-lines.ts';
import {
  DONE,
  DROPPED,
  FAILING,
  type WriterData,
  type WriterFailure,
  type WriterMessage,
} from './writer-protocol.ts';

const { directory, maxBytes, prefix, done } = workerData as WriterData;
const port = parentPort;
if (port === null) throw new Error('writer-thread.ts runs as a worker only');

let fd: number | null = null;
let hash = NO_HASH;
let current = '';

const fail = (error: unknown): void => {
  if (fd !== null) closeQuietly(fd);
  fd = null;
  Atomics.store(done, FAILING, 1);
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  port.postMessage({ type: 'failed', code } satisfies WriterFailure);
};

const closeQuietly = (descriptor: number): void => {
  try {
    closeSync(descriptor);
  } catch {
    // The file is given up anyway; the failure that led here has been reported.
  }
};

/** Deletes the oldest segments until the journal fits, this node's only and never the one being written. */
const prune = (reserve: number): void => {
  const segments = readdirSync(directory)
    .filter((name) => name.startsWith(prefix) && /\.ndjson(\.tmp)?$/.test(name) && name !== current)
    .sort();
  const sizes = segments.map((name) => statSync(join(directory, name)).size);
  let total = sizes.reduce((sum, size) => sum + size, 0) + reserve;
  for (const [index, name] of segments.entries()) {
    if (total <= maxBytes && !name.endsWith('.tmp')) continue;
    rmSync(join(directory, name), { force: true });
    total -= sizes[index] as number;
  }
};

const write = (lines: readonly string[]): void => {
  if (fd === null) return;
  let text = '';
  for (const json of lines) {
    const sealed = seal(hash, json);
    hash = sealed.hash;
    text += `${sealed.line}\n`;
  }
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset);
};

/**
 * A segment is made under another name and gets its own once its beginning stands: a process that is killed in
 * between leaves nothing that a reader would take for a damaged journal.
 */
const beginSegment = ({ file, header, lines, limit }: Extract<WriterMessage, { type: 'segment' }>): void => {
  if (fd !== null) closeQuietly(fd);
  fd = null;
  current = file;
  prune(limit);
  const path = join(directory, file);
  fd = openSync(`${path}.tmp`, 'wx', 0o640);
  const previous = hash;
  hash = NO_HASH;
  try {
    write([JSON.stringify({ ...header, previous }), ...lines]);
    renameSync(`${path}.tmp`, path);
  } catch (error) {
    // Tried again every second on a full disk: a segment without its beginning is only litter.
    rmSync(`${path}.tmp`, { force: true });
    throw error;
  }
  Atomics.store(done, FAILING, 0);
};

const append = ({ lines, inputs }: Extract<WriterMessage, { type: 'append' }>): void => {
  try {
    if (fd === null) Atomics.add(done, DROPPED, inputs);
    else write(lines);
  } catch (error) {
    Atomics.add(done, DROPPED, inputs);
    throw error;
  }
};

const handle = (message: WriterMessage): void => {
  try {
    if (message.type === 'segment') beginSegment(message);
    else if (message.type === 'append') append(message);
    else if (fd !== null) closeSync(fd);
  } catch (error) {
    fail(error);
  }
  Atomics.store(done, DONE, message.batch);
  Atomics.notify(done, DONE);
  if (message.type === 'close') port.close();
};

port.on('message', handle);
