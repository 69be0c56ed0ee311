/** The questions of an all-pairs probe. */
import type { FlowQuestion, ProbeSkipped } from '../report/report.ts';
import type { Listener } from './pod-protocol.ts';
import type { ProbePod, Topology } from './probe-plan.ts';

export interface PairOptions {
  /** `all`: every pod; `one`: one of each workload, and a second one for what its pods say to each other. */
  readonly pods: 'all' | 'one';
  /** Addresses of the outside to ask about, in both directions. */
  readonly outside: readonly string[];
  /** Ports of the outside to ask about. */
  readonly outsidePorts: readonly Listener[];
  /** Only flows from or to pods of this namespace; `null` for all. */
  readonly namespace: string | null;
  /** More flows than this are not asked; the caller says how to ask for fewer. */
  readonly most: number;
}

export interface Questions {
  readonly questions: readonly FlowQuestion[];
  readonly skipped: readonly ProbeSkipped[];
  /** How many there would have been. */
  readonly wanted: number;
}

/** Every ordered pair of pods, and of a pod and the outside, over the ports that the destination listens on. */
export function pairQuestions(
  topology: Topology,
  options: PairOptions,
  /** Pods, or what stands for several of them, by the name under which it is asked about. */
  parties: readonly ProbePod[] = [...topology.pods.values()],
): Questions {
  const pods = options.pods === 'all' ? parties : representatives(parties);
  const isMeant = ({ id }: ProbePod): boolean => options.namespace === null || id.startsWith(`${options.namespace}/`);
  const questions: FlowQuestion[] = [];
  const skipped = new Map<string, ProbeSkipped>();
  let wanted = 0;
  const skip = (what: string, because: string, flows: number): void => {
    const key = `${what}\n${because}`;
    skipped.set(key, { what, because, flows: flows + (skipped.get(key)?.flows ?? 0) });
  };
  const ask = (src: string, dst: string, { protocol, port }: Listener): void => {
    const impossible = topology.impossible.get(protocol);
    if (impossible !== undefined) {
      skip(protocol, impossible, 1);
      return;
    }
    wanted++;
    if (wanted <= options.most) questions.push({ src, dst, protocol, port });
  };
  for (const source of pods) {
    for (const destination of pods) {
      if (source.id === destination.id || !(isMeant(source) || isMeant(destination))) continue;
      if (source.actor === null) skip(`from ${source.id}`, source.whyNot ?? '', destination.listeners.length);
      else for (const listener of destination.listeners) ask(source.id, destination.id, listener);
    }
  }
  const { outside } = topology;
  const meant = pods.filter(isMeant);
  for (const address of options.outside) {
    for (const pod of meant) {
      const reachable = pod.addresses.some((own) => own.includes(':') === address.includes(':'));
      if (!reachable) continue;
      if (outside.actor !== null) for (const listener of pod.listeners) ask(address, pod.id, listener);
      if (pod.actor !== null) for (const listener of options.outsidePorts) ask(pod.id, address, listener);
    }
  }
  for (const pod of meant) if (pod.listeners.length === 0) skip(`to ${pod.id}`, 'nothing listens there', 0);
  return { questions, skipped: [...skipped.values()], wanted };
}

/** The first pod of each workload that can be asked, and the first other one. */
function representatives(pods: readonly ProbePod[]): readonly ProbePod[] {
  const chosen = new Map<string, ProbePod[]>();
  for (const pod of [...pods].sort((a, b) => Number(a.actor === null) - Number(b.actor === null))) {
    const known = chosen.get(pod.workload);
    if (known === undefined) chosen.set(pod.workload, [pod]);
    else if (known.length < 2) known.push(pod);
  }
  return [...chosen.values()].flat();
}
