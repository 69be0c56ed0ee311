/** A seeded source of numbers: the same seed gives the same cluster on every machine. */
export interface Random {
  /** An integer in `[0, limit)`. */
  below(limit: number): number;
  /** True in `share` of all calls. */
  chance(share: number): boolean;
}

/** Mulberry32: small, fast and good enough to spread labels. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    below: (limit) => Math.floor(next() * limit),
    chance: (share) => next() < share,
  };
}
