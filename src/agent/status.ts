import { createHash } from 'node:crypto';
import { reasonOf } from '../io/io-error.ts';
import { type KubeClient, messageOf } from '../io/kube-client.ts';
import { POLICY_KINDS } from '../kinds/registry.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import { type ObjectRef, objectId } from '../model/origin.ts';
import type { Log } from './log.ts';
import type { Observer } from './observer.ts';
import { SILENT } from './observers.ts';
import { MARK, type PolicyObject } from './policy-table.ts';

export interface AnnouncerOptions {
  readonly client: Pick<KubeClient, 'send'>;
  readonly node: string;
  readonly log: Log;
  readonly enabled: boolean;
  readonly find: (id: string) => PolicyObject | null;
  /** The policies that nodes say to fail there. */
  readonly marked: () => ReadonlyMap<string, PolicyObject>;
  /** Over how long all nodes spread what they have to say at the same time. */
  readonly spreadMs: () => number;
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
const LONGEST_MESSAGE = 1000;
/** Every condition is told to every agent, with all others of its policy: these many nodes speak for the rest. */
const MOST_MARKS = 8;
/** What is not permitted is not asked for again so soon. */
const FORBIDDEN_MS = 600_000;
const LONGEST_MANAGER = 128;

/**
 * Writes an event, and on kinds that have a status a condition of this node's own, when the kernel refuses a policy; takes
 * the condition back when that is over. What cannot be understood of a policy is the same on every node: one event says it for all.
 */
export function policyAnnouncer(options: AnnouncerOptions): Announcer {
  const { client, node, log, find, marked, spreadMs, random = Math.random } = options;
  const queue = new Map<string, () => Promise<unknown>>();
  const delays = new Set<NodeJS.Timeout>();
  const failing = new Set<string>();
  /** Policies that may bear a condition of ours. */
  const sent = new Set<string>();
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
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
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

  /** Server-side apply, so that the conditions of other nodes and controllers stay. */
  function condition(ref: ObjectRef, message: string | null): Promise<boolean> {
    const path = statusPath(ref);
    if (path === null) return Promise.resolve(true);
    const type = `${MARK}${node}`;
    const conditions =
      message === null
        ? []
        : [
            {
              type,
              status: 'False',
              reason: 'KernelRefused',
              message: message.slice(0, LONGEST_MESSAGE),
              lastTransitionTime: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
            },
          ];
    const body = { apiVersion: ref.apiVersion, kind: ref.kind, metadata: { name: ref.name }, status: { conditions } };
    const target = `${path}?fieldManager=${encodeURIComponent(managerOf(node))}&force=true`;
    return request(`conditions of ${ref.kind}`, 'PATCH', target, body, 'application/apply-patch+yaml');
  }

  async function mark(id: string, message: string): Promise<void> {
    const object = find(id);
    // Meanwhile it may have been healed here, or enough nodes may have said it.
    if (object === null || !failing.has(id) || object.marks.length >= MOST_MARKS) return;
    sent.add(id);
    await condition(object.ref, message);
  }

  async function unmark(id: string): Promise<void> {
    const object = find(id);
    const isDone = object === null || failing.has(id) || (await condition(object.ref, null));
    // Else the next sync tries again.
    if (!isDone) clearing.delete(id);
  }

  const soon = (): number => random() * spreadMs();

  return {
    observer: {
      ...SILENT,
      policyFailed(id, fault) {
        failing.add(id);
        const object = find(id);
        if (object === null) return;
        const message = `node ${node}: the kernel does not take this policy, so the pods that it selects here are closed: ${fault}`;
        say(`event ${id}`, soon(), () => event(object, 'EnforcementFailed', message, true));
        say(`condition ${id}`, soon(), () => mark(id, message));
      },
      policyHealed(id) {
        failing.delete(id);
        if (sent.delete(id)) say(`condition ${id}`, 0, () => unmark(id));
      },
      /** What an agent said before it ended holds no longer than what it says now. */
      committed() {
        const all = marked();
        for (const id of clearing) if (all.get(id)?.marks.includes(node) !== true) clearing.delete(id);
        for (const [id, { marks }] of all) {
          if (failing.has(id) || clearing.has(id) || !marks.includes(node)) continue;
          clearing.add(id);
          say(`condition ${id}`, soon(), () => unmark(id));
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

/** One for each node: who applies with the name of another takes away what that one has said. */
function managerOf(node: string): string {
  const name = `rampart-agent-${node}`;
  if (name.length <= LONGEST_MANAGER) return name;
  const hash = createHash('sha256').update(node).digest('hex').slice(0, 16);
  return `${name.slice(0, LONGEST_MANAGER - hash.length - 1)}-${hash}`;
}

function takeFirst(queue: Map<string, () => Promise<unknown>>): (() => Promise<unknown>) | null {
  for (const [topic, work] of queue) {
    queue.delete(topic);
    return work;
  }
  return null;
}

function statusPath(ref: ObjectRef): string | null {
  const kind = POLICY_KINDS.find((entry) => entry.kind === ref.kind && entry.apiVersion === ref.apiVersion);
  // A NetworkPolicy has no status.
  return kind === undefined || kind.namespaced ? null : `/apis/${kind.apiVersion}/${kind.plural}/${ref.name}/status`;
}
