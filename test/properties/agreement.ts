/** Holds the interpreters of the IR against each other; returns what disagrees. */
import { FAMILIES } from '../../src/base/ip.ts';
import { CompiledProgram } from '../../src/engine/compile.ts';
import { verdict } from '../../src/engine/evaluate.ts';
import { type Facts, factsOf } from '../../src/engine/match.ts';
import { type Group, type Pair, pairTable } from '../../src/engine/pairs.ts';
import { familiesOf, referenceEnd, referenceVerdict } from '../../src/engine/reference.ts';
import { LANE } from '../../src/engine/traffic.ts';
import type { Input } from '../../src/input/input.ts';
import { workloadId } from '../../src/model/cluster.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import type { Protocol } from '../../src/model/match.ts';
import { PORTS, PROTOCOLS } from './generators.ts';
import { endpointsOf } from './world.ts';

export interface Agreement {
  readonly flows: number;
  readonly disagreements: readonly string[];
}

function name(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'pod':
      return `${endpoint.pod.namespace}/${endpoint.pod.name}`;
    case 'node':
      return `node/${endpoint.node.name}`;
    case 'external':
      return endpoint.address.value.toString(16);
    case 'domain':
      return endpoint.name;
  }
}

const QUESTIONS: readonly { readonly protocol: Protocol; readonly port: number | null }[] = [
  ...PROTOCOLS.flatMap((protocol) => PORTS.map((port) => ({ protocol, port }))),
  { protocol: 'ICMP', port: null },
];

/** Reference against compiled, for flows between all endpoints (every `stride`-th of them). */
export function compareVerdicts(input: Input, stride: number): Agreement {
  const program = new CompiledProgram(input.program, input.cluster);
  const facts = factsOf(input.cluster);
  const endpoints = endpointsOf(input);
  const disagreements: string[] = [];
  let at = 0;
  let flows = 0;
  for (const source of endpoints) {
    for (const destination of endpoints) {
      for (const { protocol, port } of QUESTIONS) {
        if (at++ % stride !== 0) continue;
        flows++;
        const flow: Flow = { source, destination, protocol, port, family: null, viaService: at % 3 === 0 };
        const expected = referenceVerdict(input.program, flow, facts);
        const actual = verdict(program, flow);
        if (expected !== actual) {
          disagreements.push(`${name(source)} -> ${name(destination)} ${protocol} ${port}: ${expected} / ${actual}`);
        }
      }
    }
  }
  return { flows, disagreements };
}

/** Reference against the symbolic connectivity, for every pair of groups at every port that matters. */
export function comparePairs(input: Input): Agreement {
  const program = new CompiledProgram(input.program, input.cluster);
  const facts = factsOf(input.cluster);
  const table = pairTable(program, input.cluster);
  const disagreements: string[] = [];
  let flows = 0;
  for (const from of table.groups) {
    for (const to of table.groups) {
      if (from.kind === 'range' && to.kind === 'range') continue;
      const pair = table.pairs.get(from.index)?.get(to.index) ?? null;
      for (const source of from.members) {
        for (const target of to.members) {
          if (source === target) continue;
          const expected = expectedPair(
            input,
            facts,
            endpointsOfMember(input, from, source),
            endpointsOfMember(input, to, target),
          );
          for (const [i, { protocol, port }] of QUESTIONS.entries()) {
            if (port === null) continue;
            flows++;
            const actual = ['all', 'some', 'unknown'].map((part) =>
              pair === null ? false : table.traffic.contains(pair[part as keyof Pair], LANE[protocol], port),
            );
            const wanted = expected[i] as readonly boolean[];
            if (wanted.join() !== actual.join()) {
              disagreements.push(`${source} -> ${target} ${protocol} ${port}: ${wanted.join()} / ${actual.join()}`);
            }
          }
        }
      }
    }
  }
  return { flows, disagreements };
}

function endpointsOfMember(input: Input, group: Group, member: string): readonly Endpoint[] {
  if (group.range !== null) {
    // A range is asked at its edges and wherever an endpoint of the test lies in it, as long as it is nobody's address.
    const { family, first, last } = group.range;
    const taken = new Set(
      [
        ...input.cluster.workloads.flatMap((w) => w.pods.flatMap((p) => p.addresses)),
        ...input.cluster.nodes.flatMap((n) => n.addresses),
      ]
        .filter((ip) => ip.family === family)
        .map((ip) => ip.value),
    );
    const inside = endpointsOf(input).flatMap((e) =>
      e.kind === 'external' && e.address.family === family && first <= e.address.value && e.address.value <= last
        ? [e.address.value]
        : [],
    );
    let lowest = first;
    while (lowest < last && taken.has(lowest)) lowest++;
    return [lowest, last, ...inside]
      .filter((value) => !taken.has(value))
      .map((value) => ({ kind: 'external', address: { family, value } }));
  }
  const workload = input.cluster.workloads.find((one) => workloadId(one) === member);
  return (workload?.pods ?? []).map((pod) => ({ kind: 'pod', pod }));
}

/** For each question: what all say for sure, what some say for sure, what depends on a missing fact. */
function expectedPair(
  input: Input,
  facts: Facts,
  sources: readonly Endpoint[],
  destinations: readonly Endpoint[],
): readonly (readonly boolean[])[] {
  return QUESTIONS.map(({ protocol, port }) => {
    let all = true;
    let some = false;
    let unknown = false;
    for (const source of sources) {
      for (const destination of destinations) {
        const flow: Flow = { source, destination, protocol, port, family: null, viaService: false };
        const families = familiesOf(flow, facts);
        if (families.length === 0) all = false;
        for (const family of FAMILIES.filter((one) => families.includes(one))) {
          for (const placed of placements(flow)) {
            const egress = referenceEnd(input.program, 'egress', placed, family, facts);
            const ingress = referenceEnd(input.program, 'ingress', placed, family, facts);
            const allow = egress.allow && ingress.allow;
            const deny = egress.deny || ingress.deny;
            if (!allow || deny) all = false;
            if (allow && !deny) some = true;
            if (allow && deny) unknown = true;
          }
        }
      }
    }
    return [sources.length > 0 && destinations.length > 0 && all, some, unknown];
  });
}

/** A host-network pod beside a pod on the same (or an unknown) node is asked there and elsewhere. */
function placements(flow: Flow): readonly Flow[] {
  const { source, destination } = flow;
  if (source.kind !== 'pod' || destination.kind !== 'pod') return [flow];
  if (source.pod.hostNetwork === destination.pod.hostNetwork) return [flow];
  const together =
    source.pod.node === null || destination.pod.node === null || source.pod.node === destination.pod.node;
  if (!together) return [flow];
  // The host-network pod keeps its identity (its node and address); the other pod is put on that node, or on none of its own.
  const move = (node: string): Flow => {
    const host = source.pod.hostNetwork ? source : destination;
    const other = source.pod.hostNetwork ? destination : source;
    const moved: Endpoint = { kind: 'pod', pod: { ...other.pod, node } };
    const kept: Endpoint = host.pod.node === null ? { kind: 'pod', pod: { ...host.pod, node: 'nowhere-known' } } : host;
    return host === source
      ? { ...flow, source: kept, destination: moved }
      : { ...flow, source: moved, destination: kept };
  };
  const hostNode = source.pod.hostNetwork ? source.pod.node : destination.pod.node;
  return [move(hostNode ?? 'nowhere-known'), move('another-node')];
}
