import type { Origin } from '../../../model/origin.ts';
import type { EndVerdict, Reason, Verdict, VerdictKind } from '../../../model/verdict.ts';
import { formatConn } from '../../conn.ts';
import type { RenderOptions } from '../../format.ts';
import { placeText, questionPorts, questionText } from '../../questions.ts';
import type { ConsideredRule, Explanation, QueryReport, TierStep } from '../../report.ts';
import { endsOf } from '../../report.ts';
import { visible } from '../../visible.ts';
import { type Paint, painter, type Style } from './paint.ts';
import { type Cell, lengthOf, table, wrap } from './table.ts';

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
    const page = pageOf(options);
    for (const [index, row] of rows.entries()) {
      yield* table([row], { indent: '', flexible: [5], width: options.width }, paint);
      const answer = report.flows[index];
      if (answer !== undefined) yield* endLines(answer, page, '    ');
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

function* endLines(verdict: Verdict, page: Page, indent: string): Generator<string> {
  const { paint } = page;
  for (const end of endsOf(verdict)) {
    yield `${indent}${paint(end.verdict, `${MARK[end.verdict]} ${end.direction} ${end.verdict}`)}`;
    for (const reason of end.reasons) yield* reasonLines(reason, page, `${indent}  `);
  }
  for (const caveat of verdict.caveats) yield* line({ indent, mark: ['assumed:', 'warning'], text: caveat }, page);
}

function* reasonLines(reason: Reason, page: Page, indent: string): Generator<string> {
  const parts = [reason.policy, reason.rule].filter((part) => part !== null);
  // Most texts name the policy by themselves.
  const about = reason.policy !== null && reason.text.includes(reason.policy) ? '' : parts.join(' ');
  const mark = reason.kind === 'near-miss' ? '≈' : '→';
  const text = `${reason.text}${about === '' ? '' : ` (${about})`}`;
  yield* line({ indent, mark: [mark, 'dim'], text, place: fileText(reason.origin) }, page);
}

/** Where it is in a file; an object of a live cluster has no other place than its name, which stands there already. */
function fileText(origin: Origin | null): string {
  return origin === null || origin.object.source === null ? '' : placeText(origin);
}

/** How lines are written: with colours or without, and how wide. */
interface Page {
  readonly paint: Paint;
  readonly width: number | undefined;
  readonly verbose: boolean;
}

function pageOf(options: RenderOptions): Page {
  return { paint: painter(options.colour), width: options.width, verbose: options.verbose === true };
}

interface Line {
  readonly indent: string;
  readonly mark: readonly [string, Style];
  /** What stands before the text, without its style. */
  readonly lead?: string;
  readonly text: string;
  readonly style?: Style;
  readonly place?: string;
}

/** A marked text, broken where the terminal ends; its place stands behind it, or below where there is no room. */
function* line(
  { indent, mark: [mark, markStyle], lead = '', text, style = 'plain', place = '' }: Line,
  page: Page,
): Generator<string> {
  const { paint, width } = page;
  const margin = indent + ' '.repeat(lengthOf(mark) + 1);
  const whole = lead + text;
  const rows = width === undefined ? [whole] : wrap(whole, Math.max(24, width - margin.length));
  const last = rows.at(-1) ?? '';
  const beside = place !== '' && (width === undefined || margin.length + lengthOf(last) + 2 + lengthOf(place) <= width);
  for (const [i, row] of rows.entries()) {
    const start = i === 0 ? `${indent}${paint(markStyle, mark)} ` : margin;
    const led = i === 0 && row.startsWith(lead) ? lead : '';
    yield `${start}${paint('plain', led)}${paint(style, row.slice(led.length))}${beside && i === rows.length - 1 ? `  ${paint('dim', place)}` : ''}`;
  }
  if (place !== '' && !beside) yield `${margin}${paint('dim', place)}`;
}

/** The way of a flow through both ends, tier by tier, with what decides, what nearly did, and how to change it. */
export function* explanationText(report: Explanation, options: RenderOptions): Generator<string> {
  const page = pageOf(options);
  const { paint } = page;
  const src = questionText(report.question, 'src');
  const dst = questionText(report.question, 'dst');
  yield paint('strong', `${src} → ${dst}  ${questionPorts(report.question)}`);
  const verdict = `${MARK[report.verdict]} ${report.verdict.toUpperCase()} `;
  yield* line({ indent: '', mark: [verdict, report.verdict], text: headline(report) }, page);
  yield '';
  for (const end of endsOf(report)) {
    // What depends on the port is told port by port.
    const apart = report.byPorts === undefined || report.byPorts.length < 2 ? null : report.undefinedBecause;
    const missing = end.missing.filter((fact) => fact !== apart);
    yield* endWalk({ ...end, missing }, end.direction === 'egress' ? src : dst, report.considered, page);
    yield '';
  }
  if (report.byPorts !== undefined && report.byPorts.length > 1) {
    yield paint('heading', 'by ports');
    const rows = report.byPorts.map((part): readonly Cell[] => [
      { text: `${MARK[part.verdict]} ${part.verdict}`, style: part.verdict },
      { text: formatConn(part.ports) },
      { text: decision(part), style: 'dim' },
    ]);
    yield* table(rows, { indent: '  ', flexible: [2], width: options.width }, paint);
    yield '';
  }
  for (const caveat of report.caveats) yield* line({ indent: '', mark: ['assumed:', 'warning'], text: caveat }, page);
  if (report.caveats.length > 0) yield '';
  if (report.fixes.length > 0) {
    yield paint('heading', report.verdict === 'denied' ? 'to allow it' : 'to change it');
    for (const fix of report.fixes) {
      const named = fix.policy === null || fix.text.includes(fix.policy);
      yield* line({ indent: '  ', mark: ['→', 'dim'], text: `${fix.text}${named ? '' : ` (${fix.policy})`}` }, page);
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

function* endWalk(end: EndVerdict, who: string, considered: readonly TierStep[], page: Page): Generator<string> {
  const { paint } = page;
  yield `${paint('heading', end.direction)} ${paint('dim', end.direction === 'egress' ? 'of' : 'at')} ${visible(who)}  ${paint(end.verdict, `${MARK[end.verdict]} ${end.verdict}`)}`;
  const steps = considered.filter((step) => step.direction === end.direction);
  for (const step of steps) {
    const [mark, style, words] = outcome(step);
    yield `  ${paint(style, mark)} ${paint('strong', step.tier)} ${paint(style, words)}`;
    for (const policy of step.policies) {
      const [lead, text] = [policy.policy, policy.isolates ? ' isolates' : ''];
      const place = fileText(policy.origin);
      yield* line({ indent: '     ', mark: ['', 'plain'], lead, text, style: 'dim', place }, page);
      for (const rule of policy.rules) yield* ruleLines(rule, page);
      if (policy.rules.length === 0) yield `        ${paint('dim', `no ${end.direction} rules`)}`;
    }
  }
  for (const reason of end.reasons) {
    if (steps.length === 0 || untold(reason, end, page)) yield* reasonLines(reason, page, '  ');
  }
  for (const fact of end.missing) yield* line({ indent: '  ', mark: ['? not known:', 'undefined'], text: fact }, page);
}

/** Whether a reason says what the steps through the tiers, and the list of missing facts, do not. */
function untold(reason: Reason, end: EndVerdict, { verbose }: Page): boolean {
  if (reason.kind === 'node' || reason.kind === 'self') return true;
  if (reason.policy !== null) return verbose && reason.rule === null && reason.action === null;
  return reason.kind === 'default' && reason.tier === null && !end.missing.includes(reason.text);
}

const ACTS: Readonly<Record<ConsideredRule['action'], string>> = { allow: 'allows', deny: 'denies', pass: 'passes' };

const RULE_MARK: Readonly<Record<ConsideredRule['outcome'], string>> = {
  decides: '',
  matches: '·',
  'near-miss': '≈',
  'no-match': '·',
};

const RULE_WORDS: Readonly<Record<ConsideredRule['outcome'], string>> = {
  decides: '',
  matches: '',
  'near-miss': 'nearly: ',
  'no-match': 'no match: ',
};

function* ruleLines(rule: ConsideredRule, page: Page): Generator<string> {
  const action: Style = rule.action === 'allow' ? 'allowed' : rule.action === 'deny' ? 'denied' : 'undefined';
  const decides = rule.outcome === 'decides';
  const mark = decides ? (rule.action === 'allow' ? '✓' : rule.action === 'deny' ? '✗' : '→') : RULE_MARK[rule.outcome];
  const style: Style = decides ? action : rule.outcome === 'near-miss' ? 'warning' : 'dim';
  const words = decides ? `${ACTS[rule.action]}: ` : RULE_WORDS[rule.outcome];
  const lead = `${rule.rule}  `;
  const text = words + rule.text;
  yield* line({ indent: '        ', mark: [mark, style], lead, text, style, place: fileText(rule.origin) }, page);
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
