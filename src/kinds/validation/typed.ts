import type { Json, JsonObject } from '../../manifest/object.ts';
import { at, child, type FieldError, invalid, withCode, wrongType } from './field-error.ts';
import { isInteger } from './go-text.ts';
import { isObject } from './json.ts';
import { propertyOf, type Schema, typeOf } from './schema.ts';
import { jsonType } from './structural.ts';

/** What decoding into a Go type makes of a value. */
export interface Decoded {
  /** Without unknown fields and nulls; a null in a list or map is the zero value. */
  readonly value: Json;
  readonly unknown: readonly string[];
  /** The objects that had unknown fields. */
  readonly pruned: ReadonlySet<string>;
  /** Values that do not fit the type: the server refuses the object without looking further. */
  readonly errors: readonly FieldError[];
}

interface Progress {
  readonly unknown: string[];
  readonly pruned: Set<string>;
  readonly errors: FieldError[];
}

/** Decodes as Go's `encoding/json` would into the type that the schema stands for; case counts, as in the server. */
export function decodeTyped(value: Json, schema: Schema, path: string): Decoded {
  const progress: Progress = { unknown: [], pruned: new Set(), errors: [] };
  return { value: decoded(value, schema, path, progress), ...progress };
}

function decoded(value: Json, schema: Schema, path: string, progress: Progress): Json {
  if (value === null) return zero(schema);
  switch (schema.kind) {
    case 'any':
      return value;
    case 'object':
    case 'map':
      return isObject(value) ? decodedObject(value, schema, path, progress) : mistyped(value, schema, path, progress);
    case 'list': {
      if (!Array.isArray(value)) return mistyped(value, schema, path, progress);
      const items = value.map((item: Json, i) => decoded(item, schema.items, at(path, i), progress));
      return items.every((item, i) => item === value[i]) ? value : items;
    }
    case 'string':
      return typeof value === 'string' ? value : mistyped(value, schema, path, progress);
    case 'boolean':
      return typeof value === 'boolean' ? value : mistyped(value, schema, path, progress);
    case 'time':
      if (typeof value !== 'string') return mistyped(value, schema, path, progress);
      if (!isTime(value)) {
        progress.errors.push(withCode(invalid(path, value, 'must be a time in RFC 3339 format'), 'RP107'));
      }
      return value;
    case 'int-or-string':
      if (typeof value === 'string') return value;
      return typeof value === 'number' ? whole(value, 32, path, progress) : mistyped(value, schema, path, progress);
    case 'integer':
      return typeof value === 'number'
        ? whole(value, schema.bits ?? 64, path, progress)
        : mistyped(value, schema, path, progress);
  }
}

/** The object itself where all of it is as it should be, as it nearly always is: copies of it all cost time. */
function decodedObject(value: JsonObject, schema: Schema, path: string, progress: Progress): JsonObject {
  const keys = Object.keys(value);
  let changed: [string, Json][] | null = null;
  for (const [i, key] of keys.entries()) {
    const item = value[key] ?? null;
    const property = propertyOf(schema, key);
    let kept: Json | undefined;
    if (property === null) {
      progress.unknown.push(child(path, key));
      progress.pruned.add(path);
    } else if (item !== null || schema.kind === 'map') kept = decoded(item, property, child(path, key), progress);
    if (kept === item && changed === null) continue;
    changed ??= keys.slice(0, i).map((before) => [before, value[before] ?? null]);
    if (kept !== undefined) changed.push([key, kept]);
  }
  return changed === null ? value : Object.fromEntries(changed);
}

function mistyped(value: Json, schema: Schema, path: string, progress: Progress): Json {
  progress.errors.push(wrongType(path, typeOf(schema), jsonType(value), value));
  return zero(schema);
}

function whole(value: number, bits: 32 | 64, path: string, progress: Progress): Json {
  if (!isInteger(value)) {
    progress.errors.push(wrongType(path, 'integer', 'number', value));
    return 0;
  }
  if (bits === 32 && (value < -(2 ** 31) || value >= 2 ** 31)) {
    progress.errors.push(withCode(invalid(path, value, 'must be an integer of 32 bits'), 'RP107'));
    return 0;
  }
  return value;
}

function zero(schema: Schema): Json {
  switch (schema.kind) {
    case 'object':
    case 'map':
      return {};
    case 'list':
      return [];
    case 'string':
      return '';
    case 'boolean':
      return false;
    case 'integer':
    case 'int-or-string':
      return 0;
    case 'time':
    case 'any':
      return null;
  }
}

function isTime(text: string): boolean {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([.,]\d+)?(Z|[+-](\d\d):(\d\d))$/.exec(text);
  if (parts === null) return false;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return false;
  if (Number(parts[9] ?? 0) > 24 || Number(parts[10] ?? 0) > 60) return false;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31);
}
