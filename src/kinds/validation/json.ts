import type { Json, JsonObject } from '../../manifest/object.ts';

const NOTHING: JsonObject = Object.freeze({});

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object, or an empty one if it is none. */
export function asObject(value: Json | undefined): JsonObject {
  return isObject(value) ? value : NOTHING;
}

/** The items, or none if it is no list. */
export function items(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** The own property, never one of the prototype. */
export function get(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Whether the field is there and not null, which is what CEL's `has` and Go's pointers ask. */
export function has(value: Json | undefined, key: string): boolean {
  if (!isObject(value)) return false;
  const item = get(value, key);
  return item !== undefined && item !== null;
}

/** The string, or Go's zero value of one. */
export function stringOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
