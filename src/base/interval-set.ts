/**
 * Sets of integers as sorted, disjoint, non-adjacent closed intervals, flattened: `[first0, last0, first1, last1, …]`.
 * The form is canonical, so two equal sets are equal arrays. All operations are linear in the number of intervals.
 */
export type IntervalSet = readonly number[];

export const EMPTY: IntervalSet = [];

/** The set of all integers from `first` to `last`, both included; empty if `first > last`. */
export function interval(first: number, last: number): IntervalSet {
  return first <= last ? [first, last] : EMPTY;
}

/** The union of any number of closed intervals in any order; inverted ones count as empty. */
export function fromIntervals(intervals: readonly (readonly [number, number])[]): IntervalSet {
  const sorted = intervals.filter(([first, last]) => first <= last).sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [first, last] of sorted) {
    const end = out.at(-1);
    if (end !== undefined && first <= end + 1) {
      if (last > end) out[out.length - 1] = last;
    } else out.push(first, last);
  }
  return out;
}

/** The intervals of a set as pairs. */
export function toIntervals(set: IntervalSet): [number, number][] {
  const out: [number, number][] = [];
  for (let i = 0; i < set.length; i += 2) out.push([set[i] as number, set[i + 1] as number]);
  return out;
}

/** Whether `value` is in the set; logarithmic. */
export function has(set: IntervalSet, value: number): boolean {
  let low = 0;
  let high = set.length >> 1;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (value > (set[2 * mid + 1] as number)) low = mid + 1;
    else high = mid;
  }
  return 2 * low < set.length && value >= (set[2 * low] as number);
}

export function equal(a: IntervalSet, b: IntervalSet): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function union(a: IntervalSet, b: IntervalSet): IntervalSet {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const out: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const takeA = j >= b.length || (i < a.length && (a[i] as number) <= (b[j] as number));
    const first = (takeA ? a[i] : b[j]) as number;
    const last = (takeA ? a[i + 1] : b[j + 1]) as number;
    if (takeA) i += 2;
    else j += 2;
    const end = out.at(-1);
    if (end !== undefined && first <= end + 1) {
      if (last > end) out[out.length - 1] = last;
    } else out.push(first, last);
  }
  return out;
}

export function intersect(a: IntervalSet, b: IntervalSet): IntervalSet {
  const out: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const first = Math.max(a[i] as number, b[j] as number);
    const lastA = a[i + 1] as number;
    const lastB = b[j + 1] as number;
    const last = Math.min(lastA, lastB);
    if (first <= last) out.push(first, last);
    if (lastA < lastB) i += 2;
    else j += 2;
  }
  return out.length === 0 ? EMPTY : out;
}

/** The members of `a` that are not in `b`. */
export function subtract(a: IntervalSet, b: IntervalSet): IntervalSet {
  if (a.length === 0 || b.length === 0) return a;
  const out: number[] = [];
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    let first = a[i] as number;
    const last = a[i + 1] as number;
    while (j < b.length && (b[j + 1] as number) < first) j += 2;
    let k = j;
    while (k < b.length && (b[k] as number) <= last) {
      const hole = b[k] as number;
      if (first < hole) out.push(first, hole - 1);
      first = Math.max(first, (b[k + 1] as number) + 1);
      k += 2;
    }
    if (first <= last) out.push(first, last);
  }
  return out.length === 0 ? EMPTY : out;
}
