/** A resource that Rampart lists. */
export interface Resource {
  /** `''` is the core group. */
  readonly group: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Versions that Rampart reads, best first; empty means: any that is served, the server's preference first. */
  readonly versions: readonly string[];
  /** Part of every API server, so its absence is a failure; other resources are read where they are served. */
  readonly builtIn: boolean;
}

function builtIn(
  group: string,
  version: string,
  namespaced: boolean,
  names: readonly (readonly [string, string])[],
): Resource[] {
  return names.map(([resource, kind]) => ({ group, resource, kind, namespaced, versions: [version], builtIn: true }));
}

function served(
  group: string,
  versions: readonly string[],
  namespaced: boolean,
  names: readonly (readonly [string, string])[],
): Resource[] {
  return names.map(([resource, kind]) => ({ group, resource, kind, namespaced, versions, builtIn: false }));
}

/** Everything that bears on an answer, and the policies of other engines, so that they can be reported. */
export const RESOURCES: readonly Resource[] = [
  ...builtIn('', 'v1', false, [
    ['namespaces', 'Namespace'],
    ['nodes', 'Node'],
  ]),
  ...builtIn('', 'v1', true, [
    ['pods', 'Pod'],
    ['services', 'Service'],
    ['replicationcontrollers', 'ReplicationController'],
  ]),
  ...builtIn('apps', 'v1', true, [
    ['deployments', 'Deployment'],
    ['replicasets', 'ReplicaSet'],
    ['statefulsets', 'StatefulSet'],
    ['daemonsets', 'DaemonSet'],
  ]),
  ...builtIn('batch', 'v1', true, [
    ['jobs', 'Job'],
    ['cronjobs', 'CronJob'],
  ]),
  ...builtIn('discovery.k8s.io', 'v1', true, [['endpointslices', 'EndpointSlice']]),
  ...builtIn('networking.k8s.io', 'v1', true, [
    ['ingresses', 'Ingress'],
    ['networkpolicies', 'NetworkPolicy'],
  ]),
  ...served('policy.networking.k8s.io', ['v1alpha2'], false, [['clusternetworkpolicies', 'ClusterNetworkPolicy']]),
  ...served('policy.networking.k8s.io', ['v1alpha1'], false, [
    ['adminnetworkpolicies', 'AdminNetworkPolicy'],
    ['baselineadminnetworkpolicies', 'BaselineAdminNetworkPolicy'],
  ]),
  ...served('gateway.networking.k8s.io', [], false, [['gatewayclasses', 'GatewayClass']]),
  ...served('gateway.networking.k8s.io', [], true, [
    ['gateways', 'Gateway'],
    ['httproutes', 'HTTPRoute'],
    ['grpcroutes', 'GRPCRoute'],
    ['tlsroutes', 'TLSRoute'],
    ['tcproutes', 'TCPRoute'],
    ['udproutes', 'UDPRoute'],
    ['referencegrants', 'ReferenceGrant'],
  ]),
  ...served('route.openshift.io', ['v1'], true, [['routes', 'Route']]),
  ...served('apps.openshift.io', ['v1'], true, [['deploymentconfigs', 'DeploymentConfig']]),
  ...served('argoproj.io', ['v1alpha1'], true, [['rollouts', 'Rollout']]),
  ...served('monitoring.coreos.com', [], true, [
    ['prometheuses', 'Prometheus'],
    ['prometheusagents', 'PrometheusAgent'],
    ['alertmanagers', 'Alertmanager'],
    ['thanosrulers', 'ThanosRuler'],
  ]),
  ...calico('projectcalico.org', 'v3'),
  ...calico('crd.projectcalico.org', 'v1'),
  ...served('cilium.io', ['v2'], true, [['ciliumnetworkpolicies', 'CiliumNetworkPolicy']]),
  ...served('cilium.io', [], false, [
    ['ciliumclusterwidenetworkpolicies', 'CiliumClusterwideNetworkPolicy'],
    ['ciliumcidrgroups', 'CiliumCIDRGroup'],
  ]),
  ...served('security.istio.io', [], true, [
    ['authorizationpolicies', 'AuthorizationPolicy'],
    ['peerauthentications', 'PeerAuthentication'],
    ['requestauthentications', 'RequestAuthentication'],
  ]),
  ...served('crd.antrea.io', [], false, [
    ['clusternetworkpolicies', 'ClusterNetworkPolicy'],
    ['tiers', 'Tier'],
  ]),
  ...served('crd.antrea.io', [], true, [['networkpolicies', 'NetworkPolicy']]),
  ...served('networking.k8s.aws', [], false, [['clusternetworkpolicies', 'ClusterNetworkPolicy']]),
  ...served('networking.k8s.aws', [], true, [['applicationnetworkpolicies', 'ApplicationNetworkPolicy']]),
  ...served('networking.gke.io', [], true, [['fqdnnetworkpolicies', 'FQDNNetworkPolicy']]),
  ...served('k8s.ovn.org', [], true, [['egressfirewalls', 'EgressFirewall']]),
  ...served('k8s.cni.cncf.io', [], true, [['multi-networkpolicies', 'MultiNetworkPolicy']]),
];

function calico(group: string, version: string): Resource[] {
  return [
    ...served(group, [version], false, [
      ['tiers', 'Tier'],
      ['globalnetworkpolicies', 'GlobalNetworkPolicy'],
      ['stagedglobalnetworkpolicies', 'StagedGlobalNetworkPolicy'],
      ['globalnetworksets', 'GlobalNetworkSet'],
      ['hostendpoints', 'HostEndpoint'],
    ]),
    ...served(group, [version], true, [
      ['networkpolicies', 'NetworkPolicy'],
      ['stagednetworkpolicies', 'StagedNetworkPolicy'],
      ['stagedkubernetesnetworkpolicies', 'StagedKubernetesNetworkPolicy'],
      ['networksets', 'NetworkSet'],
    ]),
  ];
}

/** `pods`, `networkpolicies.networking.k8s.io`: how messages name a resource. */
export function resourceName(resource: Pick<Resource, 'group' | 'resource'>): string {
  return resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;
}

/** Whether objects of this `apiVersion` and `kind` bear on an answer. */
export function isListedKind(apiVersion: string, kind: string): boolean {
  const slash = apiVersion.indexOf('/');
  return LISTED.has(`${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`);
}

const LISTED: ReadonlySet<string> = new Set([
  ...RESOURCES.map((r) => `${r.group}/${r.kind}`),
  // Read from manifests; a server says the same in newer kinds.
  '/Endpoints',
  'extensions/Deployment',
  'extensions/ReplicaSet',
  'extensions/DaemonSet',
  'extensions/Ingress',
  'extensions/NetworkPolicy',
]);
