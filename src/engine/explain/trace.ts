/**
 * The evaluator of `reference.ts` once more, on an indexed program and with a memory: besides what may happen to a flow
 * it keeps which rule, isolation or default makes it happen, what matched on the way, and which facts were in doubt.
 */
import type { Family } from '../../base/ip.ts';
import { any, type Truth, truth } from '../../base/truth.ts';
import type { Pod } from '../../model/cluster.ts';
import type { Endpoint, Flow } from '../../model/flow.ts';
import type { Direction, Policy, Rule, Tier } from '../../model/program.ts';
import { isOwnNode, matchEndpoint, matchTraffic } from '../match.ts';
import { isSelf, type Outcome } from '../reference.ts';
import type { Prepared, Selected } from './prepare.ts';

/** What ends the evaluation of one end. */
export type Ending =
  /** The end is no pod that policies govern. */
  | { readonly kind: 'ungoverned' }
  | { readonly kind: 'self' }
  /** Ingress from the pod's own node. */
  | { readonly kind: 'own-node' }
  | { readonly kind: 'unread'; readonly tier: Tier }
  | { readonly kind: 'rule'; readonly tier: Tier; readonly policy: Policy; readonly rule: Rule }
  | { readonly kind: 'isolation'; readonly tier: Tier; readonly isolating: readonly Policy[] }
  | {
      readonly kind: 'spared';
      readonly tier: Tier;
      readonly isolating: readonly Policy[];
      readonly what: 'own-node' | 'hairpin';
    }
  | { readonly kind: 'default' };

/** Something that is not known and was met on the way. */
export type Doubt =
  | { readonly kind: 'unread'; readonly tier: Tier }
  | { readonly kind: 'subject'; readonly policy: Policy }
  | { readonly kind: 'rule'; readonly policy: Policy; readonly rule: Rule }
  | { readonly kind: 'own-node' };

/** Policies of one rank, of each of which a rule may match: their order is not defined. */
export interface Contest {
  readonly tier: Tier;
  readonly policies: readonly Policy[];
  readonly agree: boolean;
}

/** A rule that matches, or may. */
export interface Hit {
  readonly tier: Tier;
  readonly policy: Policy;
  readonly rule: Rule;
  readonly match: 'yes' | 'maybe';
}

export interface Trace {
  readonly family: Family;
  readonly outcome: Outcome;
  /** Of the endings that may be, the first that rests on no doubt; the first, if all do. */
  readonly ending: Ending;
  /** In evaluation order, up to the ending. */
  readonly hits: readonly Hit[];
  readonly doubts: readonly Doubt[];
  readonly contests: readonly Contest[];
  /** How many tiers were looked at. */
  readonly tiers: number;
}

interface Result {
  readonly allow: boolean;
  readonly deny: boolean;
  readonly ending: Ending | null;
  readonly certain: boolean;
}

const NEITHER: Result = { allow: false, deny: false, ending: null, certain: false };

function allowing(ending: Ending, certain = true): Result {
  return { allow: true, deny: false, ending, certain };
}

function denying(ending: Ending, certain = true): Result {
  return { allow: false, deny: true, ending, certain };
}

function either(a: Result, b: Result): Result {
  const first = a.ending === null || (b.certain && !a.certain) ? b : a;
  return { allow: a.allow || b.allow, deny: a.deny || b.deny, ending: first.ending, certain: first.certain };
}

/** The end of a flow that a direction is about, and the other one. */
export function endsOf(direction: Direction, flow: Flow): { readonly own: Endpoint; readonly peer: Endpoint } {
  return direction === 'egress'
    ? { own: flow.source, peer: flow.destination }
    : { own: flow.destination, peer: flow.source };
}

/** Whether policies apply to an endpoint at all (S11.12). */
export function isGoverned(endpoint: Endpoint): endpoint is Endpoint & { kind: 'pod' } {
  return endpoint.kind === 'pod' && !endpoint.pod.hostNetwork;
}

/** Whether a rule means the flow over one family, seen from a subject in namespace `own.namespace`. */
export function matchRule(prepared: Prepared, rule: Rule, own: Pod, peer: Endpoint, flow: Flow, family: Family): Truth {
  const { peers, traffic } = rule.match;
  if (traffic !== 'any' && !traffic.some((entry) => matchTraffic(entry, flow))) return 'no';
  const namespace = prepared.facts.cluster.namespaces.get(own.namespace) ?? null;
  let out: Truth = 'no';
  for (const match of peers) {
    const one = matchEndpoint(match, peer, family, namespace, prepared.facts);
    if (one === 'yes') return 'yes';
    if (one === 'maybe') out = 'maybe';
  }
  return out;
}

/** One end over one family. */
export function traceEnd(prepared: Prepared, direction: Direction, flow: Flow, family: Family): Trace {
  const { own, peer } = endsOf(direction, flow);
  const hits: Hit[] = [];
  const doubts: Doubt[] = [];
  const contests: Contest[] = [];
  let reached = 0;
  const traceOf = (result: Result): Trace => ({
    family,
    outcome: { allow: result.allow, deny: result.deny },
    ending: result.ending ?? { kind: 'default' },
    hits,
    doubts,
    contests,
    tiers: reached,
  });

  if (!isGoverned(own)) return traceOf(allowing({ kind: 'ungoverned' }));
  const self = isSelf(own, peer);
  if (self && !flow.viaService) return traceOf(allowing({ kind: 'self' }));
  const ownNode = isOwnNode(peer, own.pod, prepared.facts);
  if (direction === 'ingress' && ownNode === 'yes') return traceOf(allowing({ kind: 'own-node' }));

  const { tiers } = prepared.program;
  const known: Result[] = [];

  /** What may happen from tier `at` on. */
  const decide = (at: number): Result => {
    const before = known[at];
    if (before !== undefined) return before;
    const tier = tiers[at];
    reached = Math.max(reached, Math.min(at + 1, tiers.length));
    const result = tier === undefined ? allowing({ kind: 'default' }) : decideTier(tier, at);
    known[at] = result;
    return result;
  };

  const decideTier = (tier: Tier, at: number): Result => {
    if (tier.unread !== null) {
      doubts.push({ kind: 'unread', tier });
      return { allow: true, deny: true, ending: { kind: 'unread', tier }, certain: false };
    }
    const selected = prepared.selected(tier, own.pod, family);
    let out = NEITHER;
    let rest = selected;
    while (true) {
      const rank = rest[0]?.policy.rank;
      if (rank === undefined) return either(out, unmatched(tier, at, selected));
      const group = rest.filter((one) => one.policy.rank === rank);
      const results = group.map((one) => firstMatch(tier, at, one));
      for (const one of results) out = either(out, one.result);
      contest(tier, group, results);
      if (results.some((one) => !one.goesOn)) return out;
      rest = rest.length === group.length ? [] : rest.filter((one) => one.policy.rank !== rank);
    }
  };

  const contest = (tier: Tier, group: readonly Selected[], results: readonly { readonly result: Result }[]): void => {
    if (group.length < 2) return;
    const involved = group.filter((_, index) => results[index]?.result.ending !== null);
    if (involved.length < 2 || involved.every((one) => one.policy.isolates.length > 0)) return;
    const all = results.map((one) => one.result).filter((result) => result.ending !== null);
    const agree = all.every((result) => result.allow === all[0]?.allow && result.deny === all[0].deny);
    contests.push({ tier, policies: involved.map((one) => one.policy), agree });
  };

  /** What the first matching rule of a policy may do, and whether it may be that none matches. */
  const firstMatch = (tier: Tier, at: number, one: Selected): { result: Result; goesOn: boolean } => {
    const { policy } = one;
    let result = NEITHER;
    for (const rule of one.rules[direction]) {
      const match = matchRule(prepared, rule, own.pod, peer, flow, family);
      if (match === 'no') continue;
      hits.push({ tier, policy, rule, match });
      if (match === 'maybe') doubts.push({ kind: 'rule', policy, rule });
      if (one.subject === 'maybe') doubts.push({ kind: 'subject', policy });
      const certain = match === 'yes' && one.subject === 'yes';
      const ending: Ending = { kind: 'rule', tier, policy, rule };
      if (rule.action === 'pass') {
        const next = decide(at + 1);
        result = either(result, { ...next, certain: certain && next.certain });
      } else result = either(result, (rule.action === 'allow' ? allowing : denying)(ending, certain));
      if (match === 'yes') return { result, goesOn: one.subject !== 'yes' };
    }
    return { result, goesOn: true };
  };

  const unmatched = (tier: Tier, at: number, selected: readonly Selected[]): Result => {
    const isolators = selected.filter((one) => one.policy.isolates.includes(direction));
    const isolated = any(isolators.map((one) => one.subject));
    if (isolated === 'no') return decide(at + 1);
    const sure = isolators.filter((one) => one.subject === isolated);
    const isolating = sure.map((one) => one.policy);
    if (isolated === 'maybe') for (const policy of isolating) doubts.push({ kind: 'subject', policy });
    const hairpin = self && tier.spares.includes('hairpin');
    const node: Truth = direction === 'egress' && tier.spares.includes('own-node') ? ownNode : 'no';
    const spared = any([node, truth(hairpin)]);
    const certain = isolated === 'yes';
    const sparing: Ending = { kind: 'spared', tier, isolating, what: hairpin ? 'hairpin' : 'own-node' };
    let ended =
      spared === 'yes'
        ? allowing(sparing, certain)
        : tier.whenIsolated === 'pass'
          ? decide(at + 1)
          : denying({ kind: 'isolation', tier, isolating }, certain);
    if (spared === 'maybe') {
      doubts.push({ kind: 'own-node' });
      ended = either({ ...ended, certain: false }, allowing(sparing, false));
    }
    return certain ? ended : either(ended, { ...decide(at + 1), certain: false });
  };

  const result = decide(0);
  if (direction === 'egress' || ownNode !== 'maybe') return traceOf(result);
  doubts.push({ kind: 'own-node' });
  return traceOf(either(result, allowing({ kind: 'own-node' }, false)));
}
