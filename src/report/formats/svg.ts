import type { ConnectivityReport, DiffReport } from '../../model/report.ts';
import { inChunks } from '../chunks.ts';
import type { Format } from '../format.ts';
import { connectivityGraph, diffGraph, type EdgeState, type Graph } from '../graph.ts';
import { peerNames } from '../peers.ts';
import type { Bundle } from '../picture/bundles.ts';
import { LONGEST_NAME, layout, type PlacedBundle, shorten } from '../picture/layout.ts';
import { type MatrixCell, matrixOf } from '../picture/matrix.ts';
import { STYLE } from '../picture/style.ts';
import { classesOf } from '../rows.ts';
import { visible } from '../visible.ts';

/** With more workloads single arrows cannot be followed by eye. */
const MOST_NODES = 80;

/** Text in XML: markup escaped, invisible characters written out, lone surrogates replaced. */
export function xml(text: string): string {
  return visible(text)
    .replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
    .replace(/\p{Cs}|[\ufffe\uffff]/gu, '\ufffd');
}

const n = (value: number): string => String(Math.round(value * 10) / 10);

function* open(width: number, height: number, title: string): Generator<string> {
  yield `<svg xmlns="http://www.w3.org/2000/svg" width="${n(width)}" height="${n(height)}" viewBox="0 0 ${n(width)} ${n(height)}" role="img" aria-label="${xml(title)}">\n`;
  yield `<title>${xml(title)}</title>\n<style>${STYLE}</style>\n`;
  yield '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse" markerUnits="userSpaceOnUse"><path d="M0 0.8L7 4L0 7.2z" fill="context-stroke" stroke="none"/></marker></defs>\n';
  yield '<rect class="ground" width="100%" height="100%"/>\n';
}

const CLASS: Readonly<Record<EdgeState, string>> = {
  allowed: 'allowed',
  partly: 'warn',
  undefined: 'warn',
  opened: 'opened',
  widened: 'warn',
  changed: 'warn',
  narrowed: 'closed',
  closed: 'closed',
};

function* arrows(graph: Graph, title: string): Generator<string> {
  const picture = layout(graph);
  yield* open(picture.width, picture.height, title);
  for (const box of picture.boxes) {
    yield `<rect class="box" x="${n(box.x)}" y="${n(box.y)}" width="${n(box.width)}" height="${n(box.height)}" rx="8"/>\n`;
  }
  const text = describer(graph);
  yield `<style>${picture.bundles.map((_, i) => `svg:has(#b${i}:hover) #l${i} path{stroke-width:2.6;opacity:1}`).join('\n')}</style>\n`;
  for (const [i, bundle] of picture.bundles.entries()) yield* lines(bundle, i, text);
  for (const box of picture.boxes) {
    yield `<text class="title" x="${n(box.x + 12)}" y="${n(box.y + 16)}">${xml(shorten(visible(box.title), LONGEST_NAME))}</text>\n`;
  }
  for (const [i, bundle] of picture.bundles.entries()) yield pill(bundle, i, text);
  for (const { node, text: label, x, y, width, height } of picture.nodes) {
    yield `<g${node.namespace === null ? ' class="range"' : ''}><title>${xml(node.namespace === null ? node.label : node.peer)}</title>`;
    yield `<rect class="node" x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" rx="5"/>`;
    yield `<text x="${n(x + 10)}" y="${n(y + 17)}">${xml(label)}</text></g>\n`;
  }
  yield '</svg>\n';
}

function describer(graph: Graph): (bundle: Bundle) => string {
  const names = peerNames(
    graph.nodes.map((node) => node.peer),
    { partial: true },
  );
  const set = (nodes: Bundle['sources']): string => {
    const workloads = nodes.filter((node) => node.namespace !== null).map((node) => node.peer);
    const outside = nodes.filter((node) => node.namespace === null).map((node) => node.label);
    return [...(workloads.length > 0 ? [names.set(workloads)] : []), ...outside].join(', ');
  };
  return (bundle) => `${set(bundle.sources)} → ${set(bundle.destinations)}: ${bundle.label}`;
}

function classOf({ state, label }: Bundle): string {
  return `bundle ${state === 'allowed' && label === 'all' ? 'every' : CLASS[state]}`;
}

// Lines lie below all labels, and each label's lines are found again by number when it is pointed at.
function* lines(placed: PlacedBundle, index: number, describe: (bundle: Bundle) => string): Generator<string> {
  yield `<g id="l${index}" class="${classOf(placed.bundle)}"><title>${xml(describe(placed.bundle))}</title>`;
  for (const path of placed.inputs) yield `<path d="${path}"/>`;
  for (const path of placed.outputs) yield `<path d="${path}" marker-end="url(#arrow)"/>`;
  yield '</g>\n';
}

function pill(placed: PlacedBundle, index: number, describe: (bundle: Bundle) => string): string {
  const { bundle, text, x, y, width, height } = placed;
  const box = `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" rx="9"/>`;
  const label = `<text x="${n(x + width / 2)}" y="${n(y + 12.8)}" text-anchor="middle">${xml(text)}</text>`;
  return `<g id="b${index}" class="${classOf(bundle)}"><title>${xml(describe(bundle))}</title>${box}${label}</g>\n`;
}

const CELL = 30;

function* matrix(report: ConnectivityReport): Generator<string> {
  const { groups, cells } = matrixOf(report);
  const size = groups.length > 40 ? 16 : CELL;
  const titles = groups.map((group) => shorten(visible(group.title), 36));
  const side = Math.max(...titles.map((title) => title.length)) * 7.2 + 76;
  const top = side * 0.74 + 30;
  const width = side + groups.length * size + side * 0.6 + 24;
  const height = top + groups.length * size + 64;
  yield* open(width, height, 'connectivity, sources by row and destinations by column');
  yield `<text class="title" x="24" y="28">from ↓  to →</text>\n`;
  for (const [i, title] of titles.entries()) {
    const y = top + i * size + size / 2 + 4;
    const x = side + i * size + size / 2;
    yield `<text x="${n(side - 48)}" y="${n(y)}" text-anchor="end">${xml(title)}</text>`;
    yield `<text class="small" x="${n(side - 10)}" y="${n(y)}" text-anchor="end">${groups[i]?.peers ?? 0}</text>`;
    yield `<text transform="translate(${n(x + 4)} ${n(top - 8)}) rotate(-45)">${xml(title)}</text>\n`;
  }
  for (const [i, row] of cells.entries()) {
    for (const [j, cell] of row.entries()) {
      const at = `x="${n(side + j * size)}" y="${n(top + i * size)}" width="${size}" height="${size}"`;
      yield `<g><title>${xml(cellTitle(groups[i]?.title ?? '', groups[j]?.title ?? '', cell))}</title><rect class="cell none" ${at}/>`;
      const share = cell.pairs === 0 ? 0 : cell.allowed / cell.pairs;
      if (share > 0) yield `<rect class="filled" ${at} fill-opacity="${n(0.2 + 0.8 * share)}"/>`;
      if (cell.unspecified > 0) {
        yield `<circle class="open" cx="${n(side + (j + 1) * size - 5)}" cy="${n(top + i * size + 5)}" r="2.5"/>`;
      }
      if (size === CELL && share > 0) {
        const percent = share === 1 ? 'all' : share < 0.01 ? '<1' : String(Math.floor(share * 100));
        const dark = share > 0.55 ? ' style="fill:var(--ground)"' : '';
        yield `<text x="${n(side + j * size + size / 2)}" y="${n(top + i * size + 19)}" text-anchor="middle"${dark}>${xml(percent)}</text>`;
      }
      yield '</g>\n';
    }
  }
  yield `<text class="small" x="24" y="${n(height - 20)}">percent of pairs that are allowed on some port; a dot marks pairs that are unspecified</text>\n</svg>\n`;
}

function cellTitle(from: string, to: string, cell: MatrixCell): string {
  const head = `${from} → ${to}: ${cell.allowed} of ${cell.pairs} pairs allowed`;
  const open = cell.unspecified > 0 ? `, ${cell.unspecified} unspecified` : '';
  const ports = cell.ports.slice(0, 8).map(([text, count]) => `${text} (${count})`);
  return `${head}${open}${ports.length > 0 ? `; ${ports.join('; ')}` : ''}`;
}

function* connectivity(report: ConnectivityReport): Generator<string> {
  const nodes = classesOf(report).length;
  if (nodes <= MOST_NODES + 40) {
    const graph = withIngress(report);
    if (graph.nodes.filter((node) => node.namespace !== null).length <= MOST_NODES) {
      yield* arrows(graph, 'connectivity');
      return;
    }
  }
  yield* matrix(report);
}

/** Ingress controllers are one more source outside. */
function withIngress(report: ConnectivityReport): Graph {
  const src = 'ingress controllers';
  const entries = report.ingressController.map(({ dst, conn }) => ({ src, dst, conn }));
  if (entries.length === 0) return connectivityGraph(report);
  return connectivityGraph({
    ...report,
    peers: [...report.peers, src],
    allowed: [...report.allowed, ...entries],
  });
}

export const svg: Format = {
  name: 'svg',
  mediaType: 'image/svg+xml',
  extension: 'svg',
  renderers: {
    ConnectivityReport: (report) => inChunks(connectivity(report)),
    DiffReport: (report: DiffReport) => inChunks(arrows(diffGraph(report), 'changes in connectivity')),
  },
};
