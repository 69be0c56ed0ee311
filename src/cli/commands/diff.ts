import type { Command } from 'commander';
import { CompiledProgram } from '../../engine/compiled/compile.ts';
import { TrafficTable } from '../../engine/compiled/traffic.ts';
import { diff as diffOf } from '../../engine/diff.ts';
import { diffWithoutPods } from '../../engine/unread-pods.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { DiffReport } from '../../model/report.ts';
import { EXIT, worst } from '../exit-code.ts';
import {
  fromManifests,
  type InputOptions,
  type Loaded,
  profileOption,
  readObjects,
  readOperands,
  understand,
} from '../input-options.ts';
import {
  addOutputOptions,
  addShowOptions,
  answer,
  checkShow,
  type OutputOptions,
  type ShowOptions,
} from '../output-options.ts';
import { type CliCommand, type Shell, UsageError } from '../shell.ts';
import { shownWorkloads } from '../show.ts';

const EXAMPLES = `
Examples:
  rampart diff --from before/ --to after/
  rampart diff --from git:main --to .                       what this branch changes
  rampart diff --from git:main:deploy --to deploy -o markdown   for a pull request
  rampart diff --from live --to manifests/                  what applying the folder would change
  rampart diff --from cluster.snapshot.yaml --to live --exit-code

A side is a path, - for stdin, git:REV[:PATH], or "live" (--kubeconfig and --context choose the cluster).
Ports of TCP, UDP and SCTP are compared; "before" and "after" are what all pods of the workloads have.
`;

interface DiffOptions extends OutputOptions, ShowOptions {
  readonly from?: string;
  readonly to?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly exitCode?: boolean;
}

export const diff: CliCommand = {
  define(command: Command, run) {
    addOutputOptions(addShowOptions(command), 'DiffReport')
      .requiredOption('--from <side>', 'how it was: a path, git:REV[:PATH], or live')
      .requiredOption('--to <side>', 'how it will be: a path, git:REV[:PATH], or live')
      .option('--kubeconfig <path>', 'the kubeconfig of the live side')
      .option('--context <name>', 'the context of the live side')
      .addOption(profileOption())
      .option('--exit-code', 'exit 2 if anything differs')
      .addHelpText('after', EXAMPLES)
      .action((options: DiffOptions) =>
        run(async (shell) => {
          checkShow(options);
          if (options.from === '-' && options.to === '-') {
            throw new UsageError('both sides are stdin', 'write one of them to a file first');
          }
          const before = await side(options.from ?? '', options, shell);
          const after = await side(options.to ?? '', options, shell);
          const traffic = new TrafficTable();
          const compiled = (loaded: Loaded) => ({
            program: new CompiledProgram(loaded.program, loaded.cluster, { traffic }),
            cluster: loaded.cluster,
          });
          const diagnostics = [...new Set<Diagnostic>([...before.diagnostics, ...after.diagnostics])];
          const known = diffOf(compiled(before), compiled(after), diagnostics);
          const whole = diffWithoutPods(known, [before.cluster, after.cluster]);
          const report = show(whole, before, after, options, shell);
          const code = await answer(report, options, shell);
          const differs =
            report.changes.length + report.partialChanges.length + report.ingressControllerChanges.length > 0;
          return worst(code, options.exitCode === true && differs ? EXIT.denied : EXIT.fine);
        }),
      );
  },
};

async function side(operand: string, options: DiffOptions, shell: Shell): Promise<Loaded> {
  if (operand === 'live') {
    const live: InputOptions = {
      profile: 'auto',
      ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
      ...(options.context === undefined ? {} : { context: options.context }),
      ...(options.quiet === undefined ? {} : { quiet: options.quiet }),
    };
    return understand(await readObjects(live, shell));
  }
  if (operand === '') throw new UsageError('a side is empty', 'name a path, git:REV[:PATH], or live');
  const inputs = await readOperands([operand], options, shell);
  return understand(fromManifests(inputs));
}

function show(report: DiffReport, before: Loaded, after: Loaded, options: DiffOptions, shell: Shell): DiffReport {
  if (options.namespace === undefined && options.selector === undefined) return report;
  const cluster = {
    ...after.cluster,
    namespaces: new Map([...before.cluster.namespaces, ...after.cluster.namespaces]),
    workloads: [...before.cluster.workloads, ...after.cluster.workloads],
  };
  const shown = shownWorkloads(cluster, options, shell) ?? (() => true);
  const touches = ({ src, dst }: { readonly src: string; readonly dst: string }): boolean => shown(src) || shown(dst);
  return {
    ...report,
    changes: report.changes.filter(touches),
    partialChanges: report.partialChanges.filter(touches),
    ingressControllerChanges: report.ingressControllerChanges.filter(touches),
    unspecified: report.unspecified.filter((pair) => pair.some(shown)),
  };
}
