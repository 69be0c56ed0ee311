import type { Family } from '../base/ip.ts';
import type { KubeObject } from '../manifest/object.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { PortProtocol } from '../model/match.ts';

/**
 * What a lab has. Addresses and blocks are canonical texts (`10.0.0.1`, `fd00::/64`), lists are in a fixed order, and
 * everything is plain JSON but for the `source` of the objects (see `portablePlan`).
 */
export interface LabPlan {
  readonly families: readonly Family[];
  readonly ranges: LabRanges;
  /** At least one; the order is the order of their names. */
  readonly nodes: readonly LabNode[];
  /** Sorted by namespace, then name. */
  readonly pods: readonly LabPod[];
  /** Sorted by namespace, then name. ExternalName Services are not in it. */
  readonly services: readonly LabService[];
  /** Addresses that are not the cluster's, each once. */
  readonly outside: readonly LabOutside[];
  readonly dns: LabDns | null;
  /** What the API server is to hold, in an order in which it takes it (namespaces and definitions first). */
  readonly objects: readonly LabObject[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Blocks that no policy and no given address touches, unless the manifests say otherwise; at most one for each family. */
export interface LabRanges {
  /** The fabric that joins the nodes; the first addresses of it are free for the fabric itself. */
  readonly nodes: readonly string[];
  /** Every node's pod range is inside, but for nodes whose manifest names another one. */
  readonly pods: readonly string[];
  readonly services: readonly string[];
  /** Addresses of LoadBalancer Services that the manifests leave open. */
  readonly loadBalancers: readonly string[];
}

export interface LabNode {
  readonly name: string;
  /** Internal addresses, at most one for each family unless its manifest has more. */
  readonly addresses: readonly string[];
  /** At most one for each family; the first address of each is free for the node's own end. */
  readonly podCidrs: readonly string[];
}

export interface LabPod {
  /** `namespace/name`. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** Name of its node. */
  readonly node: string;
  /** Shares its node's namespace and addresses. */
  readonly hostNetwork: boolean;
  /** Of the node, where the pod is on the host network. They need not be inside of the node's range. */
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Kind and name of its top-most controller; of the pod itself where it has none. */
  readonly workload: { readonly kind: string; readonly name: string };
  /** Declared ports, then ports that Services lead to; each once. */
  readonly listeners: readonly LabListener[];
  readonly hostPorts: readonly HostPort[];
  /** For its DNS name under a headless Service. */
  readonly hostname: string | null;
  readonly subdomain: string | null;
}

/** What a pod listens on, on all of its addresses. */
export interface LabListener {
  readonly protocol: PortProtocol;
  readonly port: number;
}

/** A port of the node that leads to a port of the pod. */
export interface HostPort {
  readonly protocol: PortProtocol;
  readonly hostPort: number;
  readonly port: number;
}

export interface LabService {
  readonly namespace: string;
  readonly name: string;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  readonly headless: boolean;
  readonly clusterIPs: readonly string[];
  readonly externalIPs: readonly string[];
  readonly loadBalancerIPs: readonly string[];
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  readonly internalTrafficPolicy: 'Cluster' | 'Local';
  readonly ports: readonly LabServicePort[];
}

export interface LabServicePort {
  readonly name: string | null;
  readonly protocol: PortProtocol;
  readonly port: number;
  readonly nodePort: number | null;
  readonly endpoints: readonly LabEndpoint[];
}

/** One ready address behind a port of a Service. */
export interface LabEndpoint {
  readonly address: string;
  readonly port: number;
  /** The node that it is on; `null` where it is no pod's. */
  readonly node: string | null;
  /** `namespace/name` of the pod; `null` where it is no pod's. */
  readonly pod: string | null;
}

export interface LabOutside {
  readonly address: string;
  /** `block` and `except`: inside of that block of a policy. `given`: asked for. `unnamed`: in no block of any policy. */
  readonly why: 'block' | 'except' | 'given' | 'unnamed';
  readonly block: string | null;
}

/** Who answers questions for cluster names. */
export interface LabDns {
  /** Addresses that go into every pod's `resolv.conf`: of the DNS Service, else of its pods. */
  readonly addresses: readonly string[];
  /** Ids of the pods that answer, which are ordinary pods, so that policies apply to them. */
  readonly pods: readonly string[];
  readonly domain: string;
}

export interface LabObject {
  /**
   * `manifest`: given, with what the API server or the lab fills in (addresses, node names, status).
   * `lab`: Nodes, Namespaces and the DNS that the manifests do not have.
   * `controller`: what controllers make of the others: ReplicaSets, Jobs, their pods, EndpointSlices. A real control plane makes its own.
   */
  readonly by: 'manifest' | 'lab' | 'controller';
  readonly object: KubeObject;
}

export interface LabOptions {
  /** How many nodes, those of the manifests counted; default 2, at least as many as the manifests have. */
  readonly nodes?: number;
  /** At most so many pods of one workload (a DaemonSet aside, which has one for each node it fits); default 3. */
  readonly replicas?: number;
  /** Default both. */
  readonly families?: readonly Family[];
  /** Addresses outside of the cluster that must exist, for flows that name them. */
  readonly addresses?: readonly string[];
  /** Whether a DNS pod and Service are added where the manifests have none; default true. */
  readonly dns?: boolean;
}
