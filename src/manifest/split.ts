/** A stretch of a file: `[start, end)` in UTF-16 units. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** How a YAML file falls apart before any of it is parsed. */
export interface Split {
  readonly documents: readonly Stretch[];
  /** Lines that begin with `---` and go on with something else; the document behind each is left out. */
  readonly badSeparators: readonly Stretch[];
  /** Text behind a document end marker `...` that the next separator does not reach. */
  readonly ignored: readonly Stretch[];
}

const SEPARATOR = '---';

/**
 * Splits a file at its lines `---`, as kubectl does before it parses anything: a broken document cannot hide the others,
 * and such a line separates wherever it stands, be it in a block of text.
 */
export function splitYaml(text: string): Split {
  const documents: Stretch[] = [];
  const badSeparators: Stretch[] = [];
  const ignored: Stretch[] = [];
  const hasEndMarkers = text.startsWith('...') || text.includes('\n...');

  const add = (start: number, end: number): void => {
    if (start >= end) return;
    const marker = hasEndMarkers ? endMarker(text, start, end) : end;
    documents.push({ start, end: marker });
    if (marker < end) {
      const rest = contentAfter(text, marker, end);
      if (rest !== null) ignored.push({ start: rest, end });
    }
  };

  let start = 0;
  let wanted = true;
  let line = text.startsWith(SEPARATOR) ? 0 : nextSeparator(text, 0);
  while (line >= 0) {
    const newline = text.indexOf('\n', line);
    const lineEnd = newline < 0 ? text.length : newline;
    if (wanted) add(start, line);
    const rest = text.slice(line + SEPARATOR.length, lineEnd).trim();
    wanted = rest === '' || rest.startsWith('#');
    if (!wanted) badSeparators.push({ start: line, end: lineEnd });
    start = newline < 0 ? text.length : newline + 1;
    line = nextSeparator(text, lineEnd);
  }
  if (wanted) add(start, text.length);
  return { documents, badSeparators, ignored };
}

function nextSeparator(text: string, from: number): number {
  const found = text.indexOf(`\n${SEPARATOR}`, from);
  return found < 0 ? -1 : found + 1;
}

function endMarker(text: string, start: number, end: number): number {
  for (let i = start; i < end; ) {
    if (text.startsWith('...', i) && /^\.\.\.(?:\s|$)/.test(text.slice(i, i + 4))) return i;
    const newline = text.indexOf('\n', i);
    if (newline < 0) break;
    i = newline + 1;
  }
  return end;
}

/** The offset of the first line behind the marker's that is neither blank nor a comment. */
function contentAfter(text: string, marker: number, end: number): number | null {
  for (let i = text.indexOf('\n', marker); i >= 0 && i + 1 < end; i = text.indexOf('\n', i + 1)) {
    const next = text.indexOf('\n', i + 1);
    const line = text.slice(i + 1, next < 0 ? end : Math.min(next, end)).trim();
    if (line !== '' && !line.startsWith('#') && line !== '...') return i + 1;
  }
  return null;
}
