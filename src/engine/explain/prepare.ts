import type { Family } from '../../base/ip.ts';
import type { Truth } from '../../base/truth.ts';
import type { Pod } from '../../model/cluster.ts';
import type { Direction, Policy, PolicyProgram, Rule, Tier } from '../../model/program.ts';
import { type Facts, matchEndpoint, matchNamespace } from '../match.ts';
import { unmet } from './near-miss.ts';

/** A policy that selects a pod, for certain or perhaps. */
export interface Selected {
  readonly policy: Policy;
  readonly subject: 'yes' | 'maybe';
  readonly rules: Readonly<Record<Direction, readonly Rule[]>>;
}

/** A policy that does not select a pod, but for one label whose value looks misspelt. */
export interface Overlooked {
  readonly policy: Policy;
  readonly rules: Readonly<Record<Direction, readonly Rule[]>>;
  /** Which label differs. */
  readonly text: string;
}

/** A program with the indexes that make single answers cheap. */
export interface Prepared {
  readonly program: PolicyProgram;
  readonly facts: Facts;
  /** The policies of a tier that select the pod, in the tier's order. */
  selected(tier: Tier, pod: Pod, family: Family): readonly Selected[];
  /** The policies of a tier that may have been meant to select the pod. */
  overlooked(tier: Tier, pod: Pod): readonly Overlooked[];
}

interface TierIndex {
  /** Positions of policies whose subject is in one named namespace. */
  readonly named: ReadonlyMap<string, readonly number[]>;
  readonly general: readonly number[];
  /** Positions of policies that can select a pod of a namespace, filled on demand. */
  readonly inNamespace: Map<string, readonly number[]>;
  readonly ofPod: Readonly<Record<Family, WeakMap<Pod, readonly Selected[]>>>;
  readonly overlooked: WeakMap<Pod, readonly Overlooked[]>;
}

/** Indexes a program for {@link explainPrepared} and what builds on it: once per program and cluster, not per question. */
export function prepareExplain(program: PolicyProgram, facts: Facts): Prepared {
  const indexes = new Map(program.tiers.map((tier) => [tier, indexOf(tier)]));
  const rules = new Map<Policy, Selected['rules']>();

  const positions = (tier: Tier, index: TierIndex, name: string): readonly number[] => {
    const known = index.inNamespace.get(name);
    if (known !== undefined) return known;
    const namespace = facts.cluster.namespaces.get(name);
    const general = index.general.filter((position) => {
      const subject = tier.policies[position]?.subject;
      if (subject?.kind !== 'pods') return true;
      return namespace !== undefined && matchNamespace(subject.namespaces, namespace, namespace) !== 'no';
    });
    const all = [...general, ...(index.named.get(name) ?? [])].sort((a, b) => a - b);
    index.inNamespace.set(name, all);
    return all;
  };

  const rulesOf = (policy: Policy): Selected['rules'] => {
    let known = rules.get(policy);
    if (known === undefined) {
      known = {
        ingress: policy.rules.filter((rule) => rule.direction === 'ingress'),
        egress: policy.rules.filter((rule) => rule.direction === 'egress'),
      };
      rules.set(policy, known);
    }
    return known;
  };

  return {
    program,
    facts,
    selected(tier, pod, family) {
      const index = indexes.get(tier);
      if (index === undefined) return [];
      const cached = index.ofPod[family].get(pod);
      if (cached !== undefined) return cached;
      const namespace = facts.cluster.namespaces.get(pod.namespace) ?? null;
      const out: Selected[] = [];
      for (const position of positions(tier, index, pod.namespace)) {
        const policy = tier.policies[position];
        if (policy === undefined) continue;
        const subject: Truth = matchEndpoint(policy.subject, { kind: 'pod', pod }, family, namespace, facts);
        if (subject !== 'no') out.push({ policy, subject, rules: rulesOf(policy) });
      }
      index.ofPod[family].set(pod, out);
      return out;
    },
    overlooked(tier, pod) {
      const index = indexes.get(tier);
      if (index === undefined) return [];
      const cached = index.overlooked.get(pod);
      if (cached !== undefined) return cached;
      const namespace = facts.cluster.namespaces.get(pod.namespace) ?? null;
      const out: Overlooked[] = [];
      for (const position of positions(tier, index, pod.namespace)) {
        const policy = tier.policies[position];
        if (policy?.subject.kind !== 'pods' || namespace === null) continue;
        if (matchNamespace(policy.subject.namespaces, namespace, namespace) !== 'yes') continue;
        const [label, ...more] = unmet(policy.subject.pods, pod.labels, 'the pod');
        if (label?.typo === true && more.length === 0) out.push({ policy, rules: rulesOf(policy), text: label.text });
      }
      index.overlooked.set(pod, out);
      return out;
    },
  };
}

function indexOf(tier: Tier): TierIndex {
  const named = new Map<string, number[]>();
  const general: number[] = [];
  for (const [position, { subject }] of tier.policies.entries()) {
    if (subject.kind === 'pods' && subject.namespaces.kind === 'named') {
      const list = named.get(subject.namespaces.name);
      if (list === undefined) named.set(subject.namespaces.name, [position]);
      else list.push(position);
    } else general.push(position);
  }
  return {
    named,
    general,
    inNamespace: new Map(),
    ofPod: { 4: new WeakMap(), 6: new WeakMap() },
    overlooked: new WeakMap(),
  };
}
