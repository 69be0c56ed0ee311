import type { Conn, ConnectivityEntry } from '../../model/report.ts';
import { connJson, type Field, fieldsOf } from '../document.ts';
import type { Format } from '../format.ts';
import type { Report } from '../report.ts';

const CHUNK = 1 << 16;

/**
 * The document with one line per list item. Nothing but one chunk is held at a time: a matrix of a large cluster takes
 * hundreds of megabytes, more than a string can hold.
 */
export function* jsonChunks(report: Report): Generator<string> {
  const fields = fieldsOf(report);
  let buffer = '{\n';
  for (const [index, field] of fields.entries()) {
    const end = index === fields.length - 1 ? '\n' : ',\n';
    buffer += `  ${JSON.stringify(field.key)}: `;
    if (field.kind === 'value') buffer += JSON.stringify(field.value);
    else {
      let first = true;
      for (const line of linesOf(field)) {
        buffer += first ? '[\n    ' : ',\n    ';
        first = false;
        buffer += line;
        if (buffer.length >= CHUNK) {
          yield buffer;
          buffer = '';
        }
      }
      buffer += first ? '[]' : '\n  ]';
    }
    buffer += end;
  }
  yield `${buffer}}\n`;
}

function linesOf(field: Exclude<Field, { readonly kind: 'value' }>): Iterable<string> {
  return field.kind === 'entries' ? entryLines(field.entries) : stringified(field.items);
}

function* stringified(items: Iterable<unknown>): Generator<string> {
  for (const item of items) yield JSON.stringify(item);
}

// A generic serialiser spends most of its time on names and conns that it has already written many times over.
function* entryLines(entries: readonly ConnectivityEntry[]): Generator<string> {
  const names = new Map<string, string>();
  const conns = new Map<Conn, string>();
  const quoted = (name: string): string => {
    let text = names.get(name);
    if (text === undefined) {
      text = JSON.stringify(name);
      names.set(name, text);
    }
    return text;
  };
  const serialised = (conn: Conn): string => {
    let text = conns.get(conn);
    if (text === undefined) {
      text = JSON.stringify(connJson(conn));
      conns.set(conn, text);
    }
    return text;
  };
  for (const entry of entries) {
    const start = `{"src":${quoted(entry.src)},"dst":${quoted(entry.dst)},"conn":${serialised(entry.conn)}`;
    if (entry.varies === undefined) yield `${start}}`;
    else if (entry.some === undefined) yield `${start},"varies":true}`;
    else yield `${start},"varies":true,"some":${serialised(entry.some)}}`;
  }
}

export const json: Format = {
  name: 'json',
  mediaType: 'application/json',
  extension: 'json',
  renderers: {
    ConnectivityReport: jsonChunks,
    ExposureReport: jsonChunks,
    DiffReport: jsonChunks,
    QueryReport: jsonChunks,
    Explanation: jsonChunks,
    PoliciesReport: jsonChunks,
    ValidationReport: jsonChunks,
    ProbeReport: jsonChunks,
    SmokeReport: jsonChunks,
  },
};
