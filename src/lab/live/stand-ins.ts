/** Pods that stand for workloads: same namespace and labels, so that the same policies select them. */
import { IoError } from '../../io/io-error.ts';
import { isObject, type KubeClient, objectsOf } from '../../io/kube-client.ts';
import type { Pod, Workload } from '../../model/cluster.ts';
import { awaitPods, create } from './lifecycle.ts';
import { ownerFor, PROBE_NAME, type ProbeRun, podFor, standInLabels } from './objects.ts';
import type { Seat } from './prober.ts';
import type { Actor } from './world.ts';

export interface StandInOptions {
  readonly startMs: number;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Label keys that policies look at. */
  readonly named: ReadonlySet<string>;
  readonly onProgress?: (text: string) => void;
}

/** Makes one pod for each actor and waits for them; those that do not run are said to have failed. */
export async function startStandIns(
  client: KubeClient,
  run: ProbeRun,
  actors: ReadonlyMap<string, Actor>,
  options: StandInOptions,
): Promise<ReadonlyMap<string, Seat>> {
  const { signal } = options;
  const owners = new Map<string, { readonly name: string; readonly uid: string }>();
  const made: { readonly actor: string; readonly namespace: string; readonly name: string }[] = [];
  const seats = new Map<string, Seat>();
  let i = 0;
  for (const [actor, { workload, pod }] of actors) {
    const { namespace } = workload;
    let owner = owners.get(namespace);
    if (owner === undefined) {
      const config = await create(
        client,
        `/api/v1/namespaces/${namespace}/configmaps`,
        ownerFor(run, namespace),
        signal,
      );
      const metadata = isObject(config.metadata) ? config.metadata : {};
      owner = { name: String(metadata.name), uid: String(metadata.uid) };
      owners.set(namespace, owner);
    }
    const name = `${PROBE_NAME}${run.id}-${++i}`;
    const spec = {
      name,
      namespace,
      labels: standInLabels(pod.labels, options.named),
      owner,
      node: pod.node === null ? null : { name: pod.node, required: false },
    };
    options.onProgress?.(`starting probe pod ${i} of ${actors.size}`);
    await create(client, `/api/v1/namespaces/${namespace}/pods`, podFor(run, spec, options.now()), signal);
    made.push({ actor, namespace, name });
  }
  const started = await awaitPods(client, run.id, made, {
    timeoutMs: options.startMs,
    signal,
    onProgress: (running, of) => options.onProgress?.(`${running} of ${of} probe pods run`),
  });
  for (const [at, { actor, namespace, name }] of made.entries()) {
    const failed = started[at]?.failed ?? null;
    seats.set(
      actor,
      failed === null
        ? { kind: 'pod', namespace, pod: name, container: 'probe' }
        : { kind: 'failed', because: `probe pod \`${namespace}/${name}\` does not run: ${failed}` },
    );
  }
  return seats;
}

/** Throws {@link IoError} where no pod of a probe runs: that says nothing about policies. */
export function refuseUnseated(seats: ReadonlyMap<string, Seat>, image: string): void {
  const failed = [...seats.values()].flatMap((seat) => (seat.kind === 'failed' ? [seat.because] : []));
  const [first] = failed;
  if (first === undefined || failed.length < seats.size) return;
  throw new IoError('tool-failed', first, {
    help: `is the image \`${image}\` there, and may it be pulled? choose another with --image`,
  });
}

/**
 * Workloads that nobody may stand in for: a Service that also sends to pods that are not ready would send to the probe
 * pod. Where Services may not be read, nobody may stand in for anybody.
 */
export async function barredBy(
  client: KubeClient,
  signal: AbortSignal,
): Promise<(workload: Workload, pod: Pod) => string | null> {
  const answer = await client.get('/api/v1/services', undefined, signal);
  const services = answer.status === 200 && isObject(answer.body) ? objectsOf(answer.body.items) : null;
  if (services === null) return () => 'Services could not be read, one of which might send traffic to a probe pod';
  const eager = services.flatMap(({ metadata, spec }) => {
    if (!isObject(metadata) || !isObject(spec) || spec.publishNotReadyAddresses !== true) return [];
    const selector = isObject(spec.selector) ? Object.entries(spec.selector) : [];
    return selector.length === 0 ? [] : [{ namespace: metadata.namespace, name: metadata.name, selector }];
  });
  return (workload, pod) => {
    const found = eager.find(
      ({ namespace, selector }) =>
        namespace === workload.namespace && selector.every(([key, value]) => pod.labels.get(key) === value),
    );
    return found === undefined
      ? null
      : `Service \`${workload.namespace}/${String(found.name)}\` sends to pods that are not ready as well, so also to a probe pod; use --via exec`;
  };
}
