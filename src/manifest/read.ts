import type { Diagnostic } from '../model/diagnostic.ts';
import { decodeDocument } from './decode.ts';
import { atPlace, DocumentError, type Limits } from './diagnostics.ts';
import { locatedDocument } from './document.ts';
import { type Candidate, candidatesOf, identify } from './identify.ts';
import { type JsonExtent, looksLikeJson, parseJson, scanJson } from './json.ts';
import type { Json, Reading } from './object.ts';
import { type Stretch, splitYaml } from './split.ts';
import { decodeText, type FileText, fileText, withoutMark } from './text.ts';

/** A file as it was found; `file` is how the user named it. */
export type ManifestInput =
  | { readonly file: string; readonly bytes: Uint8Array }
  | { readonly file: string; readonly text: string };

export interface ReadOptions extends Partial<Limits> {
  /** For objects of namespaced kinds that name none; `default` if it is not given. */
  readonly defaultNamespace?: string;
}

/** What limits hold unless others are given. */
export const DEFAULT_LIMITS: Limits = {
  maxBytes: 256 * 1024 * 1024,
  maxDocumentLength: 64 * 1024 * 1024,
  maxDepth: 256,
};

interface Run {
  readonly limits: Limits;
  readonly candidates: Candidate[];
  readonly diagnostics: Diagnostic[];
}

/**
 * Reads YAML and JSON files the way `kubectl` does into objects in input order. What cannot be decoded is left out with a
 * located error; the rest of its file still counts. Objects given twice are all returned, see `dropDuplicates`.
 */
export function readManifests(inputs: readonly ManifestInput[], options: ReadOptions = {}): Reading {
  const { defaultNamespace = 'default', ...limits } = options;
  const run: Run = { limits: { ...DEFAULT_LIMITS, ...limits }, candidates: [], diagnostics: [] };
  for (const input of inputs) readFile(input, run);
  const objects = identify(run.candidates, defaultNamespace, run.diagnostics);
  return { objects, diagnostics: run.diagnostics };
}

function readFile(input: ManifestInput, run: Run): void {
  const size = 'bytes' in input ? input.bytes.length : input.text.length;
  if (size > run.limits.maxBytes) {
    const message = `the file has ${size} bytes; the limit is ${run.limits.maxBytes}`;
    run.diagnostics.push(atPlace('tooLarge', { file: input.file }, message, 'split the file, or raise the limit'));
    return;
  }
  let text: string;
  if ('text' in input) text = input.text;
  else {
    const decoded = decodeText(input.bytes);
    if (decoded.kind === 'invalid') {
      const { valid, encoding } = decoded;
      const at = { file: input.file, ...fileText(input.file, valid).positionOf(valid.length) };
      const message = `the file is not valid ${encoding.toUpperCase()}`;
      run.diagnostics.push(
        atPlace('encoding', at, message, 'save it as UTF-8, or leave the file out if it is no manifest'),
      );
      return;
    }
    text = decoded.text;
  }
  const file = fileText(input.file, withoutMark(text));
  if (!looksLikeJson(file.text)) readYaml(file, run);
  else if (!readJson(file, run)) {
    const before = run.candidates.length;
    readYaml(file, run);
    if (run.candidates.length > before) notJson(file, 0, run);
  }
}

/** Reads a file of one or more JSON values; `false`, and nothing done, if the file must be something else. */
function readJson(file: FileText, run: Run): boolean {
  const { text } = file;
  const values: { readonly stretch: Stretch; readonly extent: JsonExtent }[] = [];
  for (let i = skipBlank(text, 0); i < text.length; ) {
    if (text[i] !== '{' && text[i] !== '[') return false;
    const extent = scanJson(text, i);
    if (!extent.closed && values.length === 0) return false;
    values.push({ stretch: { start: i, end: extent.end }, extent });
    i = skipBlank(text, extent.end);
  }
  const parts = values.map(({ stretch, extent }) => {
    const part = text.slice(stretch.start, stretch.end);
    return { stretch, part, outcome: outcomeOf(() => parseJson(part, extent, run.limits)) };
  });
  // Flow mappings in braces are YAML, not broken JSON.
  if (parts.every(({ outcome }) => outcome === null)) return false;
  const separator = values.slice(1).find(({ stretch }) => /\n---\s*$/.test(text.slice(0, stretch.start).slice(-80)));
  if (separator !== undefined) notJson(file, separator.stretch.start, run);
  for (const { stretch, part, outcome } of parts) {
    if (outcome === null) {
      const before = run.candidates.length;
      readDocument(file, stretch, part, run);
      if (run.candidates.length > before) notJson(file, stretch.start, run);
    } else if (outcome instanceof DocumentError) refuse(file, stretch, outcome, run);
    else {
      const duplicates = outcome.hasDuplicates ? duplicatesOf(part, run.limits) : [];
      accept(file, stretch, part, outcome.value, duplicates, run);
    }
  }
  return true;
}

/** kubectl decides by the first character, other tools do not. */
function notJson(file: FileText, offset: number, run: Run): void {
  const message = 'this is no plain JSON, for which kubectl takes text that begins with a brace; it may refuse it';
  const at = { file: file.file, ...file.positionOf(offset) };
  run.diagnostics.push(atPlace('syntax', at, message, 'put a line `---` before it, or write JSON', 'warning'));
}

/** Skips what may stand between JSON values: white space and lines `---`. */
function skipBlank(text: string, from: number): number {
  const blank = /(?:\s|(?<=^|\n)---[ \t\r]*(?=\n|$))*/y;
  blank.lastIndex = from;
  return from + (blank.exec(text)?.[0].length ?? 0);
}

/** JSON.parse drops all but the last of equal keys without a word; the YAML decoder finds them. */
function duplicatesOf(text: string, limits: Limits): readonly string[] {
  const decoded = outcomeOf(() => decodeDocument(text, limits.maxDepth));
  return decoded instanceof DocumentError ? [''] : decoded.duplicates;
}

/** Characters that YAML 1.1 forbids everywhere, or reads as line breaks. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const SPECIAL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]/;
const LINE_BREAKS = /[\x85\u2028\u2029]/g;

function readYaml(file: FileText, run: Run): void {
  const { text } = file;
  const { documents, badSeparators, ignored } = splitYaml(text);
  const hasSpecial = SPECIAL.test(text);
  for (const { start, end } of badSeparators) {
    const message = `invalid Yaml document separator: \`${text.slice(start + 3, Math.min(end, start + 60)).trim()}\``;
    const help = 'put a line `---` of its own before the document; the document behind this line is left out';
    run.diagnostics.push(atPlace('separator', { file: file.file, ...file.positionOf(start) }, message, help));
  }
  for (const { start } of ignored) {
    const help = 'put a line `---` before it if it is a document';
    const at = { file: file.file, ...file.positionOf(start) };
    run.diagnostics.push(
      atPlace('ignoredText', at, 'text after the document end marker `...` is not read', help, 'warning'),
    );
  }
  for (const stretch of documents) {
    let part = text.slice(stretch.start, stretch.end);
    if (hasSpecial) {
      const forbidden = FORBIDDEN.exec(part);
      if (forbidden !== null) {
        const help = 'remove the character, or write it as an escape in double quotes';
        refuse(
          file,
          stretch,
          new DocumentError('syntax', forbidden.index, 'control characters are not allowed', help),
          run,
        );
        continue;
      }
      part = part.replace(LINE_BREAKS, '\n');
    }
    readDocument(file, stretch, part, run);
  }
}

function readDocument(file: FileText, stretch: Stretch, text: string, run: Run): void {
  const { limits } = run;
  const decoded = outcomeOf(() => {
    if (text.length > limits.maxDocumentLength) {
      const message = `the document has ${text.length} characters; the limit is ${limits.maxDocumentLength}`;
      throw new DocumentError(
        'tooLarge',
        0,
        message,
        'divide it into documents by `---`, give it as JSON, or raise the limit',
      );
    }
    return decodeDocument(text, limits.maxDepth);
  });
  if (decoded instanceof DocumentError) refuse(file, stretch, decoded, run);
  else if (decoded.value !== null) accept(file, stretch, text, decoded.value, decoded.duplicates, run);
}

function accept(
  file: FileText,
  stretch: Stretch,
  text: string,
  value: Json,
  duplicates: readonly string[],
  run: Run,
): void {
  const document = locatedDocument(file, stretch.start, text, run.limits.maxDepth);
  for (const candidate of candidatesOf(document, value, duplicates, run.diagnostics)) run.candidates.push(candidate);
}

function refuse(file: FileText, stretch: Stretch, error: DocumentError, run: Run): void {
  const at = { file: file.file, ...file.positionOf(stretch.start + error.offset) };
  run.diagnostics.push(atPlace(error.what, at, error.message, error.help));
}

function outcomeOf<T>(decode: () => T): T | DocumentError {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DocumentError) return error;
    throw error;
  }
}
