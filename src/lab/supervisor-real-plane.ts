import { setTimeout as sleep } from 'node:timers/promises';
import { IoError } from '../io/io-error.ts';
import { isObject, type KubeClient, messageOf, objectsOf, openClient } from '../io/kube-client.ts';
import { connect } from '../io/kubeconfig.ts';
import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';
import { objectId } from '../model/origin.ts';
import type { Box } from './box/box.ts';
import { makeNamespace, pathOf, placeFinder } from './change.ts';
import { kubelet } from './controllers-kubelet.ts';
import { controlLoop } from './controllers-loop.ts';
import { followApi, KUBELET_COLLECTIONS } from './follow-api.ts';
import type { LabNode, LabObject } from './model.ts';
import type { LabSetup } from './state-folder.ts';
import { boxActions, type ControlPlane } from './supervisor-control-plane.ts';

/** On everything that a lab makes in an API server that is not its own, so that it is found again whatever happened. */
const LAB_LABEL = 'rampart.dev/lab';
/** A lab without one of its policies would not be the lab that was asked for. */
const POLICY_GROUPS = new Set(['networking.k8s.io', 'policy.networking.k8s.io']);
const LEASE_MS = 10_000;
const PODS_MS = 90_000;
const STOP_MS = 15_000;

/** A real API server, reached through a socket that signs in: the lab is its nodes, and puts the manifests in. */
export async function realControlPlane(
  setup: LabSetup,
  socket: string,
  log: (line: string) => void,
): Promise<ControlPlane> {
  const { plan, name } = setup;
  const server = `unix://${socket}`;
  const client = openClient(await connect({ server }));
  const ending = new AbortController();
  let idle = (): Promise<void> => Promise.resolve();
  await removeLabelled(client, setup, log);
  await namespacesGone(client, setup, log);
  try {
    for (const node of plan.nodes) await registerNode(client, node, labelsOf(plan.objects, node.name), name);
  } catch (error) {
    await removeLabelled(client, setup, log);
    throw error;
  }
  let seeding: Promise<void> = Promise.resolve();
  let stopped: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    clearInterval(leases);
    // What is still being put in would stay.
    await seeding.catch(() => undefined);
    await removeLabelled(client, setup, log);
    ending.abort();
    client.close();
  };
  const leases = setInterval(() => {
    for (const node of plan.nodes) renewLease(client, node.name, name).catch((error: unknown) => log(String(error)));
  }, LEASE_MS);
  for (const node of plan.nodes) await renewLease(client, node.name, name);

  return {
    server,
    seeded: false,
    talkative: false,
    follow: async (box) => {
      const loop = controlLoop({
        ...boxActions(box),
        manager: null,
        kubelet: kubelet({ nodes: plan.nodes, running: [], reserved: givenAddresses(plan.objects) }),
        send: async ({ method, path, body, contentType }) =>
          (await client.send(method, path, body, contentType)).status,
        onFailure: log,
      });
      idle = loop.idle;
      await followApi(client, KUBELET_COLLECTIONS, loop.take, { signal: ending.signal, onFailure: log });
      seeding = seed(client, setup, log, () => stopped !== null);
      await seeding;
      await podsRunning(box, plan.pods.length, log);
      await loop.idle();
    },
    idle: () => idle(),
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

function labelsOf(objects: readonly LabObject[], node: string): JsonObject {
  const found = objects.find(({ object }) => object.ref.kind === 'Node' && object.ref.name === node);
  return asJson(asJson(found?.object.value.metadata).labels);
}

function asJson(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

async function registerNode(client: KubeClient, node: LabNode, labels: JsonObject, lab: string): Promise<void> {
  const metadata = {
    name: node.name,
    labels: { 'kubernetes.io/hostname': node.name, 'kubernetes.io/os': 'linux', ...labels, [LAB_LABEL]: lab },
  };
  const [first = ''] = node.podCidrs;
  const spec = { podCIDR: first, podCIDRs: node.podCidrs };
  const made = await client.send('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata, spec });
  if (made.status !== 201) {
    throw new IoError('forbidden', `cannot register the node \`${node.name}\`: ${messageOf(made)}`, {
      help:
        made.status === 409 ? await whoseNode(client, node.name) : 'the kubeconfig must be that of an administrator',
    });
  }
  const room = { cpu: '256', memory: '1Ti', pods: '1000', 'ephemeral-storage': '1Ti' };
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const status = {
    addresses: [
      ...node.addresses.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: node.name },
    ],
    capacity: room,
    allocatable: room,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'KubeletReady',
        message: 'a node of a lab',
        lastHeartbeatTime: now,
        lastTransitionTime: now,
      },
    ],
  };
  await client.send('PATCH', `/api/v1/nodes/${node.name}/status`, { status }, 'application/merge-patch+json');
}

/** What to do about a node that is there already. */
async function whoseNode(client: KubeClient, node: string): Promise<string> {
  const { body } = await client.get(`/api/v1/nodes/${node}`);
  const lab = isObject(body) ? asJson(asJson(body.metadata).labels)[LAB_LABEL] : undefined;
  return typeof lab === 'string'
    ? `the lab \`${lab}\` has made it; if that is gone: kubectl delete namespaces,nodes -l ${LAB_LABEL}=${lab}`
    : "it is the cluster's own: a lab needs an API server without nodes of that name";
}

async function renewLease(client: KubeClient, node: string, lab: string): Promise<void> {
  const folder = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  const renewTime = new Date().toISOString().replace(/Z$/, '000Z');
  const spec = { holderIdentity: node, leaseDurationSeconds: 40, renewTime };
  const patched = await client.send('PATCH', `${folder}/${node}`, { spec }, 'application/merge-patch+json');
  if (patched.status !== 404) return;
  const metadata = { name: node, labels: { [LAB_LABEL]: lab } };
  await client.send('POST', folder, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
}

/** Puts the manifests in; what others have there already stays as it is. */
async function seed(
  client: KubeClient,
  setup: LabSetup,
  log: (line: string) => void,
  isCalledOff: () => boolean,
): Promise<void> {
  const places = placeFinder(client);
  for (const { by, object } of setup.plan.objects) {
    if (isCalledOff()) throw new IoError('interrupted', 'interrupted');
    if (by === 'controller' || object.ref.kind === 'Node') continue;
    const place = await places(object);
    if (place === null && POLICY_GROUPS.has(object.ref.apiVersion.split('/', 1)[0] ?? '')) {
      throw new IoError(
        'not-found',
        `the API server has no ${object.ref.kind}, so \`${objectId(object.ref)}\` cannot hold`,
        {
          help: 'install the definitions of network-policy-api there first, or leave these policies out',
        },
      );
    }
    if (place === null) {
      log(`${objectId(object.ref)}: the API server has no ${object.ref.kind} of ${object.ref.apiVersion}`);
      continue;
    }
    if (place.namespaced && object.ref.namespace !== null) {
      await makeNamespace(client, object.ref.namespace, { [LAB_LABEL]: setup.name });
    }
    const path = pathOf(object, place);
    const collection = path.slice(0, path.lastIndexOf('/'));
    const body = forServer(object, setup);
    // The service account of a new namespace takes the controllers a moment.
    for (let attempt = 0; ; attempt++) {
      const made = await client.send('POST', collection, body);
      if (made.status === 403 && /serviceaccount/.test(messageOf(made)) && attempt < 50) {
        await sleep(200);
        continue;
      }
      if (made.status === 201) await sayStatus(client, path, object);
      else if (made.status === 409) log(`${objectId(object.ref)} is there already and stays as it is`);
      else throw new IoError('protocol', `the API server refuses \`${objectId(object.ref)}\`: ${messageOf(made)}`);
      break;
    }
  }
}

/** The addresses that pods of the manifests, and those of the lab itself, are said to have. */
function givenAddresses(objects: readonly LabObject[]): readonly string[] {
  return objects.flatMap(({ by, object: { ref, value } }) =>
    by === 'controller' || ref.kind !== 'Pod'
      ? []
      : objectsOf(asJson(value.status).podIPs).flatMap(({ ip }) => (typeof ip === 'string' ? [ip] : [])),
  );
}

/** Addresses that the manifests or the plan give; everything else of a status is the server's business. */
async function sayStatus(client: KubeClient, path: string, { ref, value }: KubeObject): Promise<void> {
  const given = asJson(value.status);
  const wanted: readonly string[] =
    ref.kind === 'Pod' ? ['podIP', 'podIPs'] : ref.kind === 'Service' ? ['loadBalancer'] : [];
  const status = Object.fromEntries(
    wanted.filter((key) => Object.hasOwn(given, key)).map((key) => [key, given[key] ?? null]),
  );
  if (Object.keys(status).length === 0) return;
  await client.send('PATCH', `${path}/status`, { status }, 'application/merge-patch+json');
}

/** An object as one would apply it: without what only servers write, and without addresses that only the plan knows. */
function forServer({ ref, value }: KubeObject, setup: LabSetup): JsonObject {
  const { status: _, metadata, spec, ...rest } = value;
  const {
    uid: _u,
    resourceVersion: _r,
    creationTimestamp: _c,
    generation: _g,
    managedFields: _m,
    ...own
  } = asJson(metadata);
  const meta = { ...own, labels: { ...asJson(own.labels), [LAB_LABEL]: setup.name } };
  if (spec === undefined) return { ...rest, metadata: meta };
  const { ...fields } = asJson(spec) as Record<string, Json>;
  if (ref.kind === 'Service' && fields.clusterIP !== 'None') {
    for (const key of ['clusterIP', 'clusterIPs', 'healthCheckNodePort']) delete fields[key];
  }
  const isScaled = ['Deployment', 'StatefulSet', 'ReplicaSet', 'ReplicationController'].includes(ref.kind);
  if (isScaled && typeof fields.replicas === 'number') fields.replicas = Math.min(fields.replicas, setup.replicas);
  return { ...rest, metadata: meta, spec: fields };
}

async function podsRunning(box: Box, wanted: number, log: (line: string) => void): Promise<void> {
  const deadline = performance.now() + PODS_MS;
  for (;;) {
    const running = box.pods().filter(({ state }) => state === 'running').length;
    if (running >= wanted) return;
    if (performance.now() > deadline) {
      log(`${running} of ${wanted} pods run; the others may need a controller that the API server does not have`);
      return;
    }
    await sleep(100);
  }
}

/** Removes what labs of this name have made: workloads and policies, then namespaces, then, when their pods are gone, nodes. */
async function removeLabelled(client: KubeClient, setup: LabSetup, log: (line: string) => void): Promise<void> {
  const query = `labelSelector=${encodeURIComponent(`${LAB_LABEL}=${setup.name}`)}`;
  const places = placeFinder(client);
  const collections = new Set<string>();
  for (const { object } of setup.plan.objects) {
    const { apiVersion, kind } = object.ref;
    const place = kind === 'Node' || kind === 'Namespace' ? null : await places(object);
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    if (place !== null) collections.add(`${root}/${place.resource}`);
  }
  for (const collection of [...collections, '/api/v1/namespaces']) {
    for (const path of await labelled(client, collection, query)) {
      await client.send('DELETE', path, { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' });
    }
  }
  const nodes = new Set((await labelled(client, '/api/v1/nodes', query)).map((path) => path.split('/').at(-1) ?? ''));
  const deadline = performance.now() + STOP_MS;
  for (let left = await podsOn(client, nodes); left.length > 0; left = await podsOn(client, nodes)) {
    for (const path of left)
      await client.send('DELETE', path, { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 });
    if (performance.now() > deadline) {
      log(`${left.length} pods are still there; their controllers make them again`);
      break;
    }
    await sleep(200);
  }
  for (const collection of ['/apis/coordination.k8s.io/v1/leases', '/api/v1/nodes']) {
    for (const path of await labelled(client, collection, query)) await client.send('DELETE', path);
  }
}

/** In a namespace that is on its way out nothing can be made. */
async function namespacesGone(client: KubeClient, setup: LabSetup, log: (line: string) => void): Promise<void> {
  const query = `labelSelector=${encodeURIComponent(`${LAB_LABEL}=${setup.name}`)}`;
  const deadline = performance.now() + PODS_MS;
  for (let told = false; ; told = true) {
    const left = await labelled(client, '/api/v1/namespaces', query);
    if (left.length === 0) return;
    if (!told) log('waiting until namespaces of an earlier lab of this name are gone');
    if (performance.now() > deadline) {
      throw new IoError('timeout', `namespaces of an earlier lab do not go: ${left.join(', ')}`);
    }
    await sleep(300);
  }
}

async function labelled(client: KubeClient, collection: string, query: string): Promise<readonly string[]> {
  const answer = await client.get(`${collection}?${query}`);
  if (answer.status !== 200 || !isObject(answer.body)) return [];
  return objectsOf(answer.body.items).map((item) => itemPath(collection, asJson(item.metadata)));
}

function itemPath(collection: string, { namespace, name }: JsonObject): string {
  const at = collection.lastIndexOf('/');
  const scope = typeof namespace === 'string' ? `/namespaces/${namespace}` : '';
  return `${collection.slice(0, at)}${scope}${collection.slice(at)}/${String(name)}`;
}

async function podsOn(client: KubeClient, nodes: ReadonlySet<string>): Promise<readonly string[]> {
  if (nodes.size === 0) return [];
  const answer = await client.get('/api/v1/pods');
  if (answer.status !== 200 || !isObject(answer.body)) return [];
  return objectsOf(answer.body.items)
    .filter(({ spec }) => nodes.has(String(asJson(spec).nodeName)))
    .map((item) => itemPath('/api/v1/pods', asJson(item.metadata)));
}
