import { type Event, parseEvents, YAMLException } from 'js-yaml';
import { DocumentError } from './diagnostics.ts';

/** One YAML document as events, whose offsets are those of `text`. */
export interface Parsed {
  /** What was parsed: the document's text, perhaps with spaces put in. */
  readonly text: string;
  readonly events: readonly Event[];
  /** The offset in the document's own text. */
  originalOffset(offset: number): number;
}

/** How many characters may be parsed again on behalf of one document. */
const REPAIR_BUDGET = 20_000_000;
/** More than any real indentation, so that one repair of a line is enough. */
const REPAIR_INDENT = 80;

/**
 * Parses the first document of a text; throws {@link DocumentError} with an offset of that text.
 *
 * Kubernetes tools let brackets, braces and quoted text go on at any column, the parser wants them indented. Spaces at
 * the beginning of such a line mean nothing, so they are put in where the parser misses them.
 */
export function parseDocument(text: string, maxDepth: number): Parsed {
  let repaired = text;
  /** Offsets in `repaired` before which {@link REPAIR_INDENT} spaces were put in, ascending. */
  const repairs: number[] = [];
  const originalOffset = (offset: number): number => {
    let original = offset;
    for (const repair of repairs) {
      if (repair >= offset) break;
      original -= Math.min(REPAIR_INDENT, offset - repair);
    }
    return original;
  };
  for (let budget = REPAIR_BUDGET; ; budget -= repaired.length) {
    try {
      return { text: repaired, events: parseEvents(repaired, { maxDepth }), originalOffset };
    } catch (error) {
      // The parser recurses; a small stack must not take the run down.
      if (error instanceof RangeError) throw tooDeep(0, maxDepth);
      if (!(error instanceof YAMLException)) throw error;
      const offset = error.mark?.position ?? 0;
      if (error.reason.startsWith('nesting exceeded')) throw tooDeep(originalOffset(offset), maxDepth);
      const line = lineStart(repaired, offset);
      if (error.reason !== 'deficient indentation' || budget < repaired.length || line <= (repairs.at(-1) ?? -1)) {
        throw new DocumentError(
          'syntax',
          originalOffset(offset),
          error.reason,
          helpFor(error.reason, repaired, offset),
        );
      }
      repaired = `${repaired.slice(0, line)}${' '.repeat(REPAIR_INDENT)}${repaired.slice(line)}`;
      // INVARIANT: ascending; an error at or before the last repair is not repaired.
      repairs.push(line);
    }
  }
}

export function tooDeep(offset: number, maxDepth: number): DocumentError {
  return new DocumentError(
    'nesting',
    offset,
    `nested deeper than ${maxDepth} levels`,
    'flatten the document; no Kubernetes object is nested that deeply',
  );
}

function lineStart(text: string, offset: number): number {
  let i = Math.min(offset, text.length);
  while (i > 0 && text[i - 1] !== '\n' && text[i - 1] !== '\r') i--;
  return i;
}

function helpFor(reason: string, text: string, offset: number): string {
  const start = lineStart(text, offset);
  const newline = text.indexOf('\n', offset);
  const line = text.slice(start, Math.min(newline < 0 ? text.length : newline, offset + 200));
  if (reason.startsWith('tab ') || /^ *\t/.test(line)) return 'indent with spaces; YAML forbids tabs in indentation';
  if (reason === 'deficient indentation') return 'indent the lines that go on inside of brackets, braces and quotes';
  if (line.includes('{{')) return 'this looks like a template; render it first and read the result';
  if (reason.includes('document separator')) return 'begin each document with a line `---`';
  return 'check indentation and quotes here; other documents of the file are still read';
}
