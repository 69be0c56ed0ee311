import { type Family, formatRange, type IpRange } from '../base/ip.ts';
import { byText } from '../base/order.ts';
import type { Cluster } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Conn, DiffChange, DiffReport } from '../model/report.ts';
import type { CompiledProgram } from './compiled/compile.ts';
import { NO_TRAFFIC, type TrafficId } from './compiled/traffic.ts';
import type { Group } from './connectivity/groups.ts';
import { ingressController } from './connectivity/ingress-controller.ts';
import { type Pair, type PairTable, pairTable } from './connectivity/pairs.ts';

/** One side of a comparison. Both sides must be compiled over the same traffic table. */
export interface Side {
  readonly program: CompiledProgram;
  readonly cluster: Cluster;
}

/** Peers that are in one group on each side: whatever changes for one of them changes for all. */
interface Cell {
  readonly names: readonly string[];
  readonly range: IpRange | null;
  readonly before: Group | null;
  readonly after: Group | null;
}

const NOTHING: Pair = { all: NO_TRAFFIC, some: NO_TRAFFIC, unknown: NO_TRAFFIC };

/** Which flows a change opens, closes or narrows. A workload that is missing on one side has no connections there. */
export function diff(before: Side, after: Side, diagnostics: readonly Diagnostic[] = []): DiffReport {
  const old = pairTable(before.program, before.cluster);
  const now = pairTable(after.program, after.cluster);
  const cells = commonCells(old, now);
  const notes = presenceNotes(cells);
  const oldCells = cellsByGroup(cells, 'before');
  const nowCells = cellsByGroup(cells, 'after');
  const changes: RawChange[] = [];
  const unspecified: [string, string][] = [];
  const visit = (src: Cell, dst: Cell): void => {
    if (src.range !== null && dst.range !== null) return;
    const a = lookUp(old, src.before, dst.before);
    const b = lookUp(now, src.after, dst.after);
    const open = old.traffic.hasPorts(a.unknown) || old.traffic.hasPorts(b.unknown);
    if (!open && a.all === b.all && a.some === b.some) return;
    for (const source of src.names) {
      for (const target of dst.names) {
        if (source === target) continue;
        if (open) unspecified.push([source, target]);
        if (a.all !== b.all || a.some !== b.some) {
          changes.push({ src: source, dst: target, srcRange: src.range, dstRange: dst.range, before: a, after: b });
        }
      }
    }
  };
  for (const [from, row] of old.pairs) {
    for (const to of row.keys()) {
      for (const src of oldCells.get(from) ?? []) for (const dst of oldCells.get(to) ?? []) visit(src, dst);
    }
  }
  for (const [from, row] of now.pairs) {
    for (const to of row.keys()) {
      for (const src of nowCells.get(from) ?? []) {
        for (const dst of nowCells.get(to) ?? []) {
          // Pairs that had something before were visited above.
          if (!hasPair(old, src.before, dst.before)) visit(src, dst);
        }
      }
    }
  }
  const merged = mergeRanges(changes);
  return {
    kind: 'DiffReport',
    changes: merged
      .filter((change) => change.before.all !== change.after.all)
      .map((change) => present(old, change, notes)),
    partialChanges: merged
      .filter((change) => change.before.all === change.after.all)
      .map((change) => presentPartial(old, change)),
    unspecified: unspecified.sort((a, b) => byText(a.join(), b.join())),
    ingressControllerChanges: controllerChanges(before, after, notes),
    diagnostics,
  };
}

interface RawChange {
  readonly src: string;
  readonly dst: string;
  readonly srcRange: IpRange | null;
  readonly dstRange: IpRange | null;
  readonly before: Pair;
  readonly after: Pair;
}

/** What is said of ports; ICMP has no place in a change. */
function lookUp(table: PairTable, from: Group | null, to: Group | null): Pair {
  const pair = from === null || to === null ? undefined : table.pairs.get(from.index)?.get(to.index);
  if (pair === undefined) return NOTHING;
  const { traffic } = table;
  return {
    all: traffic.portPart(pair.all),
    some: traffic.portPart(pair.some),
    unknown: traffic.portPart(pair.unknown),
  };
}

function hasPair(table: PairTable, from: Group | null, to: Group | null): boolean {
  return from !== null && to !== null && table.pairs.get(from.index)?.has(to.index) === true;
}

function commonCells(old: PairTable, now: PairTable): readonly Cell[] {
  const byKey = new Map<string, { names: string[]; before: Group | null; after: Group | null }>();
  const workloads = [old, now].flatMap((table) =>
    table.groups.filter((group) => group.kind === 'workloads').flatMap((group) => group.members),
  );
  for (const name of new Set(workloads)) {
    const before = groupOf(old, name);
    const after = groupOf(now, name);
    const key = `${before?.index}|${after?.index}`;
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, { names: [name], before, after });
    else known.names.push(name);
  }
  return [...[...byKey.values()].map((cell) => ({ ...cell, range: null })), ...commonRanges(old, now)];
}

function groupOf(table: PairTable, name: string): Group | null {
  const index = table.groupOf.get(name);
  return index === undefined ? null : (table.groups[index] as Group);
}

/** The ranges of both sides, cut at every edge of either. */
function commonRanges(old: PairTable, now: PairTable): Cell[] {
  const out: Cell[] = [];
  for (const family of [4, 6] as const) {
    const before = rangesOf(old, family);
    const after = rangesOf(now, family);
    const edges = new Set<bigint>();
    for (const { range } of [...before, ...after]) {
      edges.add(range.first);
      edges.add(range.last + 1n);
    }
    const sorted = [...edges].sort((a, b) => (a < b ? -1 : 1));
    let i = 0;
    let j = 0;
    for (let at = 0; at + 1 < sorted.length; at++) {
      const first = sorted[at] as bigint;
      while (i < before.length && (before[i] as Ranged).range.last < first) i++;
      while (j < after.length && (after[j] as Ranged).range.last < first) j++;
      const a = before[i];
      const b = after[j];
      const inA = a !== undefined && a.range.first <= first ? a.group : null;
      const inB = b !== undefined && b.range.first <= first ? b.group : null;
      // Where one side has no range, all its addresses are pods or nodes there.
      if (inA === null || inB === null) continue;
      const range: IpRange = { family, first, last: (sorted[at + 1] as bigint) - 1n };
      out.push({ names: [formatRange(range)], range, before: inA, after: inB });
    }
  }
  return out;
}

interface Ranged {
  readonly group: Group;
  readonly range: IpRange;
}

function rangesOf(table: PairTable, family: Family): Ranged[] {
  return table.groups
    .flatMap((group) => (group.range !== null && group.range.family === family ? [{ group, range: group.range }] : []))
    .sort((a, b) => (a.range.first < b.range.first ? -1 : 1));
}

function cellsByGroup(cells: readonly Cell[], side: 'before' | 'after'): ReadonlyMap<number, readonly Cell[]> {
  const out = new Map<number, Cell[]>();
  for (const cell of cells) {
    const group = cell[side];
    if (group === null) continue;
    const list = out.get(group.index);
    if (list === undefined) out.set(group.index, [cell]);
    else list.push(cell);
  }
  return out;
}

/** Neighbouring ranges with the same change become one. */
function mergeRanges(changes: readonly RawChange[]): readonly RawChange[] {
  const order = (a: RawChange, b: RawChange): number =>
    comparePeers(a.src, a.srcRange, b.src, b.srcRange) || comparePeers(a.dst, a.dstRange, b.dst, b.dstRange);
  const out: RawChange[] = [];
  // Changes towards ranges are neighbours in this order; those from ranges have to be brought together first.
  const fromRange = changes.filter((change) => change.srcRange !== null);
  const others = changes.filter((change) => change.srcRange === null).sort(order);
  fromRange.sort((a, b) => byText(a.dst, b.dst) || comparePeers(a.src, a.srcRange, b.src, b.srcRange));
  for (const list of [others, fromRange]) {
    let last: RawChange | undefined;
    for (const change of list) {
      const joined = last === undefined ? null : join(last, change);
      if (joined !== null) out[out.length - 1] = joined;
      else out.push(change);
      last = joined ?? change;
    }
  }
  return out.sort(order);
}

function comparePeers(a: string, aRange: IpRange | null, b: string, bRange: IpRange | null): number {
  if (aRange === null || bRange === null) return aRange === bRange ? byText(a, b) : aRange === null ? -1 : 1;
  return aRange.family - bRange.family || (aRange.first < bRange.first ? -1 : aRange.first > bRange.first ? 1 : 0);
}

function join(a: RawChange, b: RawChange): RawChange | null {
  if (a.before.all !== b.before.all || a.after.all !== b.after.all) return null;
  if (a.before.some !== b.before.some || a.after.some !== b.after.some) return null;
  const src = a.src === b.src ? a.srcRange : adjacent(a.srcRange, b.srcRange);
  const dst = a.dst === b.dst ? a.dstRange : adjacent(a.dstRange, b.dstRange);
  if (src === undefined || dst === undefined || (a.src !== b.src && a.dst !== b.dst)) return null;
  return {
    ...a,
    src: src === null ? a.src : formatRange(src),
    dst: dst === null ? a.dst : formatRange(dst),
    srcRange: src,
    dstRange: dst,
  };
}

function adjacent(a: IpRange | null, b: IpRange | null): IpRange | undefined {
  if (a === null || b === null || a.family !== b.family || a.last + 1n !== b.first) return undefined;
  return { family: a.family, first: a.first, last: b.last };
}

function present(table: PairTable, change: RawChange, notes: ReadonlyMap<string, string>): DiffChange {
  const conn = (traffic: TrafficId): Conn => table.traffic.conn(traffic);
  const note = noteOf(notes, change.src, change.dst);
  const varies = change.before.all !== change.before.some || change.after.all !== change.after.some;
  return {
    type: typeOf(table, change.before.all, change.after.all),
    src: change.src,
    dst: change.dst,
    before: conn(change.before.all),
    after: conn(change.after.all),
    ...(varies
      ? { varies: true as const, someBefore: conn(change.before.some), someAfter: conn(change.after.some) }
      : {}),
    ...(note === null ? {} : { workloads: note }),
  };
}

/** A change that only some pods of the workloads see. */
function presentPartial(table: PairTable, change: RawChange): DiffChange {
  return {
    type: typeOf(table, change.before.some, change.after.some),
    src: change.src,
    dst: change.dst,
    before: table.traffic.conn(change.before.some),
    after: table.traffic.conn(change.after.some),
  };
}

function typeOf(table: PairTable, before: TrafficId, after: TrafficId): DiffChange['type'] {
  if (!table.traffic.hasPorts(before)) return table.traffic.hasPorts(after) ? 'added' : 'changed';
  return table.traffic.hasPorts(after) ? 'changed' : 'removed';
}

/** Says of each workload that exists on one side only which side that is. */
function presenceNotes(cells: readonly Cell[]): ReadonlyMap<string, string> {
  const notes = new Map<string, string>();
  for (const cell of cells) {
    if (cell.range !== null || (cell.before !== null && cell.after !== null)) continue;
    for (const name of cell.names) notes.set(name, `workload ${name} ${cell.before === null ? 'added' : 'removed'}`);
  }
  return notes;
}

function noteOf(notes: ReadonlyMap<string, string>, src: string, dst: string): string | null {
  const found = [notes.get(src), notes.get(dst)].filter((note) => note !== undefined);
  return found.length === 0 ? null : [...new Set(found)].join(', ');
}

const CONTROLLER = '{ingress-controller}';

function controllerChanges(before: Side, after: Side, notes: ReadonlyMap<string, string>): readonly DiffChange[] {
  const old = new Map(ingressController(before.program, before.cluster).map(({ dst, conn }) => [dst, conn]));
  const now = new Map(ingressController(after.program, after.cluster).map(({ dst, conn }) => [dst, conn]));
  const out: DiffChange[] = [];
  for (const dst of [...new Set([...old.keys(), ...now.keys()])].sort(byText)) {
    const a = old.get(dst) ?? {};
    const b = now.get(dst) ?? {};
    if (JSON.stringify(a) === JSON.stringify(b)) continue;
    const note = noteOf(notes, CONTROLLER, dst);
    out.push({
      type: !old.has(dst) ? 'added' : !now.has(dst) ? 'removed' : 'changed',
      src: CONTROLLER,
      dst,
      before: a,
      after: b,
      ...(note === null ? {} : { workloads: note }),
    });
  }
  return out;
}
