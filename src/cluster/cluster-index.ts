import type { Family, Ip } from '../base/ip.ts';
import type { Cluster, Node, Pod, Service, Workload } from '../model/cluster.ts';

/** What one namespace holds, by name. */
export interface NamespaceIndex {
  /** Real pods; those that stand for a template have no name of their own. */
  readonly pods: Map<string, Pod>;
  readonly workloads: Map<string, Workload[]>;
  readonly services: Map<string, Service>;
}

/** A cluster by name and by address. */
export interface ClusterIndex {
  readonly cluster: Cluster;
  readonly namespaces: ReadonlyMap<string, NamespaceIndex>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly workloadOf: ReadonlyMap<Pod, Workload>;
  readonly addresses: Readonly<Record<Family, ReadonlyMap<bigint, AddressOwner>>>;
}

/** What an address belongs to. */
export type AddressOwner =
  /** Several where the input gives one address to several pods. */
  | { readonly kind: 'pods'; readonly pods: Pod[] }
  | { readonly kind: 'node'; readonly node: Node }
  | { readonly kind: 'service'; readonly service: Service };

/** Makes a cluster searchable; linear, to be done once. */
export function indexCluster(cluster: Cluster): ClusterIndex {
  const namespaces = new Map<string, NamespaceIndex>();
  const at = (name: string): NamespaceIndex => {
    let index = namespaces.get(name);
    if (index === undefined) {
      index = { pods: new Map(), workloads: new Map(), services: new Map() };
      namespaces.set(name, index);
    }
    return index;
  };
  for (const name of cluster.namespaces.keys()) at(name);
  const workloadOf = new Map<Pod, Workload>();
  const addresses: Record<Family, Map<bigint, AddressOwner>> = { 4: new Map(), 6: new Map() };
  const hosted: Pod[] = [];
  for (const workload of cluster.workloads) {
    const index = at(workload.namespace);
    const alike = index.workloads.get(workload.name);
    if (alike === undefined) index.workloads.set(workload.name, [workload]);
    else alike.push(workload);
    for (const pod of workload.pods) {
      workloadOf.set(pod, workload);
      if (!pod.template) index.pods.set(pod.name, pod);
      if (pod.hostNetwork) hosted.push(pod);
      else for (const ip of pod.addresses) addPod(addresses[ip.family], ip, pod);
    }
  }
  // A pod's address is the pod, before all else; then Services' own, Nodes, and what Services borrow from the outside.
  for (const service of cluster.services) {
    at(service.namespace).services.set(service.name, service);
    for (const ip of service.clusterIPs) addOther(addresses[ip.family], ip, { kind: 'service', service });
  }
  for (const node of cluster.nodes) {
    for (const ip of node.addresses) addOther(addresses[ip.family], ip, { kind: 'node', node });
  }
  for (const service of cluster.services) {
    for (const ip of [...service.externalIPs, ...service.loadBalancerIPs]) {
      addOther(addresses[ip.family], ip, { kind: 'service', service });
    }
  }
  // An address of a host-network pod is its node's; where the input lacks the node, the pods on it stand for it.
  for (const pod of hosted) for (const ip of pod.addresses) addPod(addresses[ip.family], ip, pod);
  const nodes = new Map(cluster.nodes.map((node) => [node.name, node]));
  return { cluster, namespaces, nodes, workloadOf, addresses };
}

function addPod(into: Map<bigint, AddressOwner>, ip: Ip, pod: Pod): void {
  const known = into.get(ip.value);
  if (known === undefined) into.set(ip.value, { kind: 'pods', pods: [pod] });
  else if (known.kind === 'pods' && known.pods[0]?.hostNetwork === pod.hostNetwork) known.pods.push(pod);
}

function addOther(into: Map<bigint, AddressOwner>, ip: Ip, owner: AddressOwner): void {
  if (!into.has(ip.value)) into.set(ip.value, owner);
}
