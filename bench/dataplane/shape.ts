/**
 * The cluster that the dataplane is measured on: applications of two pods, each isolated both ways by a policy for either
 * direction, whose rules name one other application and three ports each. The first applications run on the measured node.
 */
import type { JsonObject } from '../../src/manifest/object.ts';
import { seededRandom } from '../generate/random.ts';

export interface Shape {
  readonly apps: readonly App[];
  /** So many of them, the first ones, are on the measured node. */
  readonly localApps: number;
}

export interface App {
  readonly index: number;
  readonly addresses: readonly [string, string];
  /** Who may connect to it, and to whom it may connect: a rule for each. */
  readonly from: readonly number[];
  readonly to: readonly number[];
}

export interface ShapeOptions {
  readonly pods: number;
  readonly localPods: number;
  /** Of each policy on the measured node; those of others have one. */
  readonly rules: number;
}

export const NODE = 'node-0';
export const PORTS: readonly (readonly ['tcp' | 'udp', number])[] = [
  ['tcp', 8080],
  ['tcp', 9090],
  ['udp', 9000],
];
const APPS_A_NAMESPACE = 50;

/** The same options give the same shape. An odd local application takes from the even one after it, so that there are local pairs. */
export function shapeOf({ pods, localPods, rules }: ShapeOptions): Shape {
  const random = seededRandom(3);
  const count = pods / 2;
  const localApps = localPods / 2;
  const others = (first: number, wanted: number): readonly number[] => {
    const peers = new Set([first]);
    while (peers.size < wanted) peers.add(random.below(count));
    return [...peers];
  };
  const apps = Array.from({ length: count }, (_, index): App => {
    const local = index < localApps;
    const odd = index % 2 === 1;
    const partner = local ? (odd ? (index + 1) % localApps : (index + localApps - 1) % localApps) : random.below(count);
    const wanted = local ? rules : 1;
    return {
      index,
      addresses: local ? addressesOnNode(index) : [addressOf(10, 65, index * 2), addressOf(10, 65, index * 2 + 1)],
      from: others(odd ? partner : random.below(count), wanted),
      to: others(odd ? random.below(count) : partner, wanted),
    };
  });
  return { apps, localApps };
}

/** Even applications below .128, odd ones above: the two sides of the node. */
function addressesOnNode(index: number): readonly [string, string] {
  const at = (index >> 1) * 2 + (index % 2 === 1 ? 128 : 0);
  return [addressOf(10, 64, at + 2), addressOf(10, 64, at + 3)];
}

function addressOf(first: number, second: number, serial: number): string {
  return `${first}.${second + (serial >> 16)}.${(serial >> 8) & 255}.${serial & 255}`;
}

/** The network of the pods on either side of the measured node. */
export const SIDES = { client: '10.64.0.0/25', server: '10.64.0.128/25' } as const;

/** The addresses of the local pods by side. */
export function localAddresses({ apps, localApps }: Shape): Readonly<Record<keyof typeof SIDES, readonly string[]>> {
  const side = (odd: number): readonly string[] =>
    apps.slice(0, localApps).flatMap(({ index, addresses }) => (index % 2 === odd ? addresses : []));
  return { client: side(0), server: side(1) };
}

export interface Pair {
  readonly source: string;
  readonly destination: string;
}

/** Every pair of local pods that may talk, clients on one side and servers on the other. */
export function localPairs({ apps, localApps }: Shape): readonly Pair[] {
  return apps
    .slice(0, localApps)
    .filter(({ index }) => index % 2 === 1)
    .flatMap((server) => {
      const client = apps[(server.index + 1) % localApps];
      if (client === undefined) throw new Error('a local application has no partner');
      return server.addresses.flatMap((destination) => client.addresses.map((source) => ({ source, destination })));
    });
}

/** Pairs of which neither end permits the other. */
export function deniedPairs({ apps, localApps }: Shape): readonly Pair[] {
  const even = apps.slice(0, localApps).filter(({ index }) => index % 2 === 0);
  return even.flatMap((client) => {
    const server = apps[(client.index + (Math.floor(localApps / 2) | 1)) % localApps];
    if (server === undefined || server.index % 2 === 0) throw new Error('a local application has no stranger');
    if (client.to.includes(server.index) || server.from.includes(client.index)) return [];
    return [{ source: client.addresses[0], destination: server.addresses[0] }];
  });
}

/** The namespace of an application. */
export function namespaceOf(app: number): string {
  return `ns-${Math.floor(app / APPS_A_NAMESPACE)}`;
}

/** The shape as Kubernetes objects. */
export function objectsOf({ apps, localApps }: Shape): readonly JsonObject[] {
  const namespaces = new Set(apps.map(({ index }) => namespaceOf(index)));
  const peer = (index: number): JsonObject => ({
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespaceOf(index) } },
    podSelector: { matchLabels: { app: `a${index}` } },
  });
  const ports = PORTS.map(([protocol, port]) => ({ protocol: protocol.toUpperCase(), port }));
  return [
    ...[...namespaces].map(namespaceObject),
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: NODE },
      status: { addresses: [{ type: 'InternalIP', address: '192.0.2.10' }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'other' },
      status: { addresses: [{ type: 'InternalIP', address: '192.0.2.11' }] },
    },
    ...apps.flatMap(({ index, addresses, from, to }) => {
      const namespace = namespaceOf(index);
      const selected = { podSelector: { matchLabels: { app: `a${index}` } } };
      return [
        ...addresses.map((address, replica) => podObject(index, replica, address, index < localApps ? NODE : 'other')),
        policyObject(namespace, `in-${index}`, {
          ...selected,
          policyTypes: ['Ingress'],
          ingress: from.map((one) => ({ from: [peer(one)], ports })),
        }),
        policyObject(namespace, `eg-${index}`, {
          ...selected,
          policyTypes: ['Egress'],
          egress: to.map((one) => ({ to: [peer(one)], ports })),
        }),
      ];
    }),
  ];
}

export function namespaceObject(name: string): JsonObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'kubernetes.io/metadata.name': name } } };
}

export function podObject(app: number, replica: number, address: string, node: string): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `a${app}-${replica}`, namespace: namespaceOf(app), labels: { app: `a${app}` } },
    spec: { nodeName: node, containers: [{ name: 'main', image: 'registry.example/app:1' }] },
    status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] },
  };
}

export function policyObject(namespace: string, name: string, spec: JsonObject): JsonObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace }, spec };
}
