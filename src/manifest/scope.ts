import type { JsonObject } from './object.ts';

/** Kinds without a namespace, by API group (`''` for the core group). */
const CLUSTER_SCOPED: ReadonlyMap<string, ReadonlySet<string>> = table({
  '': ['Namespace', 'Node', 'PersistentVolume', 'ComponentStatus'],
  'admissionregistration.k8s.io': [
    'MutatingAdmissionPolicy',
    'MutatingAdmissionPolicyBinding',
    'MutatingWebhookConfiguration',
    'ValidatingAdmissionPolicy',
    'ValidatingAdmissionPolicyBinding',
    'ValidatingWebhookConfiguration',
  ],
  'apiextensions.k8s.io': ['CustomResourceDefinition'],
  'apiregistration.k8s.io': ['APIService'],
  'authentication.k8s.io': ['SelfSubjectReview', 'TokenReview'],
  'authorization.k8s.io': ['SelfSubjectAccessReview', 'SelfSubjectRulesReview', 'SubjectAccessReview'],
  'certificates.k8s.io': ['CertificateSigningRequest', 'ClusterTrustBundle'],
  'flowcontrol.apiserver.k8s.io': ['FlowSchema', 'PriorityLevelConfiguration'],
  'internal.apiserver.k8s.io': ['StorageVersion'],
  'networking.k8s.io': ['IPAddress', 'IngressClass', 'ServiceCIDR'],
  'node.k8s.io': ['RuntimeClass'],
  extensions: ['PodSecurityPolicy'],
  policy: ['PodSecurityPolicy'],
  'policy.networking.k8s.io': ['AdminNetworkPolicy', 'BaselineAdminNetworkPolicy', 'ClusterNetworkPolicy'],
  'rbac.authorization.k8s.io': ['ClusterRole', 'ClusterRoleBinding'],
  'resource.k8s.io': ['DeviceClass', 'DeviceTaintRule', 'ResourceSlice'],
  'scheduling.k8s.io': ['PriorityClass'],
  'storage.k8s.io': ['CSIDriver', 'CSINode', 'StorageClass', 'VolumeAttachment', 'VolumeAttributesClass'],
  'storagemigration.k8s.io': ['StorageVersionMigration'],
  'gateway.networking.k8s.io': ['GatewayClass'],
  'projectcalico.org': calicoClusterKinds(),
  'crd.projectcalico.org': calicoClusterKinds(),
  'cilium.io': [
    'CiliumBGPAdvertisement',
    'CiliumBGPClusterConfig',
    'CiliumBGPNodeConfig',
    'CiliumBGPNodeConfigOverride',
    'CiliumBGPPeerConfig',
    'CiliumBGPPeeringPolicy',
    'CiliumCIDRGroup',
    'CiliumClusterwideEnvoyConfig',
    'CiliumClusterwideNetworkPolicy',
    'CiliumEgressGatewayPolicy',
    'CiliumEndpointSlice',
    'CiliumExternalWorkload',
    'CiliumIdentity',
    'CiliumL2AnnouncementPolicy',
    'CiliumLoadBalancerIPPool',
    'CiliumNode',
    'CiliumPodIPPool',
  ],
});

function calicoClusterKinds(): readonly string[] {
  return [
    'BGPConfiguration',
    'BGPFilter',
    'BGPPeer',
    'BlockAffinity',
    'CalicoNodeStatus',
    'ClusterInformation',
    'ExternalNetwork',
    'FelixConfiguration',
    'GlobalNetworkPolicy',
    'GlobalNetworkSet',
    'HostEndpoint',
    'IPAMBlock',
    'IPAMConfig',
    'IPAMConfiguration',
    'IPAMHandle',
    'IPPool',
    'IPReservation',
    'KubeControllersConfiguration',
    'Profile',
    'StagedGlobalNetworkPolicy',
    'Tier',
  ];
}

/** Groups all of whose other kinds have a namespace. */
const KNOWN_GROUPS: ReadonlySet<string> = new Set([
  ...CLUSTER_SCOPED.keys(),
  'apps',
  'autoscaling',
  'batch',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'events.k8s.io',
  'networking.istio.io',
  'security.istio.io',
  'telemetry.istio.io',
  'extensions.istio.io',
]);

function table(kinds: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(Object.entries(kinds).map(([group, names]) => [group, new Set(names)]));
}

/** Scopes by `group/Kind`, as the CustomResourceDefinitions of the input state them. */
export type DeclaredScopes = ReadonlyMap<string, 'cluster' | 'namespaced'>;

/** The API group of an `apiVersion`: `''` for the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

/** Whether objects of a kind live in a namespace, or `unknown` where only the object can tell. */
export function scopeOf(
  apiVersion: string,
  kind: string,
  declared: DeclaredScopes,
): 'cluster' | 'namespaced' | 'unknown' {
  const group = groupOf(apiVersion);
  if (CLUSTER_SCOPED.get(group)?.has(kind) === true) return 'cluster';
  return declared.get(`${group}/${kind}`) ?? (KNOWN_GROUPS.has(group) ? 'namespaced' : 'unknown');
}

/** The scope that a CustomResourceDefinition declares, with its `group/Kind`; `null` if it states none. */
export function declaredScope(definition: JsonObject): readonly [string, 'cluster' | 'namespaced'] | null {
  const spec = field(definition, 'spec');
  const names = field(spec, 'names');
  const group = field(spec, 'group');
  const kind = field(names, 'kind');
  const scope = field(spec, 'scope');
  if (typeof group !== 'string' || typeof kind !== 'string') return null;
  if (scope === 'Cluster') return [`${group}/${kind}`, 'cluster'];
  return scope === 'Namespaced' ? [`${group}/${kind}`, 'namespaced'] : null;
}

function field(value: unknown, key: string): unknown {
  return value !== null && typeof value === 'object' && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}
