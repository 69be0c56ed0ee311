/** What both tours of the example share: its question, its mistake, and how an answer is told. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Input } from '../io/files.ts';
import type { Origin } from '../model/origin.ts';
import type { Reason } from '../model/verdict.ts';
import type { Paint } from '../report/formats/text/paint.ts';

export const QUESTION = { source: 'shop/checkout', destination: 'svc/payments/gateway:8443' } as const;
/** What the mistake is, and what it should be. */
export const WRONG = 'port: 8443';
export const RIGHT = 'port: 8080';

export function story(
  verdict: string,
  deciding: Reason | null,
  nearMiss: Reason | null,
  paint: Paint,
): readonly string[] {
  return [
    `${paint(verdict === 'allowed' ? 'allowed' : 'denied', verdict.toUpperCase())}  ${QUESTION.source} → ${QUESTION.destination}\n`,
    ...(deciding === null ? [] : [`  because  ${deciding.text}\n`]),
    ...(nearMiss === null ? [] : [`  nearly   ${nearMiss.text}\n`]),
  ];
}

/** The lines around a place, with a mark under it. */
export function excerpt(origin: Origin, files: readonly Input[], paint: Paint): readonly string[] {
  const { source } = origin.object;
  const file = files.find((one) => one.file === source?.file);
  if (source === null || file === undefined) return [];
  const { line, column } = source.locate(origin.field);
  const lines = new TextDecoder().decode(file.bytes).split('\n');
  const out = [`${paint('strong', `${file.file}:${line}:${column}`)}\n`];
  for (let at = Math.max(1, line - 6); at <= Math.min(lines.length, line + 1); at++) {
    const text = lines[at - 1] ?? '';
    const here = at === line;
    out.push(`${paint(here ? 'denied' : 'dim', `${here ? '>' : ' '} ${String(at).padStart(4)} | ${text}`)}\n`);
    if (here) out.push(`${paint('denied', `       | ${' '.repeat(column - 1)}^`)}\n`);
  }
  return out;
}

/** The example with its mistake mended. */
export function mend(files: readonly Input[]): readonly Input[] {
  return files.map((file) => {
    if (!file.file.endsWith(join('payments', 'policies.yaml'))) return file;
    const text = readFileSync(file.file, 'utf8').replace(WRONG, RIGHT);
    return { file: file.file, bytes: new TextEncoder().encode(text) };
  });
}
