/** What building a cluster does with the objects of a kind. */
export type Treatment =
  | 'namespace'
  | 'node'
  | 'pod'
  /** Has `spec.template`. */
  | 'controller'
  /** Has `spec.jobTemplate.spec.template`. */
  | 'cronjob'
  /** The pods follow from fields of the prometheus-operator. */
  | 'operated'
  | 'service'
  | 'endpointslice'
  | 'endpoints'
  | 'ingress'
  | 'openshift-route'
  | 'gateway-route'
  | 'grant'
  /** Says something of the network, but not of the cluster: policies, gateways, classes. */
  | 'elsewhere'
  /** Says nothing of the network. */
  | 'irrelevant'
  | 'unknown';

const TREATED: ReadonlyMap<string, Treatment> = new Map<string, Treatment>([
  ['/Namespace', 'namespace'],
  ['/Node', 'node'],
  ['/Pod', 'pod'],
  ['/ReplicationController', 'controller'],
  ['/Service', 'service'],
  ['/Endpoints', 'endpoints'],
  ['apps/Deployment', 'controller'],
  ['apps/ReplicaSet', 'controller'],
  ['apps/StatefulSet', 'controller'],
  ['apps/DaemonSet', 'controller'],
  ['extensions/Deployment', 'controller'],
  ['extensions/ReplicaSet', 'controller'],
  ['extensions/DaemonSet', 'controller'],
  ['apps.openshift.io/DeploymentConfig', 'controller'],
  ['argoproj.io/Rollout', 'controller'],
  ['batch/Job', 'controller'],
  ['batch/CronJob', 'cronjob'],
  ['monitoring.coreos.com/Prometheus', 'operated'],
  ['monitoring.coreos.com/PrometheusAgent', 'operated'],
  ['monitoring.coreos.com/Alertmanager', 'operated'],
  ['monitoring.coreos.com/ThanosRuler', 'operated'],
  ['discovery.k8s.io/EndpointSlice', 'endpointslice'],
  ['networking.k8s.io/Ingress', 'ingress'],
  ['extensions/Ingress', 'ingress'],
  ['route.openshift.io/Route', 'openshift-route'],
  ['gateway.networking.k8s.io/HTTPRoute', 'gateway-route'],
  ['gateway.networking.k8s.io/GRPCRoute', 'gateway-route'],
  ['gateway.networking.k8s.io/TCPRoute', 'gateway-route'],
  ['gateway.networking.k8s.io/TLSRoute', 'gateway-route'],
  ['gateway.networking.k8s.io/UDPRoute', 'gateway-route'],
  ['gateway.networking.k8s.io/ReferenceGrant', 'grant'],
  ['extensions/NetworkPolicy', 'elsewhere'],
]);

/** Groups whose other kinds are read by someone else, or tell of the network without being part of a cluster. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'rampart.dev',
  'networking.k8s.io',
  'policy.networking.k8s.io',
  'gateway.networking.k8s.io',
  'projectcalico.org',
  'crd.projectcalico.org',
  'operator.tigera.io',
  'cilium.io',
  'security.istio.io',
  'crd.antrea.io',
  'networking.k8s.aws',
  'networking.gke.io',
  'k8s.ovn.org',
]);

/** Groups whose other kinds have no bearing on the network. */
const IRRELEVANT: ReadonlySet<string> = new Set([
  '',
  'acme.cert-manager.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'apps',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'authorization.openshift.io',
  'autoscaling',
  'autoscaling.k8s.io',
  'batch',
  'cert-manager.io',
  'certificates.k8s.io',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'events.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'internal.apiserver.k8s.io',
  'keda.sh',
  'kustomize.config.k8s.io',
  'metrics.k8s.io',
  'monitoring.coreos.com',
  'node.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'resource.k8s.io',
  'scheduling.k8s.io',
  'security.openshift.io',
  'snapshot.storage.k8s.io',
  'storage.k8s.io',
  'storagemigration.k8s.io',
]);

/** Kinds of the core group without bearing on the network; a kind that it does not have is unknown. */
const CORE: ReadonlySet<string> = new Set([
  'Binding',
  'ComponentStatus',
  'ConfigMap',
  'Event',
  'LimitRange',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'PodTemplate',
  'ResourceQuota',
  'Secret',
  'ServiceAccount',
]);

/** `''` for the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

/** What to do with objects of a kind, whatever their version. */
export function treatmentOf(apiVersion: string, kind: string): Treatment {
  const group = groupOf(apiVersion);
  const own = TREATED.get(`${group}/${kind}`);
  if (own !== undefined) return own;
  if (ELSEWHERE.has(group)) return 'elsewhere';
  if (group === '') return CORE.has(kind) ? 'irrelevant' : 'unknown';
  return IRRELEVANT.has(group) ? 'irrelevant' : 'unknown';
}
