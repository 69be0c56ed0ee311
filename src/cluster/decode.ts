import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { CLUSTER_CODES, type ClusterCodeName } from './codes.ts';

/**
 * One object while it is read. An API server refuses an object with a field of the wrong type as a whole (`null` counts
 * as absent), so the first such field is kept; whoever reads goes on as if the field were absent and asks at the end.
 */
export interface Decoding {
  readonly object: KubeObject;
  readonly diagnostics: Diagnostic[];
  fault: { readonly field: string; readonly message: string } | null;
}

export function decoding(object: KubeObject, diagnostics: Diagnostic[]): Decoding {
  return { object, diagnostics, fault: null };
}

/** Says why the object is refused, if it is. */
export function refused(of: Decoding): boolean {
  if (of.fault === null) return false;
  const { code, severity } = CLUSTER_CODES.undecodable;
  of.diagnostics.push({
    code,
    severity,
    message: of.fault.message,
    help: `an API server refuses this ${of.object.ref.kind}; it is left out`,
    refused: true,
    origin: { object: of.object.ref, field: of.fault.field },
  });
  return true;
}

/** Records a diagnostic about a field of an object that stays in. */
export function remark(of: Decoding, name: ClusterCodeName, field: string, message: string, help?: string): void {
  const { code, severity } = CLUSTER_CODES[name];
  of.diagnostics.push({
    code,
    severity,
    message,
    ...(help === undefined ? {} : { help }),
    origin: { object: of.object.ref, field },
  });
}

const NOTHING: JsonObject = {};
const NONE: readonly Json[] = [];

export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

// A field is read where it is asked for, by its name, and handed over with the name: code that reads fields of any name
// is several times as slow. No field that Kubernetes knows has the name of anything that objects inherit.

/** A field that is an object; `{}` where it is absent. */
export function objectAt(of: Decoding, value: Json | undefined, key: string, path: string): JsonObject {
  if (value === undefined || value === null) return NOTHING;
  if (isObject(value)) return value;
  wrong(of, value, 'an object', path, key);
  return NOTHING;
}

/** A field that is a list; `[]` where it is absent. */
export function listAt(of: Decoding, value: Json | undefined, key: string, path: string): readonly Json[] {
  if (value === undefined || value === null) return NONE;
  if (Array.isArray(value)) return value as readonly Json[];
  wrong(of, value, 'a list', path, key);
  return NONE;
}

/** An element of a list that is an object. */
export function element(of: Decoding, list: readonly Json[], index: number, path: string): JsonObject {
  const value = list[index];
  if (isObject(value)) return value;
  // A `null` element decodes to an empty struct.
  if (value !== null) wrong(of, value, 'an object', path, null);
  return NOTHING;
}

/** The elements that are not `null`. Lists of the right length as they are: a cluster keeps very many of them. */
export function present<T>(list: readonly (T | null)[]): readonly T[] {
  return list.every((item): item is T => item !== null) ? list : list.filter((item) => item !== null);
}

/** A field that is text; `null` where it is absent or empty. */
export function textAt(of: Decoding, value: Json | undefined, key: string, path: string): string | null {
  if (value === undefined || value === null || value === '') return null;
  if (typeof value === 'string') return value;
  wrong(of, value, 'a string', path, key);
  return null;
}

/** A field that is a whole number of 32 bits; `null` where it is absent. */
export function numberAt(of: Decoding, value: Json | undefined, key: string, path: string): number | null {
  if (value === undefined || value === null) return null;
  if (isInt32(value)) return value;
  wrong(of, value, 'a whole number', path, key);
  return null;
}

/** A field that is `true` or `false`; `null` where it is absent. */
export function flagAt(of: Decoding, value: Json | undefined, key: string, path: string): boolean | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean') return value;
  wrong(of, value, 'true or false', path, key);
  return null;
}

/** A field that is a number or a name, such as `targetPort`; `null` where it is absent, `0` or empty. */
export function numberOrName(of: Decoding, value: Json | undefined, key: string, path: string): number | string | null {
  if (value === undefined || value === null || value === 0 || value === '') return null;
  if (typeof value === 'string' || isInt32(value)) return value;
  wrong(of, value, 'a number or a name', path, key);
  return null;
}

function isInt32(value: Json): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31;
}

export function wrong(of: Decoding, value: Json | undefined, wanted: string, path: string, key: string | null): void {
  if (of.fault !== null) return;
  const field = key === null ? path : path === '' ? key : `${path}.${key}`;
  of.fault = { field, message: `cannot be decoded: must be ${wanted}, is ${typeName(value)}` };
}

function typeName(value: Json | undefined): string {
  if (value === undefined || value === null) return 'absent';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return 'a string';
    case 'number':
      return `\`${value}\``;
    case 'boolean':
      return `\`${value}\``;
    default:
      return 'an object';
  }
}
