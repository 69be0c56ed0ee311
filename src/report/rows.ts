import { byText } from '../base/order.ts';
import type { ConnectivityReport } from '../model/report.ts';
import { entryFormatter, isNone, SOME_PODS } from './conn.ts';
import { type PeerNames, peerNames } from './peers.ts';

/** Destinations that the same sources reach over the same ports. */
export interface ConnectivityRow {
  /** Of the destinations; `null` outside of the cluster. */
  readonly namespace: string | null;
  readonly destination: string;
  readonly source: string;
  readonly ports: string;
  readonly unspecified: boolean;
}

export interface GroupedConnectivity {
  readonly rows: readonly ConnectivityRow[];
  readonly names: PeerNames;
}

export const UNSPECIFIED = 'unspecified';
export const NOTHING = 'none';

/** The report's classes; peers in none of them (ranges, or all where single pairs are listed) are a class of their own. */
export function classesOf(
  report: ConnectivityReport,
): readonly { readonly name: string; readonly members: readonly string[] }[] {
  const classes = report.classes ?? [];
  const covered = new Set(classes.flatMap((c) => c.members));
  return [...classes, ...report.peers.filter((peer) => !covered.has(peer)).map((name) => ({ name, members: [name] }))];
}

/** The members of each class by its name; every peer alone where the report has no classes. */
export function membersOf(report: ConnectivityReport): (name: string) => readonly string[] {
  if (report.classes === undefined) return (name) => [name];
  const members = new Map(report.classes.map((c) => [c.name, c.members]));
  return (name) => members.get(name) ?? [name];
}

/** Whether pairs of a workload are listed, as all are unless the report is cut. */
export function shownIn(report: ConnectivityReport): (peer: string) => boolean {
  if (report.shown === undefined) return () => true;
  const shown = new Set(report.shown);
  return (peer) => shown.has(peer);
}

/** What `some pods` in the ports of a row means; `null` where no row says it. */
export function someNote(rows: readonly ConnectivityRow[]): string | null {
  return rows.some((row) => row.ports.includes(SOME_PODS)) ? SOME_NOTE : null;
}

export const SOME_NOTE =
  'some pods: the pods of a workload differ, by their labels or by the node they run on (a pod always admits its own node)';

/**
 * The matrix with as few rows as say the same: sources that share destination and ports become one set, then
 * destinations of one namespace whose rows read alike. Reading alike is saying the same, since `shop/*` and
 * `every workload` stand for every *other* one. Rows by namespace, those outside of the cluster last.
 */
export function groupConnectivity(report: ConnectivityReport): GroupedConnectivity {
  const names = peerNames(report.peers);
  const members = membersOf(report);
  const portsOf = entryFormatter();
  const cells = new Map<string, Map<string, string[]>>();
  const add = (src: string, dst: string, ports: string): void => {
    let byPorts = cells.get(dst);
    if (byPorts === undefined) {
      byPorts = new Map();
      cells.set(dst, byPorts);
    }
    const sources = byPorts.get(ports);
    if (sources === undefined) byPorts.set(ports, [src]);
    else sources.push(src);
  };
  for (const entry of report.allowed) add(entry.src, entry.dst, portsOf(entry));
  for (const [src, dst] of report.unspecified) add(src, dst, UNSPECIFIED);

  // A workload that nothing reaches is an answer too; of one that is not shown nobody can say it.
  const isShown = shownIn(report);
  const unreached = new Map<string, readonly string[]>();
  for (const { name: dst, members: own } of classesOf(report)) {
    const shown = own.filter(isShown);
    if (cells.has(dst) || names.namespaceOf(dst) === null || shown.length === 0) continue;
    cells.set(dst, new Map([[NOTHING, []]]));
    unreached.set(dst, shown);
  }

  const alike = new Map<
    string,
    { readonly namespace: string | null; readonly dsts: string[]; readonly rows: [string, string][] }
  >();
  for (const [dst, byPorts] of cells) {
    const own = unreached.get(dst) ?? members(dst);
    // Between members of one class there is an entry of its own, so only a peer alone is not missing in its own row.
    const self = own.length === 1 ? own : [];
    const rows = [...byPorts]
      .map(([ports, sources]): [string, string] => [
        sources.length === 0 ? 'nothing' : names.set(sources.flatMap(members), self),
        ports,
      ])
      .sort((a, b) => byText(a[0], b[0]) || byText(a[1], b[1]));
    const spaces = new Set(own.map(names.namespaceOf));
    const namespace = spaces.size === 1 ? names.namespaceOf(dst) : '';
    const key = JSON.stringify([namespace, rows]);
    const group = alike.get(key);
    if (group === undefined) alike.set(key, { namespace, dsts: [...own], rows });
    else group.dsts.push(...own);
  }

  const rows = [...alike.values()].flatMap(({ namespace, dsts, rows: sources }) => {
    const destination = names.set(dsts);
    return sources.map(([source, ports]) => ({
      namespace,
      destination,
      source,
      ports,
      unspecified: ports === UNSPECIFIED,
    }));
  });
  const place = (row: ConnectivityRow): string => (row.namespace === null ? '\uffff' : row.namespace);
  return {
    names,
    rows: rows.sort(
      (a, b) =>
        byText(place(a), place(b)) ||
        byText(a.destination, b.destination) ||
        byText(a.source, b.source) ||
        byText(a.ports, b.ports),
    ),
  };
}

export interface ConnectivityCounts {
  readonly workloads: number;
  /** Of the workloads, those all of whose pairs count. */
  readonly shown: number;
  readonly ranges: number;
  /** Ordered pairs of different peers, those of two ranges left out. */
  readonly pairs: number;
  readonly allowed: number;
  readonly everyPort: number;
  /** Nothing for all pods of the workloads, but something for some. */
  readonly partly: number;
  readonly unspecified: number;
  readonly denied: number;
}

/**
 * How many ordered pairs of different peers have which verdict; a class counts with all of its members. Of a report that
 * is cut only pairs count in which a shown workload takes part.
 */
export function countConnectivity(report: ConnectivityReport): ConnectivityCounts {
  const members = membersOf(report);
  const portsOf = entryFormatter();
  const isShown = shownIn(report);
  const hidden = new Map<string, number>();
  const hiddenOf = (name: string): number => {
    let count = hidden.get(name);
    if (count === undefined) {
      count = members(name).filter((member) => !isShown(member)).length;
      hidden.set(name, count);
    }
    return count;
  };
  const ordered = (n: number, m: number, same: boolean): number => (same ? n * (n - 1) : n * m);
  const between = (src: string, dst: string): number =>
    ordered(members(src).length, members(dst).length, src === dst) -
    (report.shown === undefined ? 0 : ordered(hiddenOf(src), hiddenOf(dst), src === dst));
  const names = peerNames([]);
  const workloads = report.peers.filter((peer) => names.namespaceOf(peer) !== null).length;
  const ranges = report.peers.length - workloads;
  const shown = report.shown?.length ?? workloads;
  const others = workloads - shown;
  const pairs = workloads * (workloads - 1) - others * (others - 1) + 2 * shown * ranges;
  let allowed = 0;
  let everyPort = 0;
  let partly = 0;
  // A pair can be known in part: what is left open is the more important half.
  const open = new Set(report.unspecified.map(([src, dst]) => JSON.stringify([src, dst])));
  for (const entry of report.allowed) {
    if (open.size > 0 && open.has(JSON.stringify([entry.src, entry.dst]))) continue;
    const count = between(entry.src, entry.dst);
    if (isNone(entry.conn)) {
      if (entry.some !== undefined) partly += count;
      continue;
    }
    allowed += count;
    if (portsOf(entry) === 'all') everyPort += count;
  }
  let unspecified = 0;
  for (const [src, dst] of report.unspecified) unspecified += between(src, dst);
  return {
    workloads,
    shown,
    ranges,
    pairs,
    allowed,
    everyPort,
    partly,
    unspecified,
    denied: Math.max(0, pairs - allowed - partly - unspecified),
  };
}
