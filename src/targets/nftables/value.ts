/** The data types of nftables as far as our rules use them: how their constants are read and keys are written. */
import { BITS, type Family, formatAddress, parseIp } from '../../base/ip.ts';

/** Addresses are bigint, everything else fits a number; names of interfaces are text. */
export type Value = number | bigint | string;

export interface DataType {
  /** As nft names it in the declaration of a set. */
  readonly name: string;
  readonly bits: number;
  /** A set of flags: a rule that compares it with a constant asks whether any of these flags is there. */
  readonly flags: boolean;
  /** `null` if the text is no constant of this type. */
  readonly parse: (text: string) => Value | null;
  /** As keys of sets are written. */
  readonly format: (value: Value) => string;
}

const decimal = (value: Value): string => `${value}`;

function integer(text: string): number | null {
  return /^(0x[0-9a-f]{1,8}|[0-9]{1,10})$/.test(text) ? Number(text) : null;
}

function numeric(name: string, bits: number, words: Readonly<Record<string, number>> = {}, flags = false): DataType {
  const known = new Map(Object.entries(words));
  return { name, bits, flags, parse: (text) => known.get(text) ?? integer(text), format: decimal };
}

function address(name: string, family: Family): DataType {
  return {
    name,
    bits: BITS[family],
    flags: false,
    parse: (text) => {
      const ip = parseIp(text);
      // Mapped addresses are read as IPv4; between IPv6 fields they are not.
      if (ip !== null && family === 6 && ip.family === 4) return 0xffff00000000n | ip.value;
      return ip?.family === family ? ip.value : null;
    },
    format: (value) => formatAddress(family, value as bigint),
  };
}

const ICMP = {
  'echo-reply': 0,
  'destination-unreachable': 3,
  'echo-request': 8,
  'time-exceeded': 11,
  'parameter-problem': 12,
};
const ICMPV6 = {
  'destination-unreachable': 1,
  'packet-too-big': 2,
  'time-exceeded': 3,
  'parameter-problem': 4,
  'echo-request': 128,
  'echo-reply': 129,
  'nd-router-solicit': 133,
  'nd-router-advert': 134,
  'nd-neighbor-solicit': 135,
  'nd-neighbor-advert': 136,
  'nd-redirect': 137,
};

export const IPV4: DataType = address('ipv4_addr', 4);
export const IPV6: DataType = address('ipv6_addr', 6);
export const PROTOCOL: DataType = numeric('inet_proto', 8, { icmp: 1, tcp: 6, udp: 17, 'ipv6-icmp': 58, sctp: 132 });
export const PORT: DataType = numeric('inet_service', 16);
export const ICMP_TYPE: DataType = numeric('icmp_type', 8, ICMP);
export const ICMPV6_TYPE: DataType = numeric('icmpv6_type', 8, ICMPV6);
export const NETWORK_PROTOCOL: DataType = numeric('nf_proto', 8, { ipv4: 2, ipv6: 10 });
export const STATE: DataType = numeric(
  'ct_state',
  32,
  { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 },
  true,
);
export const STATUS: DataType = numeric('ct_status', 32, { snat: 16, dnat: 32 }, true);
export const DIRECTION: DataType = numeric('ct_dir', 8, { original: 0, reply: 1 });
export const ADDRESS_TYPE: DataType = numeric('fib_addrtype', 32, { unicast: 1, local: 2 });
export const INTEGER: DataType = numeric('integer', 32);

export const MARK: DataType = {
  ...numeric('mark', 32),
  format: (value) => `0x${value.toString(16).padStart(8, '0')}`,
};

/** `major:minor`, both hexadecimal: how nft writes the priority of a packet. */
export const CLASS: DataType = {
  name: 'classid',
  bits: 32,
  flags: false,
  parse: (text) => {
    if (text === 'none') return 0;
    if (text === 'root') return 0xffffffff;
    const [, major, minor] = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text) ?? [];
    if (major === undefined || minor === undefined) return integer(text);
    return Number.parseInt(major, 16) * 0x10000 + Number.parseInt(minor, 16);
  },
  format: (value) => {
    const number = Number(value);
    if (number === 0) return 'none';
    if (number === 0xffffffff) return 'root';
    return `${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`;
  },
};

/** Of interfaces, by their names (`iif` too, which the kernel keeps as an index). */
export const INTERFACE: DataType = {
  name: 'ifname',
  bits: 128,
  flags: false,
  parse: (text) => text.replaceAll('"', ''),
  format: (value) => `"${value}"`,
};
