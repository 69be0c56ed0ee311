import { BITS, type Family, formatAddress, type IpRange, LAST } from '../base/ip.ts';

/** More blocks than this are harder to read than the bounds of the range. */
export const LONGEST_CIDR_LIST = 6;

function byStart(a: IpRange, b: IpRange): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.first < b.first ? -1 : a.first > b.first ? 1 : 0;
}

/** The same addresses as sorted, disjoint ranges that do not touch. */
export function mergeRanges(ranges: readonly IpRange[]): readonly IpRange[] {
  const out: { family: Family; first: bigint; last: bigint }[] = [];
  for (const range of [...ranges].sort(byStart)) {
    const end = out.at(-1);
    if (end !== undefined && end.family === range.family && range.first <= end.last + 1n) {
      if (range.last > end.last) end.last = range.last;
    } else out.push({ family: range.family, first: range.first, last: range.last });
  }
  return out;
}

/** The addresses of `a` that are not in `b`; both merged. */
export function subtractRanges(a: readonly IpRange[], b: readonly IpRange[]): readonly IpRange[] {
  const out: IpRange[] = [];
  for (const range of a) {
    let first = range.first;
    for (const hole of b) {
      if (hole.family !== range.family || hole.last < first || hole.first > range.last) continue;
      if (hole.first > first) out.push({ family: range.family, first, last: hole.first - 1n });
      first = hole.last + 1n;
    }
    if (first <= range.last) out.push({ family: range.family, first, last: range.last });
  }
  return out;
}

/** The fewest blocks that together are the range, in order. */
export function cidrsOf(range: IpRange): readonly string[] {
  const out: string[] = [];
  const bits = BITS[range.family];
  let first = range.first;
  while (first <= range.last) {
    let host = 0;
    while (host < bits) {
      const size = 1n << BigInt(host + 1);
      if (first % size !== 0n || first + size - 1n > range.last) break;
      host++;
    }
    out.push(`${formatAddress(range.family, first)}/${bits - host}`);
    first += 1n << BigInt(host);
  }
  return out;
}

/** Merged ranges as blocks; as `first-last` where that takes more than `limit` blocks; single addresses without prefix. */
export function formatRanges(ranges: readonly IpRange[], limit: number): string {
  return ranges
    .map((range) => {
      if (range.first === range.last) return formatAddress(range.family, range.first);
      if (range.first === 0n && range.last === LAST[range.family]) return range.family === 4 ? '0.0.0.0/0' : '::/0';
      const cidrs = cidrsOf(range);
      return cidrs.length <= limit
        ? cidrs.join(', ')
        : `${formatAddress(range.family, range.first)}-${formatAddress(range.family, range.last)}`;
    })
    .join(', ');
}
