import { InvalidArgumentError } from 'commander';
import { CompiledProgram } from '../../engine/compiled/compile.ts';
import { connectivity as connectivityOf } from '../../engine/connectivity/connectivity.ts';
import { unspecifiedBecause } from '../../engine/connectivity/unspecified.ts';
import { prepareExplain } from '../../engine/explain/prepare.ts';
import { exposure as exposureOf } from '../../engine/exposure.ts';
import { factsOf } from '../../engine/match.ts';
import { exposureWithoutPods, matrixWithoutPods, podsUnread } from '../../engine/unread-pods.ts';
import type { ConnectivityReport } from '../../model/report.ts';
import { addInputOptions, type InputOptions, type Loaded, load } from '../input-options.ts';
import {
  addOutputOptions,
  addShowOptions,
  answer,
  checkShow,
  type OutputOptions,
  type ShowOptions,
} from '../output-options.ts';
import type { CliCommand } from '../shell.ts';
import { shownWorkloads } from '../show.ts';

const EXAMPLES = `
Examples:
  rampart connectivity -f manifests/
  rampart connectivity -f manifests/ -n shop
  rampart connectivity -f manifests/ -o html --out report.html   one self-contained page
  rampart connectivity -f manifests/ -o svg --out map.svg
  helm template ./chart | rampart connectivity -f - -o json
  rampart connectivity --context production                      the live cluster

An entry that varies holds for all pods of the workloads; "some" is what at least one has. Pairs about which a fact is
missing are listed as unspecified. Above 500,000 pairs, JSON lists classes of workloads that behave alike.
`;

function count(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new InvalidArgumentError('Write a number of pairs.');
  return Number(text);
}

export const connectivity: CliCommand = {
  define(command, run) {
    addOutputOptions(addShowOptions(addInputOptions(command)), 'ConnectivityReport')
      .option('--pair-limit <count>', 'list classes instead of pairs above so many pairs', count)
      .addHelpText('after', EXAMPLES)
      .action((options: InputOptions & OutputOptions & ShowOptions & { readonly pairLimit?: number }) =>
        run(async (shell) => {
          checkShow(options);
          const loaded = await load(options, shell);
          const shown = shownWorkloads(loaded.cluster, options, shell);
          const program = new CompiledProgram(loaded.program, loaded.cluster);
          const known = connectivityOf(program, loaded.cluster, {
            diagnostics: loaded.diagnostics,
            ...(options.pairLimit === undefined ? {} : { pairLimit: options.pairLimit }),
          });
          const whole = matrixWithoutPods(known, loaded.cluster);
          const cut = shown === null ? whole : show(whole, shown);
          const report =
            whole === known || shown !== null ? { ...cut, unspecifiedBecause: because(loaded, program, cut) } : cut;
          // Sets of workloads are named in words by what they lack of all, so a text has to know all of them.
          if (options.output === 'text') return answer({ ...report, peers: whole.peers }, options, shell);
          if (options.output !== 'html') return answer(report, options, shell);
          const { explanationsOf } = await import('../page-explanations.ts');
          return answer(report, options, shell, {
            exposure: exposureWithoutPods(exposureOf(program, loaded.cluster), loaded.cluster),
            ...(whole === known ? explanationsOf(loaded, program, report) : {}),
          });
        }),
      );
  },
};

function because(
  { program, cluster }: Loaded,
  compiled: CompiledProgram,
  report: ConnectivityReport,
): ConnectivityReport['unspecifiedBecause'] {
  if (report.unspecified.length === 0) return [];
  const unread = podsUnread(cluster);
  if (unread !== null) return [{ because: unread, pairs: report.unspecified.length }];
  return unspecifiedBecause(prepareExplain(program, factsOf(cluster)), compiled, cluster, report);
}

/** Only pairs in which a shown workload takes part; a class is shown with any of its members. */
function show(report: ConnectivityReport, isShown: (id: string) => boolean): ConnectivityReport {
  const members = new Map(report.classes?.map((one) => [one.name, one.members]) ?? []);
  const shown = (name: string): boolean => members.get(name)?.some(isShown) ?? isShown(name);
  const allowed = report.allowed.filter(({ src, dst }) => shown(src) || shown(dst));
  const unspecified = report.unspecified.filter(([src, dst]) => shown(src) || shown(dst));
  const named = new Set(
    [...allowed.flatMap(({ src, dst }) => [src, dst]), ...unspecified.flat()].flatMap(
      (name) => members.get(name) ?? [name],
    ),
  );
  return {
    ...report,
    allowed,
    unspecified,
    shown: report.peers.filter(isShown),
    // Ranges stay, all of them: only together do they tell a part of the outside from the whole of it.
    peers: report.peers.filter((peer) => isShown(peer) || named.has(peer) || !peer.endsWith(']')),
    ingressController: report.ingressController.filter(({ dst }) => isShown(dst)),
    replicas: report.replicas.filter(({ workload }) => isShown(workload)),
  };
}
