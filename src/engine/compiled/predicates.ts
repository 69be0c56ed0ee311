import type { Family } from '../../base/ip.ts';
import type { Truth } from '../../base/truth.ts';
import type { Namespace } from '../../model/cluster.ts';
import type { EndpointMatch, NamespaceMatch } from '../../model/match.ts';
import { selectorKey, selects } from '../../model/selector.ts';
import { type MatchFacts, matchDomain, matchEndpoint, matchNamespace, matchUnknownAddress } from '../match.ts';
import type { AddressPartition } from './address-partition.ts';
import { ClassSet } from './class-set.ts';
import type { ClassTable, EndpointClass } from './classes.ts';

/** An endpoint match resolved for one cluster: the classes that it holds surely, and those that it may hold. */
export interface Predicate {
  readonly key: string;
  readonly match: EndpointMatch;
  /** The subject's namespace, where the match is relative to it. */
  readonly subject: Namespace | null;
  /** Set for address blocks: they say nothing about flows over the other family. */
  readonly family: Family | null;
  /** Holds every class, or every pod class, without being listed in `yes`. */
  readonly universal: 'everything' | 'pods' | null;
  readonly yes: ClassSet;
  readonly maybe: ClassSet;
  uses: number;
}

/** What is known of a predicate for a class: 0 no, 1 yes, 2 maybe. */
export type Bit = 0 | 1 | 2;

export const BIT: Readonly<Record<Truth, Bit>> = { no: 0, yes: 1, maybe: 2 };

export function test(predicate: Predicate, family: Family, subject: EndpointClass): Bit {
  if (predicate.family !== null && predicate.family !== family) return 0;
  if (predicate.universal === 'everything') return 1;
  if (predicate.universal === 'pods') return subject.kind === 'pod' ? 1 : 0;
  return predicate.yes.has(subject.id) ? 1 : predicate.maybe.size > 0 && predicate.maybe.has(subject.id) ? 2 : 0;
}

/** All predicates of a program over one class table, each resolved once and kept current as classes are added. */
export class PredicateTable {
  readonly #byKey = new Map<string, Predicate>();
  readonly #byMatch = new WeakMap<EndpointMatch, Predicate>();
  /** Pod predicates of one namespace. */
  readonly #byNamespace = new Map<string, Set<Predicate>>();
  /** All others that are not universal. */
  readonly #wide = new Set<Predicate>();
  readonly #facts: MatchFacts;
  readonly #classes: ClassTable;
  readonly #partition: AddressPartition;

  constructor(facts: MatchFacts, classes: ClassTable, partition: AddressPartition) {
    this.#facts = facts;
    this.#classes = classes;
    this.#partition = partition;
  }

  get size(): number {
    return this.#byKey.size;
  }

  all(): Iterable<Predicate> {
    return this.#byKey.values();
  }

  /** The predicate of a match, resolved over all present classes. Blocks must be in the partition already. */
  acquire(match: EndpointMatch, subject: Namespace | null): Predicate {
    const relative = isRelative(match);
    if (!relative) {
      const known = this.#byMatch.get(match);
      if (known !== undefined && known.uses > 0) {
        known.uses++;
        return known;
      }
    }
    const key = keyOf(match) + (relative ? `@${subject?.name}` : '');
    let predicate = this.#byKey.get(key);
    if (predicate === undefined) {
      predicate = {
        key,
        match,
        subject: relative ? subject : null,
        family: match.kind === 'addresses' ? match.cidr.family : null,
        universal: universalOf(match),
        yes: new ClassSet(),
        maybe: new ClassSet(),
        uses: 0,
      };
      this.#byKey.set(key, predicate);
      if (predicate.universal === null) this.#index(predicate);
    }
    if (!relative) this.#byMatch.set(match, predicate);
    predicate.uses++;
    return predicate;
  }

  release(predicate: Predicate): void {
    if (--predicate.uses > 0) return;
    this.#byKey.delete(predicate.key);
    this.#wide.delete(predicate);
    const { match } = predicate;
    if (match.kind === 'pods' && match.namespaces.kind === 'named') {
      this.#byNamespace.get(match.namespaces.name)?.delete(predicate);
    }
  }

  /** Resolves every predicate for a class that was just added. */
  onNewClass(added: EndpointClass): void {
    if (added.namespace !== null) {
      for (const predicate of this.#byNamespace.get(added.namespace.name) ?? []) this.#resolve(predicate, added);
    }
    for (const predicate of this.#wide) this.#resolve(predicate, added);
  }

  #index(predicate: Predicate): void {
    const { match } = predicate;
    if (match.kind === 'pods') {
      const { namespaces } = match;
      if (namespaces.kind === 'named') {
        const set = this.#byNamespace.get(namespaces.name);
        if (set === undefined) this.#byNamespace.set(namespaces.name, new Set([predicate]));
        else set.add(predicate);
        this.#resolveNamespace(predicate, namespaces.name, 'yes');
        return;
      }
      this.#wide.add(predicate);
      for (const namespace of this.#facts.cluster.namespaces.values()) {
        const within = matchNamespace(namespaces, namespace, predicate.subject);
        if (within !== 'no') this.#resolveNamespace(predicate, namespace.name, within);
      }
      return;
    }
    this.#wide.add(predicate);
    const { all, others, unsure, byGroup } = this.#classes;
    const resolve = (id: number): void => this.#resolve(predicate, all[id] as EndpointClass);
    if (match.kind === 'addresses') {
      for (const group of this.#groupsIn(match)) byGroup.get(group)?.forEach(resolve);
      unsure.forEach(resolve);
    } else if (match.kind === 'domains') for (const subject of all) this.#resolve(predicate, subject);
    else if (match.kind === 'nodes') others.forEach(resolve);
  }

  #resolveNamespace(predicate: Predicate, namespace: string, within: Truth): void {
    const { match } = predicate;
    if (match.kind !== 'pods') return;
    for (const id of this.#classes.byNamespace.get(namespace) ?? []) {
      if (selects(match.pods, (this.#classes.all[id] as EndpointClass).labels)) {
        (within === 'yes' ? predicate.yes : predicate.maybe).add(id);
      }
    }
  }

  #resolve(predicate: Predicate, subject: EndpointClass): void {
    const truth = this.#truth(predicate.match, subject, predicate.subject);
    if (truth === 'yes') predicate.yes.add(subject.id);
    else if (truth === 'maybe') predicate.maybe.add(subject.id);
  }

  #truth(match: EndpointMatch, subject: EndpointClass, relativeTo: Namespace | null): Truth {
    switch (match.kind) {
      case 'pods':
        if (subject.kind !== 'pod' || subject.namespace === null || !selects(match.pods, subject.labels)) return 'no';
        return matchNamespace(match.namespaces, subject.namespace, relativeTo);
      case 'addresses': {
        const groups = subject.groups[match.cidr.family];
        if (groups === 'unknown') return matchUnknownAddress(match, subject.kind === 'domain' ? 'outside' : 'inside');
        if (groups.length === 0) return 'no';
        const inside = this.#groupsIn(match);
        const hits = groups.filter((group) => inside.has(group)).length;
        return hits === 0 ? 'no' : hits === groups.length ? 'yes' : 'maybe';
      }
      case 'domains':
        if (subject.domain !== null) {
          return match.names.some((name) => matchDomain(name, subject.domain ?? '')) ? 'yes' : 'no';
        }
        return matchEndpoint(match, subject.example, 4, null, this.#facts);
      case 'anything':
      case 'nothing':
      case 'nodes':
        return matchEndpoint(match, subject.example, 4, null, this.#facts);
    }
  }

  #lastBlock: { readonly match: EndpointMatch; readonly version: number; readonly groups: ReadonlySet<number> } | null =
    null;

  /** The groups that an address match covers; the last answer is kept, since all classes ask for the same one in turn. */
  #groupsIn(match: EndpointMatch & { kind: 'addresses' }): ReadonlySet<number> {
    const { version } = this.#partition;
    if (this.#lastBlock?.match !== match || this.#lastBlock.version !== version) {
      this.#lastBlock = { match, version, groups: new Set(this.#partition.groupsIn(match.cidr, match.except)) };
    }
    return this.#lastBlock.groups;
  }
}

function isRelative(match: EndpointMatch): boolean {
  return (
    match.kind === 'pods' && (match.namespaces.kind === 'same-labels' || match.namespaces.kind === 'different-labels')
  );
}

function universalOf(match: EndpointMatch): Predicate['universal'] {
  if (match.kind === 'anything') return 'everything';
  if (match.kind === 'pods' && match.pods.kind === 'everything' && match.namespaces.kind === 'labelled') {
    return match.namespaces.labels.kind === 'everything' ? 'pods' : null;
  }
  return null;
}

function keyOf(match: EndpointMatch): string {
  switch (match.kind) {
    case 'anything':
    case 'nothing':
      return match.kind;
    case 'pods':
      return `pods|${namespaceKey(match.namespaces)}|${selectorKey(match.pods)}`;
    case 'nodes':
      return `nodes|${selectorKey(match.nodes)}`;
    case 'addresses':
      return `addresses|${[match.cidr, ...match.except].map((block) => `${block.family}/${block.prefix}/${block.first}`).join('!')}`;
    case 'domains':
      return `domains|${JSON.stringify(match.names)}`;
  }
}

function namespaceKey(match: NamespaceMatch): string {
  switch (match.kind) {
    case 'named':
      return `=${JSON.stringify(match.name)}`;
    case 'labelled':
      return `~${selectorKey(match.labels)}`;
    case 'same-labels':
    case 'different-labels':
      return `${match.kind}${JSON.stringify(match.keys)}`;
  }
}
