import type { Cidr, Family, Ip, IpRange } from '../../base/ip.ts';
import type { Node, Pod, Service } from '../../model/cluster.ts';
import type { Endpoint, Flow } from '../../model/flow.ts';
import type { Protocol } from '../../model/match.ts';
import type { Direction } from '../../model/program.ts';
import type { Verdict } from '../../model/verdict.ts';
import type { Dimension } from './answer-merge.ts';
import { mergeParts, podClasses, rangeParts, sharedFamily, wordRange } from './answer-split.ts';
import { behindNodePort, type NodePort, nodePortOf } from './node-port.ts';
import type { Prepared } from './prepare.ts';
import { seenSources, serviceTargets } from './service-flow.ts';
import { wordEndpoint, wordTraffic } from './words.ts';

/** One end of a question, as it was looked up. */
export type AskedEnd =
  | { readonly kind: 'pods'; readonly pods: readonly Pod[]; readonly family: Family | null }
  | { readonly kind: 'service'; readonly service: Service; readonly address?: Ip | null }
  | { readonly kind: 'node'; readonly node: Node; readonly address: Ip | null }
  | { readonly kind: 'external'; readonly address: Ip }
  | { readonly kind: 'range'; readonly cidr: Cidr }
  | { readonly kind: 'domain'; readonly name: string };

/** What is asked. */
export interface Question {
  readonly source: AskedEnd;
  readonly destination: AskedEnd;
  /** `null` for TCP where a number is given, for those of a port's name, else for every protocol with ports. */
  readonly protocol: Protocol | null;
  /** Of the destination pod or the Service, by number or name; `null` for all. */
  readonly port: number | string | null;
  /** Ask one end only. */
  readonly direction: Direction | null;
}

interface Side {
  readonly endpoint: Endpoint;
  readonly family: Family | null;
  readonly marks: Readonly<Partial<Record<Dimension, string>>>;
  /** For a class of like pods, another one of them. */
  readonly second: Pod | null;
}

/** One flow that a question stands for. */
export interface Case {
  readonly flow: Flow;
  readonly marks: Readonly<Partial<Record<Dimension, string>>>;
}

export type Cases =
  | { readonly cases: readonly Case[]; readonly caveats: readonly string[] }
  | { readonly because: string };

type Ask = (question: Question) => Verdict;

/** More pairs than this are asked by classes of like pods. */
const MANY_PAIRS = 64;

/** The flows that a question stands for, or why there are none. `ask` answers a question about one address. */
export function casesOf(prepared: Prepared, question: Question, ask: Ask): Cases {
  const { source, destination } = question;
  const family = sharedFamily(familyOf(source), familyOf(destination));
  const wanted: Family | null | 'conflict' =
    question.protocol === 'ICMPv6' ? sharedFamily(family === 'conflict' ? null : family, 6) : family;
  if (wanted === 'conflict' || family === 'conflict')
    return { because: 'no common address family: each end is asked for over another one' };
  const grouped = podCount(source) * podCount(destination) > MANY_PAIRS;
  const sources = sidesOf(prepared, question, 'source', wanted, grouped, ask);
  if ('because' in sources) return sources;
  if (destination.kind === 'service')
    return serviceCases(prepared, question, destination.service, sources.sides, wanted);
  if (destination.kind === 'node') {
    const { port, protocol } = question;
    const entered = nodePortOf(prepared.facts.cluster, destination.node, port, protocol);
    if (entered !== null) return nodePortCases(prepared, question, entered, sources.sides, wanted);
  }
  const destinations = sidesOf(prepared, question, 'destination', wanted, grouped, ask);
  if ('because' in destinations) return destinations;
  return pairCases(question, sources.sides, destinations.sides, wanted);
}

/** Connections to a port of a node that leads to a Service. */
function nodePortCases(
  prepared: Prepared,
  question: Question,
  entered: NodePort,
  sources: readonly Side[],
  family: Family | null,
): Cases {
  const { node, service, port } = entered;
  const asked: Question = { ...question, port: port.port, protocol: port.protocol };
  const cases: Case[] = [];
  const caveats = new Set<string>();
  for (const side of sources) {
    if (side.endpoint.kind === 'pod' && !side.endpoint.pod.hostNetwork) {
      // Where a pod's connection to a node is rewritten depends on the implementation: only its way out is judged.
      const destination: Endpoint = { kind: 'node', node, address: null };
      const traffic = { protocol: port.protocol, port: port.nodePort };
      cases.push({
        flow: { source: side.endpoint, destination, ...traffic, family, viaService: false },
        marks: side.marks,
      });
      caveats.add(
        `port ${port.nodePort} of node \`${node.name}\` is a NodePort of Service \`${service.namespace}/${service.name}\`: for a pod the way to the node is judged, not what its backends admit`,
      );
      continue;
    }
    const behind = behindNodePort(entered, side.endpoint);
    if ('because' in behind) return behind;
    const found = serviceCases(prepared, asked, behind.service, [{ ...side, endpoint: behind.source }], null);
    if ('because' in found) return found;
    cases.push(...found.cases);
    for (const caveat of behind.caveats) caveats.add(caveat);
  }
  return { cases, caveats: [...caveats] };
}

function familyOf(end: AskedEnd): Family | null {
  switch (end.kind) {
    case 'pods':
      return end.family;
    case 'service':
      return end.address?.family ?? null;
    case 'node':
      return end.address?.family ?? null;
    case 'external':
      return end.address.family;
    case 'range':
      return end.cidr.family;
    case 'domain':
      return null;
  }
}

function podCount(end: AskedEnd): number {
  return end.kind === 'pods' ? end.pods.length : end.kind === 'service' ? end.service.backends.length : 1;
}

type Sides = { readonly sides: readonly Side[] } | { readonly because: string };

function sidesOf(
  prepared: Prepared,
  question: Question,
  dimension: 'source' | 'destination',
  family: Family | null,
  grouped: boolean,
  ask: Ask,
): Sides {
  const end = question[dimension];
  const one = (endpoint: Endpoint): Sides => ({ sides: [{ endpoint, family, marks: {}, second: null }] });
  switch (end.kind) {
    case 'pods':
      return { sides: podSides(prepared, end.pods, dimension, family, grouped) };
    case 'service': {
      const pods = [...new Set(end.service.backends.map((backend) => backend.pod).filter((pod) => pod !== null))];
      if (end.service.unread === null && pods.length > 0)
        return { sides: podSides(prepared, pods, dimension, family, grouped) };
      const name = `Service \`${end.service.namespace}/${end.service.name}\``;
      return { because: end.service.unread ?? `${name} has no pods behind it` };
    }
    case 'range': {
      const parts = partsThatDiffer(prepared, question, dimension, end.cidr, ask);
      return {
        sides: parts.map((range) => ({
          endpoint: { kind: 'external', address: { family: range.family, value: range.first } },
          family,
          marks: { address: wordRange(range) },
          second: null,
        })),
      };
    }
    case 'node':
    case 'external':
    case 'domain':
      return one(end);
  }
}

function podSides(
  prepared: Prepared,
  pods: readonly Pod[],
  dimension: 'source' | 'destination',
  family: Family | null,
  grouped: boolean,
): readonly Side[] {
  if (grouped) {
    return podClasses(prepared, pods).map(({ pod, second, name }) => ({
      endpoint: { kind: 'pod', pod },
      family,
      marks: { [dimension]: name },
      second,
    }));
  }
  return pods.map((pod) => ({
    endpoint: { kind: 'pod', pod },
    family,
    marks: { [dimension]: `\`${pod.namespace}/${pod.name}\`` },
    second: null,
  }));
}

/** The parts of a block, merged where the answer about them is the same. */
function partsThatDiffer(
  prepared: Prepared,
  question: Question,
  dimension: 'source' | 'destination',
  block: Cidr,
  ask: Ask,
): readonly IpRange[] {
  const other = question[dimension === 'source' ? 'destination' : 'source'];
  if (other.kind === 'range') return [block];
  const parts = rangeParts(prepared, block);
  if (parts.length === 1) return parts;
  const signed = parts.map((range): [IpRange, string] => {
    const address: AskedEnd = { kind: 'external', address: { family: range.family, value: range.first } };
    const verdict = ask({ ...question, [dimension]: address });
    return [range, `${verdict.verdict} ${verdict.egress?.decidedBy} ${verdict.ingress?.decidedBy}`];
  });
  return mergeParts(signed);
}

function pairCases(
  question: Question,
  sources: readonly Side[],
  destinations: readonly Side[],
  family: Family | null,
): Cases {
  const cases: Case[] = [];
  const themselves: Case[] = [];
  for (const from of sources) {
    for (const to of destinations) {
      const same = from.endpoint.kind === 'pod' && to.endpoint.kind === 'pod' && from.endpoint.pod === to.endpoint.pod;
      const destination: Endpoint = same && to.second !== null ? { kind: 'pod', pod: to.second } : to.endpoint;
      const traffic = trafficOf(question, destination, family);
      if (traffic.length === 0) {
        const protocol = question.protocol === null ? '' : `${question.protocol} `;
        return { because: `${wordEndpoint(destination)} declares no ${protocol}port \`${question.port}\`` };
      }
      for (const each of traffic) {
        const flow: Flow = { source: from.endpoint, destination, ...each, family, viaService: false };
        const itself = same && to.second === null && !(from.endpoint.kind === 'pod' && from.endpoint.pod.template);
        const named = traffic.length > 1 ? { port: wordTraffic(each) } : {};
        (itself ? themselves : cases).push({ flow, marks: { ...from.marks, ...to.marks, ...named } });
      }
    }
  }
  // A workload asked about itself means its pods among each other; only a single pod can mean just itself.
  const all = cases.length > 0 ? cases : themselves;
  return all.length === 0 ? { because: 'there are no pods to ask about' } : { cases: all, caveats: [] };
}

/** Protocol and port at one destination: a named port brings its number there, and its protocol where none is asked for. */
function trafficOf(
  { protocol, port }: Question,
  destination: Endpoint,
  family: Family | null,
): readonly Pick<Flow, 'protocol' | 'port'>[] {
  if (typeof port !== 'string') {
    const asked = protocol ?? 'TCP';
    return [{ protocol: asked === 'ICMP' && family === 6 ? 'ICMPv6' : asked, port }];
  }
  if (destination.kind !== 'pod') return [];
  const found = destination.pod.ports.filter(
    (each) => each.name === port && (protocol === null || each.protocol === protocol),
  );
  return [...new Map(found.map((each) => [`${each.protocol} ${each.port}`, each])).values()].map((each) => ({
    protocol: each.protocol,
    port: each.port,
  }));
}

function serviceCases(
  prepared: Prepared,
  question: Question,
  service: Service,
  sources: readonly Side[],
  family: Family | null,
): Cases {
  const protocol = question.protocol ?? (typeof question.port === 'number' ? 'TCP' : null);
  const cases: Case[] = [];
  const caveats = new Set<string>();
  for (const side of sources) {
    const seen = seenSources(service, side.endpoint, prepared.facts);
    for (const caveat of seen.caveats) caveats.add(caveat);
    for (const source of seen.sources) {
      const found = serviceTargets({ service, protocol, port: question.port, source, family });
      if (found.kind === 'none') return { because: found.because };
      for (const caveat of found.caveats) caveats.add(caveat);
      const replaced = source === side.endpoint ? {} : { node: wordEndpoint(source) };
      if (found.kind === 'domain') {
        if (typeof question.port === 'string') return { because: `\`${found.name}\` has no named ports` };
        const destination: Endpoint = { kind: 'domain', name: found.name };
        const flow: Flow = {
          source,
          destination,
          protocol: protocol ?? 'TCP',
          port: question.port,
          family,
          viaService: false,
        };
        cases.push({ flow, marks: side.marks });
        continue;
      }
      for (const target of found.targets) {
        const rewritten = source !== side.endpoint;
        cases.push({
          flow: {
            source,
            destination: target.endpoint,
            protocol: target.protocol,
            port: target.port,
            // Behind a node, backends may be reached over another family than the client's.
            family: rewritten ? null : family,
            viaService: true,
          },
          marks: { ...side.marks, ...replaced, destination: wordEndpoint(target.endpoint) },
        });
      }
    }
  }
  return { cases, caveats: [...caveats] };
}
