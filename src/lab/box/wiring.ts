import { type Cidr, covers, type Family, formatAddress, parseCidr, parseIp } from '../../base/ip.ts';
import type { LabNode, LabPlan, LabPod, LabService } from '../model.ts';

/** The name of the network namespace of all that is not the cluster. */
export const OUTSIDE_NETNS = 'outside';
/** The port to which every port of the outside leads. */
export const OUTSIDE_PORT = 7;

export type PodNetwork = 'ptp' | 'bridge';

/** Where things are in the box, worked out once: plain data, so that every step is the text of a batch for `ip`. */
export interface Wiring {
  readonly cni: PodNetwork;
  readonly families: readonly Family[];
  /** Network namespace of a node, by name. */
  readonly netnsOf: ReadonlyMap<string, string>;
  readonly nodes: readonly LabNode[];
  /** The outside's address on the fabric: everybody's way out. */
  readonly exit: Readonly<Record<Family, string | null>>;
}

/** Names the namespaces and chooses the address of the way out. */
export function wire(plan: LabPlan, cni: PodNetwork): Wiring {
  const taken = new Set(plan.nodes.flatMap(({ addresses }) => addresses));
  const exit: Record<Family, string | null> = { 4: null, 6: null };
  for (const family of plan.families) {
    const range = plan.ranges.nodes.map(parseCidr).find((cidr) => cidr?.family === family);
    if (range === undefined || range === null) continue;
    for (let value = range.first + 1n; value < range.last && exit[family] === null; value++) {
      const address = formatAddress(family, value);
      if (!taken.has(address)) exit[family] = address;
    }
  }
  return {
    cni,
    families: plan.families,
    netnsOf: new Map(plan.nodes.map(({ name }, i) => [name, `node${i + 1}`])),
    nodes: plan.nodes,
    exit,
  };
}

function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4;
}

function host(address: string): string {
  return `${address}/${familyOf(address) === 4 ? 32 : 128}`;
}

/** An address that works at once: nobody in a lab has it twice, so there is nothing to detect. */
function addressLine(address: string, prefixed: string, device: string): string {
  return `addr add ${prefixed} dev ${device}${familyOf(address) === 6 ? ' nodad' : ''}`;
}

function firstOf(addresses: readonly string[], family: Family): string | null {
  return addresses.find((address) => familyOf(address) === family) ?? null;
}

function rangeOf(node: LabNode, family: Family): Cidr | null {
  return node.podCidrs.map(parseCidr).find((cidr) => cidr?.family === family) ?? null;
}

/** The node's own end of the pods' network. */
export function gatewayOf(node: LabNode, family: Family): string {
  const range = rangeOf(node, family);
  if (range !== null && range.last > range.first) return formatAddress(family, range.first + 1n);
  return family === 4 ? '169.254.1.1' : 'fd00:dead::1';
}

/**
 * Link-local addresses are given, not made up by the kernel, which would look for others that have them. Without one a
 * node asks nobody for the hardware address behind an IPv6 address.
 */
function linkLocal(wiring: Wiring, number: number, device: string): readonly string[] {
  return wiring.families.includes(6) ? [`addr add fe80::${number.toString(16)}/64 dev ${device} nodad`] : [];
}

/** Of a node on its pods' links; numbers above are those of pods and of nodes on the fabric. */
const GATEWAY_NUMBER = 1;
const FIRST_NUMBER = 16;

/** In the box: namespaces of nodes and of the outside, and the bridge that joins them. */
export function fabricBatch(wiring: Wiring): readonly string[] {
  const lines = [
    'link set lo up',
    'link add fabric type bridge mcast_snooping 0',
    'link set fabric addrgenmode none up',
  ];
  const ends = [...wiring.netnsOf.values(), OUTSIDE_NETNS];
  for (const netns of ends) lines.push(`netns add ${netns}`);
  for (const [i, netns] of ends.entries()) {
    lines.push(`link add port${i} type veth peer name eth0 netns ${netns}`);
    lines.push(`link set port${i} master fabric addrgenmode none up`);
  }
  return lines;
}

/** What a node is told before anything else: it forwards for its pods, and trusts the lab's own routes. */
export function nodeSysctls(bridged: boolean): readonly (readonly [string, string])[] {
  return [
    ['net/ipv4/ip_forward', '1'],
    ['net/ipv4/conf/all/rp_filter', '0'],
    ['net/ipv4/conf/default/rp_filter', '0'],
    ['net/ipv4/conf/all/send_redirects', '0'],
    ['net/ipv4/conf/default/send_redirects', '0'],
    ['net/ipv6/conf/all/disable_ipv6', '0'],
    ['net/ipv6/conf/default/disable_ipv6', '0'],
    ['net/ipv6/conf/all/forwarding', '1'],
    ['net/ipv6/conf/default/forwarding', '1'],
    ['net/ipv6/conf/all/accept_dad', '0'],
    ['net/ipv6/conf/default/accept_dad', '0'],
    ...(bridged
      ? ([
          ['net/bridge/bridge-nf-call-iptables', '1'],
          ['net/bridge/bridge-nf-call-ip6tables', '1'],
        ] as const)
      : []),
  ];
}

/** In a node, before it has pods. */
export function nodeBatch(wiring: Wiring, node: LabNode): readonly string[] {
  const number = FIRST_NUMBER + wiring.nodes.indexOf(node);
  const lines = ['link set lo up', 'link set eth0 addrgenmode none up', ...linkLocal(wiring, number, 'eth0')];
  for (const address of node.addresses) lines.push(addressLine(address, host(address), 'eth0'));
  if (wiring.cni === 'bridge') {
    // Without an address of its own it would take that of a port, another one whenever pods come and go.
    const hardware = hardwareAddress(wiring.families.map((family) => gatewayOf(node, family))) ?? '';
    lines.push(`link add cni0 address ${hardware} type bridge mcast_snooping 0`, 'link set cni0 addrgenmode none up');
    lines.push(...linkLocal(wiring, GATEWAY_NUMBER, 'cni0'));
    for (const family of wiring.families) {
      const gateway = gatewayOf(node, family);
      lines.push(
        addressLine(gateway, `${gateway}/${rangeOf(node, family)?.prefix ?? (family === 4 ? 32 : 128)}`, 'cni0'),
      );
    }
  }
  lines.push(...neighbourRoutes(wiring, node));
  for (const family of wiring.families) {
    const exit = wiring.exit[family];
    if (exit === null) continue;
    lines.push(
      `route add ${host(exit)} dev eth0`,
      `route add ${family === 4 ? '0.0.0.0/0' : '::/0'} via ${exit} dev eth0`,
    );
  }
  return lines;
}

/** Ways to the other nodes and to the ranges of their pods; addresses stand for themselves, since they may be anything. */
function neighbourRoutes(wiring: Wiring, self: LabNode | null): readonly string[] {
  const lines: string[] = [];
  for (const node of wiring.nodes) {
    if (node === self) continue;
    for (const address of node.addresses) lines.push(`route add ${host(address)} dev eth0`);
    for (const block of node.podCidrs) {
      const via = firstOf(node.addresses, familyOf(block));
      if (via !== null) lines.push(`route add ${block} via ${via} dev eth0`);
    }
  }
  return lines;
}

/** In the outside: all its addresses, and the ways to the cluster. Whatever else is sent to it ends there. */
export function outsideBatch(wiring: Wiring, plan: LabPlan): readonly string[] {
  const number = FIRST_NUMBER + wiring.nodes.length;
  const lines = ['link set lo up', 'link set eth0 addrgenmode none up', ...linkLocal(wiring, number, 'eth0')];
  for (const family of wiring.families) {
    const exit = wiring.exit[family];
    if (exit !== null) lines.push(addressLine(exit, host(exit), 'eth0'));
  }
  for (const { address } of plan.outside) lines.push(addressLine(address, host(address), 'lo'));
  lines.push(...neighbourRoutes(wiring, null));
  return lines;
}

/** The outside answers on every port of all its addresses. */
export function outsideRules(): string {
  return [
    'table inet outside {',
    '  chain ports {',
    '    type nat hook prerouting priority dstnat; policy accept;',
    `    fib daddr type local meta l4proto { tcp, udp } redirect to :${OUTSIDE_PORT}`,
    '  }',
    '}',
    '',
  ].join('\n');
}

/** In the outside: which node the addresses of LoadBalancers lead to; one with a backend where there is one. */
export function announcedRoutes(wiring: Wiring, services: readonly LabService[]): ReadonlyMap<string, string> {
  const routes = new Map<string, string>();
  for (const service of services) {
    const backends = new Set(service.ports.flatMap(({ endpoints }) => endpoints.map(({ node }) => node)));
    const node = wiring.nodes.find(({ name }) => backends.has(name)) ?? wiring.nodes[0];
    if (node === undefined) continue;
    for (const address of [...service.loadBalancerIPs, ...service.externalIPs]) {
      const via = firstOf(node.addresses, familyOf(address));
      if (via !== null && !routes.has(address)) routes.set(host(address), via);
    }
  }
  return routes;
}

/** In the box: the namespace of a pod and its link to its node. */
export function podLinkBatch(
  pod: Pick<LabPod, 'addresses'>,
  netns: string,
  link: string,
  nodeNetns: string,
): readonly string[] {
  const hardware = hardwareAddress(pod.addresses);
  const address = hardware === null ? '' : ` address ${hardware}`;
  return [
    `netns add ${netns}`,
    `link add eth0${address} netns ${netns} type veth peer name ${link} netns ${nodeNetns}`,
  ];
}

/** Follows from the pod's address, so that neighbours who remember an address find the next pod that has it. */
function hardwareAddress(addresses: readonly string[]): string | null {
  const ip = parseIp(firstOf(addresses, 4) ?? addresses[0] ?? '');
  if (ip === null) return null;
  const tail = (ip.value & 0xffff_ffffn).toString(16).padStart(8, '0');
  return `0a:${ip.family === 4 ? '58' : '59'}:${tail.match(/../g)?.join(':') ?? ''}`;
}

/** In the pod. */
export function podBatch(
  wiring: Wiring,
  node: LabNode,
  pod: Pick<LabPod, 'addresses'>,
  number: number,
): readonly string[] {
  const local = linkLocal(wiring, FIRST_NUMBER + number, 'eth0');
  const lines = ['link set lo up', 'link set eth0 addrgenmode none up', ...local];
  const ways = new Set<Family>();
  for (const address of pod.addresses) {
    const family = familyOf(address);
    const range = rangeOf(node, family);
    const ip = parseIp(address);
    const inRange = range !== null && ip !== null && covers(range, ip);
    // On a bridge, pods of a node find each other without the node's help.
    const shared = wiring.cni === 'bridge' && inRange;
    lines.push(addressLine(address, shared ? `${address}/${range.prefix}` : host(address), 'eth0'));
    if (ways.has(family)) continue;
    ways.add(family);
    const gateway = gatewayOf(node, family);
    if (!shared) lines.push(`route add ${host(gateway)} dev eth0`);
    lines.push(`route add ${family === 4 ? '0.0.0.0/0' : '::/0'} via ${gateway} dev eth0`);
  }
  return lines;
}

/** In the pod's node. */
export function podPortBatch(
  wiring: Wiring,
  node: LabNode,
  pod: Pick<LabPod, 'addresses'>,
  link: string,
): readonly string[] {
  const lines = [`link set ${link} addrgenmode none`];
  if (wiring.cni === 'bridge') {
    // A pod that reaches itself through a Service gets its packet back on the port that it came from.
    lines.push(`link set ${link} master cni0`, `link set ${link} type bridge_slave hairpin on`, `link set ${link} up`);
  } else {
    lines.push(`link set ${link} up`, ...linkLocal(wiring, GATEWAY_NUMBER, link));
    for (const family of new Set(pod.addresses.map(familyOf))) {
      const gateway = gatewayOf(node, family);
      lines.push(addressLine(gateway, host(gateway), link));
    }
  }
  for (const address of pod.addresses) {
    if (wiring.cni === 'ptp') lines.push(`route replace ${host(address)} dev ${link}`);
    else if (isStray(node, address)) lines.push(`route replace ${host(address)} dev cni0`);
  }
  return lines;
}

/** Whether an address is not in the range of its node, so that all others need a route to it. */
function isStray(node: LabNode, address: string): boolean {
  const range = rangeOf(node, familyOf(address));
  const ip = parseIp(address);
  return range === null || ip === null || !covers(range, ip);
}

/** Everywhere but on the pod's node: ways to addresses that are not in the node's range. */
export function strayRoutes(node: LabNode, pod: Pick<LabPod, 'addresses'>): readonly string[] {
  return pod.addresses
    .filter((address) => isStray(node, address))
    .flatMap((address) => {
      const via = firstOf(node.addresses, familyOf(address));
      return via === null ? [] : [`route replace ${host(address)} via ${via} dev eth0`];
    });
}
