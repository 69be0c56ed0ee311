import type { ConnectivityReport, DiffReport, ExposureReport } from '../../model/report.ts';
import type { VerdictKind } from '../../model/verdict.ts';
import { type GroupedChange, groupChanges } from '../changes.ts';
import { asLines, inChunks } from '../chunks.ts';
import { formatConn } from '../conn.ts';
import { groupExposure } from '../exposure-peers.ts';
import { flatten } from '../flat.ts';
import type { Format } from '../format.ts';
import { questionPorts, questionText } from '../questions.ts';
import type {
  Explanation,
  PoliciesReport,
  ProbeReport,
  QueryReport,
  Report,
  SmokeReport,
  ValidationReport,
} from '../report.ts';
import { endsOf } from '../report.ts';
import { countConnectivity, groupConnectivity, someNote } from '../rows.ts';
import { visible } from '../visible.ts';

/** A fold is closed at first when its table has more rows than fit on a screen. */
const LONG = 20;

/** Text that shows as it is: nothing in it becomes markup, a link, a mention or a table border. */
export function escapeMarkdown(text: string): string {
  return visible(text)
    .replace(/[\\`*_{}[\]<>#|~]/g, (c) => `\\${c}`)
    .replaceAll('@', '&#64;')
    .replaceAll('&', (c, at: number, all: string) => (all.startsWith('&#64;', at) ? c : '&amp;'));
}

/** Names and ports as code, in a table cell: a longer fence where the text has backticks, `\|` for `|`. */
export function code(text: string): string {
  const safe = visible(text);
  if (safe === '') return '';
  const longest = Math.max(0, ...[...safe.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = '`'.repeat(longest + 1);
  const pad = longest > 0 ? ' ' : '';
  return `${fence}${pad}${safe.replaceAll('|', '\\|')}${pad}${fence}`;
}

function* table(columns: readonly string[], rows: Iterable<readonly string[]>): Generator<string> {
  yield `| ${columns.join(' | ')} |`;
  yield `|${columns.map(() => '---').join('|')}|`;
  for (const row of rows) yield `| ${row.join(' | ')} |`;
}

function* fold(title: string, count: number, content: Iterable<string>): Generator<string> {
  if (count <= LONG) {
    yield `### ${title}`;
    yield '';
    yield* content;
    yield '';
    return;
  }
  yield `<details><summary><b>${title}</b> (${count} rows)</summary>`;
  yield '';
  yield* content;
  yield '';
  yield '</details>';
  yield '';
}

function* connectivity(report: ConnectivityReport): Generator<string> {
  const n = countConnectivity(report);
  const { rows } = groupConnectivity(report);
  yield '## Connectivity';
  yield '';
  const unknown = n.unspecified > 0 ? `, **${n.unspecified} unspecified**` : '';
  yield report.shown === undefined
    ? `**${n.allowed} of ${n.pairs}** pairs allowed (${n.everyPort} on every port), ${n.denied} denied${unknown}; ${n.workloads} workloads, ${n.ranges} address ranges.`
    : `**${n.allowed}** pairs of ${n.shown === 1 ? 'the workload' : `the ${n.shown} workloads`} shown allowed (${n.everyPort} on every port)${unknown}; all else is denied.`;
  yield '';
  yield* fold(
    'Who reaches what',
    rows.length,
    table(
      ['From', 'To', 'Ports'],
      rows.map((row) => [
        code(row.source),
        code(row.destination),
        row.unspecified ? '**unspecified**' : code(row.ports),
      ]),
    ),
  );
  const note = someNote(rows);
  if (note !== null) yield* [escapeMarkdown(note), ''];
  if (report.unspecifiedBecause.length > 0) {
    yield '### Unspecified because';
    yield '';
    for (const { because, pairs } of report.unspecifiedBecause) yield `- ${escapeMarkdown(because)} (${pairs} pairs)`;
    yield '';
  }
  if (report.ingressController.length > 0) {
    const lines = report.ingressController.map(({ dst, conn }) => [code(dst), code(formatConn(conn))]);
    yield* fold('From ingress controllers', lines.length, table(['To', 'Ports'], lines));
  }
}

const ICON: Readonly<Record<GroupedChange['word'], string>> = {
  opened: '🟢 opened',
  widened: '🟡 widened',
  changed: '🟡 changed',
  narrowed: '🔴 narrowed',
  closed: '🔴 closed',
};

function changeRow(change: GroupedChange): readonly string[] {
  const note = change.note === null ? '' : ` (${escapeMarkdown(change.note)})`;
  return [
    ICON[change.word] + note,
    code(change.source),
    code(change.destination),
    code(change.before),
    code(change.after),
  ];
}

const CHANGE_COLUMNS: readonly string[] = ['', 'From', 'To', 'Before', 'After'];

/** A pull request comment: figures first, then what was newly opened to the outside, then the rest. */
function* diff(report: DiffReport): Generator<string> {
  const { pairs, ingress, counts } = groupChanges(report);
  yield '## Network policy changes';
  yield '';
  if (counts.total === 0) {
    yield report.unspecified.length === 0
      ? 'No difference in connectivity.'
      : `No known difference in connectivity; ${report.unspecified.length} pairs are unspecified on one side or both.`;
    return;
  }
  const figures = (['opened', 'widened', 'changed', 'narrowed', 'closed'] as const)
    .filter((word) => counts[word] > 0)
    .map((word) => `**${counts[word]}** ${word}`);
  yield `${figures.join(' · ')}${report.unspecified.length > 0 ? ` · **${report.unspecified.length}** unspecified` : ''}`;
  yield '';
  const risky = pairs.filter((change) => change.external && change.opened !== 'none');
  if (risky.length > 0) {
    yield '> [!WARNING]';
    yield `> New access to or from addresses outside the cluster: **${counts.openedExternal}** ${counts.openedExternal === 1 ? 'pair' : 'pairs'}.`;
    yield '>';
    yield* [
      ...table(
        ['From', 'To', 'Now open'],
        risky.map((c) => [code(c.source), code(c.destination), code(c.opened)]),
      ),
    ].map((line) => `> ${line}`);
    yield '';
  }
  const inside = pairs.filter((change) => !change.external);
  const outside = pairs.filter((change) => change.external);
  if (inside.length > 0) yield* fold('Between workloads', inside.length, table(CHANGE_COLUMNS, inside.map(changeRow)));
  if (outside.length > 0) {
    yield* fold('Outside the cluster', outside.length, table(CHANGE_COLUMNS, outside.map(changeRow)));
  }
  if (ingress.length > 0)
    yield* fold('From ingress controllers', ingress.length, table(CHANGE_COLUMNS, ingress.map(changeRow)));
}

function* exposure(report: ExposureReport): Generator<string> {
  const { rows, unprotected } = groupExposure(report);
  yield '## Exposure';
  yield '';
  const cells = rows.map((row) => [code(row.workload), row.direction, escapeMarkdown(row.peer), code(row.ports)]);
  yield* fold('Who can reach what', cells.length, table(['Workload', 'Direction', 'Peer', 'Ports'], cells));
  for (const direction of ['ingress', 'egress'] as const) {
    if (unprotected[direction].length === 0) continue;
    yield `**No policy restricts ${direction} of** ${unprotected[direction].map(code).join(', ')}`;
    yield '';
  }
}

const VERDICT: Readonly<Record<VerdictKind, string>> = {
  allowed: '✅ allowed',
  denied: '❌ denied',
  undefined: '❔ undefined',
};

function* query(report: QueryReport): Generator<string> {
  yield* table(
    ['Verdict', 'From', 'To', 'Ports', 'Egress', 'Ingress'],
    report.flows.map((answer) => [
      VERDICT[answer.verdict],
      code(questionText(answer.question, 'src')),
      code(questionText(answer.question, 'dst')),
      code(questionPorts(answer.question)),
      answer.egress === null ? '' : `${answer.egress.verdict} ${code(answer.egress.decidedBy ?? '')}`.trimEnd(),
      answer.ingress === null ? '' : `${answer.ingress.verdict} ${code(answer.ingress.decidedBy ?? '')}`.trimEnd(),
    ]),
  );
}

function* explanation(report: Explanation): Generator<string> {
  yield `## ${escapeMarkdown(`${questionText(report.question, 'src')} → ${questionText(report.question, 'dst')} ${questionPorts(report.question)}`)}`;
  yield '';
  yield `**${VERDICT[report.verdict]}**${report.undefinedBecause === null ? '' : `: ${escapeMarkdown(report.undefinedBecause)}`}`;
  yield '';
  for (const end of endsOf(report)) {
    yield `- **${end.direction}** ${VERDICT[end.verdict]}${end.decidedBy === null ? '' : ` by ${code(end.decidedBy)}`}`;
    for (const reason of end.reasons) yield `  - ${escapeMarkdown(reason.text)}`;
  }
  for (const caveat of report.caveats) yield `- assumed: ${escapeMarkdown(caveat)}`;
  for (const fix of report.fixes) {
    yield '';
    yield `**Fix:** ${escapeMarkdown(fix.text)}${fix.policy === null ? '' : ` (${code(fix.policy)})`}`;
    if (fix.yaml !== null)
      yield* [
        '',
        ...fix.yaml
          .trimEnd()
          .split('\n')
          .map((line) => `    ${visible(line)}`),
      ];
  }
}

function* probe(report: ProbeReport): Generator<string> {
  const wrong = report.flows.filter((flow) => !flow.agrees);
  yield '## Policies against real connections';
  yield '';
  yield `**${report.flows.length}** flows checked in ${code(report.where)}, **${report.disagreements}** disagree, ${report.unverifiable} could not be compared.`;
  yield '';
  yield* table(
    ['Expected', 'Observed', 'Flows'],
    report.counts.map(({ expected, observed, flows }) => [expected, observed, `${flows}`]),
  );
  yield '';
  if (wrong.length > 0) {
    const rows = wrong.map((flow) => [
      code(questionText(flow.question, 'src')),
      code(questionText(flow.question, 'dst')),
      code(questionPorts(flow.question)),
      VERDICT[flow.verdict],
      `**${flow.observed}**`,
      escapeMarkdown(flow.detail),
    ]);
    yield* fold('Disagreements', wrong.length, table(['From', 'To', 'Ports', 'Expected', 'Observed', ''], rows));
  }
  for (const { what, because, flows } of report.skipped) {
    yield `- not asked: ${escapeMarkdown(`${what}: ${because}`)} (${flows})`;
  }
}

function* smoke(report: SmokeReport): Generator<string> {
  yield '## Are policies enforced here?';
  yield '';
  yield `**${report.enforced}**${report.by === null ? '' : `, by ${escapeMarkdown(report.by)}`}`;
  yield '';
  const { columns, rows } = flatten(report);
  yield* table(
    columns.map(escapeMarkdown),
    (function* () {
      for (const row of rows) yield row.map(escapeMarkdown);
    })(),
  );
}

function* flat(title: string, report: PoliciesReport | ValidationReport): Generator<string> {
  const { columns, rows } = flatten(report);
  yield `## ${title}`;
  yield '';
  yield* table(
    columns,
    (function* () {
      for (const row of rows) yield row.map(escapeMarkdown);
    })(),
  );
}

function lines<R extends Report>(of: (report: R) => Iterable<string>): (report: R) => Iterable<string> {
  return (report) => inChunks(asLines(of(report)));
}

export const markdown: Format = {
  name: 'markdown',
  mediaType: 'text/markdown; charset=utf-8',
  extension: 'md',
  renderers: {
    ConnectivityReport: lines(connectivity),
    ExposureReport: lines(exposure),
    DiffReport: lines(diff),
    QueryReport: lines(query),
    Explanation: lines(explanation),
    PoliciesReport: lines((report: PoliciesReport) => flat('Policies', report)),
    ValidationReport: lines((report: ValidationReport) => flat('Validation', report)),
    ProbeReport: lines(probe),
    SmokeReport: lines(smoke),
  },
};
