// A tar archive (POSIX ustar) as a stream of octets: enough of the format to carry regular files, so that a bundle
// needs no package and no child process.
const BLOCK = 512;
const NAME_OCTETS = 100;
const PREFIX_OCTETS = 155;
/** Eleven octal digits. */
const MAX_SIZE = 8 ** 11 - 1;

export interface TarEntry {
  /** Path inside the archive, ASCII, with slashes. */
  readonly name: string;
  /** Octets that `chunks` give in all: less is filled with zeros, more is cut. */
  readonly size: number;
  readonly chunks: Iterable<Uint8Array>;
}

/** The name in its two fields; throws when it does not fit. */
const splitName = (name: string): readonly [name: string, prefix: string] => {
  if (name.length <= NAME_OCTETS) return [name, ''];
  const at = name.lastIndexOf('/', PREFIX_OCTETS);
  const [prefix, rest] = [name.slice(0, at), name.slice(at + 1)];
  if (at < 1 || rest.length > NAME_OCTETS) throw new Error(`${name}: too long a name for a tar archive`);
  return [rest, prefix];
};

const header = ({ name, size }: TarEntry, mtimeMs: number): Buffer => {
  if (size > MAX_SIZE) throw new Error(`${name}: ${size} octets are too many for a tar archive`);
  const block = Buffer.alloc(BLOCK);
  const [short, prefix] = splitName(name);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(short, 0);
  block.write(octal(0o644, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(Math.floor(mtimeMs / 1000), 11), 136);
  // The checksum is taken with its own field as spaces.
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  block.write(prefix, 345);
  const sum = block.reduce((total, octet) => total + octet, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
};

/** The archive of `entries`, each dated `mtimeMs`. */
export function* tarOf(entries: Iterable<TarEntry>, mtimeMs: number): Generator<Uint8Array> {
  for (const entry of entries) {
    yield header(entry, mtimeMs);
    let left = entry.size;
    for (const chunk of entry.chunks) {
      if (left === 0) break;
      const part = chunk.subarray(0, left);
      left -= part.length;
      yield part;
    }
    // A file that shrank while it was read: the size has been said already.
    for (; left > 0; left -= Math.min(left, BLOCK)) yield Buffer.alloc(Math.min(left, BLOCK));
    yield Buffer.alloc((BLOCK - (entry.size % BLOCK)) % BLOCK);
  }
  yield Buffer.alloc(2 * BLOCK);
}
