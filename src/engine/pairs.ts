/**
 * What every pair of workloads and address ranges may say to each other, without visiting every pair: endpoints that
 * behave alike are one unit, workloads with the same units one group, and of the group pairs only those are visited
 * that one end names or both ends leave open. See docs/design/engine.md.
 */

import { covers, FAMILIES, type Family, formatRange, type Ip, type IpRange } from '../base/ip.ts';
import { by, byText } from '../base/order.ts';
import type { Truth } from '../base/truth.ts';
import { type Cluster, type Workload, workloadId } from '../model/cluster.ts';
import type { Direction } from '../model/program.ts';
import type { EndpointClass } from './compiled/classes.ts';
import { type CompiledProgram, type SubjectProgram, sharedFamilies } from './compiled/compile.ts';
import { symbolic, type TrafficOutcome } from './compiled/evaluate.ts';
import { type Predicate, test } from './compiled/predicates.ts';
import { NO_TRAFFIC, type TrafficId, type TrafficTable } from './compiled/traffic.ts';

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

/** What two different members of two groups may say to each other. */
export interface Pair {
  /** What all their pods may say over every family, for sure. */
  readonly all: TrafficId;
  /** What some of their pods may say over some family, for sure. */
  readonly some: TrafficId;
  /** What depends on a missing fact. */
  readonly unknown: TrafficId;
}

export interface PairTable {
  readonly traffic: TrafficTable;
  readonly groups: readonly Group[];
  /** Only pairs in which something is or may be allowed; never two ranges. From a group to itself: between different pods. */
  readonly pairs: ReadonlyMap<number, ReadonlyMap<number, Pair>>;
  readonly groupOf: ReadonlyMap<string, number>;
  /** Counted work: classes merged into units, pairs of groups looked at. */
  readonly work: { readonly units: number; readonly visited: number };
}

/** All pairs of a program; cost grows with units and with the pairs that are not denied, not with pods. */
export function pairTable(program: CompiledProgram, cluster: Cluster): PairTable {
  const { groups, units } = groupsOf(program, cluster);
  const maps = new PeerMaps(program, units);
  const groupsOfUnit: number[][] = [];
  for (const group of groups) {
    for (const { unit } of group.units) {
      const list = groupsOfUnit[unit.id];
      if (list === undefined) groupsOfUnit[unit.id] = [group.index];
      else list.push(group.index);
    }
  }
  const candidates = new Candidates(program, maps, groupsOfUnit);
  const pairs = new Map<number, Map<number, Pair>>();
  let visited = 0;
  for (const source of groups) {
    const found = new Map<number, Pair>();
    for (const target of candidates.of(source)) {
      const destination = groups[target] as Group;
      if (source.kind === 'range' && destination.kind === 'range') continue;
      visited++;
      const pair = pairOf(maps, source, destination);
      if (pair !== null) found.set(target, pair);
    }
    if (found.size > 0) pairs.set(source.index, found);
  }
  const merged = mergeAlike(groups, pairs);
  const groupOf = new Map(
    merged.groups.flatMap((group) => group.members.map((member) => [member, group.index] as const)),
  );
  return { traffic: program.traffic, ...merged, groupOf, work: { units: units.count, visited } };
}

type Rows = ReadonlyMap<number, ReadonlyMap<number, Pair>>;

/** Makes one of neighbouring address ranges that policies tell apart, but to no effect on any pair. */
function mergeAlike(
  groups: readonly Group[],
  pairs: Rows,
): { readonly groups: readonly Group[]; readonly pairs: Rows } {
  const ranges = groups.filter((group) => group.kind === 'range');
  const signatures = new Map(ranges.map(({ index }) => [index, '']));
  const sign = (range: number, entry: string): void => {
    const before = signatures.get(range);
    if (before !== undefined) signatures.set(range, before + entry);
  };
  for (const [from, row] of pairs) {
    for (const [to, { all, some, unknown }] of row) {
      sign(from, `>${to}:${all},${some},${unknown}`);
      sign(to, `<${from}:${all},${some},${unknown}`);
    }
  }
  const kept = groups.filter((group) => group.kind === 'workloads');
  const newIndex = new Map(kept.map((group, index) => [group.index, index]));
  const out: Group[] = kept.map((group, index) => ({ ...group, index }));
  let last: { group: Group; signature: string } | null = null;
  for (const group of ranges) {
    const signature = signatures.get(group.index) ?? '';
    const range = last?.group.range;
    // Between neighbours there are at most addresses of pods and nodes.
    if (last !== null && range && group.range?.family === range.family && last.signature === signature) {
      const wider: IpRange = { ...range, last: group.range.last };
      last.group = { ...last.group, range: wider, members: [formatRange(wider)] };
      out[out.length - 1] = last.group;
    } else {
      last = { group: { ...group, index: out.length }, signature };
      out.push(last.group);
    }
    newIndex.set(group.index, out.length - 1);
  }
  const index = (old: number): number => newIndex.get(old) ?? old;
  const moved = [...pairs].map(
    ([from, row]) => [index(from), new Map([...row].map(([to, pair]) => [index(to), pair]))] as const,
  );
  return { groups: out, pairs: new Map(moved) };
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

const OWN_NODES: readonly Truth[] = ['no', 'yes', 'maybe'];

/** The answers of one subject program over one family, by cell: peers on which every rule agrees share a cell. */
interface PeerMap {
  readonly subject: SubjectProgram;
  /** Cells of the units that some rule names. */
  readonly named: ReadonlyMap<number, number>;
  readonly outcomes: Map<string, TrafficOutcome>;
}

class PeerMaps {
  readonly #program: CompiledProgram;
  readonly #units: Units;
  readonly #maps = new Map<number, Record<Family, PeerMap>>();

  constructor(program: CompiledProgram, units: Units) {
    this.#program = program;
    this.#units = units;
  }

  get table(): TrafficTable {
    return this.#program.traffic;
  }

  get nodesUnread(): boolean {
    return this.#program.facts.nodesUnread;
  }

  of(subject: SubjectProgram, family: Family): PeerMap {
    let maps = this.#maps.get(subject.id);
    if (maps === undefined) {
      const four = this.#make(subject, 4);
      maps = { 4: four, 6: subject.byFamily ? this.#make(subject, 6) : four };
      this.#maps.set(subject.id, maps);
    }
    return maps[family];
  }

  outcome(
    own: EndpointClass,
    direction: Direction,
    peer: EndpointClass,
    family: Family,
    ownNode: Truth,
  ): TrafficOutcome {
    const subject = this.#program.subject(own.id, direction);
    const map = this.of(subject, family);
    const cell = map.named.get(peer.id) ?? -1;
    const destination = direction === 'egress' ? peer : own;
    const ports = subject.named && destination.kind === 'pod' ? destination.profile : '';
    const key = `${cell}|${peer.kind}|${ports}|${OWN_NODES.indexOf(ownNode)}`;
    const known = map.outcomes.get(key);
    if (known !== undefined) return known;
    const made = symbolic(this.#program.traffic, subject, destination, (p) => test(p, family, peer), ownNode);
    map.outcomes.set(key, made);
    return made;
  }

  #make(subject: SubjectProgram, family: Family): PeerMap {
    const named = new Map<number, number>();
    const steps = new Map<string, number>();
    let cells = 0;
    const refine = (step: string, id: number): void => {
      if (!this.#units.isUnit(id)) return;
      const key = `${named.get(id) ?? -1}${step}`;
      let cell = steps.get(key);
      if (cell === undefined) {
        cell = cells++;
        steps.set(key, cell);
      }
      named.set(id, cell);
    };
    let number = 0;
    for (const predicate of predicatesOf(subject)) {
      if (predicate.universal !== null || (predicate.family !== null && predicate.family !== family)) continue;
      const step = `,${number++}`;
      predicate.yes.forEach((id) => {
        refine(step, id);
      });
      predicate.maybe.forEach((id) => {
        refine(`${step}?`, id);
      });
    }
    return { subject, named, outcomes: new Map() };
  }
}

export function predicatesOf(subject: SubjectProgram): ReadonlySet<Predicate> {
  const out = new Set<Predicate>();
  for (const tier of subject.tiers) {
    for (const rank of tier.ranks) {
      for (const { rules } of rank) for (const rule of rules) for (const peer of rule.peers) out.add(peer);
    }
  }
  return out;
}

/** For each source group the destination groups that are worth a look. */
class Candidates {
  readonly #program: CompiledProgram;
  readonly #maps: PeerMaps;
  readonly #groupsOfUnit: readonly (readonly number[] | undefined)[];
  /** Units whose ingress rules name a unit. */
  readonly #namedBy = new Map<number, number[]>();
  /** Units that some peer of a kind may reach without being named. */
  readonly #open: Record<EndpointClass['kind'], number[]> = { pod: [], host: [], node: [], external: [], domain: [] };

  constructor(program: CompiledProgram, maps: PeerMaps, groupsOfUnit: readonly (readonly number[] | undefined)[]) {
    this.#program = program;
    this.#maps = maps;
    this.#groupsOfUnit = groupsOfUnit;
    groupsOfUnit.forEach((groups, id) => {
      if (groups === undefined) return;
      const subject = program.subject(id, 'ingress');
      for (const family of subject.byFamily ? FAMILIES : ([4] as const)) {
        for (const peer of maps.of(subject, family).named.keys()) {
          const list = this.#namedBy.get(peer);
          if (list === undefined) this.#namedBy.set(peer, [id]);
          else if (list.at(-1) !== id) list.push(id);
        }
      }
      for (const kind of ['pod', 'host', 'external'] as const)
        if (this.#isOpen(subject, kind)) this.#open[kind].push(id);
    });
  }

  of(source: Group): ReadonlySet<number> {
    const out = new Set<number>();
    const add = (unit: number): void => {
      for (const group of this.#groupsOfUnit[unit] ?? []) out.add(group);
    };
    for (const { unit } of source.units) {
      const subject = this.#program.subject(unit.id, 'egress');
      if (
        subject.tiers.length === 0 ||
        this.#isOpen(subject, 'pod') ||
        this.#isOpen(subject, 'external') ||
        this.#isOpen(subject, 'host')
      ) {
        for (const id of this.#namedBy.get(unit.id) ?? []) add(id);
        for (const id of this.#open[unit.kind]) add(id);
      } else {
        for (const family of subject.byFamily ? FAMILIES : ([4] as const)) {
          for (const id of this.#maps.of(subject, family).named.keys()) add(id);
        }
      }
    }
    return out;
  }

  readonly #isOpenMemo = new Map<string, boolean>();

  /** Whether a peer of a kind that no rule names may get anything through. */
  #isOpen(subject: SubjectProgram, kind: EndpointClass['kind']): boolean {
    if (subject.tiers.length === 0) return true;
    const key = `${subject.id}|${kind}`;
    const known = this.#isOpenMemo.get(key);
    if (known !== undefined) return known;
    const holds = (family: Family) => (predicate: Predicate) => {
      if (predicate.family !== null && predicate.family !== family) return 0;
      return predicate.universal === 'everything' || (predicate.universal === 'pods' && kind === 'pod') ? 1 : 0;
    };
    const ownNode = kind === 'host' || (kind === 'external' && this.#maps.nodesUnread) ? 'maybe' : 'no';
    const open =
      (subject.named && hasUniversalNamed(subject)) ||
      FAMILIES.some((family) => symbolic(this.#maps.table, subject, null, holds(family), ownNode).allow !== NO_TRAFFIC);
    this.#isOpenMemo.set(key, open);
    return open;
  }
}

/** Whether a rule opens named ports to peers that no selector singles out. */
function hasUniversalNamed(subject: SubjectProgram): boolean {
  return subject.tiers.some((tier) =>
    tier.ranks.some((rank) =>
      rank.some(({ rules }) =>
        rules.some((rule) => rule.named.length > 0 && rule.peers.some((peer) => peer.universal !== null)),
      ),
    ),
  );
}

/** Combines all pods of both groups over all families; `null` where nothing is or may be allowed. */
function pairOf(maps: PeerMaps, source: Group, destination: Group): Pair | null {
  const { table, nodesUnread } = maps;
  const ownNodeOf = (peer: EndpointClass, relation: Truth): Truth =>
    peer.kind === 'host' ? relation : peer.kind === 'external' && nodesUnread ? 'maybe' : 'no';
  let all: TrafficId | null = null;
  let some: TrafficId = NO_TRAFFIC;
  let unknown: TrafficId = NO_TRAFFIC;
  const add = (sure: TrafficId, open: TrafficId): void => {
    all = all === null ? sure : table.intersect(all, sure);
    some = table.union(some, sure);
    unknown = table.union(unknown, open);
  };
  for (const from of source.units) {
    for (const to of destination.units) {
      const families = sharedFamilies(from.unit, to.unit);
      if (families.length === 0) add(NO_TRAFFIC, NO_TRAFFIC);
      for (const family of families) {
        for (const ownNode of nodeRelations(from, to)) {
          const egress = maps.outcome(from.unit, 'egress', to.unit, family, ownNodeOf(to.unit, ownNode));
          if (egress.allow === NO_TRAFFIC) {
            add(NO_TRAFFIC, NO_TRAFFIC);
            continue;
          }
          const ingress = maps.outcome(to.unit, 'ingress', from.unit, family, ownNodeOf(from.unit, ownNode));
          const allow = table.intersect(egress.allow, ingress.allow);
          const deny = table.union(egress.deny, ingress.deny);
          add(table.subtract(allow, deny), table.intersect(allow, deny));
        }
      }
    }
  }
  if (some === NO_TRAFFIC && unknown === NO_TRAFFIC) return null;
  return { all: all ?? NO_TRAFFIC, some, unknown };
}

/**
 * How the nodes of the pods on both sides may relate; only host-network pods have a node's address. A pod's own node
 * reaches it whatever policies say, but where the scheduler puts pods is no property of a workload: where pods share a
 * node, or may, the pair is also judged as if they did not, so that `all` holds wherever they run.
 */
function nodeRelations(from: Group['units'][number], to: Group['units'][number]): readonly Truth[] {
  if ((from.unit.kind === 'host') === (to.unit.kind === 'host') || from.nodes.size === 0 || to.nodes.size === 0) {
    return APART;
  }
  for (const node of from.nodes)
    if (node === null || to.nodes.has(node) || to.nodes.has(null)) return APART_OR_TOGETHER;
  return APART;
}

const APART: readonly Truth[] = ['no'];
const APART_OR_TOGETHER: readonly Truth[] = ['no', 'yes'];
