import type { Clock } from './clock.ts';

const FIRST_TRY_MS = 60_000;
const LONGEST_TRY_MS = 30 * 60_000;

/** The policies that the kernel refuses, with the times at which they are tried again. */
export interface Closed {
  ids(): ReadonlySet<string>;
  has(id: string): boolean;
  add(id: string): void;
  /** The policy is another one now, or gone; tells whether it was closed. */
  forget(id: string): boolean;
  nextTry(): number | null;
  /** Opens those whose time has come; the answer names them. */
  takeDue(): readonly string[];
}

interface Entry {
  readonly at: number;
  readonly waitMs: number;
}

/** No policy is closed at first. */
export function closedPolicies(clock: Clock): Closed {
  const entries = new Map<string, Entry>();
  /** How long those that are being tried had waited. */
  const tried = new Map<string, number>();
  return {
    ids: () => new Set(entries.keys()),
    has: (id) => entries.has(id),
    add(id) {
      const waitMs = Math.min(2 * (tried.get(id) ?? FIRST_TRY_MS / 2), LONGEST_TRY_MS);
      tried.set(id, waitMs);
      entries.set(id, { at: clock.now() + waitMs, waitMs });
    },
    forget(id) {
      tried.delete(id);
      return entries.delete(id);
    },
    nextTry() {
      const times = [...entries.values()].map(({ at }) => at);
      return times.length === 0 ? null : Math.min(...times);
    },
    takeDue() {
      const now = clock.now();
      const due = [...entries].filter(([, { at }]) => at <= now);
      for (const [id] of due) entries.delete(id);
      return due.map(([id]) => id);
    },
  };
}
