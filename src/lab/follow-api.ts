import { setTimeout as sleep } from 'node:timers/promises';
import { IoError } from '../io/io-error.ts';
import { isObject, type KubeClient, messageOf, objectsOf } from '../io/kube-client.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import type { ObjectChange } from './controllers.ts';
import { objectKey } from './model-json.ts';

/** A collection of an API server, and the kind of what is in it (lists leave it out). */
export interface Collection {
  readonly path: string;
  readonly apiVersion: string;
  readonly kind: string;
}

/** What kubelets and Services need to know. */
export const KUBELET_COLLECTIONS: readonly Collection[] = [
  { path: '/api/v1/nodes', apiVersion: 'v1', kind: 'Node' },
  { path: '/api/v1/pods', apiVersion: 'v1', kind: 'Pod' },
  { path: '/api/v1/services', apiVersion: 'v1', kind: 'Service' },
  { path: '/apis/discovery.k8s.io/v1/endpointslices', apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' },
];

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;
const WATCH_SECONDS = 300;

/** Lists collections and follows them until the signal; resolves when each has been listed once. */
export async function followApi(
  client: KubeClient,
  collections: readonly Collection[],
  take: (change: ObjectChange) => void,
  options: { readonly signal: AbortSignal; readonly onFailure: (what: string) => void },
): Promise<void> {
  await Promise.all(
    collections.map(
      (collection) =>
        new Promise<void>((listed) => {
          void followOne(client, collection, take, options, listed);
        }),
    ),
  );
}

async function followOne(
  client: KubeClient,
  collection: Collection,
  take: (change: ObjectChange) => void,
  options: { readonly signal: AbortSignal; readonly onFailure: (what: string) => void },
  listed: () => void,
): Promise<void> {
  const { signal } = options;
  const known = new Map<string, JsonObject>();
  let version: string | null = null;
  let wait = FIRST_WAIT_MS;
  const typed = (object: JsonObject): JsonObject => ({
    ...object,
    apiVersion: collection.apiVersion,
    kind: collection.kind,
  });
  const put = (object: JsonObject): void => {
    known.set(objectKey(object), object);
    take({ kind: 'put', object });
  };
  const remove = (object: JsonObject): void => {
    known.delete(objectKey(object));
    take({ kind: 'removed', object });
  };
  const list = async (): Promise<void> => {
    const answer = await client.get(collection.path, 'application/json', signal);
    if (answer.status !== 200 || !isObject(answer.body)) {
      throw new IoError('protocol', `${collection.path}: ${messageOf(answer)}`);
    }
    const objects = objectsOf(answer.body.items).map(typed);
    const present = new Set(objects.map(objectKey));
    for (const [key, object] of known) if (!present.has(key)) remove(object);
    for (const object of objects) put(object);
    version = versionOf(answer.body);
    listed();
  };
  const watch = async (from: string): Promise<void> => {
    const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${encodeURIComponent(from)}`;
    const onLine = (line: string): void => {
      const event = JSON.parse(line) as { readonly type?: Json; readonly object?: Json };
      const object = isObject(event.object) ? event.object : {};
      if (event.type === 'ERROR') version = null;
      else version = versionOf(object) ?? version;
      if (event.type === 'ADDED' || event.type === 'MODIFIED') put(typed(object));
      if (event.type === 'DELETED') remove(typed(object));
    };
    const answer = await client.stream(`${collection.path}?${query}`, onLine, signal, {
      idleMs: (WATCH_SECONDS + 30) * 1000,
    });
    if (answer.status !== 200) version = null;
  };
  while (!signal.aborted) {
    try {
      if (version === null) await list();
      else await watch(version);
      wait = FIRST_WAIT_MS;
    } catch (error) {
      if (signal.aborted) return;
      options.onFailure(error instanceof Error ? error.message : String(error));
      await sleep(wait, undefined, { ref: false });
      wait = Math.min(LONGEST_WAIT_MS, wait * 2);
    }
  }
}

function versionOf(object: JsonObject): string | null {
  const metadata = object.metadata;
  const version = isObject(metadata) ? metadata.resourceVersion : undefined;
  return typeof version === 'string' ? version : null;
}
