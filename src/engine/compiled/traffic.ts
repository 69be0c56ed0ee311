import * as intervals from '../../base/interval-set.ts';
import type { Protocol } from '../../model/match.ts';
import type { Conn } from '../../model/report.ts';

/** A set of (protocol, port) pairs, as its number in a {@link TrafficTable}; equal sets have equal numbers. */
export type TrafficId = number;

export const NO_TRAFFIC: TrafficId = 0;
export const ALL_TRAFFIC: TrafficId = 1;

/** One lane of intervals per protocol. ICMP lanes hold `type << 8 | code`. */
type Lanes = readonly intervals.IntervalSet[];

export const LANE: Readonly<Record<Protocol, number>> = { TCP: 0, UDP: 1, SCTP: 2, ICMP: 3, ICMPv6: 4 };
const LANES = 5;
const PORTS = intervals.interval(1, 65535);
const ICMP = intervals.interval(0, 65535);
const NAMES = ['TCP', 'UDP', 'SCTP'] as const;

/** Interned traffic sets with memoised operations: the sets of a program are few, the questions about them many. */
export class TrafficTable {
  readonly #sets: Lanes[] = [];
  readonly #ids = new Map<string, TrafficId>();
  readonly #memo = [new Map<number, TrafficId>(), new Map<number, TrafficId>(), new Map<number, TrafficId>()] as const;
  readonly #conns: Conn[] = [];
  readonly #portMemo = new Map<number, TrafficId>();
  readonly #allPorts: TrafficId;

  constructor() {
    this.intern(new Array<intervals.IntervalSet>(LANES).fill(intervals.EMPTY));
    this.intern([PORTS, PORTS, PORTS, ICMP, ICMP]);
    this.#allPorts = this.intern([PORTS, PORTS, PORTS, intervals.EMPTY, intervals.EMPTY]);
  }

  /** The part of a set that has ports: sets that differ only in ICMP have the same one. */
  portPart(id: TrafficId): TrafficId {
    return this.intersect(id, this.#allPorts);
  }

  get size(): number {
    return this.#sets.length;
  }

  intern(lanes: Lanes): TrafficId {
    const key = lanes.map((lane) => lane.join(',')).join(';');
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#sets.push(lanes);
    this.#ids.set(key, this.#sets.length - 1);
    return this.#sets.length - 1;
  }

  /** All ports from `first` to `last` of one protocol; empty if inverted. */
  ports(protocol: Protocol, first: number, last: number): TrafficId {
    const key = (LANE[protocol] * 0x10000 + first) * 0x10000 + last;
    const known = this.#portMemo.get(key);
    if (known !== undefined) return known;
    const lanes = new Array<intervals.IntervalSet>(LANES).fill(intervals.EMPTY);
    lanes[LANE[protocol]] = intervals.interval(first, last);
    const id = this.intern(lanes);
    this.#portMemo.set(key, id);
    return id;
  }

  union(a: TrafficId, b: TrafficId): TrafficId {
    if (a === b || b === NO_TRAFFIC || a === ALL_TRAFFIC) return a;
    if (a === NO_TRAFFIC || b === ALL_TRAFFIC) return b;
    return this.#apply(0, Math.min(a, b), Math.max(a, b), intervals.union);
  }

  intersect(a: TrafficId, b: TrafficId): TrafficId {
    if (a === b || a === NO_TRAFFIC || b === ALL_TRAFFIC) return a;
    if (b === NO_TRAFFIC || a === ALL_TRAFFIC) return b;
    return this.#apply(1, Math.min(a, b), Math.max(a, b), intervals.intersect);
  }

  subtract(a: TrafficId, b: TrafficId): TrafficId {
    if (a === NO_TRAFFIC || b === NO_TRAFFIC) return a;
    if (a === b || b === ALL_TRAFFIC) return NO_TRAFFIC;
    return this.#apply(2, a, b, intervals.subtract);
  }

  contains(id: TrafficId, lane: number, value: number): boolean {
    if (id === ALL_TRAFFIC) return true;
    if (id === NO_TRAFFIC) return false;
    return intervals.has((this.#sets[id] as Lanes)[lane] as intervals.IntervalSet, value);
  }

  lanes(id: TrafficId): Lanes {
    return this.#sets[id] as Lanes;
  }

  /** The ports of a set as reports show them; the same object for sets with the same ports. */
  conn(set: TrafficId): Conn {
    const id = this.portPart(set);
    const known = this.#conns[id];
    if (known !== undefined) return known;
    const lanes = this.#sets[id] as Lanes;
    const out: Record<string, [number, number][]> = {};
    for (const [lane, name] of NAMES.entries()) {
      const set = lanes[lane] as intervals.IntervalSet;
      if (set.length > 0) out[name] = intervals.toIntervals(set);
    }
    const conn: Conn = id === this.#allPorts ? 'all' : out;
    this.#conns[id] = conn;
    return conn;
  }

  /** Whether the set has any port of TCP, UDP or SCTP. */
  hasPorts(id: TrafficId): boolean {
    return this.portPart(id) !== NO_TRAFFIC;
  }

  #apply(
    operation: 0 | 1 | 2,
    a: TrafficId,
    b: TrafficId,
    apply: (a: intervals.IntervalSet, b: intervals.IntervalSet) => intervals.IntervalSet,
  ): TrafficId {
    const memo = this.#memo[operation];
    const key = a * 0x4000000 + b;
    const known = memo.get(key);
    if (known !== undefined) return known;
    const left = this.#sets[a] as Lanes;
    const right = this.#sets[b] as Lanes;
    const id = this.intern(left.map((lane, i) => apply(lane, right[i] as intervals.IntervalSet)));
    memo.set(key, id);
    return id;
  }
}
