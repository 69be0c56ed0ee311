/** Policy kinds that a generated cluster may hold: NetworkPolicy, ClusterNetworkPolicy, AdminNetworkPolicy. */
export type PolicyKindName = 'np' | 'cnp' | 'anp';
export const POLICY_KIND_NAMES: readonly PolicyKindName[] = ['np', 'cnp', 'anp'];

/** What is asked for; everything may be left out. */
export interface ClusterOptions {
  /** Namespaces of applications; those of DNS, monitoring and the ingress controller come on top. */
  readonly namespaces?: number;
  readonly workloadsPerNamespace?: number;
  readonly replicas?: number;
  /** Exact number of pods, those of DNS, monitoring and the ingress controller included. */
  readonly pods?: number;
  /** Exact number of policies of all kinds. */
  readonly policies?: number;
  readonly nodes?: number;
  /** Pods without a controller, so that each is a workload of its own. */
  readonly barePods?: boolean;
  /** No policies at all. */
  readonly open?: boolean;
  readonly kinds?: readonly PolicyKindName[];
  readonly seed?: number;
}

/** The options with every number settled. */
export interface Shape {
  readonly namespaces: number;
  readonly replicas: number;
  readonly pods: number;
  readonly infrastructure: boolean;
  readonly policies: number;
  readonly nodes: number;
  readonly barePods: boolean;
  readonly kinds: readonly PolicyKindName[];
  readonly seed: number;
}

/** Pods of DNS (2), the ingress controller and monitoring. */
export const INFRASTRUCTURE_PODS = 4;

const POLICIES_PER_NAMESPACE = 10;
const PODS_PER_NODE = 30;

/** The sizes that all benchmarks use, so that growth shows. */
export const SIZES: Readonly<Record<'S' | 'M' | 'L', { readonly pods: number; readonly policies: number }>> = {
  S: { pods: 1024, policies: 580 },
  M: { pods: 3004, policies: 1640 },
  L: { pods: 9904, policies: 5300 },
};

/** Fills in what the options leave open. */
export function settleShape(options: ClusterOptions): Shape {
  const replicas = options.replicas ?? 3;
  const wantedPolicies = options.open === true ? 0 : options.policies;
  const namespaces =
    options.namespaces ??
    Math.max(1, Math.round(wantedPolicies ? wantedPolicies / POLICIES_PER_NAMESPACE : (options.pods ?? 1024) / 18));
  const pods = options.pods ?? namespaces * (options.workloadsPerNamespace ?? 6) * replicas + INFRASTRUCTURE_PODS;
  return {
    namespaces,
    replicas,
    pods,
    infrastructure: pods > 2 * INFRASTRUCTURE_PODS,
    policies: wantedPolicies ?? namespaces * POLICIES_PER_NAMESPACE,
    nodes: options.nodes ?? Math.max(3, Math.ceil(pods / PODS_PER_NODE)),
    barePods: options.barePods ?? false,
    kinds: options.kinds ?? ['np'],
    seed: options.seed ?? 1,
  };
}
