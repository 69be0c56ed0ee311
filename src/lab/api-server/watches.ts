import { asObject, stringOf } from '../../kinds/validation/json.ts';
import type { JsonObject } from '../../manifest/object.ts';
import type { Core } from './core.ts';
import type { Faults } from './faults.ts';
import { resourceKey, type ServedResource } from './resources.ts';
import type { ObjectFilter } from './selectors.ts';
import { badRequest, expired } from './status.ts';
import type { StoreEvent } from './store.ts';
import { shownList, shownObject, type View } from './view.ts';

/** Where the lines of a watch go. */
export interface WatchSink {
  write(line: string): void;
  end(): void;
}

export interface WatchQuery {
  readonly resource: ServedResource;
  readonly apiVersion: string;
  /** `null`: every namespace. */
  readonly namespace: string | null;
  readonly filter: ObjectFilter;
  readonly view: View;
  /** `''` and `0`: the present objects first. */
  readonly resourceVersion: string;
  readonly bookmarks: boolean;
  /** The present objects first, then a bookmark that says so. */
  readonly sendInitialEvents: boolean;
  readonly timeoutMs: number;
  readonly bookmarkMs: number;
}

/** Serialised forms, shared by all watches that show an object alike. */
const LINES = new WeakMap<JsonObject, Map<string, string>>();

function line(type: string, object: JsonObject, { resource, apiVersion, view }: WatchQuery, now: number): string {
  if (view === 'table') {
    const { resourceVersion = '' } = asObject(object.metadata);
    return `${JSON.stringify({ type, object: shownList(resource, apiVersion, [object], { resourceVersion }, view, now) })}\n`;
  }
  let forms = LINES.get(object);
  if (forms === undefined) {
    forms = new Map();
    LINES.set(object, forms);
  }
  const key = `${type} ${view} ${apiVersion}`;
  let text = forms.get(key);
  if (text === undefined) {
    text = `${JSON.stringify({ type, object: shownObject(object, apiVersion, view) })}\n`;
    forms.set(key, text);
  }
  return text;
}

/** Checks a watch; the answer starts it, and ends it when it is called in turn. Throws a refusal. */
export function watch(core: Core, query: WatchQuery, faults: Faults): (sink: WatchSink) => () => void {
  const from = query.resourceVersion;
  if (from !== '' && !/^[0-9]+$/.test(from)) throw badRequest(`strconv.ParseUint: parsing "${from}": invalid syntax`);
  const isFresh = from === '' || from === '0' || query.sendInitialEvents;
  // A watch that cannot begin is told so in its stream, as real servers do.
  let refusal: JsonObject | null = null;
  if (!isFresh) {
    if (faults.expiredWatches > 0) {
      faults.expiredWatches--;
      refusal = expired(`too old resource version: ${from} (${core.store.revision()})`).body;
    } else {
      try {
        core.store.since(Number(from));
      } catch (error) {
        const body = (error as { body?: JsonObject }).body;
        if (body === undefined || body.code !== 410) throw error;
        refusal = body;
      }
    }
  }
  return (sink) => {
    if (refusal !== null) {
      sink.write(`${JSON.stringify({ type: 'ERROR', object: refusal })}\n`);
      sink.end();
      return () => {};
    }
    return follow(core, query, isFresh, sink, faults);
  };
}

function follow(core: Core, query: WatchQuery, isFresh: boolean, sink: WatchSink, faults: Faults): () => void {
  const key = resourceKey(query.resource);
  let sent = core.store.revision();
  let held: string | null = null;
  const timers: NodeJS.Timeout[] = [];
  const ends: (() => void)[] = [];
  let isOpen = true;

  const stop = (): void => {
    if (!isOpen) return;
    isOpen = false;
    for (const timer of timers) clearTimeout(timer);
    for (const end of ends) end();
  };
  const write = (text: string): void => {
    if (!isOpen || faults.silentWatches) return;
    if (faults.swapEvents && held === null) {
      held = text;
      return;
    }
    sink.write(text);
    if (faults.repeatEvents) sink.write(text);
    if (held !== null) sink.write(held);
    held = null;
  };
  const later = (text: string): void => {
    if (faults.delayMs === 0) write(text);
    else timers.push(setTimeout(() => write(text), faults.delayMs));
  };
  const bookmark = (annotations: JsonObject | null): void => {
    if (!isOpen || faults.silentWatches) return;
    const metadata: JsonObject = {
      resourceVersion: String(core.store.revision()),
      creationTimestamp: null,
      ...(annotations === null ? {} : { annotations }),
    };
    const [kind, apiVersion] =
      query.view === 'object' ? [query.resource.kind, query.apiVersion] : ['PartialObjectMetadata', 'meta.k8s.io/v1'];
    const object =
      query.view === 'table'
        ? shownList(query.resource, apiVersion, [], metadata, 'table', core.now())
        : { kind, apiVersion, metadata };
    sink.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  };
  const take = (event: StoreEvent): void => {
    if (event.revision <= sent) return;
    sent = event.revision;
    if (event.resource !== key || (query.namespace !== null && event.namespace !== query.namespace)) return;
    const is = event.type !== 'DELETED' && query.filter(event.object);
    const was = event.before !== null && query.filter(event.before);
    if (!is && !was) return;
    const type = is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED';
    later(line(type, lastForm(event, type), query, core.now()));
  };

  if (isFresh) {
    for (const object of core.store.list(key, query.namespace)) {
      if (query.filter(object)) sink.write(line('ADDED', object, query, core.now()));
    }
    if (query.sendInitialEvents && query.bookmarks) bookmark({ 'k8s.io/initial-events-end': 'true' });
  } else {
    const missed = core.store.since(Number(query.resourceVersion));
    sent = Number(query.resourceVersion);
    for (const event of missed) take(event);
  }
  ends.push(core.store.subscribe(take));
  const onUnserved = (gone: string): void => {
    if (gone !== key) return;
    stop();
    sink.end();
  };
  core.unserved.add(onUnserved);
  ends.push(() => core.unserved.delete(onUnserved));
  const repeat = setInterval(() => {
    if (query.bookmarks) bookmark(null);
  }, query.bookmarkMs);
  ends.push(() => clearInterval(repeat));
  timers.push(
    setTimeout(() => {
      if (query.bookmarks) bookmark(null);
      stop();
      sink.end();
    }, query.timeoutMs),
  );
  return stop;
}

/** An object that leaves a selection by a change is shown as it was, with the version of the change. */
function lastForm(event: StoreEvent, type: string): JsonObject {
  if (type !== 'DELETED' || event.type === 'DELETED' || event.before === null) return event.object;
  const resourceVersion = stringOf(asObject(event.object.metadata).resourceVersion);
  return { ...event.before, metadata: { ...asObject(event.before.metadata), resourceVersion } };
}
