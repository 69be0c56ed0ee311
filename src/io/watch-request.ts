import type { Json, JsonObject } from '../manifest/object.ts';
import { IoError, reasonOf } from './io-error.ts';
import { type Answer, isObject, type KubeClient, messageOf } from './kube-client.ts';
import type { Source } from './watch-source.ts';
import { splitList } from './watch-split.ts';

/** What a request for a list or a watch came to, apart from success. */
export type Refusal =
  /** The versions that were asked about are gone, or the server has not come to them yet. */
  | { readonly kind: 'expired'; readonly reason: string; readonly ahead: boolean }
  | { readonly kind: 'forbidden'; readonly reason: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfterMs: number; readonly answered: boolean };

export type ListOutcome =
  | { readonly kind: 'listed'; readonly objects: readonly JsonObject[]; readonly version: string }
  | Refusal;

export type WatchOutcome = { readonly kind: 'closed' } | Refusal;

/** One line of a watch. */
export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: JsonObject;
}

/** What a watch says apart from changes. */
export interface WatchHandlers {
  onChange(change: Change): void | Promise<void>;
  onBookmark(version: string): void;
  /** The server watches. `end` ends that with an outcome of its own. */
  onOpen(end: (outcome: Refusal) => void): void;
}

export interface ListRequest {
  /** `0`: anything the server has at hand; a version: nothing older than that; `''`: the present state. */
  readonly from: string;
  readonly pageSize: number;
  readonly signal: AbortSignal;
}

/** Lists all objects, reduced one by one as they arrive. Throws {@link IoError} only if interrupted. */
export async function listAll(client: KubeClient, source: Source, request: ListRequest): Promise<ListOutcome> {
  // Pages that expire no longer belong to one state: begin again from the present, then in one piece.
  for (let round = 0; ; round++) {
    const first =
      round === 0 && request.from !== ''
        ? request.from === '0'
          ? `limit=${request.pageSize}&resourceVersion=0`
          : // With a limit the server would read the database and not its cache.
            `resourceVersion=${encodeURIComponent(request.from)}&resourceVersionMatch=NotOlderThan`
        : round < 2
          ? `limit=${request.pageSize}`
          : '';
    const outcome = await listPages(client, source, first, request);
    if (outcome.kind !== 'broken') return outcome;
    if (round === 2) return failed('the pages of the list expire', 0, true);
  }
}

async function listPages(
  client: KubeClient,
  source: Source,
  first: string,
  request: ListRequest,
): Promise<ListOutcome | { readonly kind: 'broken' }> {
  const objects: JsonObject[] = [];
  let query = first;
  for (;;) {
    const splitter = splitList((item) => {
      if (nameOf(item) === null) throw new SyntaxError('an object without a name');
      objects.push(source.reduce(item));
    });
    let answer: Answer;
    let envelope: JsonObject;
    try {
      answer = await client.receive(pathOf(source, query), (chunk) => splitter.push(chunk), {
        accept: source.accept.list,
        signal: request.signal,
      });
      if (answer.status !== 200) {
        const paging = query !== first;
        return answer.status === 410 && paging ? { kind: 'broken' } : refusal(answer);
      }
      envelope = splitter.end();
    } catch (error) {
      return broken(error);
    }
    const metadata = isObject(envelope.metadata) ? envelope.metadata : {};
    const { resourceVersion } = metadata;
    if (typeof resourceVersion !== 'string' || resourceVersion === '')
      return failed('the list has no version', 0, true);
    const next = metadata.continue;
    if (typeof next !== 'string' || next === '') return { kind: 'listed', objects, version: resourceVersion };
    query = `limit=${request.pageSize}&continue=${encodeURIComponent(next)}`;
  }
}

export interface WatchRequest {
  /** The version after which changes are told. */
  readonly from: string;
  /** The server ends the watch after this. */
  readonly seconds: number;
  readonly idleMs: number;
  /** A server begins to answer at once, or it hangs. */
  readonly headMs: number;
  readonly signal: AbortSignal;
}

/** Receives changes until the server ends the watch, or it fails. Throws {@link IoError} only if interrupted. */
export async function watchOnce(
  client: KubeClient,
  source: Source,
  request: WatchRequest,
  handlers: WatchHandlers,
): Promise<WatchOutcome> {
  const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=${request.seconds}&resourceVersion=${encodeURIComponent(request.from)}`;
  // Ends the request, and not the one who asked for it.
  const own = new AbortController();
  const end = (): void => own.abort();
  const ended: { outcome: Refusal | null } = { outcome: null };
  const endWith = (outcome: Refusal): void => {
    ended.outcome ??= outcome;
    end();
  };
  request.signal.addEventListener('abort', end, { once: true });
  if (request.signal.aborted) end();
  const head = setTimeout(() => endWith(failed('the server does not begin to answer', 0, false)), request.headMs);
  const onOpen = (): void => {
    clearTimeout(head);
    handlers.onOpen(endWith);
  };
  let raised: { readonly error: unknown } | null = null;
  const deliver = async (change: Change): Promise<void> => {
    try {
      await handlers.onChange(change);
    } catch (error) {
      raised = { error };
      throw error;
    }
  };
  try {
    const answer = await client.stream(
      pathOf(source, query),
      (line) => {
        const event = JSON.parse(line) as Json;
        if (!isObject(event) || !isObject(event.object)) throw new SyntaxError('a change without an object');
        const { type, object } = event;
        if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') {
          if (nameOf(object) === null) throw new SyntaxError('an object without a name');
          return deliver({ type, object });
        }
        if (type === 'BOOKMARK') {
          const version = isObject(object.metadata) ? object.metadata.resourceVersion : undefined;
          if (typeof version === 'string' && version !== '') handlers.onBookmark(version);
          return undefined;
        }
        if (type !== 'ERROR') throw new SyntaxError('a change of a kind that does not exist');
        const status = typeof object.code === 'number' ? object.code : 500;
        endWith(refusal({ status, body: object }));
        return undefined;
      },
      own.signal,
      { accept: source.accept.watch, idleMs: request.idleMs, onOpen },
    );
    if (ended.outcome !== null) return ended.outcome;
    return answer.status === 200 ? { kind: 'closed' } : refusal(answer);
  } catch (error) {
    if (raised !== null) throw error;
    if (ended.outcome !== null && !request.signal.aborted) return ended.outcome;
    return broken(error);
  } finally {
    clearTimeout(head);
    request.signal.removeEventListener('abort', end);
  }
}

function pathOf(source: Source, query: string): string {
  const selector = source.fieldSelector === null ? '' : `fieldSelector=${encodeURIComponent(source.fieldSelector)}`;
  const all = [query, selector].filter((part) => part !== '').join('&');
  return all === '' ? source.path : `${source.path}?${all}`;
}

function refusal(answer: Answer): Refusal {
  const reason = messageOf(answer);
  const ahead = isAhead(answer);
  if (answer.status === 410 || ahead) return { kind: 'expired', reason, ahead };
  if (answer.status === 403) return { kind: 'forbidden', reason };
  if (answer.status === 404) return { kind: 'missing' };
  return failed(reason, answer.retryAfterMs ?? 0, true);
}

/** Whether the server has not come to the version yet, as one that lags behind, or was restored from a backup. */
function isAhead(answer: Answer): boolean {
  if (!isObject(answer.body)) return false;
  const { details, message } = answer.body;
  const causes = isObject(details) && Array.isArray(details.causes) ? (details.causes as readonly Json[]) : [];
  if (causes.some((cause) => isObject(cause) && cause.reason === 'ResourceVersionTooLarge')) return true;
  return typeof message === 'string' && message.includes('Too large resource version');
}

function failed(reason: string, retryAfterMs: number, answered: boolean): Refusal {
  return { kind: 'failed', reason, retryAfterMs, answered };
}

function broken(error: unknown): Refusal {
  if (error instanceof IoError) {
    if (error.code === 'interrupted') throw error;
    return failed(error.message, 0, false);
  }
  if (error instanceof SyntaxError)
    return failed(`what the server sends is not understood: ${reasonOf(error)}`, 0, true);
  throw error;
}

function nameOf(object: JsonObject): string | null {
  const name = isObject(object.metadata) ? object.metadata.name : undefined;
  return typeof name === 'string' && name !== '' ? name : null;
}
