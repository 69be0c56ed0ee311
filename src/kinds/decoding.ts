import { suggest } from '../base/suggest.ts';
import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { ObjectRef, Origin } from '../model/origin.ts';
import { KIND_CODES, type KindCodeName } from './codes.ts';

/** One object while it is being lowered, with what there is to say about it. */
export interface Decoding {
  readonly object: ObjectRef;
  readonly diagnostics: Diagnostic[];
  /** What becomes of the part at hand if it cannot be understood; said with every diagnostic about it. */
  effect: string;
}

export function startDecoding(object: KubeObject): Decoding {
  return { object: object.ref, diagnostics: [], effect: '' };
}

export function originOf(decoding: Decoding, field: string): Origin {
  return { object: decoding.object, field };
}

/** Records a diagnostic about a field; the current effect becomes its help. */
export function complain(decoding: Decoding, name: KindCodeName, field: string, message: string, hint?: string): void {
  const { code, severity } = KIND_CODES[name];
  const help = [hint, decoding.effect].filter((part) => part !== undefined && part !== '').join('; ');
  decoding.diagnostics.push({
    code,
    severity,
    message,
    ...(help === '' ? {} : { help }),
    origin: originOf(decoding, field),
  });
}

/** Runs `work` with another effect. */
export function withEffect<T>(decoding: Decoding, effect: string, work: () => T): T {
  const before = decoding.effect;
  decoding.effect = effect;
  const result = work();
  decoding.effect = before;
  return result;
}

export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

export function isList(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json);
}

/** The value of a field; `null` is absent, as API servers read it (S1.7). */
export function get(json: JsonObject, key: string): Json | undefined {
  const value = Object.hasOwn(json, key) ? json[key] : undefined;
  return value === null ? undefined : value;
}

/** `parent.key`, or `key` at the top. */
export function child(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

/** Reports every field that is not one of `known` and returns their names. */
export function unknownFields(
  decoding: Decoding,
  json: JsonObject,
  known: readonly string[],
  path: string,
): readonly string[] {
  const unknown = Object.keys(json).filter((key) => !known.includes(key));
  for (const key of unknown) {
    const near = suggest(key, known, 1)[0];
    const hint = near === undefined ? undefined : `did you mean \`${near}\`?`;
    complain(decoding, 'unknown-field', child(path, key), `unknown field ${quote(key)}`, hint);
  }
  return unknown;
}

/** The only field of an object that must have exactly one of `keys`; `null`, with diagnostics, for anything else. */
export function onlyField<K extends string>(
  decoding: Decoding,
  json: Json,
  keys: readonly K[],
  path: string,
  name: KindCodeName,
): { readonly key: K; readonly value: Json } | null {
  if (!isObject(json)) {
    complain(decoding, 'wrong-type', path, `must be an object, not ${show(json)}`);
    return null;
  }
  if (unknownFields(decoding, json, keys, path).length > 0) return null;
  const given = keys.flatMap((key) => {
    const value = get(json, key);
    return value === undefined ? [] : [{ key, value }];
  });
  const [only] = given;
  if (given.length === 1 && only !== undefined) return only;
  const list = keys.map((key) => `\`${key}\``).join(', ');
  complain(decoding, name, path, `must have exactly one of ${list}, has ${given.length}`);
  return null;
}

/** The value as a message shows it; composed values are only named. */
export function show(json: Json | undefined): string {
  if (json === undefined) return 'nothing';
  if (isList(json)) return 'a list';
  if (isObject(json)) return 'an object';
  return quote(typeof json === 'string' ? json : String(json));
}

function quote(text: string): string {
  return `\`${text.length > 80 ? `${text.slice(0, 80)}…` : text}\``;
}

/** Whether the value is a port number that a packet can carry. */
export function isPort(json: Json | undefined): json is number {
  return typeof json === 'number' && Number.isInteger(json) && json >= 1 && json <= 65535;
}
