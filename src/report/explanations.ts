import type { PortProtocol } from '../model/match.ts';
import type { Reason, VerdictKind } from '../model/verdict.ts';

/** Why one end has its verdict. `reasons` are indices into {@link Explanations.reasons}; the first one decides. */
export interface ExplainedEnd {
  readonly verdict: VerdictKind;
  readonly decidedBy: string | null;
  readonly reasons: readonly number[];
}

/** Ports `first` to `last` of a protocol that share both ends' verdicts: indices into {@link Explanations.ends}. */
export interface ExplainedSlice {
  readonly protocol: PortProtocol;
  readonly first: number;
  readonly last: number;
  readonly egress: number;
  readonly ingress: number;
}

/**
 * The reasons of all pairs of a connectivity report, shared where they are equal. Peers that no policy tells apart as a
 * source are one source class, likewise destinations, so the table grows with the number of classes, not of peers:
 * `table[sourceClass * destinationClasses + destinationClass]` is an index into `cells`, or -1 where nothing is said.
 */
export interface Explanations {
  readonly reasons: readonly Reason[];
  readonly ends: readonly ExplainedEnd[];
  /** Slices of one cell are disjoint and together cover ports 1 to 65535 of TCP, UDP and SCTP. */
  readonly cells: readonly (readonly ExplainedSlice[])[];
  /** For each of the report's `peers` in order; where it has `classes`, for each of those and then the peers in none. */
  readonly sourceClass: readonly number[];
  readonly destinationClass: readonly number[];
  /** How many destination classes there are. */
  readonly destinationClasses: number;
  readonly table: readonly number[];
}
