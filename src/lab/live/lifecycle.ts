/** Makes, awaits and removes the objects of a probe. */
import { setTimeout as sleep } from 'node:timers/promises';
import { IoError } from '../../io/io-error.ts';
import { type Answer, isObject, type KubeClient, messageOf, objectsOf } from '../../io/kube-client.ts';
import type { Json, JsonObject } from '../../manifest/object.ts';
import { PROBE_LABEL, PROBE_NAME, UNTIL_ANNOTATION } from './objects.ts';

/** Creates an object; the server's version of it. Throws {@link IoError} `forbidden` or `protocol` with the server's words. */
export async function create(
  client: KubeClient,
  path: string,
  object: JsonObject,
  signal?: AbortSignal,
): Promise<JsonObject> {
  let answer = await client.send('POST', path, object as Json, 'application/json', signal);
  // OpenShift gives each namespace its own range of user ids and refuses others.
  if (answer.status === 403 && messageOf(answer).includes('security context constraint')) {
    answer = await client.send('POST', path, withoutUser(object) as Json, 'application/json', signal);
  }
  if (answer.status < 300 && isObject(answer.body)) return answer.body;
  throw refusal(`cannot create \`${path}\``, answer);
}

function withoutUser(pod: JsonObject): JsonObject {
  const spec = isObject(pod.spec) ? pod.spec : {};
  const context = isObject(spec.securityContext) ? spec.securityContext : {};
  const { runAsUser: _user, runAsGroup: _group, ...kept } = context;
  return { ...pod, spec: { ...spec, securityContext: kept } };
}

/** What the server refused, as an error with the way out. */
export function refusal(what: string, answer: Answer): IoError {
  const forbidden = answer.status === 403;
  return new IoError(forbidden ? 'forbidden' : 'protocol', `${what}: ${messageOf(answer)}`, {
    help: forbidden
      ? 'a probe creates and deletes pods and a config map, and runs commands in its pods: it needs `create`, `get`, `list` and `delete` on pods and configmaps, and `create` on pods/exec; --smoke also on networkpolicies, and on namespaces where none is given with -n'
      : 'see what the server says; `rampart probe --help` tells what is made',
  });
}

/** A pod of the probe that is ready to take commands, or why it is not. */
export interface Started {
  readonly name: string;
  readonly namespace: string;
  readonly node: string | null;
  readonly addresses: readonly string[];
  /** `null` if it runs. */
  readonly failed: string | null;
}

/** Reasons of a waiting container that do not go away by waiting. */
const HOPELESS: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'CrashLoopBackOff',
]);

/** Waits until the pods of a run are running; after `timeoutMs` those that are not are failed, with the reason. */
export async function awaitPods(
  client: KubeClient,
  run: string,
  wanted: readonly { readonly namespace: string; readonly name: string }[],
  options: {
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
    readonly onProgress?: (running: number, of: number) => void;
  },
): Promise<readonly Started[]> {
  const until = performance.now() + options.timeoutMs;
  const namespaces = [...new Set(wanted.map(({ namespace }) => namespace))];
  for (;;) {
    const known = new Map<string, JsonObject>();
    for (const namespace of namespaces) {
      const selector = encodeURIComponent(`${PROBE_LABEL}=${run}`);
      const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`;
      const answer = await client.get(path, undefined, options.signal);
      if (answer.status !== 200 || !isObject(answer.body)) throw refusal(`cannot list \`${path}\``, answer);
      for (const pod of objectsOf(answer.body.items)) known.set(`${namespace}/${textAt(pod, 'metadata', 'name')}`, pod);
    }
    const late = performance.now() > until;
    const states = wanted.map(({ namespace, name }) => stateOf(namespace, name, known.get(`${namespace}/${name}`)));
    const running = states.filter(({ state }) => state === 'running').length;
    options.onProgress?.(running, wanted.length);
    if (late || states.every(({ state }) => state !== 'waiting')) {
      return states.map(({ started, state, why }) =>
        state === 'running'
          ? started
          : {
              ...started,
              failed: state === 'failed' ? why : `not running after ${options.timeoutMs / 1000} s: ${why}`,
            },
      );
    }
    await sleep(400, undefined, { signal: options.signal });
  }
}

interface State {
  readonly state: 'running' | 'waiting' | 'failed';
  readonly why: string;
  readonly started: Started;
}

function stateOf(namespace: string, name: string, pod: JsonObject | undefined): State {
  const status = isObject(pod?.status) ? pod.status : {};
  const started: Started = {
    name,
    namespace,
    node: pod === undefined ? null : textAt(pod, 'spec', 'nodeName') || null,
    addresses: objectsOf(status.podIPs).flatMap(({ ip }) => (typeof ip === 'string' ? [ip] : [])),
    failed: null,
  };
  const phase = typeof status.phase === 'string' ? status.phase : 'Pending';
  if (pod === undefined) return { state: 'failed', why: 'it was deleted', started };
  const [container] = objectsOf(status.containerStatuses);
  const inner = isObject(container?.state) ? container.state : {};
  if (isObject(inner.running) && started.addresses.length > 0) return { state: 'running', why: '', started };
  if (phase === 'Failed' || phase === 'Succeeded' || isObject(inner.terminated)) {
    const said = isObject(inner.terminated) ? textOf(inner.terminated.message, inner.terminated.reason) : '';
    return { state: 'failed', why: `it ended: ${textOf(status.message, status.reason, said, phase)}`, started };
  }
  if (isObject(inner.waiting)) {
    const reason = textOf(inner.waiting.reason);
    const why = [reason, textOf(inner.waiting.message)].filter((part) => part !== '').join(': ');
    return { state: HOPELESS.has(reason) ? 'failed' : 'waiting', why, started };
  }
  const unscheduled = objectsOf(status.conditions).find((one) => one.type === 'PodScheduled' && one.status === 'False');
  return { state: 'waiting', why: unscheduled === undefined ? phase : textOf(unscheduled.message, phase), started };
}

/** Something that a probe made. */
export interface Leftover {
  readonly kind: 'namespace' | 'pod' | 'configmap' | 'networkpolicy';
  readonly namespace: string | null;
  readonly name: string;
  readonly run: string;
  readonly until: Date | null;
}

const KINDS = [
  { kind: 'networkpolicy', api: '/apis/networking.k8s.io/v1', resource: 'networkpolicies' },
  { kind: 'pod', api: '/api/v1', resource: 'pods' },
  { kind: 'configmap', api: '/api/v1', resource: 'configmaps' },
  { kind: 'namespace', api: '/api/v1', resource: 'namespaces' },
] as const;

/**
 * Everything that probes made and that is still there, of one run or of all, in some namespaces (then also the
 * namespaces themselves) or in all; what may not be listed is left out.
 */
export async function findLeftovers(
  client: KubeClient,
  run: string | null,
  namespaces: readonly string[] | null = null,
): Promise<readonly Leftover[]> {
  const selector = encodeURIComponent(run === null ? PROBE_LABEL : `${PROBE_LABEL}=${run}`);
  const found: Leftover[] = [];
  const lists = KINDS.flatMap(({ kind, api, resource }) =>
    namespaces === null || kind === 'namespace'
      ? [{ kind, path: `${api}/${resource}` }]
      : namespaces.map((namespace) => ({ kind, path: `${api}/namespaces/${namespace}/${resource}` })),
  );
  for (const { kind, path } of lists) {
    const answer = await client.get(`${path}?labelSelector=${selector}`);
    if (answer.status !== 200 || !isObject(answer.body)) continue;
    for (const object of objectsOf(answer.body.items)) {
      const metadata = isObject(object.metadata) ? object.metadata : {};
      const labels = isObject(metadata.labels) ? metadata.labels : {};
      const annotations = isObject(metadata.annotations) ? metadata.annotations : {};
      const until = new Date(textOf(annotations[UNTIL_ANNOTATION]));
      // The label alone is anybody's to set; a namespace would go with all that is in it.
      if (!textOf(metadata.name).startsWith(PROBE_NAME)) continue;
      found.push({
        kind,
        namespace: kind === 'namespace' ? null : textOf(metadata.namespace),
        name: textOf(metadata.name),
        run: textOf(labels[PROBE_LABEL]),
        until: Number.isNaN(until.getTime()) ? null : until,
      });
    }
  }
  return found;
}

/** Deletes what a probe made; the ones that could not be deleted. What is gone already is fine. */
export async function removeAll(client: KubeClient, things: readonly Leftover[]): Promise<readonly string[]> {
  const failed: string[] = [];
  const gone = new Set(things.flatMap(({ kind, name }) => (kind === 'namespace' ? [name] : [])));
  // A namespace takes all that is in it along.
  const order = things.filter(({ kind, namespace }) => kind === 'namespace' || !gone.has(namespace ?? ''));
  for (const { kind, namespace, name } of order) {
    const known = KINDS.find((one) => one.kind === kind);
    if (known === undefined) continue;
    const within = namespace === null ? '' : `/namespaces/${namespace}`;
    const path = `${known.api}${within}/${known.resource}/${name}`;
    const options = kind === 'pod' ? { gracePeriodSeconds: 0 } : { propagationPolicy: 'Background' };
    try {
      const answer = await client.send('DELETE', path, options);
      if (answer.status >= 300 && answer.status !== 404 && answer.status !== 409) {
        failed.push(`${kind} ${namespace === null ? '' : `${namespace}/`}${name}: ${messageOf(answer)}`);
      }
    } catch (error) {
      failed.push(`${kind} ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return failed;
}

function textAt(object: JsonObject, parent: string, key: string): string {
  const inner = object[parent];
  return isObject(inner) ? textOf(inner[key]) : '';
}

/** The first of the values that is a text with something in it. */
function textOf(...values: readonly unknown[]): string {
  for (const value of values) if (typeof value === 'string' && value !== '') return value;
  return '';
}
