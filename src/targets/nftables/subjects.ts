/** What one mode of a class of local pods allows with whom: the engine's answers, kept where peers differ. */
import type { Family } from '../../base/ip.ts';
import type { EndpointClass } from '../../engine/compiled/classes.ts';
import type { CompiledProgram, CompiledRule, SubjectProgram } from '../../engine/compiled/compile.ts';
import { symbolic } from '../../engine/compiled/evaluate.ts';
import { type Bit, type Predicate, test } from '../../engine/compiled/predicates.ts';
import type { TrafficId } from '../../engine/compiled/traffic.ts';
import type { Direction } from '../../model/program.ts';
import { classOfUnit, familyOfUnit, type Peers, type Unit, unitOf } from './peers.ts';

/** `own`: egress to the pod's own node. */
export type PeerMode = 'ingress' | 'egress' | 'own';

export function directionOf(mode: PeerMode): Direction {
  return mode === 'ingress' ? 'ingress' : 'egress';
}

/** What is said about peers: one answer for all that no rule means, others for those that some rule means. */
export interface PeerAnswers {
  /** For nodes and addresses outside of the cluster. */
  readonly fallback: TrafficId;
  /** For pods, by family. */
  readonly podFallback: Readonly<Record<Family, TrafficId>>;
  /** Units for which it is not the fallback of their kind. */
  readonly answers: ReadonlyMap<Unit, TrafficId>;
}

interface RuleFacts {
  readonly rule: CompiledRule;
  /** Holds for everybody, or for every pod. */
  readonly everybody: boolean;
  readonly everyPod: boolean;
  readonly wide: readonly Predicate[];
  readonly narrow: readonly Predicate[];
}

/** Reads the rules of one subject program, for one class of local pods. */
export class SubjectReader {
  readonly #program: CompiledProgram;
  readonly #subject: SubjectProgram;
  readonly #own: EndpointClass;
  readonly #mode: PeerMode;
  readonly #rules: readonly RuleFacts[];
  /** Every pod has to be looked at for itself: a rule means all pods and takes port numbers from each. */
  readonly #eachPod: boolean;
  readonly #cells = new Map<string, TrafficId>();
  readonly fallback: TrafficId;
  readonly podFallback: Readonly<Record<Family, TrafficId>>;

  constructor(program: CompiledProgram, subject: SubjectProgram, own: EndpointClass, mode: PeerMode) {
    this.#program = program;
    this.#subject = subject;
    this.#own = own;
    this.#mode = mode;
    this.#rules = subject.tiers.flatMap(({ ranks }) =>
      ranks.flatMap((rank) => rank.flatMap(({ rules }) => rules.map(factsOf))),
    );
    this.#eachPod =
      mode === 'egress' &&
      this.#rules.some(
        ({ rule, everybody, everyPod, wide }) => rule.named.length > 0 && (everybody || everyPod || wide.length > 0),
      );
    const outside = program.classes.all.find((known) => known.kind === 'external') ?? null;
    const stranger: EndpointClass | null = outside === null ? null : { ...outside, kind: 'pod', ports: [] };
    this.fallback = this.#assumed(outside, (peer) => (peer.universal === 'everything' ? 1 : 0));
    const pods = (family: Family): TrafficId =>
      this.#assumed(stranger, (peer) => (peer.universal !== null || isWideIn(peer, family) ? 1 : 0));
    this.podFallback = mode === 'own' ? { 4: this.fallback, 6: this.fallback } : { 4: pods(4), 6: pods(6) };
  }

  /** What is surely allowed with every live peer. */
  read(peers: Peers): PeerAnswers {
    const answers = new Map<Unit, TrafficId>();
    for (const [unit, marks] of this.#mentioned(peers)) {
      const peer = this.#program.classes.all[classOfUnit(unit)];
      if (peer === undefined) continue;
      const answer = this.#answerIn(unit, peer, (rule) => marks?.get(rule) ?? 0);
      if (answer !== this.fallbackOf(unit)) answers.set(unit, answer);
    }
    return { fallback: this.fallback, podFallback: this.podFallback, answers };
  }

  fallbackOf(unit: Unit): TrafficId {
    const pod = this.#program.classes.all[classOfUnit(unit)]?.kind === 'pod';
    return pod ? this.podFallback[familyOfUnit(unit)] : this.fallback;
  }

  /** What is surely allowed with one unit. */
  answer(unit: Unit): TrafficId {
    const peer = this.#program.classes.all[classOfUnit(unit)];
    if (peer === undefined) return this.fallback;
    const family = familyOfUnit(unit);
    return this.#answerIn(unit, peer, (index) => strongest(this.#rules[index]?.narrow ?? [], family, peer));
  }

  #answerIn(unit: Unit, peer: EndpointClass, narrow: (rule: number) => Bit): TrafficId {
    const family = familyOfUnit(unit);
    // In the input hook the other end is this node, never a pod with an address of its own.
    if (this.#mode === 'own' && peer.kind === 'pod') return this.podFallback[family];
    const key = this.#cellOf(peer, family, narrow);
    const known = this.#cells.get(key);
    if (known !== undefined) return known;
    const surely = this.#assumed(peer, (predicate) => test(predicate, family, peer));
    this.#cells.set(key, surely);
    return surely;
  }

  /** All that tells peers apart for this subject: peers of one cell have one answer. */
  #cellOf(peer: EndpointClass, family: Family, narrow: (rule: number) => Bit): string {
    let key = peer.kind === 'pod' ? 'p' : 'o';
    if (this.#subject.named && this.#mode !== 'ingress') key += peer.profile;
    for (let i = 0; i < this.#rules.length; i++) {
      const { everybody, everyPod, wide } = this.#rules[i] as RuleFacts;
      if (everybody || (everyPod && peer.kind === 'pod')) continue;
      let bit = wide.length === 0 ? 0 : strongest(wide, family, peer);
      if (bit !== 1) {
        const other = narrow(i);
        if (other !== 0) bit = other;
      }
      if (bit !== 0) key += bit === 1 ? `,${i}` : `,${i}?`;
    }
    return key;
  }

  /** Live units for which the fallback of their kind may not hold, with what narrow peers of each rule say of them. */
  #mentioned(peers: Peers): ReadonlyMap<Unit, ReadonlyMap<number, Bit> | null> {
    const out = new Map<Unit, Map<number, Bit> | null>();
    const { all } = this.#program.classes;
    const mark = (id: number, family: Family | null, rule: number, bit: Bit): void => {
      if (this.#mode === 'own' && all[id]?.kind === 'pod') return;
      for (const one of [4, 6] as const) {
        if (family !== null && family !== one) continue;
        const unit = unitOf(id, one);
        if (!peers.isLive(unit)) continue;
        const marks = out.get(unit);
        if (marks === undefined || marks === null) out.set(unit, new Map([[rule, bit]]));
        else if (marks.get(rule) !== 1) marks.set(rule, bit);
      }
    };
    this.#rules.forEach(({ narrow, wide }, rule) => {
      for (const predicate of narrow) {
        predicate.yes.forEach((id) => {
          mark(id, predicate.family, rule, 1);
        });
        predicate.maybe.forEach((id) => {
          mark(id, predicate.family, rule, 2);
        });
      }
      for (const predicate of wide) this.#besides(predicate, peers, out);
    });
    if (this.#eachPod) {
      for (const unit of peers.live()) {
        if (all[classOfUnit(unit)]?.kind === 'pod' && !out.has(unit)) out.set(unit, null);
      }
    }
    return out;
  }

  /** For whom a wide block is not what the fallback takes it for: pods that it leaves out, others that it holds. */
  #besides(predicate: Predicate, peers: Peers, out: Map<Unit, Map<number, Bit> | null>): void {
    const { all } = this.#program.classes;
    for (const unit of peers.live()) {
      const peer = all[classOfUnit(unit)];
      if (peer === undefined || familyOfUnit(unit) !== predicate.family || out.has(unit)) continue;
      if (this.#mode === 'own' && peer.kind === 'pod') continue;
      if ((peer.kind === 'pod') !== predicate.yes.has(peer.id)) out.set(unit, null);
    }
  }

  /** By this subject's own rules: the class that it was made for may have others by now. */
  #assumed(destination: EndpointClass | null, holds: (peer: Predicate) => Bit): TrafficId {
    const to = this.#mode === 'ingress' ? this.#own : destination;
    const ownNode = this.#mode === 'own' ? 'yes' : 'no';
    const { allow, deny } = symbolic(this.#program.traffic, this.#subject, to, holds, ownNode);
    return this.#program.traffic.subtract(allow, deny);
  }
}

function factsOf(rule: CompiledRule): RuleFacts {
  const blocks = rule.peers.filter((peer) => peer.universal === null);
  return {
    rule,
    everybody: rule.peers.some((peer) => peer.universal === 'everything'),
    everyPod: rule.peers.some((peer) => peer.universal === 'pods'),
    wide: blocks.filter(isWide),
    narrow: blocks.filter((peer) => !isWide(peer)),
  };
}

function strongest(predicates: readonly Predicate[], family: Family, peer: EndpointClass): Bit {
  let bit: Bit = 0;
  for (const predicate of predicates) {
    const one = test(predicate, family, peer);
    if (one === 1) return 1;
    if (one === 2) bit = 2;
  }
  return bit;
}

/** A block that holds all pods but for small exceptions: then those that it leaves out are the special ones. */
function isWide(predicate: Predicate): boolean {
  const { match } = predicate;
  if (match.kind !== 'addresses' || match.cidr.prefix !== 0) return false;
  return match.except.every(({ family, prefix }) => prefix > (family === 4 ? 16 : 64));
}

function isWideIn(predicate: Predicate, family: Family): boolean {
  return predicate.family === family && isWide(predicate);
}
