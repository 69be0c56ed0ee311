import type { Cidr } from '../base/ip.ts';
import type { Selector } from './selector.ts';

/** Protocols with ports. */
export type PortProtocol = 'TCP' | 'UDP' | 'SCTP';
/** What a flow may be. `ICMPv6` is ICMP between IPv6 addresses. */
export type Protocol = PortProtocol | 'ICMP' | 'ICMPv6';

export const PORT_PROTOCOLS: readonly PortProtocol[] = ['TCP', 'UDP', 'SCTP'];

/** Which namespaces, seen from a policy. */
export type NamespaceMatch =
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'labelled'; readonly labels: Selector }
  /** Carries every key, with the values of the subject's namespace (S3.12, withdrawn). */
  | { readonly kind: 'same-labels'; readonly keys: readonly string[] }
  /** Carries every key, at least one with another value than the subject's namespace (S3.12, withdrawn). */
  | { readonly kind: 'different-labels'; readonly keys: readonly string[] };

/**
 * A set of endpoints: the subject of a policy, or one peer of a rule.
 * `pods` never holds host-network pods, nodes or external addresses; `nodes` holds the nodes' addresses, so also the
 * host-network pods on them; `addresses` holds whatever has such an address, pods included.
 */
export type EndpointMatch =
  | { readonly kind: 'anything' }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'pods'; readonly namespaces: NamespaceMatch; readonly pods: Selector }
  | { readonly kind: 'nodes'; readonly nodes: Selector }
  | { readonly kind: 'addresses'; readonly cidr: Cidr; readonly except: readonly Cidr[] }
  /** Addresses that DNS gave for a name. Lower case, no final dot; a leading `*.` stands for one or more labels. */
  | { readonly kind: 'domains'; readonly names: readonly string[] };

/** One entry of a rule's port list, about the destination. */
export type TrafficMatch =
  | { readonly kind: 'ports'; readonly protocol: PortProtocol; readonly first: number; readonly last: number }
  /** The destination pod's container ports of that name; `protocol` `null` takes the protocol from them. */
  | { readonly kind: 'named-port'; readonly protocol: PortProtocol | null; readonly name: string };

/** The conditions of a rule: some peer and some traffic entry must match. `any` traffic is every protocol, ICMP included. */
export interface Match {
  readonly peers: readonly EndpointMatch[];
  readonly traffic: 'any' | readonly TrafficMatch[];
  /**
   * Field of each peer and traffic entry, relative to the rule's (`from[1]`, `to[0].networks[2]`, `ports[0]`). Absent
   * where positions in the object's lists are those of `peers` and `traffic`.
   */
  readonly fields?: { readonly peers: readonly string[]; readonly traffic: readonly string[] };
}

/** Nothing matches it: what an allow rule becomes that cannot be understood. */
export const MATCH_NOTHING: Match = { peers: [], traffic: [] };
/** Everything matches it: what a deny or pass rule (then a deny) becomes that cannot be understood. */
export const MATCH_ANYTHING: Match = { peers: [{ kind: 'anything' }], traffic: 'any' };
