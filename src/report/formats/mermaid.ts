import { asLines, inChunks } from '../chunks.ts';
import type { Format } from '../format.ts';
import { byNamespace, connectivityGraph, diffGraph, type EdgeState, type Graph } from '../graph.ts';
import { visible } from '../visible.ts';

const COLOUR: Readonly<Partial<Record<EdgeState, string>>> = {
  partly: '#b7791f',
  undefined: '#b7791f',
  opened: '#2f855a',
  widened: '#b7791f',
  changed: '#b7791f',
  narrowed: '#c53030',
  closed: '#c53030',
};

/** A quoted label. Mermaid reads `#name;` in it as an entity and renders it as markdown or HTML, so whatever is not plain goes in as one. */
function quoted(text: string): string {
  return `"${visible(text).replace(/[^A-Za-z0-9 .,:/()→+-]/gu, (c) => `#${c.codePointAt(0)};`)}"`;
}

function* mermaidLines(graph: Graph): Generator<string> {
  yield 'flowchart LR';
  for (const [index, [namespace, nodes]] of byNamespace(graph.nodes).entries()) {
    if (namespace !== null) yield `  subgraph s${index}[${quoted(namespace)}]`;
    for (const { id, label } of nodes) {
      yield namespace === null ? `  ${id}([${quoted(label)}])` : `    ${id}[${quoted(label)}]`;
    }
    if (namespace !== null) yield '  end';
  }
  for (const { from, to, label, state, both } of graph.edges) {
    const dashed = state === 'closed' || state === 'undefined' || state === 'partly';
    const arrow = `${both ? '<' : ''}${dashed ? '-.->' : '-->'}`;
    yield `  ${from.id} ${arrow}|${quoted(label)}| ${to.id}`;
  }
  for (const [index, { state }] of graph.edges.entries()) {
    const colour = COLOUR[state];
    if (colour !== undefined) yield `  linkStyle ${index} stroke:${colour}`;
  }
}

export const mermaid: Format = {
  name: 'mermaid',
  mediaType: 'text/vnd.mermaid',
  extension: 'mmd',
  renderers: {
    ConnectivityReport: (report) => inChunks(asLines(mermaidLines(connectivityGraph(report)))),
    DiffReport: (report) => inChunks(asLines(mermaidLines(diffGraph(report)))),
  },
};
