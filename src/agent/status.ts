import { createHash } from 'node:crypto';
import { reasonOf } from '../io/io-error.ts';
import { type KubeClient, messageOf } from '../io/kube-client.ts';
import { POLICY_KINDS } from '../kinds/registry.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import { type ObjectRef, objectId } from '../model/origin.ts';
import type { Log } from './log.ts';
import type { Observer } from './observer.ts';
import { SILENT } from './observers.ts';
import type { PolicyObject } from './policy-table.ts';

export interface AnnouncerOptions {
  readonly client: Pick<KubeClient, 'send'>;
  readonly node: string;
  readonly log: Log;
  readonly enabled: boolean;
  readonly find: (id: string) => PolicyObject | null;
  /** From 0 to 1; spreads what all nodes have to say over a minute. */
  readonly random?: () => number;
  readonly spreadMs?: number;
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
const SPREAD_MS = 60_000;
const LONGEST_MESSAGE = 1000;

/**
 * Writes an event, and on kinds that have a status a condition of this node's own, when the kernel refuses a policy; takes
 * the condition back when that is over. What cannot be understood of a policy is the same on every node: one event says it for all.
 */
export function policyAnnouncer(options: AnnouncerOptions): Announcer {
  const { client, node, log, find, random = Math.random, spreadMs = SPREAD_MS } = options;
  const queue = new Map<string, () => Promise<void>>();
  const delays = new Set<NodeJS.Timeout>();
  let tokens = BURST;
  let running = false;
  let stopped = !options.enabled;

  /** A later word about the same thing takes the place of an earlier one. */
  function say(topic: string, delayMs: number, work: () => Promise<void>): void {
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

  async function request(method: 'POST' | 'PATCH', path: string, body: Json, type: string): Promise<void> {
    if (!(await mayAsk())) return;
    try {
      const answer = await client.send(method, path, body, type);
      // Somebody has said it already, or there is nothing any more to say it of.
      if (answer.status >= 300 && answer.status !== 409 && answer.status !== 404) {
        log.debug({ path, status: answer.status }, `an event or condition was not taken: ${messageOf(answer)}`);
      }
    } catch (error) {
      log.debug({ path }, `an event or condition could not be written: ${reasonOf(error)}`);
    }
  }

  function event(object: PolicyObject, reason: string, message: string, onNode: boolean): Promise<void> {
    const { ref } = object;
    const namespace = ref.namespace ?? 'default';
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const key = [object.uid ?? '', reason, message, onNode ? `${node} ${now}` : ''].join('\n');
    const hash = createHash('sha256').update(key).digest('hex').slice(0, 16);
    const body: JsonObject = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${ref.name.slice(0, 230)}.${hash}`, namespace },
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
    return request('POST', `/api/v1/namespaces/${namespace}/events`, body, 'application/json');
  }

  /** Server-side apply, so that the conditions of other nodes and controllers stay. */
  function condition(ref: ObjectRef, message: string | null): Promise<void> {
    const path = statusPath(ref);
    if (path === null) return Promise.resolve();
    const type = `rampart.dev/enforced.${node}`.slice(0, 316);
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
    const manager = encodeURIComponent(`rampart-agent-${node}`.slice(0, 128));
    return request('PATCH', `${path}?fieldManager=${manager}&force=true`, body, 'application/apply-patch+yaml');
  }

  return {
    observer: {
      ...SILENT,
      policyFailed(id, fault) {
        const object = find(id);
        if (object === null) return;
        const message = `node ${node}: the kernel does not take this policy, so the pods that it selects here are closed: ${fault}`;
        say(`event ${id}`, 0, () => event(object, 'EnforcementFailed', message, true));
        say(`condition ${id}`, 0, () => condition(object.ref, message));
      },
      policyHealed(id) {
        const object = find(id);
        if (object !== null) say(`condition ${id}`, 0, () => condition(object.ref, null));
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
        say(`notice ${objectId(ref)}`, random() * spreadMs, () => event(object, 'NotUnderstood', message, false));
      },
    },
    stop() {
      stopped = true;
      for (const timer of delays) clearTimeout(timer);
      queue.clear();
    },
  };
}

function takeFirst(queue: Map<string, () => Promise<void>>): (() => Promise<void>) | null {
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
