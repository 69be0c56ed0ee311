/** What has to be tried to answer a question with real connections, or why nobody can. */
import { type Cidr, covers, type Family, formatIp, type Ip, parseIp, sameIp } from '../base/ip.ts';
import type { AskedEnd, Question } from '../engine/explain/answer.ts';
import type { Node, Pod, Service } from '../model/cluster.ts';
import type { PortProtocol } from '../model/match.ts';
import type { FlowAnswer } from '../report/report.ts';
import type { Listener } from './pod-protocol.ts';

/** A pod as the prober sees it. */
export interface ProbePod {
  /** `namespace/name`, as reports name it. */
  readonly id: string;
  /** Who is told to connect in its place; `null` where nobody can. */
  readonly actor: string | null;
  /** Why nobody can. */
  readonly whyNot?: string;
  readonly addresses: readonly string[];
  readonly listeners: readonly Listener[];
  readonly node: string | null;
  /** What it belongs to: pods of one workload are alike. */
  readonly workload: string;
}

export interface ProbeNode {
  readonly name: string;
  readonly actor: string | null;
  readonly addresses: readonly string[];
}

/** Who can connect, and to what. */
export interface Topology {
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, ProbePod>;
  readonly nodes: ReadonlyMap<string, ProbeNode>;
  readonly outside: {
    /** Who connects from outside addresses; `null` where nobody can. */
    readonly actor: string | null;
    /** Addresses that it has; `any` where the real outside is asked. */
    readonly addresses: readonly string[] | 'any';
    /** What listens there; `any` where that is not known, or everything does. */
    readonly listeners: readonly Listener[] | 'any';
  };
  /** Protocols for which there is nobody to ask, and why. */
  readonly impossible: ReadonlyMap<string, string>;
}

/** One connection to try. */
export interface Try {
  readonly actor: string;
  /** Who connects, as reports name it. */
  readonly from: string;
  /** The address to connect from, where the actor has several. */
  readonly fromAddress: string | null;
  readonly protocol: PortProtocol;
  readonly host: string;
  readonly port: number;
  /** Who may answer, by name; `null` if that cannot be told. */
  readonly peers: readonly string[] | null;
  /** The nodes at both ends, where they are known. */
  readonly nodes: readonly string[];
}

/** A question with its verdict and what it stands for; `question` is `null` where it could not be understood. */
export interface AskedFlow {
  readonly answer: FlowAnswer;
  readonly question: Question | null;
}

export interface PlannedFlow {
  readonly answer: FlowAnswer;
  readonly tries: readonly Try[];
  /** Why it cannot be compared with anything; then `tries` may be empty. */
  readonly unverifiable: string | null;
}

/** Pairs of pods tried for one question about workloads. */
const MOST_PAIRS = 9;

/** The connections that answer a question. */
export function planFlow(asked: AskedFlow, topology: Topology): PlannedFlow {
  const { answer, question } = asked;
  const blind = (unverifiable: string): PlannedFlow => ({ answer, tries: [], unverifiable });
  if (question === null) return blind(answer.undefinedBecause ?? 'the question could not be understood');
  if (question.protocol === 'ICMP' || question.protocol === 'ICMPv6') return blind('ICMP is not probed');
  if (question.direction !== null && answer.verdict === 'allowed') {
    return blind(`a connection needs both ends, and only ${question.direction} was asked about`);
  }
  const sources = sourcesOf(question.source, topology);
  if (typeof sources === 'string') return blind(sources);
  const targets = targetsOf(question, topology);
  if (typeof targets === 'string') return blind(targets);
  const blocked = targets.find(({ protocol }) => topology.impossible.has(protocol));
  if (blocked !== undefined) return blind(topology.impossible.get(blocked.protocol) ?? '');
  const tries: Try[] = [];
  const pairs = new Set<string>();
  const severalPods = new Set(sources.map(({ id }) => id)).size > 1 || new Set(targets.map(({ id }) => id)).size > 1;
  for (const source of sources) {
    for (const target of targets) {
      if (severalPods && source.id === target.id) continue;
      if (!source.families.includes(target.family)) continue;
      const pair = `${source.id} ${target.id}`;
      if (!pairs.has(pair) && pairs.size >= MOST_PAIRS) continue;
      pairs.add(pair);
      tries.push({
        actor: source.actor,
        from: source.id,
        fromAddress: source.fromAddress,
        protocol: target.protocol,
        host: target.host,
        port: target.port,
        peers: target.peers,
        nodes: [...new Set([source.node, target.node].filter((node) => node !== null))],
      });
    }
  }
  if (tries.length === 0) return blind('the two ends have no address family in common');
  const unverifiable = answer.verdict === 'undefined' ? (answer.undefinedBecause ?? 'the verdict is undefined') : null;
  return { answer, tries, unverifiable };
}

interface Sender {
  readonly id: string;
  readonly actor: string;
  readonly fromAddress: string | null;
  readonly families: readonly Family[];
  readonly node: string | null;
}

function sourcesOf(end: AskedEnd, topology: Topology): readonly Sender[] | string {
  switch (end.kind) {
    case 'pods':
      return podSenders(end.pods, end.family, topology);
    case 'service': {
      const pods = end.service.backends.flatMap(({ pod }) => (pod === null ? [] : [pod]));
      return pods.length === 0 ? 'the Service has no pods' : podSenders(pods, end.address?.family ?? null, topology);
    }
    case 'node': {
      const node = topology.nodes.get(end.node.name);
      if (node === undefined || node.actor === null) return `nobody can connect from node \`${end.node.name}\` here`;
      const families = end.address === null ? familiesOf(node.addresses) : [end.address.family];
      return [{ id: `node/${node.name}`, actor: node.actor, fromAddress: null, families, node: node.name }];
    }
    case 'external':
    case 'range': {
      const { actor, addresses } = topology.outside;
      if (actor === null || addresses === 'any') return 'nobody can connect from outside of the cluster here';
      const within = addresses.filter((text) => isIn(end, text));
      if (within.length === 0) return 'the outside has no such address here';
      return within.slice(0, 3).map((address) => ({
        id: address,
        actor,
        fromAddress: address,
        families: familiesOf([address]),
        node: null,
      }));
    }
    case 'domain':
      return 'names of the outside are not looked up';
  }
}

function podSenders(pods: readonly Pod[], family: Family | null, topology: Topology): readonly Sender[] | string {
  let because = 'the pod does not run';
  const senders: Sender[] = [];
  for (const pod of pods) {
    const known = topology.pods.get(`${pod.namespace}/${pod.name}`);
    if (known === undefined) continue;
    if (known.actor === null) {
      because = known.whyNot ?? 'nobody can connect from the pod';
      continue;
    }
    const families = familiesOf(known.addresses).filter((one) => family === null || one === family);
    senders.push({ id: known.id, actor: known.actor, fromAddress: null, families, node: known.node });
  }
  return senders.length === 0 ? because : senders;
}

interface Target {
  readonly id: string;
  readonly family: Family;
  readonly protocol: PortProtocol;
  readonly host: string;
  readonly port: number;
  readonly peers: readonly string[] | null;
  readonly node: string | null;
}

function targetsOf(question: Question, topology: Topology): readonly Target[] | string {
  const end = question.destination;
  switch (end.kind) {
    case 'pods':
      return podTargets(end.pods, end.family, question, topology);
    case 'service':
      return serviceTargets(end.service, end.address === undefined ? null : end.address, question, topology);
    case 'node':
      return nodeTargets(end.node, end.address?.family ?? null, question, topology);
    case 'external':
    case 'range': {
      const { addresses, listeners } = topology.outside;
      const wanted = wantedPorts(question, listeners === 'any' ? null : listeners);
      if (typeof wanted === 'string') return wanted;
      const known = addresses === 'any' ? (end.kind === 'external' ? [formatIp(end.address)] : []) : addresses;
      const within = known.filter((text) => isIn(end, text)).slice(0, 3);
      if (within.length === 0) return 'the outside has no such address here';
      return within.flatMap((host) =>
        wanted.map((port) => ({ id: host, family: familyOf(host), ...port, host, peers: null, node: null })),
      );
    }
    case 'domain':
      return 'names of the outside are not looked up';
  }
}

function podTargets(
  pods: readonly Pod[],
  family: Family | null,
  question: Question,
  topology: Topology,
): readonly Target[] | string {
  let because = 'the pod does not run';
  const targets: Target[] = [];
  for (const pod of pods) {
    const known = topology.pods.get(`${pod.namespace}/${pod.name}`);
    if (known === undefined) continue;
    const wanted = wantedPorts(question, known.listeners, pod);
    if (typeof wanted === 'string') {
      because = wanted;
      continue;
    }
    for (const host of known.addresses) {
      if (family !== null && familyOf(host) !== family) continue;
      for (const port of wanted) {
        targets.push({ id: known.id, family: familyOf(host), ...port, host, peers: [known.id], node: known.node });
      }
    }
  }
  return targets.length === 0 ? because : targets;
}

function serviceTargets(
  service: Service,
  address: Ip | null,
  question: Question,
  topology: Topology,
): readonly Target[] | string {
  if (service.type === 'ExternalName') return 'an ExternalName Service has no address';
  const peers = service.backends.flatMap(({ pod }) => (pod === null ? [] : [`${pod.namespace}/${pod.name}`]));
  if (peers.length === 0) return 'the Service has no pods';
  const nodes = [...new Set(peers.map((peer) => topology.pods.get(peer)?.node ?? null))];
  const ports = service.ports.filter(
    (port) =>
      (question.protocol === null || port.protocol === question.protocol) &&
      (question.port === null || port.port === question.port || port.name === question.port),
  );
  if (ports.length === 0) return 'the Service has no such port';
  if (service.headless) {
    return service.backends.flatMap(({ pod, ports: served }) =>
      pod === null
        ? []
        : (topology.pods.get(`${pod.namespace}/${pod.name}`)?.addresses ?? []).flatMap((host) =>
            served
              .filter(({ service: port }) => ports.includes(port))
              .map(({ service: port, port: number }) => ({
                id: `${pod.namespace}/${pod.name}`,
                family: familyOf(host),
                protocol: port.protocol,
                host,
                port: number,
                peers: [`${pod.namespace}/${pod.name}`],
                node: topology.pods.get(`${pod.namespace}/${pod.name}`)?.node ?? null,
              })),
          ),
    );
  }
  const hosts = address === null ? service.clusterIPs : [address];
  if (hosts.length === 0) return 'the Service has no address';
  return hosts.flatMap((ip) =>
    ports.map(({ protocol, port }) => ({
      id: `svc/${service.namespace}/${service.name}`,
      family: ip.family,
      protocol,
      host: formatIp(ip),
      port,
      peers,
      node: nodes.length === 1 ? (nodes[0] ?? null) : null,
    })),
  );
}

function nodeTargets(
  node: Node,
  family: Family | null,
  question: Question,
  topology: Topology,
): readonly Target[] | string {
  const known = topology.nodes.get(node.name);
  if (known === undefined) return `node \`${node.name}\` is not here`;
  const hosted = [...topology.pods.values()].filter(
    (pod) => pod.node === node.name && pod.addresses.some((address) => known.addresses.includes(address)),
  );
  const wanted = wantedPorts(
    question,
    hosted.flatMap(({ listeners }) => listeners),
  );
  // A NodePort is listened on by nobody; the Service behind it answers.
  const { port } = question;
  const nodePort = typeof port === 'number' && port >= 30000 && port <= 32767;
  if (typeof wanted === 'string' && !nodePort) return wanted;
  const ports =
    typeof wanted === 'string' && nodePort ? [{ protocol: portProtocol(question.protocol) ?? 'TCP', port }] : wanted;
  if (typeof ports === 'string') return ports;
  return known.addresses
    .filter((host) => family === null || familyOf(host) === family)
    .flatMap((host) =>
      ports.map((listener) => ({
        id: `node/${node.name}`,
        family: familyOf(host),
        ...listener,
        host,
        peers: null,
        node: node.name,
      })),
    );
}

function wantedPorts(
  question: Question,
  listeners: readonly Listener[] | null,
  pod: Pod | null = null,
): readonly Listener[] | string {
  const { port } = question;
  const protocol = portProtocol(question.protocol);
  if (port === null) {
    const all = (listeners ?? []).filter((one) => protocol === null || one.protocol === protocol);
    return all.length === 0 ? 'nothing listens there' : all;
  }
  if (typeof port === 'string') {
    const named = (pod?.ports ?? []).filter(
      (one) => one.name === port && (protocol === null || one.protocol === protocol),
    );
    if (named.length === 0) return `no port is named \`${port}\` there`;
    return named.map((one) => ({ protocol: one.protocol, port: one.port }));
  }
  const wanted: Listener = { protocol: protocol ?? 'TCP', port };
  if (listeners !== null && !listeners.some((one) => one.protocol === wanted.protocol && one.port === port)) {
    return `nothing listens on ${wanted.protocol} ${port} there`;
  }
  return [wanted];
}

function portProtocol(protocol: Question['protocol']): PortProtocol | null {
  return protocol === 'TCP' || protocol === 'UDP' || protocol === 'SCTP' ? protocol : null;
}

type OutsideEnd = { readonly kind: 'external'; readonly address: Ip } | { readonly kind: 'range'; readonly cidr: Cidr };

function isIn(end: OutsideEnd, text: string): boolean {
  const ip = parseIp(text);
  if (ip === null) return false;
  return end.kind === 'range' ? covers(end.cidr, ip) : sameIp(end.address, ip);
}

function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4;
}

function familiesOf(addresses: readonly string[]): readonly Family[] {
  return [...new Set(addresses.map(familyOf))];
}
