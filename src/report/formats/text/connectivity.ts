import type { ConnectivityReport } from '../../../model/report.ts';
import { connFormatter } from '../../conn.ts';
import type { RenderOptions } from '../../format.ts';
import type { PeerNames } from '../../peers.ts';
import { type ConnectivityRow, countConnectivity, groupConnectivity, NOTHING, someNote } from '../../rows.ts';
import { painter, type Style } from './paint.ts';
import { table } from './table.ts';

const HEADER: readonly string[] = ['TO', 'FROM', 'PORTS'];
const INDENT = '  ';

/** The matrix by destination namespace, what is not known and why, and a line of figures. */
export function* connectivityText(report: ConnectivityReport, options: RenderOptions): Generator<string> {
  const paint = painter(options.colour);
  const { rows, names } = groupConnectivity(report);
  const shape = { indent: INDENT, flexible: [0, 1], width: options.width };
  let header: readonly string[] | undefined = HEADER;
  for (const section of sections(rows)) {
    yield paint('heading', section.title);
    let previous = '';
    const cells = section.rows.map((row) => {
      const repeated = row.destination === previous;
      previous = row.destination;
      return [
        { text: row.destination, style: repeated ? ('dim' as const) : ('plain' as const) },
        { text: row.source },
        { text: row.ports, style: portsStyle(row) },
      ];
    });
    yield* table(cells, header === undefined ? shape : { ...shape, header }, paint);
    header = undefined;
    yield '';
  }
  if (rows.length === 0) {
    const some = (report.shown ?? report.peers).some((peer) => peer.endsWith(']'));
    yield some ? paint('denied', 'nothing is allowed') : paint('warning', 'no workloads');
    yield '';
  }

  const grouped = (title: string, of: readonly { readonly peer: string; readonly ports: string }[]): string[] => {
    if (of.length === 0) return [];
    const lines = byPorts(of, names).map(([peers, ports]) => [
      { text: peers },
      { text: ports, style: 'allowed' as const },
    ]);
    return [paint('heading', title), ...table(lines, { ...shape, flexible: [0] }, paint), ''];
  };
  const format = connFormatter();
  yield* grouped(
    'from ingress controllers',
    report.ingressController.map(({ dst, conn }) => ({ peer: dst, ports: format(conn) })),
  );
  yield* grouped(
    'between replicas of one workload',
    report.replicas
      .map(({ workload, conn }) => ({ peer: workload, ports: format(conn) }))
      .filter((r) => r.ports !== 'none'),
  );

  if (report.unspecifiedBecause.length > 0) {
    yield paint('heading', 'unspecified because');
    const reasons = report.unspecifiedBecause.map(({ because, pairs }) => [
      { text: pairsText(pairs), style: 'undefined' as const },
      { text: because },
    ]);
    yield* table(reasons, shape, paint);
    yield '';
  }
  const starred = rows.some(({ source, destination }) => `${source} ${destination}`.includes('/*'));
  if (names.starUsed() && (report.shown === undefined || starred)) {
    yield paint('dim', 'shop/* stands for every workload of that namespace other than the one at the far end');
  }
  const note = someNote(rows);
  if (note !== null) yield paint('dim', note);
  yield summary(report, options);
}

function portsStyle(row: ConnectivityRow): Style {
  if (row.unspecified) return 'undefined';
  if (row.ports === NOTHING) return 'denied';
  return row.ports.startsWith(`${NOTHING} (`) ? 'warning' : 'allowed';
}

interface Section {
  readonly title: string;
  readonly rows: readonly ConnectivityRow[];
}

function sections(rows: readonly ConnectivityRow[]): readonly Section[] {
  const out: { readonly title: string; readonly rows: ConnectivityRow[] }[] = [];
  for (const row of rows) {
    const title =
      row.namespace === null
        ? 'to outside the cluster'
        : row.namespace === ''
          ? 'to several namespaces'
          : `to namespace ${row.namespace}`;
    const last = out.at(-1);
    if (last?.title === title) last.rows.push(row);
    else out.push({ title, rows: [row] });
  }
  return out;
}

function byPorts(
  of: readonly { readonly peer: string; readonly ports: string }[],
  names: PeerNames,
): readonly (readonly [string, string])[] {
  const sets = new Map<string, string[]>();
  for (const { peer, ports } of of) {
    const set = sets.get(ports);
    if (set === undefined) sets.set(ports, [peer]);
    else set.push(peer);
  }
  return [...sets].map(([ports, peers]) => [names.set(peers), ports] as const);
}

export function pairsText(count: number): string {
  return count === 1 ? '1 pair' : `${count} pairs`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function summary(report: ConnectivityReport, options: RenderOptions): string {
  const paint = painter(options.colour);
  const n = countConnectivity(report);
  const parts = [
    paint('allowed', `${n.allowed} allowed`) + (n.everyPort > 0 ? ` (${n.everyPort} on every port)` : ''),
    ...(n.partly > 0 ? [paint('warning', `${n.partly} for some pods only`)] : []),
    paint('denied', `${n.denied} denied`),
    ...(n.unspecified > 0 ? [paint('undefined', `${n.unspecified} unspecified`)] : []),
  ];
  if (report.shown !== undefined) {
    const known =
      n.allowed + n.partly + n.unspecified > 0
        ? parts.filter((part) => !part.includes(' denied'))
        : ['nothing allowed'];
    return `${report.shown.length} of ${plural(n.workloads, 'workload')} shown: ${known.join(', ')}, all else denied`;
  }
  const peers = `${plural(n.workloads, 'workload')}, ${plural(n.ranges, 'address range')}`;
  return `${peers}, ${pairsText(n.pairs)}: ${parts.join(', ')}`;
}
