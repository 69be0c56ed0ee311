import { policiesOverview, type WorkloadPolicies as WorkloadView } from '../../engine/explain/policies-view.ts';
import { type Prepared, prepareExplain } from '../../engine/explain/prepare.ts';
import { factsOf, matchEndpoint } from '../../engine/match.ts';
import { workloadId } from '../../model/cluster.ts';
import type { Direction } from '../../model/program.ts';
import type { WorkloadDirection, WorkloadPolicies } from '../../report/report.ts';
import { endpointOf } from '../asking.ts';
import { addInputOptions, type InputOptions, type Loaded, load } from '../input-options.ts';
import {
  addOutputOptions,
  addShowOptions,
  answer,
  checkShow,
  type OutputOptions,
  type ShowOptions,
} from '../output-options.ts';
import { ruleText } from '../rule-text.ts';
import { type CliCommand, UsageError } from '../shell.ts';
import { shownWorkloads } from '../show.ts';

const EXAMPLES = `
Examples:
  rampart policies -f manifests/                   every workload: isolated or not, per direction
  rampart policies shop/web -f manifests/          which policies select it and what each adds
  rampart policies -f manifests/ -n shop -o json
`;

export const policies: CliCommand = {
  define(command, run) {
    addOutputOptions(addShowOptions(addInputOptions(command)), 'PoliciesReport')
      .argument('[workload]', 'show one pod or workload')
      .addHelpText('after', EXAMPLES)
      .action((name: string | undefined, options: InputOptions & OutputOptions & ShowOptions) =>
        run(async (shell) => {
          checkShow(options);
          const loaded = await load(options, shell);
          const prepared = prepareExplain(loaded.program, factsOf(loaded.cluster));
          const shown = name === undefined ? shownWorkloads(loaded.cluster, options, shell) : only(name, loaded);
          const workloads = policiesOverview(prepared)
            .filter(({ workload }) => shown?.(workload) ?? true)
            .map(present);
          return answer(
            {
              kind: 'PoliciesReport',
              workloads,
              selectNothing: name === undefined ? selectNothing(loaded, prepared) : [],
              diagnostics: loaded.diagnostics,
            },
            name === undefined ? options : { ...options, verbose: true },
            shell,
          );
        }),
      );
  },
};

function only(name: string, loaded: Loaded): (id: string) => boolean {
  const found = endpointOf(name, loaded.index(), false);
  if (!found.ok) throw new UsageError(found.error.message, found.error.help);
  const { end } = found.value;
  if (end.kind !== 'pods') throw new UsageError(`\`${name}\` is no pod and no workload`, 'policies select pods');
  const wanted = new Set(
    loaded.cluster.workloads.filter(({ pods }) => pods.some((pod) => end.pods.includes(pod))).map(workloadId),
  );
  return (id) => wanted.has(id);
}

function present(view: WorkloadView): WorkloadPolicies {
  const of = (direction: Direction): WorkloadDirection => ({
    isolated: view.isolated[direction] !== 'no',
    policies: view.policies
      .map((policy) => ({
        policy: policy.policy,
        tier: policy.tier,
        isolates: policy.isolates.includes(direction),
        rules: policy.rules
          .filter((rule) => rule.direction === direction)
          .map((rule) => ({
            rule: rule.origin.field,
            action: rule.action,
            text: ruleText(rule, direction, Number.POSITIVE_INFINITY),
            origin: rule.origin,
          })),
        origin: policy.origin,
      }))
      .filter(({ isolates, rules }) => isolates || rules.length > 0),
  });
  return { workload: view.workload, ingress: of('ingress'), egress: of('egress') };
}

function selectNothing(loaded: Loaded, prepared: Prepared): readonly string[] {
  const pods = loaded.cluster.workloads.flatMap((workload) => workload.pods);
  const inNamespace = new Map<string, typeof pods>();
  for (const pod of pods) {
    const list = inNamespace.get(pod.namespace);
    if (list === undefined) inNamespace.set(pod.namespace, [pod]);
    else list.push(pod);
  }
  const out: string[] = [];
  for (const { policies: all } of loaded.program.tiers) {
    for (const { id, subject } of all) {
      const named = subject.kind === 'pods' && subject.namespaces.kind === 'named' ? subject.namespaces.name : null;
      const candidates = named === null ? pods : (inNamespace.get(named) ?? []);
      const selects = candidates.some(
        (pod) =>
          matchEndpoint(
            subject,
            { kind: 'pod', pod },
            4,
            prepared.facts.cluster.namespaces.get(pod.namespace) ?? null,
            prepared.facts,
          ) !== 'no',
      );
      if (!selects) out.push(id);
    }
  }
  return out;
}
