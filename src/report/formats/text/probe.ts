import type { RenderOptions } from '../../format.ts';
import { expectedBecause, flowName, matrixOf, type PairOutcome, probeHeadline } from '../../probe-words.ts';
import type { ProbedFlow, ProbeReport, ProbeSkipped, SmokeCheck, SmokeReport } from '../../report.ts';
import { type Paint, painter, type Style } from './paint.ts';
import { type Cell, lengthOf, table } from './table.ts';

const GLYPH: Readonly<Record<PairOutcome, readonly [string, Style]>> = {
  allowed: ['✓', 'allowed'],
  denied: ['✗', 'denied'],
  mixed: ['±', 'plain'],
  disagrees: ['!', 'warning'],
  unverifiable: ['?', 'undefined'],
};

const LEGEND: readonly (readonly [PairOutcome, string])[] = [
  ['allowed', 'open, as expected'],
  ['denied', 'closed, as expected'],
  ['mixed', 'some ports open, as expected'],
  ['disagrees', 'DISAGREES'],
  ['unverifiable', 'not comparable'],
];

/** Larger than this, the lists of what is wrong say more than a picture. */
const LARGEST = 120;
const SHOWN = 20;

/** The matrix of what was seen, then every disagreement with the policies' reason, then the figures. */
export function* probeText(report: ProbeReport, options: RenderOptions): Generator<string> {
  const paint = painter(options.colour);
  yield* matrixLines(report, paint, options.width);
  const wrong = report.flows.filter((flow) => !flow.agrees);
  const told = options.verbose === true ? wrong : [...wrong].sort(traced).slice(0, SHOWN);
  for (const flow of told) yield* disagreement(flow, paint);
  if (wrong.length > told.length) {
    yield `… and ${wrong.length - told.length} more disagree; --verbose shows all`;
    yield '';
  }
  const settled = report.flows.filter(({ agrees, rounds }) => agrees && rounds > 1);
  if (settled.length > 0) {
    yield paint('heading', 'agreed only when asked again');
    for (const flow of settled.slice(0, SHOWN)) yield `  ${paint('plain', flowName(flow))} (${flow.rounds} times)`;
    if (settled.length > SHOWN) yield `  … and ${settled.length - SHOWN} more`;
    yield '';
  }
  const blind = report.flows.filter(({ unverifiable }) => unverifiable !== null);
  if (blind.length > 0) {
    yield paint('heading', 'not compared');
    const most = options.verbose === true ? blind.length : SHOWN;
    for (const flow of blind.slice(0, most)) {
      yield `  ${paint('undefined', '?')} ${paint('plain', flowName(flow))}: ${paint('dim', flow.unverifiable ?? '')}`;
    }
    if (blind.length > most) yield `  … and ${blind.length - most} more; --verbose shows all`;
    yield '';
  }
  yield* skippedLines(report.skipped, paint);
  const rows = report.counts.map(({ expected, observed, flows }): readonly Cell[] => [
    { text: expected, style: expected },
    { text: observed, style: observed === 'error' ? 'warning' : observed },
    { text: `${flows}` },
  ]);
  if (rows.length > 0) {
    const shape = { indent: '', flexible: [], width: options.width, header: ['expected', 'observed', 'flows'] };
    yield* table(rows, shape, paint);
    yield '';
  }
  yield paint(report.disagreements > 0 ? 'denied' : 'strong', probeHeadline(report));
  const again = report.disagreedAtFirst - report.disagreements;
  const words = [
    report.via,
    `${report.attempts} connection attempts`,
    `${report.seconds} s`,
    ...(again > 0 ? [`${again} disagreed at first and not when asked again`] : []),
  ];
  yield paint('dim', words.join(' · '));
}

/** What the kernel was watched for comes first. */
function traced(a: ProbedFlow, b: ProbedFlow): number {
  return Number(b.trace.length > 0) - Number(a.trace.length > 0);
}

/** Fewer columns than this beside each other are no picture, however narrow the terminal. */
const FEWEST = 5;

function* matrixLines(report: ProbeReport, paint: Paint, width: number | undefined): Generator<string> {
  const { sources, destinations, outcome } = matrixOf(report.flows);
  if (sources.length === 0 || destinations.length > LARGEST || sources.length > LARGEST) return;
  const numbered = `${destinations.length}`.length;
  const widest = Math.max(...sources.map((source) => lengthOf(source)));
  // What does not fit beside each other comes below each other.
  const fitting = width === undefined ? destinations.length : Math.max(FEWEST, Math.floor((width - widest - 1) / 2));
  const used = new Set<PairOutcome>();
  for (let from = 0; from < destinations.length; from += fitting) {
    const columns = destinations.slice(from, from + fitting);
    if (from > 0) yield '';
    for (let digit = 0; digit < numbered; digit++) {
      const row = columns.map((_, i) => `${from + i + 1}`.padStart(numbered)[digit] ?? ' ').join(' ');
      yield `${' '.repeat(widest)}  ${row}`.trimEnd();
    }
    for (const source of sources) {
      const found = columns.map((destination) => outcome(source, destination));
      if (found.every((one) => one === null)) continue;
      const cells = found.map((one) => {
        if (one === null) return paint('dim', '·');
        used.add(one);
        const [glyph, style] = GLYPH[one];
        return paint(style, glyph);
      });
      yield `${paint('plain', source)}${' '.repeat(widest - lengthOf(source))}  ${cells.join(' ')}`;
    }
  }
  yield '';
  const names = destinations.map((name, i) => ({ text: `${`${i + 1}`.padStart(numbered)} ${name}` }));
  yield paint('dim', 'to:');
  for (const { text } of names) yield `  ${paint('plain', text)}`;
  const shown = LEGEND.filter(([kind]) => used.has(kind));
  yield shown.map(([kind, words]) => `${paint(GLYPH[kind][1], GLYPH[kind][0])} ${words}`).join('   ');
  yield '';
}

function* disagreement(flow: ProbedFlow, paint: Paint): Generator<string> {
  yield `${paint('warning', '!')} ${paint('strong', flowName(flow))}`;
  const times = flow.rounds > 1 ? ` (asked ${flow.rounds} times)` : '';
  yield `    expected ${paint(flow.verdict, flow.verdict)}, observed ${paint(flow.observed === 'error' ? 'warning' : flow.observed, flow.observed)}: ${paint('plain', flow.detail)}${times}`;
  for (const because of expectedBecause(flow)) yield `    ${paint('dim', '→')} ${paint('plain', because)}`;
  if (flow.trace.length > 0) yield `    ${paint('heading', 'in the kernel')}`;
  for (const line of flow.trace) yield `      ${paint('dim', line)}`;
  yield '';
}

function* skippedLines(skipped: readonly ProbeSkipped[], paint: Paint): Generator<string> {
  if (skipped.length === 0) return;
  yield paint('heading', 'not asked');
  for (const { what, because, flows } of skipped) {
    yield `  ${paint('plain', what)}: ${paint('dim', because)}${flows > 0 ? ` (${flows} flows)` : ''}`;
  }
  yield '';
}

const ANSWER: Readonly<Record<SmokeReport['enforced'], readonly [Style, string]>> = {
  yes: ['allowed', 'policies are enforced here'],
  partly: ['warning', 'policies are enforced in part only'],
  no: ['denied', 'policies are NOT enforced here'],
  unknown: ['undefined', 'whether policies are enforced here could not be found out'],
};

const SMOKE_STYLE: Readonly<Record<SmokeCheck['enforced'], Style>> = {
  yes: 'allowed',
  no: 'denied',
  unknown: 'undefined',
};

function smokeWords({ enforced, seconds, detail }: SmokeCheck): string {
  switch (enforced) {
    case 'yes':
      return `✓ enforced${seconds === null ? '' : ` within ${Math.max(0.5, seconds)} s`}`;
    case 'no':
      return '✗ not enforced';
    case 'unknown':
      return `? ${detail}`;
  }
}

/** One row for each kind of traffic and way, then the answer. */
export function* smokeText(report: SmokeReport, options: RenderOptions): Generator<string> {
  const paint = painter(options.colour);
  const rows = report.checks.map((check): readonly Cell[] => [
    { text: check.direction },
    { text: check.protocol },
    { text: `IPv${check.family}` },
    { text: check.placement === 'same-node' ? 'same node' : 'across nodes' },
    { text: check.without },
    { text: check.denied },
    { text: check.after },
    { text: smokeWords(check), style: SMOKE_STYLE[check.enforced] },
  ]);
  const header = ['policy', 'protocol', 'family', 'way', 'no policy', 'denied', 'policy gone'];
  yield* table(rows, { indent: '', flexible: [7], width: options.width, header }, paint);
  yield '';
  yield* skippedLines(report.skipped, paint);
  const [style, words] = ANSWER[report.enforced];
  yield paint(style, `${report.where}: ${words}`);
  const by = report.by === null ? "the cluster's objects do not tell who should" : `found in the cluster: ${report.by}`;
  yield paint('dim', `${by} · ${report.seconds} s`);
  for (const line of report.evidence) yield `  ${paint('dim', line)}`;
}
