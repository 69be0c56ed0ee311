import { byText } from '../base/order.ts';
import type { ConnectivityReport, DiffReport } from '../model/report.ts';
import { type ChangeWord, changeWord, connFormatter, entryFormatter, isNone } from './conn.ts';
import { parsePeer, peerNames } from './peers.ts';
import { classesOf, membersOf } from './rows.ts';

export type EdgeState = 'allowed' | 'partly' | 'undefined' | ChangeWord;

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

/** A report as nodes by namespace and labelled edges. */
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
    state: isNone(entry.conn) ? 'partly' : 'allowed',
  }));
  for (const [src, dst] of report.unspecified) lines.push({ src, dst, label: 'unspecified', state: 'undefined' });
  const peers = classesOf(report).map((c) => c.name);
  return build(peers, report.peers, lines, members);
}

/** Every changed pair as an edge. */
export function diffGraph(report: DiffReport): Graph {
  const format = connFormatter();
  const some = new Set(report.partialChanges);
  const lines = [...report.changes, ...some, ...report.ingressControllerChanges].map((change): Line => {
    const { src, dst, before, after } = change;
    const word = changeWord(before, after);
    const label =
      word === 'opened' ? format(after) : word === 'closed' ? format(before) : `${format(before)} → ${format(after)}`;
    return { src, dst, label: `${word} ${label}${some.has(change) ? ' (some pods)' : ''}`, state: word };
  });
  const peers = [...new Set(lines.flatMap(({ src, dst }) => [src, dst]))].sort(byText);
  return build(peers, null, lines, (peer) => [peer]);
}

/** Ranges with the same edges both ways are one node: what a policy leaves of the internet is many blocks. */
function mergeAlikeRanges(peers: readonly string[], lines: readonly Line[]): ReadonlyMap<string, readonly string[]> {
  const signature = new Map<string, string[]>();
  for (const peer of peers) if (parsePeer(peer).kind === 'range') signature.set(peer, []);
  for (const { src, dst, label, state } of lines) {
    signature.get(src)?.push(JSON.stringify(['to', dst, label, state]));
    signature.get(dst)?.push(JSON.stringify(['from', src, label, state]));
  }
  const groups = new Map<string, string[]>();
  for (const [peer, parts] of signature) {
    const key = parts.sort().join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [peer]);
    else group.push(peer);
  }
  return new Map([...groups.values()].flatMap((group) => group.map((peer) => [peer, group] as const)));
}

function build(
  peers: readonly string[],
  whole: readonly string[] | null,
  lines: readonly Line[],
  members: (peer: string) => readonly string[],
): Graph {
  const names = peerNames(whole ?? peers, { partial: whole === null });
  const ranges = mergeAlikeRanges(peers, lines);
  const nodes = new Map<string, GraphNode>();
  let ids = 0;
  const add = (peer: string): GraphNode => {
    const known = nodes.get(peer);
    if (known !== undefined) return known;
    const parsed = parsePeer(peer);
    const alike = ranges.get(peer);
    const full = alike === undefined ? names.one(peer) : names.set(alike);
    const namespace = parsed.kind === 'workload' ? parsed.namespace : null;
    const bare = namespace === null ? full : full.slice(full.indexOf('/') + 1);
    const size = members(peer).length;
    const node = { id: `n${ids++}`, peer, label: size > 1 ? `${bare} +${size - 1} alike` : bare, namespace };
    for (const one of alike ?? [peer]) nodes.set(one, node);
    return node;
  };
  for (const peer of peers) add(peer);
  const key = ({ src, dst, label, state }: Line): string => JSON.stringify([src, dst, label, state]);
  const keys = new Set(lines.map(key));
  const edges: GraphEdge[] = [];
  const drawn = new Set<string>();
  for (const line of lines) {
    const back = line.src !== line.dst && keys.has(key({ ...line, src: line.dst, dst: line.src }));
    if (back && byText(line.src, line.dst) > 0) continue;
    const [from, to] = [add(line.src), add(line.dst)];
    const drawnKey = JSON.stringify([from.id, to.id, line.label, line.state]);
    if (drawn.has(drawnKey)) continue;
    drawn.add(drawnKey);
    edges.push({ from, to, label: line.label, state: line.state, both: back });
  }
  return { nodes: [...new Set(nodes.values())], edges };
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
