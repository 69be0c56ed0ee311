import type { Diagnostic } from '../model/diagnostic.ts';
import { PORT_PROTOCOLS } from '../model/match.ts';
import { type Origin, objectId } from '../model/origin.ts';
import type { Conn, ConnectivityEntry, DiffChange, ExposurePeer, LabelSelectorText } from '../model/report.ts';
import type { EndVerdict, Reason, Verdict } from '../model/verdict.ts';
import type {
  AppliedPolicy,
  ConsideredPolicy,
  FlowAnswer,
  Json,
  ProbedFlow,
  Report,
  TierStep,
  WorkloadDirection,
} from './report.ts';

/** One top-level key of a report's document. */
export type Field =
  | { readonly key: string; readonly kind: 'value'; readonly value: Json }
  | { readonly key: string; readonly kind: 'items'; readonly items: Iterable<Json> }
  /** Entries of a matrix: there may be millions, so formats can write them their own way. */
  | { readonly key: string; readonly kind: 'entries'; readonly entries: readonly ConnectivityEntry[] };

export const API_VERSION = 'rampart.dev/v1alpha1';

const value = (key: string, of: Json): Field => ({ key, kind: 'value', value: of });

function items<T>(key: string, of: readonly T[], json: (item: T) => Json): Field {
  return {
    key,
    kind: 'items',
    items: (function* () {
      for (const item of of) yield json(item);
    })(),
  };
}

/** Keys of an explanation's document that its question cannot take. */
const OWN_KEYS: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'considered', 'fixes', 'byPorts', 'diagnostics']);

const same = (json: Json): Json => json;

/** The document of a report, key by key in its fixed order: `apiVersion`, `kind`, the body, `diagnostics`. */
export function fieldsOf(report: Report): readonly Field[] {
  return [
    value('apiVersion', API_VERSION),
    value('kind', report.kind),
    ...bodyOf(report),
    items('diagnostics', report.diagnostics, diagnosticJson),
  ];
}

function bodyOf(report: Report): readonly Field[] {
  switch (report.kind) {
    case 'ConnectivityReport':
      return [
        items('peers', report.peers, same),
        ...(report.shown === undefined ? [] : [items('shown', report.shown, same)]),
        { key: 'allowed', kind: 'entries', entries: report.allowed },
        items('unspecified', report.unspecified, same),
        items('unspecifiedBecause', report.unspecifiedBecause, ({ because, pairs }) => ({ because, pairs })),
        items('ingressController', report.ingressController, ({ dst, conn }) => ({ dst, conn: connJson(conn) })),
        items('replicas', report.replicas, ({ workload, conn }) => ({ workload, conn: connJson(conn) })),
        ...(report.classes === undefined
          ? []
          : [items('classes', report.classes, ({ name, members }) => ({ name, members }))]),
      ];
    case 'ExposureReport':
      return [
        items('entries', report.entries, ({ workload, direction, peer, conn, some }) => ({
          workload,
          direction,
          peer: exposurePeerJson(peer),
          conn: connJson(conn),
          ...(some === undefined ? {} : { varies: true, some: connJson(some) }),
        })),
        items('unprotected', report.unprotected, ({ workload, direction }) => ({ workload, direction })),
        items('unspecified', report.unspecified, same),
      ];
    case 'DiffReport':
      return [
        items('changes', report.changes, changeJson),
        items('partialChanges', report.partialChanges, changeJson),
        items('unspecified', report.unspecified, same),
        items('ingressControllerChanges', report.ingressControllerChanges, changeJson),
      ];
    case 'QueryReport':
      return [items('flows', report.flows, answerJson)];
    case 'Explanation':
      return [
        // A question may hold any key; the document's own come first and win.
        ...Object.entries(answerJson(report))
          .filter(([key]) => !OWN_KEYS.has(key))
          .map(([key, of]) => value(key, of)),
        items('considered', report.considered, stepJson),
        items('fixes', report.fixes, ({ text, policy, yaml }) => ({ text, policy, yaml })),
        ...(report.byPorts === undefined
          ? []
          : [items('byPorts', report.byPorts, (part) => ({ ports: connJson(part.ports), ...verdictJson(part) }))]),
      ];
    case 'PoliciesReport':
      return [
        items('workloads', report.workloads, ({ workload, ingress, egress }) => ({
          workload,
          ingress: directionJson(ingress),
          egress: directionJson(egress),
        })),
        items('selectNothing', report.selectNothing, same),
      ];
    case 'ValidationReport':
      return [];
    case 'ProbeReport':
      return [
        value('where', report.where),
        value('via', report.via),
        items('flows', report.flows, probedJson),
        items('counts', report.counts, ({ expected, observed, flows }) => ({ expected, observed, flows })),
        value('disagreements', report.disagreements),
        value('disagreedAtFirst', report.disagreedAtFirst),
        value('unverifiable', report.unverifiable),
        items('skipped', report.skipped, ({ what, because, flows }) => ({ what, because, flows })),
        value('attempts', report.attempts),
        value('seconds', report.seconds),
      ];
    case 'SmokeReport':
      return [
        value('where', report.where),
        value('enforced', report.enforced),
        value('by', report.by),
        items('evidence', report.evidence, same),
        items('checks', report.checks, (check) => ({ ...check })),
        items('skipped', report.skipped, ({ what, because, flows }) => ({ what, because, flows })),
        value('seconds', report.seconds),
      ];
  }
}

function probedJson(flow: ProbedFlow): Json {
  const { observed, agrees, unverifiable, detail, attempts, rounds, trace } = flow;
  return {
    ...answerJson(flow),
    observed,
    agrees,
    ...(unverifiable === null ? {} : { unverifiable }),
    detail,
    rounds,
    attempts: attempts.map(({ from, to, observed: seen, detail: what, ms, round }) => ({
      from,
      to,
      observed: seen,
      detail: what,
      ms,
      round,
    })),
    ...(trace.length === 0 ? {} : { trace }),
  };
}

/** The conn as the JSON contract has it, protocols in the order TCP, UDP, SCTP. */
export function connJson(conn: Conn): Json {
  if (conn === 'all') return 'all';
  const out: { [key: string]: Json } = {};
  for (const protocol of PORT_PROTOCOLS) {
    const ranges = conn[protocol];
    if (ranges !== undefined) out[protocol] = ranges;
  }
  if (conn.named !== undefined) out.named = conn.named.map(({ protocol, port }) => ({ protocol, port }));
  return out;
}

function selectorJson(selector: LabelSelectorText): Json {
  const out: { [key: string]: Json } = {};
  if (selector.matchLabels !== undefined) out.matchLabels = selector.matchLabels;
  if (selector.matchExpressions !== undefined) {
    out.matchExpressions = selector.matchExpressions.map(({ key, operator, values }) =>
      values === undefined ? { key, operator } : { key, operator, values },
    );
  }
  return out;
}

function exposurePeerJson(peer: ExposurePeer): Json {
  if ('entireCluster' in peer) return { entireCluster: true };
  if ('range' in peer) return { range: peer.range };
  const out: { [key: string]: Json } = {};
  if (peer.namespace !== undefined) out.namespace = peer.namespace;
  if (peer.namespaceSelector !== undefined) out.namespaceSelector = selectorJson(peer.namespaceSelector);
  if (peer.allNamespaces !== undefined) out.allNamespaces = true;
  if (peer.podSelector !== undefined) out.podSelector = selectorJson(peer.podSelector);
  if (peer.allPods !== undefined) out.allPods = true;
  return out;
}

function changeJson(change: DiffChange): Json {
  const { type, src, dst, before, after, varies, someBefore, someAfter, workloads } = change;
  return {
    type,
    src,
    dst,
    before: connJson(before),
    after: connJson(after),
    ...(varies === undefined ? {} : { varies }),
    ...(someBefore === undefined ? {} : { someBefore: connJson(someBefore) }),
    ...(someAfter === undefined ? {} : { someAfter: connJson(someAfter) }),
    ...(workloads === undefined ? {} : { workloads }),
  };
}

function originJson(origin: Origin | null): Json {
  if (origin === null) return null;
  const { source } = origin.object;
  if (source === null) return { object: objectId(origin.object) };
  const { line, column } = source.locate(origin.field);
  return { file: source.file, line, column };
}

function reasonJson(reason: Reason): Json {
  const { kind, policy, rule, tier, action, text, origin } = reason;
  return { kind, policy, rule, tier, action, text, origin: originJson(origin) };
}

function endJson(end: EndVerdict | null): Json {
  if (end === null) return null;
  return { verdict: end.verdict, decidedBy: end.decidedBy, reasons: end.reasons.map(reasonJson) };
}

function verdictJson(verdict: Verdict): { readonly [key: string]: Json } {
  return {
    verdict: verdict.verdict,
    ...(verdict.undefinedBecause === null ? {} : { undefinedBecause: verdict.undefinedBecause }),
    caveats: verdict.caveats,
    egress: endJson(verdict.egress),
    ingress: endJson(verdict.ingress),
  };
}

function answerJson(answer: FlowAnswer): { readonly [key: string]: Json } {
  return { ...answer.question, ...verdictJson(answer) };
}

function consideredJson(policy: ConsideredPolicy): Json {
  return {
    policy: policy.policy,
    isolates: policy.isolates,
    rules: policy.rules.map(({ rule, action, outcome, text, origin }) => ({
      rule,
      action,
      outcome,
      text,
      origin: originJson(origin),
    })),
    origin: originJson(policy.origin),
  };
}

function stepJson(step: TierStep): Json {
  const { direction, plane, tier, outcome } = step;
  return { direction, plane, tier, outcome, policies: step.policies.map(consideredJson) };
}

function directionJson({ isolated, policies }: WorkloadDirection): Json {
  return { isolated, policies: policies.map(appliedJson) };
}

function appliedJson(policy: AppliedPolicy): Json {
  return {
    policy: policy.policy,
    tier: policy.tier,
    isolates: policy.isolates,
    rules: policy.rules.map(({ rule, action, text, origin }) => ({ rule, action, text, origin: originJson(origin) })),
    origin: originJson(policy.origin),
  };
}

/** Where a diagnostic points: the position of its field, or of the file that holds no object. */
export function placeOf(diagnostic: Diagnostic): {
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
} {
  const source = diagnostic.origin?.object.source ?? null;
  if (diagnostic.origin !== null && source !== null) {
    const { line, column } = source.locate(diagnostic.origin.field);
    return { file: source.file, line, column };
  }
  const at = diagnostic.at;
  return { file: at?.file ?? null, line: at?.line ?? null, column: at?.column ?? null };
}

/** A diagnostic in the JSON contract's shape; what is not known is `null`. */
export function diagnosticJson(diagnostic: Diagnostic): Json {
  const { origin } = diagnostic;
  return {
    code: diagnostic.code,
    severity: diagnostic.severity,
    message: diagnostic.message,
    help: diagnostic.help ?? null,
    object: origin === null ? null : objectId(origin.object),
    apiVersion: origin?.object.apiVersion ?? null,
    field: origin?.field ?? null,
    refused: diagnostic.refused ?? false,
    ...placeOf(diagnostic),
  };
}
