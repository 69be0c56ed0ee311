/** Time as the agent sees it; tests have one of their own. */
export interface Clock {
  /** Milliseconds that only ever grow, whatever is done to the clock of the machine. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Calls `then` once after `ms`; the answer calls it off. */
  after(ms: number, then: () => void): () => void;
}

/** The machine's own. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
