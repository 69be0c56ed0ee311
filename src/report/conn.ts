import {
  EMPTY,
  fromIntervals,
  type IntervalSet,
  intersect,
  subtract,
  toIntervals,
  union,
} from '../base/interval-set.ts';
import { PORT_PROTOCOLS, type PortProtocol } from '../model/match.ts';
import type { Conn } from '../model/report.ts';
import { visible } from './visible.ts';

const EVERY_PORT: IntervalSet = [1, 65535];

/** The numbered ports of one protocol. */
export function portsOf(conn: Conn, protocol: PortProtocol): IntervalSet {
  if (conn === 'all') return EVERY_PORT;
  const ranges = conn[protocol];
  return ranges === undefined ? EMPTY : intersect(fromIntervals(ranges), EVERY_PORT);
}

/** A port that is known by name only, since there is no pod to look it up on. */
export interface NamedPort {
  readonly protocol: PortProtocol | null;
  readonly port: string;
}

export function namedPortsOf(conn: Conn): readonly NamedPort[] {
  return conn === 'all' ? [] : (conn.named ?? []);
}

/** Whether nothing is allowed. */
export function isNone(conn: Conn): boolean {
  return (
    conn !== 'all' &&
    namedPortsOf(conn).length === 0 &&
    PORT_PROTOCOLS.every((protocol) => portsOf(conn, protocol).length === 0)
  );
}

/** Whether every port of every protocol is allowed, however it is written. */
export function isAll(conn: Conn): boolean {
  return conn === 'all' || PORT_PROTOCOLS.every((protocol) => isFull(portsOf(conn, protocol)));
}

function isFull(ports: IntervalSet): boolean {
  return ports.length === 2 && ports[0] === 1 && ports[1] === 65535;
}

function combine(
  a: Conn,
  b: Conn,
  ports: (a: IntervalSet, b: IntervalSet) => IntervalSet,
  named: readonly NamedPort[],
): Conn {
  const out: {
    TCP?: [number, number][];
    UDP?: [number, number][];
    SCTP?: [number, number][];
    named?: readonly NamedPort[];
  } = {};
  let full = true;
  for (const protocol of PORT_PROTOCOLS) {
    const set = ports(portsOf(a, protocol), portsOf(b, protocol));
    full &&= isFull(set);
    if (set.length > 0) out[protocol] = toIntervals(set);
  }
  if (full) return 'all';
  if (named.length > 0) out.named = named;
  return out;
}

function sameName(a: NamedPort, b: NamedPort): boolean {
  return a.port === b.port && a.protocol === b.protocol;
}

/** What `a` has and `b` has not. Named ports are compared by name; a conn of all ports has every name. */
export function minus(a: Conn, b: Conn): Conn {
  const other = namedPortsOf(b);
  const named = isAll(b) ? [] : namedPortsOf(a).filter((name) => !other.some((one) => sameName(one, name)));
  return combine(a, b, subtract, named);
}

/** What at least one of the two has. */
export function either(a: Conn, b: Conn): Conn {
  const names = namedPortsOf(a);
  return combine(a, b, union, [
    ...names,
    ...namedPortsOf(b).filter((name) => !names.some((one) => sameName(one, name))),
  ]);
}

/** How a change of a pair is called. */
export type ChangeWord = 'opened' | 'closed' | 'widened' | 'narrowed' | 'changed';

/** `opened` from nothing, `closed` to nothing, `widened` and `narrowed` by inclusion, else `changed`. */
export function changeWord(before: Conn, after: Conn): ChangeWord {
  if (isNone(before)) return 'opened';
  if (isNone(after)) return 'closed';
  if (isNone(minus(before, after))) return 'widened';
  if (isNone(minus(after, before))) return 'narrowed';
  return 'changed';
}

function formatPorts(ports: IntervalSet): string {
  const parts: string[] = [];
  for (let i = 0; i < ports.length; i += 2) {
    const first = ports[i] as number;
    const last = ports[i + 1] as number;
    parts.push(first === last ? `${first}` : last === first + 1 ? `${first},${last}` : `${first}-${last}`);
  }
  return parts.join(',');
}

function plainText(conn: Conn): string {
  const parts: string[] = [];
  const named = namedPortsOf(conn);
  for (const protocol of PORT_PROTOCOLS) {
    const ports = portsOf(conn, protocol);
    const names = named.filter((name) => name.protocol === protocol).map((name) => visible(name.port));
    const list = isFull(ports) ? ['all'] : [...(ports.length > 0 ? [formatPorts(ports)] : []), ...names];
    if (list.length > 0) parts.push(`${protocol} ${list.join(',')}`);
  }
  const any = named.filter((name) => name.protocol === null).map((name) => visible(name.port));
  if (any.length > 0) parts.push(`named ${any.join(',')}`);
  return parts.join(' ');
}

/** `all`, `none`, `TCP 80,443 UDP 53`, or `all but TCP 25` where that is shorter. */
export function formatConn(conn: Conn): string {
  if (isAll(conn)) return 'all';
  if (isNone(conn)) return 'none';
  const text = plainText(conn);
  if (namedPortsOf(conn).length > 0) return text;
  const rest = `all but ${plainText(minus('all', conn))}`;
  return rest.length < text.length ? rest : text;
}

/** {@link formatConn}, once per value: reports share conn values between millions of pairs. */
export function connFormatter(): (conn: Conn) => string {
  const known = new Map<Conn, string>();
  return (conn) => {
    let text = known.get(conn);
    if (text === undefined) {
      text = formatConn(conn);
      known.set(conn, text);
    }
    return text;
  };
}

export const SOME_PODS = 'some pods: ';

/** The conn of an entry in words, with what only some of a workload's pods have. */
export function entryFormatter(): (entry: { readonly conn: Conn; readonly some?: Conn }) => string {
  const format = connFormatter();
  return (entry) =>
    entry.some === undefined ? format(entry.conn) : `${format(entry.conn)} (${SOME_PODS}${format(entry.some)})`;
}
