/** What the tables of a cluster's nodes do with a flow, on its way through the hooks that a connection would meet. */
import type { Family, Ip } from '../../src/base/ip.ts';
import type { Cluster, Pod } from '../../src/model/cluster.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import { firstPacket, icmpPacket, type PacketDetails } from '../../src/targets/nftables/packet.ts';
import { type Simulator, simulatorOf } from '../../src/targets/nftables/simulate.ts';
import type { TableContent } from '../../src/targets/nftables/table.ts';

const PROTOCOL = { TCP: 6, UDP: 17, SCTP: 132 } as const;

/** Every pod real: with a node, and with an address that no other has. Pods without addresses are left out. */
export function placed(cluster: Cluster): Cluster {
  const seen = new Set<string>();
  let index = 0;
  const place = (pod: Pod): Pod | null => {
    const at = index++;
    if (pod.template) return null;
    const node = pod.node ?? cluster.nodes[at % cluster.nodes.length]?.name ?? null;
    const own = pod.hostNetwork
      ? (cluster.nodes.find(({ name }) => name === node)?.addresses ?? [])
      : pod.addresses.filter((ip) => !seen.has(`${ip.family}/${ip.value}`));
    if (!pod.hostNetwork) for (const ip of own) seen.add(`${ip.family}/${ip.value}`);
    return own.length === 0 ? null : { ...pod, node, addresses: own };
  };
  const workloads = cluster.workloads.flatMap((workload) => {
    const pods = workload.pods.map(place).filter((pod) => pod !== null);
    return pods.length === 0 ? [] : [{ ...workload, pods }];
  });
  return { ...cluster, workloads };
}

const network = (endpoint: Endpoint): Pod | null =>
  endpoint.kind === 'pod' && !endpoint.pod.hostNetwork ? endpoint.pod : null;

/** The node whose own address the endpoint has. */
function host(endpoint: Endpoint): string | null {
  if (endpoint.kind === 'node') return endpoint.node.name;
  return endpoint.kind === 'pod' && endpoint.pod.hostNetwork ? endpoint.pod.node : null;
}

function addressOf(endpoint: Endpoint, family: Family): Ip | null {
  const all =
    endpoint.kind === 'pod'
      ? endpoint.pod.addresses
      : endpoint.kind === 'node'
        ? endpoint.address === null
          ? endpoint.node.addresses
          : [endpoint.address]
        : endpoint.kind === 'external'
          ? [endpoint.address]
          : [];
  return all.find((ip) => ip.family === family) ?? null;
}

export class Enforced {
  readonly #tables = new Map<string, Simulator>();

  /** The table of a node, as it is now. */
  put(node: string, content: TableContent): void {
    this.#tables.set(node, simulatorOf(content));
  }

  /** Whether a connection over this family gets through; `null` where there is no such connection. */
  allows(flow: Flow, family: Family): boolean | null {
    const source = addressOf(flow.source, family);
    const destination = addressOf(flow.destination, family);
    if (source === null || destination === null) return null;
    const from = network(flow.source);
    const to = network(flow.destination);
    // A pod's way to its own address does not leave it.
    if (from !== null && from === to && !flow.viaService) return true;
    const sent = (node: string | null, details: PacketDetails): boolean => {
      const table = node === null ? undefined : this.#tables.get(node);
      if (table === undefined) return true;
      const packet =
        flow.protocol === 'ICMP' || flow.protocol === 'ICMPv6'
          ? icmpPacket(source, destination, family === 4 ? 8 : 128, details)
          : firstPacket(source, destination, PROTOCOL[flow.protocol], flow.port ?? 1, details);
      return table(packet).verdict === 'accept';
    };
    if (from !== null) {
      const own = host(flow.destination);
      if (own !== null && own === from.node)
        return sent(from.node, { hook: 'input', local: { source: false, destination: true } });
      if (!sent(from.node, {})) return false;
    }
    if (to !== null) {
      // What comes from the node itself meets no hook of ours.
      if (host(flow.source) === to.node) return true;
      if (from === null || from.node !== to.node) return sent(to.node, {});
    }
    return true;
  }
}
