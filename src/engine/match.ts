import { type Cidr, covers, type Family, type Ip, parseCidr } from '../base/ip.ts';
import { all, any, not, type Truth, truth } from '../base/truth.ts';
import type { Cluster, Namespace, Node, Pod } from '../model/cluster.ts';
import type { Endpoint, Flow } from '../model/flow.ts';
import type { EndpointMatch, NamespaceMatch, TrafficMatch } from '../model/match.ts';
import { type Labels, type Selector, selects } from '../model/selector.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';

/** What matching needs of a cluster, indexed once. It keeps nobody's pods alive. */
export interface MatchFacts {
  readonly cluster: Pick<Cluster, 'namespaces' | 'nodes'>;
  readonly nodes: ReadonlyMap<string, Node>;
  /** Nodes could not be read: any address may be a node's. */
  readonly nodesUnread: boolean;
}

/** The same, for who looks at the whole cluster. */
export interface Facts extends MatchFacts {
  readonly cluster: Cluster;
}

export function matchFactsOf({ namespaces, nodes, missing }: Cluster): MatchFacts {
  return {
    cluster: { namespaces, nodes },
    nodes: new Map(nodes.map((node) => [node.name, node])),
    nodesUnread: missing.some(({ resource }) => resource === 'nodes'),
  };
}

export function factsOf(cluster: Cluster): Facts {
  return { ...matchFactsOf(cluster), cluster };
}

/** Whether the labels satisfy the selector, where only some labels may be known. */
export function selectsPartly(selector: Selector, known: Labels, complete: boolean): Truth {
  if (complete) return truth(selects(selector, known));
  switch (selector.kind) {
    case 'everything':
      return 'yes';
    case 'nothing':
      return 'no';
    case 'in':
    case 'exists':
      return known.has(selector.key) ? truth(selects(selector, known)) : 'maybe';
    case 'not':
      return not(selectsPartly(selector.of, known, complete));
    case 'all-of':
      return all(selector.of.map((part) => selectsPartly(part, known, complete)));
    case 'any-of':
      return any(selector.of.map((part) => selectsPartly(part, known, complete)));
  }
}

/** Whether `namespace` is one that `match` means for a policy whose subject is in `subject`. */
export function matchNamespace(match: NamespaceMatch, namespace: Namespace, subject: Namespace | null): Truth {
  switch (match.kind) {
    case 'named':
      return truth(namespace.name === match.name);
    case 'labelled':
      return namespace.labels === null
        ? selectsPartly(match.labels, new Map([[NAME_LABEL, namespace.name]]), false)
        : truth(selects(match.labels, namespace.labels));
    case 'same-labels':
    case 'different-labels': {
      if (match.keys.length === 0 || subject === null) return 'no';
      if (namespace.labels === null || subject.labels === null) return 'maybe';
      let different = false;
      for (const key of match.keys) {
        const own = subject.labels.get(key);
        const other = namespace.labels.get(key);
        if (own === undefined || other === undefined) return 'no';
        if (own !== other) different = true;
      }
      return truth(different === (match.kind === 'different-labels'));
    }
  }
}

/** The addresses that an endpoint may have in a family: all known ones, or `unknown`. */
export function addressesOf(endpoint: Endpoint, family: Family, facts: MatchFacts): readonly Ip[] | 'unknown' {
  const inFamily = (addresses: readonly Ip[]): readonly Ip[] | 'unknown' =>
    addresses.length === 0 ? 'unknown' : addresses.filter((address) => address.family === family);
  switch (endpoint.kind) {
    case 'pod': {
      if (endpoint.pod.addresses.length > 0 || !endpoint.pod.hostNetwork) return inFamily(endpoint.pod.addresses);
      const node = endpoint.pod.node === null ? undefined : facts.nodes.get(endpoint.pod.node);
      return inFamily(node?.addresses ?? []);
    }
    case 'node':
      return inFamily(endpoint.address === null ? endpoint.node.addresses : [endpoint.address]);
    case 'external':
      return inFamily([endpoint.address]);
    case 'domain':
      return 'unknown';
  }
}

/** The node whose address an endpoint has: `null` for none, `unknown` where it has one that is not known. */
export function nodeOf(endpoint: Endpoint, facts: MatchFacts): Node | null | 'unknown' {
  if (endpoint.kind === 'node') return endpoint.node;
  if (endpoint.kind === 'pod' && endpoint.pod.hostNetwork) {
    return (endpoint.pod.node === null ? undefined : facts.nodes.get(endpoint.pod.node)) ?? 'unknown';
  }
  return null;
}

/** Whether the endpoint has the address of the node that `pod` runs on. */
export function isOwnNode(endpoint: Endpoint, pod: Pod, facts: MatchFacts): Truth {
  if (endpoint.kind === 'external') return facts.nodesUnread ? 'maybe' : 'no';
  if (endpoint.kind === 'domain' || (endpoint.kind === 'pod' && !endpoint.pod.hostNetwork)) return 'no';
  const name = endpoint.kind === 'node' ? endpoint.node.name : endpoint.pod.node;
  return name === null || pod.node === null ? 'maybe' : truth(name === pod.node);
}

/** Whether `pattern` (`a.b` or `*.a.b`, lower case) means `name` (S4.6). */
export function matchDomain(pattern: string, name: string): boolean {
  if (!pattern.startsWith('*.')) return pattern === name;
  return name.endsWith(pattern.slice(1)) && name.length > pattern.length - 1;
}

/** Names inside of the cluster's own DNS zones may stand for pods (S4.6). */
function isClusterName(pattern: string): boolean {
  return /(^|\.)(svc|pod)(\.|$)/.test(pattern);
}

/** Blocks in which no pod and no node has its address: this network, loopback, link-local, multicast, reserved (S9.2). */
const NEVER_INSIDE: readonly Cidr[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/127',
  'fe80::/10',
  'ff00::/8',
].flatMap((text) => parseCidr(text) ?? []);

/**
 * Whether an address of which only the family is known is in a block: of a pod or node of the cluster (`inside`), or one
 * that a name outside stands for.
 */
export function matchUnknownAddress(match: EndpointMatch & { kind: 'addresses' }, of: 'inside' | 'outside'): Truth {
  const isImpossible = (block: Cidr): boolean =>
    of === 'inside' &&
    NEVER_INSIDE.some(
      (never) => never.family === block.family && never.first <= block.first && block.last <= never.last,
    );
  if (isImpossible(match.cidr)) return 'no';
  return match.cidr.prefix === 0 && match.except.every(isImpossible) ? 'yes' : 'maybe';
}

/** Whether an endpoint is one that `match` means, seen from a policy whose subject is in namespace `subject`. */
export function matchEndpoint(
  match: EndpointMatch,
  endpoint: Endpoint,
  family: Family,
  subject: Namespace | null,
  facts: MatchFacts,
): Truth {
  switch (match.kind) {
    case 'anything':
      return 'yes';
    case 'nothing':
      return 'no';
    case 'pods': {
      if (endpoint.kind !== 'pod' || endpoint.pod.hostNetwork) return 'no';
      const namespace = facts.cluster.namespaces.get(endpoint.pod.namespace);
      if (namespace === undefined || !selects(match.pods, endpoint.pod.labels)) return 'no';
      return matchNamespace(match.namespaces, namespace, subject);
    }
    case 'nodes': {
      const node = nodeOf(endpoint, facts);
      if (node === 'unknown') return match.nodes.kind === 'everything' ? 'yes' : 'maybe';
      if (node !== null) return truth(selects(match.nodes, node.labels));
      return endpoint.kind === 'external' && facts.nodesUnread ? 'maybe' : 'no';
    }
    case 'addresses': {
      if (match.cidr.family !== family) return 'no';
      const inside = (ip: Ip): boolean => covers(match.cidr, ip) && !match.except.some((hole) => covers(hole, ip));
      const addresses = addressesOf(endpoint, family, facts);
      if (addresses === 'unknown') return matchUnknownAddress(match, endpoint.kind === 'domain' ? 'outside' : 'inside');
      const hits = addresses.filter(inside).length;
      return hits === 0 ? 'no' : hits === addresses.length ? 'yes' : 'maybe';
    }
    case 'domains':
      switch (endpoint.kind) {
        case 'domain':
          return truth(match.names.some((pattern) => matchDomain(pattern, endpoint.name)));
        case 'pod':
          return endpoint.pod.hostNetwork || match.names.some(isClusterName) ? 'maybe' : 'no';
        case 'node':
        case 'external':
          return match.names.length > 0 ? 'maybe' : 'no';
      }
  }
}

/** Whether the flow's protocol and port are ones that an entry of a rule means; named ports are the destination's. */
export function matchTraffic(match: TrafficMatch, flow: Flow): boolean {
  if (flow.port === null) return false;
  switch (match.kind) {
    case 'ports':
      return match.protocol === flow.protocol && match.first <= flow.port && flow.port <= match.last;
    case 'named-port': {
      if (flow.destination.kind !== 'pod' || flow.destination.pod.hostNetwork) return false;
      if (match.protocol !== null && match.protocol !== flow.protocol) return false;
      return flow.destination.pod.ports.some(
        (port) => port.name === match.name && port.protocol === flow.protocol && port.port === flow.port,
      );
    }
  }
}
