/** Two readings of a subject program: one flow as two bits, and all flows with a peer as traffic sets. */
import type { Family } from '../../base/ip.ts';
import type { Truth } from '../../base/truth.ts';
import type { ContainerPort } from '../../model/cluster.ts';
import type { Endpoint, Flow } from '../../model/flow.ts';
import { PORT_PROTOCOLS } from '../../model/match.ts';
import type { Direction } from '../../model/program.ts';
import type { VerdictKind } from '../../model/verdict.ts';
import { isOwnNode } from '../match.ts';
import { isSelf } from '../reference.ts';
import type { EndpointClass } from './classes.ts';
import type { CompiledProgram, CompiledRule, SubjectProgram } from './compile.ts';
import { type Bit, type Predicate, test } from './predicates.ts';
import { ALL_TRAFFIC, LANE, NO_TRAFFIC, type TrafficId, type TrafficTable } from './traffic.ts';

/** Bit 1: may be allowed; bit 2: may be denied. */
export type OutcomeBits = 0 | 1 | 2 | 3;
const ALLOW = 1;
const DENY = 2;

const VERDICTS: readonly VerdictKind[] = ['undefined', 'allowed', 'denied', 'undefined'];

/** The verdict of a flow, both ends together, over every family that it may use. */
export function verdict(program: CompiledProgram, flow: Flow): VerdictKind {
  const source = program.classes.all[program.classOf(flow.source)] as EndpointClass;
  const destination = program.classes.all[program.classOf(flow.destination)] as EndpointClass;
  const families = source.families & destination.families & (flow.family === null ? 3 : flow.family === 4 ? 1 : 2);
  let bits = 0;
  if ((families & 1) !== 0) bits = bothEnds(program, flow, 4, source, destination);
  if ((families & 2) !== 0 && (bits === 0 || dependsOnFamily(program, source, destination))) {
    bits |= bothEnds(program, flow, 6, source, destination);
  }
  return VERDICTS[bits] as VerdictKind;
}

function dependsOnFamily(program: CompiledProgram, source: EndpointClass, destination: EndpointClass): boolean {
  return program.subject(source.id, 'egress').byFamily || program.subject(destination.id, 'ingress').byFamily;
}

function bothEnds(
  program: CompiledProgram,
  flow: Flow,
  family: Family,
  source: EndpointClass,
  destination: EndpointClass,
): number {
  const egress = end(program, flow, family, 'egress', source, destination);
  if (egress === DENY) return DENY;
  const ingress = end(program, flow, family, 'ingress', destination, source);
  return (egress & ingress & ALLOW) | ((egress | ingress) & DENY);
}

function end(
  program: CompiledProgram,
  flow: Flow,
  family: Family,
  direction: Direction,
  own: EndpointClass,
  peer: EndpointClass,
): number {
  const subject = program.subject(own.id, direction);
  if (subject.tiers.length === 0) return ALLOW;
  const ownEnd = direction === 'egress' ? flow.source : flow.destination;
  const peerEnd = direction === 'egress' ? flow.destination : flow.source;
  if (ownEnd.kind !== 'pod') return ALLOW;
  let hairpin = false;
  if (own === peer && isSelf(ownEnd, peerEnd)) {
    if (!flow.viaService) return ALLOW;
    hairpin = true;
  }
  const ownNode: Truth = peer.kind === 'pod' ? 'no' : isOwnNode(peerEnd, ownEnd.pod, program.facts);
  if (direction === 'ingress' && ownNode === 'yes') return ALLOW;
  const destination = direction === 'egress' ? peer : own;
  const bits = decide(program, subject, family, peer, destination, LANE[flow.protocol], flow.port, ownNode, hairpin);
  return direction === 'ingress' && ownNode === 'maybe' ? bits | ALLOW : bits;
}

function decide(
  program: CompiledProgram,
  subject: SubjectProgram,
  family: Family,
  peer: EndpointClass,
  destination: EndpointClass,
  lane: number,
  port: number | null,
  ownNode: Truth,
  hairpin: boolean,
): number {
  let out = 0;
  for (const { tier, isolated, ranks } of subject.tiers) {
    if (tier.unread !== null) return ALLOW | DENY;
    let toNext = false;
    let live = true;
    for (const rank of ranks) {
      let goesOn = true;
      for (const { selected, rules } of rank) {
        let decided = false;
        for (const rule of rules) {
          if (!hasTraffic(program.traffic, rule, destination, lane, port)) continue;
          // Written out: a closure for each rule would cost more than the test.
          let match = 0;
          for (const predicate of rule.peers) {
            const bit = test(predicate, family, peer);
            if (bit !== 0 && match !== 1) match = bit;
          }
          if (match === 0) continue;
          if (rule.action === 'allow') out |= ALLOW;
          else if (rule.action === 'deny') out |= DENY;
          else toNext = true;
          if (match === 1) {
            decided = selected === 1;
            break;
          }
        }
        if (decided) goesOn = false;
      }
      if (!goesOn) {
        live = false;
        break;
      }
    }
    if (live) {
      if (isolated === 0) toNext = true;
      else {
        const spared: Truth =
          (hairpin && tier.spares.includes('hairpin')) ||
          (ownNode === 'yes' && subject.direction === 'egress' && tier.spares.includes('own-node'))
            ? 'yes'
            : ownNode === 'maybe' && subject.direction === 'egress' && tier.spares.includes('own-node')
              ? 'maybe'
              : 'no';
        if (spared !== 'no') out |= ALLOW;
        if (spared !== 'yes') {
          if (tier.whenIsolated === 'deny') out |= DENY;
          else toNext = true;
        }
        if (isolated === 2) toNext = true;
      }
    }
    if (!toNext) return out;
  }
  return out | ALLOW;
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

function hasTraffic(
  table: TrafficTable,
  rule: CompiledRule,
  destination: EndpointClass,
  lane: number,
  port: number | null,
): boolean {
  if (rule.traffic === ALL_TRAFFIC) return true;
  if (port === null) return false;
  if (table.contains(rule.traffic, lane, port)) return true;
  if (rule.named.length === 0 || destination.kind !== 'pod') return false;
  return destination.ports.some(
    (declared) => LANE[declared.protocol] === lane && declared.port === port && isNamed(rule, declared),
  );
}

function isNamed(rule: CompiledRule, declared: ContainerPort): boolean {
  return rule.named.some(
    ({ name, protocol }) => name === declared.name && (protocol === null || protocol === declared.protocol),
  );
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
        const spared = subject.direction === 'egress' && tier.spares.includes('own-node') ? ownNode : 'no';
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
): TrafficOutcome {
  const destination = direction === 'egress' ? peer : own;
  const subject = program.subject(own.id, direction);
  return symbolic(program.traffic, subject, destination, (predicate) => test(predicate, family, peer), ownNode);
}

/** A flow between endpoints with everything that it leaves open unset. */
export function flowOf(source: Endpoint, destination: Endpoint, protocol: Flow['protocol'], port: number | null): Flow {
  return { source, destination, protocol, port, family: null, viaService: false };
}
