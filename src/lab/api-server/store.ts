import { byText } from '../../base/order.ts';
import type { JsonObject } from '../../manifest/object.ts';
import { expired, Refusal } from './status.ts';

/** One change of one object. */
export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** `resourceKey` of the resource. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  /** As it is afterwards; of a deletion, as it was, with the resource version of the deletion. */
  readonly object: JsonObject;
  readonly before: JsonObject | null;
  readonly revision: number;
}

/** Objects of one resource by `namespace/name` (`/name` for cluster-scoped ones). */
type Table = ReadonlyMap<string, JsonObject>;

/** All objects, one increasing resource version, and the last changes. */
export interface Store {
  revision(): number;
  get(resource: string, namespace: string, name: string): JsonObject | undefined;
  /** In the order of namespace and name; of the present, or of an earlier revision that is still known. */
  list(resource: string, namespace: string | null, at?: number): readonly JsonObject[];
  /** Creates or replaces; the object gets the next resource version and is returned with it. */
  put(resource: string, namespace: string, name: string, object: JsonObject): JsonObject;
  /** `last`: the form in which it is said to be gone, where that is not the stored one. */
  remove(resource: string, namespace: string, name: string, last?: JsonObject): JsonObject | null;
  /** Forgets the changes up to now, as etcd's compaction does. */
  compact(): void;
  /** Later changes than a revision; throws `Expired` when they are not known any more. */
  since(revision: number): readonly StoreEvent[];
  /** Hears of every change after it is made, in order; the answer ends it. */
  subscribe(listener: (event: StoreEvent) => void): () => void;
  /** Whether an object of any resource is in a namespace. */
  inNamespace(namespace: string): readonly { readonly resource: string; readonly object: JsonObject }[];
}

/** `history`: how many changes are known for watches that resume. */
export function objectStore(options: { readonly history: number; readonly first?: number }): Store {
  const tables = new Map<string, Map<string, JsonObject>>();
  const listeners = new Set<(event: StoreEvent) => void>();
  let revision = options.first ?? 1;
  let history: StoreEvent[] = [];
  // Changes up to here are forgotten.
  let forgotten = revision;
  // A listener may change objects itself: every listener still hears of all changes in their order.
  const waiting: StoreEvent[] = [];
  let isTelling = false;

  const tell = (): void => {
    if (isTelling) return;
    isTelling = true;
    try {
      for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
        for (const listener of [...listeners]) listener(event);
      }
    } finally {
      isTelling = false;
    }
  };

  const record = (event: StoreEvent): void => {
    history.push(event);
    if (history.length > options.history * 2) {
      const drop = history.length - options.history;
      forgotten = history[drop - 1]?.revision ?? forgotten;
      history = history.slice(drop);
    }
    waiting.push(event);
    tell();
  };

  const known = (from: number): void => {
    if (from < forgotten) throw expired(`too old resource version: ${from} (${forgotten})`);
    if (from <= revision) return;
    const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
    const message = `Timeout: Too large resource version: ${from}, current: ${revision}`;
    throw new Refusal(504, 'Timeout', message, { causes }, 1);
  };

  const tableAt = (resource: string, at: number): Table => {
    const now: Table = tables.get(resource) ?? new Map<string, JsonObject>();
    if (at === revision) return now;
    known(at);
    const then = new Map(now);
    for (let i = history.length - 1; i >= 0; i--) {
      const event = history[i];
      if (event === undefined || event.revision <= at) break;
      if (event.resource !== resource) continue;
      const key = `${event.namespace}/${event.name}`;
      if (event.before === null) then.delete(key);
      else then.set(key, event.before);
    }
    return then;
  };

  /** The last list: the pages of one list ask for the same. */
  const listed: {
    last: {
      readonly resource: string;
      readonly namespace: string | null;
      readonly at: number;
      readonly objects: readonly JsonObject[];
    } | null;
  } = { last: null };

  return {
    revision: () => revision,
    get: (resource, namespace, name) => tables.get(resource)?.get(`${namespace}/${name}`),
    list: (resource, namespace, at = revision) => {
      const { last } = listed;
      if (last !== null && last.resource === resource && last.namespace === namespace && last.at === at) {
        // Still refused where it is too old by now.
        if (at !== revision) known(at);
        return last.objects;
      }
      const prefix = namespace === null ? '' : `${namespace}/`;
      const objects = [...tableAt(resource, at)]
        .filter(([key]) => key.startsWith(prefix))
        .sort(([a], [b]) => byText(a, b))
        .map(([, object]) => object);
      listed.last = { resource, namespace, at, objects };
      return objects;
    },
    put: (resource, namespace, name, object) => {
      let table = tables.get(resource);
      if (table === undefined) {
        table = new Map();
        tables.set(resource, table);
      }
      const key = `${namespace}/${name}`;
      const before = table.get(key) ?? null;
      revision++;
      const stored = withRevision(object, revision);
      table.set(key, stored);
      record({
        type: before === null ? 'ADDED' : 'MODIFIED',
        resource,
        namespace,
        name,
        object: stored,
        before,
        revision,
      });
      return stored;
    },
    remove: (resource, namespace, name, as) => {
      const key = `${namespace}/${name}`;
      const before = tables.get(resource)?.get(key);
      if (before === undefined) return null;
      tables.get(resource)?.delete(key);
      revision++;
      const last = withRevision(as ?? before, revision);
      record({ type: 'DELETED', resource, namespace, name, object: last, before, revision });
      return last;
    },
    compact: () => {
      history = [];
      forgotten = revision;
    },
    since: (from) => {
      known(from);
      return history.filter((event) => event.revision > from);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    inNamespace: (namespace) =>
      [...tables].flatMap(([resource, table]) =>
        [...table].filter(([key]) => key.startsWith(`${namespace}/`)).map(([, object]) => ({ resource, object })),
      ),
  };
}

function withRevision(object: JsonObject, revision: number): JsonObject {
  return { ...object, metadata: { ...(object.metadata as JsonObject), resourceVersion: String(revision) } };
}
