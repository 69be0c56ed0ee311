import { FAMILIES, type Family, formatRange, type IpRange } from '../base/ip.ts';
import { by, byText, inTurn } from '../base/order.ts';
import { all as allOf, type Truth } from '../base/truth.ts';
import type { Cluster } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { EndpointMatch, NamespaceMatch } from '../model/match.ts';
import type { Direction } from '../model/program.ts';
import { DIRECTIONS } from '../model/program.ts';
import type { Conn, ExposureEntry, ExposurePeer, ExposureReport, LabelSelectorText } from '../model/report.ts';
import { EVERYTHING, type Selector, selectorKey } from '../model/selector.ts';
import type { EndpointClass } from './compiled/classes.ts';
import type { CompiledProgram, CompiledRule, SubjectProgram } from './compiled/compile.ts';
import { symbolic, type TrafficOutcome } from './compiled/evaluate.ts';
import { BIT, type Bit, type Predicate } from './compiled/predicates.ts';
import { NO_TRAFFIC, type TrafficId } from './compiled/traffic.ts';
import { type Group, groupsOf } from './connectivity/groups.ts';
import { predicatesOf } from './connectivity/peer-maps.ts';
import { matchNamespace, matchUnknownAddress } from './match.ts';
import { implies } from './selector-algebra.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';

/** A class of pods as policies name it: in which namespaces, with which labels. */
type PodTerm = EndpointMatch & { readonly kind: 'pods' };

/**
 * Who could reach each workload, and whom could it reach: also pods and namespaces that do not exist yet. Each entry is
 * granted on the workload's own side to every pod of the class.
 */
export function exposure(
  program: CompiledProgram,
  cluster: Cluster,
  diagnostics: readonly Diagnostic[] = [],
): ExposureReport {
  const { groups } = groupsOf(program, cluster);
  const ranges = groups.filter((group) => group.kind === 'range');
  const entries: ExposureEntry[] = [];
  const unprotected: { workload: string; direction: Direction }[] = [];
  const unspecified: [string, string][] = [];
  for (const group of groups) {
    if (group.kind === 'range') continue;
    for (const direction of DIRECTIONS) {
      const rows = rowsOf(program, group, direction, ranges);
      const free = group.units.every(({ unit }) => program.subject(unit.id, direction).tiers.length === 0);
      for (const workload of group.members) {
        if (free) unprotected.push({ workload, direction });
        for (const row of rows.known) entries.push({ workload, direction, ...row });
        for (const range of rows.open) {
          unspecified.push(direction === 'egress' ? [workload, range] : [range, workload]);
        }
      }
    }
  }
  const ofWorkload = inTurn<{ readonly workload: string; readonly direction: Direction }>(
    by((entry) => entry.workload, byText),
    by((entry) => entry.direction, byText),
  );
  return {
    kind: 'ExposureReport',
    entries: entries.sort(ofWorkload),
    unprotected: unprotected.sort(ofWorkload),
    unspecified: unspecified.sort((a, b) => byText(a.join(), b.join())),
    diagnostics,
  };
}

interface Rows {
  readonly known: readonly Omit<ExposureEntry, 'workload' | 'direction'>[];
  /** Ranges about which a fact is missing. */
  readonly open: readonly string[];
}

function rowsOf(program: CompiledProgram, group: Group, direction: Direction, ranges: readonly Group[]): Rows {
  const { traffic } = program;
  const known: Omit<ExposureEntry, 'workload' | 'direction'>[] = [];
  const add = (peer: ExposurePeer, { all, some }: Spread): void => {
    const conn = connOf(program, all);
    known.push(sameGrant(all, some) ? { peer, conn } : { peer, conn, varies: true, some: connOf(program, some) });
  };
  const units = group.units.map(({ unit }) => ({ unit, subject: program.subject(unit.id, direction) }));
  const granted = (term: PodTerm | null): Spread => {
    const grants = units.map(({ unit, subject }) => grantTo(program, unit, subject, term));
    const [first = NOTHING_GRANTED, ...rest] = grants;
    return {
      all: rest.reduce((a, b) => meet(program, a, b), first),
      some: rest.reduce((a, b) => join(program, a, b), first),
    };
  };
  const everyone = granted(null);
  if (!isNothing(program, everyone.some)) add({ entireCluster: true }, everyone);
  for (const term of termsOf(units.map(({ subject }) => subject))) {
    const grant = granted(term);
    if (!sameGrant(grant.all, everyone.all) || !sameGrant(grant.some, everyone.some)) add(peerOf(term), grant);
  }
  const open: string[] = [];
  let run = null as Run | null;
  const flush = (): void => {
    if (run === null || !traffic.hasPorts(run.some)) return;
    const spread = { all: { sure: run.all, named: [] }, some: { sure: run.some, named: [] } };
    add({ range: formatRange(run.range) }, spread);
  };
  for (const range of ranges) {
    const peer = range.units[0]?.unit;
    if (range.range === null || peer === undefined) continue;
    const outcomes = units.map(({ unit, subject }) =>
      towardsRange(program, unit, subject, peer, range.range?.family ?? 4),
    );
    const sure = outcomes.map((outcome) => traffic.portPart(traffic.subtract(outcome.allow, outcome.deny)));
    if (outcomes.some((outcome) => traffic.hasPorts(traffic.intersect(outcome.allow, outcome.deny)))) {
      open.push(range.members[0] as string);
    }
    const all = sure.reduce((a, b) => traffic.intersect(a, b));
    const some = sure.reduce((a, b) => traffic.union(a, b));
    if (run !== null && run.range.family === range.range.family && run.all === all && run.some === some) {
      run = { ...run, range: { ...run.range, last: range.range.last } };
    } else {
      flush();
      run = { range: range.range, all, some };
    }
  }
  flush();
  return { known, open };
}

function towardsRange(
  program: CompiledProgram,
  own: EndpointClass,
  subject: SubjectProgram,
  peer: EndpointClass,
  family: Family,
): TrafficOutcome {
  const holds = (predicate: Predicate): Bit => {
    if (predicate.family !== null && predicate.family !== family) return 0;
    if (predicate.universal !== null) return predicate.universal === 'everything' ? 1 : 0;
    return predicate.yes.has(peer.id) ? 1 : predicate.maybe.has(peer.id) ? 2 : 0;
  };
  const destination = subject.direction === 'egress' ? peer : own;
  return symbolic(program.traffic, subject, destination, holds, program.facts.nodesUnread ? 'maybe' : 'no');
}

/** Traffic that is surely granted, and named ports whose numbers depend on the pod. */
interface Grant {
  readonly sure: TrafficId;
  readonly named: readonly string[];
}

/** Neighbouring ranges that are granted the same. */
interface Run {
  readonly range: IpRange;
  readonly all: TrafficId;
  readonly some: TrafficId;
}

/** What all pods of a workload grant, and what at least one does. */
interface Spread {
  readonly all: Grant;
  readonly some: Grant;
}

const NOTHING_GRANTED: Grant = { sure: NO_TRAFFIC, named: [] };

function meet(program: CompiledProgram, a: Grant, b: Grant): Grant {
  return { sure: program.traffic.intersect(a.sure, b.sure), named: a.named.filter((name) => b.named.includes(name)) };
}

function join(program: CompiledProgram, a: Grant, b: Grant): Grant {
  return { sure: program.traffic.union(a.sure, b.sure), named: [...new Set([...a.named, ...b.named])].sort() };
}

function sameGrant(a: Grant, b: Grant): boolean {
  return a.sure === b.sure && a.named.join() === b.named.join();
}

function isNothing(program: CompiledProgram, grant: Grant): boolean {
  return !program.traffic.hasPorts(grant.sure) && grant.named.length === 0;
}

function connOf(program: CompiledProgram, grant: Grant): Conn {
  const conn = program.traffic.conn(grant.sure);
  if (grant.named.length === 0 || conn === 'all') return conn;
  const named = grant.named.map((entry) => {
    const [protocol, port] = entry.split('/') as [string, string];
    return { protocol: protocol === '' ? null : (protocol as 'TCP' | 'UDP' | 'SCTP'), port };
  });
  return { ...conn, named };
}

/** What is granted to every pod of a class; `null` is any pod that is in no class which a policy names. */
function grantTo(program: CompiledProgram, own: EndpointClass, subject: SubjectProgram, term: PodTerm | null): Grant {
  const { traffic } = program;
  let sure: TrafficId | null = null;
  let named: ReadonlySet<string> | null = null;
  for (const family of FAMILIES) {
    const holds = (predicate: Predicate): Bit => bitOf(program, predicate, term, family, own);
    const destination = subject.direction === 'ingress' ? own : null;
    const { allow, deny } = symbolic(traffic, subject, destination, holds, 'no');
    const granted = traffic.subtract(allow, deny);
    sure = sure === null ? granted : traffic.intersect(sure, granted);
    if (subject.direction === 'egress' && subject.named) {
      const inFamily = namedPorts(program, subject, holds, granted);
      const before: ReadonlySet<string> = named ?? inFamily;
      named = new Set([...inFamily].filter((name) => before.has(name)));
    }
  }
  return { sure: traffic.portPart(sure ?? NO_TRAFFIC), named: [...(named ?? [])].sort() };
}

/** Named ports of allow rules that surely match the class and are not within what is granted anyway. */
function namedPorts(
  program: CompiledProgram,
  subject: SubjectProgram,
  holds: (predicate: Predicate) => Bit,
  granted: TrafficId,
): ReadonlySet<string> {
  const out = new Set<string>();
  const may = (rule: CompiledRule): boolean => rule.peers.some((peer) => holds(peer) !== 0);
  for (const { tier, isolated, ranks } of subject.tiers) {
    if (tier.unread !== null) return out;
    for (const rank of ranks) {
      // A deny or pass that may come first takes the certainty from every named port behind it; in a rank, any may.
      const refusing = rank.some(({ rules }) => rules.some((rule) => rule.action !== 'allow' && may(rule)));
      if (refusing && rank.length > 1) return out;
      for (const { selected, rules } of rank) {
        for (const rule of rules) {
          if (!may(rule)) continue;
          if (rule.action !== 'allow') return out;
          if (selected !== 1 || !rule.peers.some((peer) => holds(peer) === 1)) continue;
          for (const { name, protocol } of rule.named) {
            const covered = protocol !== null && coversProtocol(program, granted, protocol);
            if (!covered) out.add(`${protocol ?? ''}/${name}`);
          }
        }
      }
    }
    // What no rule of this tier allows ends here.
    if (isolated !== 0) return out;
  }
  return out;
}

function coversProtocol(program: CompiledProgram, granted: TrafficId, protocol: string): boolean {
  const whole = program.traffic.ports(protocol as 'TCP' | 'UDP' | 'SCTP', 1, 65535);
  return program.traffic.subtract(whole, granted) === NO_TRAFFIC;
}

/** What is known of a predicate for every pod of a class. */
function bitOf(
  program: CompiledProgram,
  predicate: Predicate,
  term: PodTerm | null,
  family: Family,
  own: EndpointClass,
): Bit {
  if (predicate.universal !== null) return 1;
  const { match } = predicate;
  if (match.kind === 'addresses') {
    if (match.cidr.family !== family) return 0;
    return BIT[matchUnknownAddress(match, 'inside')];
  }
  if (match.kind !== 'pods' || term === null) return 0;
  return BIT[
    allOf([impliesNamespace(program, term.namespaces, match.namespaces, own), implies(term.pods, match.pods)])
  ];
}

/** Whether every namespace that `given` means is one that `asked` means, seen from the workload's namespace. */
function impliesNamespace(
  program: CompiledProgram,
  given: NamespaceMatch,
  asked: NamespaceMatch,
  own: EndpointClass,
): Truth {
  if (given.kind === 'named') {
    const namespace = program.facts.cluster.namespaces.get(given.name) ?? {
      name: given.name,
      labels: new Map([[NAME_LABEL, given.name]]),
      origin: null,
    };
    return matchNamespace(asked, namespace, own.namespace);
  }
  if (given.kind === 'labelled' && (asked.kind === 'labelled' || asked.kind === 'named')) {
    return implies(given.labels, asked.kind === 'labelled' ? asked.labels : nameSelector(asked.name));
  }
  return JSON.stringify(given) === JSON.stringify(asked) ? 'yes' : 'maybe';
}

function nameSelector(name: string): Selector {
  return { kind: 'in', key: NAME_LABEL, values: [name] };
}

/** The classes of pods that the rules of subjects name, each once, in the order of the rules. */
function termsOf(subjects: readonly SubjectProgram[]): readonly PodTerm[] {
  const out = new Map<string, PodTerm>();
  for (const subject of subjects) {
    for (const predicate of predicatesOf(subject)) {
      const { match } = predicate;
      if (match.kind !== 'pods' || predicate.universal !== null || match.pods.kind === 'nothing') continue;
      const term: PodTerm = { ...match, namespaces: plain(match.namespaces) };
      const key = `${JSON.stringify(peerOf(term))}${selectorKey(term.pods)}`;
      if (!out.has(key)) out.set(key, term);
    }
  }
  return [...out.values()];
}

/** A selector of exactly one namespace by its name label is that namespace. */
function plain(match: NamespaceMatch): NamespaceMatch {
  if (match.kind !== 'labelled') return match;
  const only = match.labels.kind === 'all-of' && match.labels.of.length === 1 ? match.labels.of[0] : match.labels;
  if (only?.kind === 'in' && only.key === NAME_LABEL && only.values.length === 1 && only.values[0] !== undefined) {
    return { kind: 'named', name: only.values[0] };
  }
  return match;
}

function peerOf(term: PodTerm): ExposurePeer {
  const { namespaces, pods } = term;
  const inPods = pods.kind === 'everything' ? ({ allPods: true } as const) : { podSelector: selectorText(pods) };
  switch (namespaces.kind) {
    case 'named':
      return { namespace: namespaces.name, ...inPods };
    case 'labelled':
      return namespaces.labels.kind === 'everything'
        ? { allNamespaces: true, ...inPods }
        : { namespaceSelector: selectorText(namespaces.labels), ...inPods };
    case 'same-labels':
    case 'different-labels': {
      // The withdrawn tenancy peers have no selector form; the keys are shown as what they ask for.
      const operator = namespaces.kind === 'same-labels' ? 'SameAsSubject' : 'DifferentFromSubject';
      return {
        namespaceSelector: { matchExpressions: namespaces.keys.map((key) => ({ key, operator })) },
        ...inPods,
      };
    }
  }
}

/** A selector in the form of the API. */
export function selectorText(selector: Selector): LabelSelectorText {
  const parts = selector.kind === 'all-of' ? selector.of : selector === EVERYTHING ? [] : [selector];
  const labels: [string, string][] = [];
  const expressions: { key: string; operator: string; values?: readonly string[] }[] = [];
  for (const part of parts) {
    const inner = part.kind === 'not' ? part.of : part;
    const negative = part.kind === 'not';
    if (inner.kind === 'exists') expressions.push({ key: inner.key, operator: negative ? 'DoesNotExist' : 'Exists' });
    else if (inner.kind === 'in') {
      if (!negative && inner.asLabel === true) labels.push([inner.key, inner.values[0] as string]);
      else expressions.push({ key: inner.key, operator: negative ? 'NotIn' : 'In', values: inner.values });
    }
  }
  return {
    ...(labels.length > 0 ? { matchLabels: Object.fromEntries(labels) } : {}),
    ...(expressions.length > 0 ? { matchExpressions: expressions } : {}),
  };
}
