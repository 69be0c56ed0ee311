import { IoError } from '../io/io-error.ts';
import { readFrom } from '../io/kube.ts';
import { progressLine } from '../io/terminal.ts';
import type { Listener } from '../lab/pod-protocol.ts';
import { PROBE_DEFAULTS } from '../lab/probe.ts';
import { labProber, labTracer, labWorld, outsidePorts, outsideSample } from '../lab/probe-lab.ts';
import { pairQuestions } from '../lab/probe-questions.ts';
import { connectLab, type LabSession } from '../lab/session.ts';
import type { ExitCode } from './exit-code.ts';
import { type Loaded, understand } from './input-options.ts';
import type { OutputOptions } from './output-options.ts';
import { interruptible } from './probe-interruption.ts';
import { questionsOf } from './probe-live.ts';
import { inNamespace, type ProbeCommandOptions, positive, writtenPairs } from './probe-options.ts';
import { answerProbe, asWritten, planTask, runTask } from './probe-report.ts';
import type { WrittenQuestion } from './questions-file.ts';
import { type Shell, UsageError } from './shell.ts';

/** What a probe of a lab needs to be told. */
export type LabProbeOptions = Pick<
  ProbeCommandOptions,
  keyof OutputOptions | 'flows' | 'from' | 'to' | 'port' | 'namespace' | 'pods' | 'most' | 'timeout' | 'total'
>;

/** Checks flows of a lab that is up. */
export async function probeLab(options: ProbeCommandOptions, shell: Shell): Promise<ExitCode> {
  const stopping = interruptible(shell.signal);
  const written = options.flows === undefined ? null : await questionsOf(options.flows, shell);
  const name = typeof options.lab === 'string' ? options.lab : undefined;
  const session = await connectLab(name, { env: shell.env });
  try {
    await session.settled();
    const loaded = await objectsOfLab(session, stopping.signal);
    return await probeSession(session, loaded, written, options, shell, stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) throw new IoError('interrupted', 'interrupted', { cause: error });
    throw error;
  } finally {
    session.close();
    stopping.release();
  }
}

/** What the lab's API server holds now. */
export async function objectsOfLab(session: LabSession, signal: AbortSignal): Promise<Loaded> {
  const { objects, diagnostics } = await readFrom(await session.connection(), { signal });
  // Who enforces policies in a lab is no question.
  return understand({ objects, diagnostics, live: null }, true);
}

/** Asks, with the pods of the lab, and answers. */
export async function probeSession(
  session: LabSession,
  loaded: Loaded,
  written: readonly WrittenQuestion[] | null,
  options: LabProbeOptions,
  shell: Shell,
  signal: AbortSignal,
): Promise<ExitCode> {
  const timeoutMs = positive(options.timeout, '--timeout', 'number of milliseconds', 1000);
  const totalMs = 1000 * positive(options.total, '--total', 'number of seconds', 300);
  const most = positive(options.most, '--most', 'number of flows', 20_000);
  const progress = progressLine(shell.stderr, options.quiet !== true);
  const status = await session.status();
  const world = labWorld(status, loaded.cluster);
  const asked = written === null ? pairsOf(options, world, status, loaded, most) : { questions: written, skipped: [] };
  const task = {
    loaded,
    questions: asked.questions,
    file: options.flows ?? '--from and --to',
    topology: world.topology,
    where: `lab ${session.name}`,
    skipped: [...asked.skipped, ...world.skipped],
  };
  const plan = planTask(task);
  try {
    const report = await runTask(
      task,
      plan,
      labProber(session),
      {
        ...PROBE_DEFAULTS,
        timeoutMs,
        totalMs,
        signal,
        onProgress: (done, of, round) => progress.show(`round ${round}: ${done} of ${of} connections`),
        trace: labTracer(session, world, { timeoutMs, signal }),
      },
      () => 'pods of the lab',
    );
    progress.clear();
    return await answerProbe(report, options, shell, plan.diagnostics.length > 0);
  } finally {
    progress.clear();
  }
}

interface Pairs {
  readonly questions: readonly WrittenQuestion[];
  readonly skipped: ReturnType<typeof pairQuestions>['skipped'];
}

function pairsOf(
  options: LabProbeOptions,
  { topology }: ReturnType<typeof labWorld>,
  status: Awaited<ReturnType<LabSession['status']>>,
  loaded: Loaded,
  most: number,
): Pairs {
  const pods = [...topology.pods.values()];
  const within = inNamespace(pods, options.namespace);
  if ((options.from ?? options.to ?? options.port) !== undefined) {
    const able = within.filter(({ actor }) => actor !== null).map(({ id }) => id);
    // An end may be a workload: then its pods' ports, which are alike.
    const portsOf = (end: string): readonly Listener[] =>
      (topology.pods.get(end) ?? pods.find(({ workload }) => workload.replace(/\[\w+\]$/, '') === end))?.listeners ??
      [];
    return { questions: asWritten(writtenPairs(options, able, portsOf)), skipped: [] };
  }
  const sample = {
    outside: outsideSample(status),
    outsidePorts: outsidePorts(loaded.program),
    namespace: options.namespace ?? null,
    most,
  };
  const asked = pairQuestions(topology, { pods: options.pods, ...sample });
  if (asked.wanted <= most) return { questions: asWritten(asked.questions), skipped: asked.skipped };
  const fewer = pairQuestions(topology, { pods: 'one', ...sample });
  if (options.pods === 'one' || fewer.wanted > most) {
    throw new UsageError(
      `that would be ${fewer.wanted} flows, more than the ${most} that are asked at most`,
      'choose some with -n NAMESPACE, --from, --to and --port or --flows FILE, or allow more with --most N',
    );
  }
  const because = `${asked.wanted} flows are more than ${most}: two pods of each workload stand for the others`;
  const left = { what: 'every pod', because, flows: asked.wanted - fewer.wanted };
  return { questions: asWritten(fewer.questions), skipped: [...fewer.skipped, left] };
}
