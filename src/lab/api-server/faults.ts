/** What is to go wrong, for tests of clients. May be changed at any time; takes effect at once. */
export interface Faults {
  /** Connections are closed before they are answered. */
  refuseConnections: boolean;
  /** Every request is answered with this status, and `Retry-After` where it is given. */
  answer: { readonly status: number; readonly retryAfter: number | null } | null;
  /** Resources (`resourceKey`) that nobody may read: 403. */
  forbidden: readonly string[];
  /** So many of the next watches that resume are told that their resource version is too old. */
  expiredWatches: number;
  /** Watches stay open and say nothing any more, as half-open connections do. */
  silentWatches: boolean;
  repeatEvents: boolean;
  /** Every two events come in the other order. */
  swapEvents: boolean;
  /** Of answers and events. */
  delayMs: number;
}

export function noFaults(): Faults {
  return {
    refuseConnections: false,
    answer: null,
    forbidden: [],
    expiredWatches: 0,
    silentWatches: false,
    repeatEvents: false,
    swapEvents: false,
    delayMs: 0,
  };
}
