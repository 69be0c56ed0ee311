import type { Family, Ip } from '../base/ip.ts';
import type { Node, Pod } from './cluster.ts';
import type { Protocol } from './match.ts';

/** One thing with an address that sends or receives. */
export type Endpoint =
  | { readonly kind: 'pod'; readonly pod: Pod }
  /** `address` is one of the node's, where the flow is about one; else `null`. */
  | { readonly kind: 'node'; readonly node: Node; readonly address: Ip | null }
  | { readonly kind: 'external'; readonly address: Ip }
  /** An address outside of the cluster that DNS gives for this name. */
  | { readonly kind: 'domain'; readonly name: string };

/** A connection attempt between two endpoints. */
export interface Flow {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly protocol: Protocol;
  /** Of the destination; `null` for ICMP. */
  readonly port: number | null;
  /** Over which addresses; `null` where neither end fixes it. */
  readonly family: Family | null;
  /** The destination was reached through a Service; tells a pod's way to itself through one from its own address. */
  readonly viaService: boolean;
}
