/** What was seen, held against what the policies say. */
import type { VerdictKind } from '../model/verdict.ts';
import type { Observed, ProbeAttempt, ProbeCount, ProbedFlow } from '../report/report.ts';
import type { Outcome } from './pod-protocol.ts';
import type { PlannedFlow, Try } from './probe-plan.ts';

/**
 * An outcome; `blind` says why it tells nothing although nothing is wrong. `quiet`: the other side was silent or refused,
 * which tells something once it is known to answer others.
 */
export interface Seen extends Outcome {
  readonly blind?: string;
  readonly quiet?: true;
}

/** What one try showed: an answer of somebody else is no answer. */
export function judgeOutcome(attempt: Try, outcome: Seen): Seen {
  if (outcome.observed !== 'allowed' || attempt.peers === null || outcome.peer === null) return outcome;
  const { peer } = outcome;
  const known = attempt.peers.some((id) => id === peer || id.slice(id.indexOf('/') + 1) === peer);
  return known ? outcome : { ...outcome, observed: 'error', detail: `\`${peer}\` answered in its place` };
}

/** A silence or refusal is a denial at a place that answers others. */
export function inLightOf(answering: ReadonlySet<string>, attempt: Try, outcome: Seen): Seen {
  if (outcome.observed !== 'error' || outcome.quiet !== true || !answering.has(placeOf(attempt))) return outcome;
  const { blind: _blind, quiet: _quiet, ...rest } = outcome;
  return { ...rest, observed: 'denied', detail: `${outcome.detail}, while others are answered` };
}

/** Takes the attempts of one round together: what contradicts the verdict counts. */
export function compare(
  planned: PlannedFlow,
  seen: readonly Seen[],
  round: number,
  trace: readonly string[] = [],
): ProbedFlow {
  const { answer, tries } = planned;
  const attempts = tries.map((attempt, i): ProbeAttempt => {
    const outcome = seen[i];
    return {
      from: attempt.from,
      to: placeOf(attempt),
      observed: outcome?.observed ?? 'error',
      detail: outcome?.detail ?? 'not asked',
      ms: Math.round(outcome?.ms ?? 0),
      round,
    };
  });
  const expected = answer.verdict;
  const observed = together(expected, attempts);
  const blind = seen.find((outcome) => outcome.observed === 'error' && outcome.blind !== undefined)?.blind ?? null;
  const unverifiable = planned.unverifiable ?? (observed === 'error' ? blind : null);
  return {
    ...answer,
    observed,
    agrees: unverifiable !== null || observed === expected,
    unverifiable,
    detail: inWords(observed, attempts, unverifiable),
    attempts,
    rounds: round,
    trace,
  };
}

/** `10.1.2.3:80/tcp`, `[fd00::1]:53/udp`. */
export function placeOf({ host, port, protocol }: Pick<Try, 'host' | 'port' | 'protocol'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}/${protocol.toLowerCase()}`;
}

function together(expected: VerdictKind, attempts: readonly ProbeAttempt[]): Observed {
  const kinds = new Set(attempts.map(({ observed }) => observed));
  const [only] = kinds;
  if (only === undefined) return 'error';
  if (kinds.size === 1) return only;
  if (expected === 'allowed' && kinds.has('denied')) return 'denied';
  if (expected === 'denied' && kinds.has('allowed')) return 'allowed';
  return 'error';
}

function inWords(observed: Observed, attempts: readonly ProbeAttempt[], unverifiable: string | null): string {
  if (attempts.length === 0) return unverifiable ?? 'nothing was tried';
  const telling = attempts.filter((attempt) => attempt.observed === observed);
  const shown = telling.length === 0 ? attempts : telling;
  const details = [...new Set(shown.map(({ detail }) => detail))];
  const words = details.slice(0, 3).join('; ');
  if (shown.length === attempts.length) return words;
  return `${words} (${shown.length} of ${attempts.length}: ${shown
    .slice(0, 3)
    .map(({ from, to }) => `${from} → ${to}`)
    .join(', ')})`;
}

const VERDICTS: readonly VerdictKind[] = ['allowed', 'denied', 'undefined'];
const OBSERVED: readonly Observed[] = ['allowed', 'denied', 'error'];

/** How often each verdict met each observation. */
export function countFlows(flows: readonly ProbedFlow[]): readonly ProbeCount[] {
  return VERDICTS.flatMap((expected) =>
    OBSERVED.map((observed) => ({
      expected,
      observed,
      flows: flows.filter((flow) => flow.verdict === expected && flow.observed === observed).length,
    })),
  ).filter(({ flows: many }) => many > 0);
}
