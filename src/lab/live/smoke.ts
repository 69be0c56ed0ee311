/** Finds out whether a live cluster enforces policies at all, by making pods, denying them, and looking. */
import { setTimeout as sleep } from 'node:timers/promises';
import { IoError } from '../../io/io-error.ts';
import { isObject, type KubeClient, messageOf, objectsOf } from '../../io/kube-client.ts';
import type { JsonObject } from '../../manifest/object.ts';
import type { Direction } from '../../model/program.ts';
import type { Observed, ProbeSkipped, SmokeCheck } from '../../report/report.ts';
import type { Attempt } from '../pod-protocol.ts';
import type { Seen } from '../probe-compare.ts';
import { awaitPods, create, refusal, type Started } from './lifecycle.ts';
import { ownerFor, PROBE_LABEL, PROBE_NAME, type ProbeRun, podFor, UNTIL_ANNOTATION } from './objects.ts';
import type { LiveProber, Seat } from './prober.ts';

const TCP = 8080;
const UDP = 8081;
const ROLE = 'rampart.dev/probe-role';

export interface SmokeOptions {
  /** Nodes that take pods, at most two of them are used. */
  readonly nodes: readonly string[];
  /** An existing namespace; `null` for one of its own. */
  readonly namespace: string | null;
  /** How long a policy may take to have an effect, and to lose it. */
  readonly graceMs: number;
  readonly startMs: number;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  readonly prober: (seats: ReadonlyMap<string, Seat>) => LiveProber;
  readonly onProgress?: (text: string) => void;
}

export interface Smoke {
  readonly checks: readonly SmokeCheck[];
  readonly skipped: readonly ProbeSkipped[];
}

/** The nodes that an ordinary pod can run on, in the order of their names. */
export function usableNodes(nodes: readonly JsonObject[]): readonly string[] {
  return nodes
    .flatMap((node) => {
      const spec = isObject(node.spec) ? node.spec : {};
      const metadata = isObject(node.metadata) ? node.metadata : {};
      const status = isObject(node.status) ? node.status : {};
      const ready = objectsOf(status.conditions).some(({ type, status: is }) => type === 'Ready' && is === 'True');
      const tainted = objectsOf(spec.taints).some(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute');
      // There are no packets on nodes that kwok plays.
      const simulated = isObject(metadata.annotations) && Object.hasOwn(metadata.annotations, 'kwok.x-k8s.io/node');
      const usable = ready && !tainted && !simulated && spec.unschedulable !== true;
      return usable && typeof metadata.name === 'string' ? [metadata.name] : [];
    })
    .sort();
}

/** Asks for the nodes that a probe can use; throws {@link IoError} where they may not be read. */
export async function nodesToUse(client: Pick<KubeClient, 'get'>, signal: AbortSignal): Promise<readonly string[]> {
  const answer = await client.get('/api/v1/nodes', undefined, signal);
  if (answer.status === 200 && isObject(answer.body)) return usableNodes(objectsOf(answer.body.items));
  throw new IoError('forbidden', `the nodes cannot be read: ${messageOf(answer)}`, {
    help: 'a probe chooses the nodes of its pods, and needs `list` on nodes for that',
  });
}

/** One connection that is looked at in every phase. */
interface Way {
  readonly client: string;
  readonly placement: SmokeCheck['placement'];
  readonly family: 4 | 6;
  readonly protocol: 'TCP' | 'UDP';
  readonly attempt: Attempt;
  readonly source: string;
  readonly destination: string;
}

/** Makes pods, connects, denies, connects again. What it made is removed by the caller, by its label. */
export async function smoke(client: KubeClient, run: ProbeRun, options: SmokeOptions): Promise<Smoke> {
  const { signal } = options;
  const progress = options.onProgress ?? (() => undefined);
  const [first, second] = options.nodes;
  if (first === undefined) throw new IoError('not-found', 'no node takes ordinary pods: none is ready and untainted');
  const namespace = options.namespace ?? `${PROBE_NAME}${run.id}`;
  if (options.namespace === null) await create(client, '/api/v1/namespaces', namespaceFor(run, namespace), signal);
  const owner = await create(client, `/api/v1/namespaces/${namespace}/configmaps`, ownerFor(run, namespace), signal);
  const { name: ownerName, uid } = isObject(owner.metadata) ? owner.metadata : {};
  const owned = { name: String(ownerName), uid: String(uid) };

  const skipped: ProbeSkipped[] = [];
  const all: { actor: string; node: string; placement: SmokeCheck['placement'] }[] = [
    { actor: 'near', node: first, placement: 'same-node' },
  ];
  if (second === undefined) skipped.push({ what: 'across nodes', because: 'only one node takes pods', flows: 0 });
  else all.push({ actor: 'far', node: second, placement: 'across-nodes' });
  const pods = [
    { role: 'server', node: first, serve: { tcp: TCP, udp: UDP } },
    ...all.map(({ actor, node }) => ({ role: actor, node })),
  ];
  progress('starting pods');
  for (const { role, node, ...rest } of pods) {
    const name = podName(run, role);
    const labels = { [ROLE]: role === 'server' ? 'server' : 'client' };
    const spec = { name, namespace, labels, owner: owned, node: { name: node, required: true }, ...rest };
    await create(client, `/api/v1/namespaces/${namespace}/pods`, podFor(run, spec, options.now()), signal);
  }
  const wanted = pods.map(({ role }) => ({ namespace, name: podName(run, role) }));
  const started = await awaitPods(client, run.id, wanted, { timeoutMs: options.startMs, signal });
  const broken = started.find(({ failed }) => failed !== null);
  if (broken !== undefined) {
    throw new IoError(
      'tool-failed',
      `probe pod \`${broken.namespace}/${broken.name}\` does not run: ${broken.failed}`,
      {
        help: `is the image \`${run.image}\` there, and may it be pulled? choose another with --image`,
      },
    );
  }
  const seats = new Map<string, Seat>(
    all.map(({ actor }) => [actor, { kind: 'pod', namespace, pod: podName(run, actor), container: 'probe' }]),
  );
  const server = started.find(({ name }) => name === podName(run, 'server'));
  const ways = waysOf(all, server, first);
  const prober = options.prober(seats);
  const look = (): Promise<readonly Observed[]> => lookAt(ways, prober, signal);

  progress('connecting without a policy');
  const open = await until(look, (seen) => seen.every((one) => one === 'allowed'), options.graceMs, signal);
  const checks: SmokeCheck[] = [];
  for (const direction of ['ingress', 'egress'] as const) {
    progress(`denying ${direction}`);
    const policy = policyFor(run, namespace, direction);
    const path = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
    await create(client, path, policy, signal);
    const begun = performance.now();
    const since: (number | null)[] = ways.map(() => null);
    const denied = await until(
      look,
      (seen, started) => {
        const seconds = Math.round((started - begun) / 100) / 10;
        for (const [i, one] of seen.entries()) {
          if (one !== 'denied') since[i] = null;
          else since[i] ??= seconds;
        }
        return seen.every((one, i) => one === 'denied' || open[i] !== 'allowed');
      },
      options.graceMs,
      signal,
    );
    progress(`allowing ${direction} again`);
    const gone = await client.send('DELETE', `${path}/${policyName(run, direction)}`, undefined, undefined, signal);
    if (gone.status >= 300) throw refusal('cannot delete the policy of the probe', gone);
    const after = await until(
      look,
      (seen) => seen.every((one, i) => one === 'allowed' || open[i] !== 'allowed'),
      options.graceMs,
      signal,
    );
    for (const [i, way] of ways.entries()) {
      const states = { without: open[i] ?? 'error', denied: denied[i] ?? 'error', after: after[i] ?? 'error' } as const;
      checks.push({
        direction,
        protocol: way.protocol,
        family: way.family,
        placement: way.placement,
        source: way.source,
        destination: way.destination,
        ...states,
        seconds: states.denied === 'denied' ? (since[i] ?? null) : null,
        ...conclusion(states),
      });
    }
  }
  return { checks, skipped };
}

/** What the three observations of one way say. */
export function conclusion(seen: {
  readonly without: Observed;
  readonly denied: Observed;
  readonly after: Observed;
}): Pick<SmokeCheck, 'enforced' | 'detail'> {
  if (seen.without !== 'allowed') {
    return { enforced: 'unknown', detail: 'there was no connection without a policy either' };
  }
  if (seen.denied === 'allowed')
    return { enforced: 'no', detail: 'the connection was made although a policy denies it' };
  if (seen.denied === 'error') return { enforced: 'unknown', detail: 'the connection failed, but not as a denial' };
  if (seen.after !== 'allowed') {
    return { enforced: 'unknown', detail: 'the connection did not come back after the policy was deleted' };
  }
  return { enforced: 'yes', detail: '' };
}

/** What all checks say together. */
export function verdictOf(checks: readonly SmokeCheck[]): 'yes' | 'partly' | 'no' | 'unknown' {
  const kinds = new Set(checks.map(({ enforced }) => enforced));
  if (kinds.has('no')) return kinds.has('yes') ? 'partly' : 'no';
  return kinds.has('unknown') || kinds.size === 0 ? 'unknown' : 'yes';
}

/** Looks until it is as wanted, or the time is up; what was seen last. */
async function until(
  look: () => Promise<readonly Observed[]>,
  wanted: (seen: readonly Observed[], started: number) => boolean,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<readonly Observed[]> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const started = performance.now();
    const seen = await look();
    if (wanted(seen, started) || performance.now() > end) return seen;
    await sleep(250, undefined, { signal });
  }
}

async function lookAt(ways: readonly Way[], prober: LiveProber, signal: AbortSignal): Promise<readonly Observed[]> {
  const seen = new Map<Way, Seen>();
  const clients = [...new Set(ways.map(({ client }) => client))];
  await Promise.all(
    clients.map(async (actor) => {
      const mine = ways.filter(({ client }) => client === actor);
      const attempts = mine.map(({ attempt }) => attempt);
      const outcomes = await prober.attempt(actor, attempts, { parallel: attempts.length, signal });
      for (const [i, way] of mine.entries()) {
        const outcome = outcomes[i];
        if (outcome !== undefined) seen.set(way, outcome);
      }
    }),
  );
  // The server of the probe answers everything that reaches it: silence and refusals are denials here.
  return ways.map((way) => {
    const outcome = seen.get(way);
    return outcome?.quiet === true ? 'denied' : (outcome?.observed ?? 'error');
  });
}

function waysOf(
  clients: readonly { readonly actor: string; readonly node: string; readonly placement: SmokeCheck['placement'] }[],
  server: Started | undefined,
  node: string,
): readonly Way[] {
  return clients.flatMap(({ actor, placement, node: own }) =>
    (['TCP', 'UDP'] as const).flatMap((protocol) =>
      (server?.addresses ?? []).map(
        (host): Way => ({
          client: actor,
          placement,
          family: host.includes(':') ? 6 : 4,
          protocol,
          attempt: { protocol, host, port: protocol === 'TCP' ? TCP : UDP, timeoutMs: 1000 },
          source: `client on ${own}`,
          destination: `server on ${node}`,
        }),
      ),
    ),
  );
}

const podName = (run: ProbeRun, role: string): string => `${PROBE_NAME}${run.id}-${role}`;
const policyName = (run: ProbeRun, direction: Direction): string => `${PROBE_NAME}${run.id}-${direction}`;

function namespaceFor(run: ProbeRun, name: string): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: {
        [PROBE_LABEL]: run.id,
        'app.kubernetes.io/managed-by': 'rampart',
        'pod-security.kubernetes.io/enforce': 'restricted',
      },
      annotations: { [UNTIL_ANNOTATION]: run.until.toISOString() },
    },
  };
}

function policyFor(run: ProbeRun, namespace: string, direction: Direction): JsonObject {
  const role = direction === 'ingress' ? 'server' : 'client';
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: policyName(run, direction),
      namespace,
      labels: { [PROBE_LABEL]: run.id, 'app.kubernetes.io/managed-by': 'rampart' },
      annotations: { [UNTIL_ANNOTATION]: run.until.toISOString() },
    },
    spec: {
      podSelector: { matchLabels: { [ROLE]: role, [PROBE_LABEL]: run.id } },
      policyTypes: [direction === 'ingress' ? 'Ingress' : 'Egress'],
    },
  };
}
