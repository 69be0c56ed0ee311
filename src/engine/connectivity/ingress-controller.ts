import { FAMILIES } from '../../base/ip.ts';
import { by, byText } from '../../base/order.ts';
import { type Cluster, type Pod, type Service, workloadId } from '../../model/cluster.ts';
import type { Conn } from '../../model/report.ts';
import type { EndpointClass } from '../compiled/classes.ts';
import type { CompiledProgram } from '../compiled/compile.ts';
import { symbolic } from '../compiled/evaluate.ts';
import { BIT, type Bit, type Predicate } from '../compiled/predicates.ts';
import { ALL_TRAFFIC, NO_TRAFFIC, type TrafficId } from '../compiled/traffic.ts';
import { matchUnknownAddress } from '../match.ts';

/**
 * What a pod of which nothing is known, in a namespace of which nothing is known, is surely granted by the policies of a
 * class of pods. An ingress controller is such a pod: it may run anywhere.
 */
export function fromUnknownPod(program: CompiledProgram, own: EndpointClass): TrafficId {
  const subject = program.subject(own.id, 'ingress');
  let out: TrafficId = ALL_TRAFFIC;
  for (const family of FAMILIES) {
    const holds = (predicate: Predicate): Bit => {
      const { match } = predicate;
      if (predicate.universal !== null) return 1;
      if (match.kind === 'pods') return match.pods.kind === 'nothing' ? 0 : 2;
      if (match.kind === 'addresses') {
        if (match.cidr.family !== family) return 0;
        return BIT[matchUnknownAddress(match, 'inside')];
      }
      return 0;
    };
    const { allow, deny } = symbolic(program.traffic, subject, own, holds, 'no');
    out = program.traffic.intersect(out, program.traffic.subtract(allow, deny));
  }
  return out;
}

/** The ports to which an Ingress, Route or Gateway route leads and that the policies admit from an unknown pod. */
export function ingressController(
  program: CompiledProgram,
  cluster: Cluster,
): readonly { readonly dst: string; readonly conn: Conn }[] {
  const services = new Map(cluster.services.map((service) => [`${service.namespace}/${service.name}`, service]));
  const workloadOf = new Map<Pod, string>();
  for (const workload of cluster.workloads) for (const pod of workload.pods) workloadOf.set(pod, workloadId(workload));
  const reached = new Map<string, TrafficId>();
  for (const route of cluster.routes) {
    for (const backend of route.backends) {
      const service = services.get(`${backend.namespace}/${backend.service}`);
      if (service === undefined) continue;
      for (const [workload, traffic] of reachedBy(program, service, backend.port, workloadOf)) {
        reached.set(workload, program.traffic.union(reached.get(workload) ?? NO_TRAFFIC, traffic));
      }
    }
  }
  return [...reached]
    .filter(([, traffic]) => program.traffic.hasPorts(traffic))
    .map(([dst, traffic]) => ({ dst, conn: program.traffic.conn(traffic) }))
    .sort(by((entry) => entry.dst, byText));
}

/** For each workload behind a Service port, what all its pods there are granted. */
function reachedBy(
  program: CompiledProgram,
  service: Service,
  port: number | string | null,
  workloadOf: ReadonlyMap<Pod, string>,
): ReadonlyMap<string, TrafficId> {
  const { traffic } = program;
  const out = new Map<string, TrafficId>();
  for (const backend of service.backends) {
    const workload = backend.pod === null ? undefined : workloadOf.get(backend.pod);
    if (workload === undefined || backend.pod === null) continue;
    let led: TrafficId = NO_TRAFFIC;
    const named = backend.ports.filter(({ service: own }) => port === null || own.port === port || own.name === port);
    // OpenShift routes name target ports, and so do Ingresses by mistake; what may be exposed is reported as exposed.
    const meant =
      named.length > 0 ? named : backend.ports.filter((own) => own.service.targetPort === port || own.port === port);
    for (const entry of meant) {
      led = traffic.union(led, traffic.ports(entry.service.protocol, entry.port, entry.port));
    }
    const own = program.classes.all[program.classOf({ kind: 'pod', pod: backend.pod })] as EndpointClass;
    const granted = traffic.intersect(led, fromUnknownPod(program, own));
    const before = out.get(workload);
    out.set(workload, before === undefined ? granted : traffic.intersect(before, granted));
  }
  return out;
}
