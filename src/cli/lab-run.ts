import { type Command, Option } from 'commander';
import { formatIp } from '../base/ip.ts';
import { parseEndpoint } from '../cluster/endpoint-text.ts';
import { IoError } from '../io/io-error.ts';
import { isObject, objectsOf } from '../io/kube-client.ts';
import { progressLine } from '../io/terminal.ts';
import type { LabPlan, LabPod } from '../lab/model.ts';
import { planLab } from '../lab/model-plan.ts';
import { downLab, upLab } from '../lab/session.ts';
import type { KubeObject } from '../manifest/object.ts';
import { asker } from './answering.ts';
import type { ExitCode } from './exit-code.ts';
import {
  addInputOptions,
  type InputOptions,
  type Loaded,
  namesManifests,
  readObjects,
  understand,
} from './input-options.ts';
import { labNameOption } from './lab-name.ts';
import { complain, hasPods, sizeOf } from './lab-plan.ts';
import { addOutputOptions } from './output-options.ts';
import { interruptible } from './probe-interruption.ts';
import { type LabProbeOptions, objectsOfLab, probeSession } from './probe-lab.ts';
import { questionsOf } from './probe-live.ts';
import { addPairOptions } from './probe-options.ts';
import type { WrittenQuestion } from './questions-file.ts';
import { type Shell, UsageError } from './shell.ts';

/** What `lab run` was asked for. */
export interface LabRunOptions extends LabProbeOptions, Omit<InputOptions, 'quiet' | 'verbose'> {
  readonly name?: string;
  readonly nodes?: string;
  readonly replicas?: string;
  readonly cni: 'ptp' | 'bridge';
  readonly deny: 'drop' | 'reject';
  readonly apiserver?: string;
  /** `--no-agents`: nothing is enforced, which shows what the probe sees then. */
  readonly agents: boolean;
}

/** Adds the options of `lab run`. */
export function addLabRunOptions(command: Command): Command {
  return addPairOptions(
    addOutputOptions(addInputOptions(command), 'ProbeReport').option(
      '--flows <file>',
      'the questions: a file as `query` reads it, or - for stdin; default: all pairs',
    ),
  )
    .option('-n, --namespace <name>', 'only flows from or to pods of this namespace')
    .addOption(
      new Option('--pods <which>', 'every pod, or one of each workload').choices(['all', 'one']).default('all'),
    )
    .addOption(labNameOption('of the lab; default one of its own'))
    .option('--nodes <number>', 'how many nodes; default 2, or as many as the manifests have')
    .option('--replicas <number>', 'at most so many pods of one workload; default 3')
    .addOption(
      new Option('--cni <kind>', 'how pods are joined to their node').choices(['ptp', 'bridge']).default('ptp'),
    )
    .addOption(new Option('--deny <how>', 'what becomes of denied packets').choices(['drop', 'reject']).default('drop'))
    .option('--apiserver <kubeconfig>', 'a real API server as control plane')
    .option('--no-agents', 'enforce nothing')
    .option('--most <flows>', 'ask not more flows than this', '20000')
    .option('--timeout <ms>', 'without an answer for so long, a connection is denied', '1000')
    .option('--total <seconds>', 'begin nothing new after so long', '300');
}

/** Brings a lab up, probes it, and takes it down, whatever comes of it. */
export async function runLab(options: LabRunOptions, shell: Shell): Promise<ExitCode> {
  if (!namesManifests(options) && (options.kubeconfig ?? options.context) === undefined) {
    throw new UsageError('a lab needs manifests', 'name them with -f PATH, or a cluster to copy with --context NAME');
  }
  if (options.flows === '-' && options.filename?.includes('-') === true) {
    throw new UsageError('questions and manifests are both stdin', 'write one of them to a file first');
  }
  if (options.flows !== undefined && (options.from ?? options.to ?? options.port) !== undefined) {
    throw new UsageError('--flows and --from/--to/--port exclude each other', 'choose one of them');
  }
  const stopping = interruptible(shell.signal);
  const progress = progressLine(shell.stderr, options.quiet !== true);
  const name = options.name ?? `run-${process.pid}`;
  try {
    const written = options.flows === undefined ? null : await questionsOf(options.flows, shell);
    const read = await readObjects(options, shell);
    const first = planLab(read.objects, {
      ...sizeOf(options),
      addresses: addressesIn(written ?? []),
    });
    if (!hasPods(first)) {
      complain(read.diagnostics, options, shell);
      throw new IoError('no-manifests', 'the manifests have no workload, so nobody can connect', {
        help: 'name manifests with pods as well, such as Deployments: -f may be repeated',
      });
    }
    const planned = understandPlan(first);
    const plan = written === null ? first : listeningFor(first, planned, written);
    const session = await upLab(plan, {
      name,
      cni: options.cni,
      deny: options.deny,
      agents: options.agents,
      lifetime: 'caller',
      env: shell.env,
      onProgress: (line) => progress.show(line),
      signal: stopping.signal,
      ...(options.apiserver === undefined ? {} : { apiserver: options.apiserver }),
    });
    try {
      if (options.agents) await session.settled();
      progress.clear();
      // A real control plane names and places pods its own way.
      const known = options.apiserver === undefined ? planned : await objectsOfLab(session, stopping.signal);
      const diagnostics = [...read.diagnostics, ...known.diagnostics];
      return await probeSession(session, { ...known, diagnostics }, written, options, shell, stopping.signal);
    } finally {
      session.close();
      // Only what this run has brought up: a lab of that name may be somebody's who was there before.
      progress.clear();
      await downLab(name, { env: shell.env });
    }
  } catch (error) {
    if (stopping.signal.aborted) throw new IoError('interrupted', 'interrupted; the lab is down', { cause: error });
    throw error;
  } finally {
    progress.clear();
    stopping.release();
  }
}

function understandPlan(plan: LabPlan): Loaded {
  const objects = plan.objects.map(({ object }) => object);
  return understand({ objects, diagnostics: plan.diagnostics, live: null });
}

/** Addresses that questions name: those that are nobody's in the cluster must exist outside of it. */
function addressesIn(written: readonly WrittenQuestion[]): readonly string[] {
  const found = new Set<string>();
  for (const { question } of written) {
    for (const text of [question.src, question.dst]) {
      if (typeof text !== 'string') continue;
      const parsed = parseEndpoint(text);
      if (parsed.ok && parsed.endpoint.kind === 'address') found.add(formatIp(parsed.endpoint.address));
    }
  }
  return [...found];
}

/** The plan with pods listening on the ports that questions name, declared or not. */
function listeningFor(plan: LabPlan, planned: Loaded, written: readonly WrittenQuestion[]): LabPlan {
  const ask = asker({ ...planned, unenforced: null, caveats: [] }, '');
  const wanted = new Map<string, Map<string, LabPod['listeners'][number]>>();
  for (const [i, question] of written.entries()) {
    const { understood } = ask(question, i);
    if (understood === null || understood.destination.kind !== 'pods' || typeof understood.port !== 'number') continue;
    const { protocol, port } = understood;
    if (protocol === 'ICMP' || protocol === 'ICMPv6') continue;
    const listener = { protocol: protocol ?? 'TCP', port };
    for (const pod of understood.destination.pods) {
      const id = `${pod.namespace}/${pod.name}`;
      const mine = wanted.get(id) ?? new Map<string, LabPod['listeners'][number]>();
      wanted.set(id, mine.set(`${listener.protocol} ${port}`, listener));
    }
  }
  const more = (pod: LabPod): readonly LabPod['listeners'][number][] => {
    const known = new Set(pod.listeners.map(({ protocol, port }) => `${protocol} ${port}`));
    return [...(wanted.get(pod.id) ?? [])].filter(([key]) => !known.has(key)).map(([, listener]) => listener);
  };
  const added = new Map(plan.pods.map((pod) => [pod.id, more(pod)]));
  return {
    ...plan,
    pods: plan.pods.map((pod) => ({ ...pod, listeners: [...pod.listeners, ...(added.get(pod.id) ?? [])] })),
    // What a pod listens on follows from its object, as long as the lab runs.
    objects: plan.objects.map((one) => {
      const { kind, namespace, name } = one.object.ref;
      const listeners = kind === 'Pod' ? (added.get(`${namespace}/${name}`) ?? []) : [];
      return listeners.length === 0 ? one : { ...one, object: declaring(one.object, listeners) };
    }),
  };
}

/** The pod with more ports in its first container, without names, so that no policy is read differently. */
function declaring(object: KubeObject, listeners: LabPod['listeners']): KubeObject {
  const spec = isObject(object.value.spec) ? object.value.spec : {};
  const [first, ...others] = objectsOf(spec.containers);
  const ports = [
    ...objectsOf(first?.ports),
    ...listeners.map(({ protocol, port }) => ({ containerPort: port, protocol })),
  ];
  const containers = [{ name: 'probed', image: 'probed', ...first, ports }, ...others];
  return { ...object, value: { ...object.value, spec: { ...spec, containers } } };
}
