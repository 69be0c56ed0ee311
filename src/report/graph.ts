import { byText } from '../base/order.ts';
import type { ConnectivityReport, DiffReport } from '../model/report.ts';
import { type ChangeWord, changeWord, connFormatter, entryFormatter } from './conn.ts';
import { parsePeer, peerNames } from './peers.ts';
import { membersOf } from './rows.ts';

export type EdgeState = 'allowed' | 'undefined' | ChangeWord;

export interface GraphNode {
  /** `n0`, `n1`, …: safe in every format whatever the name is. */
  readonly id: string;
  readonly peer: string;
  /** Without the namespace. */
  readonly label: string;
  /** `null` outside of the cluster. */
  readonly namespace: string | null;
}

/** Equal conns both ways are one edge with two heads. */
export interface GraphEdge {
  readonly from: GraphNode;
  readonly to: GraphNode;
  readonly label: string;
  readonly state: EdgeState;
  readonly both: boolean;
}

/** A report as nodes by namespace and labelled edges; `quiet` are peers without any edge. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

interface Line {
  readonly src: string;
  readonly dst: string;
  readonly label: string;
  readonly state: EdgeState;
}

/** Every allowed or unspecified pair as an edge. */
export function connectivityGraph(report: ConnectivityReport): Graph {
  const label = entryFormatter();
  const members = membersOf(report);
  const lines: Line[] = report.allowed.map((entry) => ({
    src: entry.src,
    dst: entry.dst,
    label: label(entry),
    state: 'allowed',
  }));
  for (const [src, dst] of report.unspecified) lines.push({ src, dst, label: 'unspecified', state: 'undefined' });
  const peers = report.classes === undefined ? report.peers : report.classes.map((c) => c.name);
  return build(peers, report.peers, lines, (peer) => members(peer).length);
}

/** Every changed pair as an edge. */
export function diffGraph(report: DiffReport): Graph {
  const format = connFormatter();
  const lines = [...report.changes, ...report.ingressControllerChanges].map(({ src, dst, before, after }): Line => {
    const word = changeWord(before, after);
    const label =
      word === 'opened' ? format(after) : word === 'closed' ? format(before) : `${format(before)} → ${format(after)}`;
    return { src, dst, label: `${word} ${label}`, state: word };
  });
  const peers = [...new Set(lines.flatMap(({ src, dst }) => [src, dst]))].sort(byText);
  return build(peers, null, lines, () => 1);
}

function build(
  peers: readonly string[],
  whole: readonly string[] | null,
  lines: readonly Line[],
  size: (peer: string) => number,
): Graph {
  const names = peerNames(whole ?? peers, { partial: whole === null });
  const nodes = new Map<string, GraphNode>();
  const add = (peer: string): GraphNode => {
    const known = nodes.get(peer);
    if (known !== undefined) return known;
    const parsed = parsePeer(peer);
    const full = names.one(peer);
    const namespace = parsed.kind === 'workload' ? parsed.namespace : null;
    const bare = namespace === null ? full : full.slice(full.indexOf('/') + 1);
    const more = size(peer) > 1 ? ` +${size(peer) - 1} alike` : '';
    const node = { id: `n${nodes.size}`, peer, label: bare + more, namespace };
    nodes.set(peer, node);
    return node;
  };
  for (const peer of peers) add(peer);
  const key = ({ src, dst, label, state }: Line): string => JSON.stringify([src, dst, label, state]);
  const keys = new Set(lines.map(key));
  const edges: GraphEdge[] = [];
  for (const line of lines) {
    const back = line.src !== line.dst && keys.has(key({ ...line, src: line.dst, dst: line.src }));
    if (back && byText(line.src, line.dst) > 0) continue;
    edges.push({ from: add(line.src), to: add(line.dst), label: line.label, state: line.state, both: back });
  }
  return { nodes: [...nodes.values()], edges };
}

/** The nodes by namespace in order, those outside of the cluster last under `null`. */
export function byNamespace(nodes: readonly GraphNode[]): readonly (readonly [string | null, readonly GraphNode[]])[] {
  const groups = new Map<string | null, GraphNode[]>();
  for (const node of nodes) {
    const group = groups.get(node.namespace);
    if (group === undefined) groups.set(node.namespace, [node]);
    else group.push(node);
  }
  return [...groups].sort(([a], [b]) => (a === null ? 1 : b === null ? -1 : byText(a, b)));
}
