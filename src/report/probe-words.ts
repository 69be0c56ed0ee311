import { questionPorts, questionText } from './questions.ts';
import type { ProbedFlow, ProbeReport } from './report.ts';
import { endsOf } from './report.ts';

/** How all flows from one end to another came out together. */
export type PairOutcome = 'allowed' | 'denied' | 'mixed' | 'disagrees' | 'unverifiable';

/** The flows of a report by their two ends. */
export interface ProbeMatrix {
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  outcome(source: string, destination: string): PairOutcome | null;
}

/** Puts flows with the same ends together. */
export function matrixOf(flows: readonly ProbedFlow[]): ProbeMatrix {
  const sources = new Set<string>();
  const destinations = new Set<string>();
  const cells = new Map<string, PairOutcome>();
  for (const flow of flows) {
    const [src, dst] = [questionText(flow.question, 'src'), questionText(flow.question, 'dst')];
    sources.add(src);
    destinations.add(dst);
    const key = JSON.stringify([src, dst]);
    cells.set(key, joined(cells.get(key), outcomeOf(flow)));
  }
  return {
    sources: [...sources].sort(),
    destinations: [...destinations].sort(),
    outcome: (source, destination) => cells.get(JSON.stringify([source, destination])) ?? null,
  };
}

function outcomeOf(flow: ProbedFlow): PairOutcome {
  if (!flow.agrees) return 'disagrees';
  if (flow.unverifiable !== null || flow.observed === 'error') return 'unverifiable';
  return flow.observed;
}

function joined(before: PairOutcome | undefined, next: PairOutcome): PairOutcome {
  if (before === undefined || before === next) return next;
  if (before === 'disagrees' || next === 'disagrees') return 'disagrees';
  if (before === 'unverifiable') return next;
  return next === 'unverifiable' ? before : 'mixed';
}

/** `shop/web → shop/db TCP 5432`. */
export function flowName({ question }: ProbedFlow): string {
  return `${questionText(question, 'src')} → ${questionText(question, 'dst')} ${questionPorts(question)}`;
}

/** What the policies say of a flow, end by end. */
export function expectedBecause(flow: ProbedFlow): readonly string[] {
  return endsOf(flow).flatMap(({ direction, verdict, decidedBy, reasons }) => {
    const [first] = reasons;
    const by = decidedBy === null ? '' : ` by ${decidedBy}`;
    return [`${direction} ${verdict}${by}${first === undefined ? '' : `: ${first.text}`}`];
  });
}

/** `12 flows: 10 agree, 1 disagrees, 1 could not be compared`. */
export function probeHeadline(report: ProbeReport): string {
  const agree = report.flows.length - report.disagreements - report.unverifiable;
  const parts = [
    `${agree} agree`,
    ...(report.disagreements > 0 ? [`${report.disagreements} disagree`] : []),
    ...(report.unverifiable > 0 ? [`${report.unverifiable} could not be compared`] : []),
  ];
  return `${report.flows.length} flow${report.flows.length === 1 ? '' : 's'} in ${report.where}: ${parts.join(', ')}`;
}
