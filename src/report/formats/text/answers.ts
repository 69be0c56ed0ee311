import type { Origin } from '../../../model/origin.ts';
import type { EndVerdict, Reason, Verdict, VerdictKind } from '../../../model/verdict.ts';
import { formatConn } from '../../conn.ts';
import type { RenderOptions } from '../../format.ts';
import { placeText, questionPorts, questionText } from '../../questions.ts';
import type { ConsideredRule, Explanation, QueryReport, TierStep } from '../../report.ts';
import { endsOf } from '../../report.ts';
import { visible } from '../../visible.ts';
import { type Paint, painter, type Style } from './paint.ts';
import { type Cell, table } from './table.ts';

const MARK: Readonly<Record<VerdictKind, string>> = { allowed: '✓', denied: '✗', undefined: '?' };

/** One line per question with what decides; with `verbose` the reasons of both ends below it. */
export function* queryText(report: QueryReport, options: RenderOptions): Generator<string> {
  const paint = painter(options.colour);
  const counts: Record<VerdictKind, number> = { allowed: 0, denied: 0, undefined: 0 };
  const rows: (readonly Cell[])[] = [];
  for (const answer of report.flows) {
    counts[answer.verdict]++;
    rows.push([
      { text: `${MARK[answer.verdict]} ${answer.verdict}`, style: answer.verdict },
      { text: questionText(answer.question, 'src') },
      { text: '→', style: 'dim' },
      { text: questionText(answer.question, 'dst') },
      { text: questionPorts(answer.question) },
      { text: decision(answer), style: 'dim' },
    ]);
  }
  if (options.verbose === true) {
    for (const [index, row] of rows.entries()) {
      yield* table([row], { indent: '', flexible: [5], width: options.width }, paint);
      const answer = report.flows[index];
      if (answer !== undefined) yield* endLines(answer, paint, '    ');
    }
  } else yield* table(rows, { indent: '', flexible: [5], width: options.width }, paint);
  if (rows.length > 0) yield '';
  const parts = (['allowed', 'denied', 'undefined'] as const)
    .filter((verdict) => counts[verdict] > 0)
    .map((verdict) => paint(verdict, `${counts[verdict]} ${verdict}`));
  yield `${report.flows.length} asked${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`;
}

/** The missing fact, or the end that denies and what decides there, or what allows. */
function decision(verdict: Verdict): string {
  if (verdict.undefinedBecause !== null) return verdict.undefinedBecause;
  const ends = endsOf(verdict);
  const deciding = ends.filter((end) => end.verdict === verdict.verdict);
  const chosen = verdict.verdict === 'allowed' ? deciding : deciding.slice(0, 1);
  const parts = chosen.map((end) =>
    end.decidedBy === null
      ? null
      : `${end.direction} ${verdict.verdict === 'denied' ? 'denied by' : 'by'} ${end.decidedBy}`,
  );
  const known = parts.filter((part) => part !== null);
  return known.length > 0 ? known.join(', ') : 'no policy decides';
}

function* endLines(verdict: Verdict, paint: Paint, indent: string): Generator<string> {
  for (const end of endsOf(verdict)) {
    yield `${indent}${paint(end.verdict, `${MARK[end.verdict]} ${end.direction} ${end.verdict}`)}`;
    for (const reason of end.reasons) yield* reasonLines(reason, paint, `${indent}  `);
  }
  for (const caveat of verdict.caveats) yield `${indent}${paint('warning', 'assumed:')} ${visible(caveat)}`;
}

function* reasonLines(reason: Reason, paint: Paint, indent: string): Generator<string> {
  const about = [reason.policy, reason.rule].filter((part) => part !== null).join(' ');
  const mark = reason.kind === 'near-miss' ? '≈' : '→';
  yield `${indent}${paint('dim', mark)} ${visible(reason.text)}${about === '' ? '' : paint('dim', ` (${about})`)}`;
  const place = placeText(reason.origin);
  if (place !== '') yield `${indent}  ${paint('dim', place)}`;
}

/** The way of a flow through both ends, tier by tier, with what decides, what nearly did, and how to change it. */
export function* explanationText(report: Explanation, options: RenderOptions): Generator<string> {
  const paint = painter(options.colour);
  const src = questionText(report.question, 'src');
  const dst = questionText(report.question, 'dst');
  yield paint('strong', `${src} → ${dst}  ${questionPorts(report.question)}`);
  yield `${paint(report.verdict, `${MARK[report.verdict]} ${report.verdict.toUpperCase()}`)}  ${visible(headline(report))}`;
  yield '';
  for (const end of endsOf(report)) {
    yield* endWalk(end, end.direction === 'egress' ? src : dst, report.considered, paint);
    yield '';
  }
  if (report.byPorts !== undefined && report.byPorts.length > 0) {
    yield paint('heading', 'by ports');
    const rows = report.byPorts.map((part): readonly Cell[] => [
      { text: `${MARK[part.verdict]} ${part.verdict}`, style: part.verdict },
      { text: formatConn(part.ports) },
      { text: decision(part), style: 'dim' },
    ]);
    yield* table(rows, { indent: '  ', flexible: [2], width: options.width }, paint);
    yield '';
  }
  for (const caveat of report.caveats) yield `${paint('warning', 'assumed:')} ${visible(caveat)}`;
  if (report.caveats.length > 0) yield '';
  if (report.fixes.length > 0) {
    yield paint('heading', report.verdict === 'denied' ? 'to allow it' : 'to change it');
    for (const fix of report.fixes) {
      yield `  ${paint('dim', '→')} ${visible(fix.text)}${fix.policy === null ? '' : paint('dim', ` (${fix.policy})`)}`;
      if (fix.yaml !== null) for (const line of fix.yaml.trimEnd().split('\n')) yield `      ${visible(line)}`;
    }
    yield '';
  }
}

function headline(report: Explanation): string {
  if (report.undefinedBecause !== null) return report.undefinedBecause;
  const ends = endsOf(report);
  const end = ends.find((one) => one.verdict === report.verdict);
  if (report.verdict === 'allowed') {
    return ends.length > 1 ? 'egress and ingress both allow it' : `${end?.direction ?? 'the end'} allows it`;
  }
  const first = end?.reasons[0];
  return end === undefined ? '' : `${end.direction}: ${first?.text ?? end.decidedBy ?? 'denied'}`;
}

function* endWalk(end: EndVerdict, who: string, considered: readonly TierStep[], paint: Paint): Generator<string> {
  yield `${paint('heading', end.direction)} ${paint('dim', end.direction === 'egress' ? 'of' : 'at')} ${visible(who)}  ${paint(end.verdict, `${MARK[end.verdict]} ${end.verdict}`)}`;
  const steps = considered.filter((step) => step.direction === end.direction);
  for (const step of steps) {
    const [mark, style, words] = outcome(step);
    yield `  ${paint(style, mark)} ${paint('strong', step.tier)} ${paint(style, words)}`;
    for (const policy of step.policies) {
      yield `      ${visible(policy.policy)}${policy.isolates ? paint('dim', ' isolates') : ''}${placed(policy.origin, paint)}`;
      for (const rule of policy.rules) yield* ruleLines(rule, paint);
      if (policy.rules.length === 0) yield `        ${paint('dim', `no ${end.direction} rules`)}`;
    }
  }
  // The steps say all of it in order; the reasons say it where no steps are given, and what no tier knows.
  const rest =
    steps.length === 0
      ? end.reasons
      : end.reasons.filter((r) => r.kind === 'node' || r.kind === 'self' || r.kind === 'default');
  for (const reason of rest) yield* reasonLines(reason, paint, '  ');
  for (const fact of end.missing) yield `  ${paint('undefined', '? not known:')} ${visible(fact)}`;
}

const ACTS: Readonly<Record<ConsideredRule['action'], string>> = { allow: 'allows', deny: 'denies', pass: 'passes' };

const RULE_MARK: Readonly<Record<ConsideredRule['outcome'], string>> = {
  decides: '',
  matches: '·',
  'near-miss': '≈',
  'no-match': '·',
};

function* ruleLines(rule: ConsideredRule, paint: Paint): Generator<string> {
  const action: Style = rule.action === 'allow' ? 'allowed' : rule.action === 'deny' ? 'denied' : 'undefined';
  const decides = rule.outcome === 'decides';
  const mark = decides ? (rule.action === 'allow' ? '✓' : rule.action === 'deny' ? '✗' : '→') : RULE_MARK[rule.outcome];
  const style: Style = decides ? action : rule.outcome === 'near-miss' ? 'warning' : 'dim';
  const words = decides ? `${ACTS[rule.action]}: ` : rule.outcome === 'near-miss' ? 'nearly: ' : '';
  yield `        ${paint(style, mark)} ${visible(rule.rule)}  ${paint(style, words + rule.text)}${placed(rule.origin, paint)}`;
}

function placed(origin: Origin | null, paint: Paint): string {
  const place = placeText(origin);
  return place === '' ? '' : `  ${paint('dim', place)}`;
}

function outcome(step: TierStep): readonly [string, Style, string] {
  switch (step.outcome) {
    case 'allow':
      return ['✓', 'allowed', 'allows'];
    case 'deny':
      return ['✗', 'denied', 'denies'];
    case 'isolated':
      return ['✗', 'denied', 'isolates, and no rule allows it'];
    case 'pass':
      return ['→', 'plain', 'passes on'];
    case 'next':
      return ['→', 'dim', step.policies.length === 0 ? 'no policy selects it' : 'no rule matches'];
    case 'unread':
      return ['?', 'undefined', 'policies could not be read'];
    case 'not-reached':
      return ['·', 'dim', 'not reached'];
  }
}
