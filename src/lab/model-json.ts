import { asObject, isObject, stringOf } from '../kinds/validation/json.ts';
import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';

export function metadataOf(object: JsonObject): JsonObject {
  return asObject(object.metadata);
}

export function nameOf(object: JsonObject): string {
  return stringOf(metadataOf(object).name);
}

export function namespaceOf(object: JsonObject): string {
  return stringOf(metadataOf(object).namespace);
}

export function uidOf(object: JsonObject): string {
  return stringOf(metadataOf(object).uid);
}

/** `Kind/namespace/name`: tells the objects of a lab apart. */
export function objectKey(object: JsonObject): string {
  return `${stringOf(object.kind)}/${namespaceOf(object)}/${nameOf(object)}`;
}

/** The object with other fields in its metadata. */
export function withMetadata(object: JsonObject, fields: JsonObject): JsonObject {
  return { ...object, metadata: { ...metadataOf(object), ...fields } };
}

/** Labels as a map, since `__proto__` is a legal key. Values that are no text are left out. */
export function labelsOf(value: Json | undefined): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(asObject(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** An object that no text holds. */
export function madeObject(value: JsonObject): KubeObject {
  const namespace = namespaceOf(value) || null;
  const ref = {
    apiVersion: stringOf(value.apiVersion),
    kind: stringOf(value.kind),
    namespace,
    name: nameOf(value),
    source: null,
  };
  return { ref, value };
}

/** The JSON text with the keys of every object sorted: equal for equal values. */
export function stableText(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(stableText).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value ?? null);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${stableText(value[key])}`).join(',')}}`;
}

/** 32 hexadecimal digits that depend on the text alone; different texts get different ones for all practical purposes. */
export function fingerprint(text: string): string {
  const parts = [0x811c9dc5, 0x01000193, 0x9e3779b9, 0x85ebca6b].map((start) => {
    let hash = start;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) + (hash >>> 15);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(8, '0');
  });
  return parts.join('');
}

/** The UUID of an object that has none of its own. */
export function uidFor(key: string): string {
  const hex = fingerprint(key);
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20)].join('-');
}

const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** Characters as in the names that controllers make, from a fingerprint. */
export function suffixOf(text: string, length: number): string {
  const hex = fingerprint(text);
  let out = '';
  for (let i = 0; i < length; i++)
    out += LETTERS[Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16) % LETTERS.length] ?? 'x';
  return out;
}
