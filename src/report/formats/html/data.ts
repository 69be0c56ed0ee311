import { byText } from '../../../base/order.ts';
import { PORT_PROTOCOLS } from '../../../model/match.ts';
import type { Conn, ConnectivityEntry, ConnectivityReport } from '../../../model/report.ts';
import { entryFormatter, formatConn, isAll, isNone, namedPortsOf, portsOf } from '../../conn.ts';
import { placeOf } from '../../document.ts';
import type { Explanations } from '../../explanations.ts';
import { groupExposure } from '../../exposure-peers.ts';
import type { PageParts } from '../../format.ts';
import { peerNames } from '../../peers.ts';
import { placeText } from '../../questions.ts';
import type { Json } from '../../report.ts';
import { classesOf, countConnectivity, SOME_NOTE, shownIn } from '../../rows.ts';
import { visible } from '../../visible.ts';

/** Values of a matrix row that are no conn; conn `i` is `i + FIRST_CONN`. */
const DENIED = 0;
const UNSPECIFIED = 1;
const FIRST_CONN = 2;

/**
 * What the page's script works on. Rows of the matrix are run-length encoded (`value, count, …`): a cluster's matrix is
 * mostly long runs, so that 1,000 workloads take kilobytes instead of megabytes.
 */
export function pageData(report: ConnectivityReport, page: PageParts): Json {
  const names = peerNames(report.peers);
  // Namespaces stay together, what is outside comes last; explanations follow the report's own order.
  const listed = classesOf(report);
  const sortKey = (name: string): string => `${names.namespaceOf(name) === null ? 1 : 0}${names.one(name)}`;
  const from = listed
    .map((_, i) => i)
    .sort((a, b) => {
      const [one, other] = [listed[a], listed[b]];
      return one === undefined || other === undefined ? 0 : byText(sortKey(one.name), sortKey(other.name)) || a - b;
    });
  const peers = from.flatMap((i) => listed[i] ?? []);
  const index = new Map(peers.map(({ name }, i) => [name, i]));
  const conns: Json[] = [];
  const connIndex = new Map<string, number>();
  const format = entryFormatter();
  const openPairs = new Set(report.unspecified.map(([src, dst]) => JSON.stringify([src, dst])));
  const codeOf = (entry: ConnectivityEntry, open: boolean): number => {
    const text = open ? `${format(entry)}, the rest unspecified` : format(entry);
    let known = connIndex.get(text);
    if (known === undefined) {
      known = conns.length + FIRST_CONN;
      connIndex.set(text, known);
      conns.push(connData(text, entry, open));
    }
    return known;
  };
  const cells = new Map<number, [number, number][]>();
  const put = (src: string, dst: string, value: number): void => {
    const [i, j] = [index.get(src), index.get(dst)];
    if (i === undefined || j === undefined) return;
    const row = cells.get(i);
    if (row === undefined) cells.set(i, [[j, value]]);
    else row.push([j, value]);
  };
  for (const entry of report.allowed) {
    const open = openPairs.size > 0 && openPairs.delete(JSON.stringify([entry.src, entry.dst]));
    put(entry.src, entry.dst, codeOf(entry, open));
  }
  for (const [src, dst] of report.unspecified) {
    if (openPairs.has(JSON.stringify([src, dst]))) put(src, dst, UNSPECIFIED);
  }

  const namespaces = [...new Set(report.peers.map(names.namespaceOf))].filter((name) => name !== null).sort();
  const number = new Map(namespaces.map((name, i) => [name, i]));
  const exposure = page.exposure === undefined ? null : groupExposure(page.exposure);
  return {
    title: visible(page.title ?? 'Connectivity'),
    counts: { ...countConnectivity(report) },
    namespaces: namespaces.map(visible),
    // Name, full name, namespace (-1 outside), members.
    peers: peers.map(({ name, members }) => [
      names.one(name),
      visible(name),
      number.get(names.namespaceOf(name) ?? '') ?? -1,
      members.length > 1 ? members.map(names.one) : [],
    ]),
    // Where the report is cut: whether any pair of the peer may be listed. Pairs of two others are left out, not denied.
    shown: report.shown === undefined ? null : peers.map(({ members }) => members.some(shownIn(report))),
    conns,
    rows: peers.map((_, i) => encode(cells.get(i) ?? [], peers.length)),
    someNote: report.allowed.some((entry) => entry.some !== undefined) ? SOME_NOTE : null,
    because: report.unspecifiedBecause.map(({ because, pairs }) => [visible(because), pairs]),
    ingress: report.ingressController.map(({ dst, conn }) => [names.one(dst), formatConn(conn)]),
    replicas: report.replicas.map(({ workload, conn }) => [names.one(workload), formatConn(conn)]),
    diagnostics: report.diagnostics.map((diagnostic) => {
      const { file, line, column } = placeOf(diagnostic);
      const place = [file, line, column].filter((part) => part !== null).join(':');
      return [
        diagnostic.severity,
        diagnostic.code,
        visible(diagnostic.message),
        visible(place),
        visible(diagnostic.help ?? ''),
      ];
    }),
    exposure:
      exposure === null
        ? null
        : {
            rows: exposure.rows.map((row) => [row.workload, row.direction, row.peer, row.ports]),
            unprotected: { ingress: exposure.unprotected.ingress, egress: exposure.unprotected.egress },
          },
    why: page.explanations === undefined ? null : whyData(page.explanations, from),
  };
}

function connData(text: string, entry: { readonly conn: Conn; readonly some?: Conn }, open: boolean): Json {
  return {
    text,
    state: open ? 'open' : isAll(entry.conn) ? 'all' : isNone(entry.conn) ? 'some' : 'ports',
    ports: portsData(entry.conn),
    some: entry.some === undefined ? null : portsData(entry.some),
  };
}

function portsData(conn: Conn): Json {
  return {
    ranges: PORT_PROTOCOLS.map((protocol) => portsOf(conn, protocol)),
    names: namedPortsOf(conn).map((name) => visible(name.port)),
  };
}

function encode(cells: readonly (readonly [number, number])[], width: number): Json {
  const sorted = [...cells].sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  const push = (value: number, count: number): void => {
    if (count <= 0) return;
    if (out.length > 0 && out[out.length - 2] === value) out[out.length - 1] = (out.at(-1) ?? 0) + count;
    else out.push(value, count);
  };
  let at = 0;
  for (const [j, value] of sorted) {
    push(DENIED, j - at);
    push(value, 1);
    at = j + 1;
  }
  push(DENIED, width - at);
  return out;
}

/** `value, count, …`. */
function runs(values: readonly number[]): Json {
  const out: number[] = [];
  for (const value of values) {
    if (out.length > 0 && out[out.length - 2] === value) out[out.length - 1] = (out.at(-1) ?? 0) + 1;
    else out.push(value, 1);
  }
  return out;
}

/**
 * Reasons repeat the same sentences about other names ten thousands of times, so `strings` holds the sentences without
 * what they quote, and the quotes.
 */
function whyData(explanations: Explanations, order: readonly number[]): Json {
  const strings: string[] = [];
  const ids = new Map<string, number>();
  const id = (text: string): number => {
    let known = ids.get(text);
    if (known === undefined) {
      known = strings.push(text) - 1;
      ids.set(text, known);
    }
    return known;
  };
  return {
    // Kind, policy and rule, place, sentence, then what fills its gaps.
    reasons: explanations.reasons.map((reason) => {
      const text = visible(reason.text);
      const pieces = text.split('`');
      // A quote that does not end leaves the text as it is.
      const whole = pieces.length % 2 === 0;
      return [
        id(reason.kind),
        id(visible([reason.policy, reason.rule].filter((part) => part !== null).join(' '))),
        id(visible(placeText(reason.origin))),
        id(whole ? text : pieces.filter((_, at) => at % 2 === 0).join('`')),
        ...(whole ? [] : pieces.filter((_, at) => at % 2 === 1).map(id)),
      ];
    }),
    ends: explanations.ends.map((end) => [
      end.verdict,
      end.decidedBy === null ? null : id(visible(end.decidedBy)),
      end.reasons,
    ]),
    strings,
    // Protocol by protocol: first port and end of each span; the last one ends at 65535.
    stories: explanations.stories.map((spans) =>
      PORT_PROTOCOLS.map((protocol) =>
        spans.filter((span) => span.protocol === protocol).flatMap((span) => [span.first, span.end]),
      ),
    ),
    classOf: order.map((i) => explanations.classOf[i] ?? -1),
    width: explanations.classes,
    egress: runs(explanations.egress),
    ingress: runs(explanations.ingress),
  };
}
