import type { CompiledProgram } from '../engine/compiled/compile.ts';
import type { Group } from '../engine/connectivity/groups.ts';
import { pairTable } from '../engine/connectivity/pairs.ts';
import { allReasons } from '../engine/explain/all-reasons.ts';
import { prepareExplain } from '../engine/explain/prepare.ts';
import { factsOf } from '../engine/match.ts';
import type { ConnectivityReport } from '../model/report.ts';
import type { PageParts } from '../report/format.ts';
import { classesOf } from '../report/rows.ts';
import type { Loaded } from './input-options.ts';

/** Above so many pairs of classes a page goes without reasons: it would take long, and be too large to open. */
const MOST_CELLS = 250_000;

/** The reasons behind every pair of a page, by classes of peers that no policy tells apart. */
export function explanationsOf(
  loaded: Loaded,
  program: CompiledProgram,
  report: ConnectivityReport,
): Pick<PageParts, 'explanations'> {
  const groupOf = new Map(
    pairTable(program, loaded.cluster).groups.flatMap((group) =>
      group.members.map((member) => [member, group] as const),
    ),
  );
  const shown = report.shown === undefined ? null : new Set(report.shown.map((name) => groupOf.get(name)));
  // A part of a cluster is explained without the rest of it.
  const rows = classesOf(report).map(({ name }) => groupOf.get(name));
  const groups = [...new Set(rows.filter((group) => group !== undefined))];
  if (groups.length * groups.length > MOST_CELLS) return {};
  const index = new Map(groups.map((group, at) => [group, at]));
  const asked = (source: Group, destination: Group): boolean =>
    shown === null || shown.has(source) || shown.has(destination);
  const prepared = prepareExplain(loaded.program, factsOf(loaded.cluster));
  const reasons = allReasons(prepared, program, loaded.cluster, groups, asked);
  const classOf = rows.map((group) => (group === undefined ? -1 : (index.get(group) ?? -1)));
  return { explanations: { ...reasons, classOf } };
}
