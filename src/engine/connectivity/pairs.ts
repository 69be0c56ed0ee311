/**
 * What every pair of workloads and address ranges may say to each other, without visiting every pair: endpoints that
 * behave alike are one unit, workloads with the same units one group, and of the group pairs only those are visited
 * that one end names or both ends leave open. See docs/design/engine.md.
 */
import { formatRange, type IpRange } from '../../base/ip.ts';
import type { Truth } from '../../base/truth.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { EndpointClass } from '../compiled/classes.ts';
import { type CompiledProgram, sharedFamilies } from '../compiled/compile.ts';
import { NO_TRAFFIC, type TrafficId, type TrafficTable } from '../compiled/traffic.ts';
import { Candidates } from './candidates.ts';
import { type Group, groupsOf } from './groups.ts';
import { PeerMaps } from './peer-maps.ts';

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
  const parts = new Map(ranges.map(({ index }) => [index, [] as string[]]));
  const sign = (range: number, entry: string): void => {
    parts.get(range)?.push(entry);
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
    // Pairs are visited in no order that means anything.
    const signature = (parts.get(group.index) ?? []).sort().join('|');
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
