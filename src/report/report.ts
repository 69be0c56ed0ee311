import type { Diagnostic } from '../model/diagnostic.ts';
import type { Origin } from '../model/origin.ts';
import type { Direction, Plane } from '../model/program.ts';
import type { Conn, ConnectivityReport, DiffReport, ExposureReport } from '../model/report.ts';
import type { EndVerdict, Verdict } from '../model/verdict.ts';

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
  | ValidationReport;

export type ReportKind = Report['kind'];

/** Both ends of an answer in the order of the packet, without those that were not asked for. */
export function endsOf(verdict: Pick<Verdict, 'egress' | 'ingress'>): readonly EndVerdict[] {
  return [verdict.egress, verdict.ingress].filter((end) => end !== null);
}
