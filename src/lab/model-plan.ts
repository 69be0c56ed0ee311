import { type Family, formatCidr, formatIp, parseIp } from '../base/ip.ts';
import { by, byText } from '../base/order.ts';
import { buildCluster } from '../cluster/build.ts';
import { inputOf } from '../input/input.ts';
import { asObject, isObject, items, stringOf } from '../kinds/validation/json.ts';
import { dropDuplicates } from '../manifest/duplicates.ts';
import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';
import { groupOf } from '../manifest/scope.ts';
import type { Cluster, Pod } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { ObjectRef } from '../model/origin.ts';
import { withDefaults } from './api-server/defaults.ts';
import type { LabNode, LabObject, LabOptions, LabOutside, LabPlan, LabPod, LabRanges, LabService } from './model.ts';
import { LAB_CODES, type Remark } from './model-codes.ts';
import { addDns, dnsOf } from './model-dns.ts';
import { labelsOf, madeObject, nameOf, namespaceOf, objectKey, uidFor, uidOf, withMetadata } from './model-json.ts';
import { outsideAddresses } from './model-outside.ts';
import {
  type AddressBook,
  addressBook,
  asRanges,
  hostPortsOf,
  madeNode,
  type NodeSite,
  nodeAddresses,
  nodeObject,
  nodeRanges,
  partOf,
  placeFor,
  podPool,
  siteOf,
  takeFree,
} from './model-place.ts';
import { podOf } from './model-pods.ts';
import { type AddressPool, addressPool } from './model-pool.ts';
import { type ChosenRanges, chooseRanges, policyBlocks } from './model-ranges.ts';
import { serviceObjects } from './model-service-objects.ts';
import { SLICE_MANAGER, servicesIn, slicesOf } from './model-services.ts';
import { draftPods, isController } from './model-workloads.ts';

/** What planning carries along. */
interface Draft {
  readonly families: readonly Family[];
  readonly most: number;
  readonly book: AddressBook;
  readonly sites: readonly NodeSite[];
  readonly remark: Remark;
}

interface PlacedPod {
  readonly by: LabObject['by'];
  readonly object: KubeObject;
  readonly site: NodeSite | null;
}

/**
 * Plans a lab for the objects of manifests. Deterministic: the same objects and options give the same plan. What an API
 * server would refuse is not part of it.
 */
export function planLab(objects: readonly KubeObject[], options: LabOptions = {}): LabPlan {
  const families = options.families ?? [4, 6];
  const diagnostics: Diagnostic[] = [];
  const remark: Remark = (name, message, object, field = '') => {
    const { code, severity } = LAB_CODES[name];
    diagnostics.push({ code, severity, message, origin: object === null ? null : { object, field } });
  };
  const input = inputOf(objects);
  diagnostics.push(...input.diagnostics);
  const given = accepted(objects, input.diagnostics);
  const blocks = policyBlocks(input.program);
  const wanted = options.addresses ?? [];
  const chosen = chooseRanges(families, blocks, asRanges([...wanted, ...addressesOf(given)]));
  for (const { purpose, range, block } of chosen.touched) {
    const message = `the range \`${formatCidr(range)}\` of the lab's ${purpose} lies in the block \`${formatCidr(block)}\` of a policy`;
    remark('range-touched', message, null);
  }

  const book = addressBook(families);
  const sites = nodeSites(given, options.nodes ?? 2, chosen, families, book, remark);
  const draft: Draft = { families, most: options.replicas ?? 3, book, sites, remark };

  const withDns = addDns(given, options.dns !== false);
  const based = adopted([...namespacesFor(withDns), ...withDns].map(identified));
  const placed = placePods(draft, podsOf(draft, based, buildCluster(based.map(({ object }) => object)).cluster));
  const others = based.filter(({ object }) => !isPod(object) && !isKeptBySelf(object, based));
  const services = serviceObjects(others, chosen, families, book, remark);

  const seeded: LabObject[] = [
    ...sites.map((site): LabObject => {
      const node = nodeObject(site);
      const from = given.find(({ ref }) => ref.kind === 'Node' && ref.name === site.name && ref.apiVersion === 'v1');
      return identified({
        by: site.isGiven ? 'manifest' : 'lab',
        object: from === undefined ? madeObject(node) : { ...from, value: node },
      });
    }),
    ...services,
    ...placed.map(({ by: maker, object }) => ({ by: maker, object })),
  ];
  const cluster = buildCluster(seeded.map(({ object }) => object)).cluster;
  const values = seeded.map(({ object }) => object.value);
  const labServices = servicesIn(cluster, values);
  const slices = labServices.flatMap((service) => slicesFor(service, values));
  const pods = labPods(placed, cluster, labServices, remark);
  const ordered = [
    ...seeded,
    ...slices.map((slice): LabObject => ({ by: 'controller', object: madeObject(slice) })),
  ].sort(
    by(
      ({ object }) => PLACES.get(object.ref.kind) ?? 4,
      (a, b) => a - b,
    ),
  );
  return {
    families,
    ranges: rangesOf(chosen),
    nodes: sites.map(labNode).sort(by((node) => node.name, byText)),
    pods,
    services: labServices,
    outside: outsideOf(families, blocks, wanted, chosen, sites, pods, labServices, diagnostics),
    dns: dnsOf(labServices, pods),
    objects: ordered,
    diagnostics,
  };
}

/** The plan without positions in files, as it is after a way through JSON. */
export function portablePlan(plan: LabPlan): LabPlan {
  const bare = (ref: ObjectRef): ObjectRef => ({ ...ref, source: null });
  return {
    ...plan,
    objects: plan.objects.map(({ by: maker, object }) => ({ by: maker, object: { ...object, ref: bare(object.ref) } })),
    diagnostics: plan.diagnostics.map((one) =>
      one.origin === null ? one : { ...one, origin: { ...one.origin, object: bare(one.origin.object) } },
    ),
  };
}

// What others refer to comes first: a server refuses objects in namespaces that it does not have yet.
const PLACES: ReadonlyMap<string, number> = new Map([
  ['CustomResourceDefinition', 0],
  ['Namespace', 1],
  ['Node', 2],
  ['ServiceAccount', 3],
  ['Deployment', 5],
  ['StatefulSet', 5],
  ['DaemonSet', 5],
  ['CronJob', 5],
  ['ReplicaSet', 6],
  ['Job', 6],
  ['Pod', 7],
  ['Service', 8],
  ['EndpointSlice', 9],
]);

/** The objects without those that a server would refuse; of several of one name the last. */
function accepted(objects: readonly KubeObject[], diagnostics: readonly Diagnostic[]): readonly KubeObject[] {
  const refused = new Set<ObjectRef>();
  for (const { refused: is, origin } of diagnostics) if (is === true && origin !== null) refused.add(origin.object);
  return dropDuplicates(objects).objects.filter(({ ref }) => !refused.has(ref));
}

/** All addresses and ranges that manifests name for the cluster itself. */
function addressesOf(objects: readonly KubeObject[]): readonly string[] {
  return objects.flatMap(({ value }) => {
    const spec = asObject(value.spec);
    const status = asObject(value.status);
    switch (value.kind) {
      case 'Node':
        return [...nodeAddresses(value), ...items(spec.podCIDRs).map(stringOf), stringOf(spec.podCIDR)];
      case 'Pod':
        return [stringOf(status.podIP), ...items(status.podIPs).map((one) => stringOf(asObject(one).ip))];
      case 'Service':
        return [
          stringOf(spec.clusterIP),
          ...items(spec.clusterIPs).map(stringOf),
          ...items(spec.externalIPs).map(stringOf),
          stringOf(spec.loadBalancerIP),
          ...items(asObject(status.loadBalancer).ingress).map((one) => stringOf(asObject(one).ip)),
        ];
      case 'EndpointSlice':
        return items(value.endpoints).flatMap((one) => items(asObject(one).addresses).map(stringOf));
      default:
        return [];
    }
  });
}

function nodeSites(
  given: readonly KubeObject[],
  wanted: number,
  chosen: ChosenRanges,
  families: readonly Family[],
  book: AddressBook,
  remark: Remark,
): readonly NodeSite[] {
  const nodes = given.filter(({ ref }) => ref.kind === 'Node' && ref.apiVersion === 'v1');
  const names = new Set(nodes.map(({ ref }) => ref.name));
  const sites = nodes.map(({ value }) => siteOf(value, true));
  for (const { value } of given) {
    const name = stringOf(asObject(value.spec).nodeName);
    if (value.kind !== 'Pod' || name === '' || names.has(name)) continue;
    names.add(name);
    sites.push(siteOf(madeNode(name), false));
  }
  for (let number = 1; sites.length < Math.max(1, wanted); number++) {
    const name = `node-${number}`;
    if (names.has(name)) continue;
    names.add(name);
    sites.push(siteOf(madeNode(name), false));
  }
  sites.sort(by((site) => site.name, byText));
  const pools = chosen.byPurpose.nodes.map((range) => addressPool(range, 10));
  // Given addresses first, so that none is handed out before.
  for (const site of sites)
    for (const address of nodeAddresses(site.object)) if (book.claim(address)) site.addresses.push(address);
  for (const [i, site] of sites.entries()) {
    for (const pool of pools) {
      if (site.addresses.some((address) => parseIp(address)?.family === pool.block.family)) continue;
      const address = takeFree(pool, book);
      if (address !== null) site.addresses.push(address);
    }
    site.addresses.sort(
      by(
        (address) => parseIp(address)?.family ?? 4,
        (a, b) => a - b,
      ),
    );
    const own = nodeRanges(site.object, families);
    for (const family of families) {
      const chosenRange = chosen.byPurpose.pods.find((range) => range.family === family);
      const range =
        own.find((one) => one.family === family) ?? (chosenRange === undefined ? null : partOf(chosenRange, i));
      if (range !== null) site.pools.push(podPool(range));
      else remark('range-exhausted', `node \`${site.name}\` has no range of IPv${family} addresses for its pods`, null);
    }
  }
  return sites;
}

/** Namespaces that objects are in and that nobody gives. */
function namespacesFor(objects: readonly LabObject[]): readonly LabObject[] {
  const has = new Set(
    objects.filter(({ object }) => object.ref.kind === 'Namespace').map(({ object }) => object.ref.name),
  );
  const missing = new Set<string>();
  for (const { object } of objects) {
    const namespace = homeOf(object);
    if (namespace !== '' && !has.has(namespace)) missing.add(namespace);
  }
  return [...missing]
    .sort(byText)
    .map((name) => ({ by: 'lab', object: madeObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }) }));
}

function homeOf({ ref }: KubeObject): string {
  return ref.namespace ?? '';
}

/** The object with its namespace written out, and an identity that does not change from one plan to the next. */
function identified({ by: maker, object }: LabObject): LabObject {
  const { ref, value } = object;
  const namespace: JsonObject = ref.namespace === null ? {} : { namespace: ref.namespace };
  // Names that the server would choose end in a star here.
  const name = ref.name.replace(/\*$/, '0');
  // With what a server fills in, so that controllers see later what was planned from.
  const named = withDefaults(ref.kind, withMetadata(value, { ...namespace, name }));
  return {
    by: maker,
    object: { ref: { ...ref, name }, value: withMetadata(named, { uid: uidOf(named) || uidFor(objectKey(named)) }) },
  };
}

/**
 * Manifests are often stripped of uids, or name an owner that was made anew since: whoever has the name is the owner. Otherwise
 * controllers would not know their pods, and make others.
 */
function adopted(objects: readonly LabObject[]): LabObject[] {
  const key = (group: string, kind: string, namespace: string, name: string): string =>
    [group, kind, namespace, name].join('/');
  const uids = new Map(
    objects.map(({ object: { ref, value } }) => [
      key(groupOf(ref.apiVersion), ref.kind, ref.namespace ?? '', ref.name),
      uidOf(value),
    ]),
  );
  return objects.map((one) => {
    const { ref, value } = one.object;
    const { ownerReferences } = asObject(value.metadata);
    if (!Array.isArray(ownerReferences)) return one;
    const owners = ownerReferences.map((entry: Json): Json => {
      if (!isObject(entry)) return entry;
      const group = groupOf(stringOf(entry.apiVersion));
      const uid = uids.get(key(group, stringOf(entry.kind), ref.namespace ?? '', stringOf(entry.name)));
      return uid === undefined ? entry : { ...entry, uid };
    });
    return { ...one, object: { ref, value: withMetadata(value, { ownerReferences: owners }) } };
  });
}

function isPod({ ref }: KubeObject): boolean {
  return ref.kind === 'Pod' && ref.apiVersion === 'v1';
}

/** Slices that a controller keeps for Services that select pods: the lab makes its own, as its pods have other addresses. */
function isKeptBySelf(object: KubeObject, all: readonly LabObject[]): boolean {
  const { kind } = object.ref;
  if (kind !== 'EndpointSlice' && kind !== 'Endpoints') return false;
  const labels = labelsOf(asObject(object.value.metadata).labels);
  if (labels.get('endpointslice.kubernetes.io/managed-by') === SLICE_MANAGER) return true;
  const service = kind === 'Endpoints' ? object.ref.name : labels.get('kubernetes.io/service-name');
  return all.some(
    ({ object: other }) =>
      other.ref.kind === 'Service' &&
      other.ref.name === service &&
      homeOf(other) === homeOf(object) &&
      labelsOf(asObject(other.value.spec).selector).size > 0,
  );
}

interface MadePod {
  readonly by: LabObject['by'];
  readonly object: KubeObject;
  /** Finished pods are kept as objects and do not run. */
  readonly runs: boolean;
}

/** The pods of the manifests, those that controllers make, and the controllers between. */
function podsOf(draft: Draft, based: readonly LabObject[], cluster: Cluster): readonly MadePod[] {
  const byRef = new Map<ObjectRef, LabObject>(based.map((one) => [one.object.ref, one]));
  const out: MadePod[] = [];
  const running = new Set<ObjectRef>();
  const names = new Set(based.filter(({ object }) => isPod(object)).map(({ object }) => objectKey(object.value)));
  for (const workload of cluster.workloads) {
    const real = workload.pods.filter((pod) => !pod.template);
    const kept = workload.kind === 'DaemonSet' || workload.kind === 'Pod' ? real : real.slice(0, draft.most);
    if (kept.length < real.length) cap(draft, workload.origin.object, workload.name, kept.length, real.length);
    for (const pod of real) running.add(pod.origin.object);
    for (const pod of kept) {
      const from = byRef.get(pod.origin.object);
      if (from !== undefined) out.push({ ...from, runs: true });
    }
    const makers = new Set(workload.pods.filter((pod) => pod.template).map((pod) => pod.origin.object));
    for (const maker of makers) {
      const from = byRef.get(maker);
      if (from === undefined || !isController(from.object.value)) continue;
      const { between, pods, wanted } = draftPods(from.object.value, draft.sites, draft.most);
      if (pods.length < wanted) cap(draft, maker, workload.name, pods.length, wanted);
      for (const object of between) out.push({ by: 'controller', object: madeObject(object), runs: false });
      for (const pod of pods) out.push({ by: 'controller', object: madeObject(renamed(pod, names)), runs: true });
    }
  }
  for (const one of based) if (isPod(one.object) && !running.has(one.object.ref)) out.push({ ...one, runs: false });
  return out;
}

function renamed(pod: JsonObject, names: Set<string>): JsonObject {
  let free = pod;
  for (let i = 1; names.has(objectKey(free)); i++) free = withMetadata(pod, { name: `${nameOf(pod)}-${i}` });
  names.add(objectKey(free));
  return free;
}

function cap({ remark }: Draft, object: ObjectRef, name: string, runs: number, wants: number): void {
  remark('capped', `the lab runs ${runs} of the ${wants} pods of \`${name}\``, object, 'spec.replicas');
}

/** Gives every pod that runs its node, its addresses and its status. */
function placePods(draft: Draft, pods: readonly MadePod[]): readonly PlacedPod[] {
  // Pods that name their node, or have an address, take what they name before others take what is left.
  const order = [...pods.entries()].sort(([i, a], [j, b]) => fixedness(a) - fixedness(b) || i - j);
  const placed = new Map<number, PlacedPod>();
  for (const [i, pod] of order)
    placed.set(i, pod.runs ? place(draft, pod) : { by: pod.by, object: pod.object, site: null });
  return [...placed].sort(([i], [j]) => i - j).map(([, pod]) => pod);
}

function fixedness({ object }: MadePod): number {
  const hasAddress = stringOf(asObject(object.value.status).podIP) !== '';
  const hasNode = stringOf(asObject(object.value.spec).nodeName) !== '';
  return hasAddress ? 0 : hasNode ? 1 : hostPortsOf(asObject(object.value.spec)).length > 0 ? 2 : 3;
}

function place(draft: Draft, { by: maker, object }: MadePod): PlacedPod {
  const { value, ref } = object;
  const spec = asObject(value.spec);
  const named = stringOf(spec.nodeName);
  const found =
    named === ''
      ? placeFor(spec, draft.sites)
      : { site: draft.sites.find((site) => site.name === named) ?? null, lent: false };
  const site = found?.site ?? null;
  if (found === null || site === null) {
    draft.remark(
      'unplaceable',
      `pod \`${homeOf(object)}/${ref.name}\` fits no node of the lab, so it does not run`,
      ref,
      'spec.nodeSelector',
    );
    return { by: maker, object: { ref, value: { ...value, status: { phase: 'Pending' } } }, site: null };
  }
  if (found.lent) {
    const labels = [...labelsOf(spec.nodeSelector)].map(([key, text]) => `${key}=${text}`).join(',');
    draft.remark(
      'label-lent',
      `node \`${site.name}\` of the lab is given \`${labels}\` for pod \`${homeOf(object)}/${ref.name}\``,
      ref,
    );
  }
  site.pods++;
  for (const port of hostPortsOf(spec)) {
    if (site.ports.has(port))
      draft.remark('port-taken', `port ${port} of node \`${site.name}\` is wanted by several pods`, ref);
    site.ports.add(port);
  }
  const addresses = spec.hostNetwork === true ? site.addresses : podAddresses(draft, object, site);
  const containers = items(spec.containers);
  const status: JsonObject = {
    ...asObject(value.status),
    phase: 'Running',
    hostIP: site.addresses[0] ?? '',
    hostIPs: site.addresses.map((ip) => ({ ip })),
    podIP: addresses[0] ?? '',
    podIPs: addresses.map((ip) => ({ ip })),
    conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({ type, status: 'True' })),
    containerStatuses: containers.map((container) => ({
      name: stringOf(asObject(container).name),
      image: stringOf(asObject(container).image),
      imageID: '',
      ready: true,
      started: true,
      restartCount: 0,
      state: { running: {} },
    })),
  };
  return { by: maker, object: { ref, value: { ...value, spec: { ...spec, nodeName: site.name }, status } }, site };
}

/** The pod's own addresses if it may have them, else new ones of its node's ranges. */
function podAddresses(draft: Draft, object: KubeObject, site: NodeSite): readonly string[] {
  const status = asObject(object.value.status);
  const listed = items(status.podIPs).map((one) => stringOf(asObject(one).ip));
  const written = (listed.length > 0 ? listed : [stringOf(status.podIP)]).filter((text) => text !== '');
  const own: string[] = [];
  for (const address of written) {
    if (draft.book.claim(address)) own.push(canonical(address));
    else {
      const message = `pod \`${homeOf(object)}/${object.ref.name}\` cannot have the address \`${address}\` in a lab`;
      draft.remark('address-changed', message, object.ref, 'status.podIPs');
    }
  }
  if (own.length > 0) return own;
  return site.pools.flatMap((pool) => {
    const address = takeFree(pool, draft.book);
    if (address !== null) return [address];
    draft.remark(
      'range-exhausted',
      `the range \`${formatCidr(pool.block)}\` of node \`${site.name}\` is full`,
      object.ref,
    );
    return [];
  });
}

function canonical(address: string): string {
  const ip = parseIp(address);
  return ip === null ? address : formatIp(ip);
}

function labPods(
  placed: readonly PlacedPod[],
  cluster: Cluster,
  services: readonly LabService[],
  remark: Remark,
): readonly LabPod[] {
  const workloads = new Map<ObjectRef, { readonly kind: string; readonly name: string; readonly pod: Pod }>();
  for (const { kind, name, pods } of cluster.workloads) {
    for (const pod of pods) if (!pod.template) workloads.set(pod.origin.object, { kind, name, pod });
  }
  const out: LabPod[] = [];
  for (const { object, site } of placed) {
    const workload = workloads.get(object.ref);
    if (site === null || workload === undefined) continue;
    out.push(podOf(object.value, workload.pod, { kind: workload.kind, name: workload.name }, site.name, services));
  }
  out.sort((a, b) => byText(a.namespace, b.namespace) || byText(a.name, b.name));
  const onHost = new Map<string, string>();
  for (const pod of out) {
    if (!pod.hostNetwork) continue;
    for (const { protocol, port } of pod.listeners) {
      const key = `${pod.node} ${protocol}/${port}`;
      const other = onHost.get(key);
      if (other !== undefined)
        remark(
          'port-taken',
          `\`${other}\` and \`${pod.id}\` both listen on ${protocol} port ${port} of node \`${pod.node}\``,
          null,
        );
      onHost.set(key, pod.id);
    }
  }
  return out;
}

function slicesFor(service: LabService, objects: readonly JsonObject[]): readonly JsonObject[] {
  const object = objects.find(
    (one) => one.kind === 'Service' && nameOf(one) === service.name && namespaceOf(one) === service.namespace,
  );
  if (object === undefined || labelsOf(asObject(object.spec).selector).size === 0) return [];
  return slicesOf(object, service);
}

function labNode(site: NodeSite): LabNode {
  return {
    name: site.name,
    addresses: site.addresses,
    podCidrs: site.pools.map((pool: AddressPool) => formatCidr(pool.block)),
  };
}

function rangesOf({ byPurpose }: ChosenRanges): LabRanges {
  return {
    nodes: byPurpose.nodes.map(formatCidr),
    pods: byPurpose.pods.map(formatCidr),
    services: byPurpose.services.map(formatCidr),
    loadBalancers: byPurpose.loadBalancers.map(formatCidr),
  };
}

function outsideOf(
  families: readonly Family[],
  blocks: ReturnType<typeof policyBlocks>,
  wanted: readonly string[],
  chosen: ChosenRanges,
  sites: readonly NodeSite[],
  pods: readonly LabPod[],
  services: readonly LabService[],
  diagnostics: Diagnostic[],
): readonly LabOutside[] {
  const own = new Set([
    ...sites.flatMap((site) => site.addresses),
    ...pods.flatMap((pod) => pod.addresses),
    ...services.flatMap((service) => [...service.clusterIPs, ...service.externalIPs, ...service.loadBalancerIPs]),
  ]);
  const behind = services.flatMap(({ ports }) =>
    ports.flatMap(({ endpoints }) => endpoints.filter(({ pod }) => pod === null)),
  );
  const given = [...wanted, ...behind.map(({ address }) => address)].map(canonical).filter((address) => {
    const family = parseIp(address)?.family;
    return family !== undefined && families.includes(family) && !own.has(address);
  });
  const ranges = [
    ...asRanges([...own]),
    ...sites.flatMap((site) => site.pools.map((pool) => pool.block)),
    ...Object.values(chosen.byPurpose).flat(),
  ];
  return outsideAddresses(families, blocks, given, ranges, diagnostics);
}
