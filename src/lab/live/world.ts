/** Who can connect in a live cluster, and to what. */
import { formatIp } from '../../base/ip.ts';
import type { Cluster, Pod, Workload } from '../../model/cluster.ts';
import { workloadId } from '../../model/cluster.ts';
import type { PolicyProgram } from '../../model/program.ts';
import type { Selector } from '../../model/selector.ts';
import type { Listener } from '../pod-protocol.ts';
import type { ProbePod, Topology } from '../probe-plan.ts';

/** `pods`: probe pods that stand for a workload; `exec`: commands in the workload's own pods. */
export type Via = 'pods' | 'exec';

export interface LiveWorld {
  readonly topology: Topology;
  /** Workloads by the name under which they are asked about, `namespace/kind/name`. */
  readonly parties: readonly ProbePod[];
  /** What the actors are. */
  readonly actors: ReadonlyMap<string, Actor>;
}

export interface Actor {
  readonly workload: Workload;
  /** Of the workload's running pods, the one to stand for or to use. */
  readonly pod: Pod;
}

/** The running pods of a cluster, as far as they can be asked. `barred` says why a workload must not be stood in for. */
export function liveWorld(
  cluster: Cluster,
  via: Via,
  barred: (workload: Workload, pod: Pod) => string | null = () => null,
): LiveWorld {
  const served = servedPorts(cluster);
  const pods = new Map<string, ProbePod>();
  const actors = new Map<string, Actor>();
  const parties: ProbePod[] = [];
  for (const workload of cluster.workloads) {
    const running = workload.pods.filter((pod) => !pod.template && pod.addresses.length > 0);
    const [model] = running;
    if (model === undefined) continue;
    const id = workloadId(workload);
    const because =
      via === 'pods' && model.hostNetwork ? 'nobody stands in for pods on the host network' : barred(workload, model);
    const mine: ProbePod[] = [];
    for (const pod of running) {
      const actor = because !== null ? null : via === 'pods' ? id : `${pod.namespace}/${pod.name}`;
      if (actor !== null && !actors.has(actor)) actors.set(actor, { workload, pod });
      const one: ProbePod = {
        id: `${pod.namespace}/${pod.name}`,
        actor,
        ...(because === null ? {} : { whyNot: because }),
        addresses: pod.addresses.map(formatIp),
        listeners: listenersOf(pod, served.get(pod) ?? []),
        node: pod.node,
        workload: id,
      };
      pods.set(one.id, one);
      mine.push(one);
    }
    const [first] = mine;
    if (first === undefined) continue;
    const listeners = new Map(mine.flatMap((pod) => pod.listeners.map((one) => [`${one.protocol} ${one.port}`, one])));
    const party = `${workload.namespace}/${workload.kind.toLowerCase()}/${workload.name}`;
    parties.push({ ...first, id: party, listeners: [...listeners.values()] });
  }
  return {
    topology: {
      pods,
      nodes: new Map(
        cluster.nodes.map(({ name, addresses }) => [name, { name, actor: null, addresses: addresses.map(formatIp) }]),
      ),
      outside: { actor: null, addresses: 'any', listeners: 'any' },
      impossible: new Map([['SCTP', 'the clients of common images do not speak SCTP']]),
    },
    parties,
    actors,
  };
}

/** Ports of pods to which Services lead. */
function servedPorts(cluster: Cluster): ReadonlyMap<Pod, readonly Listener[]> {
  const served = new Map<Pod, Listener[]>();
  for (const { backends } of cluster.services) {
    for (const { pod, ports } of backends) {
      if (pod === null) continue;
      const mine = served.get(pod) ?? [];
      for (const { service, port } of ports) mine.push({ protocol: service.protocol, port });
      served.set(pod, mine);
    }
  }
  return served;
}

function listenersOf(pod: Pod, served: readonly Listener[]): readonly Listener[] {
  const all = [...pod.ports.map(({ protocol, port }) => ({ protocol, port })), ...served];
  return [...new Map(all.map((one) => [`${one.protocol} ${one.port}`, one])).values()];
}

/** Label keys that some policy looks at on pods. */
export function labelsNamed(program: PolicyProgram): ReadonlySet<string> {
  const ends = program.tiers.flatMap(({ policies }) =>
    policies.flatMap(({ subject, rules }) => [subject, ...rules.flatMap(({ match }) => match.peers)]),
  );
  return new Set(ends.flatMap((end) => (end.kind === 'pods' ? keysOf(end.pods) : [])));
}

function keysOf(selector: Selector): readonly string[] {
  switch (selector.kind) {
    case 'everything':
    case 'nothing':
      return [];
    case 'in':
    case 'exists':
      return [selector.key];
    case 'not':
      return keysOf(selector.of);
    case 'all-of':
    case 'any-of':
      return selector.of.flatMap(keysOf);
  }
}
