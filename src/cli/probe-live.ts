import { randomBytes } from 'node:crypto';
import { readPaths } from '../io/files.ts';
import { IoError } from '../io/io-error.ts';
import { isObject, type KubeClient, openClient } from '../io/kube-client.ts';
import { type ClusterChoice, type Connection, connect } from '../io/kubeconfig.ts';
import { type Progress, progressLine } from '../io/terminal.ts';
import { findLeftovers, type Leftover, removeAll } from '../lab/live/lifecycle.ts';
import { PROBE_LABEL, type ProbeRun } from '../lab/live/objects.ts';
import { liveProber, type Seat } from '../lab/live/prober.ts';
import { barredBy, refuseUnseated, startStandIns } from '../lab/live/stand-ins.ts';
import { labelsNamed, liveWorld } from '../lab/live/world.ts';
import { PROBE_DEFAULTS } from '../lab/probe.ts';
import { pairQuestions } from '../lab/probe-questions.ts';
import type { JsonObject } from '../manifest/object.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { type Objects, readObjects, understand } from './input-options.ts';
import { interruptible } from './probe-interruption.ts';
import { inNamespace, type ProbeCommandOptions, positive, writtenPairs } from './probe-options.ts';
import { answerProbe, asWritten, planTask, runTask } from './probe-report.ts';
import { readQuestions, type WrittenQuestion } from './questions-file.ts';
import { type Shell, UsageError } from './shell.ts';

/** Which cluster the options mean. */
export function choiceOf({ kubeconfig, context }: Pick<ProbeCommandOptions, 'kubeconfig' | 'context'>): ClusterChoice {
  return {
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
  };
}

/** The live cluster as it is without what probes made in it. */
export async function readWithoutProbes(options: ProbeCommandOptions, shell: Shell): Promise<Objects> {
  const read = await readObjects(options, shell);
  const objects = read.objects.filter(
    ({ ref, value }) => !['Pod', 'Namespace'].includes(ref.kind) || !isOfProbe(value),
  );
  return { ...read, objects };
}

function isOfProbe(value: JsonObject): boolean {
  const metadata = isObject(value.metadata) ? value.metadata : {};
  return isObject(metadata.labels) && Object.hasOwn(metadata.labels, PROBE_LABEL);
}

/** A run that begins now. */
export function newRun(image: string, seconds: number): ProbeRun {
  return { id: randomBytes(4).toString('hex'), until: new Date(Date.now() + seconds * 1000), image };
}

/** Checks flows of a live cluster with real connections. */
export async function probeLive(options: ProbeCommandOptions, shell: Shell): Promise<ExitCode> {
  const seconds = positive(options.total, '--total', 'number of seconds', 300);
  const timeoutMs = positive(options.timeout, '--timeout', 'number of milliseconds', 1000);
  const progress = progressLine(shell.stderr, options.quiet !== true);
  const written = options.flows === undefined ? null : await questionsOf(options.flows, shell);
  const connection = await connect(choiceOf(options), shell.env);
  const loaded = understand(await readWithoutProbes(options, shell));
  return withClient(
    connection,
    shell,
    options,
    async (client, signal) => {
      await removeExpired(client, shell, options);
      const barred = options.via === 'pods' ? await barredBy(client, signal) : () => null;
      const world = liveWorld(loaded.cluster, options.via, barred);
      const asked =
        written === null ? pairsOf(options, world) : { questions: written, skipped: [], wanted: written.length };
      if (asked.questions.length === 0) {
        throw new IoError('not-found', 'there is nothing to ask: no pair of workloads with a port in use', {
          help: 'name the flows with --flows FILE, or --from, --to and --port',
        });
      }
      refuseTooMany(asked.wanted, options);
      const task = {
        loaded,
        questions: asked.questions,
        file: options.flows ?? '--from and --to',
        topology: world.topology,
        where: `context ${loaded.live?.context ?? connection.context}`,
        skipped: asked.skipped,
      };
      const plan = planTask(task);
      const used = new Set(plan.planned.flatMap(({ tries }) => tries.map(({ actor }) => actor)));
      const actors = new Map([...world.actors].filter(([actor]) => used.has(actor)));
      const run = newRun(options.image, seconds + 120);
      const namespaces = [...new Set([...actors.values()].map(({ workload }) => workload.namespace))];
      return cleaningUp(connection, run, namespaces, shell, async () => {
        const seats =
          options.via === 'exec'
            ? new Map([...actors].map(([id, { pod }]): [string, Seat] => [id, ownSeat(pod)]))
            : await startStandIns(client, run, actors, {
                startMs: 60_000,
                signal,
                now: () => new Date(),
                named: labelsNamed(loaded.program),
                onProgress: (text) => progress.show(text),
              });
        refuseUnseated(seats, run.image);
        const prober = liveProber(connection, seats);
        const report = await runTask(
          task,
          plan,
          prober,
          {
            ...PROBE_DEFAULTS,
            timeoutMs,
            // Every pod is a connection to the API server, and processes in the pod.
            inFlight: 8 * PROBE_DEFAULTS.perActor,
            pausesMs: [1000, 3000],
            totalMs: seconds * 1000,
            signal,
            onProgress: (done, of, round) => progress.show(`round ${round}: ${done} of ${of} connections`),
          },
          () => wayOf(options, prober.clients),
        );
        progress.clear();
        return answerProbe(report, options, shell, plan.diagnostics.length > 0);
      });
    },
    progress,
  );
}

function ownSeat(pod: { readonly namespace: string; readonly name: string }): Seat {
  return { kind: 'pod', namespace: pod.namespace, pod: pod.name };
}

function wayOf(options: ProbeCommandOptions, clients: ReadonlySet<string>): string {
  const client = clients.size === 0 ? '' : `, client ${[...clients].sort().join(', ')}`;
  return options.via === 'exec'
    ? `commands in the pods themselves${client}`
    : `probe pods of ${options.image}${client}`;
}

export async function questionsOf(file: string, shell: Shell): Promise<readonly WrittenQuestion[]> {
  const files = await readPaths([file], { stdin: shell.stdin });
  return files.flatMap((one) => readQuestions(new TextDecoder().decode(one.bytes), one.file));
}

interface Pairs {
  readonly questions: readonly WrittenQuestion[];
  readonly skipped: ReturnType<typeof pairQuestions>['skipped'];
  readonly wanted: number;
}

function pairsOf(options: ProbeCommandOptions, world: ReturnType<typeof liveWorld>): Pairs {
  const within = inNamespace(world.parties, options.namespace);
  if ((options.from ?? options.to ?? options.port) !== undefined) {
    const known = new Map(world.parties.map((party) => [party.id, party]));
    const able = within.filter(({ actor }) => actor !== null).map(({ id }) => id);
    const short = new Map(world.parties.map((party) => [party.id.replace(/^([^/]+)\/[^/]+\//, '$1/'), party]));
    const questions = writtenPairs(
      options,
      able,
      (end) => (known.get(end) ?? short.get(end) ?? world.topology.pods.get(end))?.listeners ?? [],
    );
    return { questions: asWritten(questions), skipped: [], wanted: questions.length };
  }
  const most = positive(options.most, '--most', 'number of flows', 5000);
  const asked = pairQuestions(
    world.topology,
    { pods: 'all', outside: [], outsidePorts: [], namespace: null, most },
    within,
  );
  return { questions: asWritten(asked.questions), skipped: asked.skipped, wanted: asked.wanted };
}

function refuseTooMany(wanted: number, options: ProbeCommandOptions): void {
  const most = positive(options.most, '--most', 'number of flows', 5000);
  if (wanted <= most) return;
  throw new UsageError(
    `that would be ${wanted} flows, more than the ${most} that are asked at most`,
    'choose some with -n NAMESPACE, --from, --to and --port or --flows FILE, or allow more with --most N',
  );
}

/** Runs with a client that is called off by Ctrl-C, and lets go of it. */
export async function withClient<T>(
  connection: Connection,
  shell: Shell,
  _options: Pick<ProbeCommandOptions, 'quiet'>,
  work: (client: KubeClient, signal: AbortSignal) => Promise<T>,
  progress: Progress,
): Promise<T> {
  const stopping = interruptible(shell.signal);
  const client = openClient(connection, { signal: stopping.signal });
  try {
    return await work(client, stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) throw new IoError('interrupted', 'interrupted; what the probe made is removed');
    throw error;
  } finally {
    progress.clear();
    client.close();
    stopping.release();
  }
}

/** Removes what a run made, whatever came of it; says what it could not remove. */
export async function cleaningUp<T>(
  connection: Connection,
  run: ProbeRun,
  namespaces: readonly string[],
  shell: Shell,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } finally {
    // Not the client of the work: that one may have been called off.
    const client = openClient(connection, { timeoutMs: 20_000 });
    try {
      const failed = await removeAll(client, await findLeftovers(client, run.id, namespaces));
      sayLeft(failed, shell);
    } catch (error) {
      sayLeft([error instanceof Error ? error.message : String(error)], shell);
    } finally {
      client.close();
    }
  }
}

function sayLeft(failed: readonly string[], shell: Shell): void {
  if (failed.length === 0) return;
  shell.stderr.write(
    `rampart: not everything that the probe made could be removed:\n${failed.map((line) => `  ${line}\n`).join('')}  help: run \`rampart probe --cleanup\` later\n`,
  );
}

/** Removes what runs left behind whose time is long over. */
export async function removeExpired(
  client: KubeClient,
  shell: Shell,
  options: Pick<ProbeCommandOptions, 'quiet'>,
): Promise<void> {
  const now = Date.now();
  const old = (await findLeftovers(client, null)).filter(({ until }) => until !== null && until.getTime() < now);
  if (old.length === 0) return;
  const failed = await removeAll(client, old);
  if (options.quiet !== true) {
    shell.stderr.write(`removed ${old.length - failed.length} objects that an earlier probe left behind\n`);
  }
  sayLeft(failed, shell);
}

/** `--cleanup`: removes everything that probes made, also that of runs that are under way. */
export async function cleanup(options: ProbeCommandOptions, shell: Shell): Promise<ExitCode> {
  const connection = await connect(choiceOf(options), shell.env);
  const client = openClient(connection, { signal: shell.signal });
  try {
    const things = await findLeftovers(client, null);
    const failed = await removeAll(client, things);
    for (const thing of things) shell.stdout.write(`${words(thing)}\n`);
    shell.stdout.write(
      things.length === 0 ? 'there is nothing to remove\n' : `removed ${things.length - failed.length}\n`,
    );
    sayLeft(failed, shell);
    return failed.length > 0 ? EXIT.failed : EXIT.fine;
  } finally {
    client.close();
  }
}

function words({ kind, namespace, name, run }: Leftover): string {
  return `${kind} ${namespace === null ? '' : `${namespace}/`}${name} of run ${run}`;
}
