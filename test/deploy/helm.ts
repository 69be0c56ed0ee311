import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { findHelm } from '../e2e/install.ts';
import { TOP } from '../support/source-files.ts';

export const CHART: string = join(TOP, 'deploy/chart/rampart');
export const helm: string | null = findHelm();

/** A rendered object, as far as tests look into it. */
export interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** The chart's objects with these settings (`key=value`). */
export function render(...settings: readonly string[]): readonly Rendered[] {
  const sets = settings.flatMap((setting) => ['--set', setting]);
  const args = ['template', 'rampart', CHART, '--namespace', 'rampart-system', '--kube-version', '1.34.0', ...sets];
  return objectsOf(execFileSync(helm ?? 'helm', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** What Helm says against these settings; `null` if nothing. */
export function refusal(...settings: readonly string[]): string | null {
  const sets = settings.flatMap((setting) => ['--set-json', setting]);
  const args = ['template', 'rampart', CHART, '--kube-version', '1.34.0', ...sets];
  const { status, stderr } = spawnSync(helm ?? 'helm', args, { encoding: 'utf8' });
  return status === 0 ? null : stderr;
}

export function objectsOf(yaml: string): readonly Rendered[] {
  return loadAll(yaml).filter((document): document is Rendered => document !== null && typeof document === 'object');
}

/** The one object of that kind. */
export function only(objects: readonly Rendered[], kind: string): Rendered {
  const found = objects.filter((object) => object.kind === kind);
  const [object] = found;
  if (object === undefined || found.length > 1) throw new Error(`${found.length} objects of kind ${kind}`);
  return object;
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly lifecycle?: unknown;
  readonly livenessProbe?: { readonly httpGet: Readonly<Record<string, unknown>> };
  readonly readinessProbe?: { readonly httpGet: Readonly<Record<string, unknown>> };
}

export interface PodSpec extends Readonly<Record<string, unknown>> {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
}

/** The pods of a DaemonSet. */
export function podOf(daemonSet: Rendered): PodSpec {
  return (daemonSet.spec as { readonly template: { readonly spec: PodSpec } }).template.spec;
}
