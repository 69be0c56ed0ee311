/** `npm run bench`: every case in a process of its own, then a table against the targets. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CASES } from './suite/cases.ts';
import { type BenchCase, type Result, runsFrom } from './suite/measure.ts';
import { TOP } from './suite/program.ts';
import { type Machine, type Measured, resultsPage, textTable } from './suite/table.ts';

const USAGE = `usage: npm run bench [-- NAME-PART... [--runs N] [--write [--date YYYY-MM-DD]] [--list]]
  NAME-PART   only cases whose name has one of these in it
  --runs N    samples of each job, instead of the case's own number
  --write     replace bench/RESULTS.md; needs all cases
  --date      of the results; today without it
  --list      name the cases and stop`;

/** From here on the figures say more about the neighbours. */
const BUSY = 0.5;

function usageError(message: string): never {
  process.stderr.write(`${message}\n${USAGE}\n`);
  process.exit(64);
}

interface Order {
  readonly cases: readonly BenchCase[];
  readonly runs: number | null;
  readonly write: boolean;
  readonly date: string;
}

function readOrder(): Order {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string' },
      write: { type: 'boolean', default: false },
      date: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    process.exit(0);
  }
  const cases = CASES.filter(({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)));
  if (cases.length === 0)
    usageError(`no case has ${positionals.map((part) => `\`${part}\``).join(' or ')} in its name`);
  if (values.list) {
    process.stdout.write(cases.map(({ name, title }) => `${name}  ${title}\n`).join(''));
    process.exit(0);
  }
  if (values.write && cases.length < CASES.length) usageError('--write needs all cases: leave out the names');
  const date = values.date ?? new Date().toISOString().slice(0, 10);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) usageError(`--date: \`${date}\` is not a date like 2027-01-31`);
  return { cases, runs: values.runs === undefined ? null : runsFrom(values.runs, 1), write: values.write, date };
}

/** The launcher builds what is outdated. */
function build(): void {
  const { status, error } = spawnSync(join(TOP, 'rampart'), ['--version'], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`the build failed${error === undefined ? '' : `: ${error.message}`}`);
}

function runCase({ name }: BenchCase, runs: number | null): readonly Result[] | null {
  const args = [join(TOP, 'bench', `${name}.ts`), ...(runs === null ? [] : ['--runs', String(runs)])];
  const child = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
  });
  if (child.status !== 0) return null;
  return child.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result);
}

function machine(date: string, load: number): Machine {
  const model = cpus()[0]?.model.trim();
  return {
    date,
    commit: commit(),
    processor: `${model === undefined || model === '' ? 'unknown' : model}, ${availableParallelism()} cores, ${arch()}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${platform()} ${release()}`,
    node: process.version,
    load,
  };
}

function commit(): string {
  try {
    const git = (...args: readonly string[]): string =>
      execFileSync('git', args, { cwd: TOP, encoding: 'utf8' }).trim();
    const changed = git(
      'status',
      '--porcelain',
      '--untracked-files=no',
      '--',
      'src',
      'bench',
      'scripts',
      'package.json',
    );
    return `${git('rev-parse', '--short=10', 'HEAD')}${changed === '' ? '' : ', with changes'}`;
  } catch {
    return 'unknown';
  }
}

function main(): void {
  const { cases, runs, write, date } = readOrder();
  const [load = 0] = loadavg();
  if (load > BUSY)
    process.stderr.write(`the machine is busy (load ${load.toFixed(2)}): the figures will be worse than idle\n`);
  build();
  const measured: Measured[] = [];
  let failed = 0;
  for (const benchCase of cases) {
    process.stderr.write(`${benchCase.name} …\n`);
    const results = runCase(benchCase, runs);
    if (results === null) failed++;
    else measured.push({ benchCase, results });
  }
  process.stdout.write(textTable(measured));
  if (failed > 0) process.stderr.write(`${failed} of ${cases.length} cases failed\n`);
  if (write && failed === 0) {
    writeFileSync(join(TOP, 'bench', 'RESULTS.md'), resultsPage(machine(date, load), measured));
    process.stderr.write('bench/RESULTS.md is written\n');
  }
  process.exitCode = failed > 0 ? 1 : 0;
}

if (import.meta.main) main();
