import { byText } from '../../base/order.ts';
import type { EdgeState, Graph, GraphNode } from '../graph.ts';

/** All of `sources` reach all of `destinations` (other than themselves) in the same way. */
export interface Bundle {
  readonly sources: readonly GraphNode[];
  readonly destinations: readonly GraphNode[];
  readonly label: string;
  readonly state: EdgeState;
}

interface Fan {
  readonly to: GraphNode;
  readonly from: ReadonlySet<GraphNode>;
  readonly label: string;
  readonly state: EdgeState;
}

/**
 * The edges as few complete bundles. Destinations join when their sources are equal, or equal once each destination is
 * counted among its own sources: then every pair of the bundle is an edge as well, since no edge leads to itself.
 */
export function bundlesOf(graph: Graph): readonly Bundle[] {
  const into = new Map<string, { to: GraphNode; from: Set<GraphNode>; label: string; state: EdgeState }>();
  const add = (from: GraphNode, to: GraphNode, label: string, state: EdgeState): void => {
    const key = JSON.stringify([to.id, label, state]);
    const fan = into.get(key);
    if (fan === undefined) into.set(key, { to, from: new Set([from]), label, state });
    else fan.from.add(from);
  };
  for (const { from, to, label, state, both } of graph.edges) {
    add(from, to, label, state);
    if (both) add(to, from, label, state);
  }
  const fans: readonly Fan[] = [...into.values()];
  const withSelf = group(fans, (fan) => [...fan.from, fan.to]);
  const single = withSelf.filter((fansOf) => fansOf.length === 1).flat();
  const joined = [...withSelf.filter((fansOf) => fansOf.length > 1), ...group(single, (fan) => [...fan.from])];
  return joined
    .flatMap((fansOf) => {
      const first = fansOf[0];
      if (first === undefined) return [];
      const sources = new Set(fansOf.flatMap((fan) => [...fan.from]));
      return [
        { sources: [...sources], destinations: fansOf.map((fan) => fan.to), label: first.label, state: first.state },
      ];
    })
    .sort((a, b) => byText(nameOf(a), nameOf(b)));
}

function nameOf(bundle: Bundle): string {
  const text = (nodes: readonly GraphNode[]): string => nodes.map((node) => node.peer).join();
  return `${text(bundle.destinations)} ${text(bundle.sources)} ${bundle.label}`;
}

function group(fans: readonly Fan[], nodes: (fan: Fan) => readonly GraphNode[]): readonly (readonly Fan[])[] {
  const groups = new Map<string, Fan[]>();
  for (const fan of fans) {
    const ids = nodes(fan).map((node) => node.id);
    const key = JSON.stringify([fan.label, fan.state, ids.sort()]);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [fan]);
    else known.push(fan);
  }
  return [...groups.values()];
}
