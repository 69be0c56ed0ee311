/** Why the kernel does not have what it should. */
export type KernelFault =
  /** nft understood and refused: nothing was changed. `line` and `excerpt` point into the transaction where nft does. */
  | { readonly kind: 'refused'; readonly message: string; readonly line: number | null; readonly excerpt: string | null }
  /** nft could not be run, crashed or took too long: what was changed is unknown. */
  | { readonly kind: 'broken'; readonly message: string; readonly signal: string | null };

/** What the agent needs of nftables. `io/nft.ts` runs the program; tests have a stateful fake. */
export interface Kernel {
  /** Carries out one transaction, all of it or nothing; `null` if that worked. */
  apply(transaction: string): Promise<KernelFault | null>;
  /** The text of `nft list table inet NAME`, numeric; `null` if there is no such table. Lists nothing else. */
  list(): Promise<{ readonly text: string | null } | KernelFault>;
}
