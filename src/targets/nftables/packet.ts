import type { Ip } from '../../base/ip.ts';

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** What connection tracking says of a packet. */
export type ConnectionState = 'new' | 'established' | 'related' | 'invalid' | 'untracked';

/** A packet at a hook, with everything that rules can ask of it. */
export interface Packet {
  readonly hook: Hook;
  readonly source: Ip;
  /** After translation: what the packet says where the hook sees it. */
  readonly destination: Ip;
  /** Number of the transport protocol: 6, 17, 132, 1, 58. */
  readonly protocol: number;
  /**
   * The first two 16-bit words of the transport header: ports, or what an ICMP message (type and code, checksum) has in their place.
   * `null` where the packet has no such header (later fragments).
   */
  readonly words: readonly [number, number] | null;
  readonly state: ConnectionState;
  readonly direction: 'original' | 'reply';
  readonly connectionMark: number;
  /** Bits of `ct status`, e.g. 0x20 where the destination was translated. */
  readonly connectionStatus: number;
  readonly mark: number;
  /** What an earlier hook or the sender left in the packet's priority. */
  readonly priority: number;
  readonly inputInterface: string | null;
  readonly outputInterface: string | null;
  /** What the node's routing says of both addresses (`fib … type`): whether they are its own. */
  readonly local: { readonly source: boolean; readonly destination: boolean };
}

/** Whatever a packet of a test or of a question says beside the first packet of an ordinary connection. */
export type PacketDetails = Partial<Omit<Packet, 'source' | 'destination' | 'protocol'>>;

/** The first packet of a connection to a port (TCP, UDP, SCTP), seen at the forward hook unless `details` say otherwise. */
export function firstPacket(
  source: Ip,
  destination: Ip,
  protocol: number,
  port: number,
  details: PacketDetails = {},
): Packet {
  return { ...ORDINARY, words: [40_000, port], ...details, source, destination, protocol };
}

/** An ICMP or ICMPv6 message (by the addresses' family), seen at the forward hook unless `details` say otherwise. */
export function icmpPacket(source: Ip, destination: Ip, type: number, details: PacketDetails = {}): Packet {
  // Where ports would be, a message has its checksum: a value that no rule may be fooled by.
  const words: readonly [number, number] = [type * 256, ICMP_CHECKSUM];
  return { ...ORDINARY, words, ...details, source, destination, protocol: source.family === 4 ? 1 : 58 };
}

const ICMP_CHECKSUM = 80;

const ORDINARY = {
  hook: 'forward',
  state: 'new',
  direction: 'original',
  connectionMark: 0,
  connectionStatus: 0,
  mark: 0,
  priority: 0,
  inputInterface: null,
  outputInterface: null,
  local: { source: false, destination: false },
} as const satisfies PacketDetails;
