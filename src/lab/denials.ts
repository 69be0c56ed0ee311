import { formatAddress } from '../base/ip.ts';

/** A packet that a node's policies have denied, as the kernel logged it. */
export interface Denial {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly direction: 'ingress' | 'egress';
  /** `TCP`, `UDP`, `SCTP`, `ICMP`, `ICMPv6`, or the number of another. */
  readonly protocol: string;
  readonly source: string;
  readonly destination: string;
  /** Of the source and of the destination; `null` where the protocol has none, or the packet is cut before them. */
  readonly ports: readonly [number, number] | null;
  readonly icmpType: number | null;
}

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** The link type of packets of NFLOG in capture files. */
const NFLOG = 239;
const LONGEST_RECORD = 262_144;
const PAYLOAD = 9;
const PREFIX = 10;
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [6, 'TCP'],
  [17, 'UDP'],
  [132, 'SCTP'],
  [1, 'ICMP'],
  [58, 'ICMPv6'],
]);

/** Reads what `tcpdump -i nflog:GROUP -w -` writes, in whatever pieces it comes; packets that are no denials are left out. */
export function denialReader(onDenial: (denial: Denial) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let begun = false;
  let broken = false;
  return (chunk) => {
    if (broken) return;
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (!begun) {
      if (rest.length < FILE_HEADER) return;
      // Written by this machine, hence in its order of bytes.
      broken = rest.readUInt32LE(0) !== 0xa1b2c3d4 || rest.readUInt32LE(20) !== NFLOG;
      rest = rest.subarray(FILE_HEADER);
      begun = true;
    }
    while (!broken && rest.length >= RECORD_HEADER) {
      const size = rest.readUInt32LE(8);
      broken = size > LONGEST_RECORD;
      if (broken || rest.length < RECORD_HEADER + size) return;
      const at = rest.readUInt32LE(0) * 1000 + Math.floor(rest.readUInt32LE(4) / 1000);
      const denial = denialOf(rest.subarray(RECORD_HEADER, RECORD_HEADER + size), at);
      if (denial !== null) onDenial(denial);
      rest = rest.subarray(RECORD_HEADER + size);
    }
  };
}

function denialOf(record: Buffer, at: number): Denial | null {
  let payload: Buffer | null = null;
  let prefix = '';
  for (let offset = 4; offset + 4 <= record.length; ) {
    const length = record.readUInt16LE(offset);
    if (length < 4 || offset + length > record.length) return null;
    const value = record.subarray(offset + 4, offset + length);
    const type = record.readUInt16LE(offset + 2);
    if (type === PAYLOAD) payload = value;
    if (type === PREFIX) prefix = value.toString('latin1').replace(/\0.*$/s, '');
    offset += (length + 3) & ~3;
  }
  const found = /^D\|([ie])\|/.exec(prefix);
  const packet = payload === null ? null : packetOf(payload);
  if (found === null || packet === null) return null;
  return { at, direction: found[1] === 'i' ? 'ingress' : 'egress', ...packet };
}

function packetOf(packet: Buffer): Omit<Denial, 'at' | 'direction'> | null {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= 20) {
    const source = formatAddress(4, BigInt(packet.readUInt32BE(12)));
    const destination = formatAddress(4, BigInt(packet.readUInt32BE(16)));
    // Only the first fragment has ports.
    const isFirst = (packet.readUInt16BE(6) & 0x1fff) === 0;
    const header = ((packet[0] ?? 0) & 15) * 4;
    return { source, destination, ...transport(packet[9] ?? 0, isFirst ? packet.subarray(header) : Buffer.alloc(0)) };
  }
  if (version === 6 && packet.length >= 40) {
    const address = (offset: number): string =>
      formatAddress(6, BigInt(`0x${packet.toString('hex', offset, offset + 16)}`));
    return { source: address(8), destination: address(24), ...transport(packet[6] ?? 0, packet.subarray(40)) };
  }
  return null;
}

function transport(number: number, data: Buffer): Pick<Denial, 'protocol' | 'ports' | 'icmpType'> {
  const protocol = PROTOCOLS.get(number) ?? String(number);
  const isIcmp = number === 1 || number === 58;
  const hasPorts = number === 6 || number === 17 || number === 132;
  return {
    protocol,
    ports: hasPorts && data.length >= 4 ? [data.readUInt16BE(0), data.readUInt16BE(2)] : null,
    icmpType: isIcmp && data.length >= 1 ? (data[0] ?? null) : null,
  };
}
