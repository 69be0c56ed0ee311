import { formatIp } from '../base/ip.ts';
import { asObject, stringOf } from '../kinds/validation/json.ts';
import type { JsonObject } from '../manifest/object.ts';
import type { Pod } from '../model/cluster.ts';
import type { LabPod, LabService } from './model.ts';
import type { Listener } from './pod-protocol.ts';

/** A pod of a lab, from its object and what the cluster makes of it. */
export function podOf(
  object: JsonObject,
  pod: Pod,
  workload: LabPod['workload'],
  node: string,
  services: readonly LabService[],
): LabPod {
  const id = `${pod.namespace}/${pod.name}`;
  const spec = asObject(object.spec);
  return {
    id,
    namespace: pod.namespace,
    name: pod.name,
    node,
    hostNetwork: pod.hostNetwork,
    addresses: pod.addresses.map(formatIp),
    labels: Object.fromEntries(pod.labels),
    workload,
    listeners: listenersOf(pod, id, services),
    hostPorts: pod.hostNetwork
      ? []
      : pod.ports.flatMap(({ protocol, port, hostPort }) => (hostPort === null ? [] : [{ protocol, hostPort, port }])),
    hostname: stringOf(spec.hostname) || null,
    subdomain: stringOf(spec.subdomain) || null,
  };
}

/** Declared ports, then ports that Services lead to, each once. */
export function listenersOf(pod: Pod, id: string, services: readonly LabService[]): readonly Listener[] {
  const found = new Map<string, Listener>();
  const add = ({ protocol, port }: Listener): void => {
    const key = `${protocol}/${port}`;
    if (!found.has(key)) found.set(key, { protocol, port });
  };
  for (const port of pod.ports) add(port);
  for (const service of services) {
    if (service.namespace !== pod.namespace) continue;
    for (const { protocol, endpoints } of service.ports) {
      for (const endpoint of endpoints) if (endpoint.pod === id) add({ protocol, port: endpoint.port });
    }
  }
  return [...found.values()];
}
