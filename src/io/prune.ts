import type { Json, JsonObject } from '../manifest/object.ts';

/** What of an object is kept: `true` is a field whole; lists are pruned element by element. */
type Keep = true | Fields;
interface Fields {
  readonly [field: string]: Keep;
}

const METADATA: Fields = {
  name: true,
  namespace: true,
  labels: true,
  ownerReferences: { apiVersion: true, kind: true, name: true, controller: true },
};

const CONTAINER: Fields = { name: true, ports: true, restartPolicy: true };

const POD_SPEC: Fields = {
  containers: CONTAINER,
  initContainers: CONTAINER,
  hostNetwork: true,
  nodeName: true,
  serviceAccountName: true,
};

const TEMPLATE: Fields = { metadata: { labels: true }, spec: POD_SPEC };
const CONTROLLER: Fields = {
  metadata: METADATA,
  spec: { replicas: true, selector: true, template: TEMPLATE, workloadRef: true },
};
const JOB_SPEC: Fields = {
  parallelism: true,
  completions: true,
  suspend: true,
  selector: true,
  template: TEMPLATE,
};
/** Of the Prometheus operator: everything else may hold credentials and is of no account. */
const MONITORING: Fields = {
  metadata: METADATA,
  spec: {
    replicas: true,
    shards: true,
    podMetadata: { labels: true },
    hostNetwork: true,
    listenLocal: true,
    portName: true,
    mode: true,
    // Whether it is there at all.
    thanos: {},
    serviceAccountName: true,
    containers: CONTAINER,
    initContainers: CONTAINER,
  },
};

const KEEP: ReadonlyMap<string, Fields> = new Map<string, Fields>([
  ['v1/Namespace', { metadata: METADATA }],
  ['v1/Node', { metadata: METADATA, spec: { podCIDR: true, podCIDRs: true }, status: { addresses: true } }],
  [
    'v1/Pod',
    {
      metadata: METADATA,
      spec: POD_SPEC,
      status: { phase: true, podIP: true, podIPs: true, hostIP: true, hostIPs: true },
    },
  ],
  [
    'v1/Service',
    { metadata: METADATA, spec: true, status: { loadBalancer: { ingress: { ip: true, hostname: true } } } },
  ],
  ['v1/ReplicationController', CONTROLLER],
  ['apps/Deployment', CONTROLLER],
  ['apps/ReplicaSet', CONTROLLER],
  ['apps/StatefulSet', CONTROLLER],
  ['apps/DaemonSet', CONTROLLER],
  ['extensions/Deployment', CONTROLLER],
  ['extensions/ReplicaSet', CONTROLLER],
  ['extensions/DaemonSet', CONTROLLER],
  ['apps.openshift.io/DeploymentConfig', CONTROLLER],
  ['argoproj.io/Rollout', CONTROLLER],
  ['batch/Job', { metadata: METADATA, spec: JOB_SPEC, status: { conditions: { type: true, status: true } } }],
  ['batch/CronJob', { metadata: METADATA, spec: { suspend: true, jobTemplate: { spec: JOB_SPEC } } }],
  [
    'discovery.k8s.io/EndpointSlice',
    {
      metadata: METADATA,
      addressType: true,
      endpoints: {
        addresses: true,
        conditions: true,
        nodeName: true,
        targetRef: { kind: true, namespace: true, name: true },
      },
      ports: true,
    },
  ],
  ['v1/Endpoints', { metadata: METADATA, subsets: true }],
  [
    'networking.k8s.io/Ingress',
    { metadata: METADATA, spec: { ingressClassName: true, defaultBackend: true, rules: true } },
  ],
  ['extensions/Ingress', { metadata: METADATA, spec: { ingressClassName: true, backend: true, rules: true } }],
  // Its `tls` holds private keys.
  [
    'route.openshift.io/Route',
    { metadata: METADATA, spec: { host: true, path: true, to: true, alternateBackends: true, port: true } },
  ],
  ['monitoring.coreos.com/Prometheus', MONITORING],
  ['monitoring.coreos.com/PrometheusAgent', MONITORING],
  ['monitoring.coreos.com/Alertmanager', MONITORING],
  ['monitoring.coreos.com/ThanosRuler', MONITORING],
]);

/** Of policies and everything else: all but the status. */
const POLICY: Fields = { metadata: METADATA, spec: true, specs: true };

/** What the daemon of a CNI says of itself; never part of a snapshot. */
const DAEMON_CONTAINER: Fields = {
  name: true,
  image: true,
  command: true,
  args: true,
  env: { name: true, value: true },
};

/**
 * The part of an object that answers rest on; `apiVersion` and `kind` come first. No annotations, no uid, no environment,
 * command, volume or certificate: what is left is safe to show and a tenth of the size.
 */
export function prune(apiVersion: string, kind: string, value: JsonObject): JsonObject {
  const kept = cut(value, keepOf(apiVersion, kind)) as JsonObject;
  return { apiVersion, kind, ...kept };
}

const DAEMON_SET: Fields = {
  metadata: METADATA,
  spec: {
    selector: true,
    template: {
      metadata: { labels: true },
      spec: { ...POD_SPEC, containers: { ...CONTAINER, ...DAEMON_CONTAINER } },
    },
  },
  status: { desiredNumberScheduled: true },
};

const NODE: Fields = {
  metadata: { ...METADATA, annotations: { 'k3s.io/node-args': true } },
  spec: { podCIDR: true, podCIDRs: true },
  status: { addresses: true, nodeInfo: { kubeletVersion: true } },
};

/**
 * Like {@link prune}, and for DaemonSets and nodes also what tells the CNI apart (images, arguments, environment values,
 * pods wanted, k3s's arguments). Only for memory.
 */
export function pruneLive(apiVersion: string, kind: string, value: JsonObject): JsonObject {
  const keep =
    apiVersion === 'apps/v1' && kind === 'DaemonSet'
      ? DAEMON_SET
      : apiVersion === 'v1' && kind === 'Node'
        ? NODE
        : null;
  return keep === null ? prune(apiVersion, kind, value) : { apiVersion, kind, ...(cut(value, keep) as JsonObject) };
}

function keepOf(apiVersion: string, kind: string): Fields {
  const slash = apiVersion.indexOf('/');
  return KEEP.get(`${slash < 0 ? apiVersion : apiVersion.slice(0, slash)}/${kind}`) ?? POLICY;
}

function cut(value: Json, keep: Keep): Json {
  if (keep === true || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => cut(item, keep));
  const from = value as JsonObject;
  const out: Record<string, Json> = {};
  for (const [field, inner] of Object.entries(keep)) {
    if (!Object.hasOwn(from, field)) continue;
    const kept = cut(from[field] as Json, inner);
    // A parent all of whose fields were left out says nothing.
    if (inner !== true && Object.keys(inner).length > 0 && isEmptyObject(kept) && !isEmptyObject(from[field] as Json))
      continue;
    out[field] = kept;
  }
  return out;
}

function isEmptyObject(value: Json): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}
