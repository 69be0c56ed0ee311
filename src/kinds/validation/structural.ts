import type { Json, JsonObject } from '../../manifest/object.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  invalid,
  required,
  tooLong,
  tooMany,
  unsupported,
  wrongType,
} from './field-error.ts';
import { isInteger, runeCount } from './go-text.ts';
import { isObject } from './json.ts';
import { propertyOf, type Schema, type SchemaRule, typeOf } from './schema.ts';

/** What a server makes of a custom resource before it judges it. */
export interface Settled {
  readonly value: Json;
  /** Fields that the schema does not know; they are left out of `value`. */
  readonly unknown: readonly string[];
  /** The objects that had unknown fields. */
  readonly pruned: ReadonlySet<string>;
}

/** Drops unknown fields and nulls, and fills defaults in, as the server does for custom resources. */
export function settle(value: Json, schema: Schema, path: string): Settled {
  const progress = { unknown: [] as string[], pruned: new Set<string>() };
  return { value: settled(value, schema, path, progress), ...progress };
}

interface Progress {
  readonly unknown: string[];
  readonly pruned: Set<string>;
}

// A list where none belongs is of no use to anyone, however deep it is; no user may exhaust the stack with one.
const DEEPEST_STRAY_LIST = 100;

function settled(value: Json, schema: Schema | null, path: string, progress: Progress, stray = 0): Json {
  if (Array.isArray(value)) {
    if (stray > DEEPEST_STRAY_LIST) return [];
    const items = schema?.kind === 'list' ? schema.items : null;
    const depth = items === null ? stray + 1 : 0;
    return value.map((item, i) => settled(item, items, at(path, i), progress, depth));
  }
  if (!isObject(value)) return value;
  const entries: [string, Json][] = [];
  for (const [key, item] of Object.entries(value)) {
    const property = propertyOf(schema, key);
    if (property === null) {
      progress.unknown.push(child(path, key));
      progress.pruned.add(path);
    } else if (item !== null) entries.push([key, settled(item, property, child(path, key), progress)]);
  }
  if (schema?.kind === 'object') {
    const present = new Set(entries.map(([key]) => key));
    for (const [key, field] of Object.entries(schema.fields)) {
      if (field.kind === 'string' && field.default !== undefined && !present.has(key))
        entries.push([key, field.default]);
    }
  }
  return Object.fromEntries(entries);
}

/** The JSON type that the server sees in a value. */
export function jsonType(value: Json): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return isInteger(value) ? 'integer' : 'number';
  if (typeof value === 'object') return Array.isArray(value) ? 'array' : 'object';
  return typeof value;
}

/** What the schema of a custom resource says of a settled value. */
export function schemaErrors(value: Json, schema: Schema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  check(value, schema, path, errors);
  return errors;
}

function check(value: Json, schema: Schema, path: string, errors: FieldError[]): void {
  const actual = jsonType(value);
  const wanted = typeOf(schema);
  if (actual !== wanted) errors.push(wrongType(path, wanted, actual, value));
  // The server goes on after a wrong type with whatever applies to the type that it found.
  if (schema.kind === 'string' && schema.enum !== undefined && !schema.enum.includes(value as string)) {
    errors.push(unsupported(path, value, schema.enum));
  }
  if (value === null) return;
  if (typeof value === 'string') checkString(value, schema, path, errors);
  else if (typeof value === 'number') checkNumber(value, schema, path, errors);
  else if (Array.isArray(value)) checkList(value, schema, path, errors);
  else if (isObject(value)) checkObject(value, schema, path, errors);
}

function checkString(value: string, schema: Schema, path: string, errors: FieldError[]): void {
  if (schema.kind !== 'string') return;
  if (schema.maxLength !== undefined && runeCount(value) > schema.maxLength) {
    errors.push(tooLong(path, schema.maxLength));
  } else if (schema.pattern !== undefined && !schema.pattern.test(value)) {
    errors.push(invalid(path, value, `${path} in body should match '${schema.pattern.source}'`));
  }
}

function checkNumber(value: number, schema: Schema, path: string, errors: FieldError[]): void {
  if (schema.kind !== 'integer') return;
  const { minimum, maximum } = schema;
  if (maximum !== undefined && value > maximum) {
    errors.push(invalid(path, value, `${path} in body should be less than or equal to ${maximum}`));
  }
  if (minimum !== undefined && value < minimum) {
    errors.push(invalid(path, value, `${path} in body should be greater than or equal to ${minimum}`));
  }
}

function checkList(value: readonly Json[], schema: Schema, path: string, errors: FieldError[]): void {
  if (schema.kind !== 'list') return;
  value.forEach((item, i) => {
    check(item, schema.items, at(path, i), errors);
  });
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    errors.push(invalid(path, value.length, `${path} in body should have at least ${schema.minItems} items`));
  }
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    errors.push(tooMany(path, value.length, schema.maxItems));
  }
}

function checkObject(value: JsonObject, schema: Schema, path: string, errors: FieldError[]): void {
  if (schema.kind === 'map') {
    for (const [key, item] of Object.entries(value)) check(item, schema.values, `${path}.${key}`, errors);
  }
  if (schema.kind !== 'object') return;
  const count = Object.keys(value).length;
  if (schema.minProperties !== undefined && count < schema.minProperties) {
    errors.push(invalid(path, count, `${path} in body should have at least ${schema.minProperties} properties`));
  }
  if (schema.maxProperties !== undefined && count > schema.maxProperties) {
    errors.push(tooMany(path, count, schema.maxProperties));
  }
  for (const [key, field] of Object.entries(schema.fields)) {
    const item = Object.hasOwn(value, key) ? value[key] : undefined;
    if (item !== undefined) check(item, field, child(path, key), errors);
  }
  for (const key of schema.required ?? []) {
    if (!Object.hasOwn(value, key)) errors.push(required(child(path, key)));
  }
}

/** Items that occur twice in a set. */
export function setErrors(value: Json, schema: Schema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  walk(value, schema, path, (item, where, place) => {
    if (where.kind !== 'list' || where.set !== true || !Array.isArray(item)) return;
    const seen = new Map<string, number>();
    item.forEach((member: Json, i) => {
      const key = JSON.stringify(member);
      const times = (seen.get(key) ?? 0) + 1;
      seen.set(key, times);
      // The server names the second appearance only.
      if (times === 2) errors.push(duplicate(at(place, i), member));
    });
  });
  return errors;
}

/** The rules across fields that do not hold. */
export function ruleErrors(value: Json, schema: Schema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  walk(value, schema, path, (item, where, place) => {
    if (item === null) return;
    for (const rule of rulesOf(where)) {
      if (!rule.holds(item)) errors.push(invalid(place, typeOf(where), rule.message));
    }
  });
  return errors;
}

/** Whether the schema has rules across fields at all. */
export function hasRules(schema: Schema): boolean {
  if (rulesOf(schema).length > 0) return true;
  if (schema.kind === 'object') return Object.values(schema.fields).some(hasRules);
  if (schema.kind === 'list') return hasRules(schema.items);
  return schema.kind === 'map' && hasRules(schema.values);
}

function rulesOf(schema: Schema): readonly SchemaRule[] {
  return (schema.kind === 'object' || schema.kind === 'string' ? schema.rules : undefined) ?? [];
}

/** Visits every place of the value that the schema knows. */
export function walk(
  value: Json,
  schema: Schema,
  path: string,
  visit: (value: Json, schema: Schema, path: string) => void,
): void {
  visit(value, schema, path);
  if (Array.isArray(value)) {
    if (schema.kind === 'list') {
      value.forEach((item: Json, i) => {
        walk(item, schema.items, at(path, i), visit);
      });
    }
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      const property = propertyOf(schema, key);
      if (property !== null) walk(item, property, child(path, key), visit);
    }
  }
}
