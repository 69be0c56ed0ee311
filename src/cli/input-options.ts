import { type Command, Option } from 'commander';
import { type ClusterIndex, indexCluster } from '../cluster/cluster-index.ts';
import { inputOf } from '../input/input.ts';
import { type Cni, cniWarning, detectCni } from '../io/cni.ts';
import { type Input, readPaths } from '../io/files.ts';
import { isGitSource, readGit } from '../io/git.ts';
import { IoError } from '../io/io-error.ts';
import { renderHelm, renderKustomize } from '../io/render.ts';
import { readSnapshotMeta } from '../io/snapshot.ts';
import { progressLine } from '../io/terminal.ts';
import type { KubeObject } from '../manifest/object.ts';
import { readManifests } from '../manifest/read.ts';
import type { Cluster, Missing } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { PolicyProgram } from '../model/program.ts';
import { SHELL_CODES } from './codes.ts';
import { type Shell, UsageError } from './shell.ts';

/** What the shared input options hold after parsing. */
export interface InputOptions {
  readonly filename?: readonly string[];
  readonly kustomize?: readonly string[];
  readonly helm?: readonly string[];
  readonly values?: readonly string[];
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly profile: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

/** Adds the options that say what is read. */
export function addInputOptions(command: Command): Command {
  return command
    .option(
      '-f, --filename <path>',
      'manifests: a file, a folder, - for stdin, or git:REV[:PATH]; may be repeated',
      collect,
    )
    .option('-k, --kustomize <dir>', 'render with `kubectl kustomize` first', collect)
    .option('--helm <chart>', 'render with `helm template` first', collect)
    .option('--values <file>', 'values for --helm', collect)
    .option('--kubeconfig <path>', 'read the live cluster of this kubeconfig')
    .option('--context <name>', 'read the live cluster of this context')
    .addOption(profileOption());
}

/** Which engine's reading of the policies is meant. */
export function profileOption(): Option {
  return new Option('--profile <name>', "which engine's reading of the policies")
    .choices(['kubernetes', 'auto'])
    .default('kubernetes');
}

/** Everything that a command needs to answer. */
export interface Loaded {
  readonly objects: readonly KubeObject[];
  readonly cluster: Cluster;
  readonly program: PolicyProgram;
  readonly index: () => ClusterIndex;
  /** Of reading and of understanding, in the order of the input. */
  readonly diagnostics: readonly Diagnostic[];
  /** What every verdict here rests on, e.g. that nothing enforces policies. */
  readonly caveats: readonly string[];
  /** Why nothing enforces policies here; `null` if something does, or may. */
  readonly unenforced: string | null;
  readonly live: LiveCluster | null;
}

export interface LiveCluster {
  readonly context: string;
  readonly serverVersion: string | null;
  readonly missing: readonly Missing[];
  readonly cni: Cni;
}

/** Objects as they were read, before they are given a meaning. */
export interface Objects {
  readonly objects: readonly KubeObject[];
  readonly diagnostics: readonly Diagnostic[];
  readonly live: LiveCluster | null;
}

/** Whether the options name any manifests. */
export function namesManifests(options: InputOptions): boolean {
  return (options.filename ?? options.kustomize ?? options.helm) !== undefined;
}

/** Reads what the options name and gives it its meaning. */
export async function load(options: InputOptions, shell: Shell): Promise<Loaded> {
  return understand(await readObjects(options, shell));
}

/** Reads what the options name: manifests, or else the live cluster. */
export async function readObjects(options: InputOptions, shell: Shell): Promise<Objects> {
  const manifests = namesManifests(options);
  if (manifests && (options.kubeconfig ?? options.context) !== undefined) {
    throw new UsageError(
      'manifests and a live cluster cannot be read together',
      'leave out -f, -k and --helm, or --kubeconfig and --context',
    );
  }
  if (!manifests) return readLive(options, shell);
  const inputs: Input[] = [...(await readOperands(options.filename ?? [], options, shell))];
  for (const dir of options.kustomize ?? []) inputs.push(await renderKustomize(dir, { signal: shell.signal }));
  for (const chart of options.helm ?? []) {
    inputs.push(await renderHelm({ chart, values: options.values ?? [] }, { signal: shell.signal }));
  }
  if (options.values !== undefined && options.helm === undefined) {
    throw new UsageError('--values belongs to --helm', 'name the chart: --helm CHART --values FILE');
  }
  const read = fromManifests(inputs);
  if (read.objects.length === 0 && !read.diagnostics.some(({ severity }) => severity === 'error')) {
    // An empty pipe is most often the work of a program that failed before it.
    throw new IoError('no-manifests', 'the input holds no object', {
      help: 'look at what renders or selects it; nothing can be said about nothing',
    });
  }
  return read;
}

/**
 * Reads paths, `-` and git revisions in their order; neighbouring paths together, so that no file of theirs is read twice.
 */
export async function readOperands(
  operands: readonly string[],
  options: Pick<InputOptions, 'quiet' | 'verbose'>,
  shell: Shell,
): Promise<readonly Input[]> {
  const onSkip = (path: string, why: string): void => {
    if (options.verbose === true && options.quiet !== true) shell.stderr.write(`not read: ${path} (${why})\n`);
  };
  const runs: string[][] = [];
  for (const operand of operands) {
    if (operand === '')
      throw new UsageError('a path is empty', 'name a file, a folder, - for stdin, or git:REV[:PATH]');
    const run = runs.at(-1);
    if (run === undefined || isGitSource(operand) || isGitSource(run[0] ?? '')) runs.push([operand]);
    else run.push(operand);
  }
  const inputs: Input[] = [];
  for (const run of runs) {
    const [first = ''] = run;
    inputs.push(
      ...(isGitSource(first)
        ? await readGit(first, { cwd: shell.cwd, signal: shell.signal, onSkip })
        : await readPaths(run, { stdin: shell.stdin, onSkip })),
    );
  }
  return inputs;
}

/** Decodes manifests; a snapshot among them brings what it knows of its cluster. */
export function fromManifests(inputs: readonly Input[]): Objects {
  const reading = readManifests(inputs);
  const meta = readSnapshotMeta(reading.objects);
  const live =
    meta === null
      ? null
      : {
          context: meta.context ?? 'snapshot',
          serverVersion: meta.serverVersion,
          missing: meta.missing,
          cni: meta.cni ?? detectCni(reading.objects),
        };
  return { objects: reading.objects, diagnostics: reading.diagnostics, live };
}

async function readLive(options: InputOptions, shell: Shell): Promise<Objects> {
  const { readCluster } = await import('../io/kube.ts');
  const progress = progressLine(shell.stderr, options.quiet !== true);
  try {
    const reading = await readCluster(
      {
        ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
        ...(options.context === undefined ? {} : { context: options.context }),
      },
      { onProgress: (resource, items) => progress.show(`reading ${resource}: ${items}`), signal: shell.signal },
    );
    const { objects, diagnostics, context, serverVersion, missing } = reading;
    const daemonSetsUnread = missing.some(({ resource }) => resource === 'daemonsets');
    return {
      objects,
      diagnostics,
      live: { context, serverVersion, missing, cni: detectCni(objects, daemonSetsUnread) },
    };
  } finally {
    progress.clear();
  }
}

/** Gives objects their meaning; what an API server has `stored` counts, whatever is wrong with it. */
export function understand(read: Objects, stored: boolean = read.live !== null): Loaded {
  const input = inputOf(read.objects, { missing: read.live?.missing ?? [], stored });
  let index: ClusterIndex | null = null;
  const warnings = read.live === null ? [] : enforcementWarnings(read.live.cni, input.program);
  return {
    objects: read.objects,
    cluster: input.cluster,
    program: input.program,
    index: () => {
      index ??= indexCluster(input.cluster);
      return index;
    },
    diagnostics: [
      ...read.diagnostics,
      ...input.diagnostics,
      ...warnings.map((message) => ({
        code: SHELL_CODES['not-enforced'].code,
        severity: 'warning' as const,
        message,
        origin: null,
      })),
    ],
    caveats: warnings,
    unenforced: read.live?.cni.enforces === 'no' ? (warnings[0] ?? null) : null,
    live: read.live,
  };
}

/** What verdicts on a live cluster rest on: that its network enforces the kinds of policies that it holds. */
function enforcementWarnings(cni: Cni, program: PolicyProgram): readonly string[] {
  const general = cniWarning(cni);
  if (general !== null) return [general];
  const kinds = new Set(program.tiers.flatMap(({ policies }) => policies.map(({ origin }) => origin.object.kind)));
  const unsupported = [
    ...(kinds.has('ClusterNetworkPolicy') && cni.supports.clusterNetworkPolicy !== 'yes'
      ? ['ClusterNetworkPolicy']
      : []),
    ...(kinds.has('AdminNetworkPolicy') && cni.supports.adminNetworkPolicy !== 'yes' ? ['AdminNetworkPolicy'] : []),
  ];
  return unsupported.map((kind) => `whether ${cni.name ?? 'this cluster'} enforces ${kind} is not known`);
}
