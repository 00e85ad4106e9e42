// The simulator's only source of chance. One seed draws everything; each part draws from a stream split off by
// its name, so that a draw more in one part does not change what another part meets.

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** A whole number in [low, high]. */
  whole(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** Some of `from`, each with `probability`, in order. */
  some<T>(from: readonly T[], probability: number): T[];
  /** A stream of its own that depends on this stream's seed and the name only, not on what was drawn so far. */
  split(name: string): Random;
}

/** FNV-1a with murmur3's finaliser: spreads neighbouring seeds and names. */
const mixed = (seed: number, name: string): number => {
  let hash = Math.imul(0x811c9dc5 ^ seed, 0x01000193);
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

export const createRandom = (seed: number): Random => {
  // sfc32: small, fast, and long enough for a run of hours.
  let a = mixed(seed, 'a');
  let b = mixed(seed, 'b');
  let c = mixed(seed, 'c');
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 0x1_0000_0000;
  };
  for (let round = 0; round < 12; round += 1) next();
  const between = (low: number, high: number): number => low + next() * (high - low);
  return {
    next,
    between,
    whole: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (probability) => next() < probability,
    pick: (from) => {
      const picked = from[Math.floor(next() * from.length)];
      if (picked === undefined) throw new Error('nothing to pick from');
      return picked;
    },
    some: (from, probability) => from.filter(() => next() < probability),
    split: (name) => createRandom(mixed(seed, name)),
  };
};
