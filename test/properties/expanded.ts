/** Reports taken apart into single pairs of workloads and addresses, so that two of them can be compared. */
import { parseIp } from '../../src/base/ip.ts';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import type { TrafficTable } from '../../src/engine/compiled/traffic.ts';
import { connectivity } from '../../src/engine/connectivity/connectivity.ts';
import type { Input } from '../../src/input/input.ts';
import type { Conn, ConnectivityReport } from '../../src/model/report.ts';

/** What is said of a pair: `conn`, what some pods have beyond it, and whether a fact is missing. */
export interface Cell {
  readonly conn: string;
  readonly some: string;
  readonly open: boolean;
}

export type Cells = ReadonlyMap<string, Cell>;

export const NOTHING: Cell = { conn: '{}', some: '{}', open: false };

export interface Point {
  readonly name: string;
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** The addresses that a name such as `10.0.0.0-10.0.0.255` holds; `null` for the name of a workload. */
export function rangeOf(
  name: string,
): { readonly family: 4 | 6; readonly first: bigint; readonly last: bigint } | null {
  const [first, last] = name.split('-').map((part) => parseIp(part));
  if (first === null || first === undefined || last === null || last === undefined) return null;
  return { family: first.family, first: first.value, last: last.value };
}

/** The edges of all ranges that the reports name. */
export function pointsOf(reports: readonly { readonly peers: readonly string[] }[]): readonly Point[] {
  const out = new Map<string, Point>();
  for (const name of reports.flatMap(({ peers }) => peers)) {
    const range = rangeOf(name);
    if (range === null) continue;
    for (const value of [range.first, range.last]) {
      const point = { name: `${range.family}/${value.toString(16)}`, family: range.family, value };
      out.set(point.name, point);
    }
  }
  return [...out.values()];
}

/** A peer as single names: itself, or the points inside of its range. */
export function namesOf(peer: string, points: readonly Point[]): readonly string[] {
  const range = rangeOf(peer);
  if (range === null) return [peer];
  return points
    .filter(({ family, value }) => family === range.family && range.first <= value && value <= range.last)
    .map(({ name }) => name);
}

/** Every pair of which the report says something. */
export function expand(report: ConnectivityReport, points: readonly Point[]): Cells {
  const members = new Map((report.classes ?? []).map((one) => [one.name, one.members]));
  const namesOfPeer = (peer: string): readonly string[] =>
    (members.get(peer) ?? [peer]).flatMap((name) => namesOf(name, points));
  const out = new Map<string, Cell>();
  const visit = (src: string, dst: string, change: (cell: Cell) => Cell): void => {
    for (const from of namesOfPeer(src)) {
      for (const to of namesOfPeer(dst)) {
        const key = `${from} -> ${to}`;
        if (from !== to) out.set(key, change(out.get(key) ?? NOTHING));
      }
    }
  };
  for (const { src, dst, conn, some } of report.allowed) {
    visit(src, dst, (cell) => ({ ...cell, conn: textOf(conn), some: textOf(some ?? conn) }));
  }
  for (const [src, dst] of report.unspecified) visit(src, dst, (cell) => ({ ...cell, open: true }));
  return out;
}

export function textOf(conn: Conn): string {
  return JSON.stringify(conn);
}

export function reportOf(input: Input, pairLimit?: number, traffic?: TrafficTable): ConnectivityReport {
  const program = new CompiledProgram(input.program, input.cluster, traffic === undefined ? {} : { traffic });
  return connectivity(program, input.cluster, pairLimit === undefined ? {} : { pairLimit });
}

/** Where two sets of pairs differ. */
export function unequal(a: Cells, b: Cells): readonly string[] {
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((key) => {
    const [left, right] = [JSON.stringify(a.get(key) ?? NOTHING), JSON.stringify(b.get(key) ?? NOTHING)];
    return left === right ? [] : [`${key}: ${left} / ${right}`];
  });
}

/** Where the connectivity of two inputs differs, at every address at which either changes. */
export function differing(a: Input, b: Input, rename: (name: string) => string = (name) => name): readonly string[] {
  const reports = [reportOf(a), reportOf(b)] as const;
  const points = pointsOf(reports);
  const left = [...expand(reports[0], points)].map(([key, cell]) => {
    const [src = '', dst = ''] = key.split(' -> ');
    return [`${rename(src)} -> ${rename(dst)}`, cell] as const;
  });
  return unequal(new Map(left), expand(reports[1], points));
}
