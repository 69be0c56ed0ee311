import type { KubeObject } from '../manifest/object.ts';
import { groupOf } from './kinds.ts';

/**
 * Values by three names. Maps in maps instead of one map of joined keys: for 100,000 pods joining and hashing the keys
 * costs more than all else.
 */
export type ByThree<V> = Map<string, Map<string, Map<string, V>>>;

export function getByThree<V>(from: ByThree<V>, first: string, second: string, third: string): V | undefined {
  return from.get(first)?.get(second)?.get(third);
}

export function setByThree<V>(into: ByThree<V>, first: string, second: string, third: string, value: V): void {
  let outer = into.get(first);
  if (outer === undefined) {
    outer = new Map();
    into.set(first, outer);
  }
  const inner = outer.get(second);
  if (inner === undefined) outer.set(second, new Map([[third, value]]));
  else inner.set(third, value);
}

/** The last object of each type (`group/Kind`), namespace (`''` for cluster-scoped ones) and name. */
export interface ObjectIndex {
  readonly objects: ByThree<KubeObject>;
  readonly types: TypeNames;
}

/** `group/Kind` by `apiVersion` and kind: each text is made once. */
export type TypeNames = Map<string, Map<string, string>>;

export function typeName(types: TypeNames, apiVersion: string, kind: string): string {
  let kinds = types.get(apiVersion);
  if (kinds === undefined) {
    kinds = new Map();
    types.set(apiVersion, kinds);
  }
  let name = kinds.get(kind);
  if (name === undefined) {
    name = `${groupOf(apiVersion)}/${kind}`;
    kinds.set(kind, name);
  }
  return name;
}
