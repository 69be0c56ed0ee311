import { inChunks } from '../chunks.ts';
import { flatten } from '../flat.ts';
import type { Format } from '../format.ts';
import type { Report } from '../report.ts';
import { visible } from '../visible.ts';

/**
 * One field of RFC 4180: quoted where it holds a quote or a comma; line breaks are written out. A leading `=`, `+`, `-` or `@`
 * would be run as a formula by spreadsheets; the apostrophe in front of it is what they show as text.
 */
function field(text: string): string {
  const safe = visible(text);
  const inert = /^[=+\-@]/.test(safe) ? `'${safe}` : safe;
  return /[",]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}

function* records(report: Report): Generator<string> {
  const { columns, rows } = flatten(report);
  const line = (row: readonly string[]): string => `${row.map(field).join(',')}\r\n`;
  yield line(columns);
  for (const row of rows) yield line(row);
}

const chunks = (report: Report): Iterable<string> => inChunks(records(report));

export const csv: Format = {
  name: 'csv',
  mediaType: 'text/csv; charset=utf-8; header=present',
  extension: 'csv',
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
