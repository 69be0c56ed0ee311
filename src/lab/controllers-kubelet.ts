import { formatIp, parseCidr, parseIp } from '../base/ip.ts';
import { buildCluster } from '../cluster/build.ts';
import { asObject, items, stringOf } from '../kinds/validation/json.ts';
import type { JsonObject } from '../manifest/object.ts';
import type { ApiWrite, ObjectChange } from './controllers.ts';
import type { LabNode, LabPod, LabService } from './model.ts';
import { madeObject, metadataOf, nameOf, namespaceOf, objectKey, uidOf } from './model-json.ts';
import { podPool } from './model-place.ts';
import { podOf } from './model-pods.ts';
import type { AddressPool } from './model-pool.ts';
import { labServices } from './model-services.ts';
import type { Listener } from './pod-protocol.ts';

/** What the box is to do. Whoever does a `start` or `stop` says when it is done. */
export type KubeletAction =
  | { readonly kind: 'start'; readonly pod: LabPod }
  | { readonly kind: 'stop'; readonly id: string }
  | { readonly kind: 'listen'; readonly id: string; readonly listeners: readonly Listener[] }
  | { readonly kind: 'services'; readonly services: readonly LabService[] }
  | { readonly kind: 'write'; readonly write: ApiWrite };

/** What the kubelets of all nodes of a lab do, and what nodes are told of Services. */
export interface Kubelet {
  take(change: ObjectChange): void;
  settle(): readonly KubeletAction[];
  started(id: string): void;
  failed(id: string, why: string): void;
  stopped(id: string): void;
}

type PodState = 'starting' | 'running' | 'failed' | 'stopping';

interface OwnPod {
  readonly id: string;
  /** `''` until the object of a pod that was there from the start is seen. */
  uid: string;
  state: PodState;
  why: string;
  readonly addresses: readonly string[];
  /** Whether they came from the node's range. */
  readonly isAllocated: boolean;
  /** The object has the status that it should have. */
  isSaid: boolean;
  listeners: string;
}

export interface KubeletOptions {
  readonly nodes: readonly LabNode[];
  /** Pods that run already. */
  readonly running: readonly LabPod[];
  /** Addresses of pods that are to come, which nobody else gets meanwhile. */
  readonly reserved?: readonly string[];
}

export function kubelet(options: KubeletOptions): Kubelet {
  const nodes = new Map(options.nodes.map((node) => [node.name, node]));
  const pools = new Map(options.nodes.map((node) => [node.name, poolsOf(node)]));
  const objects = new Map<string, JsonObject>();
  const pods = new Map<string, OwnPod>();
  let told = '';

  // An address of one node's range may be a pod's of another node.
  const reserve = (addresses: readonly string[]): void => {
    for (const all of pools.values()) for (const pool of all) for (const address of addresses) pool.reserve(address);
  };
  reserve(options.reserved ?? []);
  for (const pod of options.running) {
    if (!pod.hostNetwork) reserve(pod.addresses);
    const listeners = JSON.stringify(pod.listeners);
    pods.set(pod.id, {
      id: pod.id,
      uid: '',
      state: 'running',
      why: '',
      addresses: pod.addresses,
      isAllocated: !pod.hostNetwork,
      isSaid: true,
      listeners,
    });
  }

  const allocate = (node: LabNode): readonly string[] =>
    (pools.get(node.name) ?? []).flatMap((pool) => {
      const address = pool.take();
      return address === null ? [] : [address];
    });
  const release = (pod: OwnPod): void => {
    if (!pod.isAllocated) return;
    for (const all of pools.values())
      for (const pool of all) for (const address of pod.addresses) pool.release(address);
  };

  const settle = (): KubeletAction[] => {
    const actions: KubeletAction[] = [];
    const all = [...objects.values()];
    const services = labServices(all);
    for (const own of pods.values()) {
      const object = objects.get(`Pod/${own.id}`);
      // The objects of pods that were there from the start may still be on their way.
      if (own.uid === '' && object === undefined) continue;
      const isWanted = object !== undefined && (own.uid === '' || uidOf(object) === own.uid) && !isOver(object);
      if (isWanted || own.state === 'stopping' || own.state === 'starting') continue;
      own.state = 'stopping';
      actions.push({ kind: 'stop', id: own.id });
    }
    for (const object of all) {
      if (object.kind !== 'Pod') continue;
      const node = nodes.get(stringOf(asObject(object.spec).nodeName));
      const id = `${namespaceOf(object)}/${nameOf(object)}`;
      const own = pods.get(id);
      if (node === undefined) continue;
      if (own === undefined) {
        if (isLeaving(object)) actions.push({ kind: 'write', write: { kind: 'delete', object, isFinal: true } });
        else if (!isOver(object)) actions.push(start(object, node, id, services));
        continue;
      }
      if (own.uid === '') own.uid = uidOf(object);
      if (own.uid !== uidOf(object) || own.state === 'stopping') continue;
      if ((own.state === 'running' || own.state === 'failed') && !own.isSaid) {
        own.isSaid = true;
        actions.push({ kind: 'write', write: { kind: 'status', object: withStatus(object, node, own) } });
      }
      if (own.state === 'running') actions.push(...listening(own, object, services));
    }
    const text = JSON.stringify(services);
    if (text !== told) {
      told = text;
      actions.push({ kind: 'services', services });
    }
    return actions;
  };

  const start = (object: JsonObject, node: LabNode, id: string, services: readonly LabService[]): KubeletAction => {
    const isHost = asObject(object.spec).hostNetwork === true;
    const listed = items(asObject(object.status).podIPs).map((one) => stringOf(asObject(one).ip));
    const inUse = new Set([...pods.values()].flatMap((own) => own.addresses));
    const wanted = listed.map(canonical).filter((address) => address !== '');
    // Two pods with one address would be taken for each other.
    const given = isHost || wanted.some((address) => inUse.has(address)) ? [] : wanted;
    const isAllocated = !isHost && given.length === 0;
    if (given.length > 0) reserve(given);
    const addresses = isHost ? node.addresses : isAllocated ? allocate(node) : given;
    const pod = labPod(object, node, addresses, services);
    const listeners = JSON.stringify(pod.listeners);
    pods.set(id, {
      id,
      uid: uidOf(object),
      state: 'starting',
      why: '',
      addresses,
      isAllocated: !isHost,
      isSaid: false,
      listeners,
    });
    return { kind: 'start', pod };
  };

  return {
    take: ({ kind, object }) => {
      const key = objectKey(object);
      if (kind === 'removed') objects.delete(key);
      else if (FOLLOWED.has(stringOf(object.kind))) objects.set(key, object);
    },
    settle,
    started: (id) => change(pods, id, 'running', ''),
    failed: (id, why) => change(pods, id, 'failed', why),
    stopped: (id) => {
      const own = pods.get(id);
      if (own === undefined) return;
      release(own);
      pods.delete(id);
    },
  };
}

const FOLLOWED: ReadonlySet<string> = new Set(['Pod', 'Service', 'EndpointSlice', 'Node']);

function change(pods: Map<string, OwnPod>, id: string, state: PodState, why: string): void {
  const own = pods.get(id);
  if (own === undefined || own.state === 'stopping') return;
  own.state = state;
  own.why = why;
}

function poolsOf(node: LabNode): readonly AddressPool[] {
  return node.podCidrs.flatMap((text) => {
    const cidr = parseCidr(text);
    return cidr === null ? [] : [podPool(cidr)];
  });
}

function isLeaving(object: JsonObject): boolean {
  return Object.hasOwn(metadataOf(object), 'deletionTimestamp');
}

function isOver(object: JsonObject): boolean {
  const { phase } = asObject(object.status);
  return isLeaving(object) || phase === 'Succeeded' || phase === 'Failed';
}

function labPod(
  object: JsonObject,
  node: LabNode,
  addresses: readonly string[],
  services: readonly LabService[],
): LabPod {
  const status = { ...asObject(object.status), podIPs: addresses.map((ip) => ({ ip })) };
  const { cluster } = buildCluster([madeObject({ ...object, status })]);
  const [workload] = cluster.workloads;
  const [pod] = workload?.pods ?? [];
  const id = `${namespaceOf(object)}/${nameOf(object)}`;
  if (workload === undefined || pod === undefined) {
    const nothing = { listeners: [], hostPorts: [], hostname: null, subdomain: null, labels: {} };
    const { name, namespace } = { name: nameOf(object), namespace: namespaceOf(object) };
    return {
      ...nothing,
      id,
      namespace,
      name,
      node: node.name,
      hostNetwork: false,
      addresses,
      workload: { kind: 'Pod', name },
    };
  }
  const known = podOf(object, pod, { kind: workload.kind, name: workload.name }, node.name, services);
  // The pod is not ready, hence in no Service yet: what Services will lead to is found when it is.
  return { ...known, addresses: addresses.map((text) => canonical(text)) };
}

function canonical(text: string): string {
  const ip = parseIp(text);
  return ip === null ? text : formatIp(ip);
}

function listening(own: OwnPod, object: JsonObject, services: readonly LabService[]): KubeletAction[] {
  const { cluster } = buildCluster([madeObject(object)]);
  const [pod] = cluster.workloads[0]?.pods ?? [];
  if (pod === undefined) return [];
  const { listeners } = podOf(object, pod, { kind: '', name: '' }, '', services);
  const text = JSON.stringify(listeners);
  if (text === own.listeners) return [];
  own.listeners = text;
  return [{ kind: 'listen', id: own.id, listeners }];
}

function withStatus(object: JsonObject, node: LabNode, own: OwnPod): JsonObject {
  const isRunning = own.state === 'running';
  const state = isRunning ? 'True' : 'False';
  const containers = items(asObject(object.spec).containers).map((container) => ({
    name: stringOf(asObject(container).name),
    image: stringOf(asObject(container).image),
    imageID: '',
    ready: isRunning,
    started: isRunning,
    restartCount: 0,
    state: isRunning ? { running: {} } : { waiting: { reason: 'StartError', message: own.why } },
  }));
  const status: JsonObject = {
    ...asObject(object.status),
    phase: isRunning ? 'Running' : 'Pending',
    hostIP: node.addresses[0] ?? '',
    hostIPs: node.addresses.map((ip) => ({ ip })),
    ...(own.addresses.length === 0
      ? {}
      : { podIP: own.addresses[0] ?? '', podIPs: own.addresses.map((ip) => ({ ip })) }),
    conditions: [
      { type: 'PodScheduled', status: 'True' },
      { type: 'Initialized', status: 'True' },
      { type: 'ContainersReady', status: state },
      { type: 'Ready', status: state },
    ],
    containerStatuses: containers,
  };
  return { ...object, status };
}
