/** Flows as a cluster has them: mostly to neighbours and DNS, some across, some in and out, most of them allowed. */
import { type Ip, parseIp } from '../../src/base/ip.ts';
import type { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { flowOf, verdict } from '../../src/engine/compiled/evaluate.ts';
import type { Cluster, Node, Pod, Workload } from '../../src/model/cluster.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import { type Random, seededRandom } from '../generate/random.ts';

export const FLOW_SORTS = [
  'same namespace',
  'other namespace',
  'DNS',
  'scraping',
  'to the internet',
  'from the ingress controller',
  'from outside',
  'from a node',
] as const;
export type FlowSort = (typeof FLOW_SORTS)[number];

/** Of one hundred flows. */
const SHARES: Readonly<Record<FlowSort, number>> = {
  'same namespace': 30,
  'other namespace': 10,
  DNS: 20,
  scraping: 10,
  'to the internet': 10,
  'from the ingress controller': 10,
  'from outside': 5,
  'from a node': 5,
};

/** So many in ten flows are wanted to be allowed, in the sorts that have any such. */
const ALLOWED_IN_TEN = 7;
/** Connections that are looked at for each sort in search of allowed ones, at most: few of all possible ones are. */
const SEARCHED = 100_000;

/** What a connection is drawn between: any pod of a workload, one pod, a node, or an address outside. */
type Side = Workload | Pod | Node | Ip;

interface Connection {
  readonly source: Side;
  readonly destination: Side;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

/** About `count` flows by sort; the same for the same cluster. */
export function flowsBySort(
  program: CompiledProgram,
  cluster: Cluster,
  count: number,
): ReadonlyMap<FlowSort, readonly Flow[]> {
  const random = seededRandom(7);
  const draw = drawer(cluster, random);
  return new Map(
    FLOW_SORTS.map((sort) => {
      const wanted = Math.max(1, Math.round((count * SHARES[sort]) / 100));
      const allowed: Connection[] = [];
      const others: Connection[] = [];
      for (let i = 0; i < Math.min(SEARCHED, 10 * count); i++) {
        const connection = draw(sort);
        if (verdict(program, flowIn(connection, random)) === 'allowed') allowed.push(connection);
        else others.push(connection);
      }
      const flows = Array.from({ length: wanted }, () => {
        const from = random.chance(ALLOWED_IN_TEN / 10) ? [allowed, others] : [others, allowed];
        return flowIn(pick(from.find((list) => list.length > 0) ?? [], random), random);
      });
      return [sort, flows] as const;
    }),
  );
}

/** Flows of all sorts, shuffled. */
export function realisticFlows(program: CompiledProgram, cluster: Cluster, count: number): readonly Flow[] {
  return shuffled([...flowsBySort(program, cluster, count).values()].flat());
}

export function shuffled<T>(list: readonly T[]): readonly T[] {
  const random = seededRandom(8);
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const other = random.below(i + 1);
    const moved = out[i] as T;
    out[i] = out[other] as T;
    out[other] = moved;
  }
  return out;
}

/** How many flows in a hundred are allowed. */
export function allowedShare(program: CompiledProgram, flows: readonly Flow[]): number {
  const allowed = flows.filter((flow) => verdict(program, flow) === 'allowed').length;
  return Math.round((100 * allowed) / flows.length);
}

function pick<T>(list: readonly T[], random: Random): T {
  const one = list[random.below(list.length)];
  if (one === undefined) throw new Error('the cluster is too small for a mix of flows');
  return one;
}

function flowIn({ source, destination, protocol, port }: Connection, random: Random): Flow {
  return flowOf(endpointIn(source, random), endpointIn(destination, random), protocol, port);
}

function endpointIn(side: Side, random: Random): Endpoint {
  if ('pods' in side) return { kind: 'pod', pod: pick(side.pods, random) };
  if ('hostNetwork' in side) return { kind: 'pod', pod: side };
  return 'family' in side ? { kind: 'external', address: side } : { kind: 'node', node: side, address: null };
}

const OUTSIDE: readonly Ip[] = ['203.0.113.9', '203.0.113.130', '198.51.100.7', '10.1.2.3', '2001:db8::7'].map(
  (text) => {
    const ip = parseIp(text);
    if (ip === null) throw new Error(`${text} is no address`);
    return ip;
  },
);
const INFRASTRUCTURE = new Set(['kube-system', 'ingress-nginx', 'monitoring']);

function drawer(cluster: Cluster, random: Random): (sort: FlowSort) => Connection {
  const byNamespace = new Map<string, Workload[]>();
  for (const workload of cluster.workloads) {
    const list = byNamespace.get(workload.namespace);
    if (list === undefined) byNamespace.set(workload.namespace, [workload]);
    else list.push(workload);
  }
  const [dns, controllers, monitoring] = ['kube-system', 'ingress-nginx', 'monitoring'].map(
    (name) => byNamespace.get(name) ?? [],
  );
  const tenants = [...byNamespace].filter(([name]) => !INFRASTRUCTURE.has(name)).map(([, workloads]) => workloads);
  const nodes = new Map(cluster.nodes.map((node) => [node.name, node]));
  const one = <T>(list: readonly T[] | undefined): T => pick(list ?? [], random);
  const anyWorkload = (): Workload => one(one(tenants));
  const portOf = (pods: readonly Pod[], name: (text: string | null) => boolean): number =>
    pods[0]?.ports.find((port) => name(port.name))?.port ?? 80;
  const to = (source: Side, destination: Workload | Pod): Connection => {
    // One in ten tries a port on which nothing is declared to listen.
    const port = random.chance(0.1)
      ? 30_000 + random.below(2000)
      : portOf('pods' in destination ? destination.pods : [destination], (name) => name !== 'metrics');
    return { source, destination, protocol: 'TCP', port };
  };
  return (sort) => {
    switch (sort) {
      case 'same namespace': {
        const neighbours = one(tenants);
        const source = one(neighbours);
        // A pod's way to itself is free, so a workload is no neighbour of its own.
        const others = neighbours.filter((workload) => workload !== source);
        return to(source, one(others));
      }
      case 'other namespace':
        return to(anyWorkload(), anyWorkload());
      case 'DNS': {
        const protocol = random.chance(0.9) ? 'UDP' : 'TCP';
        return { source: anyWorkload(), destination: one(dns), protocol, port: random.chance(0.8) ? 53 : 5353 };
      }
      case 'scraping': {
        const destination = anyWorkload();
        const port = portOf(destination.pods, (name) => name === 'metrics');
        return { source: one(monitoring), destination, protocol: 'TCP', port };
      }
      case 'to the internet': {
        const port = random.chance(0.8) ? 443 : 80;
        return { source: anyWorkload(), destination: one(OUTSIDE), protocol: 'TCP', port };
      }
      case 'from the ingress controller':
        return to(one(controllers), anyWorkload());
      case 'from outside':
        return to(one(OUTSIDE), anyWorkload());
      case 'from a node': {
        // Seven in ten come from the pod's own node, as probes do.
        const pod = one(anyWorkload().pods);
        const own = random.chance(0.7) ? nodes.get(pod.node ?? '') : undefined;
        return to(own ?? one(cluster.nodes), pod);
      }
    }
  };
}
