import { formatAddress } from '../../base/ip.ts';
import { goQuote } from './go-text.ts';

const MAPPED = 0xffffn << 32n;
const ALL = (1n << 128n) - 1n;

/** A CIDR as Go holds one: an address of 16 bytes, and a mask that counts either 32 or 128 bits. */
export interface GoCidr {
  /** 128 bits; IPv4 addresses are the mapped ones, as in Go. */
  readonly address: bigint;
  /** Whether the text was in IPv4 notation: only then does the mask count 32 bits. */
  readonly dotted: boolean;
  readonly prefix: number;
}

/** Reads a CIDR as the server does for fields of old (S1.4): leading zeros and IPv4-mapped addresses pass. */
export function parseSloppy(text: string): GoCidr | null {
  const slash = text.indexOf('/');
  if (slash < 0) return null;
  const address = text.slice(0, slash);
  const length = text.slice(slash + 1);
  if (!/^[0-9]+$/.test(length)) return null;
  const prefix = Number(length);
  const dotted = parseIpv4(address, false);
  if (dotted !== null) return prefix <= 32 ? { address: MAPPED | dotted, dotted: true, prefix } : null;
  const colons = parseIpv6(address, false);
  return colons !== null && prefix <= 128 ? { address: colons, dotted: false, prefix } : null;
}

/** Reads a CIDR as `netip.ParsePrefix` does: no leading zeros; host bits and IPv4-mapped addresses pass. */
export function parseStrict(text: string): GoCidr | null {
  const slash = text.lastIndexOf('/');
  if (slash < 0) return null;
  const address = text.slice(0, slash);
  const length = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]*)$/.test(length)) return null;
  const prefix = Number(length);
  if (!address.includes(':')) {
    const dotted = parseIpv4(address, true);
    return dotted !== null && prefix <= 32 ? { address: MAPPED | dotted, dotted: true, prefix } : null;
  }
  const colons = parseIpv6(address, true);
  return colons !== null && prefix <= 128 ? { address: colons, dotted: false, prefix } : null;
}

/** What CEL's `isCIDR` says. */
export function isCidr(text: string): boolean {
  const cidr = parseStrict(text);
  return cidr !== null && !(isMapped(cidr.address) && !cidr.dotted);
}

/** Whether `inner` lies in `outer` and is smaller, by the server's measure (S2.2). */
export function strictSubset(inner: GoCidr, outer: GoCidr): boolean {
  const block = network(outer);
  const first = first4or6(masked(inner));
  if (first.bits !== block.bits) return false;
  const mask = maskOf(block.prefix, block.bits);
  return (first.value & mask) === (block.value & mask) && outer.prefix < inner.prefix;
}

/** The warnings of the server about a CIDR that it accepts, without the field path. */
export function cidrWarnings(text: string): readonly { readonly ambiguous: boolean; readonly message: string }[] {
  const cidr = parseSloppy(text);
  if (cidr === null) return [];
  const warnings: { ambiguous: boolean; message: string }[] = [];
  const canonical = formatNetwork(cidr);
  const quoted = goQuote(text);
  if (masked(cidr) !== cidr.address) {
    const single = `${formatIp(cidr.address)}/${cidr.dotted ? 32 : 128}`;
    warnings.push({
      ambiguous: true,
      message: `CIDR value ${quoted} is ambiguous in this context (should be "${canonical}" or "${single}"?)`,
    });
  }
  const strict = parseStrict(text);
  if (strict === null || (isMapped(strict.address) && !strict.dotted)) {
    warnings.push({
      ambiguous: false,
      message: `non-standard CIDR value ${quoted} will be considered invalid in a future Kubernetes release: use "${canonical}"`,
    });
  } else if (warnings.length === 0 && !strict.dotted) {
    const rfc5952 = `${formatAddress(6, strict.address)}/${strict.prefix}`;
    if (rfc5952 !== text) {
      const message = `IPv6 CIDR value ${quoted} should be in RFC 5952 canonical format ("${rfc5952}")`;
      warnings.push({ ambiguous: false, message });
    }
  }
  return warnings;
}

function isMapped(address: bigint): boolean {
  return address >> 32n === 0xffffn;
}

function maskOf(prefix: number, bits: number): bigint {
  const width = (1n << BigInt(bits)) - 1n;
  return (width >> BigInt(bits - prefix)) << BigInt(bits - prefix);
}

function masked(cidr: GoCidr): bigint {
  return cidr.address & (ALL ^ ((1n << BigInt((cidr.dotted ? 32 : 128) - cidr.prefix)) - 1n));
}

function first4or6(address: bigint): { readonly value: bigint; readonly bits: 32 | 128 } {
  return isMapped(address) ? { value: address & 0xffffffffn, bits: 32 } : { value: address, bits: 128 };
}

// Go takes a mapped network for an IPv4 one and drops the first 96 bits of its mask.
function network(cidr: GoCidr): { readonly value: bigint; readonly bits: 32 | 128; readonly prefix: number } {
  const first = first4or6(masked(cidr));
  return { ...first, prefix: first.bits === 32 && !cidr.dotted ? Math.max(0, cidr.prefix - 96) : cidr.prefix };
}

function formatNetwork(cidr: GoCidr): string {
  const block = network(cidr);
  return `${formatAddress(block.bits === 32 ? 4 : 6, block.value)}/${block.prefix}`;
}

function formatIp(address: bigint): string {
  const { value, bits } = first4or6(address);
  return formatAddress(bits === 32 ? 4 : 6, value);
}

function parseIpv4(text: string, strict: boolean): bigint | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let value = 0n;
  for (const part of parts) {
    if (!(strict ? /^(0|[1-9][0-9]{0,2})$/ : /^[0-9]+$/).test(part) || Number(part) > 255) return null;
    value = (value << 8n) | BigInt(Number(part));
  }
  return value;
}

function parseIpv6(text: string, strict: boolean): bigint | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const groups: bigint[][] = [];
  for (const [h, half] of halves.entries()) {
    const parsed: bigint[] = [];
    if (half !== '') {
      const parts = half.split(':');
      for (const [p, part] of parts.entries()) {
        if (part.includes('.')) {
          // An embedded IPv4 address stands at the very end.
          const dotted = p === parts.length - 1 && h === halves.length - 1 ? parseIpv4(part, strict) : null;
          if (dotted === null) return null;
          parsed.push(dotted >> 16n, dotted & 0xffffn);
        } else {
          if (!(strict ? /^[0-9a-fA-F]{1,4}$/ : /^0*[0-9a-fA-F]{1,4}$/).test(part)) return null;
          parsed.push(BigInt(`0x${part}`));
        }
      }
    }
    groups.push(parsed);
  }
  const head = groups[0] ?? [];
  const tail = groups[1];
  const count = head.length + (tail?.length ?? 0);
  if (tail === undefined ? count !== 8 : count > 7) return null;
  const all = tail === undefined ? head : [...head, ...new Array<bigint>(8 - count).fill(0n), ...tail];
  return all.reduce((value, group) => (value << 16n) | group, 0n);
}
