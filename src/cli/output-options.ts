import { type Command, Option } from 'commander';
import { type ColorChoice, useColor, writeAnswer, writeFileWhole } from '../io/terminal.ts';
import type { Diagnostic, Severity } from '../model/diagnostic.ts';
import type { PageParts } from '../report/format.ts';
import { diagnosticLines } from '../report/formats/text/diagnostics.ts';
import { formatsFor, renderChunks } from '../report/registry.ts';
import type { Report, ReportKind } from '../report/report.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { type Shell, UsageError } from './shell.ts';

/** What the shared output options hold after parsing. */
export interface OutputOptions {
  readonly output: string;
  readonly out?: string;
  readonly color: ColorChoice;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly failOn: Severity | 'never';
}

/** Adds the options that say how the answer is written. */
export function addOutputOptions(command: Command, kind: ReportKind): Command {
  return command
    .addOption(
      new Option('-o, --output <format>', 'how the answer is written').choices(formatsFor(kind)).default('text'),
    )
    .option('--out <file>', 'write the answer there instead of stdout')
    .addOption(new Option('--color <when>', 'colours in text').choices(['auto', 'always', 'never']).default('auto'))
    .option('-q, --quiet', 'no diagnostics and no progress on stderr')
    .option('-v, --verbose', 'more detail')
    .addOption(
      new Option('--fail-on <severity>', 'exit 3 for diagnostics from this severity on')
        .choices(['info', 'warning', 'error', 'never'])
        .default('error'),
    );
}

const RANK: Readonly<Record<Severity | 'never', number>> = { info: 0, warning: 1, error: 2, never: 3 };

/** Writes a report and its diagnostics; the code says whether some are at or above `--fail-on`. */
export async function answer(
  report: Report,
  options: OutputOptions,
  shell: Shell,
  page: PageParts = {},
): Promise<ExitCode> {
  const toFile = options.out !== undefined;
  const colour = useColor(options.color, !toFile && shell.stdout.isTTY === true, shell.env);
  const columns = shell.stdout.isTTY === true && !toFile ? shell.stdout.columns : undefined;
  const chunks = renderChunks(report, options.output, {
    colour,
    ...(columns === undefined ? {} : { width: columns }),
    verbose: options.verbose === true,
    page,
  });
  if (report.kind !== 'ValidationReport' || options.output !== 'text') complainOf(report.diagnostics, options, shell);
  if (options.out !== undefined) {
    writeFileWhole(options.out, [...chunks].join(''));
    if (options.quiet !== true) shell.stderr.write(`wrote ${options.out}\n`);
  } else {
    for (const chunk of gathered(chunks)) if (!(await writeAnswer(shell.stdout, chunk))) break;
  }
  return report.diagnostics.some(({ severity }) => RANK[severity] >= RANK[options.failOn]) ? EXIT.findings : EXIT.fine;
}

const SHOWN = 20;

/** Diagnostics on stderr; notices only on request, and not thousands of them unless asked for. */
function complainOf(diagnostics: readonly Diagnostic[], options: OutputOptions, shell: Shell): void {
  if (options.quiet === true) return;
  const colour = useColor(options.color, shell.stderr.isTTY === true, shell.env);
  const wanted = diagnostics.filter(({ severity }) => options.verbose === true || severity !== 'info');
  const shown = options.verbose === true ? wanted : wanted.slice(0, SHOWN);
  for (const line of diagnosticLines(shown, { colour })) shell.stderr.write(`${line}\n`);
  const left = wanted.length - shown.length;
  if (left > 0) shell.stderr.write(`… and ${left} more; --verbose shows all, \`rampart validate\` sorts them\n`);
}

/** Small chunks put together, so that the stream is not asked for every line. */
function* gathered(chunks: Iterable<string>): Generator<string> {
  let text = '';
  for (const chunk of chunks) {
    text += chunk;
    if (text.length > 1 << 16) {
      yield text;
      text = '';
    }
  }
  if (text !== '') yield text;
}

/** Adds the options that say what is shown of an answer; everything is evaluated all the same. */
export function addShowOptions(command: Command): Command {
  return command
    .option('-n, --namespace <name>', 'show only this namespace; everything is evaluated all the same')
    .option('-A, --all-namespaces', 'show all namespaces (the default)')
    .option('-l, --selector <labels>', 'show only workloads with these labels, e.g. app=web,tier!=db');
}

export interface ShowOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
}

/** Refuses options that contradict each other. */
export function checkShow(options: ShowOptions): void {
  if (options.namespace !== undefined && options.allNamespaces === true) {
    throw new UsageError('-n and -A exclude each other', 'leave out one of the two');
  }
}
