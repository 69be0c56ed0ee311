import { type BenchCase, higherIsBetter, type Result, type Unit } from './measure.ts';

/** The circumstances of a measurement. */
export interface Machine {
  readonly date: string;
  readonly commit: string;
  readonly processor: string;
  readonly memory: string;
  readonly system: string;
  readonly node: string;
  /** Of one minute, before the first case. */
  readonly load: number;
}

export interface Measured {
  readonly benchCase: BenchCase;
  readonly results: readonly Result[];
}

const ISOLATION: Readonly<Record<BenchCase['isolation'], string>> = {
  'same-process': 'all runs in one process',
  'process-each': 'each run in a new process, cold',
  program: 'whole processes of `./rampart`',
  kernel: 'packets and transactions in namespaces of the case',
};

const HEADINGS = ['job', 'target', 'median', 'min – max', 'runs', 'peak memory', ''] as const;

/** For a terminal: columns under each other. */
export function textTable(measured: readonly Measured[]): string {
  const lines: string[] = [];
  for (const { benchCase, results } of measured) {
    const rows = results.map(cellsOf);
    const widths = HEADINGS.map((heading, column) =>
      Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
    );
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd();
    lines.push(
      '',
      benchCase.title.replaceAll('`', ''),
      `  ${benchCase.name}, ${ISOLATION[benchCase.isolation].replaceAll('`', '')}`,
    );
    lines.push(`  ${line(HEADINGS)}`, ...rows.map((row) => `  ${line(row)}`));
  }
  return `${lines.join('\n')}\n\n${summary(measured)}\n`;
}

/** How many targets are met, and which are missed. */
export function summary(measured: readonly Measured[]): string {
  const targeted = measured.flatMap(({ results }) => results.filter(({ met }) => met !== null));
  const missed = targeted.filter(({ met }) => met === false);
  const list = missed.map((result) => `${result.case}, ${result.job}`).join('; ');
  return `${targeted.length - missed.length} of ${targeted.length} targets met${missed.length === 0 ? '' : `; missed: ${list}`}`;
}

/** The page of the last measurements. */
export function resultsPage(machine: Machine, measured: readonly Measured[]): string {
  const sections = measured.map(
    ({ benchCase, results }) => `## ${benchCase.title}

[\`${benchCase.name}\`](${benchCase.name}.ts), ${ISOLATION[benchCase.isolation]}

${results.length === 0 ? 'Not measured: this machine cannot run it.' : markdownTable(results)}
`,
  );
  return `# Results

Written by \`npm run bench -- --write\`; see [README.md](README.md) for what is measured and how to repeat it.

| | |
|---|---|
| date | ${machine.date} |
| commit | ${machine.commit} |
| processor | ${machine.processor} |
| memory | ${machine.memory} |
| system | ${machine.system} |
| Node.js | ${machine.node} |
| load before | ${machine.load.toFixed(2)} |

Targets are for two idle cores and are compared with medians. ${summary(measured)}.

${sections.join('\n')}`;
}

function markdownTable(results: readonly Result[]): string {
  return `| ${HEADINGS.join(' | ')} | |
|---|--:|--:|--:|--:|--:|---|---|
${results.map((result) => `| ${[...cellsOf(result), result.note ?? ''].join(' | ')} |`).join('\n')}`;
}

function cellsOf(result: Result): readonly string[] {
  const { unit } = result;
  const sign = higherIsBetter(unit) ? '>' : '<';
  return [
    result.job,
    result.target === null ? '' : `${sign} ${result.target.toLocaleString('en')}${suffix(unit)}`,
    quantity(result.median, unit),
    `${amount(result.min, unit)} – ${amount(result.max, unit)}`,
    String(result.runs),
    result.peakRssMiB === null ? '' : `${result.peakRssMiB.toLocaleString('en')} MiB`,
    result.met === null ? '' : result.met ? 'met' : 'missed',
  ];
}

function quantity(value: number, unit: Unit): string {
  return `${amount(value, unit)}${suffix(unit)}`;
}

function suffix(unit: Unit): string {
  return unit === 'per second' ? '/s' : unit === 'ratio' ? '' : ` ${unit}`;
}

/** Three digits, which is all that repeats. */
function amount(value: number, unit: Unit): string {
  if (unit === 'ratio') return value.toFixed(2);
  if (unit !== 'per second' && value < 100) return String(Number(value.toPrecision(3)));
  const digits = value < 1000 ? 0 : Math.max(0, Math.floor(Math.log10(value)) - 2);
  return (Math.round(value / 10 ** digits) * 10 ** digits).toLocaleString('en');
}
