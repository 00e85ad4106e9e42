// Diagnostics: pino, one JSON object a line on stdout. Written asynchronously and bounded: a reader that stops
// reading costs log lines, never service.
import pino, { type Logger } from 'pino';

/** What may wait for a slow reader of the log; past it lines are dropped. */
const MAX_BUFFERED_BYTES = 1024 * 1024;
/** How long the last lines are tried: an exit does not wait for a reader. */
const FLUSH_MS = 100;

/** `flush` writes what is waiting, for the last lines before an exit; 100 ms at most. */
export const createLog = (node: string, level: string): { readonly log: Logger; flush(): void } => {
  let flushUntil = Number.POSITIVE_INFINITY;
  // A full pipe whose reader sleeps says EAGAIN.
  const retryEAGAIN = (): boolean => performance.now() < flushUntil;
  const destination = pino.destination({ dest: 1, sync: false, maxLength: MAX_BUFFERED_BYTES, retryEAGAIN });
  // EPIPE: nobody reads any more.
  destination.on('error', () => {});
  const flushSync = destination.flushSync.bind(destination);
  // pino calls it for every fatal line and at the exit; left to itself it tries for ever.
  destination.flushSync = () => {
    flushUntil = performance.now() + FLUSH_MS;
    try {
      flushSync();
    } catch {
      // The destination is not open yet, or its reader is gone or asleep.
    } finally {
      flushUntil = Number.POSITIVE_INFINITY;
    }
  };
  const log = pino({ level, base: { node }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return { log, flush: () => destination.flushSync() };
};
