import type { Command } from 'commander';
import { type ConfigReading, readConfig, readConfigFile } from '../../agent/config.ts';
import type { Finding } from '../../agent/preflight.ts';
import { type Config, flagOf, SETTINGS, type Setting, type SettingName, showInitial } from '../../agent/settings.ts';
import { IoError } from '../../io/io-error.ts';
import { writeAnswer } from '../../io/terminal.ts';
import { followFile } from '../../io/watch-file.ts';
import type { Cluster } from '../../model/cluster.ts';
import { diagnosticLines } from '../../report/formats/text/diagnostics.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { readObjects, understand } from '../input-options.ts';
import { type CliCommand, type Shell, UsageError } from '../shell.ts';

const ABOUT = `
Follows an API server and keeps the nftables table of one node equal to what the policies say. Settings come from flags,
then from variables such as RAMPART_AGENT_LOG_LEVEL, then from the file of --config (YAML: \`logLevel: debug\`).
The table stays when the agent ends, however it ends; \`rampart agent --cleanup\` removes it.

Examples:
  rampart agent --node worker-1
  rampart agent --node worker-1 --kubeconfig ~/.kube/config --deny reject
  rampart snapshot --out cluster.yaml && rampart agent --once --dry-run -f cluster.yaml --node worker-1 | nft -c -f -
  rampart agent --check
`;

type Flags = Readonly<Partial<Record<SettingName, string | boolean | readonly string[]>>>;

interface AgentOptions {
  readonly config?: string;
  readonly filename?: readonly string[];
  readonly once?: boolean;
  readonly dryRun?: boolean;
  readonly check?: boolean;
  readonly init?: boolean;
  readonly cleanup?: boolean;
}

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

export const agent: CliCommand = {
  define(command, run) {
    addSettings(command)
      .option('--config <file>', 'more settings; read again when it changes, and on SIGHUP')
      .option('--once', 'bring the kernel to what is wanted, and end')
      .option('--dry-run', 'with --once: print the ruleset instead')
      .option('-f, --filename <path>', 'with --once: manifests instead of an API server', collect)
      .option('--check', 'say whether policies can be enforced on this node, and end')
      .option('--init', 'make the node ready for the agent, and end')
      .option('--cleanup', 'remove everything that the agent ever made on this node, and end')
      .addHelpText('after', ABOUT)
      .action((options: AgentOptions & Flags) => run((shell) => act(options, shell)));
  },
};

function addSettings(command: Command): Command {
  for (const [name, setting] of Object.entries(SETTINGS) as readonly [string, Setting][]) {
    const { kind, summary, initial } = setting;
    const flag = flagOf(name);
    const usual = showInitial(setting);
    const help = usual === '' ? summary : `${summary} (${usual})`;
    if (initial === false) command.option(flag, help);
    else if (initial === true) command.option(`--no-${flag.slice(2)}`, `do not ${summary}`);
    else if (kind.list === true) command.option(`${flag} <${kind.form}>`, help, collect);
    else command.option(`${flag} <${kind.form}>`, help);
  }
  return command;
}

/** The flags that were really given: commander turns an absent `--no-x` into `x: true`. */
function flagsOf(options: AgentOptions & Flags): Flags {
  const names = Object.keys(SETTINGS) as readonly SettingName[];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = options[name];
      return value === undefined || (value === true && SETTINGS[name].initial === true) ? [] : [[name, value]];
    }),
  );
}

function readAll(options: AgentOptions & Flags, shell: Shell): ConfigReading {
  const path = options.config ?? shell.env.RAMPART_AGENT_CONFIG;
  const file = path === undefined || path === '' ? null : readConfigFile(path);
  return readConfig({ flags: flagsOf(options), env: shell.env, file });
}

function configOf(options: AgentOptions & Flags, shell: Shell): Config {
  const reading = readAll(options, shell);
  if (reading.kind === 'config') return reading.config;
  const [first, ...more] = reading.problems.map(({ where, message, help }) =>
    help === null ? `${where}: ${message}` : `${where}: ${message}; ${help}`,
  );
  throw new UsageError(first ?? 'the configuration cannot be read', more.length === 0 ? null : more.join('\n        '));
}

async function act(options: AgentOptions & Flags, shell: Shell): Promise<ExitCode> {
  const modes = (['once', 'check', 'init', 'cleanup'] as const).filter((mode) => options[mode] === true);
  if (modes.length > 1) throw new UsageError(`--${modes.join(' and --')} exclude each other`);
  const [mode] = modes;
  if (mode !== 'once' && (options.dryRun === true || options.filename !== undefined)) {
    throw new UsageError(`${options.dryRun === true ? '--dry-run' : '-f'} belongs to --once`);
  }
  const config = configOf(options, shell);
  if (config.node === null && (mode === undefined || mode === 'once')) {
    throw new UsageError(
      'it is not said which node this is',
      'pass --node NAME, as `kubectl get nodes` lists it, or set RAMPART_AGENT_NODE',
    );
  }
  if (mode === undefined) return follow(options, config, shell);
  return doOnce(mode, options, config, shell).catch((error: unknown) => {
    if (!(error instanceof IoError) || error.code !== 'tool-failed' || error.help !== null) throw error;
    const help = '`rampart agent --check` says what is missing on this node, and how to get it';
    throw new IoError(error.code, error.message, { cause: error, help });
  });
}

async function doOnce(
  mode: 'once' | 'check' | 'init' | 'cleanup',
  options: AgentOptions & Flags,
  config: Config,
  shell: Shell,
): Promise<ExitCode> {
  const once = await import('../../agent/once.ts');
  switch (mode) {
    case 'check': {
      const findings = await once.checkNode(config);
      await writeAnswer(shell.stdout, findings.map(findingText).join(''));
      return findings.some(({ severity }) => severity === 'error') ? EXIT.failed : EXIT.fine;
    }
    case 'cleanup': {
      const { table, conditions, help } = await once.cleanUp(config, shell.env);
      const said = [
        `${table ? 'removed the' : 'there is no'} table \`${config.table}\`\n`,
        ...conditions.policies.map((id) => `took this node's condition back from \`${id}\`\n`),
        ...conditions.problems.map((problem) => `${problem}\n`),
        ...(conditions.problems.length > 0 ? [`  help: ${help}\n`] : []),
      ];
      shell.stderr.write(said.join(''));
      return EXIT.fine;
    }
    case 'init': {
      const { mended, findings, skeleton } = await once.initialise(config, shell.env);
      for (const text of [...mended.done, ...mended.failed]) shell.stderr.write(`${text}\n`);
      if (skeleton) shell.stderr.write('addresses of pods are closed until the agent knows them\n');
      await writeAnswer(shell.stdout, findings.map(findingText).join(''));
      return findings.some(({ severity }) => severity === 'error') ? EXIT.failed : EXIT.fine;
    }
    case 'once': {
      const { wanted, code } = await wantedOf(options, config, shell);
      if (options.dryRun === true) await writeAnswer(shell.stdout, once.rulesetText(config, wanted));
      else shell.stderr.write(`${await once.applyOnce(config, wanted)} changes\n`);
      return code;
    }
  }
}

async function wantedOf(
  options: AgentOptions,
  config: Config,
  shell: Shell,
): Promise<{ readonly wanted: import('../../agent/once.ts').Wanted; readonly code: ExitCode }> {
  if (options.filename === undefined) {
    const { listWanted } = await import('../../agent/once.ts');
    return { wanted: await listWanted(config, shell.env, shell.signal), code: EXIT.fine };
  }
  const loaded = understand(await readObjects({ filename: options.filename, profile: 'kubernetes' }, shell));
  const errors = loaded.diagnostics.filter(({ severity }) => severity === 'error');
  for (const line of diagnosticLines(errors, { colour: false })) shell.stderr.write(`${line}\n`);
  const note = nothingToGuard(loaded.cluster, config.node ?? '');
  if (note !== null) shell.stderr.write(note);
  return { wanted: loaded, code: errors.length > 0 ? EXIT.findings : EXIT.fine };
}

/** A table that guards nobody is most often a mistake: manifests do not say where pods run, only clusters know. */
function nothingToGuard(cluster: Cluster, node: string): string | null {
  const placed = cluster.workloads
    .flatMap(({ pods }) => pods)
    .filter((pod) => !pod.template && !pod.hostNetwork && pod.addresses.length > 0);
  if (placed.some((pod) => pod.node === node)) return null;
  const nodes = [...new Set(placed.flatMap((pod) => (pod.node === null ? [] : [pod.node])))].sort();
  const help =
    nodes.length > 0
      ? `it has pods on \`${nodes.slice(0, 5).join('`, `')}\`${nodes.length > 5 ? ', …' : ''}`
      : 'pods need `spec.nodeName` and `status.podIPs`, as `rampart snapshot` or `kubectl get pods -A -o yaml` have them';
  return `nobody is guarded: the input has no pod with an address on the node \`${node}\`\n  help: ${help}\n`;
}

function findingText({ severity, name, message, help }: Finding): string {
  const word = severity === 'fine' ? 'ok' : severity;
  return `${word.padEnd(8)}${name}: ${message}\n${help === null ? '' : `        help: ${help}\n`}`;
}

async function follow(options: AgentOptions & Flags, config: Config, shell: Shell): Promise<ExitCode> {
  const { runAgent } = await import('../../agent/run.ts');
  const { lineWriter } = await import('../../agent/log.ts');
  const end = new AbortController();
  const stop = (): void => end.abort();
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const file = options.config ?? shell.env.RAMPART_AGENT_CONFIG ?? null;
  try {
    await runAgent({
      config,
      reread: () => rereadSafely(options, shell),
      onReload: (then) => onReload(file, then),
      signal: AbortSignal.any([end.signal, shell.signal]),
      write: lineWriter(shell.stdout),
      env: shell.env,
    });
  } finally {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
  }
  return EXIT.fine;
}

function rereadSafely(options: AgentOptions & Flags, shell: Shell): ConfigReading {
  try {
    return readAll(options, shell);
  } catch (error) {
    if (!(error instanceof IoError)) throw error;
    return { kind: 'problems', problems: [{ where: '--config', message: error.message, help: error.help }] };
  }
}

function onReload(file: string | null, then: () => void): () => void {
  process.on('SIGHUP', then);
  const unfollow = file === null || file === '' ? null : followFile(file, then);
  return () => {
    process.off('SIGHUP', then);
    unfollow?.();
  };
}
