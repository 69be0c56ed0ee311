import { type Cidr, parseCidr, parseIp } from '../base/ip.ts';
import { asObject, get, items, stringOf } from '../kinds/validation/json.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import { sameJson } from './api-server/patch.ts';
import type { ApiWrite, ObjectChange } from './controllers.ts';
import { labelsOf, metadataOf, nameOf, namespaceOf, objectKey, uidOf } from './model-json.ts';
import { hostPortsOf, type NodeSite, placeFor, siteOf } from './model-place.ts';
import { addressPool } from './model-pool.ts';
import { labServices, SLICE_MANAGER, slicesOf } from './model-services.ts';
import { draftPods, isController, TEMPLATE_ANNOTATION } from './model-workloads.ts';

export interface ManagerOptions {
  /** At most so many pods of one controller; a DaemonSet has one for each node. */
  readonly replicas: number;
  /** Where LoadBalancer Services get their addresses from. */
  readonly loadBalancers: readonly string[];
}

/**
 * What scheduler and controller manager do, as far as a lab needs it: pods of controllers, their nodes, EndpointSlices,
 * addresses of load balancers, statuses, and the end of what has lost its owner. Holds the state of the cluster and says
 * what is still to be done; it is done when `settle` has nothing more to say.
 */
export interface ControllerManager {
  take(change: ObjectChange): void;
  settle(): readonly ApiWrite[];
}

export function controllerManager(options: ManagerOptions): ControllerManager {
  const objects = new Map<string, JsonObject>();
  // Of objects that were deleted: who names an owner that was never there is left alone.
  const gone = new Set<string>();
  const pools = options.loadBalancers
    .map(parseCidr)
    .filter((cidr): cidr is Cidr => cidr !== null)
    .map((cidr) => addressPool(cidr, 1));
  return {
    take: ({ kind, object }) => {
      const key = objectKey(object);
      const before = objects.get(key);
      if (before !== undefined && (kind === 'removed' || uidOf(before) !== uidOf(object))) gone.add(uidOf(before));
      if (kind === 'removed') objects.delete(key);
      else objects.set(key, object);
    },
    settle: () => {
      const all = [...objects.values()];
      const nodes = all.filter((object) => object.kind === 'Node').map(siteFrom);
      return [
        ...orphans(all, gone),
        ...workloads(all, nodes, options.replicas),
        ...schedule(all, nodes),
        ...endpoints(all),
        ...balancers(all, pools),
        ...statuses(all),
      ];
    },
  };
}

function siteFrom(object: JsonObject): NodeSite {
  return siteOf(object, true);
}

/** The uid of the controller that owns an object; `''` if none does. */
function ownerOf(object: JsonObject): string {
  const owner = items(metadataOf(object).ownerReferences)
    .map(asObject)
    .find((one) => one.controller === true);
  return stringOf(owner?.uid);
}

function isLeaving(object: JsonObject): boolean {
  return Object.hasOwn(metadataOf(object), 'deletionTimestamp');
}

function isFinished(pod: JsonObject): boolean {
  const { phase } = asObject(pod.status);
  return phase === 'Succeeded' || phase === 'Failed';
}

const OWNABLE: ReadonlySet<string> = new Set(['Pod', 'ReplicaSet', 'Job', 'EndpointSlice']);

/** Objects whose owner is gone: deleted, or made again under another identity. */
function orphans(all: readonly JsonObject[], gone: ReadonlySet<string>): ApiWrite[] {
  return all
    .filter((object) => {
      if (!OWNABLE.has(stringOf(object.kind)) || isLeaving(object)) return false;
      const owners = items(metadataOf(object).ownerReferences).map((one) => stringOf(asObject(one).uid));
      return owners.length > 0 && owners.every((uid) => gone.has(uid));
    })
    .map((object) => ({ kind: 'delete', object, isFinal: false }));
}

function workloads(all: readonly JsonObject[], nodes: readonly NodeSite[], most: number): ApiWrite[] {
  const byOwner = new Map<string, JsonObject[]>();
  for (const object of all) {
    const owner = ownerOf(object);
    if (owner !== '') byOwner.set(owner, [...(byOwner.get(owner) ?? []), object]);
  }
  const taken = new Set(all.filter((object) => object.kind === 'Pod').map(objectKey));
  const writes: ApiWrite[] = [];
  for (const controller of all) {
    if (!isController(controller) || isLeaving(controller)) continue;
    const owned = (byOwner.get(uidOf(controller)) ?? []).filter((object) => !isLeaving(object));
    const { between, pods } = draftPods(controller, nodes, most);
    if (controller.kind === 'Deployment' || controller.kind === 'CronJob') writes.push(...inBetween(owned, between));
    else writes.push(...ownPods(stringOf(controller.kind), owned, pods, taken));
  }
  return writes;
}

/** ReplicaSets and Jobs: one as it should be, others go. */
function inBetween(owned: readonly JsonObject[], wanted: readonly JsonObject[]): ApiWrite[] {
  const writes: ApiWrite[] = [];
  const below = owned.filter(({ kind }) => kind === 'ReplicaSet' || kind === 'Job');
  for (const object of wanted) {
    const known = below.find((one) => isAsWanted(one, object));
    if (known === undefined) writes.push({ kind: 'create', object });
    else {
      const replicas = get(asObject(object.spec), 'replicas');
      const spec = asObject(known.spec);
      if (replicas !== undefined && spec.replicas !== replicas) {
        writes.push({ kind: 'replace', object: { ...known, spec: { ...spec, replicas } } });
      }
    }
  }
  const isOlder = (object: JsonObject): boolean => !wanted.some((one) => isAsWanted(object, one));
  for (const object of below.filter(isOlder)) writes.push({ kind: 'delete', object, isFinal: false });
  return writes;
}

/** Of that name, or made by a real cluster from the same template: then it has another name, and pods that are as good. */
function isAsWanted(own: JsonObject, wanted: JsonObject): boolean {
  if (nameOf(own) === nameOf(wanted)) return true;
  return own.kind === 'ReplicaSet' && sameJson(templateOf(own), templateOf(wanted));
}

function templateOf(object: JsonObject): JsonObject {
  const template = asObject(asObject(object.spec).template);
  const labels = Object.entries(asObject(metadataOf(template).labels)).filter(([key]) => key !== 'pod-template-hash');
  return { spec: template.spec ?? null, labels: Object.fromEntries(labels) };
}

function ownPods(
  kind: string,
  owned: readonly JsonObject[],
  drafts: readonly JsonObject[],
  taken: Set<string>,
): ApiWrite[] {
  const writes: ApiWrite[] = [];
  const remove = (object: JsonObject): void => void writes.push({ kind: 'delete', object, isFinal: false });
  const pods = owned.filter((object) => object.kind === 'Pod');
  const isNamed = kind === 'StatefulSet' || kind === 'DaemonSet';
  const hashOf = (pod: JsonObject): string => stringOf(asObject(metadataOf(pod).annotations)[TEMPLATE_ANNOTATION]);
  const current = drafts[0] === undefined ? '' : hashOf(drafts[0]);
  const isStale = (pod: JsonObject): boolean => {
    const hash = hashOf(pod);
    // A StatefulSet's pods differ from each other in their names alone.
    const wanted = isNamed
      ? (drafts.map(hashOf)[drafts.findIndex((draft) => nameOf(draft) === nameOf(pod))] ?? '')
      : current;
    return kind !== 'ReplicaSet' && hash !== '' && wanted !== '' && hash !== wanted;
  };
  const stale = pods.filter(isStale);
  for (const pod of stale) remove(pod);
  const fresh = pods.filter((pod) => !stale.includes(pod) && !isFinished(pod));
  if (isNamed) {
    const keyOf = (pod: JsonObject): string =>
      kind === 'DaemonSet' ? stringOf(asObject(pod.spec).nodeName) : nameOf(pod);
    const has = new Set(fresh.map(keyOf));
    const wanted = new Set(drafts.map(keyOf));
    for (const pod of fresh) if (!wanted.has(keyOf(pod))) remove(pod);
    for (const draft of drafts) {
      if (has.has(keyOf(draft)) || taken.has(objectKey(draft))) continue;
      taken.add(objectKey(draft));
      writes.push({ kind: 'create', object: draft });
    }
    return writes;
  }
  const sorted = [...fresh].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  for (const pod of sorted.slice(drafts.length)) remove(pod);
  let missing = drafts.length - sorted.length;
  for (const draft of [...drafts, ...spares(drafts)]) {
    if (missing <= 0) break;
    if (taken.has(objectKey(draft))) continue;
    taken.add(objectKey(draft));
    writes.push({ kind: 'create', object: draft });
    missing--;
  }
  return writes;
}

/** The same pods under other names, for where the first ones are taken. */
function spares(drafts: readonly JsonObject[]): JsonObject[] {
  return drafts.flatMap((draft) =>
    ['a', 'b', 'c'].map((suffix) => ({
      ...draft,
      metadata: { ...metadataOf(draft), name: `${nameOf(draft)}-${suffix}` },
    })),
  );
}

/** Puts pods that have no node on one. */
function schedule(all: readonly JsonObject[], nodes: readonly NodeSite[]): ApiWrite[] {
  const pods = all.filter((object) => object.kind === 'Pod' && !isFinished(object) && !isLeaving(object));
  for (const pod of pods) {
    const site = nodes.find((node) => node.name === asObject(pod.spec).nodeName);
    if (site === undefined) continue;
    site.pods++;
    for (const port of hostPortsOf(asObject(pod.spec))) site.ports.add(port);
  }
  const writes: ApiWrite[] = [];
  for (const pod of pods) {
    const spec = asObject(pod.spec);
    if (stringOf(spec.nodeName) !== '') continue;
    const found = placeFor(spec, nodes);
    if (found === null) continue;
    found.site.pods++;
    for (const port of hostPortsOf(spec)) found.site.ports.add(port);
    writes.push({ kind: 'bind', pod, node: found.site.name });
  }
  return writes;
}

/** Keeps the EndpointSlices of Services that select pods. */
function endpoints(all: readonly JsonObject[]): ApiWrite[] {
  const services = labServices(all);
  const slices = all.filter(
    (object) =>
      object.kind === 'EndpointSlice' &&
      labelsOf(metadataOf(object).labels).get('endpointslice.kubernetes.io/managed-by') === SLICE_MANAGER,
  );
  const writes: ApiWrite[] = [];
  const kept = new Set<JsonObject>();
  for (const object of all) {
    if (object.kind !== 'Service' || labelsOf(asObject(object.spec).selector).size === 0) continue;
    const service = services.find(
      ({ namespace, name }) => namespace === namespaceOf(object) && name === nameOf(object),
    );
    if (service === undefined) continue;
    for (const wanted of slicesOf(object, service)) {
      const known = slices.find((slice) => objectKey(slice) === objectKey(wanted));
      if (known === undefined) {
        writes.push({ kind: 'create', object: wanted });
        continue;
      }
      kept.add(known);
      const differs = ['endpoints', 'ports', 'addressType'].some((key) => !sameJson(known[key], wanted[key]));
      if (!differs) continue;
      const next = { ...known, endpoints: wanted.endpoints ?? [], ports: wanted.ports ?? [] };
      writes.push({ kind: 'replace', object: next });
    }
  }
  for (const slice of slices)
    if (!kept.has(slice) && !isLeaving(slice)) writes.push({ kind: 'delete', object: slice, isFinal: false });
  return writes;
}

/** Gives LoadBalancer Services addresses. */
function balancers(all: readonly JsonObject[], pools: readonly ReturnType<typeof addressPool>[]): ApiWrite[] {
  const writes: ApiWrite[] = [];
  const services = all.filter((object) => object.kind === 'Service');
  const addressesOf = (service: JsonObject): readonly Json[] =>
    items(asObject(asObject(service.status).loadBalancer).ingress);
  const used = new Set(services.flatMap((service) => addressesOf(service).map((one) => stringOf(asObject(one).ip))));
  for (const service of services) {
    const spec = asObject(service.spec);
    if (spec.type !== 'LoadBalancer' || addressesOf(service).length > 0 || isLeaving(service)) continue;
    const families = items(spec.ipFamilies).map(stringOf);
    const asked = stringOf(spec.loadBalancerIP);
    const addresses: string[] = asked !== '' && parseIp(asked) !== null && !used.has(asked) ? [asked] : [];
    if (addresses.length === 0) {
      for (const pool of pools) {
        if (!families.includes(`IPv${pool.block.family}`)) continue;
        let address = pool.take();
        while (address !== null && used.has(address)) address = pool.take();
        if (address !== null) addresses.push(address);
      }
    }
    if (addresses.length === 0) continue;
    const ingress = addresses.map((ip) => ({ ip, ipMode: 'VIP' }));
    writes.push({
      kind: 'status',
      object: { ...service, status: { ...asObject(service.status), loadBalancer: { ingress } } },
    });
  }
  return writes;
}

const COUNTED: ReadonlySet<string> = new Set([
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'ReplicationController',
]);

/** How many of a controller's pods there are, and are ready. */
function statuses(all: readonly JsonObject[]): ApiWrite[] {
  const byOwner = new Map<string, JsonObject[]>();
  for (const object of all) {
    const owner = ownerOf(object);
    if (owner !== '' && !isLeaving(object)) byOwner.set(owner, [...(byOwner.get(owner) ?? []), object]);
  }
  const podsBelow = (object: JsonObject): readonly JsonObject[] =>
    (byOwner.get(uidOf(object)) ?? []).flatMap((one) => (one.kind === 'Pod' ? [one] : podsBelow(one)));
  const writes: ApiWrite[] = [];
  for (const object of all) {
    if (!COUNTED.has(stringOf(object.kind)) || isLeaving(object)) continue;
    const pods = podsBelow(object);
    const ready = pods.filter((pod) =>
      items(asObject(pod.status).conditions)
        .map(asObject)
        .some((one) => one.type === 'Ready' && one.status === 'True'),
    ).length;
    const wanted = statusOf(stringOf(object.kind), pods.length, ready, metadataOf(object).generation ?? 1);
    const own = asObject(object.status);
    if (Object.entries(wanted).every(([key, value]) => sameJson(get(own, key), value))) continue;
    writes.push({ kind: 'status', object: { ...object, status: { ...own, ...wanted } } });
  }
  return writes;
}

function statusOf(kind: string, total: number, ready: number, generation: Json): JsonObject {
  if (kind === 'DaemonSet') {
    return {
      currentNumberScheduled: total,
      desiredNumberScheduled: total,
      updatedNumberScheduled: total,
      numberMisscheduled: 0,
      numberReady: ready,
      numberAvailable: ready,
      observedGeneration: generation,
    };
  }
  const common: JsonObject = {
    replicas: total,
    readyReplicas: ready,
    availableReplicas: ready,
    observedGeneration: generation,
  };
  if (kind === 'ReplicaSet' || kind === 'ReplicationController') return common;
  const status = ready === total ? 'True' : 'False';
  const conditions =
    kind === 'Deployment' ? { conditions: [{ type: 'Available', status, reason: 'Counted', message: '' }] } : {};
  return { ...common, ...conditions, updatedReplicas: total };
}
