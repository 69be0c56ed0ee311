import type { Position, Source } from '../model/origin.ts';
import { joinPath } from './field-path.ts';
import { type Locator, locator } from './locate.ts';
import { type Parsed, parseDocument } from './parse.ts';
import type { FileText } from './text.ts';

/** One document of a file, which can say where its fields are. */
export interface LocatedDocument {
  readonly file: string;
  positionOf(offset: number): Position;
  /** The place of a field path; parses the document again the first time that it is asked for. */
  locate(path: string): Position;
}

/**
 * A document whose text begins at `start` of a file. `text` may differ from the file's in characters, never in offsets.
 */
export function locatedDocument(file: FileText, start: number, text: string, maxDepth: number): LocatedDocument {
  let find: Locator | null = null;
  const positionOf = (offset: number): Position => file.positionOf(start + offset);
  return {
    file: file.file,
    positionOf,
    locate(path) {
      find ??= locator(parsedOrEmpty(text, maxDepth));
      return positionOf(find(path));
    },
  };
}

/** A text that is no YAML (JSON may have characters that YAML lacks) has no fields to find, only a beginning. */
function parsedOrEmpty(text: string, maxDepth: number): Parsed {
  try {
    return parseDocument(text, maxDepth);
  } catch {
    return { text, events: [], originalOffset: (offset) => offset };
  }
}

/** The source of the object at `prefix` of a document: `''`, or `items[3]` for one in a list. */
export function sourceAt(document: LocatedDocument, prefix: string): Source {
  return {
    file: document.file,
    locate: (field) => document.locate(joinPath(prefix, field)),
  };
}
