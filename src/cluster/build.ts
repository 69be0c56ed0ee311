import { by, byText, inTurn, type Order } from '../base/order.ts';
import type { KubeObject } from '../manifest/object.ts';
import { perType } from '../manifest/per-type.ts';
import type { Cluster, Missing, Namespace, Node, Route, Service } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { CLUSTER_CODES } from './codes.ts';
import { decoding } from './decode.ts';
import { type Interner, interner } from './intern.ts';
import type { Treatment } from './kinds.ts';
import { type ObjectIndex, objectIndex } from './object-index.ts';
import { namedNamespace, namespaceOf, nodeOf } from './one-object.ts';
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
  const each = (treatment: Treatment): readonly KubeObject[] => sorted.get(treatment) ?? [];

  const namespaces = namespacesOf(shared, each('namespace'), mentioned, missing, diagnostics);
  const nodes = nodesOf(shared, each('node'), diagnostics);

  const gatherer = workloadGatherer(shared, index, nodes, diagnostics);
  for (const object of each('pod')) gatherPod(gatherer, object, homeOf(object));
  for (const treatment of ['controller', 'cronjob', 'operated'] as const) {
    for (const object of each(treatment)) gatherController(gatherer, object, homeOf(object), treatment);
  }
  const workloads = gatheredWorkloads(gatherer);

  const slices = new Map<string, EndpointList[]>();
  const endpoints = new Map<string, EndpointList[]>();
  for (const object of each('endpointslice')) addSlice(slices, object, homeOf(object), diagnostics);
  for (const object of each('endpoints')) addEndpoints(endpoints, object, homeOf(object), diagnostics);
  const sources = { pods: podSelection(workloads), endpoints: endpointLists(slices, endpoints, workloads), missing };
  const services: Service[] = [];
  for (const object of each('service')) {
    const namespace = homeOf(object);
    const service = serviceOf(shared, sources, object, namespace, diagnostics);
    if (service !== null) services.push(service);
  }

  const cluster: Cluster = {
    namespaces,
    nodes: [...nodes.values()].sort(by((node) => node.name, byText)),
    workloads,
    services: services.sort(named),
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

const named: Order<{ readonly namespace: string; readonly name: string }> = (a, b) =>
  byText(a.namespace, b.namespace) || byText(a.name, b.name);

/** The namespace of an object of a kind that has one. */
function homeOf(object: KubeObject): string {
  return object.ref.namespace ?? 'default';
}

interface Sorting {
  readonly index: ObjectIndex;
  readonly sorted: ReadonlyMap<Treatment, readonly KubeObject[]>;
  readonly mentioned: ReadonlySet<string>;
  readonly rest: ReadonlyMap<string, number>;
}

/** All that there is to know of a type, found once. */
interface SortedType {
  readonly treatment: Treatment;
  readonly home: (object: KubeObject) => string;
  /** Objects by namespace and name; the last of each. */
  readonly objects: Map<string, Map<string, KubeObject>>;
  readonly of: KubeObject[];
  /** Whether an object took the place of an earlier one. */
  replaced: boolean;
}

function sort(objects: readonly KubeObject[], diagnostics: Diagnostic[]): Sorting {
  const index = objectIndex();
  const types = new Map<string, SortedType>();
  const typeOf = perType((ref) => {
    const { name, treatment } = index.typeOf(ref);
    const type = types.get(name) ?? sortedType(index, name, treatment);
    types.set(name, type);
    return type;
  });
  const mentioned = new Set<string>();
  for (const object of objects) {
    const { namespace, name } = object.ref;
    const type = typeOf(object.ref);
    if (namespace !== null) mentioned.add(namespace);
    if (type.treatment === 'irrelevant' || type.treatment === 'elsewhere') continue;
    const home = type.home(object);
    if (home !== namespace && home !== '') mentioned.add(home);
    let here = type.objects.get(home);
    if (here === undefined) {
      here = new Map();
      type.objects.set(home, here);
    }
    const count = here.size;
    if (here.set(name, object).size === count) type.replaced = true;
    type.of.push(object);
  }
  const sorted = new Map<Treatment, readonly KubeObject[]>();
  const rest = new Map<string, number>();
  for (const type of types.values()) {
    if (type.treatment === 'unknown') countUnknown(type.of, rest, diagnostics);
    else sorted.set(type.treatment, [...(sorted.get(type.treatment) ?? []), ...lastOfEach(type)]);
  }
  return { index, sorted, mentioned, rest };
}

function sortedType(index: ObjectIndex, name: string, treatment: Treatment): SortedType {
  const objects = new Map<string, Map<string, KubeObject>>();
  index.objects.set(name, objects);
  return { treatment, home: homeIn(treatment), objects, of: [], replaced: false };
}

function homeIn(treatment: Treatment): (object: KubeObject) => string {
  if (treatment === 'namespace' || treatment === 'node') return () => '';
  return treatment === 'unknown' ? (object) => object.ref.namespace ?? '' : homeOf;
}

function lastOfEach({ of, objects, home, replaced }: SortedType): readonly KubeObject[] {
  return replaced ? of.filter((object) => objects.get(home(object))?.get(object.ref.name) === object) : of;
}

function countUnknown(of: readonly KubeObject[], rest: Map<string, number>, diagnostics: Diagnostic[]): void {
  const first = new Map<string, KubeObject>();
  for (const object of of) {
    const type = `${object.ref.apiVersion}/${object.ref.kind}`;
    rest.set(type, (rest.get(type) ?? 0) + 1);
    if (!first.has(type)) first.set(type, object);
  }
  for (const [type, object] of first) diagnostics.push(unknownKind(object, rest.get(type) ?? 0));
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

function namespacesOf(
  shared: Interner,
  objects: readonly KubeObject[],
  mentioned: ReadonlySet<string>,
  missing: readonly Missing[],
  diagnostics: Diagnostic[],
): ReadonlyMap<string, Namespace> {
  const found: Namespace[] = [];
  const names = new Set<string>();
  for (const object of objects) {
    const namespace = namespaceOf(shared, decoding(object, diagnostics));
    if (namespace === null) continue;
    names.add(namespace.name);
    found.push(namespace);
  }
  const unread = missing.some(({ resource, group }) => resource === 'namespaces' && group === '');
  for (const name of mentioned) {
    if (names.has(name)) continue;
    const known = namedNamespace(shared, name);
    found.push(unread ? { ...known, labels: null } : known);
  }
  found.sort(by((namespace) => namespace.name, byText));
  return new Map(found.map((namespace) => [namespace.name, namespace]));
}

function nodesOf(shared: Interner, objects: readonly KubeObject[], diagnostics: Diagnostic[]): Map<string, Node> {
  const out = new Map<string, Node>();
  for (const object of objects) {
    const node = nodeOf(shared, decoding(object, diagnostics));
    if (node !== null) out.set(node.name, node);
  }
  return out;
}

function routesOf(
  each: (treatment: Treatment) => readonly KubeObject[],
  services: readonly Service[],
  diagnostics: Diagnostic[],
): Route[] {
  const openshift = each('openshift-route');
  const fronted = openshift.length === 0 ? [] : services;
  const byName = new Map(fronted.map((service) => [`${service.namespace}/${service.name}`, service]));
  const grants: Grants = new Map();
  for (const object of each('grant')) addGrant(grants, object, homeOf(object), diagnostics);
  const routes: (Route | null)[] = [
    ...each('ingress').map((object) => ingressOf(object, homeOf(object), diagnostics)),
    ...openshift.map((object) => openshiftRouteOf(object, homeOf(object), byName, diagnostics)),
    ...each('gateway-route').map((object) => gatewayRouteOf(object, homeOf(object), grants, diagnostics)),
  ];
  return routes.filter((route) => route !== null);
}
