/** Why the kernel does not have what it should. */
export type KernelFault =
  /** nft understood and refused: nothing was changed. `line` and `excerpt` point into the transaction where nft does. */
  | {
      readonly kind: 'refused';
      readonly message: string;
      readonly line: number | null;
      readonly excerpt: string | null;
    }
  /** nft could not be run, crashed or took too long: what was changed is unknown. */
  | { readonly kind: 'broken'; readonly message: string; readonly signal: string | null };

/** Packets and bytes that a named counter of the table has counted. */
export interface CounterValue {
  readonly packets: number;
  readonly bytes: number;
}

/** What the agent needs of nftables. `io/nft.ts` runs the program; tests have a stateful fake. */
export interface Kernel {
  /** Carries out one transaction, all of it or nothing; `null` if that worked. */
  apply(transaction: string): Promise<KernelFault | null>;
  /** Whether a transaction would work, without carrying it out; `null` if it would. */
  check(transaction: string): Promise<KernelFault | null>;
  /** The text of `nft list table inet NAME`, numeric; `null` if there is no such table. Lists nothing else. */
  list(): Promise<{ readonly text: string | null } | KernelFault>;
  /** The named counters of our table; `null` if there is no such table. */
  counters(): Promise<ReadonlyMap<string, CounterValue> | null | KernelFault>;
}

/** Tells a fault from what {@link Kernel.list} and {@link Kernel.counters} answer otherwise. */
export function isFault(answer: object | null): answer is KernelFault {
  return answer !== null && 'kind' in answer && (answer.kind === 'refused' || answer.kind === 'broken');
}
