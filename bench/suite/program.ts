/** Runs the built command line as users do: `./rampart`, its output into a file. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../../src/manifest/object.ts';
import { toYamlStream } from '../generate/yaml.ts';
import { type ClusterOptions, generateFiles } from '../generate.ts';
import type { Measurement } from './measure.ts';

/** The folder of the checkout. */
export const TOP: string = fileURLToPath(new URL('../..', import.meta.url));
const { NODE_COMPILE_CACHE: _cache, NODE_OPTIONS: _options, ...INHERITED } = process.env;
const RSS_HOOK = new URL('peak-rss.mjs', import.meta.url).href;

/** A folder for one case; removed at the end, also when the case fails. */
export function inScratch<T>(work: (folder: string) => T): T {
  const { folder, remove } = scratchFolder();
  try {
    return work(folder);
  } finally {
    remove();
  }
}

/** The same for work that takes its time. */
export async function inScratchMeanwhile<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const { folder, remove } = scratchFolder();
  try {
    return await work(folder);
  } finally {
    remove();
  }
}

function scratchFolder(): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'rampart-bench-'));
  const onSignal = (): never => process.exit(130);
  const drop = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal).once('exit', drop);
  const remove = (): void => {
    drop();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('exit', drop);
  };
  return { folder, remove };
}

export type Files = ReadonlyMap<string, readonly JsonObject[]>;

/** Writes a generated cluster as YAML, a file for each namespace. */
export function writeCluster(folder: string, files: Files): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, objects] of files) writeFileSync(join(folder, `${name}.yaml`), toYamlStream(objects));
  return folder;
}

/** A generated cluster in a folder of its own. */
export function clusterFolder(scratch: string, name: string, options: ClusterOptions): string {
  return writeCluster(join(scratch, name), generateFiles(options));
}

export interface ProgramJob {
  readonly job: string;
  readonly args: readonly string[];
  /** Milliseconds. */
  readonly target: number | null;
  readonly runs: number;
  /** Throws when the output is not what the job is about; may say something about it. */
  readonly check: (output: string) => string;
}

/** Measures whole processes; the first run fills caches, the second is asked for its memory, and neither counts. */
export function measureProgram(scratch: string, jobOf: ProgramJob): Measurement {
  const { job, args, target, runs, check } = jobOf;
  const output = join(scratch, 'output');
  const rssFile = join(scratch, 'rss');
  start(scratch, args, output, {});
  const note = check(readFileSync(output, 'utf8'));
  start(scratch, args, output, { NODE_OPTIONS: `--import=${RSS_HOOK}`, RAMPART_BENCH_RSS: rssFile });
  const rss = Number(readFileSync(rssFile, 'utf8')) / 1024;
  const samples = Array.from({ length: runs }, () => start(scratch, args, output, {}));
  return { job, unit: 'ms', samples, target, rss, ...(note === '' ? {} : { note }) };
}

/** Milliseconds from the start of the process to its end. */
function start(
  scratch: string,
  args: readonly string[],
  output: string,
  env: Readonly<Record<string, string>>,
): number {
  const out = openSync(output, 'w');
  try {
    const begin = performance.now();
    const child = spawnSync(join(TOP, 'rampart'), args, {
      cwd: TOP,
      stdio: ['ignore', out, 'pipe'],
      encoding: 'utf8',
      // A compile cache of its own: filled by the first run, whatever the user's holds.
      env: { ...INHERITED, XDG_CACHE_HOME: join(scratch, 'cache'), NO_COLOR: '1', ...env },
    });
    const ms = performance.now() - begin;
    if (child.status !== 0) {
      const why = child.error?.message ?? child.stderr;
      throw new Error(`rampart ${args.join(' ')} ended with ${child.signal ?? child.status}: ${why}`);
    }
    return ms;
  } finally {
    closeSync(out);
  }
}

/** The report of a job's output; throws unless it is one of that kind. */
export function reportIn(output: string, kind: string): Readonly<Record<string, unknown>> {
  const report = JSON.parse(output) as Readonly<Record<string, unknown>>;
  if (report.kind !== kind) throw new Error(`expected a ${kind}, got ${String(report.kind)}`);
  return report;
}

/** How many entries a list of a report has. */
export function lengthOf(report: Readonly<Record<string, unknown>>, field: string): number {
  const list = report[field];
  if (!Array.isArray(list)) throw new Error(`the report has no list \`${field}\``);
  return list.length;
}
