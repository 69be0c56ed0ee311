/** Peer identities: one number for all addresses about which every subject of this node says the same. */
import { type Family, parseIp } from '../../base/ip.ts';
import type { CompiledProgram } from '../../engine/compiled/compile.ts';
import type { TrafficId } from '../../engine/compiled/traffic.ts';
import type { DesiredTable } from './desired.ts';
import { MAX_IDENTITY, POD_IDENTITY, parsePriority, priorityText } from './encode.ts';
import { Numbers } from './numbers.ts';
import { classOfUnit, type OutsideRange, type Peers, rangeKey, type Unit } from './peers.ts';
import { isPodIdentity, type Saying, type Slot, type Slots, sayingFor } from './slots.ts';

type Vector = ReadonlyMap<number, TrafficId>;

interface Identity {
  readonly number: number;
  readonly key: string;
  readonly pod: boolean;
  readonly vector: Vector;
  readonly units: Set<Unit>;
}

/** Nodes and pods about which nothing special is said. */
const PLAIN_OTHER = 1;
const PLAIN_POD = POD_IDENTITY;
/** What those get for whom there is no number left: every subject denies it. */
const LOST_OTHER = POD_IDENTITY - 1;
const LOST_POD = MAX_IDENTITY;
const NOTHING: Vector = new Map();

interface Gone {
  readonly generation: number;
  readonly number: number | null;
  readonly vector: Vector;
}

/** Addresses that went away are remembered up to this many; beyond, all live connections are judged again. */
const REMEMBERED = 50_000;

export class Identities {
  readonly #desired: DesiredTable;
  readonly #slots: Slots;
  readonly #byKey = new Map<string, Identity>();
  readonly #byNumber = new Map<number, Identity>();
  readonly #of = new Map<Unit, Identity>();
  readonly #vectors = new Map<Unit, Map<number, TrafficId>>();
  /** Which identities a slot says something special about. */
  readonly #holders = new Map<number, Map<number, TrafficId>>();
  readonly #numbers = {
    other: new Numbers(PLAIN_OTHER + 1, LOST_OTHER - 1),
    pod: new Numbers(PLAIN_POD + 3, LOST_POD - 1),
  };
  #ranges: readonly OutsideRange[] = [];
  readonly #rangeOf = new Map<Unit, OutsideRange>();
  #rangesChanged = false;
  /** Ranges as they are in the table. */
  #listed: Readonly<
    Record<Family, readonly { readonly first: bigint; readonly last: bigint; readonly number: number }[]>
  > = {
    4: [],
    6: [],
  };
  readonly #touched = new Set<string>();
  readonly #gone = new Map<string, Gone>();
  #plainPods: Readonly<Record<Family, boolean>> = { 4: false, 6: false };

  constructor(desired: DesiredTable, slots: Slots) {
    this.#desired = desired;
    this.#slots = slots;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Units mean something else from now on; numbers stay. */
  restart(): void {
    this.#of.clear();
    this.#vectors.clear();
    for (const identity of this.#byKey.values()) identity.units.clear();
  }

  /** An address is a pod's or a node's, maybe of another class than before. */
  touch(address: string): void {
    this.#touched.add(address);
  }

  /** An address belongs to nobody any more. */
  forget(address: string): void {
    const set = setOf(address);
    const text = this.#desired.elements(set).get(address);
    const number = text === undefined ? null : parsePriority(text).identity;
    const vector = number === null ? NOTHING : (this.#byNumber.get(number)?.vector ?? NOTHING);
    if (this.#gone.size >= REMEMBERED) {
      this.#gone.clear();
      this.#desired.tighten('too many addresses have gone to remember them');
    }
    this.#gone.set(address, { generation: this.#desired.generation, number, vector });
    this.#desired.set(set, address, null);
    this.#touched.delete(address);
  }

  /** The address spaces as policies cut them. */
  setRanges(ranges: readonly OutsideRange[]): void {
    this.#ranges = ranges;
    this.#rangeOf.clear();
    for (const range of ranges) if (!this.#rangeOf.has(range.unit)) this.#rangeOf.set(range.unit, range);
    this.#rangesChanged = true;
  }

  settle(program: CompiledProgram, peers: Peers): void {
    const dirty = new Set<Unit>();
    this.#settleSlots(peers, dirty);
    this.#settleUnits(peers, dirty);
    this.#assign(program, peers, dirty);
    this.#writeRanges();
    this.#writeAddresses(peers);
  }

  isInUse(number: number): boolean {
    return this.#byNumber.has(number);
  }

  /** What a slot says now. */
  sayingOf(slot: Slot): Saying {
    const { byIdentity } = this.#now(slot);
    return { fallback: slot.fallback, podFallback: slot.podFallback, byIdentity: new Map(byIdentity) };
  }

  /** The same, true until identities change. */
  #now(slot: Slot): Saying {
    const held = slot.number === null ? undefined : this.#holders.get(slot.number);
    return { fallback: slot.fallback, podFallback: slot.podFallback, byIdentity: held ?? NOTHING };
  }

  #settleSlots(peers: Peers, dirty: Set<Unit>): void {
    const forget = (slot: Slot): void => {
      if (slot.number === null) return;
      for (const unit of slot.answers.keys())
        if (this.#vectors.get(unit)?.delete(slot.number) === true) dirty.add(unit);
    };
    for (const slot of this.#slots.gone) forget(slot);
    for (const [slot, before] of this.#slots.fresh) {
      const { number, reader } = slot;
      if (number === null || reader === null) continue;
      const { answers } = reader.read(peers);
      for (const unit of before?.answers.keys() ?? []) {
        if (!answers.has(unit) && this.#vectors.get(unit)?.delete(number) === true) dirty.add(unit);
      }
      slot.answers = new Map(answers);
      for (const [unit, answer] of answers) if (this.#say(unit, number, answer)) dirty.add(unit);
    }
  }

  #say(unit: Unit, slot: number, answer: TrafficId): boolean {
    let vector = this.#vectors.get(unit);
    if (vector === undefined) {
      vector = new Map();
      this.#vectors.set(unit, vector);
    }
    if (vector.get(slot) === answer) return false;
    vector.set(slot, answer);
    return true;
  }

  /** Units that have come to life are judged by every slot; those that died are let go. */
  #settleUnits(peers: Peers, dirty: Set<Unit>): void {
    const visit = (unit: Unit): void => {
      if (this.#of.has(unit)) return;
      dirty.add(unit);
      for (const slot of this.#slots.all()) {
        const { number, reader } = slot;
        if (number === null || reader === null || this.#slots.fresh.has(slot)) continue;
        const answer = reader.answer(unit);
        if (answer === reader.fallbackOf(unit)) continue;
        slot.answers.set(unit, answer);
        this.#say(unit, number, answer);
      }
    };
    for (const address of this.#touched) {
      const unit = peers.unit(address);
      if (unit !== undefined) visit(unit);
    }
    if (this.#rangesChanged) for (const unit of peers.outside) visit(unit);
    for (const unit of peers.takeDead()) dirty.add(unit);
  }

  #assign(program: CompiledProgram, peers: Peers, dirty: ReadonlySet<Unit>): void {
    if (dirty.size === 0) return;
    const groups = new Map<string, { readonly pod: boolean; readonly units: Unit[]; readonly vector: Vector }>();
    for (const unit of dirty) {
      const before = this.#of.get(unit);
      if (!peers.isLive(unit)) {
        before?.units.delete(unit);
        this.#of.delete(unit);
        for (const number of this.#vectors.get(unit)?.keys() ?? []) this.#slots.byNumber(number)?.answers.delete(unit);
        this.#vectors.delete(unit);
        continue;
      }
      const pod = program.classes.all[classOfUnit(unit)]?.kind === 'pod';
      const vector = this.#vectors.get(unit) ?? NOTHING;
      const key = keyOf(pod, vector);
      if (before?.key === key) continue;
      before?.units.delete(unit);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { pod, units: [unit], vector });
      else group.units.push(unit);
    }
    const vacated = new Set([...this.#byKey.values()].filter((identity) => identity.units.size === 0));
    // Identities that stay what they are keep their numbers; what is left may be taken over.
    for (const key of groups.keys()) {
      const known = this.#byKey.get(key);
      if (known !== undefined) vacated.delete(known);
    }
    // Whose addresses have a number already goes first, so that a new start changes no numbers.
    const claims = new Map(
      [...groups].map(([key, { units }]) => [key, this.#byKey.has(key) ? [] : this.#votes(units, peers)]),
    );
    const order = [...groups].sort(([a], [b]) => (claims.get(b)?.length ?? 0) - (claims.get(a)?.length ?? 0));
    for (const [key, group] of order) {
      const known = this.#byKey.get(key);
      const identity = known ?? this.#newIdentity(key, group, vacated, claims.get(key) ?? []);
      for (const unit of group.units) {
        identity.units.add(unit);
        this.#of.set(unit, identity);
        for (const address of peers.addresses(unit)) this.#touched.add(address);
        if (peers.outside.has(unit)) this.#rangesChanged = true;
      }
    }
    for (const identity of vacated) this.#retire(identity);
  }

  /** Takes the number that most of its addresses have already, if nobody needs it any more. */
  #newIdentity(
    key: string,
    group: { readonly pod: boolean; readonly units: readonly Unit[]; readonly vector: Vector },
    vacated: Set<Identity>,
    votes: readonly number[],
  ): Identity {
    const vector = new Map(group.vector);
    let number: number | null;
    if (vector.size === 0) number = group.pod ? PLAIN_POD : PLAIN_OTHER;
    else {
      const heir = [...votes].find((candidate) => {
        const identity = this.#byNumber.get(candidate);
        return (
          identity !== undefined && vacated.has(identity) && identity.pod === group.pod && identity.vector.size > 0
        );
      });
      const old = heir === undefined ? undefined : this.#byNumber.get(heir);
      if (old !== undefined) {
        vacated.delete(old);
        this.#byKey.delete(old.key);
        this.#holdersChanged(old.vector, old.number, null);
        number = old.number;
      } else {
        const numbers = group.pod ? this.#numbers.pod : this.#numbers.other;
        number = numbers.take(votes.find((vote) => isPodIdentity(vote) === group.pod) ?? null);
      }
    }
    if (number === null) {
      number = group.pod ? LOST_POD : LOST_OTHER;
    }
    const identity: Identity = { number, key, pod: group.pod, vector, units: new Set() };
    this.#byKey.set(key, identity);
    this.#byNumber.set(number, identity);
    this.#holdersChanged(vector, number, vector);
    return identity;
  }

  /** Numbers that the addresses of some units have, or had in the table that was found; the most frequent first. */
  #votes(units: readonly Unit[], peers: Peers): readonly number[] {
    const counts = new Map<number, number>();
    let seen = 0;
    const count = (text: string | undefined): void => {
      if (text === undefined) return;
      const { identity } = parsePriority(text);
      counts.set(identity, (counts.get(identity) ?? 0) + 1);
      seen++;
    };
    for (const unit of units) {
      for (const address of peers.addresses(unit)) {
        const set = setOf(address);
        count(this.#desired.elements(set).get(address) ?? this.#desired.found?.sets.get(set)?.elements.get(address));
        if (seen > 1000) break;
      }
      const before = this.#of.get(unit);
      if (before !== undefined) counts.set(before.number, (counts.get(before.number) ?? 0) + 1);
      const range = this.#rangeOf.get(unit);
      if (range === undefined) continue;
      const key = rangeKey(range.family, range.first, range.last);
      const set = `ext${range.family}`;
      count(this.#desired.elements(set).get(key) ?? this.#desired.found?.sets.get(set)?.elements.get(key));
    }
    return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([number]) => number);
  }

  #retire(identity: Identity): void {
    this.#byKey.delete(identity.key);
    if (this.#byNumber.get(identity.number) === identity) this.#byNumber.delete(identity.number);
    this.#holdersChanged(identity.vector, identity.number, null);
    if (identity.number === LOST_OTHER || identity.number === LOST_POD) return;
    if (identity.vector.size > 0) (identity.pod ? this.#numbers.pod : this.#numbers.other).giveBack(identity.number);
  }

  #holdersChanged(slots: Vector, number: number, vector: Vector | null): void {
    for (const slot of slots.keys()) {
      let held = this.#holders.get(slot);
      if (held === undefined) {
        held = new Map();
        this.#holders.set(slot, held);
      }
      const answer = vector?.get(slot);
      if (answer === undefined) held.delete(number);
      else held.set(number, answer);
      this.#stale.add(slot);
    }
  }

  /** Slot numbers of which identities have changed. */
  readonly #stale = new Set<number>();

  #writeRanges(): void {
    if (!this.#rangesChanged) return;
    this.#rangesChanged = false;
    const wanted: Readonly<Record<Family, Map<string, string>>> = { 4: new Map(), 6: new Map() };
    const listed: Record<Family, { first: bigint; last: bigint; number: number }[]> = { 4: [], 6: [] };
    let run: { family: Family; first: bigint; last: bigint; number: number } | null = null;
    const flush = (): void => {
      if (run === null) return;
      wanted[run.family].set(rangeKey(run.family, run.first, run.last), priorityText(run.number, 0));
      listed[run.family].push(run);
      run = null;
    };
    for (const { family, first, last, unit } of this.#ranges) {
      const identity = this.#of.get(unit);
      const number = identity === undefined || identity.vector.size === 0 ? null : identity.number;
      if (run !== null && run.family === family && run.number === number && run.last + 1n === first) run.last = last;
      else {
        flush();
        run = number === null ? null : { family, first, last, number };
      }
    }
    flush();
    for (const family of [4, 6] as const) {
      const set = `ext${family}`;
      let changed = false;
      for (const key of [...this.#desired.elements(set).keys()]) {
        if (!wanted[family].has(key) && this.#desired.set(set, key, null)) changed = true;
      }
      for (const [key, value] of wanted[family]) if (this.#desired.set(set, key, value)) changed = true;
      if (changed) this.#desired.tighten('ranges of addresses have changed');
    }
    this.#listed = listed;
  }

  #writeAddresses(peers: Peers): void {
    // Every slot is told of its identities first, so that moves can be compared.
    for (const slot of this.#slots.all()) {
      if (slot.number !== null && this.#stale.has(slot.number)) this.#slots.dirty.add(slot);
    }
    this.#stale.clear();
    const stages = [...this.#slots.all()].some(
      ({ fallback, podFallback }) => podFallback[4] !== fallback || podFallback[6] !== fallback,
    );
    const plain = {
      4: stages || this.#desired.elements('ext4').size > 0,
      6: stages || this.#desired.elements('ext6').size > 0,
    };
    if (plain[4] !== this.#plainPods[4] || plain[6] !== this.#plainPods[6]) {
      this.#plainPods = plain;
      for (const [address, unit] of peers.all()) if (this.#of.get(unit)?.vector.size === 0) this.#touched.add(address);
    }
    const judged = new Map<string, boolean>();
    for (const address of this.#touched) {
      const unit = peers.unit(address);
      const identity = unit === undefined ? undefined : this.#of.get(unit);
      if (unit === undefined || identity === undefined) continue;
      const set = setOf(address);
      const family = set === 'id6' ? 6 : 4;
      const listed = identity.vector.size > 0 || plain[family];
      const before = this.#desired.elements(set).get(address);
      const changed = this.#desired.set(set, address, listed ? priorityText(identity.number, 0) : null);
      // An address that went away and comes back unlisted is no change of the set, but of what it is met with.
      if (!changed && !this.#gone.has(address)) continue;
      this.#judgeMove(address, before, identity, family, judged);
    }
    this.#touched.clear();
  }

  /** An address that is met with less than before: its live connections must be judged again. */
  #judgeMove(
    address: string,
    before: string | undefined,
    identity: Identity,
    family: Family,
    judged: Map<string, boolean>,
  ): void {
    const gone = this.#gone.get(address);
    this.#gone.delete(address);
    let from: number | null = before === undefined || before === 'none' ? null : parsePriority(before).identity;
    let vector: Vector | null = null;
    if (from === null && gone !== undefined && gone.generation === this.#desired.generation) {
      from = gone.number;
      vector = gone.vector;
    }
    // Nobody knew the address: it was met as what the ranges outside of the cluster make of it.
    from ??= this.#outsideNumber(address);
    const key = `${from}>${identity.number}/${family}`;
    let less = vector === null ? judged.get(key) : undefined;
    if (less === undefined) {
      less = this.#isLess(from, vector, identity, family);
      if (vector === null) judged.set(key, less);
    }
    if (less) this.#desired.tighten(`${address} is somebody else`);
  }

  #isLess(from: number, vector: Vector | null, to: Identity, family: Family): boolean {
    for (const slot of this.#slots.all()) {
      const { last, number } = slot;
      if (last === null || number === null) continue;
      const now = sayingFor(this.#now(slot), to.number, family);
      const was = vector?.get(number) ?? sayingFor(last, from, family);
      if (!this.#slots.includes(now, was)) return true;
    }
    return false;
  }

  /** What the range of an address had before this settling; 0 if nothing special is said about it. */
  #outsideNumber(address: string): number {
    const ip = parseIp(address);
    if (ip === null) return 0;
    let low = 0;
    let high = this.#listed[ip.family].length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const range = this.#listed[ip.family][middle];
      if (range === undefined) return 0;
      if (ip.value < range.first) high = middle - 1;
      else if (ip.value > range.last) low = middle + 1;
      else return range.number;
    }
    return 0;
  }
}

function keyOf(pod: boolean, vector: Vector): string {
  const entries = [...vector].sort((a, b) => a[0] - b[0]).map(([slot, answer]) => `${slot}:${answer}`);
  return `${pod ? 'pod' : 'other'}|${entries.join(',')}`;
}

/** The map that an address is a key of. */
function setOf(address: string): 'id4' | 'id6' {
  return address.includes(':') ? 'id6' : 'id4';
}
