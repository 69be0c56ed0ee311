/**
 * The reasons behind every pair of groups. The two ends of a flow are judged apart: what an end says depends on the
 * policies that select its pod and on what their rules see of the peer, so peers on which they agree share one story.
 */
import { invariant } from '../../base/invariant.ts';
import { FAMILIES } from '../../base/ip.ts';
import type { Cluster, Pod } from '../../model/cluster.ts';
import type { Endpoint, Flow } from '../../model/flow.ts';
import { PORT_PROTOCOLS, type PortProtocol } from '../../model/match.ts';
import type { Direction, Policy, Rule } from '../../model/program.ts';
import type { EndVerdict, Reason, VerdictKind } from '../../model/verdict.ts';
import type { CompiledProgram } from '../compiled/compile.ts';
import { type Group, groupsOf } from '../connectivity/groups.ts';
import { addressesOf, isOwnNode, matchEndpoint, matchTraffic } from '../match.ts';
import { type Judged, mergeVerdicts } from './answer-merge.ts';
import { ownSpans, type PortSpan } from './answer-split.ts';
import { explainPrepared } from './explain.ts';
import { nearMiss } from './near-miss.ts';
import type { Prepared } from './prepare.ts';
import { isGoverned } from './trace.ts';

/** Why one end has its verdict. `reasons` are indices into {@link AllReasons.reasons}; the first one decides. */
export interface ExplainedEnd {
  readonly verdict: VerdictKind;
  readonly decidedBy: string | null;
  readonly reasons: readonly number[];
}

/** Ports `first` to `last` on which one end has the verdict `end`, an index into {@link AllReasons.ends}. */
export interface ExplainedSpan extends PortSpan {
  readonly end: number;
}

/** The reasons of both ends of all pairs, each told once. */
export interface AllReasons {
  readonly reasons: readonly Reason[];
  readonly ends: readonly ExplainedEnd[];
  /** Spans of one story are disjoint, in order, and together cover ports 1 to 65535 of TCP, UDP and SCTP. */
  readonly stories: readonly (readonly ExplainedSpan[])[];
  /** How many classes of peers there are. */
  readonly classes: number;
  /** `egress[source * classes + destination]`: the story of the source, or -1 where nothing is said. */
  readonly egress: readonly number[];
  /** `ingress[destination * classes + source]`: the story of the destination, or -1 where nothing is said. */
  readonly ingress: readonly number[];
}

/** So many reasons of one end are told; the first decides. */
const MOST_REASONS = 6;

/** Explains every pair of the groups that `asked` wants, except two address ranges. */
export function allReasons(
  prepared: Prepared,
  program: CompiledProgram,
  cluster: Cluster,
  groups: readonly Group[],
  asked: (source: Group, destination: Group) => boolean = () => true,
): AllReasons {
  const classes = groups.length;
  const table = new Stories(prepared, standIns(program, cluster));
  const egress = new Array<number>(classes * classes).fill(-1);
  const ingress = new Array<number>(classes * classes).fill(-1);
  for (const [i, source] of groups.entries()) {
    for (const [j, destination] of groups.entries()) {
      if ((source.range !== null && destination.range !== null) || !asked(source, destination)) continue;
      egress[i * classes + j] = table.story('egress', source, destination);
      ingress[j * classes + i] = table.story('ingress', destination, source);
    }
  }
  const { reasons, ends, stories } = table;
  return { reasons, ends, stories, classes, egress, ingress };
}

/** An endpoint that speaks for those of its group that no policy tells from it. */
interface StandIn {
  readonly id: number;
  /** Equal for pods that no policy tells apart. */
  readonly unit: number;
  readonly endpoint: Endpoint;
  /** Another one, to speak of two different ones. */
  readonly second: Pod | null;
  readonly name: string;
  /** Of a pod: the ports that it declares. */
  readonly ports: string;
}

interface StandIns {
  /** `placed` tells pods on different nodes apart, which matters to host-network pods alone. */
  of(group: Group, placed: boolean): readonly StandIn[];
}

function standIns(program: CompiledProgram, cluster: Cluster): StandIns {
  const { units } = groupsOf(program, cluster);
  const known: Record<'placed' | 'anywhere', Map<Group, readonly StandIn[]>> = {
    placed: new Map(),
    anywhere: new Map(),
  };
  let count = 0;
  const make = (group: Group, placed: boolean): readonly StandIn[] => {
    if (group.range !== null) {
      const endpoint: Endpoint = {
        kind: 'external',
        address: { family: group.range.family, value: group.range.first },
      };
      return [{ id: count++, unit: -1, endpoint, second: null, name: '', ports: '' }];
    }
    const alike = new Map<string, Pod[]>();
    for (const pod of group.workloads[0]?.pods ?? []) {
      const unit = units.of(program.classOf({ kind: 'pod', pod }));
      const key = `${unit.id}|${wordPorts(pod)}|${placed ? `@${pod.node}` : ''}`;
      const list = alike.get(key);
      if (list === undefined) alike.set(key, [pod]);
      else list.push(pod);
    }
    const elsewhere = group.workloads[1]?.pods[0] ?? null;
    return [...alike.values()].flatMap(([pod, second, ...more]): StandIn[] => {
      if (pod === undefined) return [];
      const name = `\`${pod.namespace}/${pod.name}\``;
      return [
        {
          id: count++,
          unit: units.of(program.classOf({ kind: 'pod', pod })).id,
          endpoint: { kind: 'pod', pod },
          second: second ?? elsewhere,
          name: second === undefined ? name : `${name} and ${more.length + 1} like it`,
          ports: wordPorts(pod),
        },
      ];
    });
  };
  return {
    of(group, placed) {
      const map = known[placed ? 'placed' : 'anywhere'];
      let found = map.get(group);
      if (found === undefined) {
        found = make(group, placed);
        map.set(group, found);
      }
      return found;
    },
  };
}

function wordPorts(pod: Pod): string {
  return pod.ports.map((port) => `${port.name ?? ''}:${port.port}/${port.protocol}`).join();
}

function isHost({ endpoint }: StandIn): boolean {
  return endpoint.kind === 'pod' && endpoint.pod.hostNetwork;
}

function hasHosts(group: Group): boolean {
  return group.workloads[0]?.pods.some((pod) => pod.hostNetwork) === true;
}

/** What the policies at one pod have to say in one direction. */
interface View {
  /** Of the policies that select the pod, or that may have been meant to. */
  readonly rules: ReadonlyMap<Rule, Policy>;
  /** Whether any policy is there at all. */
  readonly silent: boolean;
  readonly named: boolean;
  readonly stories: Map<string, number>;
}

/** Above so many pairs of stand-ins, those of which the policies see the same are told once. */
const MANY = 64;

/** How a peer looks to a rule that neither means it nor nearly does; to one that may mean it; others by number. */
const UNSEEN = 0;
const DOUBTFUL = 1;

class Stories {
  readonly reasons: Reason[] = [];
  readonly ends: ExplainedEnd[] = [];
  readonly stories: (readonly ExplainedSpan[])[] = [];
  readonly #prepared: Prepared;
  readonly #standIns: StandIns;
  readonly #reasonIds = new Map<string, number>();
  readonly #endIds = new Map<string, number>();
  readonly #storyIds = new Map<string, number>();
  readonly #views: Record<Direction, Map<number, View>> = { ingress: new Map(), egress: new Map() };
  readonly #seen = new Map<Rule, Map<string, (number | undefined)[]>>();
  readonly #looks = new Map<string, number>();
  /** Looks of rules that mean the peer. */
  readonly #meant = new Set<number>();

  constructor(prepared: Prepared, ins: StandIns) {
    this.#prepared = prepared;
    this.#standIns = ins;
  }

  story(direction: Direction, own: Group, peer: Group): number {
    const placed = hasHosts(own) || hasHosts(peer);
    const owns = this.#standIns.of(own, placed);
    const peers = this.#standIns.of(peer, placed);
    const [only] = owns;
    const [other] = peers;
    if (only !== undefined && other !== undefined && own !== peer && owns.length * peers.length === 1)
      return this.#storyOf(direction, only, other);
    const pairs = owns.flatMap((one) => peers.map((other) => ({ one, other: otherThan(one, other) })));
    const between = pairs.filter(({ one, other }) => one !== other || isTemplate(one));
    const asked = between.length > 0 ? between : pairs;
    const [first] = asked;
    if (first === undefined) return -1;
    const kept = asked.length <= MANY ? asked : this.#different(direction, asked);
    return kept.length > 1 ? this.#tell(direction, kept) : this.#storyOf(direction, first.one, first.other);
  }

  #storyOf(direction: Direction, one: StandIn, other: StandIn): number {
    const view = this.#view(direction, one);
    const key = one === other ? 'self' : this.#key(direction, one, other, view);
    let known = view.stories.get(key);
    if (known === undefined) {
      known = this.#tell(direction, [{ one, other }]);
      view.stories.set(key, known);
    }
    return known;
  }

  #different(direction: Direction, pairs: readonly Asked[]): readonly Asked[] {
    const out = new Map<string, Asked>();
    for (const pair of pairs) {
      const { one, other } = pair;
      const node = one.endpoint.kind === 'pod' ? isOwnNode(other.endpoint, one.endpoint.pod, this.#prepared.facts) : '';
      const seen = this.#look(direction, one, other, this.#view(direction, one)) ?? `#${other.id}`;
      const key = `${node} ${one.unit} ${seen} ${one.ports} ${other.ports}`;
      if (!out.has(key)) out.set(key, pair);
    }
    return [...out.values()];
  }

  #view(direction: Direction, own: StandIn): View {
    const known = this.#views[direction].get(own.id);
    if (known !== undefined) return known;
    const { endpoint } = own;
    let view: View = { rules: new Map(), silent: true, named: false, stories: new Map() };
    if (isGoverned(endpoint)) {
      const rules = new Map<Rule, Policy>();
      let silent = true;
      for (const tier of this.#prepared.program.tiers) {
        const selecting = [
          ...FAMILIES.flatMap((family) => this.#prepared.selected(tier, endpoint.pod, family)),
          ...this.#prepared.overlooked(tier, endpoint.pod),
        ];
        if (selecting.length > 0) silent = false;
        for (const one of selecting) for (const rule of one.rules[direction]) rules.set(rule, one.policy);
      }
      const named = [...rules.keys()].some(
        ({ match }) => match.traffic !== 'any' && match.traffic.some((entry) => entry.kind === 'named-port'),
      );
      view = { rules, silent, named, stories: new Map() };
    }
    this.#views[direction].set(own.id, view);
    return view;
  }

  /** Equal for peers about which the same is said. */
  #key(direction: Direction, own: StandIn, peer: StandIn, view: View): string {
    const { facts } = this.#prepared;
    const alone = `#${peer.id}`;
    const families = FAMILIES.filter((family) =>
      [own, peer].every(({ endpoint }) => addressesOf(endpoint, family, facts).length > 0),
    );
    if (families.length === 0) return alone;
    const over = families.join();
    if (!isGoverned(own.endpoint)) return over;
    // Texts about a pod's own node, and about unknown facts, name the peer.
    if (isOwnNode(peer.endpoint, own.endpoint.pod, facts) !== 'no') return alone;
    if (view.silent) return over;
    const seen = this.#look(direction, own, peer, view);
    if (seen === null) return alone;
    const destination =
      direction === 'ingress'
        ? ''
        : peer.endpoint.kind === 'pod' && !isHost(peer)
          ? peer.ports
          : view.named
            ? alone
            : '-';
    return `${over} ${destination} ${seen}`;
  }

  /** What the rules of a view see of a peer, and by what they nearly see it; `null` where that is not known. */
  #look(direction: Direction, own: StandIn, peer: StandIn, view: View): string | null {
    let out = '';
    for (const [rule, policy] of view.rules) {
      const look = this.#lookOf(direction, policy, rule, own, peer);
      if (look === DOUBTFUL) return null;
      out += `${look},`;
    }
    return out;
  }

  #lookOf(direction: Direction, policy: Policy, rule: Rule, own: StandIn, peer: StandIn): number {
    if (own.endpoint.kind !== 'pod') return UNSEEN;
    const { pod } = own.endpoint;
    let ofRule = this.#seen.get(rule);
    if (ofRule === undefined) {
      ofRule = new Map();
      this.#seen.set(rule, ofRule);
    }
    let known = ofRule.get(pod.namespace);
    if (known === undefined) {
      known = [];
      ofRule.set(pod.namespace, known);
    }
    const before = known[peer.id];
    if (before !== undefined) return before;
    const { facts } = this.#prepared;
    const namespace = facts.cluster.namespaces.get(pod.namespace) ?? null;
    const whole: Rule = { ...rule, match: { ...rule.match, traffic: 'any' } };
    const [source, destination] =
      direction === 'egress' ? [own.endpoint, peer.endpoint] : [peer.endpoint, own.endpoint];
    const flow: Flow = { source, destination, protocol: 'TCP', port: 1, family: null, viaService: false };
    const byFamily = rule.match.peers.some((match) => match.kind === 'addresses');
    const out = (byFamily ? FAMILIES : FAMILIES.slice(0, 1)).map((family) => {
      const truths = rule.match.peers.map((match) => matchEndpoint(match, peer.endpoint, family, namespace, facts));
      if (truths.includes('yes')) return truths.includes('maybe') ? 'maybe' : 'yes';
      if (truths.includes('maybe')) return 'maybe';
      const miss = nearMiss({ policy, rule: whole, own: pod, peer: peer.endpoint, flow, family, facts });
      return miss === null ? 'no' : `${miss.distance} ${miss.field} ${miss.text}`;
    });
    const look = out.includes('maybe')
      ? DOUBTFUL
      : out.every((one) => one === 'no')
        ? UNSEEN
        : numberOf(this.#looks, out.join(), DOUBTFUL + 1);
    if (out.includes('yes')) this.#meant.add(look);
    known[peer.id] = look;
    return look;
  }

  #tell(direction: Direction, pairs: readonly Asked[]): number {
    const spans: ExplainedSpan[] = [];
    const destinations = pairs.map(({ one, other }) => (direction === 'egress' ? other : one).endpoint);
    const rules = this.#telling(direction, pairs);
    const judge = this.#judging(direction, pairs, rules);
    for (const protocol of PORT_PROTOCOLS) {
      const cuts = ownSpans(protocol, rules, rules.length === 0 ? [] : destinations);
      let last: { span: ExplainedSpan; declared: boolean } | undefined;
      for (const { first, last: end, declared } of cuts) {
        const told = judge(protocol, first);
        if (
          last !== undefined &&
          (last.span.end === told || (!declared && !last.declared && this.#alike(last.span.end, told)))
        ) {
          last = { span: { ...last.span, last: end }, declared: last.declared };
          spans[spans.length - 1] = last.span;
        } else {
          last = { span: { protocol, first, last: end, end: told }, declared };
          spans.push(last.span);
        }
      }
    }
    const key = spans.map(({ protocol, first, end }) => `${protocol}${first}:${end}`).join();
    return idOf(this.#storyIds, key, this.stories, spans);
  }

  /** The end for a port. Where no rule means the peer, texts name no port, and only the rules count that mean the port. */
  #judging(
    direction: Direction,
    pairs: readonly Asked[],
    rules: readonly Rule[],
  ): (protocol: PortProtocol, port: number) => number {
    const judge = (protocol: PortProtocol, port: number): number =>
      this.#end(this.#judge(direction, pairs, protocol, port));
    const [pair] = pairs;
    if (pair === undefined || pairs.length > 1) return judge;
    const { one, other } = pair;
    for (const [rule, policy] of this.#view(direction, one).rules) {
      const look = this.#lookOf(direction, policy, rule, one, other);
      if (look === DOUBTFUL || this.#meant.has(look)) return judge;
    }
    const known = new Map<string, number>();
    return (protocol, port) => {
      const flow = flowOf(direction, pair, protocol, port);
      let key = '';
      for (const { match } of rules) {
        key += match.traffic === 'any' || match.traffic.some((entry) => matchTraffic(entry, flow)) ? '1' : '0';
      }
      let end = known.get(key);
      if (end === undefined) {
        end = judge(protocol, port);
        known.set(key, end);
      }
      return end;
    };
  }

  /** The rules that see a peer, or nearly do: of the others nothing is told, whatever the port. */
  #telling(direction: Direction, pairs: readonly Asked[]): readonly Rule[] {
    const out = new Set<Rule>();
    for (const { one, other } of pairs) {
      for (const [rule, policy] of this.#view(direction, one).rules) {
        if (this.#lookOf(direction, policy, rule, one, other) !== UNSEEN) out.add(rule);
      }
    }
    return [...out];
  }

  /** Whether the same decides: of ports that nothing listens on, the reasons of the first will do. */
  #alike(a: number, b: number): boolean {
    const [one, other] = [this.ends[a], this.ends[b]];
    return one?.verdict === other?.verdict && one?.decidedBy === other?.decidedBy;
  }

  #judge(direction: Direction, pairs: readonly Asked[], protocol: PortProtocol, port: number): EndVerdict {
    const cases = pairs.map((pair): Judged => {
      const [from, to] = direction === 'egress' ? [pair.one, pair.other] : [pair.other, pair.one];
      const verdict = explainPrepared(this.#prepared, flowOf(direction, pair, protocol, port), { direction });
      return { marks: { source: from.name, destination: to.name }, verdict };
    });
    const end = mergeVerdicts(cases)[direction];
    invariant(end !== null, 'the end that was asked for is judged');
    return end;
  }

  #end(end: EndVerdict): number {
    const reasons = end.reasons.slice(0, MOST_REASONS).map((reason) => {
      // Nearly always the text tells all, and it is the longest part of a key.
      const at = this.#reasonIds.get(reason.text);
      const known = at === undefined ? undefined : this.reasons[at];
      if (at !== undefined && known !== undefined && isSame(known, reason)) return at;
      const key =
        known === undefined ? reason.text : JSON.stringify([reason.kind, reason.policy, reason.rule, reason.text]);
      return idOf(this.#reasonIds, key, this.reasons, reason);
    });
    const entry: ExplainedEnd = { verdict: end.verdict, decidedBy: end.decidedBy, reasons };
    return idOf(this.#endIds, `${end.verdict} ${end.decidedBy} ${reasons.join()}`, this.ends, entry);
  }
}

function flowOf(direction: Direction, { one, other }: Asked, protocol: PortProtocol, port: number): Flow {
  const [source, destination] =
    direction === 'egress' ? [one.endpoint, other.endpoint] : [other.endpoint, one.endpoint];
  return { source, destination, protocol, port, family: null, viaService: false };
}

function isSame(a: Reason, b: Reason): boolean {
  return a.kind === b.kind && a.policy === b.policy && a.rule === b.rule;
}

interface Asked {
  readonly one: StandIn;
  readonly other: StandIn;
}

function numberOf(ids: Map<string, number>, key: string, first: number): number {
  let id = ids.get(key);
  if (id === undefined) {
    id = ids.size + first;
    ids.set(key, id);
  }
  return id;
}

function idOf<T>(ids: Map<string, number>, key: string, list: T[], item: T): number {
  let id = ids.get(key);
  if (id === undefined) {
    id = list.push(item) - 1;
    ids.set(key, id);
  }
  return id;
}

/** A workload asked about itself means its pods among each other. */
function otherThan(one: StandIn, other: StandIn): StandIn {
  if (one.id !== other.id || one.second === null) return other;
  return { ...other, endpoint: { kind: 'pod', pod: one.second } };
}

function isTemplate({ endpoint }: StandIn): boolean {
  return endpoint.kind === 'pod' && endpoint.pod.template;
}
