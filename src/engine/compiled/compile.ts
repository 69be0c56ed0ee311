import { invariant } from '../../base/invariant.ts';
import type { Cidr, Family, Ip } from '../../base/ip.ts';
import { FAMILIES } from '../../base/ip.ts';
import type { Cluster, Namespace, Pod } from '../../model/cluster.ts';
import type { Endpoint } from '../../model/flow.ts';
import type { EndpointMatch } from '../../model/match.ts';
import type { Action, Direction, Policy, PolicyProgram, Rule, Tier } from '../../model/program.ts';
import { type MatchFacts, matchFactsOf } from '../match.ts';
import { AddressPartition } from './address-partition.ts';
import { ClassTable, type EndpointClass } from './classes.ts';
import { OutcomeCache } from './outcome-cache.ts';
import { type Bit, type Predicate, PredicateTable, test } from './predicates.ts';
import { ALL_TRAFFIC, NO_TRAFFIC, type TrafficId, TrafficTable } from './traffic.ts';

/** A rule with its peers resolved and its ports interned. */
export interface CompiledRule {
  readonly rule: Rule;
  readonly action: Action;
  readonly peers: readonly Predicate[];
  /** The part that does not depend on the destination. */
  readonly traffic: TrafficId;
  /** Named ports, looked up on the destination. */
  readonly named: readonly { readonly name: string; readonly protocol: string | null }[];
}

export interface CompiledPolicy {
  readonly policy: Policy;
  readonly tier: number;
  readonly subject: Predicate;
  readonly uid: number;
  /** Per direction; absent where rules differ by the subject's namespace. */
  readonly rules: Readonly<Record<Direction, readonly CompiledRule[]>> | null;
}

/** The policies of one rank that select a subject: no order among them. */
export type Rank = readonly {
  readonly policy: CompiledPolicy;
  readonly selected: Bit;
  readonly rules: readonly CompiledRule[];
}[];

export interface SubjectTier {
  readonly tier: Tier;
  readonly isolated: Bit;
  readonly ranks: readonly Rank[];
}

/** Everything that decides one direction of the endpoints of some classes. Interned: equal programs are one object. */
export interface SubjectProgram {
  readonly id: number;
  readonly direction: Direction;
  readonly tiers: readonly SubjectTier[];
  /** Some rule has named ports: answers depend on the destination's profile. */
  readonly named: boolean;
  /** Some rule has address blocks: answers may depend on the address family. */
  readonly byFamily: boolean;
  readonly governed: boolean;
}

export interface CompileOptions {
  /** Programs that are compared with each other share a traffic table. */
  readonly traffic?: TrafficTable;
  /** Policies of one rank: no order, so verdicts may be undefined (S3.6), or by name, as enforcement has to choose. */
  readonly ties?: 'undefined' | 'by-name';
}

/**
 * A program compiled for a cluster: endpoints are grouped into classes, each peer of each rule is a set of classes, and
 * each class knows the policies that select it. One policy or pod can be replaced without compiling the rest again.
 */
export class CompiledProgram {
  readonly traffic: TrafficTable;
  readonly partition: AddressPartition = new AddressPartition();
  readonly classes: ClassTable;
  readonly predicates: PredicateTable;
  #facts: MatchFacts;
  readonly #ties: 'undefined' | 'by-name';
  #tiers: readonly Tier[];
  readonly #policies = new Map<string, CompiledPolicy>();
  /** Policies that select a class, in no order. */
  readonly #selecting: CompiledPolicy[][] = [];
  /** Policies by the namespace that their subject names, and all others: what a new class has to be held against. */
  readonly #bySubjectNamespace = new Map<string, Set<CompiledPolicy>>();
  readonly #wideSubjects = new Set<CompiledPolicy>();
  readonly #podClass = new Map<Pod, number>();
  readonly #members: number[] = [];
  readonly #subjects: Readonly<Record<Direction, (SubjectProgram | undefined)[]>> = { ingress: [], egress: [] };
  readonly #interned = new Map<string, { readonly made: SubjectProgram; readonly weight: number }>();
  /** Policies in all of them, and how many there may be before those that nobody has any more are dropped. */
  #weight = 0;
  #mostWeight = 0;
  #subjectCount = 0;
  #uid = 0;
  /** What pairs of classes may say to each other, for those asked about lately. */
  readonly outcomes: OutcomeCache = new OutcomeCache();
  /** Rules resolved, sets made: counted work for tests. */
  readonly work = { classes: 0, policies: 0, subjectPrograms: 0 };

  constructor(program: PolicyProgram, cluster: Cluster, options: CompileOptions = {}) {
    this.traffic = options.traffic ?? new TrafficTable();
    this.#ties = options.ties ?? 'undefined';
    this.#facts = matchFactsOf(cluster);
    this.#tiers = program.tiers;
    this.classes = new ClassTable(this.partition, (added) => this.#onNewClass(added));
    this.predicates = new PredicateTable(this.#facts, this.classes, this.partition);
    const blocks: Cidr[] = [];
    for (const tier of program.tiers) for (const policy of tier.policies) blocks.push(...blocksOf(policy));
    blocks.sort((a, b) => a.prefix - b.prefix);
    for (const block of blocks) this.partition.add(block);
    for (const workload of cluster.workloads) for (const pod of workload.pods) this.#addPod(pod);
    for (const node of cluster.nodes) this.classOf({ kind: 'node', node, address: null });
    this.#addExternals();
    program.tiers.forEach((tier, index) => {
      for (const policy of tier.policies) this.#addPolicy(policy, index);
    });
    this.#prepareAll();
  }

  get facts(): MatchFacts {
    return this.#facts;
  }

  get tiers(): readonly Tier[] {
    return this.#tiers;
  }

  /** The class of an endpoint. Pods of the cluster are looked up; other endpoints are classified, at most once per kind. */
  classOf(endpoint: Endpoint): number {
    if (endpoint.kind === 'pod') {
      const known = this.#podClass.get(endpoint.pod);
      if (known !== undefined) return known;
    }
    return this.classes.classOf(endpoint, this.#facts);
  }

  /** How many pods of the cluster a class has. */
  members(id: number): number {
    return this.#members[id] ?? 0;
  }

  /** The policies that select a class, surely or perhaps, in no order. */
  policiesOf(id: number): readonly Policy[] {
    return (this.#selecting[id] ?? []).map((compiled) => compiled.policy);
  }

  get policyCount(): number {
    return this.#policies.size;
  }

  /** What decides a direction of a class. */
  subject(id: number, direction: Direction): SubjectProgram {
    const known = this.#subjects[direction][id];
    if (known !== undefined) return known;
    const made = this.#makeSubject(this.classes.all[id] as EndpointClass, direction);
    this.#subjects[direction][id] = made;
    return made;
  }

  /** Adds, replaces or removes one policy of a tier; the program is current when it returns. */
  replacePolicy(tierName: string, before: Policy | null, after: Policy | null): void {
    const index = this.#tiers.findIndex((tier) => tier.name === tierName);
    invariant(index >= 0, `no tier ${tierName}`);
    this.outcomes.clear();
    if (before !== null) this.#removePolicy(before);
    if (after !== null) {
      const added = [...blocksOf(after)].filter((block) => this.partition.add(block));
      if (added.length > 0) this.#reclassify(added);
      this.#addPolicy(after, index);
    }
    // What decides about the classes concerned is made when it is asked for: of many changes in a row the last one counts.
  }

  /** Adds, replaces or removes one pod; the program is current when it returns. */
  replacePod(before: Pod | null, after: Pod | null): void {
    if (before !== null) {
      const id = this.#podClass.get(before);
      if (id !== undefined) {
        this.#members[id] = (this.#members[id] ?? 1) - 1;
        this.#podClass.delete(before);
      }
    }
    if (after !== null) this.#prepare(this.#addPod(after));
  }

  #addPod(pod: Pod): number {
    invariant(this.#facts.cluster.namespaces.has(pod.namespace), `no namespace ${pod.namespace}`);
    const id = this.classes.classOf({ kind: 'pod', pod }, this.#facts);
    this.#podClass.set(pod, id);
    this.#members[id] = (this.#members[id] ?? 0) + 1;
    return id;
  }

  /** After cuts through the address space: pods and nodes with an address inside of them may be in new classes. */
  #reclassify(blocks: readonly Cidr[]): void {
    const inside = (addresses: readonly Ip[]): boolean => {
      for (const ip of addresses) {
        for (const block of blocks) {
          if (block.family === ip.family && block.first <= ip.value && ip.value <= block.last) return true;
        }
      }
      return false;
    };
    const moved: Pod[] = [];
    for (const pod of this.#podClass.keys()) if (pod.hostNetwork || inside(pod.addresses)) moved.push(pod);
    for (const pod of moved) {
      const before = this.#podClass.get(pod);
      const id = this.#addPod(pod);
      if (before !== undefined) this.#members[before] = (this.#members[before] ?? 1) - 1;
      this.#prepare(id);
    }
    for (const node of this.#facts.cluster.nodes) this.classOf({ kind: 'node', node, address: null });
    this.#addExternals();
  }

  #addExternals(): void {
    for (const family of FAMILIES) {
      for (const { group, first } of this.partition.segments(family)) {
        this.classes.externalClass(group, { kind: 'external', address: { family, value: first } });
      }
    }
  }

  #onNewClass(added: EndpointClass): void {
    this.work.classes++;
    this.predicates.onNewClass(added);
    const selecting: CompiledPolicy[] = [];
    this.#selecting[added.id] = selecting;
    if (added.kind !== 'pod' || added.namespace === null) return;
    for (const policy of this.#bySubjectNamespace.get(added.namespace.name) ?? []) {
      if (test(policy.subject, 4, added) !== 0) selecting.push(policy);
    }
    for (const policy of this.#wideSubjects) if (test(policy.subject, 4, added) !== 0) selecting.push(policy);
  }

  #addPolicy(policy: Policy, tier: number): CompiledPolicy {
    this.work.policies++;
    const relative = policy.rules.some((rule) =>
      rule.match.peers.some((peer) => peer.kind === 'pods' && peer.namespaces.kind.endsWith('-labels')),
    );
    const compiled: CompiledPolicy = {
      policy,
      tier,
      subject: this.predicates.acquire(policy.subject, null),
      uid: this.#uid++,
      rules: relative ? null : this.#compileRules(policy, null),
    };
    invariant(!this.#policies.has(policy.id), `two policies ${policy.id}`);
    this.#policies.set(policy.id, compiled);
    const { subject } = policy;
    if (subject.kind === 'pods' && subject.namespaces.kind === 'named') {
      const set = this.#bySubjectNamespace.get(subject.namespaces.name);
      if (set === undefined) this.#bySubjectNamespace.set(subject.namespaces.name, new Set([compiled]));
      else set.add(compiled);
    } else this.#wideSubjects.add(compiled);
    this.#eachSubject(compiled, (id) => {
      this.#selecting[id]?.push(compiled);
      this.#forget(id);
    });
    return compiled;
  }

  #removePolicy(policy: Policy): void {
    const compiled = this.#policies.get(policy.id);
    if (compiled === undefined) return;
    this.#policies.delete(policy.id);
    this.#wideSubjects.delete(compiled);
    if (policy.subject.kind === 'pods' && policy.subject.namespaces.kind === 'named') {
      this.#bySubjectNamespace.get(policy.subject.namespaces.name)?.delete(compiled);
    }
    this.#eachSubject(compiled, (id) => {
      this.#selecting[id] = (this.#selecting[id] ?? []).filter((other) => other !== compiled);
      this.#forget(id);
    });
    this.predicates.release(compiled.subject);
    for (const direction of ['ingress', 'egress'] as const) {
      for (const rule of compiled.rules?.[direction] ?? [])
        for (const peer of rule.peers) this.predicates.release(peer);
    }
  }

  /** All pod classes that a policy selects, surely or perhaps. */
  #eachSubject(compiled: CompiledPolicy, visit: (id: number) => void): void {
    const { subject } = compiled;
    if (subject.universal === null) {
      subject.yes.forEach((id) => {
        if (this.classes.all[id]?.kind === 'pod') visit(id);
      });
      subject.maybe.forEach((id) => {
        if (this.classes.all[id]?.kind === 'pod') visit(id);
      });
    } else for (const subjectClass of this.classes.all) if (subjectClass.kind === 'pod') visit(subjectClass.id);
  }

  #compileRules(policy: Policy, subject: Namespace | null): Record<Direction, readonly CompiledRule[]> {
    const of = (direction: Direction): CompiledRule[] =>
      policy.rules.filter((rule) => rule.direction === direction).map((rule) => this.#compileRule(rule, subject));
    return { ingress: of('ingress'), egress: of('egress') };
  }

  #compileRule(rule: Rule, subject: Namespace | null): CompiledRule {
    const { peers, traffic } = rule.match;
    let fixed: TrafficId = traffic === 'any' ? ALL_TRAFFIC : NO_TRAFFIC;
    const named: { name: string; protocol: string | null }[] = [];
    if (traffic !== 'any') {
      for (const entry of traffic) {
        if (entry.kind === 'named-port') named.push({ name: entry.name, protocol: entry.protocol });
        else
          fixed = this.traffic.union(
            fixed,
            this.traffic.ports(entry.protocol, Math.max(1, entry.first), Math.min(65535, entry.last)),
          );
      }
    }
    return {
      rule,
      action: rule.action,
      peers: peers.map((peer: EndpointMatch) => this.predicates.acquire(peer, subject)),
      traffic: fixed,
      named,
    };
  }

  #forget(id: number): void {
    this.#subjects.ingress[id] = undefined;
    this.#subjects.egress[id] = undefined;
  }

  #prepare(id: number): void {
    this.subject(id, 'ingress');
    this.subject(id, 'egress');
  }

  #prepareAll(): void {
    for (const subject of this.classes.all) this.#prepare(subject.id);
  }

  #makeSubject(of: EndpointClass, direction: Direction): SubjectProgram {
    const selecting = this.#selecting[of.id] ?? [];
    const relative = selecting.some((policy) => policy.rules === null);
    const key = `${direction}|${relative ? (of.namespace?.name ?? '') : ''}|${selecting
      .map((policy) => `${policy.uid}${test(policy.subject, 4, of) === 2 ? '?' : ''}`)
      .sort()
      .join(',')}|${of.kind === 'pod'}`;
    const known = this.#interned.get(key);
    if (known !== undefined) return known.made;
    if (this.#weight > this.#mostWeight) this.#dropUnused();
    const made = this.#buildSubject(of, direction, selecting);
    const weight = selecting.length + 1;
    this.#interned.set(key, { made, weight });
    this.#weight += weight;
    this.work.subjectPrograms++;
    return made;
  }

  #dropUnused(): void {
    const used = new Set([...this.#subjects.ingress, ...this.#subjects.egress]);
    for (const [key, { made, weight }] of this.#interned) {
      if (used.has(made)) continue;
      this.#interned.delete(key);
      this.#weight -= weight;
    }
    this.#mostWeight = 2 * this.#weight + 20_000;
  }

  #buildSubject(of: EndpointClass, direction: Direction, selecting: readonly CompiledPolicy[]): SubjectProgram {
    let named = false;
    let byFamily = false;
    const tiers: SubjectTier[] = [];
    this.#tiers.forEach((tier, index) => {
      const own = selecting.filter((policy) => policy.tier === index).sort(byEvaluation);
      // S7.6: policies that could not be read govern no node, no host-network pod and nothing outside either.
      if (of.kind !== 'pod' || (own.length === 0 && tier.unread === null)) return;
      let isolated: Bit = 0;
      const ranks: { policy: CompiledPolicy; selected: Bit; rules: readonly CompiledRule[] }[][] = [];
      let rank: number | null = null;
      for (const policy of own) {
        const selected = test(policy.subject, 4, of);
        if (policy.policy.isolates.includes(direction) && isolated !== 1) isolated = selected;
        const rules = (policy.rules ?? this.#compileRules(policy.policy, of.namespace))[direction];
        if (rules.length === 0) continue;
        for (const rule of rules) {
          if (rule.named.length > 0) named = true;
          if (rule.peers.some((peer) => peer.family !== null)) byFamily = true;
        }
        if (policy.policy.rank !== rank || this.#ties === 'by-name') ranks.push([]);
        rank = policy.policy.rank;
        ranks.at(-1)?.push({ policy, selected, rules });
      }
      if (ranks.length > 0 || isolated !== 0 || tier.unread !== null) tiers.push({ tier, isolated, ranks });
    });
    return { id: this.#subjectCount++, direction, tiers, named, byFamily, governed: of.kind === 'pod' };
  }
}

function byEvaluation(a: CompiledPolicy, b: CompiledPolicy): number {
  if (a.policy.rank !== b.policy.rank) return a.policy.rank - b.policy.rank;
  return a.policy.id < b.policy.id ? -1 : a.policy.id > b.policy.id ? 1 : 0;
}

function* blocksOf(policy: Policy): Generator<Cidr> {
  for (const rule of policy.rules) {
    for (const peer of rule.match.peers) {
      if (peer.kind !== 'addresses') continue;
      yield peer.cidr;
      yield* peer.except;
    }
  }
}

const SHARED: readonly (readonly Family[])[] = [[], [4], [6], [4, 6]];

/** Families over which two classes can talk. */
export function sharedFamilies(a: EndpointClass, b: EndpointClass): readonly Family[] {
  return SHARED[a.families & b.families] as readonly Family[];
}
