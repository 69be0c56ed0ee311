import type { CompiledProgram } from '../engine/compiled/compile.ts';
import { type AskedEnd, answerQuestion } from '../engine/explain/answer.ts';
import { type Prepared, prepareExplain } from '../engine/explain/prepare.ts';
import { factsOf } from '../engine/match.ts';
import { type Group, pairTable } from '../engine/pairs.ts';
import type { ConnectivityReport } from '../model/report.ts';
import type { EndVerdict, Reason } from '../model/verdict.ts';
import type { ExplainedEnd, ExplainedSlice, Explanations } from '../report/explanations.ts';
import type { PageParts } from '../report/format.ts';
import type { Loaded } from './input-options.ts';

/** Above so many pairs of classes a page goes without reasons: it would take long, and be too large to open. */
const MOST_CELLS = 20_000;
/** So many reasons of one end are shown; the first decides. */
const MOST_REASONS = 6;

/** The reasons behind every pair of a page, by classes of peers that no policy tells apart. */
export function explanationsOf(
  loaded: Loaded,
  program: CompiledProgram,
  report: ConnectivityReport,
): Pick<PageParts, 'explanations'> {
  const { groups } = pairTable(program, loaded.cluster);
  if (groups.length * groups.length > MOST_CELLS) return {};
  const prepared = prepareExplain(loaded.program, factsOf(loaded.cluster));
  const pool = new Pool();
  const table: number[] = [];
  const cells: (readonly ExplainedSlice[])[] = [];
  for (const from of groups) {
    for (const to of groups) {
      const slices = slicesOf(prepared, from, to, pool);
      table.push(slices === null ? -1 : cells.push(slices) - 1);
    }
  }
  const groupOf = new Map(groups.flatMap((group) => group.members.map((member) => [member, group.index] as const)));
  const inClasses = new Set(report.classes?.flatMap(({ members }) => members));
  const rows = [
    ...(report.classes?.map(({ name }) => name) ?? []),
    ...report.peers.filter((peer) => !inClasses.has(peer)),
  ];
  const classes = rows.map((peer) => groupOf.get(peer) ?? 0);
  return {
    explanations: {
      reasons: pool.reasons,
      ends: pool.ends,
      cells,
      sourceClass: classes,
      destinationClass: classes,
      destinationClasses: groups.length,
      table,
    },
  };
}

/** Reasons and ends, each once. */
class Pool implements Pick<Explanations, 'reasons' | 'ends'> {
  readonly reasons: Reason[] = [];
  readonly ends: ExplainedEnd[] = [];
  readonly #reasonIds = new Map<string, number>();
  readonly #endIds = new Map<string, number>();

  end(end: EndVerdict): number {
    const reasons = end.reasons.slice(0, MOST_REASONS).map((reason) => this.#reason(reason));
    const entry: ExplainedEnd = { verdict: end.verdict, decidedBy: end.decidedBy, reasons };
    const key = JSON.stringify(entry);
    let id = this.#endIds.get(key);
    if (id === undefined) {
      id = this.ends.push(entry) - 1;
      this.#endIds.set(key, id);
    }
    return id;
  }

  #reason(reason: Reason): number {
    const key = [reason.kind, reason.policy, reason.rule, reason.text].join('|');
    let id = this.#reasonIds.get(key);
    if (id === undefined) {
      id = this.reasons.push(reason) - 1;
      this.#reasonIds.set(key, id);
    }
    return id;
  }
}

function slicesOf(prepared: Prepared, from: Group, to: Group, pool: Pool): readonly ExplainedSlice[] | null {
  const source = endOf(from, false);
  const destination = endOf(to, from === to);
  if (source === null || destination === null || (from.range !== null && to.range !== null)) return null;
  const asked = { source, destination, direction: null } as const;
  const { ports } = answerQuestion(prepared, { ...asked, protocol: null, port: null }, { reasons: 'deciding' });
  const out: ExplainedSlice[] = [];
  for (const { protocol, first, last } of ports ?? []) {
    const { egress, ingress } = answerQuestion(prepared, { ...asked, protocol, port: first });
    if (egress === null || ingress === null) continue;
    out.push({ protocol, first, last, egress: pool.end(egress), ingress: pool.end(ingress) });
  }
  return out;
}

/** A member of the group; another one than the first where a group is asked about itself. */
function endOf(group: Group, other: boolean): AskedEnd | null {
  if (group.range !== null)
    return { kind: 'external', address: { family: group.range.family, value: group.range.first } };
  const workload = group.workloads[other && group.workloads.length > 1 ? 1 : 0];
  return workload === undefined ? null : { kind: 'pods', pods: workload.pods, family: null };
}
