import type { LabNode, LabPod, LabService, LabServicePort } from './model.ts';

/** The table that stands for kube-proxy in a node of a lab. */
export const SERVICES_TABLE = 'lab-services';

/** The bit of the packet mark by which kube-proxy asks for a masquerade. */
const MASQUERADE = '0x4000';

export interface ServicesOptions {
  readonly node: LabNode;
  readonly services: readonly LabService[];
  /** For their host ports; those of other nodes are ignored. */
  readonly pods: readonly LabPod[];
  /** Addresses and blocks of pods: who comes from elsewhere is masqueraded where kube-proxy does so. */
  readonly podRanges: readonly string[];
}

type Family = 4 | 6;

interface Draft {
  readonly services: Map<string, string>;
  readonly nodePorts: Map<string, string>;
  readonly hostPorts: Map<string, string>;
  /** Ports behind which nobody is: `drop` or `reject`. */
  readonly closed: Map<string, string>;
  readonly closedNodePorts: Map<string, string>;
  readonly chains: Map<string, readonly string[]>;
}

/**
 * The text for `nft -f` that replaces a node's translation of Services: what kube-proxy does in its nftables mode, without
 * session affinity. NodePorts answer on the node's own addresses.
 */
export function servicesTable(options: ServicesOptions): string {
  const drafts: Record<Family, Draft> = { 4: draft(), 6: draft() };
  let number = 0;
  for (const service of options.services) {
    if (service.headless) continue;
    for (const port of service.ports) {
      number += 1;
      for (const family of [4, 6] as const)
        addPort(drafts[family], `${number}v${family}`, family, service, port, options);
    }
  }
  for (const pod of options.pods) {
    if (pod.node !== options.node.name || pod.hostNetwork) continue;
    for (const { protocol, hostPort, port } of pod.hostPorts) {
      for (const address of pod.addresses) {
        const family = familyOf(address);
        number += 1;
        const chain = `hostport-${number}`;
        drafts[family].chains.set(chain, toEndpoint(family, address, port));
        put(drafts[family].hostPorts, `${protocol.toLowerCase()} . ${hostPort}`, `goto ${chain}`);
      }
    }
  }
  return text(options, drafts);
}

function draft(): Draft {
  return {
    services: new Map(),
    nodePorts: new Map(),
    hostPorts: new Map(),
    closed: new Map(),
    closedNodePorts: new Map(),
    chains: new Map(),
  };
}

/** Two Services that claim one address and port: the first has it, as with kube-proxy. */
function put(map: Map<string, string>, key: string, value: string): void {
  if (!map.has(key)) map.set(key, value);
}

function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4;
}

function ofFamily(addresses: readonly string[], family: Family): readonly string[] {
  return addresses.filter((address) => familyOf(address) === family);
}

const IP: Readonly<Record<Family, string>> = { 4: 'ip', 6: 'ip6' };

function toEndpoint(family: Family, address: string, port: number): readonly string[] {
  const target = family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
  return [
    // A pod that reaches itself through a Service would get its own address as the peer's, and not know the answer.
    `${IP[family]} saddr ${address} jump mark-for-masquerade`,
    `meta l4proto { tcp, udp, sctp } dnat ${IP[family]} to ${target}`,
  ];
}

function addPort(
  draft: Draft,
  number: string,
  family: Family,
  service: LabService,
  port: LabServicePort,
  options: ServicesOptions,
): void {
  const endpoints = port.endpoints.filter(({ address }) => familyOf(address) === family);
  const local = endpoints.filter(({ node }) => node === options.node.name);
  const protocol = port.protocol.toLowerCase();
  const key = (address: string): string => `${address} . ${protocol} . ${port.port}`;

  const chainOf = new Map<string, string>();
  for (const { address, port: target } of endpoints) {
    const name = `endpoint-${number}-${chainOf.size}`;
    chainOf.set(`${address} ${target}`, name);
    draft.chains.set(name, toEndpoint(family, address, target));
  }
  const balance = (among: typeof endpoints): readonly string[] => {
    const choices = among.map(({ address, port: target }, i) => `${i} : goto ${chainOf.get(`${address} ${target}`)}`);
    return [`numgen random mod ${choices.length} vmap { ${choices.join(', ')} }`];
  };
  if (endpoints.length > 0) draft.chains.set(`cluster-${number}`, balance(endpoints));
  if (local.length > 0) draft.chains.set(`local-${number}`, balance(local));

  const internal = service.internalTrafficPolicy === 'Local' ? local : endpoints;
  const internalChain = `${service.internalTrafficPolicy === 'Local' ? 'local' : 'cluster'}-${number}`;
  const clusterIPs = ofFamily(service.clusterIPs, family);
  const podSet = `pod-ranges-${family}`;
  if (internal.length > 0) {
    draft.chains.set(`service-${number}`, [
      `${IP[family]} saddr != @${podSet} jump mark-for-masquerade`,
      `goto ${internalChain}`,
    ]);
    for (const address of clusterIPs) put(draft.services, key(address), `goto service-${number}`);
  } else {
    for (const address of clusterIPs) put(draft.closed, key(address), endpoints.length > 0 ? 'drop' : 'goto refuse');
  }

  const external = [...ofFamily(service.externalIPs, family), ...ofFamily(service.loadBalancerIPs, family)];
  const nodePort = port.nodePort === null ? null : `${protocol} . ${port.nodePort}`;
  if (endpoints.length === 0) {
    for (const address of external) put(draft.closed, key(address), 'goto refuse');
    if (nodePort !== null) put(draft.closedNodePorts, nodePort, 'goto refuse');
    return;
  }
  if (external.length === 0 && nodePort === null) return;
  const rules =
    service.externalTrafficPolicy === 'Cluster'
      ? ['jump mark-for-masquerade', `goto cluster-${number}`]
      : [
          // Who is in the cluster already need not be sent to a node of the backend.
          `${IP[family]} saddr @${podSet} goto cluster-${number}`,
          'fib saddr type local jump mark-for-masquerade',
          `fib saddr type local goto cluster-${number}`,
          ...(local.length > 0 ? [`goto local-${number}`] : []),
        ];
  draft.chains.set(`external-${number}`, rules);
  for (const address of external) put(draft.services, key(address), `goto external-${number}`);
  if (nodePort !== null) put(draft.nodePorts, nodePort, `goto external-${number}`);
  if (service.externalTrafficPolicy === 'Local' && local.length === 0) {
    for (const address of external) put(draft.closed, key(address), 'drop');
    if (nodePort !== null) put(draft.closedNodePorts, nodePort, 'drop');
  }
}

function text(options: ServicesOptions, drafts: Readonly<Record<Family, Draft>>): string {
  const lines: string[] = [`add table inet ${SERVICES_TABLE}`, `delete table inet ${SERVICES_TABLE}`];
  lines.push(`table inet ${SERVICES_TABLE} {`);
  for (const family of [4, 6] as const) {
    const of = drafts[family];
    const address = `ipv${family}_addr`;
    lines.push(...set(`pod-ranges-${family}`, address, ofFamily(options.podRanges, family)));
    lines.push(...set(`node-ips-${family}`, address, ofFamily(options.node.addresses, family)));
    const clusterIPs = options.services.flatMap((service) => (service.headless ? [] : service.clusterIPs));
    lines.push(...set(`cluster-ips-${family}`, address, ofFamily(clusterIPs, family)));
    lines.push(...map(`services-${family}`, `${address} . inet_proto . inet_service : verdict`, of.services));
    lines.push(...map(`closed-${family}`, `${address} . inet_proto . inet_service : verdict`, of.closed));
    lines.push(...map(`node-ports-${family}`, 'inet_proto . inet_service : verdict', of.nodePorts));
    lines.push(...map(`closed-node-ports-${family}`, 'inet_proto . inet_service : verdict', of.closedNodePorts));
    lines.push(...map(`host-ports-${family}`, 'inet_proto . inet_service : verdict', of.hostPorts));
  }
  lines.push(
    ...chain('mark-for-masquerade', [`meta mark set meta mark | ${MASQUERADE}`]),
    ...chain('refuse', ['reject']),
  );
  for (const family of [4, 6] as const) {
    for (const [name, rules] of drafts[family].chains) lines.push(...chain(name, rules));
  }
  const both = (rules: (family: Family) => readonly string[]): readonly string[] => [...rules(4), ...rules(6)];
  lines.push(
    ...chain(
      'services',
      both((family) => [
        `${IP[family]} daddr . meta l4proto . th dport vmap @services-${family}`,
        `${IP[family]} daddr @node-ips-${family} meta l4proto . th dport vmap @node-ports-${family}`,
        `meta nfproto ipv${family} fib daddr type local meta l4proto . th dport vmap @host-ports-${family}`,
      ]),
    ),
    ...chain(
      'closed',
      both((family) => [
        `${IP[family]} daddr . meta l4proto . th dport vmap @closed-${family}`,
        `${IP[family]} daddr @node-ips-${family} meta l4proto . th dport vmap @closed-node-ports-${family}`,
        // What is still on its way to a cluster address asks for a port that the Service does not have.
        `${IP[family]} daddr @cluster-ips-${family} reject`,
      ]),
    ),
    ...base('nat-prerouting', 'nat', 'prerouting', 'dstnat', ['jump services']),
    ...base('nat-output', 'nat', 'output', '-100', ['jump services']),
    ...base('nat-postrouting', 'nat', 'postrouting', 'srcnat', [
      `meta mark & ${MASQUERADE} == 0 return`,
      `meta mark set meta mark ^ ${MASQUERADE}`,
      'masquerade fully-random',
    ]),
    ...base('filter-input', 'filter', 'input', '-110', ['ct state new jump closed']),
    ...base('filter-forward', 'filter', 'forward', '-110', ['ct state new jump closed']),
    // Here translation comes first, as it is in the same hook.
    ...base('filter-output', 'filter', 'output', '-90', ['ct state new jump closed']),
    '}',
    '',
  );
  return lines.join('\n');
}

function set(name: string, type: string, members: readonly string[]): readonly string[] {
  const elements = [...new Set(members)];
  return [
    `  set ${name} {`,
    `    type ${type}; flags interval; auto-merge;`,
    ...(elements.length > 0 ? [`    elements = { ${elements.join(', ')} }`] : []),
    '  }',
  ];
}

function map(name: string, type: string, members: ReadonlyMap<string, string>): readonly string[] {
  const elements = [...members].map(([key, value]) => `${key} : ${value}`);
  return [
    `  map ${name} {`,
    `    type ${type};`,
    ...(elements.length > 0 ? [`    elements = { ${elements.join(', ')} }`] : []),
    '  }',
  ];
}

function chain(name: string, rules: readonly string[]): readonly string[] {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), '  }'];
}

function base(name: string, type: string, hook: string, priority: string, rules: readonly string[]): readonly string[] {
  return chain(name, [`type ${type} hook ${hook} priority ${priority}; policy accept;`, ...rules]);
}
