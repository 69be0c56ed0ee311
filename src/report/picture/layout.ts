import { byNumber, byText } from '../../base/order.ts';
import type { Graph, GraphNode } from '../graph.ts';
import { type Bundle, bundlesOf } from './bundles.ts';
import { layersOf } from './layers.ts';
import { type Column, columnOf, type Rect, route } from './route.ts';

export interface PlacedNode extends Rect {
  readonly node: GraphNode;
  readonly text: string;
}

export interface PlacedBox extends Rect {
  readonly title: string;
}

/** A bundle's label with the curves that run into and out of it. */
export interface PlacedBundle extends Rect {
  readonly bundle: Bundle;
  readonly text: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly PlacedBox[];
  readonly nodes: readonly PlacedNode[];
  readonly bundles: readonly PlacedBundle[];
}

const CHARACTER = 7.2;
const SMALL_CHARACTER = 6.2;
const NODE_HEIGHT = 26;
const ROW = 34;
const PILL_HEIGHT = 18;
const PILL_ROW = 24;
const MARGIN = 24;
const BOX_PADDING = 12;
const BOX_TITLE = 24;
const BOX_GAP = 22;
const LANE_GAP = 30;
export const LONGEST_NAME = 36;
const LONGEST_OUTSIDE = 52;
const LONGEST_PORTS = 26;
/** Longer columns are folded, so that the picture stays near the shape of a screen. */
const TALLEST = 14;

interface Group {
  readonly title: string;
  /** Sub-columns of nodes, left to right. */
  readonly columns: GraphNode[][];
  layer: number;
}

/** At most `limit` characters; the picture's titles have the whole. */
export function shorten(text: string, limit: number): string {
  const characters = [...text];
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join('')}…`;
}

/** A copy of an outside node for each side of the picture on which it is needed. */
interface Side {
  readonly graph: Graph;
  readonly left: ReadonlySet<GraphNode>;
  readonly right: ReadonlySet<GraphNode>;
}

// What is outside both sends and receives; two nodes keep the arrows running from left to right.
function splitOutside(graph: Graph): Side {
  const left = new Map<GraphNode, GraphNode>();
  const right = new Map<GraphNode, GraphNode>();
  const side = (node: GraphNode, map: Map<GraphNode, GraphNode>, suffix: string): GraphNode => {
    if (node.namespace !== null) return node;
    const known = map.get(node);
    if (known !== undefined) return known;
    const copy = { ...node, id: `${node.id}${suffix}` };
    map.set(node, copy);
    return copy;
  };
  const edges = graph.edges.flatMap((edge) => {
    const there = { ...edge, from: side(edge.from, left, 'l'), to: side(edge.to, right, 'r'), both: false };
    if (!edge.both) return [there];
    return [there, { ...edge, from: side(edge.to, left, 'l'), to: side(edge.from, right, 'r'), both: false }];
  });
  const inside = graph.nodes.filter((node) => node.namespace !== null);
  return {
    graph: { nodes: [...inside, ...left.values(), ...right.values()], edges },
    left: new Set(left.values()),
    right: new Set(right.values()),
  };
}

/**
 * Places everything from left to right: namespaces as boxes in layers (who sends before who receives), workloads in
 * columns inside, labels of bundles in lanes of their own between the columns. Columns and lanes never share
 * horizontal space and are spaced vertically, so no two labels can overlap. Deterministic.
 */
export function layout(whole: Graph): Picture {
  const { graph, left, right } = splitOutside(whole);
  const bundles = bundlesOf(graph);
  const groups = groupsOf(graph, left, right);
  orderRows(groups, bundles);

  const columnNumber = new Map<GraphNode, number>();
  const columns: GraphNode[][] = [];
  const bands: { readonly groups: readonly Group[]; readonly first: number; readonly count: number }[] = [];
  for (const layer of [...new Set(groups.map((group) => group.layer))].sort(byNumber)) {
    const members = groups.filter((group) => group.layer === layer);
    const count = Math.max(...members.map((group) => group.columns.length));
    bands.push({ groups: members, first: columns.length, count });
    for (let i = 0; i < count; i++) {
      const column = members.flatMap((group) => group.columns[i] ?? []);
      for (const node of column) columnNumber.set(node, columns.length);
      columns.push(column);
    }
  }

  const lanes: { readonly bundle: Bundle; readonly lane: number; readonly forward: boolean }[] = bundles.map(
    (bundle) => {
      const at = (node: GraphNode): number => columnNumber.get(node) ?? 0;
      const destinations = bundle.destinations.map(at);
      const first = Math.min(...destinations);
      const forward = Math.max(...bundle.sources.map(at)) < first;
      return { bundle, lane: forward ? first : Math.max(...destinations) + 1, forward };
    },
  );

  const nodeText = (node: GraphNode): string =>
    shorten(node.label, node.namespace === null ? LONGEST_OUTSIDE : LONGEST_NAME);
  const widths = columns.map((column) => Math.max(60, ...column.map((node) => nodeText(node).length * CHARACTER + 20)));
  for (const { groups: members, first } of bands) {
    // The title stands over the first column only, so lanes inside of a box never run into it.
    const title = Math.max(...members.map((group) => shorten(group.title, LONGEST_NAME).length * CHARACTER));
    widths[first] = Math.max(widths[first] ?? 0, title);
  }
  const laneWidths = Array.from({ length: columns.length + 1 }, (_, lane) =>
    Math.max(0, ...lanes.filter((l) => l.lane === lane).map((l) => pillText(l.bundle).length * SMALL_CHARACTER + 16)),
  );
  const columnX: number[] = [];
  const laneX: number[] = [];
  let x = MARGIN;
  const lastOfBand = new Set(bands.map((band) => band.first + band.count));
  for (let i = 0; i <= columns.length; i++) {
    const room = laneWidths[i] ?? 0;
    const edge = i === 0 || i === columns.length || lastOfBand.has(i) ? BOX_PADDING : 0;
    laneX.push(x + edge + (i === 0 ? 0 : LANE_GAP));
    x +=
      (room > 0
        ? room + (i === 0 || i === columns.length ? LANE_GAP : 2 * LANE_GAP)
        : i > 0 && i < columns.length
          ? LANE_GAP
          : 0) +
      2 * edge;
    columnX.push(x);
    x += widths[i] ?? 0;
  }
  const width = x + MARGIN;

  const placed = new Map<GraphNode, PlacedNode>();
  const boxes: PlacedBox[] = [];
  const heights = bands.map(({ groups: members }) =>
    members.reduce((sum, group) => sum + boxHeight(group) + BOX_GAP, -BOX_GAP),
  );
  const tallest = Math.max(0, ...heights);
  for (const [index, { groups: members, first }] of bands.entries()) {
    let y = MARGIN + (tallest - (heights[index] ?? 0)) / 2;
    for (const group of members) {
      const height = boxHeight(group);
      const start = columnX[first] ?? 0;
      const last = first + group.columns.length - 1;
      const end = (columnX[last] ?? 0) + (widths[last] ?? 0);
      boxes.push({ title: group.title, x: start - BOX_PADDING, y, width: end - start + 2 * BOX_PADDING, height });
      const inner = height - BOX_TITLE - BOX_PADDING;
      for (const [i, column] of group.columns.entries()) {
        const top = y + BOX_TITLE + (inner - (column.length * ROW - (ROW - NODE_HEIGHT))) / 2;
        for (const [row, node] of column.entries()) {
          placed.set(node, {
            node,
            text: nodeText(node),
            x: columnX[first + i] ?? 0,
            y: top + row * ROW,
            width: widths[first + i] ?? 0,
            height: NODE_HEIGHT,
          });
        }
      }
      y += height + BOX_GAP;
    }
  }

  const obstacles = columns.map((column, i) => {
    const [left, width] = [columnX[i] ?? 0, widths[i] ?? 0];
    const over = boxes.filter((box) => box.x < left + width && box.x + box.width > left);
    return columnOf(
      left,
      width,
      column.flatMap((node) => placed.get(node) ?? []),
      over.map((box) => ({ ...box, height: BOX_TITLE })),
    );
  });
  const pills = placePills(lanes, placed, laneX, laneWidths, columnNumber, obstacles);
  const bottom = Math.max(MARGIN + tallest, ...pills.map((pill) => pill.y + pill.height));
  return { width, height: bottom + MARGIN, boxes, nodes: [...placed.values()], bundles: pills };
}

function boxHeight(group: Group): number {
  const rows = Math.max(...group.columns.map((column) => column.length));
  return BOX_TITLE + rows * ROW - (ROW - NODE_HEIGHT) + BOX_PADDING;
}

function pillText(bundle: Bundle): string {
  return shorten(bundle.label, LONGEST_PORTS);
}

function groupsOf(graph: Graph, left: ReadonlySet<GraphNode>, right: ReadonlySet<GraphNode>): readonly Group[] {
  const names = [...new Set(graph.nodes.map((node) => node.namespace))].filter((name) => name !== null).sort(byText);
  const number = new Map(names.map((name, i) => [name, i]));
  const at = (node: GraphNode): number => number.get(node.namespace ?? '') ?? -1;
  const between = graph.edges
    .map((edge) => ({ from: at(edge.from), to: at(edge.to), weight: 1 }))
    .filter((arc) => arc.from >= 0 && arc.to >= 0 && arc.from !== arc.to);
  const layers = layersOf(names.length, between);
  const groups: Group[] = names.map((name, i) => {
    const nodes = graph.nodes.filter((node) => node.namespace === name);
    const index = new Map(nodes.map((node, j) => [node, j]));
    const inner = graph.edges.flatMap((edge) => {
      const [from, to] = [index.get(edge.from), index.get(edge.to)];
      return from === undefined || to === undefined ? [] : [{ from, to, weight: 1 }];
    });
    return { title: name, columns: foldColumns(nodes, layersOf(nodes.length, inner)), layer: (layers[i] ?? 0) + 1 };
  });
  const outside = (nodes: ReadonlySet<GraphNode>, layer: number): void => {
    if (nodes.size > 0) groups.push({ title: 'outside the cluster', columns: [[...nodes]], layer });
  };
  outside(left, 0);
  outside(right, names.length + 2);
  return groups;
}

function foldColumns(nodes: readonly GraphNode[], layers: readonly number[]): GraphNode[][] {
  const columns: GraphNode[][] = [];
  for (const layer of [...new Set(layers)].sort(byNumber)) {
    const members = nodes.filter((_, i) => layers[i] === layer);
    const parts = Math.ceil(members.length / TALLEST);
    const size = Math.ceil(members.length / parts);
    for (let i = 0; i < members.length; i += size) columns.push(members.slice(i, i + size));
  }
  return columns;
}

/** Moves nodes next to what they are connected with: some rounds of ordering by the mean position of the neighbours. */
function orderRows(groups: readonly Group[], bundles: readonly Bundle[]): void {
  const neighbours = new Map<GraphNode, GraphNode[]>();
  const link = (a: GraphNode, b: readonly GraphNode[]): void => {
    const list = neighbours.get(a);
    if (list === undefined) neighbours.set(a, [...b]);
    else list.push(...b);
  };
  for (const { sources, destinations } of bundles) {
    for (const node of sources) link(node, destinations);
    for (const node of destinations) link(node, sources);
  }
  const position = new Map<GraphNode, number>();
  const number = (): void => {
    for (const group of groups) {
      for (const column of group.columns) {
        for (const [i, node] of column.entries()) position.set(node, i - (column.length - 1) / 2);
      }
    }
  };
  for (let round = 0; round < 4; round++) {
    number();
    const wish = (node: GraphNode): number => {
      const near = neighbours.get(node);
      if (near === undefined || near.length === 0) return Number.POSITIVE_INFINITY;
      return near.reduce((sum, other) => sum + (position.get(other) ?? 0), 0) / near.length;
    };
    for (const group of groups) {
      for (const column of group.columns) {
        const wishes = new Map(column.map((node) => [node, wish(node)]));
        column.sort((a, b) => {
          const [x, y] = [wishes.get(a) ?? 0, wishes.get(b) ?? 0];
          return x === y ? byText(a.peer, b.peer) : x < y ? -1 : 1;
        });
      }
    }
  }
}

function placePills(
  lanes: readonly { readonly bundle: Bundle; readonly lane: number; readonly forward: boolean }[],
  placed: ReadonlyMap<GraphNode, PlacedNode>,
  laneX: readonly number[],
  laneWidths: readonly number[],
  columnNumber: ReadonlyMap<GraphNode, number>,
  obstacles: readonly Column[],
): readonly PlacedBundle[] {
  const middle = (node: GraphNode): number => (placed.get(node)?.y ?? 0) + NODE_HEIGHT / 2;
  const mean = (nodes: readonly GraphNode[]): number =>
    nodes.reduce((sum, node) => sum + middle(node), 0) / nodes.length;
  const out: PlacedBundle[] = [];
  for (const lane of laneX.keys()) {
    const members = lanes
      .filter((l) => l.lane === lane)
      .map((l) => ({ ...l, wish: (mean(l.bundle.sources) + mean(l.bundle.destinations)) / 2 }))
      .sort((a, b) => a.wish - b.wish);
    for (const { bundle, forward, y } of spread(members)) {
      const text = pillText(bundle);
      const width = text.length * SMALL_CHARACTER + 16;
      const x = (laneX[lane] ?? 0) + ((laneWidths[lane] ?? 0) - width) / 2;
      const pill = { x, y: y - PILL_HEIGHT / 2, width, height: PILL_HEIGHT };
      out.push({ ...pill, bundle, text, ...curves({ bundle, lane, forward }, pill, placed, columnNumber, obstacles) });
    }
  }
  return out;
}

/** Keeps the order and as near as possible to each wish, at least one row apart and inside of the picture. */
function spread<T extends { readonly wish: number }>(items: readonly T[]): readonly (T & { readonly y: number })[] {
  const runs: { wish: number; count: number }[] = [];
  for (const { wish } of items) {
    runs.push({ wish, count: 1 });
    for (;;) {
      const last = runs.at(-1);
      const before = runs.at(-2);
      if (last === undefined || before === undefined) break;
      if (before.wish + ((before.count + last.count) / 2) * PILL_ROW <= last.wish) break;
      runs.pop();
      before.wish = (before.wish * before.count + last.wish * last.count) / (before.count + last.count);
      before.count += last.count;
    }
  }
  const ys: number[] = [];
  let lowest = MARGIN;
  for (const { wish, count } of runs) {
    let y = Math.max(lowest + PILL_ROW / 2, wish - ((count - 1) / 2) * PILL_ROW);
    for (let i = 0; i < count; i++) {
      ys.push(y);
      y += PILL_ROW;
    }
    lowest = y - PILL_ROW / 2;
  }
  return items.map((item, i) => ({ ...item, y: ys[i] ?? MARGIN }));
}

function curves(
  { bundle, lane, forward }: { readonly bundle: Bundle; readonly lane: number; readonly forward: boolean },
  pill: Rect,
  placed: ReadonlyMap<GraphNode, PlacedNode>,
  columnNumber: ReadonlyMap<GraphNode, number>,
  columns: readonly Column[],
): Pick<PlacedBundle, 'inputs' | 'outputs'> {
  const y = pill.y + pill.height / 2;
  const left = { x: pill.x, y };
  const right = { x: pill.x + pill.width, y };
  // Lane `i` lies just left of column `i`.
  const inputs = bundle.sources.flatMap((node) => {
    const at = placed.get(node);
    const column = columnNumber.get(node);
    if (at === undefined || column === undefined) return [];
    const exit = at.y + NODE_HEIGHT / 2 + 4;
    return column < lane
      ? [route({ x: at.x + at.width, y: exit }, left, columns.slice(column + 1, lane))]
      : [route({ x: at.x, y: exit }, right, columns.slice(lane, column).reverse())];
  });
  const outputs = bundle.destinations.flatMap((node) => {
    const at = placed.get(node);
    const column = columnNumber.get(node);
    if (at === undefined || column === undefined) return [];
    const entry = at.y + NODE_HEIGHT / 2 - 4;
    return forward
      ? [route(right, { x: at.x - 1, y: entry }, columns.slice(lane, column))]
      : [route(left, { x: at.x + at.width + 1, y: entry }, columns.slice(column + 1, lane).reverse())];
  });
  return { inputs, outputs };
}
