/**
 * The obvious evaluator: reads the IR as `docs/semantics.md` states it, one rule after the other, for one flow. The
 * compiled engine, the symbolic connectivity and the explanations are held against it.
 */
import { FAMILIES, type Family } from '../base/ip.ts';
import { any, type Truth, truth } from '../base/truth.ts';
import type { Pod } from '../model/cluster.ts';
import type { Endpoint, Flow } from '../model/flow.ts';
import type { Direction, Policy, PolicyProgram, Rule, Tier } from '../model/program.ts';
import type { VerdictKind } from '../model/verdict.ts';
import { addressesOf, isOwnNode, type MatchFacts, matchEndpoint, matchTraffic } from './match.ts';

/** What may happen to a flow, over all values that unknown facts may have. */
export interface Outcome {
  readonly allow: boolean;
  readonly deny: boolean;
}

const ALLOW: Outcome = { allow: true, deny: false };
const DENY: Outcome = { allow: false, deny: true };
const NEITHER: Outcome = { allow: false, deny: false };

function either(a: Outcome, b: Outcome): Outcome {
  return { allow: a.allow || b.allow, deny: a.deny || b.deny };
}

export function verdictOf(outcome: Outcome): VerdictKind {
  return outcome.allow && outcome.deny ? 'undefined' : outcome.allow ? 'allowed' : 'denied';
}

/** The families over which two endpoints can talk; both where addresses are unknown; empty if they have none in common. */
export function familiesOf(flow: Flow, facts: MatchFacts): readonly Family[] {
  return FAMILIES.filter(
    (family) =>
      (flow.family === null || flow.family === family) &&
      addressesOf(flow.source, family, facts).length > 0 &&
      addressesOf(flow.destination, family, facts).length > 0,
  );
}

/** Both ends together: allowed only if egress at the source and ingress at the destination allow it (S1.2). */
export function referenceVerdict(program: PolicyProgram, flow: Flow, facts: MatchFacts): VerdictKind {
  const families = familiesOf(flow, facts);
  if (families.length === 0) return 'undefined';
  return verdictOf(
    families
      .map((family) => {
        const egress = referenceEnd(program, 'egress', flow, family, facts);
        const ingress = referenceEnd(program, 'ingress', flow, family, facts);
        return { allow: egress.allow && ingress.allow, deny: egress.deny || ingress.deny };
      })
      .reduce(either, NEITHER),
  );
}

/** One end over one family. */
export function referenceEnd(
  program: PolicyProgram,
  direction: Direction,
  flow: Flow,
  family: Family,
  facts: MatchFacts,
): Outcome {
  const own = direction === 'egress' ? flow.source : flow.destination;
  const peer = direction === 'egress' ? flow.destination : flow.source;
  if (own.kind !== 'pod' || own.pod.hostNetwork) return ALLOW;
  const self = isSelf(own, peer);
  if (self && !flow.viaService) return ALLOW;
  const ownNode = isOwnNode(peer, own.pod, facts);
  if (direction === 'ingress' && ownNode === 'yes') return ALLOW;

  const namespace = facts.cluster.namespaces.get(own.pod.namespace) ?? null;
  const selected = (policy: Policy): Truth => matchEndpoint(policy.subject, own, family, namespace, facts);
  const matches = (rule: Rule): Truth => {
    const { peers, traffic } = rule.match;
    if (traffic !== 'any' && !traffic.some((entry) => matchTraffic(entry, flow))) return 'no';
    return any(peers.map((match) => matchEndpoint(match, peer, family, namespace, facts)));
  };

  /** What may happen from `tiers` on. */
  const decide = (tiers: readonly Tier[]): Outcome => {
    const tier = tiers[0];
    if (tier === undefined) return ALLOW;
    const next = (): Outcome => decide(tiers.slice(1));
    if (tier.unread !== null) return { allow: true, deny: true };
    const policies = tier.policies.filter((policy) => selected(policy) !== 'no');

    const unmatched = (): Outcome => {
      const isolated = any(policies.filter((p) => p.isolates.includes(direction)).map(selected));
      if (isolated === 'no') return next();
      const spared = any([
        direction === 'egress' && tier.spares.includes('own-node') ? ownNode : 'no',
        truth(self && tier.spares.includes('hairpin')),
      ]);
      let ended = spared === 'yes' ? ALLOW : tier.whenIsolated === 'pass' ? next() : DENY;
      if (spared === 'maybe') ended = either(ended, ALLOW);
      return isolated === 'yes' ? ended : either(ended, next());
    };

    /** The policies of one rank have no order among each other: any of them may come first. */
    const fromRank = (rest: readonly Policy[]): Outcome => {
      const first = rest[0];
      if (first === undefined) return unmatched();
      const equals = rest.filter((policy) => policy.rank === first.rank);
      const later = rest.filter((policy) => policy.rank !== first.rank);
      let out = NEITHER;
      let goesOn = true;
      for (const policy of equals) {
        const rules = policy.rules.filter((rule) => rule.direction === direction);
        const result = firstMatch(rules, selected(policy));
        out = either(out, result.outcome);
        if (!result.goesOn) goesOn = false;
      }
      return goesOn ? either(out, fromRank(later)) : out;
    };

    /** What the first matching rule may do, and whether it may be that none matches. */
    const firstMatch = (rules: readonly Rule[], subject: Truth): { outcome: Outcome; goesOn: boolean } => {
      let outcome = NEITHER;
      for (const rule of rules) {
        const match = matches(rule);
        if (match === 'no') continue;
        outcome = either(outcome, rule.action === 'allow' ? ALLOW : rule.action === 'deny' ? DENY : next());
        if (match === 'yes') return { outcome, goesOn: subject !== 'yes' };
      }
      return { outcome, goesOn: true };
    };

    return fromRank(policies);
  };

  const outcome = decide(program.tiers);
  return direction === 'ingress' && ownNode === 'maybe' ? either(outcome, ALLOW) : outcome;
}

/** Whether a pod talks to itself; a template stands for several pods, so it never does (S7.2). */
export function isSelf(own: Endpoint & { kind: 'pod' }, peer: Endpoint): boolean {
  return peer.kind === 'pod' && samePod(own.pod, peer.pod) && !own.pod.template;
}

function samePod(a: Pod, b: Pod): boolean {
  return a === b || (a.namespace === b.namespace && a.name === b.name && a.template === b.template);
}
