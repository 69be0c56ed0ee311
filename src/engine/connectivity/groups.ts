import { covers, FAMILIES, formatRange, type Ip, type IpRange } from '../../base/ip.ts';
import { by, byText } from '../../base/order.ts';
import { type Cluster, type Workload, workloadId } from '../../model/cluster.ts';
import type { EndpointClass } from '../compiled/classes.ts';
import type { CompiledProgram } from '../compiled/compile.ts';

/** Workloads that no policy can tell apart, or one merged address range. */
export interface Group {
  readonly index: number;
  readonly kind: 'workloads' | 'range';
  /** Names of the members, sorted; one for a range. */
  readonly members: readonly string[];
  /** The workloads of the members, in the same order; empty for a range. */
  readonly workloads: readonly Workload[];
  readonly range: IpRange | null;
  /** Classes of the members' pods, each with the nodes of those pods (`null` for an unknown node). */
  readonly units: readonly { readonly unit: EndpointClass; readonly nodes: ReadonlySet<string | null> }[];
}

/** Workloads and address ranges, grouped by what policies can tell apart. */
export function groupsOf(
  program: CompiledProgram,
  cluster: Cluster,
): { readonly groups: readonly Group[]; readonly units: Units } {
  const units = mergeClasses(program);
  const groups = [...workloadGroups(program, cluster, units), ...rangeGroups(program, cluster, units)].map(
    (group, index) => ({ ...group, index }),
  );
  return { groups, units };
}

export interface Units {
  /** The representative of a class. */
  readonly of: (id: number) => EndpointClass;
  readonly isUnit: (id: number) => boolean;
  readonly count: number;
}

/** Merges classes that are the same subject and the same peer to every rule. */
function mergeClasses(program: CompiledProgram): Units {
  const { all } = program.classes;
  const memberships: string[] = new Array<string>(all.length).fill('');
  let number = 0;
  for (const predicate of program.predicates.all()) {
    if (predicate.universal !== null) continue;
    const yes = `${(number++).toString(36)},`;
    predicate.yes.forEach((id) => {
      memberships[id] += yes;
    });
    if (predicate.maybe.size > 0) {
      predicate.maybe.forEach((id) => {
        memberships[id] += `?${yes}`;
      });
    }
  }
  const anyNamed = all.some(
    (one) => program.subject(one.id, 'ingress').named || program.subject(one.id, 'egress').named,
  );
  const byKey = new Map<string, EndpointClass>();
  const unit: EndpointClass[] = [];
  for (const one of all) {
    const families = FAMILIES.map((family) => (one.groups[family].length > 0 ? family : '')).join('');
    const key = [
      one.kind,
      families,
      program.subject(one.id, 'ingress').id,
      program.subject(one.id, 'egress').id,
      anyNamed ? one.profile : '',
      memberships[one.id],
    ].join('|');
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, one);
    unit[one.id] = known ?? one;
  }
  return {
    of: (id) => unit[id] ?? (all[id] as EndpointClass),
    isUnit: (id) => unit[id]?.id === id,
    count: byKey.size,
  };
}

type Ungrouped = Omit<Group, 'index'>;

function workloadGroups(program: CompiledProgram, cluster: Cluster, units: Units): Ungrouped[] {
  // Where host-network pods exist, the node of a pod matters: its own node always reaches it.
  const byNode = cluster.workloads.some((workload) => workload.pods.some((pod) => pod.hostNetwork));
  const groups = new Map<string, { workloads: Workload[]; units: Group['units'] }>();
  for (const workload of cluster.workloads) {
    const found = new Map<number, Set<string | null>>();
    let host = false;
    for (const pod of workload.pods) {
      const unit = units.of(program.classOf({ kind: 'pod', pod })).id;
      const nodes = found.get(unit);
      if (nodes === undefined) found.set(unit, new Set([pod.node]));
      else nodes.add(pod.node);
      host ||= pod.hostNetwork;
    }
    const sorted = [...found].sort((a, b) => a[0] - b[0]);
    const key = host
      ? `host ${workloadId(workload)}`
      : sorted.map(([unit, nodes]) => (byNode ? `${unit}@${[...nodes].sort().join('+')}` : unit)).join(',');
    const known = groups.get(key);
    if (known !== undefined) known.workloads.push(workload);
    else {
      const own = sorted.map(([id, nodes]) => ({ unit: program.classes.all[id] as EndpointClass, nodes }));
      groups.set(key, { workloads: [workload], units: own });
    }
  }
  return [...groups.values()].map((group) => {
    const workloads = group.workloads.sort(by(workloadId, byText));
    return { kind: 'workloads', workloads, members: workloads.map(workloadId), range: null, units: group.units };
  });
}

/** Address ranges that cover all addresses which are no pod's and no node's; neighbours that behave alike are one. */
function rangeGroups(program: CompiledProgram, cluster: Cluster, units: Units): Ungrouped[] {
  const taken = takenIn(program, cluster);
  const out: Ungrouped[] = [];
  for (const family of FAMILIES) {
    let current: { first: bigint; last: bigint; unit: EndpointClass } | null = null;
    const flush = (): void => {
      if (current === null) return;
      const range: IpRange = { family, first: current.first, last: current.last };
      const own = [{ unit: current.unit, nodes: NO_NODES }];
      out.push({ kind: 'range', workloads: [], members: [formatRange(range)], range, units: own });
    };
    for (const segment of program.partition.segments(family)) {
      if (taken(segment) > segment.last - segment.first) continue;
      const address = { family, value: segment.first };
      const unit = units.of(program.classes.externalClass(segment.group, { kind: 'external', address }));
      if (current !== null && current.unit.id === unit.id) current.last = segment.last;
      else {
        flush();
        current = { first: current === null ? 0n : segment.first, last: segment.last, unit };
      }
    }
    flush();
  }
  return out;
}

const NO_NODES: ReadonlySet<string | null> = new Set();

/** Counts, for every segment that pods and nodes could fill, the different addresses of theirs in it. */
function takenIn(program: CompiledProgram, cluster: Cluster): (segment: IpRange) => bigint {
  const small = new Map<bigint, Set<bigint>>();
  const most = BigInt(cluster.nodes.length * 4 + cluster.workloads.reduce((sum, { pods }) => sum + pods.length * 2, 0));
  const key = ({ family, first }: IpRange): bigint => (first << 1n) | (family === 4 ? 0n : 1n);
  const groups = new Map<number, IpRange[]>();
  for (const family of FAMILIES) {
    for (const segment of program.partition.segments(family)) {
      if (segment.last - segment.first >= most) continue;
      small.set(key(segment), new Set());
      const list = groups.get(segment.group);
      if (list === undefined) groups.set(segment.group, [segment]);
      else list.push(segment);
    }
  }
  const take = (ip: Ip): void => {
    for (const segment of groups.get(program.partition.groupOf(ip)) ?? []) {
      if (covers(segment, ip)) small.get(key(segment))?.add(ip.value);
    }
  };
  if (small.size > 0) {
    for (const workload of cluster.workloads) for (const pod of workload.pods) pod.addresses.forEach(take);
    for (const node of cluster.nodes) node.addresses.forEach(take);
  }
  return (segment) => BigInt(small.get(key(segment))?.size ?? 0);
}
