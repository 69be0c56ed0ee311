import type { Origin } from '../model/origin.ts';
import { objectId } from '../model/origin.ts';
import type { FlowQuestion } from './report.ts';

/** The question's own field as text; empty where it has none. */
export function questionText(question: FlowQuestion, key: string): string {
  if (!Object.hasOwn(question, key)) return '';
  const value = question[key];
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
}

/** `TCP 443`, `ICMP`, `every port`, with the direction if only one end was asked about. */
export function questionPorts(question: FlowQuestion): string {
  const asked = questionText(question, 'protocol');
  // A number without a protocol is asked for TCP; a port's name brings its own.
  const protocol = asked === '' && /^\d+$/.test(questionText(question, 'port')) ? 'TCP' : asked;
  const port = questionText(question, 'port');
  const direction = questionText(question, 'direction');
  const icmp = questionText(question, 'icmpType');
  const what = [protocol, port, icmp === '' ? '' : `type ${icmp}`].filter((part) => part !== '').join(' ');
  return `${what === '' ? 'every port' : what}${direction === '' ? '' : ` ${direction} only`}`;
}

/** `file:line:column`, or the object of a live cluster; empty if nothing is known. */
export function placeText(origin: Origin | null): string {
  if (origin === null) return '';
  const { source } = origin.object;
  if (source === null) return objectId(origin.object);
  const { line, column } = source.locate(origin.field);
  return `${source.file}:${line}:${column}`;
}
