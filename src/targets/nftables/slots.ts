/** Subjects by number: what each says with whom, as elements and a chain. */
import type { Family } from '../../base/ip.ts';
import type { CompiledProgram } from '../../engine/compiled/compile.ts';
import { NO_TRAFFIC, type TrafficId, type TrafficTable } from '../../engine/compiled/traffic.ts';
import type { DesiredTable } from './desired.ts';
import {
  ANSWER_MAPS,
  type Answer,
  type AnswerMap,
  againstDefault,
  beyond,
  holdsOther,
  MAX_SUBJECT,
  POD_IDENTITY,
  priorityText,
  whole,
} from './encode.ts';
import { Numbers } from './numbers.ts';
import type { Unit } from './peers.ts';
import type { SubjectReader } from './subjects.ts';

/** `self4`, `self6`: a pod's way to itself through a Service, over one family. */
export type Mode = 'ingress' | 'egress' | 'own' | 'self4' | 'self6';

/** Where chains look for what holds for any pod: never the identity of one. */
const ANY_POD: Readonly<Record<Family, number>> = { 4: POD_IDENTITY + 1, 6: POD_IDENTITY + 2 };

/** What a slot says, in terms of identities. */
export interface Saying {
  readonly fallback: TrafficId;
  readonly podFallback: Readonly<Record<Family, TrafficId>>;
  readonly byIdentity: ReadonlyMap<number, TrafficId>;
}

/** A numbered subject. */
export interface Slot {
  readonly mode: Mode;
  readonly key: string;
  /** `null` until it has one, and where there were too many. */
  number: number | null;
  readonly reader: SubjectReader | null;
  readonly fallback: TrafficId;
  readonly podFallback: Readonly<Record<Family, TrafficId>>;
  /** Units for which it is not the fallback of their kind. */
  answers: Map<Unit, TrafficId>;
  /** Everything is allowed with everybody: no chain is needed. */
  open: boolean;
  /** What the table says at present. */
  last: Saying | null;
  elements: Map<string, string>;
  features: Features | null;
}

/** What identities tell about slots. */
export interface SlotFacts {
  sayingOf(slot: Slot): Saying;
  isInUse(identity: number): boolean;
}

/** `no_` sets hold what is denied. */
type AnswerSet = AnswerMap | `no_${AnswerMap}`;

interface Features {
  readonly byIdentity: ReadonlySet<AnswerSet>;
  readonly anyPod: Readonly<Record<Family, { readonly maps: ReadonlySet<AnswerSet>; readonly allow: boolean }>> | null;
  readonly anybody: ReadonlySet<AnswerSet>;
  readonly allow: boolean;
}

export function isPodIdentity(identity: number): boolean {
  return identity >= POD_IDENTITY;
}

/** What a saying means for one identity, over one family. */
export function sayingFor(saying: Saying, identity: number, family: Family): TrafficId {
  return saying.byIdentity.get(identity) ?? (isPodIdentity(identity) ? saying.podFallback[family] : saying.fallback);
}

export class Slots {
  readonly #desired: DesiredTable;
  #traffic: TrafficTable | null = null;
  readonly #byKey = new Map<string, Slot>();
  readonly #byNumber = new Map<number, Slot>();
  readonly #numbers = new Numbers(1, MAX_SUBJECT);
  #wanted = new Map<string, { readonly slot: Slot; readonly hint: number | null }>();
  /** Slots that have to be written again. */
  readonly dirty: Set<Slot> = new Set();
  /** New slots, of which peers have not been read, with those whose number they took over. */
  readonly fresh: Map<Slot, Slot | null> = new Map();
  /** Slots that are gone, of which no other took the number. */
  readonly gone: Set<Slot> = new Set();
  #chains = new Set<string>();

  constructor(desired: DesiredTable) {
    this.#desired = desired;
  }

  get size(): number {
    return this.#byKey.size;
  }

  all(): Iterable<Slot> {
    return this.#byKey.values();
  }

  byNumber(number: number): Slot | undefined {
    return this.#byNumber.get(number);
  }

  /** A new program: keys mean something else, numbers stay. */
  restart(program: CompiledProgram): void {
    this.#traffic = program.traffic;
    const slots = [...this.#byKey.values()];
    this.#byKey.clear();
    for (const [i, slot] of slots.entries()) this.#byKey.set(`before|${i}`, slot);
  }

  begin(): void {
    this.#wanted = new Map();
  }

  /** All chains are asked for again. */
  beginChains(): void {
    this.#chains = new Set();
  }

  /** The slot of a subject, which gets the number `hint` if that becomes free. */
  want(mode: Mode, key: string, hint: number | null, read: () => SubjectReader): Slot {
    return this.#want(mode, key, hint, () => {
      const reader = read();
      return newSlot(mode, key, reader, reader.fallback, reader.podFallback);
    });
  }

  /** The slot of a subject that says the same to everybody. */
  wantFixed(mode: Mode, answer: TrafficId, hint: number | null): Slot {
    const both = { 4: answer, 6: answer };
    return this.#want(mode, `${answer}`, hint, () => newSlot(mode, `${answer}`, null, answer, both));
  }

  #want(mode: Mode, key: string, hint: number | null, make: () => Slot): Slot {
    const id = `${mode}|${key}`;
    const wanted = this.#wanted.get(id);
    if (wanted !== undefined) return wanted.slot;
    const slot = this.#byKey.get(id) ?? make();
    this.#wanted.set(id, { slot, hint });
    return slot;
  }

  /** All wishes are told: numbers are given to new slots and taken from those that nobody wants any more. */
  end(): void {
    const free = new Map<number, Slot>();
    for (const [id, slot] of this.#byKey) {
      if (this.#wanted.get(id)?.slot === slot) continue;
      this.#byKey.delete(id);
      this.dirty.delete(slot);
      this.fresh.delete(slot);
      if (slot.number !== null) free.set(slot.number, slot);
    }
    const rest: [string, Slot, number | null][] = [];
    for (const [id, { slot, hint }] of this.#wanted) {
      if (this.#byKey.has(id)) continue;
      const heir = hint === null ? undefined : free.get(hint);
      if (heir !== undefined && hint !== null && heir.mode === slot.mode) {
        free.delete(hint);
        this.#inherit(slot, heir);
        this.#byKey.set(id, slot);
      } else rest.push([id, slot, hint]);
    }
    for (const [number, slot] of free) {
      this.gone.add(slot);
      this.#byNumber.delete(number);
      this.#numbers.giveBack(number);
    }
    // Whoever had a number before goes first, so that a new start changes no numbers.
    rest.sort((a, b) => (a[2] ?? MAX_SUBJECT + 1) - (b[2] ?? MAX_SUBJECT + 1));
    for (const [id, slot, hint] of rest) {
      slot.number = this.#numbers.take(hint);
      if (slot.number === null) continue;
      this.#byKey.set(id, slot);
      this.#byNumber.set(slot.number, slot);
      this.fresh.set(slot, null);
      this.dirty.add(slot);
    }
  }

  #inherit(slot: Slot, heir: Slot): void {
    slot.number = heir.number;
    if (slot.number !== null) this.#byNumber.set(slot.number, slot);
    slot.last = heir.last;
    slot.elements = heir.elements;
    slot.features = heir.features;
    this.fresh.set(slot, heir);
    this.dirty.add(slot);
  }

  /** Writes what has changed; whether that was anything that chains may depend on. */
  settle(facts: SlotFacts): boolean {
    const written = this.gone.size > 0 || this.dirty.size > 0;
    for (const slot of this.gone) for (const key of slot.elements.keys()) this.#put(key, null);
    this.gone.clear();
    this.fresh.clear();
    for (const slot of this.dirty) {
      const saying = facts.sayingOf(slot);
      if (slot.last !== null && this.#takes(slot.last, saying, facts)) this.#desired.tighten('policies allow less');
      this.#write(slot, saying);
    }
    this.dirty.clear();
    return written;
  }

  /** Whether something that was allowed is not any more. Identities that nobody has any more do not count. */
  #takes(before: Saying, after: Saying, facts: SlotFacts): boolean {
    if (!this.includes(after.fallback, before.fallback)) return true;
    for (const family of [4, 6] as const) {
      if (!this.includes(after.podFallback[family], before.podFallback[family])) return true;
      for (const number of new Set([...before.byIdentity.keys(), ...after.byIdentity.keys()])) {
        if (!facts.isInUse(number)) continue;
        if (!this.includes(sayingFor(after, number, family), sayingFor(before, number, family))) return true;
      }
    }
    return false;
  }

  #write(slot: Slot, saying: Saying): void {
    const table = this.#traffic;
    const { number } = slot;
    if (table === null || number === null) return;
    const elements = new Map<string, string>();
    const put = (identity: number, answers: readonly Answer[]): ReadonlySet<AnswerSet> => {
      const maps = new Set<AnswerSet>();
      const priority = priorityText(identity, number);
      for (const { map, rest, allow } of answers) {
        elements.set(`${allow ? map : (`no_${map}` as const)}|${priority}${rest}`, '');
        maps.add(allow ? map : `no_${map}`);
      }
      return maps;
    };
    const { fallback, podFallback } = saying;
    const byIdentity = new Set<AnswerSet>();
    for (const [identity, answer] of saying.byIdentity) {
      const base = isPodIdentity(identity) ? (podFallback[4] === podFallback[6] ? podFallback[4] : null) : fallback;
      for (const map of put(identity, pairAnswers(table, answer, base))) byIdentity.add(map);
    }
    const allow = holdsOther(table, fallback);
    const anybody = put(0, againstDefault(table, fallback, allow));
    const stage = (family: Family): { readonly maps: ReadonlySet<AnswerSet>; readonly allow: boolean } => {
      const own = podFallback[family];
      const allowed = holdsOther(table, own);
      return { maps: put(ANY_POD[family], againstDefault(table, own, allowed)), allow: allowed };
    };
    const distinct = podFallback[4] !== fallback || podFallback[6] !== fallback;
    const features: Features = {
      byIdentity,
      anyPod: distinct ? { 4: stage(4), 6: stage(6) } : null,
      anybody,
      allow,
    };
    for (const key of slot.elements.keys()) if (!elements.has(key)) this.#put(key, null);
    for (const [key, value] of elements) if (slot.elements.get(key) !== value) this.#put(key, value);
    slot.elements = elements;
    slot.features = features;
    slot.last = saying;
    slot.open =
      elements.size === 0 &&
      allow &&
      (features.anyPod === null || (features.anyPod[4].allow && features.anyPod[6].allow));
  }

  #put(key: string, value: string | null): void {
    const at = key.indexOf('|');
    this.#desired.set(key.slice(0, at), key.slice(at + 1), value);
  }

  /** The chain of a slot, which is wanted from now on. */
  chainOf(slot: Slot): string {
    const name = `s_${slot.number}`;
    if (!this.#chains.has(name)) {
      for (const [chain, rules] of chainsOf(slot)) {
        this.#chains.add(chain);
        this.#desired.setChain(chain, { hook: null, rules });
      }
    }
    return name;
  }

  /** Takes out chains that nothing leads to. */
  dropChains(): void {
    for (const name of [...this.#desired.content().chains.keys()]) {
      if (/^[spq]_\d+$/.test(name) && !this.#chains.has(name)) this.#desired.setChain(name, null);
    }
  }

  /** Whether whatever `before` allows, `after` allows, too. */
  includes(after: TrafficId, before: TrafficId): boolean {
    return this.#traffic === null || this.#traffic.subtract(before, after) === NO_TRAFFIC;
  }
}

function newSlot(
  mode: Mode,
  key: string,
  reader: SubjectReader | null,
  fallback: TrafficId,
  podFallback: Readonly<Record<Family, TrafficId>>,
): Slot {
  return {
    mode,
    key,
    number: null,
    reader,
    fallback,
    podFallback,
    answers: new Map(),
    open: false,
    last: null,
    elements: new Map(),
    features: null,
  };
}

function pairAnswers(table: TrafficTable, answer: TrafficId, base: TrafficId | null): readonly Answer[] {
  if (base === null || table.subtract(base, answer) !== NO_TRAFFIC) return whole(table, answer);
  if (holdsOther(table, answer) !== holdsOther(table, base)) return whole(table, answer);
  return beyond(table, answer, base);
}

export function allowChain(mode: Mode): string {
  return mode === 'ingress' ? 'allow_ingress' : mode === 'self4' || mode === 'self6' ? 'self_ok' : 'allow_egress';
}

export function denyChain(mode: Mode): string {
  // The way to itself is what denials ask about last: it must not lead there again.
  if (mode === 'self4' || mode === 'self6') return 'drop_egress';
  return mode === 'ingress' ? 'deny_ingress' : 'deny_egress';
}

const KEYS: Readonly<Record<AnswerMap, string>> = {
  exact: 'meta priority . meta l4proto . th dport',
  range: 'meta priority . meta l4proto . th dport',
  proto: 'meta priority . meta l4proto',
  whole: 'meta priority',
};

function lookups(slot: Slot, sets: ReadonlySet<AnswerSet>): readonly string[] {
  return ANSWER_MAPS.flatMap((map) => [
    ...(sets.has(map) ? [`${KEYS[map]} @${map} goto ${allowChain(slot.mode)}`] : []),
    ...(sets.has(`no_${map}`) ? [`${KEYS[map]} @no_${map} goto ${denyChain(slot.mode)}`] : []),
  ]);
}

/** The chains of a slot, by name; what the slot does not use is left out. The peer's identity is in the priority already. */
function chainsOf(slot: Slot): readonly (readonly [string, readonly string[]])[] {
  const { features, number } = slot;
  if (features === null || number === null) return [];
  const end = (allow: boolean): string => `goto ${allow ? allowChain(slot.mode) : denyChain(slot.mode)}`;
  const { anyPod } = features;
  const fallback = [
    ...(features.anybody.size > 0
      ? [`meta priority set ${priorityText(0, number)}`, ...lookups(slot, features.anybody)]
      : []),
    end(features.allow),
  ];
  if (features.byIdentity.size === 0 && anyPod === null) return [[`s_${number}`, fallback]];
  const rules = [
    `meta priority set meta priority | ${priorityText(0, number)}`,
    ...lookups(slot, features.byIdentity),
    ...(anyPod === null ? [] : [`meta priority & 8000:0 == 8000:0 goto p_${number}`]),
    ...fallback,
  ];
  if (anyPod === null) return [[`s_${number}`, rules]];
  const podRules = (family: Family): readonly string[] => [
    ...(anyPod[family].maps.size > 0
      ? [`meta priority set ${priorityText(ANY_POD[family], number)}`, ...lookups(slot, anyPod[family].maps)]
      : []),
    end(anyPod[family].allow),
  ];
  // IPv4 has `p_N`, IPv6 `q_N`.
  return [
    [`q_${number}`, podRules(6)],
    [`p_${number}`, [`meta nfproto 10 goto q_${number}`, ...podRules(4)]],
    [`s_${number}`, rules],
  ];
}
