/** An address of one family. `value` is the address as an unsigned integer of 32 or 128 bits. */
export interface Ip {
  readonly family: Family;
  readonly value: bigint;
}

export type Family = 4 | 6;

/** A block of addresses: all that share the first `prefix` bits of `first`. Host bits of `first` are zero. */
export interface Cidr {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
  readonly prefix: number;
}

/** A closed range of addresses of one family. */
export interface IpRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

export const FAMILIES: readonly Family[] = [4, 6];

export const BITS: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

/** The highest address of a family. */
export const LAST: Readonly<Record<Family, bigint>> = { 4: 0xffffffffn, 6: (1n << 128n) - 1n };

/**
 * Reads an address as Go's sloppy parser does (S1.4): leading zeros of IPv4 octets are decimal, an IPv4-mapped IPv6
 * address is the IPv4 address. Returns `null` for anything else (zones and ports included).
 */
export function parseIp(text: string): Ip | null {
  if (!text.includes(':')) return parse4(text);
  const value = parse6(text);
  if (value === null) return null;
  if (value >> 32n === 0xffffn) return { family: 4, value: value & 0xffffffffn };
  return { family: 6, value };
}

function parse4(text: string): Ip | null {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (octet < 0 || ++dots > 3) return null;
      value = value * 256 + octet;
      octet = -1;
    } else if (code >= 48 && code <= 57) {
      octet = (octet < 0 ? 0 : octet * 10) + code - 48;
      if (octet > 255) return null;
    } else return null;
  }
  if (dots !== 3 || octet < 0) return null;
  return { family: 4, value: BigInt(value * 256 + octet) };
}

/** The eight groups of an address, filled from the left; those after `::` are moved to the right at the end. */
function parse6(text: string): bigint | null {
  const groups = [0, 0, 0, 0, 0, 0, 0, 0];
  let count = 0;
  let gap = -1;
  let digits = 0;
  let value = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 58) {
      const second = i > 0 && text.charCodeAt(i - 1) === 58;
      if (digits > 0) {
        if (count === 8 || i === text.length - 1) return null;
        groups[count++] = value;
      } else if (second ? gap >= 0 : i > 0 || text.charCodeAt(1) !== 58) return null;
      if (second) gap = count;
      digits = 0;
      value = 0;
      start = i + 1;
    } else if (code === 46) {
      const last = parse4(text.slice(start));
      if (last === null || count > 6) return null;
      groups[count++] = Number(last.value >> 16n);
      groups[count++] = Number(last.value & 0xffffn);
      digits = 0;
      start = text.length;
      break;
    } else {
      const digit = hexDigit(code);
      if (digit < 0 || ++digits > 4) return null;
      value = value * 16 + digit;
    }
  }
  if (digits > 0) {
    if (count === 8) return null;
    groups[count++] = value;
  }
  if (gap < 0 ? count !== 8 : count > 7) return null;
  if (gap >= 0) {
    const moved = groups.splice(gap, count - gap);
    groups.push(...moved);
  }
  const half = (from: number): bigint =>
    (BigInt((groups[from] as number) * 65536 + (groups[from + 1] as number)) << 32n) |
    BigInt((groups[from + 2] as number) * 65536 + (groups[from + 3] as number));
  return (half(0) << 64n) | half(4);
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Reads `address/prefix`; host bits are dropped (S1.4). A bare address is not a CIDR. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  if (slash < 0) return null;
  const length = text.slice(slash + 1);
  if (!/^[0-9]{1,3}$/.test(length)) return null;
  const address = text.slice(0, slash);
  const ip = parseIp(address);
  if (ip === null) return null;
  let prefix = Number(length);
  // A mapped block such as ::ffff:10.0.0.0/104 is the IPv4 block; one that reaches beyond the mapped range stays IPv6.
  if (ip.family === 4 && address.includes(':')) {
    if (prefix > 128) return null;
    if (prefix < 96) return cidrOf(6, 0xffff00000000n | ip.value, prefix);
    prefix -= 96;
  }
  return prefix <= BITS[ip.family] ? cidrOf(ip.family, ip.value, prefix) : null;
}

/** The block of length `prefix` that holds `value`. */
export function cidrOf(family: Family, value: bigint, prefix: number): Cidr {
  const host = BigInt(BITS[family] - prefix);
  const first = (value >> host) << host;
  return { family, first, last: first + (1n << host) - 1n, prefix };
}

/** Whether the block (or range) holds the address; never across families. */
export function covers(block: IpRange, ip: Ip): boolean {
  return block.family === ip.family && block.first <= ip.value && ip.value <= block.last;
}

export function sameIp(a: Ip, b: Ip): boolean {
  return a.family === b.family && a.value === b.value;
}

/** The canonical text of an address: dotted quad, or RFC 5952. */
export function formatIp(ip: Ip): string {
  return formatAddress(ip.family, ip.value);
}

export function formatAddress(family: Family, value: bigint): string {
  if (family === 4) {
    const n = Number(value);
    return `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
  }
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === 0) j++;
    if (j - i > bestLength) {
      best = i;
      bestLength = j - i;
    }
    if (j > i) i = j;
  }
  const hex = (part: readonly number[]): string => part.map((g) => g.toString(16)).join(':');
  if (best < 0) return hex(groups);
  return `${hex(groups.slice(0, best))}::${hex(groups.slice(best + bestLength))}`;
}

/** `10.0.0.0/8`. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.family, cidr.first)}/${cidr.prefix}`;
}

/** `first-last`, the form of address ranges in reports. */
export function formatRange(range: IpRange): string {
  return `${formatAddress(range.family, range.first)}-${formatAddress(range.family, range.last)}`;
}
