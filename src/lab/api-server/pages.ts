import { asObject, stringOf } from '../../kinds/validation/json.ts';
import type { JsonObject } from '../../manifest/object.ts';
import { resourceKey, type ServedResource } from './resources.ts';
import type { ObjectFilter } from './selectors.ts';
import { badRequest } from './status.ts';
import type { Store } from './store.ts';

export interface Page {
  readonly objects: readonly JsonObject[];
  /** `resourceVersion`, and `continue` where there is more. */
  readonly metadata: JsonObject;
}

/** Reads a list, or a part of one; all parts show the state at the time of the first. */
export function readPage(
  store: Store,
  resource: ServedResource,
  namespace: string | null,
  filter: ObjectFilter,
  isSelective: boolean,
  query: URLSearchParams,
): Page {
  const token = query.get('continue') ?? '';
  const limit = Number(query.get('limit') ?? 0);
  const asked = query.get('resourceVersion') ?? '';
  const match = query.get('resourceVersionMatch') ?? '';
  if (asked !== '' && !/^[0-9]+$/.test(asked))
    throw badRequest(`strconv.ParseUint: parsing "${asked}": invalid syntax`);
  const place = token === '' ? null : placeOf(token);
  // A version that is to come is refused; an older one is good enough, unless it is to be that one.
  if (Number(asked) > store.revision()) store.since(Number(asked));
  const at = place?.revision ?? (match === 'Exact' && asked !== '' ? Number(asked) : store.revision());
  const all = store.list(resourceKey(resource), namespace, at);
  const start = place === null ? 0 : all.findIndex((object) => keyOf(object) > place.after);
  const rest = start < 0 ? [] : all.slice(start);
  const objects: JsonObject[] = [];
  let looked = 0;
  for (const object of rest) {
    if (limit > 0 && objects.length === limit) break;
    looked++;
    if (filter(object)) objects.push(object);
  }
  const remaining = rest.length - looked;
  const last = rest[looked - 1];
  const metadata: JsonObject = { resourceVersion: String(at) };
  if (remaining === 0 || last === undefined) return { objects, metadata };
  const next = Buffer.from(JSON.stringify({ revision: at, after: keyOf(last) })).toString('base64url');
  return {
    objects,
    metadata: { ...metadata, continue: next, ...(isSelective ? {} : { remainingItemCount: remaining }) },
  };
}

function keyOf(object: JsonObject): string {
  const metadata = asObject(object.metadata);
  return `${stringOf(metadata.namespace)}/${stringOf(metadata.name)}`;
}

function placeOf(token: string): { readonly revision: number; readonly after: string } {
  try {
    const place = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as {
      revision?: unknown;
      after?: unknown;
    };
    if (typeof place.revision === 'number' && typeof place.after === 'string') {
      return { revision: place.revision, after: place.after };
    }
  } catch {
    // Whatever is wrong with it, it is none of ours.
  }
  throw badRequest('continue key is not valid');
}
