// The journal's main-thread side: hands records to the writer thread and waits for the kernel to have them, but
// never long. A disk that freezes or fills costs records, which are counted and said; it never costs service.
import { accessSync, constants } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { CoreCheckpoint } from '../../machines/core.ts';
import type { Effect } from '../../machines/effects.ts';
import type { StampedInput } from '../../machines/inputs.ts';
import { JOURNAL_FORMAT } from '../../machines/journal-formats.ts';
import { makeDirectory } from '../make-directory.ts';
import {
  DONE,
  DROPPED,
  FAILING,
  type WriterData,
  type WriterFailure,
  type WriterMessage,
} from './writer-protocol.ts';

/** After this long without acknowledgement the effects go first and the gap is counted (design.md). */
const ACKNOWLEDGE_MS = 20;
/** What may wait for a frozen disk; past it records are dropped until the disk is back. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;
/** Unacknowledged for this long, a disk is said to be frozen, though memory still holds what it has not taken. */
const FROZEN_AFTER_MS = 1_000;
/** How often a journal that failed is tried again. */
const RETRY_MS = 1_000;
/** What the hash and the newline add to a line. */
const SEAL_BYTES = 25;
/** How long the last lines are waited for. */
const CLOSE_MS = 1_000;
/** The journal is cut into this many segments at most, so that deleting the oldest keeps most of the past. */
const SEGMENTS = 8;

export interface JournalOptions {
  readonly directory: string;
  readonly maxBytes: number;
  readonly node: string;
  readonly instance: string;
  readonly version: string;
  /** Monotonic-based logical milliseconds. */
  readonly now: () => number;
  /** Called when writing begins to fail or works again, with the inputs lost in between. */
  readonly onGap: (gap: {
    readonly reason: string;
    readonly inputs: number;
    readonly isOver: boolean;
  }) => void;
}

export interface JournalCounters {
  bytes: number;
  inputs: number;
  /** Effects that left before the kernel had their input. */
  lateBatches: number;
  /** Inputs that were stepped and never written. */
  lostInputs: number;
}

export interface Journal {
  /** Appends inputs, in order, and waits up to 20 ms for the kernel to have them. */
  appendInputs(inputs: readonly StampedInput[]): void;
  /** Appends what the input numbered `n` led to. Does not wait. */
  appendEffects(n: number, effects: readonly Effect[]): void;
  /** The number that the next appended input gets. */
  nextNumber(): number;
  /** Starts a new segment if the current one is full or a gap has ended; call it between steps. */
  settle(checkpoint: () => CoreCheckpoint): void;
  readonly counters: Readonly<JournalCounters>;
  /** Why nothing is being written, or null. A disk that takes nothing for a second is a reason. */
  failing(): string | null;
  /** Lets the writer finish, for a second at most (a frozen disk must not keep the process), then calls back. */
  close(onClosed: () => void): void;
}

/** Makes the directory if need be. Throws the system's error when it cannot be written. */
export const prepareDirectory = (directory: string): void => {
  makeDirectory(directory, 0o750);
  accessSync(directory, constants.W_OK | constants.X_OK);
};

const compact = (at: number): string => new Date(at).toISOString().replaceAll(/[-:]/g, '');

/** Opens the journal of a new life; its first segment begins with `checkpoint`. */
export const openJournal = (options: JournalOptions, checkpoint: CoreCheckpoint): Journal => {
  const { node, instance, version, now } = options;
  const done = new Int32Array(new SharedArrayBuffer(12));
  const prefix = `${node}-`;
  const workerData: WriterData = { directory: options.directory, maxBytes: options.maxBytes, prefix, done };
  const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), { workerData });
  const born = compact(now());
  const counters: JournalCounters = { bytes: 0, inputs: 0, lateBatches: 0, lostInputs: 0 };

  let batch = 0;
  let segment = 0;
  let segmentBytes = 0;
  let segmentLimit = options.maxBytes / SEGMENTS;
  let next = 1;
  /** Bytes of each batch that is not acknowledged yet, oldest first. */
  const pending: { readonly batch: number; readonly bytes: number; readonly at: number }[] = [];
  let queuedBytes = 0;
  let failure: string | null = null;
  let lostSince = 0;
  let retryAt = 0;

  const acknowledge = (): void => {
    const last = Atomics.load(done, DONE);
    while (pending.length > 0 && (pending[0] as { batch: number }).batch <= last) {
      queuedBytes -= (pending.shift() as { bytes: number }).bytes;
    }
  };

  const post = (message: WriterMessage): void => {
    const lines = message.type === 'close' ? [] : message.lines;
    const bytes = lines.reduce((sum, line) => sum + line.length + SEAL_BYTES, 0);
    pending.push({ batch, bytes, at: now() });
    queuedBytes += bytes;
    segmentBytes += bytes;
    counters.bytes += bytes;
    worker.postMessage(message);
  };

  const nextBatch = (): number => {
    batch += 1;
    return batch;
  };

  const openSegment = (from: CoreCheckpoint): void => {
    segment += 1;
    segmentBytes = 0;
    const dropped = Atomics.exchange(done, DROPPED, 0);
    lostSince += dropped;
    counters.lostInputs += dropped;
    const gap =
      failure === null && lostSince === 0 ? null : { inputs: lostSince, reason: failure ?? 'unknown' };
    const header = {
      holdfast: 'journal',
      format: JOURNAL_FORMAT,
      version,
      node,
      instance,
      segment,
      gap,
    } as const;
    const checkpointLine = JSON.stringify({ checkpoint: from, next });
    // A checkpoint of many IPs must not fill a segment by itself.
    segmentLimit = Math.max(options.maxBytes / SEGMENTS, 4 * checkpointLine.length);
    const file = `${prefix}${born}-${instance.slice(0, 8)}-${String(segment).padStart(8, '0')}.ndjson`;
    post({ type: 'segment', batch: nextBatch(), file, header, lines: [checkpointLine], limit: segmentLimit });
  };

  const lose = (inputs: number, reason: string): void => {
    if (failure === null) {
      failure = reason;
      retryAt = now() + RETRY_MS;
      options.onGap({ reason, inputs: 0, isOver: false });
    }
    lostSince += inputs;
    counters.lostInputs += inputs;
  };

  worker.on('message', ({ code }: WriterFailure) => lose(0, code));
  worker.on('error', (error) => lose(0, `the journal writer died: ${String(error)}`));
  worker.unref();

  /** Waits for the newest batch, unless the disk is known to be behind already. */
  const awaitKernel = (): boolean => {
    const wanted = batch;
    const isBehind = pending.length > 1 && (pending[0] as { batch: number }).batch < wanted - 2;
    const until = now() + ACKNOWLEDGE_MS;
    for (;;) {
      const last = Atomics.load(done, DONE);
      if (last >= wanted) break;
      const left = until - now();
      if (isBehind || left <= 0 || Atomics.wait(done, DONE, last, left) === 'timed-out') {
        counters.lateBatches += 1;
        break;
      }
    }
    acknowledge();
    return pending.length === 0 && Atomics.load(done, FAILING) === 0;
  };

  openSegment(checkpoint);
  awaitKernel();

  return {
    appendInputs: (inputs) => {
      acknowledge();
      counters.inputs += inputs.length;
      const first = next;
      next += inputs.length;
      if (failure === null && queuedBytes > MAX_QUEUED_BYTES)
        lose(0, 'the disk does not take what is written');
      if (failure !== null) return lose(inputs.length, failure);
      const lines = inputs.map(({ at, input }, index) => JSON.stringify({ n: first + index, at, in: input }));
      post({ type: 'append', batch: nextBatch(), lines, inputs: inputs.length });
      awaitKernel();
    },
    appendEffects: (n, effects) => {
      if (failure !== null || effects.length === 0) return;
      post({ type: 'append', batch: nextBatch(), lines: [JSON.stringify({ n, out: effects })], inputs: 0 });
    },
    nextNumber: () => next,
    settle: (current) => {
      acknowledge();
      if (failure === null) {
        if (segmentBytes > segmentLimit) openSegment(current());
        return;
      }
      // Tried again only when the writer has nothing left to choke on.
      if (now() < retryAt || pending.length > 0) return;
      retryAt = now() + RETRY_MS;
      openSegment(current());
      if (!awaitKernel()) return;
      const inputs = lostSince;
      failure = null;
      lostSince = 0;
      options.onGap({ reason: '', inputs, isOver: true });
    },
    counters,
    failing: () => {
      acknowledge();
      if (failure !== null) return failure;
      const [oldest] = pending;
      const waitedMs = oldest === undefined ? 0 : now() - oldest.at;
      if (waitedMs < FROZEN_AFTER_MS) return null;
      return `the disk has taken nothing for ${Math.round(waitedMs / 1_000)} s, ${queuedBytes} octets wait in memory`;
    },
    close: (onClosed) => {
      let isClosed = false;
      const finish = (): void => {
        if (!isClosed) onClosed();
        isClosed = true;
      };
      worker.ref();
      worker.once('exit', finish);
      setTimeout(finish, CLOSE_MS).unref();
      post({ type: 'close', batch: nextBatch() });
    },
  };
};
