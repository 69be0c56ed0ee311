import { byText } from '../base/order.ts';
import type { Direction } from '../model/program.ts';
import type { ExposurePeer, ExposureReport, LabelSelectorText } from '../model/report.ts';
import { entryFormatter } from './conn.ts';
import { type PeerNames, peerNames } from './peers.ts';
import { visible } from './visible.ts';

/** A LabelSelector in kubectl's short form. */
export function formatLabelSelector(selector: LabelSelectorText): string {
  const parts = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const list = (values ?? []).join(',');
    if (operator === 'Exists') parts.push(key);
    else if (operator === 'DoesNotExist') parts.push(`!${key}`);
    else parts.push(`${key} ${operator === 'NotIn' ? 'notin' : operator === 'In' ? 'in' : operator} (${list})`);
  }
  return visible(parts.join(','));
}

/** A class of peers in words. */
export function formatExposurePeer(peer: ExposurePeer, names: PeerNames): string {
  if ('entireCluster' in peer) return 'any pod of the cluster';
  if ('range' in peer) return names.one(peer.range);
  const pods =
    peer.podSelector === undefined || formatLabelSelector(peer.podSelector) === ''
      ? 'any pod'
      : `pods ${formatLabelSelector(peer.podSelector)}`;
  if (peer.namespace !== undefined) return `${pods} in namespace ${visible(peer.namespace)}`;
  if (peer.namespaceSelector !== undefined) {
    const labels = formatLabelSelector(peer.namespaceSelector);
    return labels === '' ? `${pods} in any namespace` : `${pods} in namespaces ${labels}`;
  }
  return `${pods} in any namespace`;
}

/** One line: workloads that are exposed alike to one class of peers. */
export interface ExposureRow {
  readonly workload: string;
  readonly direction: Direction;
  readonly peer: string;
  readonly ports: string;
  readonly external: boolean;
}

export interface GroupedExposure {
  readonly rows: readonly ExposureRow[];
  /** In words, grouped; per direction. */
  readonly unprotected: Readonly<Record<Direction, readonly string[]>>;
  readonly names: PeerNames;
}

/** The rows with workloads of one namespace that have equal rows put together. */
export function groupExposure(report: ExposureReport): GroupedExposure {
  const workloads = new Set<string>();
  const ranges = new Set<string>();
  for (const entry of report.entries) {
    workloads.add(entry.workload);
    if ('range' in entry.peer) ranges.add(entry.peer.range);
  }
  for (const entry of report.unprotected) workloads.add(entry.workload);
  const names = peerNames([...workloads, ...ranges], { partial: true });
  const format = entryFormatter();
  const own = new Map<string, { direction: Direction; peer: string; ports: string; external: boolean }[]>();
  for (const entry of report.entries) {
    const { workload, direction, peer } = entry;
    const row = { direction, peer: formatExposurePeer(peer, names), ports: format(entry), external: 'range' in peer };
    const list = own.get(workload);
    if (list === undefined) own.set(workload, [row]);
    else list.push(row);
  }
  const alike = new Map<string, string[]>();
  const rowsOf = new Map<string, readonly { direction: Direction; peer: string; ports: string; external: boolean }[]>();
  for (const [workload, rows] of own) {
    const sorted = rows.sort(
      (a, b) =>
        -byText(a.direction, b.direction) ||
        Number(b.external) - Number(a.external) ||
        byText(a.peer, b.peer) ||
        byText(a.ports, b.ports),
    );
    const key = JSON.stringify([names.namespaceOf(workload), sorted]);
    rowsOf.set(key, sorted);
    const group = alike.get(key);
    if (group === undefined) alike.set(key, [workload]);
    else group.push(workload);
  }
  const groups = [...alike]
    .map(([key, members]) => ({ workload: names.set(members), rows: rowsOf.get(key) ?? [] }))
    .sort((a, b) => byText(a.workload, b.workload));
  const unprotected = (direction: Direction): readonly string[] =>
    names.parts(report.unprotected.filter((entry) => entry.direction === direction).map((entry) => entry.workload));
  return {
    rows: groups.flatMap(({ workload, rows }) => rows.map((row) => ({ workload, ...row }))),
    unprotected: { ingress: unprotected('ingress'), egress: unprotected('egress') },
    names,
  };
}
