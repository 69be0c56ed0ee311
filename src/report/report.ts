import type { Diagnostic } from '../model/diagnostic.ts';
import type { Origin } from '../model/origin.ts';
import type { Direction, Plane } from '../model/program.ts';
import type { Conn, ConnectivityReport, DiffReport, ExposureReport } from '../model/report.ts';
import type { EndVerdict, Verdict, VerdictKind } from '../model/verdict.ts';

/** Plain data as JSON knows it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A question as the user wrote it; reports repeat it verbatim. */
export type FlowQuestion = Readonly<Record<string, Json>>;

/** One question with its verdict. */
export interface FlowAnswer extends Verdict {
  readonly question: FlowQuestion;
}

/** One answer per question, in the order of the questions. */
export interface QueryReport {
  readonly kind: 'QueryReport';
  readonly flows: readonly FlowAnswer[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What a connection attempt showed; `error` where neither can be said. */
export type Observed = 'allowed' | 'denied' | 'error';

/** One connection attempt, as it was made. */
export interface ProbeAttempt {
  /** The pod, node or address that connected. */
  readonly from: string;
  /** `10.1.2.3:80/tcp`. */
  readonly to: string;
  readonly observed: Observed;
  /** `answered`, `no answer in 1000 ms`, … */
  readonly detail: string;
  readonly ms: number;
  /** 1 for the first time; disagreements are asked again. */
  readonly round: number;
}

/** One question, what the policies say, and what was seen. */
export interface ProbedFlow extends FlowAnswer {
  readonly observed: Observed;
  /** `false` where something else was seen than expected, or nothing could be seen that should have been. */
  readonly agrees: boolean;
  /** Why nothing was compared: the verdict is undefined, or nobody could see here; `null` where it was. */
  readonly unverifiable: string | null;
  /** What was seen, in words. */
  readonly detail: string;
  /** The attempts of the last round. */
  readonly attempts: readonly ProbeAttempt[];
  /** How often it was asked. */
  readonly rounds: number;
  /** The way of the packet through the table, for disagreements where the kernel could be watched. */
  readonly trace: readonly string[];
}

/** How often a verdict met an observation. */
export interface ProbeCount {
  readonly expected: VerdictKind;
  readonly observed: Observed;
  readonly flows: number;
}

/** Flows that were not asked, and why. */
export interface ProbeSkipped {
  readonly what: string;
  readonly because: string;
  readonly flows: number;
}

/** Verdicts held against real connections. */
export interface ProbeReport {
  readonly kind: 'ProbeReport';
  /** `lab demo`, `context production`. */
  readonly where: string;
  /** How it was asked: `pods of the lab`, `probe pods (image …)`, … */
  readonly via: string;
  readonly flows: readonly ProbedFlow[];
  /** Expected × observed, only what occurs. */
  readonly counts: readonly ProbeCount[];
  /** Flows that disagreed at first; `flows` tells which still do after they were asked again. */
  readonly disagreedAtFirst: number;
  readonly disagreements: number;
  readonly unverifiable: number;
  readonly skipped: readonly ProbeSkipped[];
  readonly attempts: number;
  readonly seconds: number;
  readonly diagnostics: readonly Diagnostic[];
}

/** Whether one kind of traffic is policed on one way. */
export interface SmokeCheck {
  readonly direction: Direction;
  readonly protocol: 'TCP' | 'UDP';
  readonly family: 4 | 6;
  readonly placement: 'same-node' | 'across-nodes';
  readonly source: string;
  readonly destination: string;
  /** Before any policy. */
  readonly without: Observed;
  /** With a policy that denies it, when the time was up or it took effect. */
  readonly denied: Observed;
  /** After the policy was deleted. */
  readonly after: Observed;
  /** From the creation of the policy to the first look that saw its effect; `null` where none did. */
  readonly seconds: number | null;
  readonly enforced: 'yes' | 'no' | 'unknown';
  readonly detail: string;
}

/** Whether a live cluster enforces policies at all. */
export interface SmokeReport {
  readonly kind: 'SmokeReport';
  readonly where: string;
  /** `partly`: some ways are policed, others are not. */
  readonly enforced: 'yes' | 'partly' | 'no' | 'unknown';
  /** What the cluster's objects say of who should. */
  readonly by: string | null;
  readonly evidence: readonly string[];
  readonly checks: readonly SmokeCheck[];
  readonly skipped: readonly ProbeSkipped[];
  readonly seconds: number;
  readonly diagnostics: readonly Diagnostic[];
}

/** A rule that was looked at, and what came of it. */
export interface ConsideredRule {
  /** Field path in the policy, e.g. `spec.ingress[0]`. */
  readonly rule: string;
  readonly action: 'allow' | 'deny' | 'pass';
  readonly outcome: 'decides' | 'matches' | 'near-miss' | 'no-match';
  /** Why: `port 8080 is not 80`. */
  readonly text: string;
  readonly origin: Origin | null;
}

/** A policy whose subject selects the end, in evaluation order. */
export interface ConsideredPolicy {
  /** `Kind/namespace/name` or `Kind/name`. */
  readonly policy: string;
  readonly isolates: boolean;
  readonly rules: readonly ConsideredRule[];
  readonly origin: Origin | null;
}

/** One tier on the way through one end, in evaluation order. */
export interface TierStep {
  readonly direction: Direction;
  readonly plane: Plane;
  readonly tier: string;
  /** `isolated`: no rule matched and a policy isolates the end; `next`: left undecided; `unread`: its policies are unknown. */
  readonly outcome: 'allow' | 'deny' | 'pass' | 'isolated' | 'next' | 'unread' | 'not-reached';
  readonly policies: readonly ConsideredPolicy[];
}

/** A change that would turn the verdict. */
export interface Fix {
  readonly text: string;
  /** The policy to change; `null` for a new one. */
  readonly policy: string | null;
  /** What to add, as YAML; `null` where a sentence is enough. */
  readonly yaml: string | null;
}

/** The verdict for some of the ports, when the question names none. */
export interface ExplainedPorts extends Verdict {
  readonly ports: Conn;
}

/** One answer with all that was looked at. */
export interface Explanation extends FlowAnswer {
  readonly kind: 'Explanation';
  /** Ends in the order of the packet (egress first), planes and tiers in evaluation order. */
  readonly considered: readonly TierStep[];
  readonly fixes: readonly Fix[];
  /** Present when no port was named and ports differ; the verdict itself is then that of all ports together. */
  readonly byPorts?: readonly ExplainedPorts[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What one rule adds at a workload. */
export interface AppliedRule {
  readonly rule: string;
  readonly action: 'allow' | 'deny' | 'pass';
  /** Peers and ports in words. */
  readonly text: string;
  readonly origin: Origin | null;
}

/** A policy that selects a workload, with the rules that it has in one direction. */
export interface AppliedPolicy {
  readonly policy: string;
  readonly tier: string;
  readonly isolates: boolean;
  readonly rules: readonly AppliedRule[];
  readonly origin: Origin | null;
}

export interface WorkloadDirection {
  readonly isolated: boolean;
  readonly policies: readonly AppliedPolicy[];
}

export interface WorkloadPolicies {
  /** `namespace/name[Kind]`. */
  readonly workload: string;
  readonly ingress: WorkloadDirection;
  readonly egress: WorkloadDirection;
}

/** For each workload: isolated or not, and the policies that select it. */
export interface PoliciesReport {
  readonly kind: 'PoliciesReport';
  readonly workloads: readonly WorkloadPolicies[];
  /** Policies whose subject selects no workload. */
  readonly selectNothing: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What an API server, or the kind's own webhook, would reject. */
export interface ValidationReport {
  readonly kind: 'ValidationReport';
  readonly diagnostics: readonly Diagnostic[];
}

/** Every value that a format can render. */
export type Report =
  | ConnectivityReport
  | ExposureReport
  | DiffReport
  | QueryReport
  | Explanation
  | PoliciesReport
  | ValidationReport
  | ProbeReport
  | SmokeReport;

export type ReportKind = Report['kind'];

/** Both ends of an answer in the order of the packet, without those that were not asked for. */
export function endsOf(verdict: Pick<Verdict, 'egress' | 'ingress'>): readonly EndVerdict[] {
  return [verdict.egress, verdict.ingress].filter((end) => end !== null);
}
