import { asObject, get, isObject, items, stringOf } from '../../kinds/validation/json.ts';
import type { Json, JsonObject } from '../../manifest/object.ts';

/** The object with the fields that a server sets where a client leaves them out, as far as they bear on the network. */
export function withDefaults(kind: string, object: JsonObject): JsonObject {
  switch (kind) {
    case 'Namespace':
      return namespaceDefaults(object);
    case 'Pod':
      return { ...object, spec: podSpecDefaults(asObject(object.spec)), status: podStatus(asObject(object.status)) };
    case 'Service':
      return {
        ...object,
        spec: serviceDefaults(asObject(object.spec)),
        status: { loadBalancer: {}, ...asObject(object.status) },
      };
    case 'NetworkPolicy':
      return { ...object, spec: networkPolicyDefaults(asObject(object.spec)) };
    case 'Deployment':
    case 'StatefulSet':
    case 'ReplicaSet':
    case 'ReplicationController':
      return {
        ...object,
        spec: controllerDefaults({ replicas: 1, ...present(asObject(object.spec)) }),
        ...statusOf(object),
      };
    case 'DaemonSet':
      return { ...object, spec: controllerDefaults(asObject(object.spec)), ...statusOf(object) };
    case 'Job':
      return { ...object, spec: jobDefaults(object), ...statusOf(object) };
    case 'CronJob':
      return {
        ...object,
        spec: { concurrencyPolicy: 'Allow', suspend: false, ...present(asObject(object.spec)) },
        ...statusOf(object),
      };
    default:
      return object;
  }
}

/** Without fields that are null, which servers take for absent. */
function present(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

function statusOf(object: JsonObject): { readonly status: JsonObject } {
  return { status: asObject(object.status) };
}

function namespaceDefaults(object: JsonObject): JsonObject {
  const metadata = asObject(object.metadata);
  // S1.1: set whatever the object says.
  const labels = { ...asObject(metadata.labels), 'kubernetes.io/metadata.name': stringOf(metadata.name) };
  return {
    ...object,
    metadata: { ...metadata, labels },
    spec: { finalizers: ['kubernetes'], ...asObject(object.spec) },
    status: { phase: 'Active', ...asObject(object.status) },
  };
}

function podStatus(status: JsonObject): JsonObject {
  return { phase: 'Pending', qosClass: 'BestEffort', ...status };
}

function podSpecDefaults(written: JsonObject): JsonObject {
  const spec = present(written);
  const isHost = spec.hostNetwork === true;
  const containers = (list: Json | undefined): readonly Json[] =>
    items(list).map((container) => {
      const own = asObject(container);
      if (!Array.isArray(own.ports)) return own;
      const ports = items(own.ports).map((port): Json => {
        const json: JsonObject = { protocol: 'TCP', ...present(asObject(port)) };
        return isHost ? { hostPort: json.containerPort ?? 0, ...json } : json;
      });
      return { ...own, ports };
    });
  return {
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    serviceAccountName: 'default',
    terminationGracePeriodSeconds: 30,
    ...spec,
    containers: containers(spec.containers),
    ...(Array.isArray(spec.initContainers) ? { initContainers: containers(spec.initContainers) } : {}),
  };
}

function controllerDefaults(spec: JsonObject): JsonObject {
  const template = asObject(spec.template);
  return { ...spec, template: { ...template, spec: podSpecDefaults(asObject(template.spec)) } };
}

function jobDefaults(object: JsonObject): JsonObject {
  const metadata = asObject(object.metadata);
  const spec = controllerDefaults({
    parallelism: 1,
    completions: 1,
    backoffLimit: 6,
    suspend: false,
    ...present(asObject(object.spec)),
  });
  const template = asObject(spec.template);
  const meta = asObject(template.metadata);
  const name = stringOf(metadata.name);
  const uid = stringOf(metadata.uid);
  const own = {
    'batch.kubernetes.io/controller-uid': uid,
    'controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
    'job-name': name,
  };
  const labels = { ...asObject(meta.labels), ...own };
  const selector = isObject(spec.selector)
    ? spec.selector
    : { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
  return { ...spec, selector, template: { ...template, metadata: { ...meta, labels } } };
}

function serviceDefaults(written: JsonObject): JsonObject {
  const spec = present(written);
  const type = stringOf(spec.type) || 'ClusterIP';
  const ports = items(spec.ports).map((port): Json => {
    const json: JsonObject = { protocol: 'TCP', ...present(asObject(port)) };
    return { targetPort: json.port ?? 0, ...json };
  });
  const isExternal = type === 'NodePort' || type === 'LoadBalancer';
  return {
    type,
    sessionAffinity: 'None',
    ...(type === 'ExternalName' ? {} : { internalTrafficPolicy: 'Cluster' }),
    ...(isExternal ? { externalTrafficPolicy: 'Cluster' } : {}),
    ...(type === 'LoadBalancer' ? { allocateLoadBalancerNodePorts: true } : {}),
    ...spec,
    ...(ports.length > 0 ? { ports } : {}),
  };
}

function networkPolicyDefaults(spec: JsonObject): JsonObject {
  const types = items(spec.policyTypes);
  const rules = (list: Json | undefined): readonly Json[] =>
    items(list).map((rule) => {
      const own = asObject(rule);
      if (!Array.isArray(own.ports)) return own;
      return { ...own, ports: items(own.ports).map((port) => ({ protocol: 'TCP', ...present(asObject(port)) })) };
    });
  const egress = items(spec.egress).length > 0;
  return {
    podSelector: {},
    ...spec,
    ...(Array.isArray(get(spec, 'ingress')) ? { ingress: rules(spec.ingress) } : {}),
    ...(Array.isArray(get(spec, 'egress')) ? { egress: rules(spec.egress) } : {}),
    policyTypes: types.length > 0 ? types : egress ? ['Ingress', 'Egress'] : ['Ingress'],
  };
}
