import type { ObjectRef } from '../model/origin.ts';

/** What tells the kinds of objects apart. */
export type ObjectType = Pick<ObjectRef, 'apiVersion' | 'kind'>;

/** Asks `answer` once for each `apiVersion` and kind: objects are many, their types are few. */
export function perType<T extends NonNullable<unknown> | null>(
  answer: (type: ObjectType) => T,
): (type: ObjectType) => T {
  const answers = new Map<string, Map<string, T>>();
  let last: { readonly apiVersion: string; readonly kind: string; readonly known: T } | null = null;
  return (type) => {
    const { apiVersion, kind } = type;
    // Objects of one type mostly follow each other.
    if (last !== null && last.kind === kind && last.apiVersion === apiVersion) return last.known;
    let kinds = answers.get(apiVersion);
    if (kinds === undefined) {
      kinds = new Map();
      answers.set(apiVersion, kinds);
    }
    let known = kinds.get(kind);
    if (known === undefined) {
      known = answer(type);
      kinds.set(kind, known);
    }
    last = { apiVersion, kind, known };
    return known;
  };
}
