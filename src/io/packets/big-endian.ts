// Network byte order (RFC 791, appendix B) over a Uint8Array. Plain indexing rather than DataView: the wire
// thread reads each frame out of one receive buffer, and a view per frame would be garbage. Out-of-range reads
// are the caller's bug: every decoder checks its lengths first.

/** One octet, 0–255. */
export const readU8 = (bytes: Uint8Array, at: number): number => bytes[at] as number;

/** Two octets, 0–65535. */
export const readU16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

/** Writes the low 16 bits of `value`. */
export const writeU16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
};
