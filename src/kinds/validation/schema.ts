import type { Json } from '../../manifest/object.ts';

/** A rule across fields, which the server evaluates only when nothing is grossly wrong. `value` is never null. */
export interface SchemaRule {
  readonly message: string;
  holds(value: Json): boolean;
}

export interface ObjectSchema {
  readonly kind: 'object';
  readonly fields: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly rules?: readonly SchemaRule[];
}

export interface ListSchema {
  readonly kind: 'list';
  readonly items: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  /** No item may occur twice. */
  readonly set?: boolean;
}

export interface StringSchema {
  readonly kind: 'string';
  readonly enum?: readonly string[];
  readonly pattern?: RegExp;
  readonly maxLength?: number;
  readonly default?: string;
  readonly rules?: readonly SchemaRule[];
}

export interface IntegerSchema {
  readonly kind: 'integer';
  readonly minimum?: number;
  readonly maximum?: number;
  /** What the Go type can hold; only typed decoding cares. */
  readonly bits?: 32 | 64;
}

/** What the API knows of one place in an object. */
export type Schema =
  | ObjectSchema
  | ListSchema
  | StringSchema
  | IntegerSchema
  | { readonly kind: 'map'; readonly values: Schema }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'int-or-string' }
  | { readonly kind: 'time' }
  | { readonly kind: 'any' };

export const STRING: StringSchema = { kind: 'string' };

export function object(
  fields: Readonly<Record<string, Schema>>,
  limits: Omit<ObjectSchema, 'kind' | 'fields'> = {},
): ObjectSchema {
  return { kind: 'object', fields, ...limits };
}

/** An object with exactly one of its fields. */
export function oneOf(fields: Readonly<Record<string, Schema>>): ObjectSchema {
  return { kind: 'object', fields, minProperties: 1, maxProperties: 1 };
}

export function list(items: Schema, limits: Omit<ListSchema, 'kind' | 'items'> = {}): ListSchema {
  return { kind: 'list', items, ...limits };
}

/** A label selector of `meta/v1`; its meaning is not part of the schema. */
export const SELECTOR: ObjectSchema = object({
  matchLabels: { kind: 'map', values: STRING },
  matchExpressions: list(
    object({ key: STRING, operator: STRING, values: list(STRING) }, { required: ['key', 'operator'] }),
  ),
});

/** The type of a place, as messages name it. */
export function typeOf(schema: Schema): string {
  switch (schema.kind) {
    case 'object':
    case 'map':
    case 'any':
      return 'object';
    case 'list':
      return 'array';
    case 'int-or-string':
      return 'integer,string';
    case 'time':
      return 'string';
    default:
      return schema.kind;
  }
}

/** What the schema says of a property, `null` if it knows none of that name. */
export function propertyOf(schema: Schema | null, key: string): Schema | null {
  if (schema === null) return null;
  if (schema.kind === 'object') return Object.hasOwn(schema.fields, key) ? (schema.fields[key] ?? null) : null;
  return schema.kind === 'map' ? schema.values : null;
}
