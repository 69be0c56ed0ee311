import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../manifest/object.ts';
import { IoError } from './io-error.ts';
import { type Answer, isObject, type KubeClient, messageOf } from './kube-client.ts';

/** What came of a write. Failing to tell somebody something is never a reason to fail oneself. */
export type Written =
  | { readonly kind: 'written' }
  /** `status` is `null` if there was no answer. */
  | { readonly kind: 'refused'; readonly status: number | null; readonly reason: string };

/** Something to be told about an object. */
export interface EventNote {
  /** The object, with `apiVersion`, `kind` and `metadata`. */
  readonly regarding: JsonObject;
  readonly type: 'Normal' | 'Warning';
  /** In one word, for machines: `NotEnforced`. */
  readonly reason: string;
  /** What was done or failed, in one word: `Programming`. */
  readonly action: string;
  readonly message: string;
}

/** Who tells it, and when. */
export interface EventReporter {
  /** `rampart.dev/agent` */
  readonly controller: string;
  /** The node. */
  readonly instance: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const LONGEST_NOTE = 1024;

/**
 * Writes an event (`events.k8s.io/v1`). The same thing told again by the same instance is the same event, with a higher
 * count, for as long as the server keeps it.
 */
export async function createEvent(client: KubeClient, note: EventNote, reporter: EventReporter): Promise<Written> {
  const metadata = isObject(note.regarding.metadata) ? note.regarding.metadata : {};
  const about = stringsOf({
    apiVersion: note.regarding.apiVersion,
    kind: note.regarding.kind,
    name: metadata.name,
    namespace: metadata.namespace,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
  });
  const namespace = about.namespace ?? 'default';
  const path = `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/events`;
  const name = eventName(note, about, reporter);
  const time = new Date(reporter.now).toISOString().replace('Z', '000Z');
  const event: JsonObject = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name, namespace },
    eventTime: time,
    type: note.type,
    reason: note.reason,
    action: note.action,
    note: shortened(note.message, LONGEST_NOTE),
    regarding: about,
    reportingController: reporter.controller,
    reportingInstance: shortened(reporter.instance, 128),
  };
  return written(async () => {
    const created = await client.send('POST', path, event);
    if (created.status !== 409) return created;
    const known = await client.get(`${path}/${name}`);
    if (known.status !== 200) return known;
    const series = isObject(known.body) && isObject(known.body.series) ? known.body.series : {};
    const count = typeof series.count === 'number' ? series.count + 1 : 2;
    return client.send(
      'PATCH',
      `${path}/${name}`,
      { series: { count, lastObservedTime: time } },
      'application/merge-patch+json',
    );
  });
}

/** Merges `status` into the status of the object at `path`, through its subresource. */
export function patchStatus(client: KubeClient, path: string, status: JsonObject): Promise<Written> {
  return written(() => client.send('PATCH', `${path}/status`, { status }, 'application/merge-patch+json'));
}

async function written(write: () => Promise<Answer>): Promise<Written> {
  try {
    const answer = await write();
    if (answer.status < 300) return { kind: 'written' };
    return { kind: 'refused', status: answer.status, reason: messageOf(answer) };
  } catch (error) {
    if (!(error instanceof IoError)) throw error;
    return { kind: 'refused', status: null, reason: error.message };
  }
}

/** A name that is the same for the same thing told by the same instance. */
function eventName(note: EventNote, about: Readonly<Record<string, string>>, reporter: EventReporter): string {
  const { resourceVersion: _, ...object } = about;
  const same = JSON.stringify([object, note.type, note.reason, note.action, note.message, reporter.instance]);
  const mark = createHash('sha256').update(same).digest('hex').slice(0, 16);
  const base = (about.name ?? '').toLowerCase().replace(/[^a-z0-9.-]/g, '-');
  // A name is made of labels that neither begin nor end with a hyphen.
  const labels = base
    .split('.')
    .map((label) => label.slice(0, 63).replace(/^-+|-+$/g, ''))
    .filter((label) => label !== '');
  const stem = labels
    .join('.')
    .slice(0, 200)
    .replace(/[-.]+$/, '');
  return stem === '' ? `rampart.${mark}` : `${stem}.${mark}`;
}

function stringsOf(from: Readonly<Record<string, Json | undefined>>): Readonly<Record<string, string>> {
  const out: Record<string, string> = {};
  for (const [key, value] of Object.entries(from)) if (typeof value === 'string' && value !== '') out[key] = value;
  return out;
}

/** At most so many bytes, never half a character. */
function shortened(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const cut = Buffer.from(text).subarray(0, bytes - 3);
  return `${new TextDecoder().decode(cut, { stream: true })}…`;
}
