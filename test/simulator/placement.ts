/** Puts the pods of manifests on nodes: everyone gets a node and an address, as if they ran. */
import { type Ip, parseIp } from '../../src/base/ip.ts';
import type { Cluster, Node, Pod } from '../../src/model/cluster.ts';

const NODES = ['node-one', 'node-two', 'node-three'];

/** Addresses that manifests do not speak of (RFC 6598, RFC 4193). */
const NODE_BLOCK = '100.127.255.';
const POD_BLOCK = '100.127.';

function address(text: string): Ip {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`no address: ${text}`);
  return ip;
}

/** Pods on three nodes and nodes with addresses, the same every time. What manifests say stays. */
export interface Placed {
  readonly cluster: Cluster;
  /** Names of all nodes on which pods are. */
  readonly nodes: readonly string[];
  /** The placed pod of each pod. */
  readonly pods: ReadonlyMap<Pod, Pod>;
}

export function place(cluster: Cluster): Placed {
  const known = new Set(cluster.nodes.map(({ name }) => name));
  const nodes: Node[] = cluster.nodes.map((node, i) => ({
    ...node,
    addresses: node.addresses.length > 0 ? node.addresses : [address(`${NODE_BLOCK}${100 + i}`)],
  }));
  NODES.forEach((name, i) => {
    const origin = { object: { apiVersion: 'v1', kind: 'Node', namespace: null, name, source: null }, field: '' };
    if (!known.has(name))
      nodes.push({ name, labels: new Map(), addresses: [address(`${NODE_BLOCK}${i + 1}`)], origin });
  });
  const places = nodes.map(({ name }) => name).slice(-NODES.length);
  const pods = new Map<Pod, Pod>();
  let index = 0;
  const workloads = cluster.workloads.map((workload) => ({
    ...workload,
    pods: workload.pods.map((pod) => {
      const i = index++;
      const name = pod.node ?? places[i % places.length] ?? '';
      const own = nodes.find((node) => node.name === name)?.addresses ?? [];
      const fresh = [address(`${POD_BLOCK}${i >> 8}.${i & 255}`)];
      const addresses = pod.addresses.length > 0 ? pod.addresses : pod.hostNetwork ? own : fresh;
      const placed: Pod = { ...pod, node: name, addresses, template: false };
      pods.set(pod, placed);
      return placed;
    }),
  }));
  return {
    cluster: { ...cluster, nodes, workloads },
    nodes: [...new Set([...pods.values()].flatMap(({ node }) => (node === null ? [] : [node])))].sort(),
    pods,
  };
}
