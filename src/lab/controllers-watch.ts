import { setTimeout as sleep } from 'node:timers/promises';
import { IoError } from '../io/io-error.ts';
import { type KubeClient, messageOf, objectsOf } from '../io/kube-client.ts';
import { asObject, stringOf } from '../kinds/validation/json.ts';
import type { JsonObject } from '../manifest/object.ts';
import type { ObjectChange } from './controllers.ts';
import { objectKey } from './model-json.ts';

/** A resource to follow: `/api/v1/pods` or `/apis/discovery.k8s.io/v1/endpointslices`, and the kind of its objects. */
export interface FollowedPath {
  readonly path: string;
  readonly apiVersion: string;
  readonly kind: string;
}

/** What kubelets and Services need of a real API server. */
export const KUBELET_PATHS: readonly FollowedPath[] = [
  { path: '/api/v1/nodes', apiVersion: 'v1', kind: 'Node' },
  { path: '/api/v1/pods', apiVersion: 'v1', kind: 'Pod' },
  { path: '/api/v1/services', apiVersion: 'v1', kind: 'Service' },
  { path: '/apis/discovery.k8s.io/v1/endpointslices', apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' },
];

const PAUSE_MS = 1000;
const WATCH_SECONDS = 300;

/** Follows resources of a real API server with whole objects, until the signal. `onFailure` is told what is tried again. */
export async function followApi(
  client: KubeClient,
  paths: readonly FollowedPath[],
  take: (change: ObjectChange) => void,
  signal: AbortSignal,
  onFailure: (what: string) => void,
): Promise<void> {
  await Promise.all(paths.map((path) => followOne(client, path, take, signal, onFailure)));
}

async function followOne(
  client: KubeClient,
  followed: FollowedPath,
  take: (change: ObjectChange) => void,
  signal: AbortSignal,
  onFailure: (what: string) => void,
): Promise<void> {
  const known = new Map<string, JsonObject>();
  let version: string | null = null;
  while (!signal.aborted) {
    try {
      version ??= await list(client, followed, known, take, signal);
      version = await watch(client, followed, version, known, take, signal);
    } catch (error) {
      if (signal.aborted) return;
      onFailure(`${followed.path}: ${error instanceof IoError ? error.message : String(error)}`);
      await sleep(PAUSE_MS, null, { signal }).catch(() => null);
    }
  }
}

/** Reads all; what was known and is not there any more is said to be removed. */
async function list(
  client: KubeClient,
  { path, apiVersion, kind }: FollowedPath,
  known: Map<string, JsonObject>,
  take: (change: ObjectChange) => void,
  signal: AbortSignal,
): Promise<string> {
  const answer = await client.get(path, 'application/json', signal);
  if (answer.status !== 200) throw new IoError('protocol', messageOf(answer));
  const gone = new Map(known);
  for (const item of objectsOf(asObject(answer.body).items)) {
    const object = { ...item, apiVersion, kind };
    gone.delete(objectKey(object));
    known.set(objectKey(object), object);
    take({ kind: 'put', object });
  }
  for (const [key, object] of gone) {
    known.delete(key);
    take({ kind: 'removed', object });
  }
  return stringOf(asObject(asObject(answer.body).metadata).resourceVersion);
}

/** The version from which to go on; `null` if everything has to be read again. */
async function watch(
  client: KubeClient,
  { path }: FollowedPath,
  from: string,
  known: Map<string, JsonObject>,
  take: (change: ObjectChange) => void,
  signal: AbortSignal,
): Promise<string | null> {
  let version: string | null = from;
  const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${from}`;
  const onLine = (line: string): void => {
    if (line.trim() === '') return;
    const event = JSON.parse(line) as { readonly type: string; readonly object: JsonObject };
    if (event.type === 'ERROR') {
      version = null;
      return;
    }
    version = stringOf(asObject(event.object.metadata).resourceVersion);
    if (event.type === 'BOOKMARK') return;
    if (event.type === 'DELETED') {
      known.delete(objectKey(event.object));
      take({ kind: 'removed', object: event.object });
    } else {
      known.set(objectKey(event.object), event.object);
      take({ kind: 'put', object: event.object });
    }
  };
  const answer = await client.stream(`${path}?${query}`, onLine, signal);
  if (answer.status === 410) return null;
  if (answer.status !== 200) throw new IoError('protocol', messageOf(answer));
  return version;
}
