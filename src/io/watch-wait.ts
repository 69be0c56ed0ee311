/** Waits that can be cut short. */
export interface Waiter {
  /** Returns after `ms`, at `wake`, or on the signal. */
  pause(ms: number): Promise<void>;
  wake(): void;
}

/** A waiter; once `signal` is aborted nothing waits any more. */
export function createWaiter(signal: AbortSignal): Waiter {
  let wake: () => void = () => undefined;
  return {
    wake: () => wake(),
    pause: (ms) =>
      new Promise((resolve) => {
        if (signal.aborted) {
          resolve();
          return;
        }
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          wake = () => undefined;
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done, { once: true });
        wake = done;
      }),
  };
}

/** Growing waits. */
export interface Backoff {
  next(): number;
  reset(): void;
}

/** Doubles from `firstMs` to `longestMs`; each wait is between half of that and all of it. */
export function createBackoff(firstMs: number, longestMs: number, random: () => number): Backoff {
  let step = firstMs;
  return {
    next() {
      const wait = step * (0.5 + random() / 2);
      step = Math.min(step * 2, longestMs);
      return wait;
    },
    reset() {
      step = firstMs;
    },
  };
}
