import type { JsonObject } from '../../src/manifest/object.ts';
import type { Random } from './random.ts';
import { INFRASTRUCTURE_PODS, type Shape } from './shape.ts';

/** What policies need to know of a generated workload. */
export interface App {
  readonly namespace: string;
  readonly name: string;
  readonly role: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly portName: string;
  readonly port: number;
  readonly replicas: number;
}

/** A namespace of applications, with what runs in it. */
export interface Tenant {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly apps: readonly App[];
}

const TEAMS = ['payments', 'search', 'catalog', 'identity', 'logistics', 'media', 'growth', 'platform'];
const STAGES = ['prod', 'prod', 'prod', 'staging', 'dev'];
const ROLES: readonly { readonly role: string; readonly portName: string; readonly port: number }[] = [
  { role: 'web', portName: 'http', port: 8080 },
  { role: 'api', portName: 'grpc', port: 9000 },
  { role: 'worker', portName: 'http', port: 8081 },
  { role: 'cache', portName: 'redis', port: 6379 },
  { role: 'db', portName: 'postgres', port: 5432 },
  { role: 'queue', portName: 'amqp', port: 5672 },
];

const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;

/** Splits `total` into `parts` numbers that differ by one at most. */
export function evenly(total: number, parts: number): readonly number[] {
  return Array.from({ length: parts }, (_, index) => Math.floor(total / parts) + (index < total % parts ? 1 : 0));
}

function labelsOf(name: string, role: string, team: string): Readonly<Record<string, string>> {
  return {
    'app.kubernetes.io/name': name,
    'app.kubernetes.io/component': role,
    team,
  };
}

/** Namespaces of applications, with workloads whose replicas add up to the pods of the shape. */
export function planTenants(shape: Shape, random: Random): readonly Tenant[] {
  const pods = shape.pods - (shape.infrastructure ? INFRASTRUCTURE_PODS : 0);
  const workloads = Math.ceil(pods / shape.replicas);
  let left = pods;
  return evenly(workloads, shape.namespaces).map((count, index) => {
    const team = at(TEAMS, index);
    const name = `${team}-${String(Math.floor(index / TEAMS.length)).padStart(3, '0')}`;
    const stage = at(STAGES, random.below(STAGES.length));
    const apps = Array.from({ length: count }, (_, position): App => {
      const { role, portName, port } = at(ROLES, position);
      const round = Math.floor(position / ROLES.length);
      const appName = round === 0 ? role : `${role}-${round}`;
      const replicas = Math.min(shape.replicas, left);
      left -= replicas;
      return { namespace: name, name: appName, role, labels: labelsOf(appName, role, team), portName, port, replicas };
    });
    return { name, labels: { 'kubernetes.io/metadata.name': name, team, stage }, apps };
  });
}

/** DNS, the ingress controller and monitoring: what nearly every policy set refers to. */
export function planInfrastructure(): readonly Tenant[] {
  const tenant = (name: string, app: string, port: number, portName: string, replicas: number): Tenant => ({
    name,
    labels: { 'kubernetes.io/metadata.name': name, team: 'platform', stage: 'prod' },
    apps: [
      { namespace: name, name: app, role: app, labels: { 'app.kubernetes.io/name': app }, portName, port, replicas },
    ],
  });
  return [
    tenant('ingress-nginx', 'ingress-nginx', 443, 'https', 1),
    tenant('kube-system', 'coredns', 53, 'dns', 2),
    tenant('monitoring', 'prometheus', 9090, 'http', 1),
  ];
}

export function namespaceObject(tenant: Tenant): JsonObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name: tenant.name, labels: tenant.labels } };
}

/** The address plan: nodes in 10.0.0.0/16, Services in 10.16.0.0/12, a /24 and an IPv6 /64 of pods for each node. */
export function nodeObject(index: number): JsonObject {
  const [high, low] = [index >> 8, index & 255];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: nodeName(index),
      labels: { 'kubernetes.io/hostname': nodeName(index), 'topology.kubernetes.io/zone': `zone-${'abc'[index % 3]}` },
    },
    spec: {
      podCIDR: `10.${64 + high}.${low}.0/24`,
      podCIDRs: [`10.${64 + high}.${low}.0/24`, `fd10:64:0:${(index + 1).toString(16)}::/64`],
    },
    status: {
      addresses: [
        { type: 'InternalIP', address: `10.0.${high}.${low}` },
        { type: 'Hostname', address: nodeName(index) },
      ],
    },
  };
}

function nodeName(index: number): string {
  return `node-${String(index).padStart(4, '0')}`;
}

/** Hands pods to nodes in turn, each with the next free address of its node. */
export interface Placement {
  place(): { readonly node: string; readonly v4: string; readonly v6: string };
}

export function roundRobin(nodes: number): Placement {
  let placed = 0;
  return {
    place: () => {
      const node = placed % nodes;
      const host = Math.floor(placed / nodes) + 2;
      placed += 1;
      if (host > 254) throw new Error(`${nodes} nodes cannot hold ${placed} pods`);
      return {
        node: nodeName(node),
        v4: `10.${64 + (node >> 8)}.${node & 255}.${host}`,
        v6: `fd10:64:0:${(node + 1).toString(16)}::${host.toString(16)}`,
      };
    },
  };
}

function podSpec(app: App): JsonObject {
  const metrics = { name: 'metrics', containerPort: 9102 };
  const own =
    app.portName === 'dns'
      ? [
          { name: 'dns', containerPort: 53, protocol: 'UDP' },
          { name: 'dns-tcp', containerPort: 53, protocol: 'TCP' },
        ]
      : [{ name: app.portName, containerPort: app.port, protocol: 'TCP' }];
  return {
    containers: [{ name: app.role, image: `registry.example/${app.role}:1.4.2`, ports: [...own, metrics] }],
  };
}

const token = (random: Random, length: number): string =>
  Array.from({ length }, () => at([...'bcdfghjklmnpqrstvwxz2456789'], random.below(27))).join('');

/** The objects of one workload: a Deployment with its ReplicaSet, or nothing of that kind, then its pods and Service. */
export function workloadObjects(
  app: App,
  shape: Shape,
  random: Random,
  placement: Placement,
  serial: number,
): JsonObject[] {
  const objects: JsonObject[] = [];
  const hash = token(random, 9);
  const selector = { 'app.kubernetes.io/name': app.name };
  const podLabels = shape.barePods ? app.labels : { ...app.labels, 'pod-template-hash': hash };
  const owner = (kind: string, name: string): JsonObject => ({
    apiVersion: 'apps/v1',
    kind,
    name,
    uid: `${kind.toLowerCase()}-${app.namespace}-${name}`,
    controller: true,
  });
  if (!shape.barePods) {
    const template = { metadata: { labels: app.labels }, spec: podSpec(app) };
    objects.push(
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { namespace: app.namespace, name: app.name, labels: app.labels },
        spec: { replicas: app.replicas, selector: { matchLabels: selector }, template },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: {
          namespace: app.namespace,
          name: `${app.name}-${hash}`,
          labels: podLabels,
          ownerReferences: [owner('Deployment', app.name)],
        },
        spec: {
          replicas: app.replicas,
          selector: { matchLabels: { ...selector, 'pod-template-hash': hash } },
          template: { metadata: { labels: podLabels }, spec: podSpec(app) },
        },
      },
    );
  }
  for (let replica = 0; replica < app.replicas; replica += 1) {
    const { node, v4, v6 } = placement.place();
    const name = shape.barePods ? `${app.name}-${replica}` : `${app.name}-${hash}-${token(random, 4)}${replica}`;
    const metadata = { namespace: app.namespace, name, labels: podLabels };
    objects.push({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: shape.barePods
        ? metadata
        : { ...metadata, ownerReferences: [owner('ReplicaSet', `${app.name}-${hash}`)] },
      spec: { nodeName: node, ...podSpec(app) },
      status: { phase: 'Running', podIP: v4, podIPs: [{ ip: v4 }, { ip: v6 }] },
    });
  }
  objects.push({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: app.namespace, name: app.name, labels: app.labels },
    spec: {
      type: 'ClusterIP',
      clusterIP: `10.${16 + (serial >> 16)}.${(serial >> 8) & 255}.${serial & 255}`,
      selector,
      ports: [
        {
          name: app.portName,
          port: app.role === 'web' ? 80 : app.port,
          targetPort: app.portName,
          protocol: app.portName === 'dns' ? 'UDP' : 'TCP',
        },
      ],
    },
  });
  return objects;
}
