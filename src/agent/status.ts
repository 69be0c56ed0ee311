import { createHash } from 'node:crypto';
import { reasonOf } from '../io/io-error.ts';
import { isObject, type KubeClient, messageOf, objectsOf } from '../io/kube-client.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import { type ObjectRef, objectId } from '../model/origin.ts';
import { APPLY, conditionPatch, LONGEST_MESSAGE, wholeSeconds } from './conditions.ts';
import type { Log } from './log.ts';
import type { Observer } from './observer.ts';
import { SILENT } from './observers.ts';
import type { PolicyObject } from './policy-table.ts';

export interface AnnouncerOptions {
  readonly client: Pick<KubeClient, 'get' | 'send'>;
  readonly node: string;
  readonly log: Log;
  readonly enabled: boolean;
  readonly find: (id: string) => PolicyObject | null;
  /** The policies that nodes say to fail there. */
  readonly marked: () => ReadonlyMap<string, PolicyObject>;
  /** Whether the API server lists no such node; `false` as long as that is not known. */
  readonly gone: (node: string) => boolean;
  /** Over how long all nodes spread what they have to say at the same time. */
  readonly spreadMs: () => number;
  /** A node may be late to be told of, or come back: its conditions stay for so long, up to twice of it. A parameter for tests. */
  readonly goneMs?: number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** Says on the policies themselves what becomes of them here. */
export interface Announcer {
  readonly observer: Observer;
  /** Forgets what has not been said yet. */
  stop(): void;
}

/** So many requests at once at most, then one in a second. */
const BURST = 10;
const REFILL_MS = 1000;
/** Every condition is told to every agent, with all others of its policy: these many nodes speak for the rest. */
const MOST_MARKS = 8;
/** What is not permitted is not asked for again so soon. */
const FORBIDDEN_MS = 600_000;
const GONE_MS = 300_000;

/**
 * Writes an event, and on kinds that have a status a condition of this node's own, when the kernel refuses a policy; takes
 * the condition back when that is over, and those of nodes that are gone. What cannot be understood of a policy is the
 * same on every node: one event says it for all.
 */
export function policyAnnouncer(options: AnnouncerOptions): Announcer {
  const { client, node, log, find, marked, gone, spreadMs, goneMs = GONE_MS, random = Math.random } = options;
  const queue = new Map<string, () => Promise<unknown>>();
  const delays = new Set<NodeJS.Timeout>();
  const failing = new Set<string>();
  /** Policies that may bear a condition of ours. */
  const sent = new Set<string>();
  /** Conditions that are being taken back, by their topic, until they are seen to be gone. */
  const clearing = new Set<string>();
  const askAgainAt = new Map<string, number>();
  let tokens = BURST;
  let running = false;
  let stopped = !options.enabled;

  /** A later word about the same thing takes the place of an earlier one. */
  function say(topic: string, delayMs: number, work: () => Promise<unknown>): void {
    if (stopped) return;
    const timer = setTimeout(() => {
      delays.delete(timer);
      queue.set(topic, work);
      void run();
    }, delayMs);
    timer.unref();
    delays.add(timer);
  }

  async function run(): Promise<void> {
    if (running) return;
    running = true;
    for (let next = takeFirst(queue); next !== null && !stopped; next = takeFirst(queue)) await next();
    running = false;
  }

  async function mayAsk(): Promise<boolean> {
    while (tokens <= 0 && !stopped) await new Promise((resolve) => setTimeout(resolve, REFILL_MS).unref());
    tokens--;
    setTimeout(() => tokens++, REFILL_MS * BURST).unref();
    return !stopped;
  }

  /** Whether that was all there was to do. */
  async function request(
    what: string,
    method: 'POST' | 'PATCH',
    path: string,
    body: Json,
    type: string,
  ): Promise<boolean> {
    if (performance.now() < (askAgainAt.get(what) ?? 0) || !(await mayAsk())) return false;
    try {
      const answer = await client.send(method, path, body, type);
      // Somebody has said it already, or there is nothing any more to say it of.
      if (answer.status < 300 || answer.status === 409 || answer.status === 404) return true;
      if (answer.status === 403) forbidden(what, messageOf(answer));
      else log.debug({ path, status: answer.status }, `an event or condition was not taken: ${messageOf(answer)}`);
    } catch (error) {
      log.debug({ path }, `an event or condition could not be written: ${reasonOf(error)}`);
    }
    return false;
  }

  function forbidden(what: string, why: string): void {
    const help = 'grant it, or turn off `events`';
    if (!askAgainAt.has(what)) log.warn({ help }, `${what} may not be written: ${why}`);
    askAgainAt.set(what, performance.now() + FORBIDDEN_MS);
  }

  function event(object: PolicyObject, reason: string, message: string, onNode: boolean): Promise<boolean> {
    const { ref } = object;
    const namespace = ref.namespace ?? 'default';
    const now = wholeSeconds(new Date());
    const key = [object.uid ?? '', reason, message, onNode ? `${node} ${now}` : ''].join('\n');
    const hash = createHash('sha256').update(key).digest('hex').slice(0, 16);
    const body: JsonObject = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${ref.name.slice(0, 230).replace(/[-.]+$/, '')}.${hash}`, namespace },
      involvedObject: {
        apiVersion: ref.apiVersion,
        kind: ref.kind,
        name: ref.name,
        ...(ref.namespace === null ? {} : { namespace: ref.namespace }),
        ...(object.uid === null ? {} : { uid: object.uid }),
      },
      reason,
      message: message.slice(0, LONGEST_MESSAGE),
      type: 'Warning',
      source: { component: 'rampart-agent', ...(onNode ? { host: node } : {}) },
      reportingComponent: 'rampart.dev/agent',
      reportingInstance: onNode ? node : '',
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    return request('events', 'POST', `/api/v1/namespaces/${namespace}/events`, body, 'application/json');
  }

  function condition(ref: ObjectRef, of: string, message: string | null): Promise<boolean> {
    const patch = conditionPatch(ref, of, message);
    if (patch === null) return Promise.resolve(true);
    return request(`conditions of ${ref.kind}`, 'PATCH', patch.path, patch.body, APPLY);
  }

  async function mark(id: string, message: string): Promise<void> {
    const object = find(id);
    // Meanwhile it may have been healed here, or enough nodes may have said it.
    if (object === null || !failing.has(id) || object.marks.filter((of) => !gone(of)).length >= MOST_MARKS) return;
    sent.add(id);
    await condition(object.ref, node, message);
  }

  /** Takes back what the node `of` says, unless that holds (again). */
  async function unmark(id: string, of: string): Promise<void> {
    const object = find(id);
    const isDue = of === node ? !failing.has(id) : object?.marks.includes(of) === true && (await isNowhere(of));
    const isDone = object === null || (isDue && (await condition(object.ref, of, null)));
    // Else the next sync tries again.
    if (!isDone) clearing.delete(topicOf(id, of));
  }

  /** What is known may be old: who would take away the words of a living node asks first. */
  async function isNowhere(name: string): Promise<boolean> {
    if (!gone(name) || !(await mayAsk())) return false;
    try {
      const selector = encodeURIComponent(`metadata.name=${name}`);
      const { status, body } = await client.get(`/api/v1/nodes?fieldSelector=${selector}`);
      return status === 200 && isObject(body) && Array.isArray(body.items) && objectsOf(body.items).length === 0;
    } catch (error) {
      log.debug({ node: name }, `it could not be looked whether the node is gone: ${reasonOf(error)}`);
      return false;
    }
  }

  const soon = (): number => random() * spreadMs();
  const late = (): number => goneMs * (1 + random());

  return {
    observer: {
      ...SILENT,
      policyFailed(id, fault) {
        failing.add(id);
        const object = find(id);
        if (object === null) return;
        const message = `node ${node}: the kernel does not take this policy, so the pods that it selects here are closed: ${fault}`;
        say(`event ${id}`, soon(), () => event(object, 'EnforcementFailed', message, true));
        say(topicOf(id, node), soon(), () => mark(id, message));
      },
      policyHealed(id) {
        failing.delete(id);
        if (sent.delete(id)) say(topicOf(id, node), 0, () => unmark(id, node));
      },
      /** What an agent said before it ended holds no longer than what it says now, or than its node is there. */
      committed() {
        const borne = [...marked()].flatMap(([id, { marks }]) =>
          marks.map((of) => ({ id, of, topic: topicOf(id, of) })),
        );
        const topics = new Set(borne.map(({ topic }) => topic));
        for (const topic of clearing) if (!topics.has(topic)) clearing.delete(topic);
        for (const { id, of, topic } of borne) {
          const isOver = of === node ? !failing.has(id) : gone(of);
          if (!isOver || clearing.has(topic)) continue;
          clearing.add(topic);
          say(topic, of === node ? soon() : late(), () => unmark(id, of));
        }
      },
      noticed({ object: ref, diagnostics }) {
        const object = find(objectId(ref));
        const [first] = diagnostics.filter(({ severity }) => severity === 'error');
        if (object === null || first === undefined) return;
        const { field } = first.origin ?? { field: '' };
        const message = [
          field === '' ? '' : `${field}: `,
          first.message,
          first.help === undefined ? '' : `; ${first.help}`,
        ].join('');
        // All nodes come to the same name for it, and the first of them to come makes it.
        say(`notice ${objectId(ref)}`, soon(), () => event(object, 'NotUnderstood', message, false));
      },
    },
    stop() {
      stopped = true;
      for (const timer of delays) clearTimeout(timer);
      queue.clear();
    },
  };
}

function topicOf(id: string, node: string): string {
  return `condition ${node} ${id}`;
}

function takeFirst(queue: Map<string, () => Promise<unknown>>): (() => Promise<unknown>) | null {
  for (const [topic, work] of queue) {
    queue.delete(topic);
    return work;
  }
  return null;
}
