import type { Diagnostic } from '../model/diagnostic.ts';
import { objectId } from '../model/origin.ts';
import { MANIFEST_DIAGNOSTICS } from './diagnostics.ts';
import type { KubeObject, Reading } from './object.ts';
import { perType } from './per-type.ts';
import { groupOf } from './scope.ts';

/**
 * Keeps the last of several objects of one group, kind, namespace and name, in input order, with an error on each earlier
 * one. Objects whose name is left to the server are all kept.
 */
export function dropDuplicates(objects: readonly KubeObject[]): Reading {
  const groups = new Map<string, Homes>();
  // Versions of one kind are one object. No group has a slash in it.
  const homesOf = perType(({ apiVersion, kind }) => entry(groups, `${groupOf(apiVersion)}/${kind}`));
  const namesakes = ({ ref }: KubeObject): Map<string, KubeObject> => entry(homesOf(ref), ref.namespace);
  let anyTwice = false;
  for (const object of objects) {
    if (!hasName(object)) continue;
    const names = namesakes(object);
    const count = names.size;
    if (names.set(object.ref.name, object).size === count) anyTwice = true;
  }
  if (!anyTwice) return { objects, diagnostics: [] };
  const kept: KubeObject[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const object of objects) {
    const winner = hasName(object) ? namesakes(object).get(object.ref.name) : object;
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

/** Objects by namespace and name. Maps in maps, since joining the names into keys costs more than all else here. */
type Homes = Map<string | null, Map<string, KubeObject>>;

function entry<K, L, V>(maps: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let found = maps.get(key);
  if (found === undefined) {
    found = new Map();
    maps.set(key, found);
  }
  return found;
}

function hasName({ value }: KubeObject): boolean {
  const metadata = Object.hasOwn(value, 'metadata') ? value.metadata : undefined;
  if (metadata === null || typeof metadata !== 'object' || Array.isArray(metadata)) return true;
  const { name, generateName } = metadata as { readonly name?: unknown; readonly generateName?: unknown };
  return Boolean(name) || !generateName;
}
