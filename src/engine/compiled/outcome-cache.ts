import type { Truth } from '../../base/truth.ts';
import type { TrafficId } from './traffic.ts';

/** What may happen between two classes, both ends together, over each family. */
export interface PairOutcome {
  readonly allow4: TrafficId;
  readonly deny4: TrafficId;
  readonly allow6: TrafficId;
  readonly deny6: TrafficId;
}

const BUCKETS = 1 << 17;
/** Keys of one bucket share a cache line. */
const WAYS = 4;
/** Class numbers are far below this, so that two of them and a relation make an exact double. */
const STRIDE = 0x1000000;
const RELATION: Readonly<Record<Truth, number>> = { no: 0, yes: 1, maybe: 2 };

/**
 * The outcomes of the pairs of classes that were asked about lately; in a full bucket a new pair takes the place of an old
 * one. Flows repeat pairs, and finding an outcome here touches three cache lines where evaluating it touches dozens.
 */
export class OutcomeCache {
  #keys: Float64Array = new Float64Array(0);
  #values: Int32Array = new Int32Array(0);
  #next = 0;

  /** Forgets everything; after policies changed. */
  clear(): void {
    this.#keys.fill(-1);
  }

  /** Position of a pair's outcome, for {@link allow} and {@link deny}, until the next `put`; -1 if it is not known. */
  find(source: number, destination: number, ownNode: Truth): number {
    if (this.#keys.length === 0) return -1;
    const relation = RELATION[ownNode];
    const key = keyOf(source, destination, relation);
    const first = bucketOf(source, destination, relation);
    for (let slot = first; slot < first + WAYS; slot++) if (this.#keys[slot] === key) return slot * 4;
    return -1;
  }

  /** Remembers an outcome; gives its position. */
  put(source: number, destination: number, ownNode: Truth, outcome: PairOutcome): number {
    if (this.#keys.length === 0) {
      this.#keys = new Float64Array(BUCKETS * WAYS).fill(-1);
      this.#values = new Int32Array(BUCKETS * WAYS * 4);
    }
    const relation = RELATION[ownNode];
    const first = bucketOf(source, destination, relation);
    let slot = first;
    while (slot < first + WAYS && this.#keys[slot] !== -1) slot++;
    if (slot === first + WAYS) slot = first + (this.#next++ & (WAYS - 1));
    this.#keys[slot] = keyOf(source, destination, relation);
    this.#values[slot * 4] = outcome.allow4;
    this.#values[slot * 4 + 1] = outcome.deny4;
    this.#values[slot * 4 + 2] = outcome.allow6;
    this.#values[slot * 4 + 3] = outcome.deny6;
    return slot * 4;
  }

  /** The traffic that may be allowed over IPv4 (`family` 0) or IPv6 (2), at a position. */
  allow(position: number, family: 0 | 2): TrafficId {
    return this.#values[position + family] as TrafficId;
  }

  /** The traffic that may be denied. */
  deny(position: number, family: 0 | 2): TrafficId {
    return this.#values[position + family + 1] as TrafficId;
  }
}

function keyOf(source: number, destination: number, relation: number): number {
  return (relation * STRIDE + source) * STRIDE + destination;
}

function bucketOf(source: number, destination: number, relation: number): number {
  let hash = Math.imul(source, 0x9e3779b1) ^ Math.imul(destination + (relation << 22), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash >>> 15) * WAYS;
}
