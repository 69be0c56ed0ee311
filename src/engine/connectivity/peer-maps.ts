import type { Family } from '../../base/ip.ts';
import type { Truth } from '../../base/truth.ts';
import type { Direction } from '../../model/program.ts';
import type { EndpointClass } from '../compiled/classes.ts';
import type { CompiledProgram, SubjectProgram } from '../compiled/compile.ts';
import { symbolic, type TrafficOutcome } from '../compiled/evaluate.ts';
import { type Predicate, test } from '../compiled/predicates.ts';
import type { TrafficTable } from '../compiled/traffic.ts';
import type { Units } from './groups.ts';

const OWN_NODES: readonly Truth[] = ['no', 'yes', 'maybe'];

/** The answers of one subject program over one family, by cell: peers on which every rule agrees share a cell. */
interface PeerMap {
  readonly subject: SubjectProgram;
  /** Cells of the units that some rule names. */
  readonly named: ReadonlyMap<number, number>;
  readonly outcomes: Map<string, TrafficOutcome>;
}

export class PeerMaps {
  readonly #program: CompiledProgram;
  readonly #units: Units;
  readonly #maps = new Map<number, Record<Family, PeerMap>>();

  constructor(program: CompiledProgram, units: Units) {
    this.#program = program;
    this.#units = units;
  }

  get table(): TrafficTable {
    return this.#program.traffic;
  }

  get nodesUnread(): boolean {
    return this.#program.facts.nodesUnread;
  }

  of(subject: SubjectProgram, family: Family): PeerMap {
    let maps = this.#maps.get(subject.id);
    if (maps === undefined) {
      const four = this.#make(subject, 4);
      maps = { 4: four, 6: subject.byFamily ? this.#make(subject, 6) : four };
      this.#maps.set(subject.id, maps);
    }
    return maps[family];
  }

  outcome(
    own: EndpointClass,
    direction: Direction,
    peer: EndpointClass,
    family: Family,
    ownNode: Truth,
  ): TrafficOutcome {
    const subject = this.#program.subject(own.id, direction);
    const map = this.of(subject, family);
    const cell = map.named.get(peer.id) ?? -1;
    const destination = direction === 'egress' ? peer : own;
    const ports = subject.named && destination.kind === 'pod' ? destination.profile : '';
    const key = `${cell}|${peer.kind}|${ports}|${OWN_NODES.indexOf(ownNode)}`;
    const known = map.outcomes.get(key);
    if (known !== undefined) return known;
    const made = symbolic(this.#program.traffic, subject, destination, (p) => test(p, family, peer), ownNode);
    map.outcomes.set(key, made);
    return made;
  }

  #make(subject: SubjectProgram, family: Family): PeerMap {
    const named = new Map<number, number>();
    const steps = new Map<string, number>();
    let cells = 0;
    const refine = (step: string, id: number): void => {
      if (!this.#units.isUnit(id)) return;
      const key = `${named.get(id) ?? -1}${step}`;
      let cell = steps.get(key);
      if (cell === undefined) {
        cell = cells++;
        steps.set(key, cell);
      }
      named.set(id, cell);
    };
    let number = 0;
    for (const predicate of predicatesOf(subject)) {
      if (predicate.universal !== null || (predicate.family !== null && predicate.family !== family)) continue;
      const step = `,${number++}`;
      predicate.yes.forEach((id) => {
        refine(step, id);
      });
      predicate.maybe.forEach((id) => {
        refine(`${step}?`, id);
      });
    }
    return { subject, named, outcomes: new Map() };
  }
}

export function predicatesOf(subject: SubjectProgram): ReadonlySet<Predicate> {
  const out = new Set<Predicate>();
  for (const tier of subject.tiers) {
    for (const rank of tier.ranks) {
      for (const { rules } of rank) for (const rule of rules) for (const peer of rule.peers) out.add(peer);
    }
  }
  return out;
}
