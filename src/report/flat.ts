import { objectId } from '../model/origin.ts';
import { DIRECTIONS } from '../model/program.ts';
import type { DiffChange } from '../model/report.ts';
import { changeWord, connFormatter, entryFormatter } from './conn.ts';
import { placeOf } from './document.ts';
import { formatExposurePeer } from './exposure-peers.ts';
import { peerNames } from './peers.ts';
import { questionPorts, questionText } from './questions.ts';
import type { FlowAnswer, Report } from './report.ts';

/** A report as one table: a name per column and one row per pair, change, answer or finding. */
export interface FlatTable {
  readonly columns: readonly string[];
  readonly rows: Iterable<readonly string[]>;
}

/** The report as one table, ungrouped: for spreadsheets and scripts. */
export function flatten(report: Report): FlatTable {
  switch (report.kind) {
    case 'ConnectivityReport':
      return {
        columns: ['source', 'destination', 'verdict', 'ports', 'some_pods_ports'],
        rows: (function* () {
          const format = connFormatter();
          for (const { src, dst, conn, some } of report.allowed) {
            const ports = format(conn);
            yield [src, dst, ports === 'none' ? 'denied' : 'allowed', ports, some === undefined ? '' : format(some)];
          }
          for (const [src, dst] of report.unspecified) yield [src, dst, 'undefined', '', ''];
          for (const { dst, conn } of report.ingressController) {
            yield ['{ingress-controller}', dst, 'allowed', format(conn), ''];
          }
          for (const { workload, conn } of report.replicas) {
            const ports = format(conn);
            yield [workload, workload, ports === 'none' ? 'denied' : 'allowed', ports, ''];
          }
        })(),
      };
    case 'ExposureReport': {
      const names = peerNames([], { partial: true });
      return {
        columns: ['workload', 'direction', 'peer', 'ports'],
        rows: (function* () {
          const format = entryFormatter();
          for (const entry of report.entries) {
            yield [entry.workload, entry.direction, formatExposurePeer(entry.peer, names), format(entry)];
          }
          for (const { workload, direction } of report.unprotected) yield [workload, direction, 'unprotected', 'all'];
        })(),
      };
    }
    case 'DiffReport':
      return {
        columns: ['type', 'change', 'source', 'destination', 'before', 'after', 'note'],
        rows: (function* () {
          const format = connFormatter();
          const row = ({ type, src, dst, before, after, workloads }: DiffChange, note: string): readonly string[] => [
            type,
            changeWord(before, after),
            src,
            dst,
            format(before),
            format(after),
            workloads ?? note,
          ];
          for (const change of report.changes) yield row(change, '');
          for (const change of report.partialChanges) yield row(change, 'some pods only');
          for (const change of report.ingressControllerChanges) yield row(change, '');
          for (const [src, dst] of report.unspecified) yield ['unspecified', 'unspecified', src, dst, '', '', ''];
        })(),
      };
    case 'QueryReport':
      return answers(report.flows);
    case 'Explanation':
      return answers([report]);
    case 'PoliciesReport':
      return {
        columns: ['workload', 'direction', 'isolated', 'policy', 'tier', 'rule', 'action', 'text'],
        rows: (function* () {
          for (const workload of report.workloads) {
            for (const direction of DIRECTIONS) {
              const { isolated, policies } = workload[direction];
              const start = [workload.workload, direction, isolated ? 'yes' : 'no'];
              if (policies.length === 0) yield [...start, '', '', '', '', ''];
              for (const { policy, tier, rules } of policies) {
                if (rules.length === 0) yield [...start, policy, tier, '', '', ''];
                for (const { rule, action, text } of rules) yield [...start, policy, tier, rule, action, text];
              }
            }
          }
        })(),
      };
    case 'ProbeReport': {
      const { columns, rows } = answers(report.flows);
      const seen = [...rows].map((row, i) => {
        const flow = report.flows[i];
        return flow === undefined
          ? row
          : [...row, flow.observed, flow.agrees ? 'yes' : 'no', flow.unverifiable ?? '', flow.detail];
      });
      return { columns: [...columns, 'observed', 'agrees', 'unverifiable', 'detail'], rows: seen };
    }
    case 'SmokeReport':
      return {
        columns: [
          'direction',
          'protocol',
          'family',
          'placement',
          'source',
          'destination',
          'without_policy',
          'with_policy',
          'after_policy',
          'seconds',
          'enforced',
          'detail',
        ],
        rows: report.checks.map((check) => [
          check.direction,
          check.protocol,
          `IPv${check.family}`,
          check.placement,
          check.source,
          check.destination,
          check.without,
          check.denied,
          check.after,
          check.seconds === null ? '' : `${check.seconds}`,
          check.enforced,
          check.detail,
        ]),
      };
    case 'ValidationReport':
      return {
        columns: ['severity', 'code', 'object', 'field', 'message', 'help', 'refused', 'file', 'line', 'column'],
        rows: report.diagnostics.map((diagnostic) => {
          const { severity, code, origin, message, help, refused } = diagnostic;
          const { file, line, column } = placeOf(diagnostic);
          const object = origin === null ? '' : objectId(origin.object);
          const place = [file ?? '', line === null ? '' : `${line}`, column === null ? '' : `${column}`];
          return [severity, code, object, origin?.field ?? '', message, help ?? '', refused ? 'yes' : 'no', ...place];
        }),
      };
  }
}

function answers(flows: readonly FlowAnswer[]): FlatTable {
  return {
    columns: [
      'source',
      'destination',
      'ports',
      'verdict',
      'undefined_because',
      'egress',
      'egress_decided_by',
      'ingress',
      'ingress_decided_by',
    ],
    rows: flows.map(({ question, verdict, undefinedBecause, egress, ingress }) => [
      questionText(question, 'src'),
      questionText(question, 'dst'),
      questionPorts(question),
      verdict,
      undefinedBecause ?? '',
      egress?.verdict ?? '',
      egress?.decidedBy ?? '',
      ingress?.verdict ?? '',
      ingress?.decidedBy ?? '',
    ]),
  };
}
