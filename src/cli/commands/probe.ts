import { Option } from 'commander';
import type { ExitCode } from '../exit-code.ts';
import { profileOption } from '../input-options.ts';
import { labName } from '../lab-name.ts';
import { addOutputOptions } from '../output-options.ts';
import { addPairOptions, type ProbeCommandOptions } from '../probe-options.ts';
import { type CliCommand, type Shell, UsageError } from '../shell.ts';

/** Kubernetes' own test image: a shell, and clients and servers for TCP and UDP. */
export const DEFAULT_IMAGE = 'registry.k8s.io/e2e-test-images/agnhost:2.56';

const EXAMPLES = `
Examples:
  rampart probe --smoke                                   are policies enforced here at all, and by whom?
  rampart probe -n shop                                   all pairs of workloads in shop, over the ports in use
  rampart probe --from shop/api --to data/postgres --port 5432
  rampart probe --flows flows.yaml -o junit --out probe.xml
  rampart probe --via exec --from shop/api --to 1.1.1.1 --port 443
  rampart probe --lab demo                                the same in a lab that is up
  rampart probe --cleanup                                 remove what runs that were killed left behind

Each flow is asked of the policies and of the network; exit code 2 tells that they disagree. Disagreements are asked
again, twice, before they count. In a live cluster, a pod that stands for a workload has its namespace and labels, is
never ready, so that no Service sends to it, and is gone when the probe ends. Any image will do that has \`sh\` and one
of agnhost, nc with -z or -e, bash with timeout, python3, curl or wget; --smoke needs agnhost, python3, or a nc that
listens.
`;

export const probe: CliCommand = {
  define(command, run) {
    addPairOptions(
      addOutputOptions(command, 'ProbeReport')
        .option('--smoke', 'find out whether policies are enforced at all, in a namespace of its own (or that of -n)')
        .addOption(new Option('--lab [name]', 'ask in a lab that is up; by itself in `default`').argParser(labName))
        .option('--kubeconfig <path>', 'the live cluster of this kubeconfig')
        .option('--context <name>', 'the live cluster of this context')
        .addOption(profileOption())
        .option('--flows <file>', 'the questions: a file as `query` reads it, or - for stdin'),
    )
      .option('-n, --namespace <name>', 'only flows between workloads of this namespace; in a lab, from or to its pods')
      .addOption(
        new Option('--pods <which>', 'in a lab: every pod, or one of each workload')
          .choices(['all', 'one'])
          .default('all'),
      )
      .addOption(
        new Option('--via <way>', 'probe pods that stand for workloads, or commands in their own pods')
          .choices(['pods', 'exec'])
          .default('pods'),
      )
      .option('--image <image>', 'of the probe pods', DEFAULT_IMAGE)
      .option('--most <flows>', 'refuse to ask more flows than this', '5000')
      .option('--timeout <ms>', 'without an answer for so long, a connection is denied', '1000')
      .option('--total <seconds>', 'begin nothing new after so long', '300')
      .option('--cleanup', 'remove whatever probes left in the cluster, and do nothing else')
      .addHelpText('after', EXAMPLES)
      .action((options: ProbeCommandOptions) => run((shell) => dispatch(options, shell)));
  },
};

async function dispatch(options: ProbeCommandOptions, shell: Shell): Promise<ExitCode> {
  const ways = [options.smoke, options.cleanup, options.flows, options.from ?? options.to ?? options.port];
  if (ways.filter((way) => way !== undefined).length > 1) {
    throw new UsageError('--smoke, --cleanup, --flows and --from/--to/--port exclude each other', 'choose one of them');
  }
  if (options.lab !== undefined) {
    if ((options.kubeconfig ?? options.context ?? options.smoke ?? options.cleanup) !== undefined) {
      throw new UsageError('--lab is about a lab, not about a live cluster', 'leave out the other options');
    }
    return (await import('../probe-lab.ts')).probeLab(options, shell);
  }
  if (options.smoke === true) return (await import('../probe-smoke.ts')).probeSmoke(options, shell);
  const live = await import('../probe-live.ts');
  return options.cleanup === true ? live.cleanup(options, shell) : live.probeLive(options, shell);
}
