import type { Diagnostic } from '../model/diagnostic.ts';
import { objectId } from '../model/origin.ts';
import { MANIFEST_DIAGNOSTICS } from './diagnostics.ts';
import type { KubeObject, Reading } from './object.ts';
import { groupOf } from './scope.ts';

/**
 * Keeps the last of several objects of one group, kind, namespace and name, in input order, with an error on each earlier
 * one. Objects whose name is left to the server are all kept.
 */
export function dropDuplicates(objects: readonly KubeObject[]): Reading {
  const last = new Map<string, KubeObject>();
  for (const object of objects) if (hasName(object)) last.set(identity(object), object);
  const kept: KubeObject[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const object of objects) {
    const winner = hasName(object) ? last.get(identity(object)) : object;
    if (winner === object || winner === undefined) {
      kept.push(object);
      continue;
    }
    const { source } = winner.ref;
    const where = source === null ? '' : ` in \`${source.file}:${source.locate('metadata.name').line}\``;
    diagnostics.push({
      code: MANIFEST_DIAGNOSTICS.duplicateObject.code,
      severity: 'error',
      message: `\`${objectId(object.ref)}\` is given again${where}; the last one counts`,
      help: 'remove one of the two, or give it another name',
      origin: { object: object.ref, field: 'metadata.name' },
    });
  }
  return { objects: kept, diagnostics };
}

/** Versions of one kind are one object. */
function identity({ ref }: KubeObject): string {
  // No name that a server takes has a NUL in it.
  return `${groupOf(ref.apiVersion)}\0${ref.kind}\0${ref.namespace ?? '\0'}\0${ref.name}`;
}

function hasName({ value }: KubeObject): boolean {
  const metadata = Object.hasOwn(value, 'metadata') ? value.metadata : undefined;
  if (metadata === null || typeof metadata !== 'object' || Array.isArray(metadata)) return true;
  const { name, generateName } = metadata as { readonly name?: unknown; readonly generateName?: unknown };
  return Boolean(name) || !generateName;
}
