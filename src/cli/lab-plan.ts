import { existsSync } from 'node:fs';
import type { LabOptions, LabPlan } from '../lab/model.ts';
import { planLab } from '../lab/model-plan.ts';
import type { UpOptions } from '../lab/session.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { diagnosticLines } from '../report/formats/text/diagnostics.ts';
import { type InputOptions, namesManifests, readObjects } from './input-options.ts';
import { type Shell, UsageError } from './shell.ts';

/** What says how a lab is made. */
export interface LabMakingOptions extends Omit<InputOptions, 'profile'> {
  readonly name?: string;
  readonly nodes?: string;
  readonly replicas?: string;
  readonly cni?: 'ptp' | 'bridge';
  readonly deny?: 'drop' | 'reject';
  readonly apiserver?: string;
  readonly agents?: boolean;
}

/** Reads manifests and plans a lab for them; `addresses` are some outside of the cluster that it must have. */
export async function readPlan(
  options: LabMakingOptions,
  shell: Shell,
  addresses: readonly string[] = [],
): Promise<{ readonly plan: LabPlan; readonly diagnostics: readonly Diagnostic[] }> {
  if (!namesManifests({ ...options, profile: 'kubernetes' }) && (options.context ?? options.kubeconfig) === undefined) {
    throw new UsageError('a lab needs manifests', 'name them: rampart lab up -f PATH; examples/shop is one');
  }
  const read = await readObjects({ ...options, profile: 'kubernetes' }, shell);
  const plan = planLab(read.objects, { ...sizeOf(options), addresses });
  return { plan, diagnostics: [...read.diagnostics, ...plan.diagnostics] };
}

/** How large a lab is to be, as the planner takes it. */
export function sizeOf(
  options: Pick<LabMakingOptions, 'nodes' | 'replicas'>,
): Pick<LabOptions, 'nodes' | 'replicas' | 'families'> {
  const nodes = countOf('--nodes', options.nodes, 1, 64);
  const replicas = countOf('--replicas', options.replicas, 1, 100);
  return {
    // A kernel without IPv6 has labs without it.
    families: existsSync('/proc/sys/net/ipv6') ? [4, 6] : [4],
    ...(nodes === null ? {} : { nodes }),
    ...(replicas === null ? {} : { replicas }),
  };
}

/** Whether the manifests have pods, beside the DNS that every lab has. */
export function hasPods(plan: LabPlan): boolean {
  const own = new Set(
    plan.objects.flatMap(({ by, object: { ref } }) =>
      by === 'lab' && ref.kind === 'Pod' ? [`${ref.namespace}/${ref.name}`] : [],
    ),
  );
  return plan.pods.some(({ id }) => !own.has(id));
}

function countOf(flag: string, text: string | undefined, least: number, most: number): number | null {
  if (text === undefined) return null;
  const number = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (number < least || number > most) {
    throw new UsageError(`${flag} is \`${text}\``, `it is a number from ${least} to ${most}`);
  }
  return number;
}

/** What of the options is for the lab itself. */
export function upOptions(options: LabMakingOptions, env: NodeJS.ProcessEnv): UpOptions {
  return {
    env,
    // As the planner has it where nothing is said.
    replicas: countOf('--replicas', options.replicas, 1, 100) ?? 3,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.cni === undefined ? {} : { cni: options.cni }),
    ...(options.deny === undefined ? {} : { deny: options.deny }),
    ...(options.apiserver === undefined ? {} : { apiserver: options.apiserver }),
    ...(options.agents === undefined ? {} : { agents: options.agents }),
  };
}

const SHOWN = 20;

/** Diagnostics on stderr; notices only with `--verbose`. */
export function complain(
  diagnostics: readonly Diagnostic[],
  options: { readonly quiet?: boolean; readonly verbose?: boolean },
  shell: Shell,
): void {
  if (options.quiet === true) return;
  const wanted = diagnostics.filter(({ severity }) => options.verbose === true || severity !== 'info');
  const shown = options.verbose === true ? wanted : wanted.slice(0, SHOWN);
  for (const line of diagnosticLines(shown, { colour: false })) shell.stderr.write(`${line}\n`);
  if (wanted.length > shown.length) {
    shell.stderr.write(`… and ${wanted.length - shown.length} more; --verbose shows all\n`);
  }
}
