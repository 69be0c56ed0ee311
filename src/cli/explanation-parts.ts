import { type Answer, type AskedEnd, answerQuestion } from '../engine/explain/answer.ts';
import { casesOf, type Question } from '../engine/explain/answer-cases.ts';
import { explainPrepared } from '../engine/explain/explain.ts';
import { proposeFix } from '../engine/explain/fix.ts';
import type { Prepared } from '../engine/explain/prepare.ts';
import type { Pod } from '../model/cluster.ts';
import type { PortProtocol } from '../model/match.ts';
import type { Direction } from '../model/program.ts';
import type { EndVerdict, Reason, Verdict } from '../model/verdict.ts';
import type { ConsideredPolicy, ConsideredRule, ExplainedPorts, Explanation, Fix, TierStep } from '../report/report.ts';
import { textOfRule } from './rule-text.ts';

/** What an explanation shows besides the verdict: the way through the tiers, the change that would help, ports apart. */
export function explanationParts(
  prepared: Prepared,
  question: Question,
  verdict: Verdict,
  ports: Answer['ports'],
): Pick<Explanation, 'considered' | 'fixes' | 'byPorts'> {
  const byPorts = ports === null || ports.length < 2 ? null : portsApart(prepared, question, ports);
  // Without a port, what can be mended is what something listens on.
  const denied = ports?.find((line) => line.declared && line.verdict === 'denied');
  const about: Question =
    denied === undefined ? question : { ...question, protocol: denied.protocol, port: denied.first };
  const shown = denied === undefined ? verdict : answerQuestion(prepared, about);
  return {
    considered: [
      ...stepsOf(prepared, 'egress', firstPod(about.source), shown.egress),
      ...stepsOf(prepared, 'ingress', firstPod(about.destination), shown.ingress),
    ],
    fixes: verdict.verdict === 'denied' || denied !== undefined ? fixesOf(prepared, about) : [],
    ...(byPorts === null ? {} : { byPorts }),
  };
}

function firstPod(end: AskedEnd): Pod | null {
  if (end.kind === 'pods') return end.pods[0] ?? null;
  return end.kind === 'service' ? (end.service.backends.find(({ pod }) => pod !== null)?.pod ?? null) : null;
}

function stepsOf(
  prepared: Prepared,
  direction: Direction,
  pod: Pod | null,
  end: EndVerdict | null,
): readonly TierStep[] {
  if (pod === null || pod.hostNetwork || end === null) return [];
  const family = pod.addresses[0]?.family ?? 4;
  const [deciding] = end.reasons;
  const out: TierStep[] = [];
  let reached = true;
  for (const tier of prepared.program.tiers) {
    const policies = prepared.selected(tier, pod, family).map(
      ({ policy, rules }): ConsideredPolicy => ({
        policy: policy.id,
        isolates: policy.isolates.includes(direction),
        rules: rules[direction].map((rule): ConsideredRule => {
          const field = rule.origin.field;
          const reason = end.reasons.find((one) => one.policy === policy.id && one.rule === field);
          return {
            rule: field,
            action: rule.action,
            outcome: outcomeOf(reason, deciding),
            text: reason === undefined || reason === deciding ? textOfRule(rule) : withoutName(reason),
            // Of a near miss, the very field that stands in the way.
            origin: reason?.kind === 'near-miss' ? reason.origin : rule.origin,
          };
        }),
        origin: policy.origin,
      }),
    );
    const concerned = policies.filter(({ isolates, rules }) => isolates || rules.length > 0);
    const decides = deciding?.tier === tier.name && deciding.kind !== 'near-miss';
    out.push({
      direction,
      plane: tier.plane,
      tier: tier.name,
      outcome: !reached
        ? 'not-reached'
        : tier.unread !== null
          ? 'unread'
          : decides
            ? ending(deciding)
            : leftBy(concerned),
      policies: concerned,
    });
    if (decides || tier.unread !== null) reached = false;
  }
  return out;
}

function outcomeOf(reason: Reason | undefined, deciding: Reason | undefined): ConsideredRule['outcome'] {
  if (reason === undefined) return 'no-match';
  if (reason.kind === 'near-miss') return 'near-miss';
  return reason === deciding ? 'decides' : 'matches';
}

/** What a reason says, less the names of its rule and policy, under which it is shown. */
function withoutName({ policy, rule, text }: Reason): string {
  const head = `rule \`${rule}\``;
  const name = ` of \`${policy}\``;
  const at = text.indexOf(name);
  return text.startsWith(head) && at >= 0 ? text.slice(at + name.length).replace(/^:? /, '') : text;
}

function ending(reason: Reason): TierStep['outcome'] {
  if (reason.kind === 'isolation') return 'isolated';
  return reason.action ?? 'next';
}

function leftBy(policies: readonly ConsideredPolicy[]): TierStep['outcome'] {
  const passed = policies.some(({ rules }) =>
    rules.some(({ action, outcome }) => action === 'pass' && outcome === 'matches'),
  );
  return passed ? 'pass' : 'next';
}

function fixesOf(prepared: Prepared, question: Question): readonly Fix[] {
  const expanded = casesOf(prepared, question, (other) => answerQuestion(prepared, other, { reasons: 'deciding' }));
  if ('because' in expanded) return [];
  const denied = expanded.cases.find(
    ({ flow }) => explainPrepared(prepared, flow, { reasons: 'deciding' }).verdict === 'denied',
  );
  if (denied === undefined) return [];
  const fix = proposeFix(prepared, denied.flow);
  if (fix.kind === 'none') return [];
  return fix.steps.map(({ kind, policy, text, yaml }) => ({
    text,
    policy: kind === 'new-policy' ? null : policy,
    yaml,
  }));
}

/** One part for all ports that end alike, in the order of their first port. */
function portsApart(
  prepared: Prepared,
  question: Question,
  lines: NonNullable<Answer['ports']>,
): readonly ExplainedPorts[] {
  const parts = new Map<string, { verdict: Verdict; ports: Partial<Record<PortProtocol, [number, number][]>> }>();
  for (const line of lines) {
    const key = `${line.verdict}|${line.egress}|${line.ingress}|${line.undefinedBecause}`;
    let part = parts.get(key);
    if (part === undefined) {
      const { ports: _, ...verdict } = answerQuestion(prepared, {
        ...question,
        protocol: line.protocol,
        port: line.first,
      });
      part = { verdict, ports: {} };
      parts.set(key, part);
    }
    const ranges = part.ports[line.protocol] ?? [];
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === line.first) last[1] = line.last;
    else ranges.push([line.first, line.last]);
    part.ports[line.protocol] = ranges;
  }
  return [...parts.values()].map(({ verdict, ports }) => ({ ...verdict, ports }));
}
