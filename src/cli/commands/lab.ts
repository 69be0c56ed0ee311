import { type Command, Option } from 'commander';
import { addInputOptions } from '../input-options.ts';
import type { LabChangeOptions } from '../lab-change.ts';
import type { LabNameOptions } from '../lab-enter.ts';
import type { LabLogsOptions } from '../lab-logs.ts';
import { labNameOption } from '../lab-name.ts';
import type { LabMakingOptions } from '../lab-plan.ts';
import { addLabRunOptions, type LabRunOptions } from '../lab-run.ts';
import type { LabStatusOptions } from '../lab-status.ts';
import type { CliCommand } from '../shell.ts';

const EXAMPLES = `
Examples:
  rampart lab up -f examples/shop                 nodes and pods as network namespaces, policies enforced by the kernel
  rampart lab status
  rampart lab exec shop/frontend -- curl -m 2 http://api
  rampart lab shell shop/frontend
  rampart lab logs -f                             what is denied, and by which policy
  rampart lab apply -f policy.yaml
  rampart lab capture shop/frontend -- port 53
  rampart lab down

Nothing of a lab is outside of its namespaces: it collides with nobody, needs no network and no
image, and is gone when it ends. It needs root, or a kernel that lets users make namespaces; and
the programs ip, nft, unshare, nsenter and mount.
Pods do not run their images: in each a small program listens on the declared ports, and answers with the pod's name, to
curl as well.
`;

const UP_EXAMPLES = `
Examples:
  rampart lab up -f examples/shop
  rampart lab up -f manifests/ --nodes 3 --replicas 2 --name review
  rampart lab up -k overlays/production --deny reject
  rampart lab up -f manifests/ --apiserver ~/.kube/config
`;

const RUN_EXAMPLES = `
Examples:
  rampart lab run -f examples/shop
  rampart lab run -f examples/shop --from shop/checkout --to payments/gateway
  rampart lab run -f manifests/ --flows flows.yaml -o junit --out lab.xml
  rampart lab run -f manifests/ --pods one -o json
`;

const EXEC_EXAMPLES = `
Examples:
  rampart lab exec shop/frontend -- curl -m 2 http://api
  rampart lab exec node/node-1 -- nft list table inet rampart
  rampart lab exec outside -- ip -brief address

Runs a program of this machine in the namespaces of a pod (NAMESPACE/POD, or NAMESPACE/WORKLOAD for its first one), of a
node (node/NAME) or of what is outside of the cluster (outside). The exit code is that of the program.
`;

const SHELL_EXAMPLES = `
Examples:
  rampart lab shell shop/frontend
  rampart lab shell outside
`;

const CAPTURE_EXAMPLES = `
Examples:
  rampart lab capture shop/frontend -- port 53
  rampart lab capture node/node-1 -- -c 10 -w /tmp/node-1.pcap

Needs tcpdump, and a lab of root. What comes after -- is for tcpdump; without -i it listens everywhere.
`;

const STATUS_EXAMPLES = `
Examples:
  rampart lab status
  rampart lab status --name review -o json | jq -r '.labs[0].folder'
`;

const DOWN_EXAMPLES = `
Examples:
  rampart lab down
  rampart lab down --name review
  rampart lab down --all
`;

const CHANGE_EXAMPLES = (way: string): string => `
Examples:
  rampart lab ${way} -f policy.yaml
  rampart lab ${way} -f manifests/ --name review

Comes back when the agents have enforced it. The exit code is 3 where the API server refuses something.
`;

const LOGS_EXAMPLES = `
Examples:
  rampart lab logs
  rampart lab logs -f -o json | jq .decidedBy

Each line: time, node, direction, source → destination, and the policies that deny it. Needs tcpdump when the lab is brought up.
`;

const nameOption = (): Option => labNameOption('which lab; default `default`');

/** Adds the options that say how a lab is made. */
function addMakingOptions(command: Command): Command {
  const profile = command.options.findIndex(({ long }) => long === '--profile');
  if (profile >= 0) (command.options as Option[]).splice(profile, 1);
  return command
    .addOption(nameOption())
    .option('--nodes <number>', 'how many nodes; default 2, or as many as the manifests have')
    .option('--replicas <number>', 'at most so many pods of one workload; default 3')
    .addOption(new Option('--cni <kind>', 'how pods are joined to their node; default ptp').choices(['ptp', 'bridge']))
    .addOption(new Option('--deny <way>', 'what denied packets meet; default drop').choices(['drop', 'reject']))
    .option('--apiserver <kubeconfig>', 'use the API server of this kubeconfig instead of one of the lab')
    .option('--no-agents', 'enforce nothing');
}

export const lab: CliCommand = {
  define(command, run) {
    command.addHelpText('after', EXAMPLES);

    const up = command.command('up').description('bring a lab up from manifests');
    addMakingOptions(addInputOptions(up))
      .option('-q, --quiet', 'no diagnostics and no progress on stderr')
      .option('-v, --verbose', 'more detail')
      .addHelpText('after', UP_EXAMPLES)
      .action((options: LabMakingOptions) =>
        run(async (shell) => (await import('../lab-up.ts')).labUp(options, shell)),
      );

    addLabRunOptions(
      command.command('run').description('up, probe, down: exit code 2 where the kernel and the engine disagree'),
    )
      .addHelpText('after', RUN_EXAMPLES)
      .action((options: LabRunOptions) => run(async (shell) => (await import('../lab-run.ts')).runLab(options, shell)));

    command
      .command('down')
      .description('end a lab; nothing of it stays')
      .addOption(nameOption())
      .option('--all', 'end all labs')
      .addHelpText('after', DOWN_EXAMPLES)
      .action((options: LabNameOptions & { readonly all?: boolean }) =>
        run(async (shell) => (await import('../lab-status.ts')).labDown(options, shell)),
      );

    command
      .command('status')
      .description('nodes, agents, pods and their ports')
      .addOption(nameOption())
      .addOption(new Option('-o, --output <format>', 'how it is written').choices(['text', 'json']).default('text'))
      .addHelpText('after', STATUS_EXAMPLES)
      .action((options: LabStatusOptions) =>
        run(async (shell) => (await import('../lab-status.ts')).labStatus(options, shell)),
      );

    command
      .command('exec')
      .description('run a program where a pod is')
      .argument('<who>', 'NAMESPACE/POD, node/NAME or outside')
      .argument('<command...>', 'after --')
      .addOption(nameOption())
      .addHelpText('after', EXEC_EXAMPLES)
      .action((who: string, words: readonly string[], options: LabNameOptions) =>
        run(async (shell) => (await import('../lab-enter.ts')).labExec(who, words, options, shell)),
      );

    command
      .command('shell')
      .description('an interactive shell where a pod is')
      .argument('<who>', 'NAMESPACE/POD, node/NAME or outside')
      .addOption(nameOption())
      .addHelpText('after', SHELL_EXAMPLES)
      .action((who: string, options: LabNameOptions) =>
        run(async (shell) => (await import('../lab-enter.ts')).labShell(who, options, shell)),
      );

    command
      .command('capture')
      .description('tcpdump where a pod is')
      .argument('<who>', 'NAMESPACE/POD, node/NAME or outside')
      .argument('[arguments...]', 'for tcpdump, after --')
      .addOption(nameOption())
      .addHelpText('after', CAPTURE_EXAMPLES)
      .action((who: string, words: readonly string[], options: LabNameOptions) =>
        run(async (shell) => (await import('../lab-enter.ts')).labCapture(who, words, options, shell)),
      );

    command
      .command('logs')
      .description('what is denied, and by which policy')
      .addOption(nameOption())
      .option('-f, --follow', 'go on until Ctrl-C')
      .addOption(new Option('-o, --output <format>', 'how it is written').choices(['text', 'json']).default('text'))
      .addHelpText('after', LOGS_EXAMPLES)
      .action((options: LabLogsOptions) =>
        run(async (shell) => (await import('../lab-logs.ts')).labLogs(options, shell)),
      );

    for (const way of ['apply', 'delete'] as const) {
      command
        .command(way)
        .description(way === 'apply' ? 'create or change objects while the lab runs' : 'delete objects while it runs')
        .option('-f, --filename <path>', 'manifests: a file, a folder, or - for stdin; may be repeated', collect)
        .option('-k, --kustomize <dir>', 'render with `kubectl kustomize` first', collect)
        .addOption(nameOption())
        .option('-q, --quiet', 'no diagnostics on stderr')
        .option('-v, --verbose', 'more detail')
        .addHelpText('after', CHANGE_EXAMPLES(way))
        .action((options: LabChangeOptions) =>
          run(async (shell) => (await import('../lab-change.ts')).labChange(way, options, shell)),
        );
    }
  },
};

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];
