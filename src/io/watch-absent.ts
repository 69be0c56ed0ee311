import { IoError } from './io-error.ts';
import { type Answer, isObject, type KubeClient, messageOf, objectsOf } from './kube-client.ts';
import { watchOnce } from './watch-request.ts';
import { METADATA_ONLY, type Source } from './watch-source.ts';
import { createBackoff, createWaiter } from './watch-wait.ts';

/** What discovery says of a resource that cannot be listed. */
export type Service =
  | { readonly kind: 'gone' }
  /** In the version that is read. */
  | { readonly kind: 'served' }
  | { readonly kind: 'elsewhere'; readonly versions: readonly string[] }
  /** Discovery is not allowed. */
  | { readonly kind: 'hidden'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfterMs: number };

/** Asks the server whether, and in which versions, it serves a resource. Throws only if interrupted. */
export async function serviceOf(client: KubeClient, source: Source, signal: AbortSignal): Promise<Service> {
  const base = `/apis/${source.group}`;
  const found: string[] = [];
  try {
    const group = await client.get(base, 'application/json', signal);
    if (group.status === 404) return { kind: 'gone' };
    if (group.status !== 200 || !isObject(group.body)) return unknown(group);
    for (const entry of objectsOf(group.body.versions)) {
      const version = String(entry.version);
      const answer = await client.get(`${base}/${version}`, 'application/json', signal);
      if (answer.status === 404) continue;
      if (answer.status !== 200 || !isObject(answer.body)) return unknown(answer);
      if (objectsOf(answer.body.resources).some((r) => r.name === source.resource)) found.push(version);
    }
  } catch (error) {
    if (!(error instanceof IoError) || error.code === 'interrupted') throw error;
    return { kind: 'failed', reason: error.message, retryAfterMs: 0 };
  }
  if (found.includes(source.version)) return { kind: 'served' };
  return found.length === 0 ? { kind: 'gone' } : { kind: 'elsewhere', versions: found };
}

function unknown(answer: Answer): Service {
  if (answer.status === 403) return { kind: 'hidden', reason: messageOf(answer) };
  return { kind: 'failed', reason: messageOf(answer), retryAfterMs: answer.retryAfterMs ?? 0 };
}

/** Waits for the definition of a resource. */
export interface DefinitionWatch {
  /** Whether the server lets us watch for it. */
  readonly permitted: boolean;
  close(): Promise<void>;
}

export interface DefinitionTiming {
  readonly firstBackoffMs: number;
  readonly longestBackoffMs: number;
  /** After a refusal. */
  readonly forbiddenMs: number;
  readonly seconds: number;
  readonly headMs: number;
  readonly random: () => number;
}

/** Calls `onChange` whenever the resource's CustomResourceDefinition is created or changed. */
export function watchDefinition(
  client: KubeClient,
  source: Source,
  timing: DefinitionTiming,
  onChange: () => void,
): DefinitionWatch {
  const stop = new AbortController();
  const waiter = createWaiter(stop.signal);
  const definition: Source = {
    ...source,
    group: 'apiextensions.k8s.io',
    version: 'v1',
    path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    accept: METADATA_ONLY,
    fieldSelector: `metadata.name=${source.resource}.${source.group}`,
  };
  let permitted = false;
  const run = async (): Promise<void> => {
    const backoff = createBackoff(timing.firstBackoffMs, timing.longestBackoffMs, timing.random);
    while (!stop.signal.aborted) {
      const outcome = await watchOnce(
        client,
        definition,
        // Without a version the server begins with what is there.
        {
          from: '',
          seconds: timing.seconds,
          idleMs: timing.seconds * 1000 + 30_000,
          headMs: timing.headMs,
          signal: stop.signal,
        },
        {
          onOpen: () => {
            permitted = true;
          },
          onBookmark: () => undefined,
          onChange: ({ type }) => {
            if (type !== 'DELETED') onChange();
          },
        },
      );
      if (outcome.kind === 'forbidden' || outcome.kind === 'missing') {
        permitted = false;
        await waiter.pause(timing.forbiddenMs);
      } else {
        if (outcome.kind === 'closed') backoff.reset();
        await waiter.pause(backoff.next());
      }
    }
  };
  const running = run().catch((error: unknown) => {
    if (!(error instanceof IoError)) throw error;
  });
  return {
    get permitted() {
      return permitted;
    },
    close: async () => {
      stop.abort();
      await running;
    },
  };
}
