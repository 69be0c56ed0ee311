import { inChunks } from '../chunks.ts';
import { connJson, type Field, fieldsOf } from '../document.ts';
import type { Format } from '../format.ts';
import type { Json, Report } from '../report.ts';

/** Words that some YAML reader takes for something other than a string. */
const RESERVED = /^(?:true|false|yes|no|on|off|y|n|null|nan|inf)$/i;
/** Plain scalars that no YAML 1.1 or 1.2 reader can take for a number, a date or an indicator. */
const PLAIN = /^[A-Za-z_][A-Za-z0-9_./-]*$/;
/** The same for names with a kind, where brackets do not end a list. */
const PLAIN_IN_BLOCK = /^[A-Za-z_][A-Za-z0-9_./-]*\[[A-Za-z0-9]+\]$/;

/** A string as YAML: plain where that is beyond doubt, else double quoted with JSON's escapes. */
export function yamlString(text: string, inList = false): string {
  if (PLAIN.test(text) ? !RESERVED.test(text) : !inList && PLAIN_IN_BLOCK.test(text)) return text;
  // YAML's printable set is smaller than JSON's.
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function scalar(value: null | boolean | number | string, inList: boolean): string {
  return typeof value === 'string' ? yamlString(value, inList) : String(value);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** Short enough to stand in one line: scalars, and lists of scalars or of such lists (port ranges). */
function flow(value: Json, inList = false): string | null {
  if (value === null || typeof value !== 'object') return scalar(value, inList);
  if (!isList(value)) return Object.keys(value).length === 0 ? '{}' : null;
  if (value.length === 0) return '[]';
  if (value.some((item) => typeof item === 'object' && item !== null && !isList(item))) return null;
  const items = value.map((item) => flow(item, true));
  if (items.includes(null)) return null;
  const text = `[${items.join(', ')}]`;
  return text.length <= 100 ? text : null;
}

function* block(value: Json, indent: string): Generator<string> {
  if (value === null || typeof value !== 'object') return;
  if (isList(value)) {
    for (const item of value) yield* listItem(item, indent);
    return;
  }
  for (const [key, of] of Object.entries(value)) yield* entry(key, of, indent);
}

function* entry(key: string, value: Json, indent: string): Generator<string> {
  const inline = flow(value);
  if (inline !== null) {
    yield `${indent}${yamlString(key)}: ${inline}\n`;
    return;
  }
  yield `${indent}${yamlString(key)}:\n`;
  yield* block(value, `${indent}  `);
}

function* listItem(item: Json, indent: string): Generator<string> {
  const inline = flow(item);
  if (inline !== null) {
    yield `${indent}- ${inline}\n`;
    return;
  }
  let first = true;
  for (const line of block(item, `${indent}  `)) {
    yield first ? `${indent}- ${line.slice(indent.length + 2)}` : line;
    first = false;
  }
}

function* fieldPieces(field: Field): Generator<string> {
  if (field.kind === 'value') {
    yield* entry(field.key, field.value, '');
    return;
  }
  let empty = true;
  for (const item of field.kind === 'items' ? field.items : entries(field)) {
    if (empty) yield `${field.key}:\n`;
    empty = false;
    yield* listItem(item, '  ');
  }
  if (empty) yield `${field.key}: []\n`;
}

function* entries(field: Extract<Field, { readonly kind: 'entries' }>): Generator<Json> {
  for (const { src, dst, conn, varies, some } of field.entries) {
    yield {
      src,
      dst,
      conn: connJson(conn),
      ...(varies === undefined ? {} : { varies }),
      ...(some === undefined ? {} : { some: connJson(some) }),
    };
  }
}

function* pieces(report: Report): Generator<string> {
  for (const field of fieldsOf(report)) yield* fieldPieces(field);
}

const chunks = (report: Report): Iterable<string> => inChunks(pieces(report));

export const yaml: Format = {
  name: 'yaml',
  mediaType: 'application/yaml',
  extension: 'yaml',
  renderers: {
    ConnectivityReport: chunks,
    ExposureReport: chunks,
    DiffReport: chunks,
    QueryReport: chunks,
    Explanation: chunks,
    PoliciesReport: chunks,
    ValidationReport: chunks,
    ProbeReport: chunks,
    SmokeReport: chunks,
  },
};
