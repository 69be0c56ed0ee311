import type { Direction } from '../../../model/program.ts';
import type { RenderOptions } from '../../format.ts';
import { peerNames } from '../../peers.ts';
import { placeText } from '../../questions.ts';
import type { PoliciesReport, WorkloadDirection } from '../../report.ts';
import { visible } from '../../visible.ts';
import { plural } from './connectivity.ts';
import { type Paint, painter } from './paint.ts';

/** Each workload with the policies that select it and what their rules add; workloads that read alike together. */
export function* policiesText(report: PoliciesReport, options: RenderOptions): Generator<string> {
  const paint = painter(options.colour);
  const names = peerNames(report.workloads.map(({ workload }) => workload));
  const alike = new Map<string, { readonly members: string[]; readonly lines: readonly string[] }>();
  for (const { workload, ingress, egress } of report.workloads) {
    const lines = [
      ...directionLines('ingress', ingress, paint, options.verbose === true),
      ...directionLines('egress', egress, paint, options.verbose === true),
    ];
    const key = JSON.stringify([names.namespaceOf(workload), lines]);
    const group = alike.get(key);
    if (group === undefined) alike.set(key, { members: [workload], lines });
    else group.members.push(workload);
  }
  for (const { members, lines } of alike.values()) {
    yield paint('heading', names.set(members));
    yield* lines;
    yield '';
  }
  if (report.selectNothing.length > 0) {
    yield paint('heading', 'select no workload');
    for (const policy of report.selectNothing) yield `  ${paint('warning', policy)}`;
    yield '';
  }
  const isolated = (direction: Direction): number =>
    report.workloads.filter((workload) => workload[direction].isolated).length;
  yield `${plural(report.workloads.length, 'workload')}: ${isolated('ingress')} isolated for ingress, ${isolated('egress')} for egress`;
}

function* directionLines(
  direction: Direction,
  of: WorkloadDirection,
  paint: Paint,
  verbose: boolean,
): Generator<string> {
  const state = of.isolated ? paint('denied', 'isolated') : paint('warning', 'not isolated');
  const why = of.isolated ? 'only what is allowed below' : 'everything that no rule denies';
  yield `  ${direction.padEnd(7)}  ${state}${paint('dim', `, ${why}`)}`;
  for (const policy of of.policies) {
    const place = verbose ? placeText(policy.origin) : '';
    const notes = [policy.tier, policy.isolates ? 'isolates' : '', place].filter((part) => part !== '').join(', ');
    yield `    ${visible(policy.policy)} ${paint('dim', `(${notes})`)}`;
    for (const rule of policy.rules) {
      const style = rule.action === 'allow' ? 'allowed' : rule.action === 'deny' ? 'denied' : 'undefined';
      const at = verbose ? placeText(rule.origin) : '';
      yield `      ${paint(style, rule.action.padEnd(5))}  ${visible(rule.text)}${at === '' ? '' : `  ${paint('dim', at)}`}`;
    }
  }
}
