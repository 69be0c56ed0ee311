/** How sets of traffic become elements: numbers in `meta priority`, ports in maps. */
import * as intervals from '../../base/interval-set.ts';
import { ALL_TRAFFIC, type TrafficId, type TrafficTable } from '../../engine/compiled/traffic.ts';

/** Bits of `meta priority` that hold the subject; the others hold the peer's identity. */
const SUBJECT_BITS = 12;
export const MAX_SUBJECT: number = (1 << SUBJECT_BITS) - 2;
/** Identities of pods have the top bit. */
export const POD_IDENTITY = 0x80000;
export const MAX_IDENTITY = 0xffffe;

/** `meta priority` as nft writes it, from an identity and a subject. */
export function priorityText(identity: number, subject: number): string {
  const value = ((identity << SUBJECT_BITS) | subject) >>> 0;
  return value === 0 ? 'none' : `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
}

/** The identity and the subject of a priority as nft writes it. */
export function parsePriority(text: string): { readonly identity: number; readonly subject: number } {
  if (text === 'none') return { identity: 0, subject: 0 };
  const [major = '', minor = ''] = text.split(':');
  const value = ((Number.parseInt(major || '0', 16) << 16) | Number.parseInt(minor || '0', 16)) >>> 0;
  return { identity: value >>> SUBJECT_BITS, subject: value & ((1 << SUBJECT_BITS) - 1) };
}

export type AnswerMap = 'exact' | 'range' | 'proto' | 'whole';
export const ANSWER_MAPS: readonly AnswerMap[] = ['exact', 'range', 'proto', 'whole'];

/** One element, but for the priority that its key begins with. */
export interface Answer {
  readonly map: AnswerMap;
  /** What follows the priority in the key: ` . 6 . 80`. */
  readonly rest: string;
  readonly allow: boolean;
}

/** By lane of a traffic set. */
const PROTOCOL = [6, 17, 132, 1, 58];
const FULL: readonly intervals.IntervalSet[] = [
  ...[0, 1, 2].map(() => intervals.interval(1, 65535)),
  ...[3, 4].map(() => intervals.interval(0, 65535)),
];
const ICMP_LANES = [3, 4];
/** Port ranges up to this size become single elements: a hash lookup costs a third of one in an interval set. */
const EXPANDED = 16;

/** Whether protocols that a traffic set does not track are in it: those are met by rules without ports, as ICMP is. */
export function holdsOther(table: TrafficTable, set: TrafficId): boolean {
  if (set === ALL_TRAFFIC) return true;
  const lanes = table.lanes(set);
  return ICMP_LANES.every((lane) => intervals.equal(lanes[lane] ?? intervals.EMPTY, FULL[lane] ?? intervals.EMPTY));
}

/** Elements that say where `set` differs from allowing everything, or nothing. */
export function againstDefault(table: TrafficTable, set: TrafficId, allow: boolean): readonly Answer[] {
  const out: Answer[] = [];
  const lanes = table.lanes(set);
  lanes.forEach((lane, i) => {
    const full = FULL[i] ?? intervals.EMPTY;
    laneAnswers(out, i, allow ? intervals.subtract(full, lane) : lane, !allow);
  });
  return out;
}

/** Elements that let in what `set` has and `base` lacks; `base` must be part of `set`. */
export function beyond(table: TrafficTable, set: TrafficId, base: TrafficId): readonly Answer[] {
  if (set === ALL_TRAFFIC) return [{ map: 'whole', rest: '', allow: true }];
  const out: Answer[] = [];
  const below = table.lanes(base);
  table.lanes(set).forEach((lane, i) => {
    const more = intervals.subtract(lane, below[i] ?? intervals.EMPTY);
    if (more.length > 0) laneAnswers(out, i, intervals.equal(lane, FULL[i] ?? intervals.EMPTY) ? lane : more, true);
  });
  return out;
}

/** Elements that say all of `set`, whatever would hold without them. */
export function whole(table: TrafficTable, set: TrafficId): readonly Answer[] {
  const allow = holdsOther(table, set);
  return [{ map: 'whole', rest: '', allow }, ...againstDefault(table, set, allow)];
}

function laneAnswers(out: Answer[], lane: number, set: intervals.IntervalSet, allow: boolean): void {
  if (set.length === 0) return;
  const protocol = PROTOCOL[lane] ?? 0;
  if (intervals.equal(set, FULL[lane] ?? intervals.EMPTY)) {
    out.push({ map: 'proto', rest: ` . ${protocol}`, allow });
    return;
  }
  // ICMP has no port where nft would look for one; a part of it can be told from the rest by nothing in the table.
  if (ICMP_LANES.includes(lane)) {
    if (!allow) out.push({ map: 'proto', rest: ` . ${protocol}`, allow });
    return;
  }
  for (const [first, last] of intervals.toIntervals(set)) {
    if (last - first < EXPANDED) {
      for (let port = first; port <= last; port++) out.push({ map: 'exact', rest: ` . ${protocol} . ${port}`, allow });
    } else out.push({ map: 'range', rest: ` . ${protocol} . ${first}-${last}`, allow });
  }
}
