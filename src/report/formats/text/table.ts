import type { Paint, Style } from './paint.ts';

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

export interface TableShape {
  readonly indent: string;
  /** The columns that are wrapped when a row is wider than `width`, the widest first. */
  readonly flexible: readonly number[];
  /** Columns of the terminal; absent: never wrap. */
  readonly width: number | undefined;
  readonly header?: readonly string[];
}

const GAP = '  ';
const NARROWEST = 16;

/** Columns aligned by spaces, nothing after the last cell; flexible columns continue on further lines. */
export function* table(rows: readonly (readonly Cell[])[], shape: TableShape, paint: Paint): Generator<string> {
  const header = shape.header?.map((text): Cell => ({ text, style: 'dim' }));
  const all = header === undefined ? rows : [header, ...rows];
  const widths: number[] = [];
  for (const row of all) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, lengthOf(cell.text));
  }
  if (shape.width !== undefined) {
    const total = widths.reduce((sum, w) => sum + w + GAP.length, shape.indent.length - GAP.length);
    let excess = total - shape.width;
    // Each flexible column gives what it has beyond the next narrower one, until all fits or all are narrow.
    while (excess > 0) {
      const sizes = shape.flexible.map((i) => widths[i] ?? 0);
      const widest = Math.max(NARROWEST, ...sizes);
      const index = shape.flexible[sizes.indexOf(widest)];
      if (index === undefined || widest === NARROWEST) break;
      const next = Math.max(NARROWEST, ...sizes.filter((size) => size < widest));
      const cut = Math.min(excess, widest - next);
      widths[index] = widest - cut;
      excess -= cut;
    }
  }
  for (const row of all) yield* rowLines(row, widths, shape, paint);
}

function* rowLines(
  row: readonly Cell[],
  widths: readonly number[],
  shape: TableShape,
  paint: Paint,
): Generator<string> {
  const cells = row.map((cell, i) => (shape.flexible.includes(i) ? wrap(cell.text, widths[i] ?? 0) : [cell.text]));
  const height = Math.max(...cells.map((lines) => lines.length));
  for (let at = 0; at < height; at++) {
    let line = shape.indent;
    let pending = '';
    for (const [i, cell] of row.entries()) {
      const text = cells[i]?.[at] ?? '';
      if (text !== '') {
        line += pending + paint(cell.style ?? 'plain', text);
        pending = '';
      }
      pending += ' '.repeat(Math.max(0, (widths[i] ?? 0) - lengthOf(text))) + GAP;
    }
    yield line.trimEnd();
  }
}

/** Display columns: one per code point, two for the wide scripts of East Asia. */
export function lengthOf(text: string): number {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    length +=
      code >= 0x1100 &&
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u.test(character)
        ? 2
        : 1;
  }
  return length;
}

/** Breaks after commas and spaces so that no line is longer than `width`, where that is possible. */
export function wrap(text: string, width: number): readonly string[] {
  if (lengthOf(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=[, ])/)) {
    if (line !== '' && lengthOf(line) + lengthOf(word.trimEnd()) > width) {
      lines.push(line.trimEnd());
      line = '';
    }
    line += word;
  }
  if (line !== '') lines.push(line.trimEnd());
  return lines;
}
