/** Who can connect in a lab, and to what. */
import type { Cluster } from '../model/cluster.ts';
import { workloadId } from '../model/cluster.ts';
import type { PolicyProgram } from '../model/program.ts';
import type { ProbeSkipped } from '../report/report.ts';
import type { Listener } from './pod-protocol.ts';
import type { Prober } from './probe.ts';
import type { PlannedFlow, ProbePod, Topology } from './probe-plan.ts';
import { traceFlow } from './probe-trace.ts';
import type { LabSession, LabStatus } from './session.ts';

export interface LabWorld {
  readonly topology: Topology;
  readonly skipped: readonly ProbeSkipped[];
  /** Addresses of actors, for what watches their packets. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
}

/** A running lab as the prober sees it. */
export function labWorld(status: LabStatus, cluster: Cluster): LabWorld {
  const workloads = new Map(
    cluster.workloads.flatMap((workload) =>
      workload.pods.map((pod): [string, string] => [`${pod.namespace}/${pod.name}`, workloadId(workload)]),
    ),
  );
  const pods = new Map<string, ProbePod>();
  const impossible = new Map<string, string>();
  const skipped: ProbeSkipped[] = [];
  for (const pod of status.pods) {
    const running = pod.state === 'running';
    for (const { protocol, port, why } of pod.silent) {
      if (protocol === 'SCTP') impossible.set('SCTP', why);
      else skipped.push({ what: `${protocol} ${port} of ${pod.id}`, because: why, flows: 0 });
    }
    pods.set(pod.id, {
      id: pod.id,
      actor: running ? pod.id : null,
      ...(running ? {} : { whyNot: `the pod does not run: ${pod.detail}` }),
      addresses: pod.addresses,
      listeners: [...pod.listening, ...pod.silent.filter(({ protocol }) => protocol === 'SCTP')],
      node: pod.node,
      workload: workloads.get(pod.id) ?? pod.id,
    });
  }
  const addresses = new Map<string, readonly string[]>([
    ...status.pods.map(({ id, addresses: own }): [string, readonly string[]] => [id, own]),
    ...status.nodes.map(({ name, addresses: own }): [string, readonly string[]] => [`node:${name}`, own]),
  ]);
  return {
    topology: {
      pods,
      nodes: new Map(
        status.nodes.map(({ name, addresses: own }) => [name, { name, actor: `node:${name}`, addresses: own }]),
      ),
      outside: { actor: 'outside', addresses: status.outside, listeners: 'any' },
      impossible,
    },
    skipped,
    addresses,
  };
}

/** The pods of a lab connect by themselves. */
export function labProber(session: LabSession): Prober {
  return { attempt: (actor, attempts, options) => session.attempt(actor, attempts, options) };
}

/** Watches the nodes of a lab while a disagreement is tried once more. */
export function labTracer(
  session: LabSession,
  world: LabWorld,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): (planned: PlannedFlow, again: () => Promise<void>) => Promise<readonly string[]> {
  return async (planned, again) => {
    const [attempt] = planned.tries;
    if (attempt === undefined) return [];
    const own = attempt.fromAddress === null ? (world.addresses.get(attempt.actor) ?? []) : [attempt.fromAddress];
    try {
      return await traceFlow(planned, again, {
        exec: (node, command, input) =>
          session.exec(`node:${node}`, command, {
            signal: options.signal,
            ...(input === undefined ? {} : { input }),
          }),
        sources: own,
        timeoutMs: options.timeoutMs,
      });
    } catch (error) {
      if (options.signal.aborted) throw error;
      return [`cannot be traced: ${error instanceof Error ? error.message : String(error)}`];
    }
  };
}

const MOST_OUTSIDE_PORTS = 3;

/** Ports over which pods are let out by some rule, since nobody declares what the outside listens on. */
export function outsidePorts(program: PolicyProgram): readonly Listener[] {
  const ports = new Map<string, Listener>();
  const add = (listener: Listener): unknown => ports.set(`${listener.protocol} ${listener.port}`, listener);
  add({ protocol: 'TCP', port: 443 });
  for (const { policies } of program.tiers) {
    for (const { rules } of policies) {
      for (const { direction, match } of rules) {
        if (direction !== 'egress' || match.traffic === 'any') continue;
        if (!match.peers.some(({ kind }) => kind === 'addresses' || kind === 'anything')) continue;
        for (const entry of match.traffic) {
          if (entry.kind === 'ports' && entry.protocol !== 'SCTP' && ports.size < MOST_OUTSIDE_PORTS) {
            add({ protocol: entry.protocol, port: entry.first });
          }
        }
      }
    }
  }
  return [...ports.values()];
}

const MOST_OUTSIDE = 12;

/** Addresses of the outside to ask about: as they come, of both families. */
export function outsideSample(status: LabStatus): readonly string[] {
  return status.outside.slice(0, MOST_OUTSIDE);
}
