/** The symbolic reading of subject programs, all flows with a peer at once, and the verdict of one flow from it. */
import type { Family } from '../../base/ip.ts';
import type { Truth } from '../../base/truth.ts';
import type { ContainerPort } from '../../model/cluster.ts';
import type { Endpoint, Flow } from '../../model/flow.ts';
import { PORT_PROTOCOLS } from '../../model/match.ts';
import type { Direction } from '../../model/program.ts';
import type { VerdictKind } from '../../model/verdict.ts';
import { isOwnNode } from '../match.ts';
import { isSelf } from '../reference.ts';
import { type EndpointClass, POD } from './classes.ts';
import type { CompiledProgram, CompiledRule, SubjectProgram } from './compile.ts';
import type { PairOutcome } from './outcome-cache.ts';
import { type Bit, type Predicate, test } from './predicates.ts';
import { ALL_TRAFFIC, LANE, NO_TRAFFIC, type TrafficId, type TrafficTable } from './traffic.ts';

/** By the bits "may be allowed" (1) and "may be denied" (2); neither is for ends without a common address family. */
const VERDICTS: readonly VerdictKind[] = ['undefined', 'allowed', 'denied', 'undefined'];

/** The verdict of a flow, both ends together, over every family that it may use. A flow with ports has a port. */
export function verdict(program: CompiledProgram, flow: Flow): VerdictKind {
  const from = program.classOf(flow.source);
  const to = program.classOf(flow.destination);
  const { flags } = program.classes;
  const shared = (flags[from] as number) & (flags[to] as number);
  const families = shared & (flow.family === null ? 3 : flow.family === 4 ? 1 : 2);
  if (from === to && families !== 0 && flow.source.kind === 'pod' && isSelf(flow.source, flow.destination)) {
    return flow.viaService ? throughService(program, flow, from, families) : 'allowed';
  }
  const ownNode = (shared & POD) !== 0 ? 'no' : ownNodeOf(program, flow);
  let at = program.outcomes.find(from, to, ownNode);
  if (at < 0) at = program.outcomes.put(from, to, ownNode, pairOutcome(program, from, to, ownNode));
  const lane = LANE[flow.protocol];
  const port = flow.port ?? 0;
  let bits = 0;
  for (const family of [0, 2] as const) {
    if ((families & (family === 0 ? 1 : 2)) === 0) continue;
    if (program.traffic.contains(program.outcomes.allow(at, family), lane, port)) bits |= 1;
    if (program.traffic.contains(program.outcomes.deny(at, family), lane, port)) bits |= 2;
  }
  return VERDICTS[bits] as VerdictKind;
}

/** Whether one end has the address of the node that the other, a pod, runs on. */
function ownNodeOf(program: CompiledProgram, { source, destination }: Flow): Truth {
  if (source.kind === 'pod' && !source.pod.hostNetwork) return isOwnNode(destination, source.pod, program.facts);
  if (destination.kind === 'pod' && !destination.pod.hostNetwork) {
    return isOwnNode(source, destination.pod, program.facts);
  }
  return 'no';
}

/** A pod's way to itself through a Service. */
function throughService(program: CompiledProgram, flow: Flow, pod: number, families: number): VerdictKind {
  const { allow4, deny4, allow6, deny6 } = pairOutcome(program, pod, pod, 'no', true);
  const { traffic } = program;
  const has = (set: TrafficId): boolean => traffic.contains(set, LANE[flow.protocol], flow.port ?? 0);
  const allow = ((families & 1) !== 0 && has(allow4)) || ((families & 2) !== 0 && has(allow6));
  const deny = ((families & 1) !== 0 && has(deny4)) || ((families & 2) !== 0 && has(deny6));
  return VERDICTS[(allow ? 1 : 0) | (deny ? 2 : 0)] as VerdictKind;
}

/** What may happen to all flows between two classes; `ownNode` is about the end that is a node's, if one is. */
export function pairOutcome(
  program: CompiledProgram,
  from: number,
  to: number,
  ownNode: Truth,
  hairpin = false,
): PairOutcome {
  const { traffic } = program;
  const source = program.classes.all[from] as EndpointClass;
  const destination = program.classes.all[to] as EndpointClass;
  const over = (family: Family): TrafficOutcome => {
    const egress = symbolicEnd(program, source, 'egress', destination, family, ownNode, hairpin);
    const ingress = symbolicEnd(program, destination, 'ingress', source, family, ownNode, hairpin);
    return { allow: traffic.intersect(egress.allow, ingress.allow), deny: traffic.union(egress.deny, ingress.deny) };
  };
  const four = over(4);
  const differs = program.subject(source.id, 'egress').byFamily || program.subject(destination.id, 'ingress').byFamily;
  const six = differs ? over(6) : four;
  return { allow4: four.allow, deny4: four.deny, allow6: six.allow, deny6: six.deny };
}

function isNamed(rule: CompiledRule, declared: ContainerPort): boolean {
  return rule.named.some(
    ({ name, protocol }) => name === declared.name && (protocol === null || protocol === declared.protocol),
  );
}

/** What is known of any of the predicates. */
function strongest(predicates: readonly Predicate[], holds: (predicate: Predicate) => Bit): Bit {
  let out: Bit = 0;
  for (const predicate of predicates) {
    const bit = holds(predicate);
    if (bit === 1) return 1;
    if (bit === 2) out = 2;
  }
  return out;
}

/** What may happen to all flows between two endpoints: the sets overlap where a fact is missing. */
export interface TrafficOutcome {
  readonly allow: TrafficId;
  readonly deny: TrafficId;
}

const ALLOW_ALL: TrafficOutcome = { allow: ALL_TRAFFIC, deny: NO_TRAFFIC };

/** All traffic that a rule means towards a destination; `null` for one whose ports are not known. */
export function trafficOf(table: TrafficTable, rule: CompiledRule, destination: EndpointClass | null): TrafficId {
  let out = rule.traffic;
  if (rule.named.length === 0 || destination === null || destination.kind !== 'pod') return out;
  for (const declared of destination.ports) {
    if (declared.name !== null && isNamed(rule, declared)) {
      out = table.union(out, table.ports(declared.protocol, declared.port, declared.port));
    }
  }
  return out;
}

/** Every port that the names of a rule may stand for. */
function anyPortOf(table: TrafficTable, rule: CompiledRule): TrafficId {
  let out: TrafficId = NO_TRAFFIC;
  for (const { protocol } of rule.named) {
    for (const one of PORT_PROTOCOLS) {
      if (protocol === null || protocol === one) out = table.union(out, table.ports(one, 1, 65535));
    }
  }
  return out;
}

/**
 * All flows with one peer at once. `holds` says what is known of a predicate for the peer, so that peers which exist
 * only as a class of selectors can be asked about, too.
 */
export function symbolic(
  table: TrafficTable,
  subject: SubjectProgram,
  destination: EndpointClass | null,
  holds: (predicate: Predicate) => Bit,
  ownNode: Truth,
  hairpin = false,
): TrafficOutcome {
  if (subject.tiers.length === 0) return ALLOW_ALL;
  if (subject.direction === 'ingress' && ownNode === 'yes') return ALLOW_ALL;
  let allow: TrafficId = NO_TRAFFIC;
  let deny: TrafficId = NO_TRAFFIC;
  let live: TrafficId = ALL_TRAFFIC;
  for (const { tier, isolated, ranks } of subject.tiers) {
    if (tier.unread !== null) {
      allow = table.union(allow, live);
      deny = table.union(deny, live);
      live = NO_TRAFFIC;
      break;
    }
    let next: TrafficId = NO_TRAFFIC;
    for (const rank of ranks) {
      let remaining = live;
      for (const { selected, rules } of rank) {
        let rest = live;
        for (const rule of rules) {
          const match = strongest(rule.peers, holds);
          if (match === 0) continue;
          if (destination === null && rule.action !== 'allow' && rule.named.length > 0) {
            // A pod that is not known yet may give the name to any port: each may be met, none is for sure.
            const perhaps = table.intersect(rest, anyPortOf(table, rule));
            if (rule.action === 'deny') deny = table.union(deny, perhaps);
            else next = table.union(next, perhaps);
          }
          const hit = table.intersect(rest, trafficOf(table, rule, destination));
          if (hit === NO_TRAFFIC) continue;
          if (rule.action === 'allow') allow = table.union(allow, hit);
          else if (rule.action === 'deny') deny = table.union(deny, hit);
          else next = table.union(next, hit);
          if (match === 1) rest = table.subtract(rest, hit);
        }
        if (selected === 1) remaining = table.intersect(remaining, rest);
      }
      live = remaining;
      if (live === NO_TRAFFIC) break;
    }
    if (live !== NO_TRAFFIC) {
      if (isolated === 0) next = table.union(next, live);
      else {
        const spared =
          hairpin && tier.spares.includes('hairpin')
            ? 'yes'
            : subject.direction === 'egress' && tier.spares.includes('own-node')
              ? ownNode
              : 'no';
        if (spared !== 'no') allow = table.union(allow, live);
        if (spared !== 'yes') {
          if (tier.whenIsolated === 'deny') deny = table.union(deny, live);
          else next = table.union(next, live);
        }
        if (isolated === 2) next = table.union(next, live);
      }
    }
    live = next;
    if (live === NO_TRAFFIC) break;
  }
  allow = table.union(allow, live);
  if (subject.direction === 'ingress' && ownNode === 'maybe') allow = ALL_TRAFFIC;
  return { allow, deny };
}

/** One direction of one class towards a class of existing endpoints, over one family. */
export function symbolicEnd(
  program: CompiledProgram,
  own: EndpointClass,
  direction: Direction,
  peer: EndpointClass,
  family: Family,
  ownNode: Truth,
  hairpin = false,
): TrafficOutcome {
  const destination = direction === 'egress' ? peer : own;
  const subject = program.subject(own.id, direction);
  return symbolic(program.traffic, subject, destination, (p) => test(p, family, peer), ownNode, hairpin);
}

/** A flow between endpoints with everything that it leaves open unset. */
export function flowOf(source: Endpoint, destination: Endpoint, protocol: Flow['protocol'], port: number | null): Flow {
  return { source, destination, protocol, port, family: null, viaService: false };
}
