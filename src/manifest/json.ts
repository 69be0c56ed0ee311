import { DocumentError, type Limits } from './diagnostics.ts';
import type { Json } from './object.ts';
import { tooDeep } from './parse.ts';

const QUOTE = 34;
const COLON = 58;
const BACKSLASH = 92;
const OPENING = [123, 91] as const;
const CLOSING = [125, 93] as const;

/** What a scan of one JSON value finds without decoding it. */
export interface JsonExtent {
  /** Offset behind the value, or the length of the text if the value does not end. */
  readonly end: number;
  readonly closed: boolean;
  readonly keys: number;
  readonly depth: number;
}

/** Finds the end of the object or list that begins at `start`, counting keys and levels; linear, no recursion. */
export function scanJson(text: string, start: number): JsonExtent {
  let keys = 0;
  let level = 0;
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = closingQuote(text, i);
      if (i < 0) break;
    } else if (code === COLON) keys++;
    else if (code === OPENING[0] || code === OPENING[1]) {
      if (++level > depth) depth = level;
    } else if (code === CLOSING[0] || code === CLOSING[1]) {
      if (--level <= 0) return { end: i + 1, closed: true, keys, depth };
    }
  }
  return { end: text.length, closed: false, keys, depth };
}

function closingQuote(text: string, open: number): number {
  for (let i = text.indexOf('"', open + 1); i >= 0; i = text.indexOf('"', i + 1)) {
    let before = i - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((i - before) % 2 === 1) return i;
  }
  return -1;
}

/** Whether a text is given as JSON, as kubectl decides it: by its first character (here a list counts too). */
export function looksLikeJson(text: string): boolean {
  const first = /^\s*(.)/.exec(text)?.[1];
  return first === '{' || first === '[';
}

/** The value of a JSON text; `null` if it is no JSON. Throws {@link DocumentError} for one that exceeds limits. */
export function parseJson(
  text: string,
  extent: JsonExtent,
  limits: Limits,
): { readonly value: Json; readonly hasDuplicates: boolean } | null {
  if (extent.depth > limits.maxDepth) throw tooDeep(0, limits.maxDepth);
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return null;
  }
  const found = census(value);
  if (!found.finite) {
    const number = /[0-9][0-9.]*[eE]\+?[0-9]{3,}|[0-9]{309,}/.exec(text);
    throw new DocumentError(
      'value',
      number?.index ?? 0,
      'cannot unmarshal number into Go value of type float64',
      'the number is too large',
    );
  }
  return { value, hasDuplicates: found.keys !== extent.keys };
}

/** The depth is bounded before, so this may recurse. */
function census(value: Json): { keys: number; finite: boolean } {
  const found = { keys: 0, finite: true };
  const visit = (node: Json): void => {
    if (typeof node === 'number') {
      if (!Number.isFinite(node)) found.finite = false;
    } else if (node === null || typeof node !== 'object') return;
    else if (Array.isArray(node)) for (const item of node as readonly Json[]) visit(item);
    else {
      for (const key of Object.keys(node)) {
        found.keys++;
        visit((node as { readonly [key: string]: Json })[key] as Json);
      }
    }
  };
  visit(value);
  return found;
}
