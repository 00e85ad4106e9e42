// The lines of a file, one after the other, without ever holding the file: a journal may be as large as its disk.
import { closeSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/** What is read at once: large enough that the kernel is asked seldom, small enough to stay in the cache. */
const CHUNK_BYTES = 256 * 1024;
/** A checkpoint of 10,000 IPs has some 10 MB; what is ten times longer is no line of a journal. */
const MAX_LINE = 128 * 1024 * 1024;

/** Yields whole lines without their newline; returns what stands after the last one. Throws the system's error. */
export function* fileLines(file: string): Generator<string, string> {
  const descriptor = openSync(file, 'r');
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    // A flipped bit may make a byte that is no UTF-8: it becomes a replacement character, and the hash tells.
    const decoder = new StringDecoder('utf8');
    let rest = '';
    for (;;) {
      const length = readSync(descriptor, chunk, 0, CHUNK_BYTES, null);
      if (length === 0) return rest + decoder.end();
      const lines = decoder.write(chunk.subarray(0, length)).split('\n');
      lines[0] = rest + (lines[0] as string);
      rest = lines.pop() as string;
      if (rest.length > MAX_LINE) throw new Error(`a line is longer than ${MAX_LINE} characters`);
      yield* lines;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** The same of a text that is at hand. */
export function* textLines(text: string): Generator<string, string> {
  const lines = text.split('\n');
  const rest = lines.pop() as string;
  yield* lines;
  return rest;
}
