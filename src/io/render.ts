import { statSync } from 'node:fs';
import { type RunOptions, runProgram } from './child.ts';
import { type Input, pathError } from './files.ts';
import { IoError } from './io-error.ts';

/** What `helm template` is asked for. */
export interface HelmChart {
  /** A folder, an archive, or a reference such as `oci://…` or `repo/chart`. */
  readonly chart: string;
  readonly values: readonly string[];
  readonly release?: string;
  readonly namespace?: string;
}

/** The manifests that a kustomization renders to: `kubectl kustomize DIR`, or `kustomize build DIR` where kubectl is missing. */
export async function renderKustomize(dir: string, options: RunOptions = {}): Promise<Input> {
  // kustomize also takes repositories: `https://…`, `git@…`, `github.com/…`.
  if (!/:\/\/|^git@|^github\.com\//.test(dir)) mustExist(dir);
  const file = `kustomize:${dir}`;
  for (const [command, first] of [
    ['kubectl', 'kustomize'],
    ['kustomize', 'build'],
  ] as const) {
    const done = await runProgram(command, [first, '--', dir], options);
    if (done === null) continue;
    if (done.code === 0) return { file, bytes: done.stdout };
    throw failed(`${command} ${first} ${dir}`, done.code, done.stderr);
  }
  throw new IoError('tool-missing', 'neither `kubectl` nor `kustomize` is on the PATH', {
    help: 'install one of them, or render elsewhere and pipe: `kubectl kustomize DIR | rampart … -f -`',
  });
}

/** The manifests that a chart renders to: `helm template`. */
export async function renderHelm(chart: HelmChart, options: RunOptions = {}): Promise<Input> {
  for (const values of chart.values) if (values !== '-' && !/^https?:\/\//.test(values)) mustExist(values);
  const args = [
    'template',
    ...(chart.namespace === undefined ? [] : ['--namespace', chart.namespace]),
    ...chart.values.flatMap((values) => ['--values', values]),
    '--',
    chart.release ?? 'release-name',
    chart.chart,
  ];
  const done = await runProgram('helm', args, options);
  if (done === null) {
    throw new IoError('tool-missing', '`helm` is not on the PATH', {
      help: 'install helm, or render elsewhere and pipe: `helm template CHART | rampart … -f -`',
    });
  }
  if (done.code !== 0) throw failed(`helm template ${chart.chart}`, done.code, done.stderr);
  return { file: `helm:${chart.chart}`, bytes: done.stdout };
}

function mustExist(path: string): void {
  try {
    statSync(path);
  } catch (error) {
    throw pathError(path, error);
  }
}

function failed(command: string, code: number, stderr: string): IoError {
  return new IoError(
    'tool-failed',
    `\`${command}\` failed with exit code ${code}${stderr === '' ? '' : `:\n${stderr}`}`,
  );
}
