import type { Clock } from '../../src/agent/clock.ts';

/** A clock that stands still until it is moved; what is due then is done in its order. */
export interface FakeClock extends Clock {
  /** Moves on, step by step; between steps, whatever was promised gets its turn. */
  advance(ms: number): Promise<void>;
  /** Lets time pass in the middle of a computation. */
  spend(ms: number): void;
  /** Sets the clock of the machine, which nothing but `wall` sees. */
  setWall(ms: number): void;
}

/** Begins at 0, and at `wall` of 1 January 2026. */
export function fakeClock(): FakeClock {
  let now = 0;
  let offset = Date.UTC(2026, 0, 1);
  const timers = new Map<number, { readonly at: number; readonly then: () => void }>();
  let next = 0;

  async function settle(): Promise<void> {
    // Promises of the code under test wait for each other a few times over.
    for (let i = 0; i < 50; i++) await Promise.resolve();
  }

  return {
    now: () => now,
    wall: () => offset + now,
    after(ms, then) {
      const id = next++;
      timers.set(id, { at: now + Math.max(0, ms), then });
      return () => {
        timers.delete(id);
      };
    },
    spend(ms) {
      now += ms;
    },
    setWall(ms) {
      offset = ms - now;
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const due = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
        if (due === undefined) break;
        timers.delete(due[0]);
        now = Math.max(now, due[1].at);
        due[1].then();
        await settle();
      }
      now = Math.max(now, end);
    },
  };
}
