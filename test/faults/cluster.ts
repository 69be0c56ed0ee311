import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { WatchedResource } from '../../src/io/watch-event.ts';
import { type Api, apiServer } from '../../src/lab/api-server/api.ts';
import { type ListeningApi, listenApi } from '../../src/lab/api-server/server.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import { canonicalDifference } from '../../src/targets/nftables/canonical.ts';
import { DEFAULT_LAYOUT, type LayoutOptions } from '../../src/targets/nftables/layout.ts';
import { parseTable } from '../../src/targets/nftables/parse.ts';
import type { TableContent } from '../../src/targets/nftables/table.ts';
import { namespaceObject, nodeObject, podObject } from '../agent/objects.ts';
import { rig } from '../agent/rig.ts';
import { ipOf, NODE_ADDRESS, type Place, until } from './place.ts';
import { CONNECT_PORT, ECHO_PORT, FLOW_PORTS } from './pod-protocol.ts';

/** An embedded API server on a socket, which agents in any network namespace reach. */
export interface Cluster {
  readonly api: Api;
  readonly server: string;
  listening(): ListeningApi;
  /** Creates or replaces, status and all. */
  put(...objects: readonly JsonObject[]): void;
  remove(object: JsonObject): void;
  /** The server is gone, with its socket. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

const KEYS: Readonly<Record<WatchedResource, string>> = {
  pods: 'pods',
  namespaces: 'namespaces',
  nodes: 'nodes',
  networkpolicies: 'networkpolicies.networking.k8s.io',
  clusternetworkpolicies: 'clusternetworkpolicies.policy.networking.k8s.io',
  adminnetworkpolicies: 'adminnetworkpolicies.policy.networking.k8s.io',
  baselineadminnetworkpolicies: 'baselineadminnetworkpolicies.policy.networking.k8s.io',
};

const KINDS: Readonly<Record<string, WatchedResource>> = {
  Pod: 'pods',
  Namespace: 'namespaces',
  Node: 'nodes',
  NetworkPolicy: 'networkpolicies',
  ClusterNetworkPolicy: 'clusternetworkpolicies',
  AdminNetworkPolicy: 'adminnetworkpolicies',
  BaselineAdminNetworkPolicy: 'baselineadminnetworkpolicies',
};

/** A pod of the node under test, with both addresses of a place's pod. */
export function localPod(name: string, index: number, labels: JsonObject = { app: name }): JsonObject {
  const { address, address6 } = ipOf(index);
  const pod = podObject(name, address, { labels });
  return { ...pod, status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }, { ip: address6 }] } };
}

/** Admits `app: friend` to `app: server`, at all ports that are tried; nobody else. */
export function guard(peer = 'friend', name = 'guard'): JsonObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: 'a', uid: `uid-${name}` },
    spec: {
      podSelector: { matchLabels: { app: 'server' } },
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { app: peer } } }],
          ports: [
            { protocol: 'TCP', port: CONNECT_PORT },
            { protocol: 'TCP', port: ECHO_PORT },
            { protocol: 'UDP', port: ECHO_PORT },
            { protocol: 'UDP', port: FLOW_PORTS.first, endPort: FLOW_PORTS.last },
          ],
        },
      ],
    },
  };
}

/** Of the highest tier: nobody with this label reaches `server`. */
export function denial(app: string): JsonObject {
  return {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'denial' },
    spec: {
      tier: 'Admin',
      priority: 10,
      subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: 'server' } } } },
      ingress: [{ action: 'Deny', from: [{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app } } } }] }],
    },
  };
}

/** Admits `count` blocks to `app: subject`, none of which touches the pods of a place. Other seeds, other blocks. */
export function blockPolicy(name: string, subject: string, count: number, seed = 0): JsonObject {
  const from = Array.from({ length: count }, (_, i) => ({
    ipBlock: { cidr: `${100 + (seed % 20)}.${(i >> 7) & 255}.${(i & 127) * 2}.0/24` },
  }));
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: 'a', uid: `uid-${name}` },
    spec: {
      podSelector: { matchLabels: { app: subject } },
      policyTypes: ['Ingress'],
      ingress: [{ from, ports: [{ protocol: 'TCP', port: CONNECT_PORT }] }],
    },
  };
}

/** Pods of another node, in namespace `a`; other rounds, other pods. */
export function remotePods(count: number, round = 0): readonly JsonObject[] {
  return Array.from({ length: count }, (_, i) => {
    const n = round * count + i;
    const address = `10.${100 + ((n >> 16) & 63)}.${(n >> 8) & 255}.${n & 255}`;
    return podObject(`r${n}`, address, { node: 'n2', labels: { app: n % 10 === 0 ? 'friend' : 'crowd', n: `${n}` } });
  });
}

/** A cluster of one node with the pods `names`, and the policy {@link guard}. */
export async function makeCluster(
  place: Place,
  names: readonly string[],
  options: { readonly policyKinds?: boolean; readonly bookmarkMs?: number; readonly history?: number } = {},
): Promise<Cluster> {
  const path = join(place.folder, 'api.sock');
  const api = apiServer({ now: Date.now, uid: randomUUID, bookmarkMs: 1000, ...options });
  api.seed([
    namespaceObject('a'),
    nodeObject('n1', NODE_ADDRESS, ['10.77.0.0/24']),
    ...names.map((name, index) => localPod(name, index)),
    guard(),
  ]);
  let server = await listenApi(api, { path });
  let isUp = true;
  const down = async (): Promise<void> => {
    if (isUp) await server.close();
    isUp = false;
  };
  return {
    api,
    server: server.url,
    listening: () => server,
    put: (...objects) => api.seed(objects),
    remove: (object) => {
      const { kind, metadata } = object as { readonly kind: string; readonly metadata: JsonObject };
      const resource = KINDS[kind];
      if (resource === undefined) throw new Error(`no resource for ${kind}`);
      api.store.remove(KEYS[resource], String(metadata.namespace ?? ''), String(metadata.name));
    },
    down,
    up: async () => {
      server = await listenApi(api, { path });
      isUp = true;
    },
    close: down,
  };
}

/** What the node's table is; `null` where there is none. */
export function tableOf(place: Place): TableContent | null {
  if (!place.run(['nft', 'list', 'tables']).includes('table inet rampart\n')) return null;
  const content = parseTable(place.run(['nft', '-nn', 'list', 'table', 'inet', 'rampart']));
  if ('error' in content) throw new Error(`line ${content.line}: ${content.error}`);
  return content;
}

/** What an agent makes of the present cluster in an empty kernel. */
export async function wantedTable(cluster: Cluster, layout: LayoutOptions = DEFAULT_LAYOUT): Promise<TableContent> {
  const fresh = rig({ layout: () => layout });
  const lists: Partial<Record<WatchedResource, readonly JsonObject[]>> = {};
  for (const [resource, key] of Object.entries(KEYS))
    lists[resource as WatchedResource] = cluster.api.store.list(key, null);
  fresh.list(lists);
  fresh.loop.start();
  await fresh.clock.advance(1000);
  const content = fresh.kernel.content();
  await fresh.loop.stop();
  if (content === null) throw new Error(`nothing was written: ${fresh.told.join('; ')}`);
  return content;
}

/** Waits until the node's table is what the present cluster wants; the answer is how long that took. */
export async function untilRight(place: Place, cluster: Cluster, ms = 15_000, layout?: LayoutOptions): Promise<number> {
  const begun = performance.now();
  const wanted = await wantedTable(cluster, layout);
  let difference: readonly string[] = [];
  await until(
    'the table is what it should be',
    () => {
      const found = tableOf(place);
      difference = found === null ? ['no table'] : canonicalDifference(wanted, found);
      return difference.length === 0 ? true : null;
    },
    ms,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${difference.slice(0, 20).join('\n')}`);
  });
  return performance.now() - begun;
}
