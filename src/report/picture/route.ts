export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A column of the picture, and the heights at which no line may cross it, from top to bottom. */
export interface Column {
  readonly x: number;
  readonly width: number;
  readonly taken: readonly (readonly [number, number])[];
}

/** How near a line may pass a node that it does not belong to. */
const CLEARANCE = 3.5;
/** Above this a line would leave the picture. */
const TOP = 12;

/** A column in which lines keep clear of the given nodes and titles. */
export function columnOf(x: number, width: number, nodes: readonly Rect[], titles: readonly Rect[]): Column {
  const taken: [number, number][] = [];
  const wanted = [
    ...nodes.map((node) => [node.y - CLEARANCE, node.y + node.height + CLEARANCE] as const),
    ...titles.map((title) => [title.y - CLEARANCE, title.y + title.height - CLEARANCE] as const),
  ];
  for (const [top, bottom] of wanted.sort((a, b) => a[0] - b[0])) {
    const last = taken.at(-1);
    if (last !== undefined && top <= last[1] + 1) last[1] = Math.max(last[1], bottom);
    else taken.push([top, bottom]);
  }
  return { x, width, taken };
}

/** The height nearest to `y` at which a line can cross the column. */
function clear(column: Column, y: number): number {
  const hit = column.taken.find(([top, bottom]) => top < y && y < bottom);
  if (hit === undefined) return y;
  return y - hit[0] < hit[1] - y && hit[0] > TOP ? hit[0] : hit[1];
}

/** The path from one point to another around the nodes of the columns between them, in the order of travel. */
export function route(from: Point, to: Point, between: readonly (Column | undefined)[]): string {
  const leftwards = to.x < from.x;
  let path = `M${n(from.x)} ${n(from.y)}`;
  let at = from;
  for (const column of between) {
    if (column === undefined) continue;
    const start = leftwards ? column.x + column.width + 6 : column.x - 6;
    const end = leftwards ? column.x - 6 : column.x + column.width + 6;
    const y = clear(column, at.y + ((to.y - at.y) * (start - at.x)) / (to.x - at.x || 1));
    path += `${curve(at, { x: start, y }, leftwards)}H${n(end)}`;
    at = { x: end, y };
  }
  return path + curve(at, to, leftwards);
}

/** A curve that leaves and arrives horizontally. */
function curve(from: Point, to: Point, leftwards: boolean): string {
  const bend = Math.max(8, Math.min(120, Math.abs(to.x - from.x) / 2)) * (leftwards ? -1 : 1);
  return `C${n(from.x + bend)} ${n(from.y)} ${n(to.x - bend)} ${n(to.y)} ${n(to.x)} ${n(to.y)}`;
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}
