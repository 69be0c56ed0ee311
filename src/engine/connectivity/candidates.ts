import { FAMILIES, type Family } from '../../base/ip.ts';
import type { EndpointClass } from '../compiled/classes.ts';
import type { CompiledProgram, SubjectProgram } from '../compiled/compile.ts';
import { symbolic } from '../compiled/evaluate.ts';
import type { Predicate } from '../compiled/predicates.ts';
import { NO_TRAFFIC } from '../compiled/traffic.ts';
import type { Group } from './groups.ts';
import type { PeerMaps } from './peer-maps.ts';

/** For each source group the destination groups that are worth a look. */
export class Candidates {
  readonly #program: CompiledProgram;
  readonly #maps: PeerMaps;
  readonly #groupsOfUnit: readonly (readonly number[] | undefined)[];
  /** Units whose ingress rules name a unit. */
  readonly #namedBy = new Map<number, number[]>();
  /** Units that some peer of a kind may reach without being named. */
  readonly #open: Record<EndpointClass['kind'], number[]> = { pod: [], host: [], node: [], external: [], domain: [] };

  constructor(program: CompiledProgram, maps: PeerMaps, groupsOfUnit: readonly (readonly number[] | undefined)[]) {
    this.#program = program;
    this.#maps = maps;
    this.#groupsOfUnit = groupsOfUnit;
    groupsOfUnit.forEach((groups, id) => {
      if (groups === undefined) return;
      const subject = program.subject(id, 'ingress');
      for (const family of subject.byFamily ? FAMILIES : ([4] as const)) {
        for (const peer of maps.of(subject, family).named.keys()) {
          const list = this.#namedBy.get(peer);
          if (list === undefined) this.#namedBy.set(peer, [id]);
          else if (list.at(-1) !== id) list.push(id);
        }
      }
      for (const kind of ['pod', 'host', 'external'] as const)
        if (this.#isOpen(subject, kind)) this.#open[kind].push(id);
    });
  }

  of(source: Group): ReadonlySet<number> {
    const out = new Set<number>();
    const add = (unit: number): void => {
      for (const group of this.#groupsOfUnit[unit] ?? []) out.add(group);
    };
    for (const { unit } of source.units) {
      const subject = this.#program.subject(unit.id, 'egress');
      if (
        subject.tiers.length === 0 ||
        this.#isOpen(subject, 'pod') ||
        this.#isOpen(subject, 'external') ||
        this.#isOpen(subject, 'host')
      ) {
        for (const id of this.#namedBy.get(unit.id) ?? []) add(id);
        for (const id of this.#open[unit.kind]) add(id);
      } else {
        for (const family of subject.byFamily ? FAMILIES : ([4] as const)) {
          for (const id of this.#maps.of(subject, family).named.keys()) add(id);
        }
      }
    }
    return out;
  }

  readonly #isOpenMemo = new Map<string, boolean>();

  /** Whether a peer of a kind that no rule names may get anything through. */
  #isOpen(subject: SubjectProgram, kind: EndpointClass['kind']): boolean {
    if (subject.tiers.length === 0) return true;
    const key = `${subject.id}|${kind}`;
    const known = this.#isOpenMemo.get(key);
    if (known !== undefined) return known;
    const holds = (family: Family) => (predicate: Predicate) => {
      if (predicate.family !== null && predicate.family !== family) return 0;
      return predicate.universal === 'everything' || (predicate.universal === 'pods' && kind === 'pod') ? 1 : 0;
    };
    const ownNode = kind === 'host' || (kind === 'external' && this.#maps.nodesUnread) ? 'maybe' : 'no';
    const open =
      (subject.named && hasUniversalNamed(subject)) ||
      FAMILIES.some((family) => symbolic(this.#maps.table, subject, null, holds(family), ownNode).allow !== NO_TRAFFIC);
    this.#isOpenMemo.set(key, open);
    return open;
  }
}

/** Whether a rule opens named ports to peers that no selector singles out. */
function hasUniversalNamed(subject: SubjectProgram): boolean {
  return subject.tiers.some((tier) =>
    tier.ranks.some((rank) =>
      rank.some(({ rules }) =>
        rules.some((rule) => rule.named.length > 0 && rule.peers.some((peer) => peer.universal !== null)),
      ),
    ),
  );
}
