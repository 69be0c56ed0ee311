import type { AllReasons } from '../engine/explain/all-reasons.ts';

export type { AllReasons, ExplainedEnd, ExplainedSpan } from '../engine/explain/all-reasons.ts';

/**
 * The reasons of all pairs of a connectivity report, shared where they are equal. Peers that no policy tells apart are one
 * class, so the tables grow with the number of classes, not of peers.
 */
export interface Explanations extends AllReasons {
  /** For each of the report's `peers` in order; where it has `classes`, for each of those and then the peers in none. */
  readonly classOf: readonly number[];
}
