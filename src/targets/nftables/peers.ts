import { type Family, formatAddress, type Ip } from '../../base/ip.ts';

/** A class of endpoints seen over one address family: what a subject says one thing about. */
export type Unit = number;

export function unitOf(classId: number, family: Family): Unit {
  return classId * 2 + (family === 6 ? 1 : 0);
}

export function classOfUnit(unit: Unit): number {
  return unit >>> 1;
}

export function familyOfUnit(unit: Unit): Family {
  return (unit & 1) === 1 ? 6 : 4;
}

/** As nft lists an address. */
export function addressText(ip: Ip): string {
  return formatAddress(ip.family, ip.value);
}

/** As nft lists a range: one address for a range of one. */
export function rangeKey(family: Family, first: bigint, last: bigint): string {
  const from = formatAddress(family, first);
  return first === last ? from : `${from}-${formatAddress(family, last)}`;
}

/** A stretch of an address space that policies do not tell apart. */
export interface OutsideRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
  readonly unit: Unit;
}

/** The addresses of pods and nodes by what is said about them. A unit is live while it has one, or ranges outside. */
export class Peers {
  readonly #units = new Map<string, Unit>();
  /** One address, or several. */
  readonly #addresses = new Map<Unit, string | Set<string>>();
  /** Units of ranges outside of the cluster. */
  outside: ReadonlySet<Unit> = new Set();
  /** Units that may have died since they were last looked at. */
  readonly #dying = new Set<Unit>();

  setOutside(units: readonly Unit[]): void {
    for (const unit of this.outside) this.#dying.add(unit);
    this.outside = new Set(units);
  }

  /** Units that have died since this was last asked. */
  takeDead(): readonly Unit[] {
    const dead = [...this.#dying].filter((unit) => !this.isLive(unit));
    this.#dying.clear();
    return dead;
  }

  unit(address: string): Unit | undefined {
    return this.#units.get(address);
  }

  isLive(unit: Unit): boolean {
    return this.#addresses.has(unit) || this.outside.has(unit);
  }

  /** Live units, each once. */
  *live(): Generator<Unit> {
    yield* this.#addresses.keys();
    for (const unit of this.outside) if (!this.#addresses.has(unit)) yield unit;
  }

  *addresses(unit: Unit): Generator<string> {
    const own = this.#addresses.get(unit);
    if (typeof own === 'string') yield own;
    else if (own !== undefined) yield* own;
  }

  all(): IterableIterator<[string, Unit]> {
    return this.#units.entries();
  }

  get size(): number {
    return this.#units.size;
  }

  put(address: string, unit: Unit): void {
    const before = this.#units.get(address);
    if (before === unit) return;
    if (before !== undefined) this.#take(address, before);
    this.#units.set(address, unit);
    const own = this.#addresses.get(unit);
    if (own === undefined) this.#addresses.set(unit, address);
    else if (typeof own === 'string') this.#addresses.set(unit, new Set([own, address]));
    else own.add(address);
  }

  remove(address: string): void {
    const before = this.#units.get(address);
    if (before === undefined) return;
    this.#units.delete(address);
    this.#take(address, before);
  }

  #take(address: string, unit: Unit): void {
    const own = this.#addresses.get(unit);
    if (typeof own === 'string') {
      this.#addresses.delete(unit);
      this.#dying.add(unit);
    } else if (own !== undefined) {
      own.delete(address);
      const [last] = own;
      if (own.size === 1 && last !== undefined) this.#addresses.set(unit, last);
    }
  }
}
