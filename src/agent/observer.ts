import type { KernelFault } from '../io/kernel.ts';
import type { Notice } from './policy-table.ts';

/** Why the table that was read back is not the one that was written. */
export type DriftReason = 'gone' | 'changed' | 'unreadable';

/** One sync that ended well. */
export interface Committed {
  readonly changes: number;
  readonly tightens: boolean;
  /** The whole table was replaced. */
  readonly replaced: boolean;
  readonly compileMs: number;
  readonly nftMs: number;
  /** For each event that is in the kernel now: how long it took. At most 1,000 of them. */
  readonly latencies: readonly number[];
  /** How many events there were. */
  readonly events: number;
  /** For each policy that is new: how long ago the API server made it. */
  readonly sinceCreation: readonly number[];
}

/** What the loop tells of itself; log, metrics and events on objects listen. */
export interface Observer {
  committed(what: Committed): void;
  /** nft was run. */
  ran(result: 'ok' | KernelFault['kind'], ms: number): void;
  /** Everything was compiled anew. */
  loaded(reasons: readonly string[], ms: number): void;
  drifted(reason: DriftReason, details: readonly string[]): void;
  /** A sync failed; it is tried again in so many milliseconds. */
  failed(message: string, retryMs: number): void;
  /** The kernel refuses the policy: the pods that it selects are closed. */
  policyFailed(id: string, fault: string): void;
  policyHealed(id: string): void;
  noticed(notice: Notice): void;
}
