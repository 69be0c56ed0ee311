import { FAMILIES, type Family } from '../../base/ip.ts';
import { byText } from '../../base/order.ts';
import type { Flow } from '../../model/flow.ts';
import type { Direction, Plane, Policy, PolicyProgram, Rule } from '../../model/program.ts';
import type { EndVerdict, Verdict } from '../../model/verdict.ts';
import { addressesOf, type Facts } from '../match.ts';
import { familiesOf, type Outcome, verdictOf } from '../reference.ts';
import { caveatsOf } from './caveats.ts';
import { missingFacts } from './doubts.ts';
import { type Prepared, prepareExplain } from './prepare.ts';
import { considered, decidingReasons, undecided } from './reasons.ts';
import { type Ending, type Trace, traceEnd } from './trace.ts';
import { wordEndpoint } from './words.ts';

/** How much to explain. */
export interface ExplainOptions {
  /** `deciding` gives only the reason that decides, for large batches; `all` is the default. */
  readonly reasons?: 'all' | 'deciding';
  /** Judge one end only; the other one is `null`. */
  readonly direction?: Direction | null;
}

/** The verdict of one flow with its reasons, for a single question; use {@link prepareExplain} for more. */
export function explainFlow(program: PolicyProgram, facts: Facts, flow: Flow, options: ExplainOptions = {}): Verdict {
  return explainPrepared(prepareExplain(program, facts), flow, options);
}

/** The verdict of one flow with its reasons: always the same verdict as `referenceVerdict`. */
export function explainPrepared(prepared: Prepared, flow: Flow, options: ExplainOptions = {}): Verdict {
  const families = familiesOf(flow, prepared.facts);
  const direction = options.direction ?? null;
  if (families.length === 0) return withoutFamily(prepared, flow, direction);
  const judge = (one: Direction): readonly Trace[] =>
    direction !== null && direction !== one ? [] : families.map((family) => traceEnd(prepared, one, flow, family));
  const egress = judge('egress');
  const ingress = judge('ingress');
  const outcomes = families.map((_, at) => bothEnds(egress[at], ingress[at]));
  const verdict = verdictOf(sum(outcomes));
  const ends = {
    egress: egress.length === 0 ? null : endVerdict(prepared, 'egress', flow, egress, options),
    ingress: ingress.length === 0 ? null : endVerdict(prepared, 'ingress', flow, ingress, options),
  };
  const caveats = [...new Set([...(ends.egress?.caveats ?? []), ...(ends.ingress?.caveats ?? [])])];
  const undefinedBecause = verdict === 'undefined' ? because(families, outcomes, ends) : null;
  return { verdict, undefinedBecause, caveats, ...ends };
}

function bothEnds(egress: Trace | undefined, ingress: Trace | undefined): Outcome {
  const parts = [egress, ingress].filter((trace) => trace !== undefined).map((trace) => trace.outcome);
  return { allow: parts.every((part) => part.allow), deny: parts.some((part) => part.deny) };
}

function sum(outcomes: readonly Outcome[]): Outcome {
  return { allow: outcomes.some((one) => one.allow), deny: outcomes.some((one) => one.deny) };
}

function because(
  families: readonly Family[],
  outcomes: readonly Outcome[],
  ends: { readonly egress: EndVerdict | null; readonly ingress: EndVerdict | null },
): string {
  const parts = new Set<string>();
  const differing = differingFamilies(families, outcomes);
  if (differing !== null) parts.add(differing);
  for (const end of [ends.egress, ends.ingress]) {
    if (end?.verdict === 'undefined') for (const text of end.missing) if (!text.startsWith(DIFFERS)) parts.add(text);
  }
  return [...parts].join('; ');
}

const DIFFERS = 'differs by address family';

/** What to say where two families end definitely, but not alike. */
function differingFamilies(families: readonly Family[], outcomes: readonly Outcome[]): string | null {
  const verdicts = outcomes.map(verdictOf);
  if (new Set(verdicts).size < 2) return null;
  return `${DIFFERS}: ${families.map((family, at) => `IPv${family} ${verdicts[at]}`).join(', ')}`;
}

function withoutFamily(prepared: Prepared, flow: Flow, direction: Direction | null): Verdict {
  const has = (end: 'source' | 'destination'): string => {
    const families = FAMILIES.filter((family) => addressesOf(flow[end], family, prepared.facts).length > 0);
    return `${wordEndpoint(flow[end])} has ${families.length === 0 ? 'no address' : families.map((f) => `IPv${f}`).join(' and ')}`;
  };
  const wanted = flow.family === null ? '' : `, and IPv${flow.family} is asked for`;
  const text = `no common address family: ${has('source')}, ${has('destination')}${wanted}`;
  const end = (one: Direction): EndVerdict | null =>
    direction !== null && direction !== one
      ? null
      : {
          direction: one,
          verdict: 'undefined',
          decidedBy: null,
          plane: 'network',
          reasons: [],
          missing: [text],
          caveats: [],
        };
  return { verdict: 'undefined', undefinedBecause: text, caveats: [], egress: end('egress'), ingress: end('ingress') };
}

// ── one end ─────────────────────────────────────────────────────────────────────────────────────────────────────

function endVerdict(
  prepared: Prepared,
  direction: Direction,
  flow: Flow,
  traces: readonly Trace[],
  options: ExplainOptions,
): EndVerdict {
  const outcomes = traces.map((trace) => trace.outcome);
  const verdict = verdictOf(sum(outcomes));
  const deciding = traces.find((trace) => verdictOf(trace.outcome) === verdict) ?? traces[0];
  const ending: Ending = deciding?.ending ?? { kind: 'default' };
  const missing = verdict === 'undefined' ? [...missingFacts(prepared, direction, flow, traces)] : [];
  const families = traces.map((trace) => trace.family);
  const differing = verdict === 'undefined' ? differingFamilies(families, outcomes) : null;
  if (differing !== null) missing.unshift(differing);
  const first = verdict === 'undefined' ? undecided(missing) : decidingReasons(direction, flow, ending);
  const rest =
    options.reasons === 'deciding' || deciding === undefined
      ? []
      : considered(prepared, direction, flow, traces, verdict === 'undefined' ? null : ending, verdict);
  return {
    direction,
    verdict,
    decidedBy: verdict === 'undefined' ? null : decidedBy(ending),
    plane: planeOf(ending),
    reasons: [...first, ...rest],
    missing,
    caveats: caveatsOf(prepared, direction, flow, traces),
  };
}

function planeOf(ending: Ending): Plane {
  return 'tier' in ending ? ending.tier.plane : 'network';
}

/** `Kind/namespace/name#ingress[0]`: a rule as `decidedBy` names it. */
export function ruleId(policy: Policy, rule: Rule): string {
  const list = /^spec\.(\w+\[\d+\])$/.exec(rule.origin.field)?.[1];
  // What closes a policy with a field that is not understood is no rule of the object's own lists.
  return list === undefined ? policy.id : `${policy.id}#${list}`;
}

function decidedBy(ending: Ending): string | null {
  if (ending.kind === 'rule') return ruleId(ending.policy, ending.rule);
  if (ending.kind === 'isolation') return isolators(ending.isolating).join(',');
  return null;
}

function isolators(policies: readonly Policy[]): readonly string[] {
  return policies.map((policy) => policy.id).sort(byText);
}
