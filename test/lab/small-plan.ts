import type { LabEndpoint, LabPlan, LabPod, LabService, LabServicePort } from '../../src/lab/model.ts';

interface PodSketch {
  readonly node: 1 | 2;
  readonly ports: readonly (readonly ['TCP' | 'UDP' | 'SCTP', number])[];
  readonly hostNetwork?: boolean;
  readonly hostPorts?: LabPod['hostPorts'];
  readonly hostname?: string;
  readonly subdomain?: string;
}

const NODES = [
  { name: 'left', addresses: ['172.30.0.11', 'fd30::11'], podCidrs: ['10.30.1.0/24', 'fd30:1::/64'] },
  { name: 'right', addresses: ['172.30.0.12', 'fd30::12'], podCidrs: ['10.30.2.0/24', 'fd30:2::/64'] },
] as const;

/** A pod of the namespace `web`, the number of its address in the range of its node being `number`. */
export function pod(name: string, number: number, sketch: PodSketch): LabPod {
  const node = NODES[sketch.node - 1] ?? NODES[0];
  return {
    id: `web/${name}`,
    namespace: 'web',
    name,
    node: node.name,
    hostNetwork: sketch.hostNetwork === true,
    addresses:
      sketch.hostNetwork === true
        ? node.addresses
        : [`10.30.${sketch.node}.${number}`, `fd30:${sketch.node}::${number}`],
    labels: {},
    workload: { kind: 'Pod', name },
    listeners: sketch.ports.map(([protocol, port]) => ({ protocol, port })),
    hostPorts: sketch.hostPorts ?? [],
    hostname: sketch.hostname ?? null,
    subdomain: sketch.subdomain ?? null,
  };
}

/** What lies behind a port of a Service. */
export function endpoints(pods: readonly LabPod[], port: number): readonly LabEndpoint[] {
  return pods.flatMap((one) => one.addresses.map((address) => ({ address, port, node: one.node, pod: one.id })));
}

export function service(name: string, ports: readonly LabServicePort[], more: Partial<LabService> = {}): LabService {
  return {
    namespace: 'web',
    name,
    type: 'ClusterIP',
    headless: false,
    clusterIPs: [],
    externalIPs: [],
    loadBalancerIPs: [],
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    ports,
    ...more,
  };
}

/** A plan of two nodes, `left` and `right`; both families, one address outside for each. */
export function smallPlan(more: Partial<LabPlan> = {}): LabPlan {
  return {
    families: [4, 6],
    ranges: {
      nodes: ['172.30.0.0/24', 'fd30::/64'],
      pods: ['10.30.0.0/16', 'fd30:0:0::/32'],
      services: ['10.96.0.0/16', 'fd96::/112'],
      loadBalancers: ['198.51.100.0/24'],
    },
    nodes: NODES,
    pods: [],
    services: [],
    outside: [
      { address: '203.0.113.7', why: 'unnamed', block: null },
      { address: '2001:db8:7::7', why: 'unnamed', block: null },
    ],
    dns: null,
    objects: [],
    diagnostics: [],
    ...more,
  };
}
