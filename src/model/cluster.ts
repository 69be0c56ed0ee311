import type { Ip } from '../base/ip.ts';
import type { PortProtocol } from './match.ts';
import type { Origin } from './origin.ts';
import type { Labels } from './selector.ts';

export interface Namespace {
  readonly name: string;
  /** With `kubernetes.io/metadata.name` (S1.1). `null` where the labels cannot be known (unreadable namespaces). */
  readonly labels: Labels | null;
  /** `null` for a namespace that only other objects mention. */
  readonly origin: Origin | null;
}

export interface Node {
  readonly name: string;
  readonly labels: Labels;
  /** Internal and external addresses (S11, AMB-17). */
  readonly addresses: readonly Ip[];
  readonly origin: Origin;
}

export interface ContainerPort {
  readonly name: string | null;
  readonly port: number;
  readonly protocol: PortProtocol;
  readonly hostPort: number | null;
}

/** One pod, real or standing for the pods that a controller would make. Finished pods are not in a cluster. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  /** Of containers and native sidecars, in order. */
  readonly ports: readonly ContainerPort[];
  /** Known addresses; empty when unknown. */
  readonly addresses: readonly Ip[];
  readonly hostNetwork: boolean;
  /** `spec.nodeName`, or `null`. */
  readonly node: string | null;
  /** Made from a controller's template: stands for any number of pods whose address and node are unknown. */
  readonly template: boolean;
  readonly origin: Origin;
}

/** A pod without controller, or all pods of one top-most controller. */
export interface Workload {
  readonly namespace: string;
  readonly name: string;
  /** `Pod`, `Deployment`, `StatefulSet`, `Prometheus`, … */
  readonly kind: string;
  /** At least one. */
  readonly pods: readonly Pod[];
  /** Wanted replicas where the object says so; for a DaemonSet `null`. */
  readonly replicas: number | null;
  readonly origin: Origin;
}

/** A port of a Service with the pod port that it leads to. */
export interface ServicePort {
  readonly name: string | null;
  readonly protocol: PortProtocol;
  readonly port: number;
  readonly nodePort: number | null;
  /** A number, or the name of a container port. */
  readonly targetPort: number | string;
}

/** One address behind a Service. */
export interface Backend {
  /** The pod, if the address is one's; `null` for other addresses. */
  readonly pod: Pod | null;
  /** `null` where only the pod is known. */
  readonly address: Ip | null;
  /** Resolved port of each Service port that this backend serves: Service port → pod port. */
  readonly ports: readonly { readonly service: ServicePort; readonly port: number }[];
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  readonly headless: boolean;
  readonly clusterIPs: readonly Ip[];
  readonly externalIPs: readonly Ip[];
  readonly loadBalancerIPs: readonly Ip[];
  readonly externalName: string | null;
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  readonly internalTrafficPolicy: 'Cluster' | 'Local';
  readonly ports: readonly ServicePort[];
  /** By selector, or by EndpointSlices where there is none. */
  readonly backends: readonly Backend[];
  /** Why the backends may be incomplete; `null` if they are known. */
  readonly unread: string | null;
  readonly origin: Origin;
}

/** An Ingress, OpenShift Route or Gateway API route: traffic that a controller forwards to a Service. */
export interface Route {
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
  /** Backend Service and port (number or name; `null` for all its ports), each once. */
  readonly backends: readonly {
    readonly service: string;
    readonly namespace: string;
    readonly port: number | string | null;
    readonly origin: Origin;
  }[];
  readonly origin: Origin;
}

/** Something that should have been read and could not be; verdicts that rest on it are undefined. */
export interface Missing {
  /** Plural resource name, e.g. `networkpolicies`. */
  readonly resource: string;
  readonly group: string;
  readonly reason: string;
}

/** The snapshot of namespaces, nodes, workloads and services against which policies are read. */
export interface Cluster {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly nodes: readonly Node[];
  /** Sorted by namespace, name, kind. Every pod is in exactly one. */
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly routes: readonly Route[];
  readonly missing: readonly Missing[];
}

/** `namespace/name[Kind]`: how reports name a workload. */
export function workloadId(workload: Pick<Workload, 'namespace' | 'name' | 'kind'>): string {
  return `${workload.namespace}/${workload.name}[${workload.kind}]`;
}
