/** Holds the interpreters of the IR against each other; returns what disagrees. */
import { FAMILIES } from '../../src/base/ip.ts';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { verdict } from '../../src/engine/compiled/evaluate.ts';
import { LANE } from '../../src/engine/compiled/traffic.ts';
import type { Group } from '../../src/engine/connectivity/groups.ts';
import { type Pair, type PairTable, pairTable } from '../../src/engine/connectivity/pairs.ts';
import { explainPrepared } from '../../src/engine/explain/explain.ts';
import { prepareExplain } from '../../src/engine/explain/prepare.ts';
import { type Facts, factsOf } from '../../src/engine/match.ts';
import { familiesOf, referenceEnd, referenceVerdict } from '../../src/engine/reference.ts';
import type { Input } from '../../src/input/input.ts';
import { type Pod, workloadId } from '../../src/model/cluster.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import type { Protocol } from '../../src/model/match.ts';
import type { VerdictKind } from '../../src/model/verdict.ts';
import type { Dice } from '../manifest/mutations.ts';
import { meet } from './features.ts';
import { PORTS, PROTOCOLS } from './generators.ts';
import { flowsOf, wordFlow } from './sampling.ts';
import { endpointsOf } from './world.ts';

export interface Agreement {
  readonly flows: number;
  readonly disagreements: readonly string[];
}

export type VerdictCounts = Record<VerdictKind, number>;

interface Question {
  readonly protocol: Protocol;
  readonly port: number | null;
}

const QUESTIONS: readonly Question[] = [
  ...PROTOCOLS.flatMap((protocol) => PORTS.map((port) => ({ protocol, port }))),
  { protocol: 'ICMP', port: null },
];

/** What is to be counted of the flows that are compared. */
export interface Tally {
  readonly verdicts: VerdictCounts;
  readonly features: Map<string, number>;
}

export function newTally(): Tally {
  return { verdicts: { allowed: 0, denied: 0, undefined: 0 }, features: new Map() };
}

/** Reference against compiled, explanation and symbolic connectivity, for `count` flows of one cluster. */
export function compareFlows(input: Input, roll: Dice, count: number, tally: Tally = newTally()): Agreement {
  const program = new CompiledProgram(input.program, input.cluster);
  const facts = factsOf(input.cluster);
  const prepared = prepareExplain(input.program, facts);
  const lookUp = pairLookUp(pairTable(program, input.cluster), input);
  const disagreements: string[] = [];
  let flows = 0;
  for (const flow of flowsOf(input, roll, count)) {
    const expected = referenceVerdict(input.program, flow, facts);
    const say = (who: string, answer: string): void => {
      disagreements.push(`${wordFlow(flow)}: the reference says ${expected}, ${who} ${answer}`);
    };
    const compiled = verdict(program, flow);
    if (compiled !== expected) say('the compiled program', compiled);
    const explained = explainPrepared(prepared, flow, { reasons: flows % 16 === 0 ? 'all' : 'deciding' }).verdict;
    if (explained !== expected) say('the explanation', explained);
    const contradiction = contradicts(lookUp(flow), expected, familiesOf(flow, facts).length);
    if (contradiction !== null) say('the connectivity', contradiction);
    tally.verdicts[expected]++;
    meet(input, flow, facts, (feature) => tally.features.set(feature, (tally.features.get(feature) ?? 0) + 1));
    flows++;
  }
  return { flows, disagreements };
}

/** What the connectivity of two workloads says of one port: for all their pods, for some, depending on a missing fact. */
interface Said {
  readonly all: boolean;
  readonly some: boolean;
  readonly unknown: boolean;
}

/** What the table says about a flow; `null` where it says nothing: one workload, hosts' nodes, domains, no port. */
function pairLookUp(table: PairTable, input: Input): (flow: Flow) => Said | null {
  const groupOfPod = new Map<Pod, { readonly group: number; readonly workload: string }>();
  for (const workload of input.cluster.workloads) {
    const id = workloadId(workload);
    const group = table.groupOf.get(id);
    if (group !== undefined) for (const pod of workload.pods) groupOfPod.set(pod, { group, workload: id });
  }
  const taken = takenAddresses(input);
  const place = (endpoint: Endpoint): { readonly group: number; readonly workload: string } | null => {
    if (endpoint.kind === 'pod') return groupOfPod.get(endpoint.pod) ?? null;
    if (endpoint.kind !== 'external') return null;
    const { family, value } = endpoint.address;
    if (taken.has(`${family}/${value}`)) return null;
    const group = table.groups.find(
      ({ range }) => range !== null && range.family === family && range.first <= value && value <= range.last,
    );
    if (group === undefined) throw new Error(`no range holds ${wordFlow({ ...FLOW, source: endpoint })}`);
    return { group: group.index, workload: '' };
  };
  return (flow) => {
    if (flow.port === null || flow.family !== null) return null;
    const { port } = flow;
    const from = place(flow.source);
    const to = place(flow.destination);
    if (from === null || to === null || from.workload === to.workload) return null;
    const pair = table.pairs.get(from.group)?.get(to.group);
    const has = (part: keyof Pair): boolean =>
      pair !== undefined && table.traffic.contains(pair[part], LANE[flow.protocol], port);
    return { all: has('all'), some: has('some'), unknown: has('unknown') };
  };
}

const FLOW: Flow = {
  source: { kind: 'domain', name: '' },
  destination: { kind: 'domain', name: '' },
  protocol: 'TCP',
  port: 1,
  family: null,
  viaService: false,
};

/** How what is said of two workloads contradicts the verdict of a flow between pods of theirs. */
function contradicts(said: Said | null, verdict: VerdictKind, families: number): string | null {
  if (said === null) return null;
  const shown = Object.entries(said).flatMap(([part, holds]) => (holds ? [part] : []));
  const text = shown.length === 0 ? 'says nothing may pass' : `says it passes for ${shown.join(', ')}`;
  if (said.all && verdict !== 'allowed') return text;
  if (verdict === 'allowed' && !said.some) return text;
  if (verdict === 'undefined' && families > 0 && !said.unknown && !(said.some && !said.all)) return text;
  if (verdict === 'denied' && said.all) return text;
  return null;
}

function takenAddresses(input: Input): ReadonlySet<string> {
  const { workloads, nodes } = input.cluster;
  const all = [...workloads.flatMap((w) => w.pods.flatMap((p) => p.addresses)), ...nodes.flatMap((n) => n.addresses)];
  return new Set(all.map(({ family, value }) => `${family}/${value}`));
}

/** Which pairs of members and which questions about each are compared; all of them unless dice are given. */
export interface PairSample {
  readonly roll: Dice;
  /** About how many questions. */
  readonly count: number;
}

/** Reference against the symbolic connectivity, for pairs of members of groups. */
export function comparePairs(input: Input, sample: PairSample | null = null): Agreement {
  const program = new CompiledProgram(input.program, input.cluster);
  const facts = factsOf(input.cluster);
  const table = pairTable(program, input.cluster);
  const members = table.groups.flatMap((group) => group.members.map((name) => ({ group, name })));
  const disagreements: string[] = [];
  let flows = 0;
  const visit = (
    from: (typeof members)[number],
    to: (typeof members)[number],
    questions: readonly Question[],
  ): void => {
    if (from.group.range !== null && to.group.range !== null) return;
    const pair = table.pairs.get(from.group.index)?.get(to.group.index) ?? null;
    const same = from === to;
    if (same && from.group.range !== null) return;
    const sources = endpointsOfMember(input, from.group, from.name);
    const destinations = same ? sources : endpointsOfMember(input, to.group, to.name);
    for (const { protocol, port } of questions) {
      if (port === null) continue;
      flows++;
      const actual = (['all', 'some', 'unknown'] as const).map((part) =>
        pair === null ? false : table.traffic.contains(pair[part], LANE[protocol], port),
      );
      const wanted = expectedPair(input, facts, sources, destinations, { protocol, port });
      // Among the pods of one workload the table may say less than holds: it does not count the pods of a class.
      const wrong = same
        ? sources.length > 1 && actual[0] === true && wanted[0] === false
        : wanted.join() !== actual.join();
      if (wrong)
        disagreements.push(`${from.name} -> ${to.name} ${protocol} ${port}: ${wanted.join()} / ${actual.join()}`);
    }
  };
  if (sample === null) {
    for (const from of members) for (const to of members) visit(from, to, QUESTIONS);
  } else {
    const { roll, count } = sample;
    const some = <T>(list: readonly T[]): T => list[roll(list.length)] as T;
    const workloads = members.filter(({ group }) => group.kind === 'workloads');
    for (let i = 0; i < count; i += 3) {
      const ends = [some(workloads), some(roll(3) === 0 ? members : workloads)] as const;
      const [from, to] = roll(2) === 0 ? ends : ([ends[1], ends[0]] as const);
      visit(from, to, [some(QUESTIONS), some(QUESTIONS), some(QUESTIONS)]);
    }
  }
  return { flows, disagreements };
}

function endpointsOfMember(input: Input, group: Group, member: string): readonly Endpoint[] {
  if (group.range !== null) {
    // A range is asked at its edges and wherever an endpoint of the test lies in it, as long as it is nobody's address.
    const { family, first, last } = group.range;
    const used = takenAddresses(input);
    const taken = { has: (value: bigint): boolean => used.has(`${family}/${value}`) };
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

/** What all say for sure, what some say for sure, what depends on a missing fact. */
function expectedPair(
  input: Input,
  facts: Facts,
  sources: readonly Endpoint[],
  destinations: readonly Endpoint[],
  { protocol, port }: Question,
): readonly boolean[] {
  let all = true;
  let some = false;
  let unknown = false;
  for (const source of sources) {
    for (const destination of destinations) {
      if (source === destination && source.kind === 'pod' && !source.pod.template) continue;
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
