import { asObject, get, items, stringOf } from '../../kinds/validation/json.ts';
import type { JsonObject } from '../../manifest/object.ts';
import { groupOf } from '../../manifest/scope.ts';

/** A resource that the server serves: one kind in all the versions of its group that have it. */
export interface ServedResource {
  /** `''` is the core group. */
  readonly group: string;
  /** The preferred one first. */
  readonly versions: readonly string[];
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly hasStatus: boolean;
  readonly hasScale: boolean;
  /** Part of every API server; others are custom resources, of which the server says some things differently. */
  readonly builtIn: boolean;
}

/** `pods`, `networkpolicies.networking.k8s.io`: what a resource is known by. */
export function resourceKey(resource: Pick<ServedResource, 'group' | 'plural'>): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

interface Facts {
  readonly short?: readonly string[];
  readonly cluster?: true;
  readonly status?: true;
  readonly scale?: true;
  readonly all?: true;
  readonly singular?: string;
}

function row(
  group: string,
  versions: readonly string[],
  plural: string,
  kind: string,
  facts: Facts = {},
): ServedResource {
  return {
    group,
    versions,
    plural,
    singular: kind.toLowerCase(),
    kind,
    namespaced: facts.cluster !== true,
    shortNames: facts.short ?? [],
    categories: facts.all === true ? ['all'] : [],
    hasStatus: facts.status === true,
    hasScale: facts.scale === true,
    builtIn: true,
  };
}

const V1 = ['v1'];
const POLICY_GROUP = 'policy.networking.k8s.io';
const RBAC = 'rbac.authorization.k8s.io';

/** Served from the start. */
export const BUILT_IN: readonly ServedResource[] = [
  row('', V1, 'namespaces', 'Namespace', { cluster: true, short: ['ns'], status: true }),
  row('', V1, 'nodes', 'Node', { cluster: true, short: ['no'], status: true }),
  row('', V1, 'persistentvolumes', 'PersistentVolume', { cluster: true, short: ['pv'], status: true }),
  row('', V1, 'pods', 'Pod', { short: ['po'], status: true, all: true }),
  row('', V1, 'services', 'Service', { short: ['svc'], status: true, all: true }),
  row('', V1, 'endpoints', 'Endpoints', { short: ['ep'] }),
  row('', V1, 'events', 'Event', { short: ['ev'] }),
  row('', V1, 'serviceaccounts', 'ServiceAccount', { short: ['sa'] }),
  row('', V1, 'configmaps', 'ConfigMap', { short: ['cm'] }),
  row('', V1, 'secrets', 'Secret'),
  row('', V1, 'limitranges', 'LimitRange', { short: ['limits'] }),
  row('', V1, 'resourcequotas', 'ResourceQuota', { short: ['quota'], status: true }),
  row('', V1, 'persistentvolumeclaims', 'PersistentVolumeClaim', { short: ['pvc'], status: true }),
  row('', V1, 'podtemplates', 'PodTemplate'),
  row('', V1, 'replicationcontrollers', 'ReplicationController', {
    short: ['rc'],
    status: true,
    scale: true,
    all: true,
  }),
  row('apps', V1, 'deployments', 'Deployment', { short: ['deploy'], status: true, scale: true, all: true }),
  row('apps', V1, 'replicasets', 'ReplicaSet', { short: ['rs'], status: true, scale: true, all: true }),
  row('apps', V1, 'statefulsets', 'StatefulSet', { short: ['sts'], status: true, scale: true, all: true }),
  row('apps', V1, 'daemonsets', 'DaemonSet', { short: ['ds'], status: true, all: true }),
  row('apps', V1, 'controllerrevisions', 'ControllerRevision'),
  row('batch', V1, 'jobs', 'Job', { status: true, all: true }),
  row('batch', V1, 'cronjobs', 'CronJob', { short: ['cj'], status: true, all: true }),
  row('autoscaling', ['v2', 'v1'], 'horizontalpodautoscalers', 'HorizontalPodAutoscaler', {
    short: ['hpa'],
    status: true,
    all: true,
  }),
  row('policy', V1, 'poddisruptionbudgets', 'PodDisruptionBudget', { short: ['pdb'], status: true }),
  row('coordination.k8s.io', V1, 'leases', 'Lease'),
  row('discovery.k8s.io', V1, 'endpointslices', 'EndpointSlice'),
  row('events.k8s.io', V1, 'events', 'Event', { short: ['ev'] }),
  row('networking.k8s.io', V1, 'ingresses', 'Ingress', { short: ['ing'], status: true }),
  row('networking.k8s.io', V1, 'ingressclasses', 'IngressClass', { cluster: true }),
  row('networking.k8s.io', V1, 'networkpolicies', 'NetworkPolicy', { short: ['netpol'] }),
  row('node.k8s.io', V1, 'runtimeclasses', 'RuntimeClass', { cluster: true }),
  row('scheduling.k8s.io', V1, 'priorityclasses', 'PriorityClass', { cluster: true, short: ['pc'] }),
  row('storage.k8s.io', V1, 'storageclasses', 'StorageClass', { cluster: true, short: ['sc'] }),
  row(RBAC, V1, 'roles', 'Role'),
  row(RBAC, V1, 'rolebindings', 'RoleBinding'),
  row(RBAC, V1, 'clusterroles', 'ClusterRole', { cluster: true }),
  row(RBAC, V1, 'clusterrolebindings', 'ClusterRoleBinding', { cluster: true }),
  row('apiextensions.k8s.io', V1, 'customresourcedefinitions', 'CustomResourceDefinition', {
    cluster: true,
    short: ['crd', 'crds'],
    status: true,
  }),
];

/** The policy kinds that real servers have by definitions only; here from the start unless told otherwise. */
export const POLICY_RESOURCES: readonly ServedResource[] = [
  policy('v1alpha1', 'adminnetworkpolicies', 'AdminNetworkPolicy', 'anp'),
  policy('v1alpha1', 'baselineadminnetworkpolicies', 'BaselineAdminNetworkPolicy', 'banp'),
  policy('v1alpha2', 'clusternetworkpolicies', 'ClusterNetworkPolicy', 'cnp'),
];

function policy(version: string, plural: string, kind: string, short: string): ServedResource {
  return {
    ...row(POLICY_GROUP, [version], plural, kind, { cluster: true, short: [short], status: true }),
    builtIn: false,
  };
}

/** The resource that a CustomResourceDefinition describes; `null` if it serves none. */
export function definedResource(definition: JsonObject): ServedResource | null {
  const spec = asObject(get(definition, 'spec'));
  const names = asObject(get(spec, 'names'));
  const served = items(spec.versions)
    .map(asObject)
    .filter((version) => version.served === true);
  const versions = served.map((version) => stringOf(version.name)).sort(newestFirst);
  const kind = stringOf(names.kind);
  const plural = stringOf(names.plural);
  if (versions.length === 0 || kind === '' || plural === '') return null;
  const subresources = served.map((version) => asObject(get(version, 'subresources')));
  return {
    group: stringOf(spec.group),
    versions,
    plural,
    singular: stringOf(names.singular) || kind.toLowerCase(),
    kind,
    namespaced: spec.scope !== 'Cluster',
    shortNames: items(names.shortNames).map(stringOf),
    categories: items(names.categories).map(stringOf),
    hasStatus: subresources.some((one) => Object.hasOwn(one, 'status')),
    hasScale: subresources.some((one) => Object.hasOwn(one, 'scale')),
    builtIn: false,
  };
}

/** A resource for objects of a kind of which nothing else is known. */
export function guessedResource(apiVersion: string, kind: string, namespaced: boolean): ServedResource {
  const slash = apiVersion.indexOf('/');
  return {
    ...row(groupOf(apiVersion), [apiVersion.slice(slash + 1)], pluralOf(kind), kind),
    namespaced,
    builtIn: false,
  };
}

function pluralOf(kind: string): string {
  const lower = kind.toLowerCase();
  if (/[^aeiou]y$/.test(lower)) return `${lower.slice(0, -1)}ies`;
  return /(s|x|z|ch|sh)$/.test(lower) ? `${lower}es` : `${lower}s`;
}

/** `v1` before `v1beta2` before `v1beta1` before `v1alpha1`, as servers prefer them; anything else by name, last. */
export function newestFirst(a: string, b: string): number {
  const [x, y] = [versionRank(a), versionRank(b)];
  for (let i = 0; i < x.length; i++) {
    const difference = (y[i] ?? 0) - (x[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function versionRank(version: string): readonly number[] {
  const parts = /^v([0-9]+)(?:(alpha|beta)([0-9]+))?$/.exec(version);
  if (parts === null) return [0, 0, 0];
  return [parts[2] === undefined ? 3 : parts[2] === 'beta' ? 2 : 1, Number(parts[1]), Number(parts[3] ?? 0)];
}

/** What is served at the moment. */
export interface Registry {
  all(): readonly ServedResource[];
  byPath(group: string, version: string, plural: string): ServedResource | undefined;
  byKind(apiVersion: string, kind: string): ServedResource | undefined;
  add(resource: ServedResource): void;
  remove(key: string): void;
}

export function registry(initial: readonly ServedResource[]): Registry {
  const resources = new Map(initial.map((resource) => [resourceKey(resource), resource]));
  return {
    all: () => [...resources.values()],
    byPath: (group, version, plural) => {
      const found = resources.get(resourceKey({ group, plural }));
      return found?.versions.includes(version) === true ? found : undefined;
    },
    byKind: (apiVersion, kind) => {
      const group = groupOf(apiVersion);
      const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
      for (const one of resources.values()) {
        if (one.kind === kind && one.group === group && one.versions.includes(version)) return one;
      }
      return undefined;
    },
    add: (resource) => void resources.set(resourceKey(resource), resource),
    remove: (key) => void resources.delete(key),
  };
}
