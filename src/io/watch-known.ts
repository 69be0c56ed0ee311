import type { JsonObject } from '../manifest/object.ts';
import { isObject } from './kube-client.ts';
import { recent } from './watch-reduce.ts';
import type { Change } from './watch-request.ts';

/** The versions of the objects that were told of, by which late and repeated changes are recognised. */
export interface Known {
  readonly size: number;
  /** A whole list replaces everything. */
  replace(objects: readonly JsonObject[]): void;
  /** Takes a change in; `false` if it says nothing new. */
  take(change: Change): boolean;
}

/** How many removed objects are remembered. */
const REMOVED = 2048;

/** Knows nothing yet. */
export function createKnown(): Known {
  let versions = new Map<string, string>();
  let removed = recent<string>(REMOVED);
  return {
    get size() {
      return versions.size;
    },
    replace(objects) {
      versions = new Map();
      removed = recent<string>(REMOVED);
      for (const object of objects) versions.set(keyOf(object), versionOf(object));
    },
    take({ type, object }) {
      const key = keyOf(object);
      const version = versionOf(object);
      const known = versions.get(key);
      if (type === 'DELETED') {
        if (known === undefined || isOlder(version, known)) return false;
        versions.delete(key);
        removed.put(key, version);
        return true;
      }
      // What was told already, what is older than that, and what comes after its own end.
      if (known === undefined ? isOlder(version, removed.get(key) ?? '') : version === known || isOlder(version, known))
        return version === '';
      versions.set(key, version);
      return true;
    },
  };
}

/** The version of an object; `''` if it has none. */
export function versionOf(object: JsonObject): string {
  const version = isObject(object.metadata) ? object.metadata.resourceVersion : undefined;
  return typeof version === 'string' ? version : '';
}

/** Whether version `a` is surely older than `b`: versions are comparable only where both are decimal integers. */
export function isOlder(a: string, b: string): boolean {
  if (!DECIMAL.test(a) || !DECIMAL.test(b)) return false;
  return a.length === b.length ? a < b : a.length < b.length;
}

const DECIMAL = /^(0|[1-9][0-9]*)$/;

/** The uid tells an object from a later one of the same name, and is a string that is there anyway. */
function keyOf(object: JsonObject): string {
  const metadata = isObject(object.metadata) ? object.metadata : {};
  if (typeof metadata.uid === 'string' && metadata.uid !== '') return metadata.uid;
  return `${String(metadata.namespace ?? '')}/${String(metadata.name)}`;
}
