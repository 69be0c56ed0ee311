/**
 * The engine as a library: pure functions over values, without Node, network or clock.
 *
 * Read manifests (or hand over objects), give them their meaning, then ask:
 *
 *     const { objects } = readManifests([{ file: 'policies.yaml', text }]);
 *     const { cluster, program } = inputOf(objects);
 *     const report = connectivity(new CompiledProgram(program, cluster), cluster);
 */

// ── the values themselves ───────────────────────────────────────────────────────────────────────────────────────
export {
  type Cidr,
  type Family,
  formatCidr,
  formatIp,
  formatRange,
  type Ip,
  type IpRange,
  parseCidr,
  parseIp,
} from './base/ip.ts';
export { type BuiltCluster, buildCluster, type ClusterOptions } from './cluster/build.ts';
// ── endpoints as users write them ───────────────────────────────────────────────────────────────────────────────
export { type ClusterIndex, indexCluster } from './cluster/cluster-index.ts';
export { type EndpointText, type ParsedEndpoint, type PortText, parseEndpoint } from './cluster/endpoint-text.ts';
export { type FindOptions, type FoundEndpoint, findEndpoint } from './cluster/find.ts';
export { CompiledProgram } from './engine/compiled/compile.ts';
export { flowOf, verdict } from './engine/compiled/evaluate.ts';
export { TrafficTable } from './engine/compiled/traffic.ts';
export { type ConnectivityOptions, connectivity, DEFAULT_PAIR_LIMIT } from './engine/connectivity/connectivity.ts';
export { diff, type Side } from './engine/diff.ts';
// ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────
export {
  type Answer,
  type AnswerOptions,
  type AskedEnd,
  answerQuestion,
  type PortLine,
  type Question,
} from './engine/explain/answer.ts';
export { type ExplainOptions, explainFlow, explainPrepared } from './engine/explain/explain.ts';
export { type Fix, type FixStep, proposeFix } from './engine/explain/fix.ts';
export {
  type PodPolicies,
  policiesFor,
  policiesOverview,
  type WorkloadPolicies,
} from './engine/explain/policies-view.ts';
export { type Prepared, prepareExplain } from './engine/explain/prepare.ts';
export { exposure } from './engine/exposure.ts';
export { type Facts, factsOf } from './engine/match.ts';
export { referenceVerdict } from './engine/reference.ts';
// ── from objects to a cluster and a program ─────────────────────────────────────────────────────────────────────
export { type Input, type InputOptions, inputOf } from './input/input.ts';
export { assemble, PROFILES, type Profile } from './kinds/assemble.ts';
export type { Fragment, PolicyKind, TierSlot } from './kinds/kind.ts';
export { kindOf, POLICY_KINDS, type PolicyReading, readPolicies } from './kinds/registry.ts';
export { dropDuplicates } from './manifest/duplicates.ts';
// ── from text to objects ────────────────────────────────────────────────────────────────────────────────────────
export type { Json, JsonObject, KubeObject, Reading } from './manifest/object.ts';
export { type ManifestInput, type ReadOptions, readManifests } from './manifest/read.ts';
export type {
  Backend,
  Cluster,
  ContainerPort,
  Missing,
  Namespace,
  Node,
  Pod,
  Route,
  Service,
  ServicePort,
  Workload,
} from './model/cluster.ts';
export { workloadId } from './model/cluster.ts';
export type { Diagnostic, Severity } from './model/diagnostic.ts';
export type { Endpoint, Flow } from './model/flow.ts';
export type { EndpointMatch, Match, NamespaceMatch, PortProtocol, Protocol, TrafficMatch } from './model/match.ts';
export type { ObjectRef, Origin, Position, Source } from './model/origin.ts';
export { objectId } from './model/origin.ts';
export type { Action, Direction, Plane, Policy, PolicyProgram, Rule, Tier } from './model/program.ts';
export type {
  Conn,
  ConnectivityEntry,
  ConnectivityReport,
  DiffChange,
  DiffReport,
  ExposureEntry,
  ExposurePeer,
  ExposureReport,
} from './model/report.ts';
export { formatSelector, type Labels, type Selector, selects } from './model/selector.ts';
export type { EndVerdict, Reason, Verdict, VerdictKind } from './model/verdict.ts';
// ── reports ─────────────────────────────────────────────────────────────────────────────────────────────────────
export type { Format, PageParts, RenderOptions } from './report/format.ts';
export { FORMATS, findFormat, formatsFor, render, renderChunks } from './report/registry.ts';
export type {
  Explanation,
  FlowAnswer,
  FlowQuestion,
  PoliciesReport,
  QueryReport,
  Report,
  ReportKind,
  ValidationReport,
} from './report/report.ts';
