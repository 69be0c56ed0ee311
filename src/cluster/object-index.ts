import type { KubeObject } from '../manifest/object.ts';
import { type ObjectType, perType } from '../manifest/per-type.ts';
import { groupOf, type Treatment, treatmentOf } from './kinds.ts';

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
  readonly typeOf: (type: ObjectType) => TypeFacts;
}

/** All that one type of objects, whatever its version, has in common. */
export interface TypeFacts {
  /** `group/Kind`. */
  readonly name: string;
  readonly treatment: Treatment;
}

export function objectIndex(): ObjectIndex {
  const typeOf = perType(
    ({ apiVersion, kind }): TypeFacts => ({
      name: `${groupOf(apiVersion)}/${kind}`,
      treatment: treatmentOf(apiVersion, kind),
    }),
  );
  return { objects: new Map(), typeOf };
}
