import type { Ip } from '../base/ip.ts';
import { by, byText, inTurn } from '../base/order.ts';
import type { KubeObject } from '../manifest/object.ts';
import type { Cluster, Missing, Namespace, Node, Route, Service } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Labels } from '../model/selector.ts';
import { CLUSTER_CODES } from './codes.ts';
import { decoding, element, listAt, objectAt, refused, textAt } from './decode.ts';
import { type Interner, internEntries, interner, internLabels } from './intern.ts';
import { type Treatment, treatmentOf } from './kinds.ts';
import { keyOf } from './owners.ts';
import { addAddress, addressOf, labelsJson } from './pod-spec.ts';
import { addGrant, type Grants, gatewayRouteOf, ingressOf, openshiftRouteOf } from './routes.ts';
import { podSelection } from './selection.ts';
import { serviceOf } from './services.ts';
import { addEndpoints, addSlice, type EndpointList, endpointLists } from './slices.ts';
import { gatherController, gatheredWorkloads, gatherPod, workloadGatherer } from './workloads.ts';

/** What reading a cluster from objects gives. */
export interface BuiltCluster {
  readonly cluster: Cluster;
  readonly diagnostics: readonly Diagnostic[];
  /** How many objects there are of each kind (`apiVersion/Kind`) that nothing here understands. */
  readonly rest: ReadonlyMap<string, number>;
}

export interface ClusterOptions {
  /** Resources that should have been read and could not be. */
  readonly missing?: readonly Missing[];
}

/** One object with what is to be done with it. */
interface Sorted {
  readonly object: KubeObject;
  readonly namespace: string;
}

/**
 * Makes the cluster out of any objects. Total: an object of which a field cannot be decoded is left out with an error
 * (an API server refuses it), everything else is taken as far as it can be understood. Of two objects of one kind,
 * namespace and name the last counts.
 */
export function buildCluster(objects: readonly KubeObject[], options: ClusterOptions = {}): BuiltCluster {
  const missing = options.missing ?? [];
  const diagnostics: Diagnostic[] = [];
  const shared = interner();
  const { index, sorted, mentioned, rest } = sort(objects, diagnostics);
  const each = (treatment: Treatment): readonly Sorted[] => sorted.get(treatment) ?? [];

  const namespaces = namespacesOf(shared, each('namespace'), mentioned, missing, diagnostics);
  const nodes = nodesOf(shared, each('node'), diagnostics);

  const gatherer = workloadGatherer(shared, index, nodes, diagnostics);
  for (const { object, namespace } of each('pod')) gatherPod(gatherer, object, namespace);
  for (const treatment of ['controller', 'cronjob', 'operated'] as const) {
    for (const { object, namespace } of each(treatment)) gatherController(gatherer, object, namespace, treatment);
  }
  const workloads = gatheredWorkloads(gatherer);

  const slices = new Map<string, EndpointList[]>();
  const endpoints = new Map<string, EndpointList[]>();
  for (const { object, namespace } of each('endpointslice')) addSlice(slices, object, namespace, diagnostics);
  for (const { object, namespace } of each('endpoints')) addEndpoints(endpoints, object, namespace, diagnostics);
  const sources = { pods: podSelection(workloads), endpoints: endpointLists(slices, endpoints, workloads), missing };
  const services = new Map<string, Service>();
  for (const { object, namespace } of each('service')) {
    const service = serviceOf(shared, sources, object, namespace, diagnostics);
    if (service !== null) services.set(`${namespace}/${service.name}`, service);
  }

  const cluster: Cluster = {
    namespaces,
    nodes: [...nodes.values()].sort(by((node) => node.name, byText)),
    workloads,
    services: [...services.values()].sort(named),
    routes: routesOf(each, services, diagnostics).sort(
      inTurn(
        named,
        by((route: Route) => route.kind, byText),
      ),
    ),
    missing,
  };
  return { cluster, diagnostics, rest };
}

const named = inTurn<{ readonly namespace: string; readonly name: string }>(
  by((item) => item.namespace, byText),
  by((item) => item.name, byText),
);

interface Sorting {
  /** The last object of each kind, namespace and name. */
  readonly index: ReadonlyMap<string, KubeObject>;
  readonly sorted: ReadonlyMap<Treatment, readonly Sorted[]>;
  readonly mentioned: ReadonlySet<string>;
  readonly rest: ReadonlyMap<string, number>;
}

const CLUSTER_SCOPED: ReadonlySet<Treatment> = new Set<Treatment>(['namespace', 'node']);

function sort(objects: readonly KubeObject[], diagnostics: Diagnostic[]): Sorting {
  const index = new Map<string, KubeObject>();
  const kept: { object: KubeObject; namespace: string; treatment: Treatment; key: string }[] = [];
  const mentioned = new Set<string>();
  const rest = new Map<string, number>();
  const first = new Map<string, KubeObject>();
  const treatments = new Map<string, Treatment>();
  for (const object of objects) {
    const { apiVersion, kind, namespace } = object.ref;
    const type = `${apiVersion}/${kind}`;
    let treatment = treatments.get(type);
    if (treatment === undefined) {
      treatment = treatmentOf(apiVersion, kind);
      treatments.set(type, treatment);
    }
    if (namespace !== null) mentioned.add(namespace);
    if (treatment === 'unknown') {
      rest.set(type, (rest.get(type) ?? 0) + 1);
      if (!first.has(type)) first.set(type, object);
    }
    if (treatment === 'irrelevant' || treatment === 'elsewhere') continue;
    const home = CLUSTER_SCOPED.has(treatment) ? null : treatment === 'unknown' ? namespace : (namespace ?? 'default');
    const key = keyOf(object.ref, home);
    index.set(key, object);
    if (treatment === 'unknown') continue;
    if (home !== null) mentioned.add(home);
    kept.push({ object, namespace: home ?? '', treatment, key });
  }
  for (const [type, object] of first) diagnostics.push(unknownKind(object, rest.get(type) ?? 0));
  const sorted = new Map<Treatment, Sorted[]>();
  for (const { object, namespace, treatment, key } of kept) {
    if (index.get(key) !== object) continue;
    const list = sorted.get(treatment);
    if (list === undefined) sorted.set(treatment, [{ object, namespace }]);
    else list.push({ object, namespace });
  }
  return { index, sorted, mentioned, rest };
}

function unknownKind(object: KubeObject, count: number): Diagnostic {
  const { code, severity } = CLUSTER_CODES['unknown-kind'];
  const { apiVersion, kind } = object.ref;
  const what = count === 1 ? 'one object' : `${count} objects`;
  return {
    code,
    severity,
    message: `${what} of the unknown kind \`${kind}\` (\`${apiVersion}\`) ${count === 1 ? 'is' : 'are'} not taken into account`,
    origin: { object: object.ref, field: 'kind' },
  };
}

const NAME_LABEL = 'kubernetes.io/metadata.name';

function namespacesOf(
  shared: Interner,
  objects: readonly Sorted[],
  mentioned: ReadonlySet<string>,
  missing: readonly Missing[],
  diagnostics: Diagnostic[],
): ReadonlyMap<string, Namespace> {
  const found: Namespace[] = [];
  const names = new Set<string>();
  for (const { object } of objects) {
    const of = decoding(object, diagnostics);
    const written = internLabels(shared, of, labelsJson(of), 'metadata.labels');
    if (refused(of)) continue;
    const name = object.ref.name;
    names.add(name);
    // S1.1: API servers set this label on every namespace, whatever the object says.
    const labels = internEntries(shared, [...written, [NAME_LABEL, name]]);
    found.push({ name, labels, origin: { object: object.ref, field: '' } });
  }
  const unread = missing.some(({ resource, group }) => resource === 'namespaces' && group === '');
  for (const name of mentioned) {
    if (names.has(name)) continue;
    const labels: Labels | null = unread ? null : internEntries(shared, [[NAME_LABEL, name]]);
    found.push({ name, labels, origin: null });
  }
  found.sort(by((namespace) => namespace.name, byText));
  return new Map(found.map((namespace) => [namespace.name, namespace]));
}

function nodesOf(shared: Interner, objects: readonly Sorted[], diagnostics: Diagnostic[]): Map<string, Node> {
  const out = new Map<string, Node>();
  for (const { object } of objects) {
    const of = decoding(object, diagnostics);
    const labels = internLabels(shared, of, labelsJson(of), 'metadata.labels');
    const status = objectAt(of, object.value, 'status', '');
    const list = listAt(of, status, 'addresses', 'status');
    const addresses: Ip[] = [];
    for (let i = 0; i < list.length; i++) {
      const at = `status.addresses[${i}]`;
      const json = element(of, list, i, at);
      const type = textAt(of, json, 'type', at);
      const text = textAt(of, json, 'address', at);
      if (type !== 'InternalIP' && type !== 'ExternalIP') continue;
      addAddress(addresses, addressOf(of, text, `${at}.address`));
    }
    if (refused(of)) continue;
    out.set(object.ref.name, { name: object.ref.name, labels, addresses, origin: { object: object.ref, field: '' } });
  }
  return out;
}

function routesOf(
  each: (treatment: Treatment) => readonly Sorted[],
  services: ReadonlyMap<string, Service>,
  diagnostics: Diagnostic[],
): Route[] {
  const grants: Grants = new Map();
  for (const { object, namespace } of each('grant')) addGrant(grants, object, namespace, diagnostics);
  const routes: (Route | null)[] = [
    ...each('ingress').map(({ object, namespace }) => ingressOf(object, namespace, diagnostics)),
    ...each('openshift-route').map(({ object, namespace }) =>
      openshiftRouteOf(object, namespace, services, diagnostics),
    ),
    ...each('gateway-route').map(({ object, namespace }) => gatewayRouteOf(object, namespace, grants, diagnostics)),
  ];
  return routes.filter((route) => route !== null);
}
