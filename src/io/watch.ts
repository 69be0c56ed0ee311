import type { JsonObject } from '../manifest/object.ts';
import { IoError } from './io-error.ts';
import type { KubeClient } from './kube-client.ts';
import { isObject } from './kube-client.ts';
import { serviceOf, watchDefinition } from './watch-absent.ts';
import type { WatchEvent, WatchedResource } from './watch-event.ts';
import { createKnown, isOlder, versionOf } from './watch-known.ts';
import { createReducers } from './watch-reduce.ts';
import { listAll, type Refusal, watchOnce } from './watch-request.ts';
import { type Source, sourceOf, WATCHED_RESOURCES } from './watch-source.ts';
import { type Backoff, createBackoff, createWaiter, type Waiter } from './watch-wait.ts';

export interface FollowOptions {
  /** By default all. */
  readonly resources?: readonly WatchedResource[];
  /** `{ pods: 'spec.nodeName=n1' }` */
  readonly fieldSelectors?: Readonly<Partial<Record<WatchedResource, string>>>;
  readonly pageSize?: number;
  readonly timing?: Partial<Timing>;
  /** Source of jitter, 0 to 1. */
  readonly random?: () => number;
  /** Milliseconds since 1970, for statistics. */
  readonly now?: () => number;
  /** What a log should have. */
  readonly onNote?: (note: FollowNote) => void;
}

/** Waits, in milliseconds where the name does not say otherwise. */
export interface Timing {
  readonly firstBackoffMs: number;
  readonly longestBackoffMs: number;
  /** At most so long between attempts at what may not be read. */
  readonly forbiddenMs: number;
  /** An absent resource is looked for after so long, and up to three times that. */
  readonly absentMs: number;
  /** The same while its definition is watched. */
  readonly absentWatchedMs: number;
  /** An absent resource with known objects is looked for once more after this, before it is believed. */
  readonly confirmMs: number;
  /** What never could be listed, though the server answers, is called unreadable after this. */
  readonly unreadableAfterMs: number;
  /** The server is asked to end a watch after this, up to twice of it. */
  readonly watchSeconds: number;
  /** How much later than asked for a watch may end. */
  readonly marginMs: number;
  /** After so long without the beginning of an answer a watch has failed. */
  readonly headMs: number;
  /** A silence that means a dead connection where the server is known to send bookmarks every minute. */
  readonly quietMs: number;
  /** A watch that lived so long was a good one: waits begin anew. */
  readonly settledMs: number;
}

const TIMING: Timing = {
  firstBackoffMs: 200,
  longestBackoffMs: 30_000,
  forbiddenMs: 60_000,
  absentMs: 10_000,
  absentWatchedMs: 60_000,
  confirmMs: 1000,
  unreadableAfterMs: 60_000,
  watchSeconds: 300,
  marginMs: 30_000,
  headMs: 60_000,
  quietMs: 180_000,
  settledMs: 5000,
};

/** How often a new definition is looked at until it is served. */
const EAGER = 8;
/** Bookmarks that come so close together are regular. */
const BOOKMARK_MS = 100_000;

export type FollowState = 'starting' | 'listed' | 'absent' | 'unreadable';

/** Why everything was listed again. */
export type RelistReason = 'expired' | 'forbidden' | 'missing' | 'failing' | 'restored';

/** Something that went wrong, or went well again. */
export interface FollowNote {
  readonly resource: WatchedResource;
  readonly kind: 'failed' | 'relist' | 'unreadable' | 'absent' | 'listed';
  readonly message: string;
}

/** What a follower has done so far with one resource. */
export interface FollowStatistics {
  readonly resource: WatchedResource;
  readonly state: FollowState;
  /** Whether a watch is open. */
  readonly watching: boolean;
  readonly objects: number;
  readonly lists: number;
  readonly relists: Readonly<Record<RelistReason, number>>;
  /** Changes delivered. */
  readonly events: number;
  /** Changes that said nothing new. */
  readonly dropped: number;
  readonly bookmarks: number;
  /** Watches opened. */
  readonly watches: number;
  /** Requests that came to nothing. */
  readonly failures: number;
  readonly lastEventMs: number | null;
  /** When the server last said anything. */
  readonly lastContactMs: number | null;
  readonly lastFailure: string | null;
}

/** Follows an API server until `stop`. */
export interface Follower {
  /** Resolves when every resource was `listed`, `absent` or `unreadable` once. Rejects as `done` does. */
  readonly ready: Promise<void>;
  /** Resolves after `stop`; rejects, and nothing is followed any more, if the receiver of events throws. */
  readonly done: Promise<void>;
  statistics(): readonly FollowStatistics[];
  stop(): Promise<void>;
}

/**
 * Lists and watches. `onEvent` gets one event after the other for each resource; while a promise that it gives is pending,
 * that resource waits.
 */
export function follow(
  client: KubeClient,
  options: FollowOptions,
  onEvent: (event: WatchEvent) => void | Promise<void>,
): Follower {
  const stop = new AbortController();
  const reducers = createReducers();
  const context: Context = {
    client,
    signal: stop.signal,
    timing: { ...TIMING, ...options.timing },
    pageSize: options.pageSize ?? 500,
    random: options.random ?? Math.random,
    now: options.now ?? Date.now,
    note: (note) => options.onNote?.(note),
    emit: onEvent,
    reached: () => {
      for (const other of all) if (other.unreached()) other.wake();
    },
  };
  const all = (options.resources ?? WATCHED_RESOURCES).map((resource) =>
    createInformer(context, sourceOf(resource, reducers, options.fieldSelectors?.[resource] ?? null)),
  );
  const running = all.map(async (informer) => {
    try {
      await informer.run();
    } catch (error) {
      if (stop.signal.aborted && error instanceof IoError) return;
      stop.abort();
      throw error;
    }
  });
  const done = Promise.all(running).then(() => undefined);
  const ready = Promise.race([
    Promise.all(all.map((informer) => informer.told)).then(() => undefined),
    done.then(() => {
      throw new IoError('interrupted', 'stopped before everything was known');
    }),
  ]);
  // Whoever does not ask is not told.
  done.catch(() => undefined);
  ready.catch(() => undefined);
  return {
    ready,
    done,
    statistics: () => all.map((informer) => informer.statistics()),
    stop: async () => {
      stop.abort();
      await Promise.allSettled(running);
    },
  };
}

interface Context {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  readonly timing: Timing;
  readonly pageSize: number;
  readonly random: () => number;
  readonly now: () => number;
  readonly note: (note: FollowNote) => void;
  readonly emit: (event: WatchEvent) => void | Promise<void>;
  /** The server answers again: nobody need wait for that any longer. */
  readonly reached: () => void;
}

interface Informer {
  run(): Promise<void>;
  /** Resolves when the resource's state is known. */
  readonly told: Promise<void>;
  /** Whether it waits because the server did not answer. */
  unreached(): boolean;
  wake(): void;
  statistics(): FollowStatistics;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const RESTORED: Refusal = { kind: 'expired', reason: 'the server is at an older version', ahead: true };

/** What to do after a watch. */
type Again = { readonly reason: RelistReason; readonly from: string };

function createInformer(context: Context, source: Source): Informer {
  const { client, signal, timing, random, now } = context;
  const { resource } = source;
  const known = createKnown();
  const waiter: Waiter = createWaiter(signal);
  const backoff: Backoff = createBackoff(timing.firstBackoffMs, timing.longestBackoffMs, random);
  const slow: Backoff = createBackoff(Math.min(1000, timing.forbiddenMs), timing.forbiddenMs, random);
  const relists: Record<RelistReason, number> = { expired: 0, forbidden: 0, missing: 0, failing: 0, restored: 0 };
  const seen: Mutable<FollowStatistics> = {
    resource,
    state: 'starting',
    watching: false,
    objects: 0,
    lists: 0,
    relists,
    events: 0,
    dropped: 0,
    bookmarks: 0,
    watches: 0,
    failures: 0,
    lastEventMs: null,
    lastContactMs: null,
    lastFailure: null,
  };
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
  let version = '';
  /** What the next list may not be older than. */
  let from = '0';
  let failingSince: number | null = null;
  let unreached = false;
  let regularBookmarks = false;
  let reason = '';

  function contact(): void {
    seen.lastContactMs = now();
    unreached = false;
  }

  async function emit(event: WatchEvent): Promise<void> {
    seen.lastEventMs = now();
    const busy = context.emit(event);
    if (busy !== undefined) await busy;
  }

  /** Waits after a request that came to nothing. */
  async function failed(outcome: Extract<Refusal, { kind: 'failed' }>): Promise<void> {
    seen.failures++;
    if (seen.lastFailure !== outcome.reason) context.note({ resource, kind: 'failed', message: outcome.reason });
    seen.lastFailure = outcome.reason;
    if (outcome.answered) contact();
    else unreached = true;
    // Not all at once when the server wants to be left alone for a while.
    await waiter.pause(Math.max(backoff.next(), outcome.retryAfterMs * (1 + random() / 2)));
    unreached = false;
  }

  async function unreadable(why: string): Promise<void> {
    if (seen.state !== 'unreadable' || reason !== why) {
      seen.state = 'unreadable';
      reason = why;
      known.replace([]);
      seen.objects = 0;
      context.note({ resource, kind: 'unreadable', message: why });
      await emit({ kind: 'unreadable', resource, reason: why });
      tell();
    }
    await waiter.pause(slow.next());
  }

  async function listed(objects: readonly JsonObject[]): Promise<void> {
    if (seen.state !== 'listed') context.note({ resource, kind: 'listed', message: `${objects.length} objects` });
    seen.state = 'listed';
    seen.lists++;
    seen.lastFailure = null;
    slow.reset();
    known.replace(objects);
    seen.objects = objects.length;
    await emit({ kind: 'listed', resource, objects });
    tell();
  }

  /** Says that the resource is absent, and waits until it may be there. */
  async function absent(): Promise<void> {
    const already = seen.state === 'absent';
    seen.state = 'absent';
    known.replace([]);
    seen.objects = 0;
    version = '';
    backoff.reset();
    if (!already) {
      context.note({ resource, kind: 'absent', message: 'the server does not serve it' });
      await emit({ kind: 'absent', resource });
      tell();
    }
    let eager = 0;
    const { firstBackoffMs, longestBackoffMs, watchSeconds } = timing;
    const pace = {
      firstBackoffMs,
      longestBackoffMs,
      forbiddenMs: timing.forbiddenMs * 5,
      seconds: watchSeconds,
      headMs: timing.headMs,
      random,
    };
    const definition = watchDefinition(client, source, pace, () => {
      eager = EAGER;
      waiter.wake();
    });
    try {
      for (;;) {
        const usual = definition.permitted ? timing.absentWatchedMs : timing.absentMs * (1 + random());
        const wait = eager > 0 ? timing.firstBackoffMs * 2 ** (EAGER - eager - 1) : usual * (1 + random() / 2);
        if (eager > 0) eager--;
        await waiter.pause(wait);
        const service = await serviceOf(client, source, signal);
        if (service.kind === 'failed') {
          await failed({ ...service, answered: true });
          continue;
        }
        contact();
        // Where discovery is closed a list will tell.
        if (service.kind !== 'gone') return;
      }
    } finally {
      await definition.close();
    }
  }

  /** The list was refused for good: what does that mean? */
  async function refused(outcome: Extract<Refusal, { kind: 'forbidden' | 'missing' }>): Promise<void> {
    contact();
    const why = outcome.kind === 'forbidden' ? outcome.reason : 'the server does not serve it';
    if (source.builtIn) return unreadable(why);
    // The right to read is asked for before the server looks whether the resource is there.
    const service = await serviceOf(client, source, signal);
    switch (service.kind) {
      case 'elsewhere':
        return unreadable(
          `it is served as ${service.versions.join(', ')} only, which this version of Rampart does not read`,
        );
      case 'failed':
        return failed({ ...service, answered: true });
      case 'served':
        if (outcome.kind === 'forbidden') return unreadable(why);
        return failed({ kind: 'failed', reason: 'it is not served yet', retryAfterMs: 0, answered: true });
      case 'hidden':
        return outcome.kind === 'forbidden' ? unreadable(why) : absent();
      case 'gone':
        // The end of a definition ends its objects first; a server that has just begun may not know of it yet.
        if (known.size > 0) {
          await waiter.pause(timing.confirmMs);
          if ((await serviceOf(client, source, signal)).kind !== 'gone') return;
        }
        return absent();
    }
  }

  /** One watch after the other, from `version` on, until something makes a new list necessary. */
  async function watch(): Promise<Again> {
    let failures = 0;
    let unanswered = 0;
    for (;;) {
      const begun = now();
      const seconds = Math.ceil(timing.watchSeconds * (1 + random()));
      const longest = seconds * 1000 + timing.marginMs;
      let bookmark = 0;
      let progress = false;
      const outage = unanswered >= 2;
      const outcome = await watchOnce(
        client,
        source,
        {
          from: version,
          seconds,
          idleMs: regularBookmarks ? Math.min(timing.quietMs, longest) : longest,
          headMs: timing.headMs,
          signal,
        },
        {
          onOpen: (end) => {
            seen.watching = true;
            seen.watches++;
            contact();
            context.reached();
            if (outage) void checkRestored(end);
          },
          onBookmark: (at) => {
            contact();
            progress = true;
            seen.bookmarks++;
            if (!isOlder(at, version)) version = at;
            if (bookmark > 0 && now() - bookmark < BOOKMARK_MS) regularBookmarks = true;
            bookmark = now();
          },
          onChange: (change) => {
            contact();
            progress = true;
            const at = versionOf(change.object);
            const fresh = known.take(change);
            seen.objects = known.size;
            if (at !== '' && !isOlder(at, version)) version = at;
            if (!fresh) {
              seen.dropped++;
              return undefined;
            }
            seen.events++;
            const object = source.reduce(change.object);
            return emit(
              change.type === 'DELETED' ? { kind: 'removed', resource, object } : { kind: 'put', resource, object },
            );
          },
        },
      );
      seen.watching = false;
      const settled = now() - begun >= timing.settledMs;
      if (settled) backoff.reset();
      if (progress) failures = 0;
      if (progress || outcome.kind !== 'failed' || outcome.answered) unanswered = 0;
      switch (outcome.kind) {
        case 'closed':
          contact();
          failures = 0;
          seen.lastFailure = null;
          if (!settled) await waiter.pause(backoff.next());
          break;
        case 'failed':
          failures++;
          if (!outcome.answered) unanswered++;
          await failed(outcome);
          // The server answers, and not what was asked for: perhaps it has a list.
          if (outcome.answered && failures >= 3) return { reason: 'failing', from: version };
          break;
        case 'expired':
          await waiter.pause(backoff.next());
          return { reason: outcome === RESTORED ? 'restored' : 'expired', from: outcome.ahead ? '' : version };
        case 'forbidden':
          context.note({ resource, kind: 'failed', message: `it may not be watched: ${outcome.reason}` });
          await waiter.pause(slow.next());
          return { reason: 'forbidden', from: version };
        case 'missing':
          return { reason: 'missing', from: version };
      }
    }
  }

  /** A server that was restored from a backup would be silent until it comes to our version again. */
  async function checkRestored(end: (outcome: Refusal) => void): Promise<void> {
    try {
      const answer = await client.get(`${source.path}?limit=1`, source.accept.list, signal);
      if (answer.status === 200 && isObject(answer.body) && isOlder(versionOf(answer.body), version)) end(RESTORED);
    } catch (error) {
      if (!(error instanceof IoError)) throw error;
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      if (!(await list())) continue;
      const again = await watch();
      relists[again.reason]++;
      context.note({ resource, kind: 'relist', message: again.reason });
      from = again.from;
    }
  }

  /** Whether it worked. A function of its own, so that nothing holds the list while the watch goes on. */
  async function list(): Promise<boolean> {
    const outcome = await listAll(client, source, { from, pageSize: context.pageSize, signal });
    if (outcome.kind !== 'failed') failingSince = null;
    switch (outcome.kind) {
      case 'listed':
        contact();
        context.reached();
        version = outcome.version;
        await listed(outcome.objects);
        return true;
      case 'expired':
        contact();
        from = '';
        await waiter.pause(backoff.next());
        return false;
      case 'failed':
        failingSince ??= now();
        if (outcome.answered && seen.state !== 'listed' && now() - failingSince >= timing.unreadableAfterMs) {
          await unreadable(outcome.reason);
        } else {
          await failed(outcome);
        }
        return false;
      default:
        await refused(outcome);
        from = version === '' ? '0' : version;
        return false;
    }
  }

  return {
    run,
    told,
    unreached: () => unreached,
    wake: () => waiter.wake(),
    statistics: () => ({ ...seen, relists: { ...relists } }),
  };
}
