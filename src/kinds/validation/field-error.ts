import { suggest } from '../../base/suggest.ts';
import type { Json, KubeObject } from '../../manifest/object.ts';
import type { Diagnostic, Severity } from '../../model/diagnostic.ts';
import type { ValidationCode } from './codes.ts';
import { goJson, goNumber, goQuote } from './go-text.ts';

/** One complaint about a field, in the API server's words. */
export interface FieldError {
  readonly code: ValidationCode;
  /** `''` for the whole object. */
  readonly field: string;
  readonly message: string;
  readonly help?: string;
}

/** How Go prints the bad value: a `string` by `%q`, a named string type (and everything composite) as JSON. */
function shown(value: Json, named: boolean): string {
  if (typeof value === 'number') return goNumber(value);
  if (typeof value === 'string' && !named) return goQuote(value);
  return goJson(value);
}

export function invalid(field: string, value: Json, detail: string, named = false): FieldError {
  return { code: 'RP101', field, message: `Invalid value: ${shown(value, named)}: ${detail}` };
}

export function required(field: string, detail = ''): FieldError {
  return { code: 'RP100', field, message: detail === '' ? 'Required value' : `Required value: ${detail}` };
}

export function forbidden(field: string, detail: string): FieldError {
  return { code: 'RP103', field, message: `Forbidden: ${detail}` };
}

export function unsupported(field: string, value: Json, supported: readonly string[], named = false): FieldError {
  const list = supported.map(goQuote).join(', ');
  const message = `Unsupported value: ${shown(value, named)}: supported values: ${list}`;
  const near = typeof value === 'string' ? nearest(value, supported) : undefined;
  return withHelp({ code: 'RP102', field, message }, near === undefined ? undefined : `did you mean \`${near}\`?`);
}

// The two generations of the admin kinds call one action by two names.
const OTHER_WORD: ReadonlyMap<string, string> = new Map([
  ['allow', 'Accept'],
  ['accept', 'Allow'],
]);

function nearest(value: string, supported: readonly string[]): string | undefined {
  const other = OTHER_WORD.get(value.toLowerCase());
  return other !== undefined && supported.includes(other) ? other : suggest(value, supported, 1)[0];
}

export function tooLong(field: string, most: number): FieldError {
  return { code: 'RP104', field, message: `Too long: may not be more than ${most} ${most === 1 ? 'byte' : 'bytes'}` };
}

export function tooMany(field: string, actual: number, most: number): FieldError {
  const items = most === 1 ? 'item' : 'items';
  return { code: 'RP105', field, message: `Too many: ${actual}: must have at most ${most} ${items}` };
}

export function duplicate(field: string, value: Json): FieldError {
  return { code: 'RP106', field, message: `Duplicate value: ${shown(value, false)}` };
}

/** `actual` is the JSON type that the server sees in the value. */
export function wrongType(field: string, wanted: string, actual: string, value: Json): FieldError {
  const message = `Invalid value: "${actual}": ${field} in body must be of type ${wanted}: "${actual}"`;
  return withHelp({ code: 'RP107', field, message }, quoting(wanted, value));
}

// YAML reads `80` and `true` as other things than the strings that they look like.
function quoting(wanted: string, value: Json): string | undefined {
  if (wanted === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return `write it in quotes: ${goQuote(String(value))}`;
  }
  if (wanted === 'integer' && typeof value === 'string' && /^-?[0-9]+$/.test(value)) {
    return `write it without quotes: ${value}`;
  }
  return undefined;
}

function withHelp(error: FieldError, help: string | undefined): FieldError {
  return help === undefined ? error : { ...error, help };
}

/** The same complaint with another code, where the code says more than the kind of error. */
export function withCode(error: FieldError, code: ValidationCode, help?: string): FieldError {
  return help === undefined ? { ...error, code } : { ...error, code, help };
}

/** `path.name`, or `name` at the top. */
export function child(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

export function at(path: string, index: number): string {
  return `${path}[${index}]`;
}

/** What becomes of the object that a complaint is about. */
export type Outcome = 'refused' | 'kept';

/** The diagnostics of `errors`, each complaint once. */
export function diagnosticsOf(
  object: KubeObject,
  errors: readonly FieldError[],
  severity: Severity,
  outcome: Outcome,
): Diagnostic[] {
  const seen = new Set<string>();
  const diagnostics: Diagnostic[] = [];
  for (const error of errors) {
    const key = `${error.field}\u0000${error.message}`;
    if (seen.has(key)) continue;
    seen.add(key);
    diagnostics.push({
      code: error.code,
      severity,
      message: error.message,
      refused: outcome === 'refused',
      origin: { object: object.ref, field: error.field },
      ...(error.help === undefined ? {} : { help: error.help }),
    });
  }
  return diagnostics;
}
