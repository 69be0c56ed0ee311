import { IoError } from '../io/io-error.ts';
import { type Answer, isObject, type KubeClient, messageOf, objectsOf } from '../io/kube-client.ts';
import type { KubeObject } from '../manifest/object.ts';
import { objectId } from '../model/origin.ts';

/** Whose fields these are, where a server keeps account of that. */
const MANAGER = 'rampart-lab';

/** What became of one object. */
export interface Change {
  /** `Kind/namespace/name`. */
  readonly id: string;
  readonly outcome: 'created' | 'configured' | 'unchanged' | 'deleted' | 'absent' | 'refused';
  /** The server's words, where it refused. */
  readonly message: string;
}

/** Where the objects of a kind are, as the server says. */
export interface Place {
  readonly resource: string;
  readonly namespaced: boolean;
}

/** Namespaces and definitions before what needs them. */
function rank({ ref }: KubeObject): number {
  return ref.kind === 'Namespace' ? 0 : ref.kind === 'CustomResourceDefinition' ? 1 : 2;
}

/** Creates or changes objects, in an order in which a server takes them; namespaces that nobody made are made. */
export async function applyObjects(client: KubeClient, objects: readonly KubeObject[]): Promise<readonly Change[]> {
  const places = placeFinder(client);
  const changes: Change[] = [];
  const known = new Set<string>();
  for (const object of [...objects].sort((a, b) => rank(a) - rank(b))) {
    const id = objectId(object.ref);
    const place = await places(object);
    if (place === null) {
      changes.push({
        id,
        outcome: 'refused',
        message: `the server has no ${object.ref.kind} of ${object.ref.apiVersion}`,
      });
      continue;
    }
    const { namespace } = object.ref;
    if (place.namespaced && namespace !== null && !known.has(namespace)) {
      await makeNamespace(client, namespace);
      known.add(namespace);
    }
    const path = pathOf(object, place);
    const before = await client.get(path);
    const query = `?fieldManager=${MANAGER}&force=true`;
    const answer = await client.send('PATCH', `${path}${query}`, object.value, 'application/apply-patch+yaml');
    changes.push({ id, ...outcomeOf(before, answer) });
  }
  return changes;
}

function outcomeOf(before: Answer, after: Answer): Omit<Change, 'id'> {
  if (after.status !== 200 && after.status !== 201) return { outcome: 'refused', message: messageOf(after) };
  if (before.status === 404) return { outcome: 'created', message: '' };
  return { outcome: versionOf(before) === versionOf(after) ? 'unchanged' : 'configured', message: '' };
}

function versionOf({ body }: Answer): unknown {
  const metadata = isObject(body) ? body.metadata : undefined;
  return isObject(metadata) ? metadata.resourceVersion : undefined;
}

/** Deletes objects, what is in namespaces before the namespaces. */
export async function deleteObjects(client: KubeClient, objects: readonly KubeObject[]): Promise<readonly Change[]> {
  const places = placeFinder(client);
  const changes: Change[] = [];
  for (const object of [...objects].sort((a, b) => rank(b) - rank(a))) {
    const id = objectId(object.ref);
    const place = await places(object);
    const answer = place === null ? null : await client.send('DELETE', pathOf(object, place));
    if (answer === null || answer.status === 404) changes.push({ id, outcome: 'absent', message: '' });
    else if (answer.status === 200 || answer.status === 202) changes.push({ id, outcome: 'deleted', message: '' });
    else changes.push({ id, outcome: 'refused', message: messageOf(answer) });
  }
  return changes;
}

/** Makes a namespace that is not there. */
export async function makeNamespace(
  client: KubeClient,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  const there = await client.get(`/api/v1/namespaces/${encodeURIComponent(name)}`);
  if (there.status !== 404) return;
  await client.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
}

function root(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

/** The path of one object. */
export function pathOf(object: KubeObject, place: Place): string {
  const { apiVersion, namespace, name } = object.ref;
  const scope = place.namespaced ? `/namespaces/${encodeURIComponent(namespace ?? 'default')}` : '';
  return `${root(apiVersion)}${scope}/${place.resource}/${encodeURIComponent(name)}`;
}

/** Where objects are, by the server's own account, asked once for each version of an API; `null` for a kind that it does not have. */
export function placeFinder(client: KubeClient): (object: KubeObject) => Promise<Place | null> {
  const asked = new Map<string, Promise<ReadonlyMap<string, Place>>>();
  const ask = async (apiVersion: string): Promise<ReadonlyMap<string, Place>> => {
    const answer = await client.get(root(apiVersion));
    if (answer.status === 404) return new Map();
    if (answer.status !== 200 || !isObject(answer.body)) {
      throw new IoError('protocol', `the API server does not say what it serves: ${messageOf(answer)}`);
    }
    return new Map(
      objectsOf(answer.body.resources)
        .filter(({ name }) => typeof name === 'string' && !name.includes('/'))
        .map(({ kind, name, namespaced }) => [
          String(kind),
          { resource: String(name), namespaced: namespaced === true },
        ]),
    );
  };
  return async ({ ref }) => {
    // A definition that has just been made adds to what is served.
    const known = asked.get(ref.apiVersion) ?? ask(ref.apiVersion);
    asked.set(ref.apiVersion, known);
    const place = (await known).get(ref.kind) ?? null;
    if (place === null) asked.delete(ref.apiVersion);
    return place;
  };
}
