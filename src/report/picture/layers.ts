/** A weighted arc between items by number. */
export interface Arc {
  readonly from: number;
  readonly to: number;
  readonly weight: number;
}

/**
 * A layer for each of `count` items so that most arcs lead to a higher one: what only sends is in layer 0, each other
 * item right behind the last of its sources. Arcs that lead both ways with like weight say nothing about order and are
 * left out; cycles are broken where the least weight leads back.
 */
export function layersOf(count: number, arcs: readonly Arc[]): readonly number[] {
  const weight = new Map<number, number>();
  for (const { from, to, weight: w } of arcs) {
    if (from !== to) weight.set(from * count + to, (weight.get(from * count + to) ?? 0) + w);
  }
  const one: Arc[] = [];
  for (const [key, w] of weight) {
    const from = Math.floor(key / count);
    const to = key % count;
    if (w > 2 * (weight.get(to * count + from) ?? 0)) one.push({ from, to, weight: w });
  }
  const order = sequence(count, one);
  const place = new Map(order.map((item, index) => [item, index]));
  const forward = one.filter(({ from, to }) => (place.get(from) ?? 0) < (place.get(to) ?? 0));
  const sources = new Map<number, number[]>();
  for (const { from, to } of forward) {
    const list = sources.get(to);
    if (list === undefined) sources.set(to, [from]);
    else list.push(from);
  }
  const layer = new Array<number>(count).fill(0);
  for (const item of order) {
    for (const source of sources.get(item) ?? []) layer[item] = Math.max(layer[item] ?? 0, (layer[source] ?? 0) + 1);
  }
  return layer;
}

/** Sinks to the end, sources to the start, else the item with the most weight going out over coming in next. */
function sequence(count: number, arcs: readonly Arc[]): readonly number[] {
  const left = new Set(Array.from({ length: count }, (_, i) => i));
  const start: number[] = [];
  const end: number[] = [];
  const out = new Array<number>(count).fill(0);
  const into = new Array<number>(count).fill(0);
  for (const { from, to, weight } of arcs) {
    out[from] = (out[from] ?? 0) + weight;
    into[to] = (into[to] ?? 0) + weight;
  }
  const remove = (item: number): void => {
    left.delete(item);
    for (const { from, to, weight } of arcs) {
      if (from === item) into[to] = (into[to] ?? 0) - weight;
      if (to === item) out[from] = (out[from] ?? 0) - weight;
    }
  };
  while (left.size > 0) {
    let best = -1;
    let bestScore = Number.NEGATIVE_INFINITY;
    let taken = false;
    for (const item of left) {
      const [o, i] = [out[item] ?? 0, into[item] ?? 0];
      if (i > 0 && o === 0) {
        end.push(item);
        remove(item);
        taken = true;
        break;
      }
      const score = i === 0 ? Number.POSITIVE_INFINITY : o - i;
      if (score > bestScore) [best, bestScore] = [item, score];
    }
    if (taken) continue;
    start.push(best);
    remove(best);
  }
  return [...start, ...end.reverse()];
}
