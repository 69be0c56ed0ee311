/** How a set or map is declared. */
export interface SetDeclaration {
  readonly name: string;
  readonly kind: 'set' | 'map';
  /** As nft writes it: `ipv4_addr : classid`, `classid . inet_proto . inet_service : verdict`. */
  readonly type: string;
  readonly interval: boolean;
}

/**
 * Key → value as nft writes both, numerically (`10.0.0.1`, `0:1001 . 6 . 80` → `goto allow_in`); the value of a set's
 * member is `''`. Ranges are `first-last`, in the last field; blocks of addresses are ranges, too.
 */
export type Elements = ReadonlyMap<string, string>;

export interface ChainContent {
  /** `type filter hook forward priority -10; policy accept;` of a base chain, else `null`. */
  readonly hook: string | null;
  /** As nft lists them. */
  readonly rules: readonly string[];
}

/** The content of one nftables table: what is wanted, or what was read back. */
export interface TableContent {
  readonly family: 'inet';
  readonly name: string;
  readonly comment: string | null;
  readonly counters: readonly string[];
  readonly sets: ReadonlyMap<string, { readonly declaration: SetDeclaration; readonly elements: Elements }>;
  readonly chains: ReadonlyMap<string, ChainContent>;
}
