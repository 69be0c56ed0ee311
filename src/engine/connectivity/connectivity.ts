import { by, byText } from '../../base/order.ts';
import type { Cluster, Workload } from '../../model/cluster.ts';
import { workloadId } from '../../model/cluster.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { ConnectivityEntry, ConnectivityReport } from '../../model/report.ts';
import type { CompiledProgram } from '../compiled/compile.ts';
import type { Group } from './groups.ts';
import { ingressController } from './ingress-controller.ts';
import { type Pair, type PairTable, pairTable } from './pairs.ts';

export interface ConnectivityOptions {
  /** Above so many pairs, entries are given for classes of workloads that behave alike. */
  readonly pairLimit?: number;
  readonly diagnostics?: readonly Diagnostic[];
}

export const DEFAULT_PAIR_LIMIT = 500_000;

/** What every workload and address range may say to every other one. */
export function connectivity(
  program: CompiledProgram,
  cluster: Cluster,
  options: ConnectivityOptions = {},
): ConnectivityReport {
  const table = pairTable(program, cluster);
  const listed = pairCount(table) <= (options.pairLimit ?? DEFAULT_PAIR_LIMIT);
  const { allowed, unspecified } = listed ? listPairs(table) : listClasses(table);
  return {
    kind: 'ConnectivityReport',
    peers: [
      ...cluster.workloads.map(workloadId).sort(),
      ...table.groups.filter((group) => group.kind === 'range').flatMap((group) => group.members),
    ],
    allowed,
    unspecified,
    unspecifiedBecause: [],
    ingressController: ingressController(program, cluster),
    replicas: replicas(table),
    ...(listed ? {} : { classes: classesOf(table) }),
    diagnostics: options.diagnostics ?? [],
  };
}

function pairCount(table: PairTable): number {
  let count = 0;
  for (const [from, row] of table.pairs) {
    const size = (table.groups[from] as Group).members.length;
    for (const to of row.keys()) count += size * (table.groups[to] as Group).members.length;
  }
  return count;
}

interface Listing {
  readonly allowed: ConnectivityEntry[];
  readonly unspecified: (readonly [string, string])[];
}

/** One entry per pair of members, sorted by source and destination (ranges last, ascending). */
function listPairs(table: PairTable): Listing {
  const out: Listing = { allowed: [], unspecified: [] };
  const peers = sortedMembers(table);
  const rankOf = new Map(peers.map((peer, rank) => [peer.name, rank]));
  const rows = new Map<number, { readonly name: string; readonly rank: number; readonly pair: Pair }[]>();
  for (const { name: src, group } of peers) {
    const row = table.pairs.get(group.index);
    if (row === undefined) continue;
    let targets = rows.get(group.index);
    if (targets === undefined) {
      targets = [...row].flatMap(([to, pair]) =>
        (table.groups[to] as Group).members.map((name) => ({ name, rank: rankOf.get(name) ?? 0, pair })),
      );
      targets.sort((a, b) => a.rank - b.rank);
      rows.set(group.index, targets);
    }
    for (const { name: dst, pair } of targets) if (dst !== src) addPair(table, out, src, dst, pair);
  }
  return out;
}

/** One entry per pair of classes, which are named by their first members. */
function listClasses(table: PairTable): Listing {
  const out: Listing = { allowed: [], unspecified: [] };
  const groups = [...table.groups].sort(byKindThenName);
  const rankOf = new Map(groups.map((group, rank) => [group.index, rank]));
  for (const from of groups) {
    const row = [...(table.pairs.get(from.index) ?? [])].sort(
      (a, b) => (rankOf.get(a[0]) as number) - (rankOf.get(b[0]) as number),
    );
    for (const [to, pair] of row) {
      const target = table.groups[to] as Group;
      if (target !== from || from.members.length > 1) {
        addPair(table, out, from.members[0] as string, target.members[0] as string, pair);
      }
    }
  }
  return out;
}

function addPair(table: PairTable, out: Listing, src: string, dst: string, pair: Pair): void {
  const { traffic } = table;
  if (traffic.hasPorts(pair.unknown)) out.unspecified.push([src, dst]);
  const differs = traffic.conn(pair.all) !== traffic.conn(pair.some);
  if (!traffic.hasPorts(pair.some)) return;
  const conn = traffic.conn(pair.all);
  out.allowed.push(differs ? { src, dst, conn, varies: true, some: traffic.conn(pair.some) } : { src, dst, conn });
}

const byKindThenName = (a: Group, b: Group): number => {
  if (a.kind !== b.kind) return a.kind === 'workloads' ? -1 : 1;
  return a.kind === 'range' ? a.index - b.index : byText(a.members[0] as string, b.members[0] as string);
};

function sortedMembers(table: PairTable): { readonly name: string; readonly group: Group }[] {
  const workloads = table.groups
    .filter((group) => group.kind === 'workloads')
    .flatMap((group) => group.members.map((name) => ({ name, group })))
    .sort(by((peer) => peer.name, byText));
  const ranges = table.groups
    .filter((group) => group.kind === 'range')
    .map((group) => ({ name: group.members[0] as string, group }));
  return [...workloads, ...ranges];
}

function classesOf(table: PairTable): NonNullable<ConnectivityReport['classes']> {
  return table.groups
    .filter((group) => group.kind === 'workloads')
    .sort(byKindThenName)
    .map((group) => ({ name: group.members[0] as string, members: group.members }));
}

/** Whether a workload is, or may be, several pods. */
function hasReplicas(workload: Workload): boolean {
  return workload.pods.length > 1 || (workload.pods[0]?.template === true && workload.replicas !== 1);
}

function replicas(table: PairTable): ConnectivityReport['replicas'] {
  const out: { workload: string; conn: ReturnType<PairTable['traffic']['conn']> }[] = [];
  for (const group of table.groups) {
    const pair = table.pairs.get(group.index)?.get(group.index);
    if (pair === undefined || !table.traffic.hasPorts(pair.all)) continue;
    for (const [i, workload] of group.workloads.entries()) {
      if (hasReplicas(workload)) out.push({ workload: group.members[i] as string, conn: table.traffic.conn(pair.all) });
    }
  }
  return out.sort(by((entry) => entry.workload, byText));
}
