import { byText } from '../../base/order.ts';
import type { ConnectivityReport } from '../../model/report.ts';
import { entryFormatter, isNone } from '../conn.ts';
import { type PeerNames, peerNames } from '../peers.ts';
import { classesOf, membersOf } from '../rows.ts';

/** Pairs between two groups of peers. */
export interface MatrixCell {
  readonly pairs: number;
  readonly allowed: number;
  readonly everyPort: number;
  readonly unspecified: number;
  /** What the allowed pairs may use, each with how many do, most first. */
  readonly ports: readonly (readonly [string, number])[];
}

export interface Matrix {
  readonly groups: readonly { readonly title: string; readonly peers: number }[];
  readonly cells: readonly (readonly MatrixCell[])[];
}

const OUTSIDE = 'outside the cluster';
/** With fewer namespaces than this their matrix says nothing, and workloads that behave alike are grouped instead. */
const FEWEST_NAMESPACES = 3;

/** How much of what may flow between namespaces, or between groups of workloads that behave alike. */
export function matrixOf(report: ConnectivityReport): Matrix {
  const names = peerNames(report.peers);
  const members = membersOf(report);
  const namespaces = new Set(report.peers.map((peer) => names.namespaceOf(peer)));
  const titles =
    namespaces.size > FEWEST_NAMESPACES
      ? (peer: string) => names.namespaceOf(peer) ?? OUTSIDE
      : behaviour(report, names);
  const sizes = new Map<string, number>();
  for (const peer of report.peers) sizes.set(titles(peer), (sizes.get(titles(peer)) ?? 0) + 1);
  const order = [...sizes.keys()].sort((a, b) => Number(a === OUTSIDE) - Number(b === OUTSIDE) || byText(a, b));
  const index = new Map(order.map((title, i) => [title, i]));
  const at = (peer: string): number => index.get(titles(peer)) ?? 0;

  const counts = order.map(() =>
    order.map(() => ({ allowed: 0, everyPort: 0, unspecified: 0, ports: new Map<string, number>() })),
  );
  const format = entryFormatter();
  const add = (src: string, dst: string, text: string | null, some: boolean): void => {
    const spread = (peers: readonly string[]): Map<number, number> => {
      const out = new Map<number, number>();
      for (const peer of peers) out.set(at(peer), (out.get(at(peer)) ?? 0) + 1);
      return out;
    };
    const to = spread(members(dst));
    for (const [i, n] of spread(members(src))) {
      for (const [j, m] of to) {
        const cell = counts[i]?.[j];
        if (cell === undefined) continue;
        const pairs = src === dst && i === j ? n * (m - 1) : n * m;
        if (text === null) cell.unspecified += pairs;
        else {
          if (some) cell.allowed += pairs;
          if (text === 'all') cell.everyPort += pairs;
          cell.ports.set(text, (cell.ports.get(text) ?? 0) + pairs);
        }
      }
    }
  };
  for (const entry of report.allowed) add(entry.src, entry.dst, format(entry), !isNone(entry.conn));
  for (const [src, dst] of report.unspecified) add(src, dst, null, false);

  return {
    groups: order.map((title) => ({ title, peers: sizes.get(title) ?? 0 })),
    cells: counts.map((row, i) =>
      row.map(({ allowed, everyPort, unspecified, ports }, j) => {
        const n = sizes.get(order[i] ?? '') ?? 0;
        const m = sizes.get(order[j] ?? '') ?? 0;
        const outside = order[i] === OUTSIDE && order[j] === OUTSIDE;
        return {
          pairs: outside ? 0 : i === j ? n * (n - 1) : n * m,
          allowed,
          everyPort,
          unspecified,
          ports: [...ports].sort((a, b) => b[1] - a[1] || byText(a[0], b[0])),
        };
      }),
    ),
  };
}

/** Peers whose rows and columns are equal share a group, named after its members. */
function behaviour(report: ConnectivityReport, names: PeerNames): (peer: string) => string {
  const format = entryFormatter();
  const parts = new Map<string, string[]>();
  const push = (peer: string, part: string): void => {
    const list = parts.get(peer);
    if (list === undefined) parts.set(peer, [part]);
    else list.push(part);
  };
  const ids = new Map<string, number>();
  const id = (text: string): number => {
    const known = ids.get(text);
    if (known !== undefined) return known;
    ids.set(text, ids.size);
    return ids.size - 1;
  };
  const members = membersOf(report);
  for (const entry of report.allowed) {
    const ports = id(format(entry));
    push(entry.src, `>${id(entry.dst)} ${ports}`);
    push(entry.dst, `<${id(entry.src)} ${ports}`);
  }
  for (const [src, dst] of report.unspecified) {
    push(src, `>${id(dst)} ?`);
    push(dst, `<${id(src)} ?`);
  }
  const alike = new Map<string, string[]>();
  for (const { name } of classesOf(report)) {
    const namespace = names.namespaceOf(name);
    const key = namespace === null ? OUTSIDE : JSON.stringify([namespace, (parts.get(name) ?? []).sort()]);
    const list = alike.get(key);
    if (list === undefined) alike.set(key, [...members(name)]);
    else list.push(...members(name));
  }
  const titles = new Map<string, string>();
  for (const [key, peers] of alike) {
    const title = key === OUTSIDE ? OUTSIDE : names.set(peers);
    for (const peer of peers) titles.set(peer, title);
  }
  return (peer) => titles.get(peer) ?? OUTSIDE;
}
