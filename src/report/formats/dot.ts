import { asLines, inChunks } from '../chunks.ts';
import type { Format } from '../format.ts';
import { byNamespace, connectivityGraph, diffGraph, type EdgeState, type Graph } from '../graph.ts';
import { visible } from '../visible.ts';

const COLOUR: Readonly<Record<EdgeState, string>> = {
  allowed: '#3f7f5f',
  partly: '#b7791f',
  undefined: '#b7791f',
  opened: '#2f855a',
  widened: '#b7791f',
  changed: '#b7791f',
  narrowed: '#c53030',
  closed: '#c53030',
};

/** A quoted string of the DOT language; a backslash would start one of its escapes, so it is doubled. */
function quoted(text: string): string {
  return `"${visible(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function* dotLines(graph: Graph): Generator<string> {
  yield 'digraph connectivity {';
  yield '  rankdir=LR;';
  yield '  node [shape=box, style="rounded,filled", fillcolor="white", fontname="sans-serif", fontsize=11];';
  yield '  edge [fontname="sans-serif", fontsize=9];';
  for (const [index, [namespace, nodes]] of byNamespace(graph.nodes).entries()) {
    const indent = namespace === null ? '  ' : '    ';
    if (namespace !== null) {
      yield `  subgraph cluster_${index} {`;
      yield `    label=${quoted(namespace)};`;
      yield '    style="rounded,filled"; fillcolor="#f4f6f8"; color="#cbd5e0"; fontname="sans-serif";';
    }
    for (const { id, label } of nodes) {
      yield `${indent}${id} [label=${quoted(label)}${namespace === null ? ', shape=ellipse' : ''}];`;
    }
    if (namespace !== null) yield '  }';
  }
  for (const { from, to, label, state, both } of graph.edges) {
    const style = state === 'closed' || state === 'undefined' || state === 'partly' ? ', style=dashed' : '';
    yield `  ${from.id} -> ${to.id} [label=${quoted(label)}, color="${COLOUR[state]}", fontcolor="${COLOUR[state]}"${style}${both ? ', dir=both' : ''}];`;
  }
  yield '}';
}

export const dot: Format = {
  name: 'dot',
  mediaType: 'text/vnd.graphviz',
  extension: 'dot',
  renderers: {
    ConnectivityReport: (report) => inChunks(asLines(dotLines(connectivityGraph(report)))),
    DiffReport: (report) => inChunks(asLines(dotLines(diffGraph(report)))),
  },
};
