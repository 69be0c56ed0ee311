import { DIRECTIONS } from '../../../model/program.ts';
import type { ExposureReport } from '../../../model/report.ts';
import { groupExposure } from '../../exposure-peers.ts';
import type { RenderOptions } from '../../format.ts';
import { pairsText, plural } from './connectivity.ts';
import { painter } from './paint.ts';
import { type Cell, table, wrap } from './table.ts';

/** Who could reach each workload and where it could go, then what no policy protects. */
export function* exposureText(report: ExposureReport, options: RenderOptions): Generator<string> {
  const paint = painter(options.colour);
  const { rows, unprotected } = groupExposure(report);
  let workload: string | null = null;
  let block: (readonly Cell[])[] = [];
  const flush = function* (): Generator<string> {
    if (workload === null) return;
    yield paint('heading', workload);
    yield* table(block, { indent: '  ', flexible: [1], width: options.width }, paint);
    yield '';
    block = [];
  };
  for (const row of rows) {
    if (row.workload !== workload) {
      yield* flush();
      workload = row.workload;
    }
    block.push([
      { text: row.direction === 'ingress' ? 'from' : 'to', style: 'dim' },
      { text: row.peer, style: row.external ? 'warning' : 'plain' },
      { text: row.ports, style: row.ports === 'none' ? 'denied' : 'allowed' },
    ]);
  }
  yield* flush();

  for (const direction of DIRECTIONS) {
    const parts = unprotected[direction];
    if (parts.length === 0) continue;
    yield paint('heading', `no policy restricts ${direction} of`);
    const width = options.width === undefined ? Number.POSITIVE_INFINITY : options.width - 2;
    for (const part of parts) for (const line of wrap(part, width)) yield `  ${paint('warning', line)}`;
    yield '';
  }
  const count = (direction: string): number =>
    report.unprotected.filter((entry) => entry.direction === direction).length;
  const workloads = new Set([...report.entries, ...report.unprotected].map((entry) => entry.workload)).size;
  yield `${plural(workloads, 'workload')}: ${paint('warning', `${count('ingress')} without ingress protection, ${count('egress')} without egress protection`)}${
    report.unspecified.length > 0
      ? `, ${paint('undefined', `${pairsText(report.unspecified.length)} unspecified`)}`
      : ''
  }`;
}
