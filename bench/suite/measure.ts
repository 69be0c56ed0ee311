import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** `per second` and `ratio` (to what the case names) are better when higher; the others when lower. */
export type Unit = 'ms' | 'MiB' | 'per second' | 'ratio' | '% of a core';

/** Whether more is better. */
export function higherIsBetter(unit: Unit): boolean {
  return unit === 'per second' || unit === 'ratio';
}

/** What a case is asked to do. */
export interface Request {
  /** Samples of each job. */
  readonly runs: number;
  /** At a scale that says nothing about speed: whether the case still works at all. */
  readonly tiny: boolean;
}

/** The samples of one job. */
export interface Measurement {
  readonly job: string;
  readonly unit: Unit;
  readonly samples: readonly number[];
  /** What the median has to be better than; `null` where it is only shown. */
  readonly target: number | null;
  /** Peak memory of the process that did the job, MiB; absent: that of this process. */
  readonly rss?: number | null;
  /** What was measured, where the job does not say it all. */
  readonly note?: string;
}

/** One file of this folder. */
export interface BenchCase {
  /** The file's name without its ending. */
  readonly name: string;
  readonly title: string;
  /** Samples of each job where nobody asks for another number. */
  readonly runs: number;
  /**
   * `same-process`: all samples in one process, after a first round that does not count. `process-each`: every sample in
   * a new process, as a user's first and only run has it. `program`: the case starts the built command line. `kernel`:
   * what is measured happens in network namespaces that the case makes and removes.
   */
  readonly isolation: 'same-process' | 'process-each' | 'program' | 'kernel';
  measure(request: Request): readonly Measurement[] | Promise<readonly Measurement[]>;
  /** Why the case cannot run on this machine; `null` where it can. Absent: it can everywhere. */
  unable?(): string | null;
}

/** One job with its samples boiled down: a line of a case's output, a row of the table. */
export interface Result {
  readonly case: string;
  readonly job: string;
  readonly unit: Unit;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
  readonly peakRssMiB: number | null;
  readonly target: number | null;
  readonly met: boolean | null;
  readonly note: string | null;
}

/** The middle of the samples, or the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Peak memory of this process so far, MiB. */
export function peakRss(): number {
  return process.resourceUsage().maxRSS / 1024;
}

/** Milliseconds that a piece of work takes, and what it gives. */
export function timed<T>(work: () => T): { readonly ms: number; readonly value: T } {
  const begin = performance.now();
  const value = work();
  return { ms: performance.now() - begin, value };
}

/** How often per second a piece of work is done that does `count` of something. */
export function rate(count: number, work: () => void): number {
  return count / (timed(work).ms / 1000);
}

export function resultOf(name: string, measurement: Measurement): Result {
  const { job, unit, samples, target, note } = measurement;
  if (samples.length === 0) throw new Error(`${name}: no samples of \`${job}\``);
  const middle = median(samples);
  const rss = measurement.rss === undefined ? peakRss() : measurement.rss;
  return {
    case: name,
    job,
    unit,
    median: rounded(middle),
    min: rounded(Math.min(...samples)),
    max: rounded(Math.max(...samples)),
    runs: samples.length,
    peakRssMiB: rss === null ? null : Math.round(rss),
    target,
    met: target === null ? null : higherIsBetter(unit) ? middle > target : middle < target,
    note: note ?? null,
  };
}

/** Four digits are more than the machine's own spread. */
function rounded(value: number): number {
  return value >= 1000 ? Math.round(value) : Number(value.toPrecision(4));
}

/** `--runs N`, or the number of the case. */
export function runsFrom(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[1-9][0-9]{0,3}$/.test(text)) throw new Error(`--runs: \`${text}\` is not a number from 1 to 9999`);
  return Number(text);
}

/** What a case's file does when it is the program: measures, and prints one line of JSON for each job. */
export async function runAlone(benchCase: BenchCase, url: string): Promise<void> {
  const { values } = parseArgs({ options: { runs: { type: 'string' }, sample: { type: 'boolean', default: false } } });
  const why = benchCase.unable?.() ?? null;
  if (why !== null) {
    process.stderr.write(`${benchCase.name} is left out: ${why}\n`);
    return;
  }
  if (values.sample) {
    const measured = await benchCase.measure({ runs: 1, tiny: false });
    process.stdout.write(JSON.stringify(measured.map((one) => ({ ...one, rss: one.rss ?? peakRss() }))));
    return;
  }
  const runs = runsFrom(values.runs, benchCase.runs);
  const measured =
    benchCase.isolation === 'process-each'
      ? mergedByJob(Array.from({ length: runs }, () => sampleOf(fileURLToPath(url))))
      : await benchCase.measure({ runs, tiny: false });
  for (const one of measured) process.stdout.write(`${JSON.stringify(resultOf(benchCase.name, one))}\n`);
}

function sampleOf(file: string): readonly Measurement[] {
  const child = spawnSync(process.execPath, [file, '--sample'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
  });
  if (child.status !== 0) throw new Error(`${file} ended with ${child.signal ?? child.status}`);
  return JSON.parse(child.stdout) as readonly Measurement[];
}

/** The samples of several rounds or processes, job by job. */
export function mergedByJob(rounds: readonly (readonly Measurement[])[]): readonly Measurement[] {
  return (rounds[0] ?? []).map((first) => {
    const like = rounds.flatMap((measured) => measured.filter(({ job }) => job === first.job));
    return {
      ...first,
      samples: like.flatMap(({ samples }) => samples),
      rss: first.rss === null ? null : Math.max(...like.map(({ rss }) => rss ?? 0)),
    };
  });
}
