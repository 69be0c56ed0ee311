import { byText } from '../../base/order.ts';
import type { Flow } from '../../model/flow.ts';
import type { Direction, Policy, Rule, Tier } from '../../model/program.ts';
import type { Reason, VerdictKind } from '../../model/verdict.ts';
import { type NearMiss, nearMiss } from './near-miss.ts';
import type { Prepared, Selected } from './prepare.ts';
import { type Ending, endsOf, type Hit, isGoverned, matchRule, type Trace } from './trace.ts';
import { wordEndpoint, wordList, wordPeer, wordTraffic, wordTrafficMatch } from './words.ts';

const SILENT = { policy: null, rule: null, tier: null, action: null, origin: null };

/** The reasons of an undefined verdict: the facts that are missing. */
export function undecided(missing: readonly string[]): readonly Reason[] {
  return missing.map((text) => ({ kind: 'default', ...SILENT, text }));
}

/** The reason that decides; one for each policy where several isolate. */
export function decidingReasons(direction: Direction, flow: Flow, ending: Ending): readonly Reason[] {
  const { own, peer } = endsOf(direction, flow);
  const who = wordEndpoint(own);
  switch (ending.kind) {
    case 'ungoverned':
      return [
        {
          kind: own.kind === 'external' || own.kind === 'domain' ? 'default' : 'node',
          ...SILENT,
          text: `${who} is governed by no policy`,
        },
      ];
    case 'self':
      return [{ kind: 'self', ...SILENT, text: `${who} always reaches itself` }];
    case 'own-node':
      return [
        {
          kind: 'node',
          ...SILENT,
          text: `${wordEndpoint(peer)} is on the node of ${who}, which always reaches its own pods`,
        },
      ];
    case 'spared': {
      const [first] = ending.isolating;
      const text =
        ending.what === 'hairpin'
          ? `${who} reaches itself through a Service, although it is isolated for ${direction}`
          : `${wordEndpoint(peer)} is on the node of ${who}, which it always reaches, although it is isolated for ${direction}`;
      return [
        {
          kind: ending.what === 'hairpin' ? 'self' : 'node',
          ...SILENT,
          policy: first?.id ?? null,
          tier: ending.tier.name,
          text,
        },
      ];
    }
    case 'unread':
      return [
        {
          kind: 'default',
          ...SILENT,
          tier: ending.tier.name,
          text: `policies of tier \`${ending.tier.name}\` may be missing`,
        },
      ];
    case 'rule':
      return [
        ruleReason(
          ending.tier,
          ending.policy,
          ending.rule,
          `${ACTS[ending.rule.action]} ${wordTraffic(flow)}: ${meaning(ending.rule)}`,
        ),
      ];
    case 'isolation':
      return isolationReasons(direction, flow, ending);
    case 'default':
      return [
        {
          kind: 'default',
          ...SILENT,
          action: 'allow',
          text: `no policy isolates ${who} for ${direction} or denies it: allowed by default`,
        },
      ];
  }
}

function isolationReasons(direction: Direction, flow: Flow, ending: Ending & { kind: 'isolation' }): readonly Reason[] {
  const { own } = endsOf(direction, flow);
  const sorted = [...ending.isolating].sort((a, b) => byText(a.id, b.id));
  const names = wordList(sorted.map((policy) => `\`${policy.id}\``));
  const rules = sorted.flatMap((policy) => policy.rules).filter((rule) => rule.direction === direction).length;
  const none =
    rules === 0
      ? `which ${sorted.length === 1 ? 'has' : 'have'} no ${direction} rules`
      : `none of whose ${direction} rules matches`;
  return sorted.map((policy, at) => ({
    kind: 'isolation',
    policy: policy.id,
    rule: null,
    tier: ending.tier.name,
    action: 'deny',
    text:
      at === 0
        ? `${wordEndpoint(own)} is isolated for ${direction} by ${names}, ${none}`
        : `\`${policy.id}\` isolates ${wordEndpoint(own)} for ${direction}, too`,
    origin: { object: policy.origin.object, field: 'spec.podSelector' },
  }));
}

const ACTS = { allow: 'allows', deny: 'denies', pass: 'passes on' } as const;

function meaning(rule: Rule): string {
  const { peers, traffic } = rule.match;
  const who = wordList(peers.map(wordPeer), 4);
  const what = traffic === 'any' ? 'any port and protocol' : wordList(traffic.map(wordTrafficMatch), 4);
  return `${rule.direction === 'ingress' ? 'from' : 'to'} ${who}, ${what === '' ? 'nothing' : what}`;
}

function ruleReason(tier: Tier, policy: Policy, rule: Rule, what: string): Reason {
  const name = rule.name === null ? '' : ` (\`${rule.name}\`)`;
  return {
    kind: 'rule',
    policy: policy.id,
    rule: rule.origin.field,
    tier: tier.name,
    action: rule.action,
    text: `rule \`${rule.origin.field}\`${name} of \`${policy.id}\` ${what}`,
    origin: rule.origin,
  };
}

// ── what else was considered ────────────────────────────────────────────────────────────────────────────────────

/** What else was looked at: rules that match, tiers and policies without effect, then near misses by nearness. */
export function considered(
  prepared: Prepared,
  direction: Direction,
  flow: Flow,
  traces: readonly Trace[],
  ending: Ending | null,
  verdict: VerdictKind,
): readonly Reason[] {
  const { own } = endsOf(direction, flow);
  // Where families differ, near misses are about the one that is closed.
  const trace = traces.find((each) => each.outcome.deny) ?? traces[0];
  if (trace === undefined || !isGoverned(own) || ending?.kind === 'self' || ending?.kind === 'own-node') return [];
  const told = ending?.kind === 'rule' ? ending.rule : null;
  const hits = new Map<Rule, Hit>();
  for (const each of traces) {
    for (const hit of each.hits) if (hits.get(hit.rule)?.match !== 'yes') hits.set(hit.rule, hit);
  }
  const reasons: Reason[] = [];
  const misses: { readonly miss: NearMiss; readonly reason: Reason }[] = [];
  const reached = Math.max(...traces.map((each) => each.tiers));
  for (const tier of prepared.program.tiers.slice(0, reached)) {
    const selected = prepared.selected(tier, own.pod, trace.family);
    if (selected.length === 0 && tier.policies.length > 0) reasons.push(emptyTier(tier, direction, flow));
    for (const one of selected) {
      const before = reasons.length + misses.length;
      let decided = false;
      for (const rule of one.rules[direction]) {
        if (rule === told) decided = true;
        else
          considerRule(
            prepared,
            { direction, flow, trace, tier, one, rule, hit: hits.get(rule), verdict, ending },
            reasons,
            misses,
          );
      }
      const silent = reasons.length + misses.length === before && !decided;
      if (silent && !isTold(ending, one.policy)) {
        reasons.push(silentPolicy(tier, one, direction));
      }
    }
  }
  misses.sort((a, b) => a.miss.distance - b.miss.distance);
  const overlooked = overlookedPolicies(prepared, direction, flow, trace, reached, verdict, ending);
  return [...reasons, ...overlooked, ...misses.map((one) => one.reason)];
}

/** Rules that match and would matter, if only their policy selected the end: a misspelt label in the selector or the pod. */
function overlookedPolicies(
  prepared: Prepared,
  direction: Direction,
  flow: Flow,
  trace: Trace,
  reached: number,
  verdict: VerdictKind,
  ending: Ending | null,
): readonly Reason[] {
  const { own, peer } = endsOf(direction, flow);
  if (own.kind !== 'pod') return [];
  const out: Reason[] = [];
  for (const tier of prepared.program.tiers.slice(0, reached)) {
    for (const { policy, rules, text } of prepared.overlooked(tier, own.pod)) {
      const rule = rules[direction].find(
        (each) => matchRule(prepared, each, own.pod, peer, flow, trace.family) === 'yes',
      );
      if (rule === undefined || !matters(rule, tier, verdict, ending)) continue;
      const field = policy.origin.object.kind === 'NetworkPolicy' ? 'spec.podSelector' : 'spec.subject';
      out.push({
        kind: 'near-miss',
        policy: policy.id,
        rule: rule.origin.field,
        tier: tier.name,
        action: rule.action,
        text: `rule \`${rule.origin.field}\` of \`${policy.id}\` matches, but the policy does not select ${wordEndpoint(own)}: ${text}`,
        origin: { object: policy.origin.object, field },
        fix: `make the labels of ${wordEndpoint(own)} and \`${field}\` agree`,
      });
    }
  }
  return out;
}

/** Whether the deciding reasons speak of a policy already. */
function isTold(ending: Ending | null, policy: Policy): boolean {
  if (ending?.kind === 'isolation') return ending.isolating.includes(policy);
  return ending?.kind === 'spared' && ending.isolating[0] === policy;
}

interface Considered {
  readonly direction: Direction;
  readonly flow: Flow;
  readonly trace: Trace;
  readonly tier: Tier;
  readonly one: Selected;
  readonly rule: Rule;
  readonly hit: Hit | undefined;
  readonly verdict: VerdictKind;
  readonly ending: Ending | null;
}

function considerRule(
  prepared: Prepared,
  { direction, flow, trace, tier, one, rule, hit, verdict, ending }: Considered,
  reasons: Reason[],
  misses: { readonly miss: NearMiss; readonly reason: Reason }[],
): void {
  const { own, peer } = endsOf(direction, flow);
  if (own.kind !== 'pod') return;
  const { policy } = one;
  // Rules behind the deciding one were not evaluated, so whether they match is asked here.
  const match = hit?.match ?? matchRule(prepared, rule, own.pod, peer, flow, trace.family);
  if (match !== 'no') {
    const sure = match === 'yes' && one.subject === 'yes';
    const word = sure ? (hit === undefined ? 'matches, too' : ACTS[rule.action]) : `${MAY[rule.action]}`;
    const what =
      hit !== undefined && sure ? `${word} ${wordTraffic(flow)}: ${meaning(rule)}` : `${word}: ${meaning(rule)}`;
    reasons.push(ruleReason(tier, policy, rule, what));
    return;
  }
  if (!matters(rule, tier, verdict, ending)) return;
  const miss = nearMiss({ policy, rule, own: own.pod, peer, flow, family: trace.family, facts: prepared.facts });
  if (miss === null) return;
  const fix = miss.fix === null ? {} : { fix: miss.fix };
  misses.push({
    miss,
    reason: {
      kind: 'near-miss',
      policy: policy.id,
      rule: rule.origin.field,
      tier: tier.name,
      action: rule.action,
      text: `rule \`${rule.origin.field}\` of \`${policy.id}\`: ${miss.text}`,
      origin: { object: rule.origin.object, field: miss.field },
      ...fix,
    },
  });
}

/** Whether the end could have another verdict if the rule matched: a rule that only repeats it is no near miss. */
function matters(rule: Rule, tier: Tier, verdict: VerdictKind, ending: Ending | null): boolean {
  if (verdict === 'undefined') return true;
  if (rule.action === 'pass') return ending !== null && 'tier' in ending && ending.tier === tier;
  return rule.action === (verdict === 'allowed' ? 'deny' : 'allow');
}

const MAY = { allow: 'may allow it', deny: 'may deny it', pass: 'may pass it on' } as const;

function emptyTier(tier: Tier, direction: Direction, flow: Flow): Reason {
  const { own } = endsOf(direction, flow);
  const text = `no policy of tier \`${tier.name}\` selects ${wordEndpoint(own)}`;
  return { kind: 'default', ...SILENT, tier: tier.name, text };
}

/** A policy that selects the end and of whose rules there is nothing to say. */
function silentPolicy(tier: Tier, { policy, rules, subject }: Selected, direction: Direction): Reason {
  const selects = subject === 'yes' ? 'selects it' : 'may select it';
  const isolates = policy.isolates.includes(direction);
  const other = policy.isolates.length > 0 && !isolates;
  const why = other
    ? `but its \`policyTypes\` do not list \`${direction === 'ingress' ? 'Ingress' : 'Egress'}\`, so it has no effect on ${direction}`
    : rules[direction].length === 0
      ? `but has no ${direction} rules`
      : `but none of its ${direction} rules matches`;
  return {
    kind: isolates ? 'isolation' : 'default',
    policy: policy.id,
    rule: null,
    tier: tier.name,
    action: null,
    text: `\`${policy.id}\` ${selects}, ${why}`,
    origin: other ? { object: policy.origin.object, field: 'spec.policyTypes' } : policy.origin,
  };
}
