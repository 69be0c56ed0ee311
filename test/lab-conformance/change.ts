/** Turns what a lab holds from one case into the next, as users do: by its API server. */
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Answer, type KubeClient, messageOf } from '../../src/io/kube-client.ts';
import { asObject } from '../../src/kinds/validation/json.ts';
import { makeNamespace, pathOf, placeFinder } from '../../src/lab/change.ts';
import type { LabSession } from '../../src/lab/session.ts';
import type { Json, JsonObject, KubeObject } from '../../src/manifest/object.ts';
import { objectId } from '../../src/model/origin.ts';

interface Edit {
  readonly way: 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  readonly object: KubeObject;
  readonly body: Json;
}

/** What has to be done so that objects of one case become those of another. */
function editsBetween(before: readonly KubeObject[], after: readonly KubeObject[]): readonly Edit[] {
  const old = new Map(before.map((object) => [objectId(object.ref), object]));
  const next = new Map(after.map((object) => [objectId(object.ref), object]));
  const edits: Edit[] = [];
  for (const [id, object] of old) if (!next.has(id)) edits.push({ way: 'DELETE', object, body: null });
  for (const [id, object] of next) {
    const known = old.get(id);
    if (known === undefined) edits.push({ way: 'POST', object, body: fresh(object) });
    else if (object.ref.kind === 'Namespace' || object.ref.kind === 'Pod') {
      const labels = labelChange(labelsOf(known), labelsOf(object));
      if (Object.keys(labels).length > 0) edits.push({ way: 'PATCH', object, body: { metadata: { labels } } });
    } else if (!isDeepStrictEqual(known.value, object.value)) edits.push({ way: 'PUT', object, body: object.value });
  }
  return edits;
}

/** A pod that comes later is given its addresses and its node. */
function fresh({ ref, value }: KubeObject): JsonObject {
  if (ref.kind !== 'Pod') return value;
  const { status: _, ...rest } = value;
  return rest;
}

function labelsOf({ value }: KubeObject): JsonObject {
  return asObject(asObject(value.metadata).labels);
}

function labelChange(before: JsonObject, after: JsonObject): JsonObject {
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  const changed = Object.entries(after).filter(([key, value]) => before[key] !== value);
  return Object.fromEntries([...gone.map((key): [string, Json] => [key, null]), ...changed]);
}

/** Order in which a server takes them: what is in a namespace comes after it and goes before it. */
function rank({ way, object }: Edit): number {
  if (way === 'DELETE') return object.ref.kind === 'Namespace' ? 4 : 3;
  return object.ref.kind === 'Namespace' ? 0 : object.ref.kind === 'Pod' ? 1 : 2;
}

/** Changes what the lab's API server holds; resolves when the kernel of every node has it. Throws where the server refuses. */
export async function changeLab(
  lab: LabSession,
  client: KubeClient,
  before: readonly KubeObject[],
  after: readonly KubeObject[],
): Promise<number> {
  const edits = [...editsBetween(before, after)].sort((a, b) => rank(a) - rank(b));
  if (edits.length === 0) return 0;
  const nodes = (await lab.status()).nodes.map(({ name }) => name);
  const heard = new Map(await Promise.all(nodes.map(async (node) => [node, await hearOf(lab, node)] as const)));
  const places = placeFinder(client);
  const told = new Map<string, number>();
  for (const edit of edits) {
    const place = await places(edit.object);
    if (place === null) throw new Error(`the server has no ${edit.object.ref.kind}`);
    const { namespace } = edit.object.ref;
    if (place.namespaced && namespace !== null && edit.way === 'POST') await makeNamespace(client, namespace);
    const path = pathOf(edit.object, place);
    const answer = await send(client, edit, path);
    if (answer.status >= 300) throw new Error(`${edit.way} ${path}: ${answer.status} ${messageOf(answer)}`);
    told.set(place.resource, (told.get(place.resource) ?? 0) + 1);
  }
  const moved = edits.some(({ way, object }) => object.ref.kind === 'Pod' && (way === 'POST' || way === 'DELETE'));
  // Pods that come and go are written several times, by others than us.
  if (moved) await lab.settled();
  for (const node of nodes) {
    const known = heard.get(node)?.events ?? new Map<string, number>();
    await until(lab, node, (now) =>
      [...told].every(([one, n]) => (now.events.get(one) ?? 0) >= (known.get(one) ?? 0) + n),
    );
  }
  return edits.length;
}

async function send(client: KubeClient, { way, body }: Edit, path: string): Promise<Answer> {
  switch (way) {
    case 'POST':
      return client.send('POST', path.slice(0, path.lastIndexOf('/')), body);
    case 'PATCH':
      return client.send('PATCH', path, body, 'application/merge-patch+json');
    case 'PUT': {
      const { body: held } = await client.get(path);
      const { resourceVersion } = asObject(asObject(held as Json & object).metadata);
      const value = asObject(body);
      const metadata = { ...asObject(value.metadata), resourceVersion: resourceVersion ?? '' };
      return client.send('PUT', path, { ...value, metadata });
    }
    case 'DELETE':
      return client.send('DELETE', path);
  }
}

interface Heard {
  /** Events of each resource so far. */
  readonly events: ReadonlyMap<string, number>;
  /** Nothing of what was heard is on its way to the kernel. */
  readonly rests: boolean;
}

const TIMEOUT_MS = 60_000;
const POLL_MS = 10;

/** Waits until an agent has heard what it should, and the kernel has it. */
async function until(lab: LabSession, node: string, isThere: (heard: Heard) => boolean): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const heard = await hearOf(lab, node);
    if (isThere(heard) && heard.rests) return;
    if (performance.now() > deadline) throw new Error(`the agent of ${node} has not taken in the change`);
    await sleep(POLL_MS);
  }
}

async function hearOf(lab: LabSession, node: string): Promise<Heard> {
  const text = await metricsOf(await socketOf(lab, node));
  const events = [...text.matchAll(/^rampart_agent_watch_events_total\{resource="([^"]+)"\} (\d+)$/gm)];
  const pending = /^rampart_agent_pending_seconds (\S+)$/m.exec(text)?.[1];
  const synced = /^rampart_agent_synced 1$/m.test(text);
  if (events.length === 0 || pending === undefined)
    throw new Error(`the agent of ${node} does not tell what it has heard`);
  return {
    events: new Map(events.map(([, resource = '', count]) => [resource, Number(count)])),
    rests: synced && Number(pending) === 0,
  };
}

const sockets = new WeakMap<LabSession, ReadonlyMap<string, string>>();

/** Where an agent tells its metrics: agents are numbered as their nodes are. */
async function socketOf(lab: LabSession, node: string): Promise<string> {
  let known = sockets.get(lab);
  if (known === undefined) {
    const { nodes } = await lab.status();
    known = new Map(nodes.map(({ name }, i) => [name, join(lab.folder, 'agents', `${i}.sock`)]));
    sockets.set(lab, known);
  }
  return known.get(node) ?? '';
}

function metricsOf(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ socketPath, path: '/metrics', timeout: TIMEOUT_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('the agent does not answer')));
    request.on('error', reject);
  });
}
