import { spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Finished, runProgram } from '../io/child.ts';
import { IoError } from '../io/io-error.ts';
import { type Connection, connect } from '../io/kubeconfig.ts';
import { namespaceHelp, ownEnvironment, requirePrograms, searchPath } from './box/programs.ts';
import { type Control, openControl } from './control.ts';
import type { LabPlan } from './model.ts';
import { portablePlan } from './model-plan.ts';
import type { Attempt, Outcome } from './pod-protocol.ts';
import {
  claimFolder,
  firstProcess,
  type LabSetup,
  labFolder,
  livingProcess,
  readSetup,
  removeDead,
  removeFolder,
  writeKubeconfig,
  writeProcess,
  writeSetup,
} from './state-folder.ts';
import type { LabStatus } from './status.ts';

export type { LabNodeStatus, LabPodStatus, LabStatus } from './status.ts';

/**
 * Who can ask and run programs in a lab: a pod as `namespace/name`, a node as `node:NAME`, and `outside`. No name of
 * Kubernetes has a colon, so these never collide.
 */
export type ActorId = string;

export interface UpOptions {
  /** Default `default`; letters, digits and `-`. */
  readonly name?: string;
  /** How pods are joined to their node; default `ptp`, where every packet is routed. */
  readonly cni?: 'ptp' | 'bridge';
  /** What becomes of denied packets; default `drop`. */
  readonly deny?: 'drop' | 'reject';
  /** A kubeconfig: its API server is the control plane instead of the lab's own. */
  readonly apiserver?: string | null;
  /** `false`: nodes get no agent, so that nothing is enforced. Default `true`. */
  readonly agents?: boolean;
  /** At most so many pods of a workload that changes while the lab runs; default as many as a workload of the plan has. */
  readonly replicas?: number;
  /** `detached` (default) outlives the caller; `caller` ends with it, however the caller ends. */
  readonly lifetime?: 'detached' | 'caller';
  readonly env?: NodeJS.ProcessEnv;
  /** One line on what is being done. */
  readonly onProgress?: (line: string) => void;
  /** Calls it off; what was made is gone when the promise is rejected. */
  readonly signal?: AbortSignal;
}

/** A running lab. */
export interface LabSession {
  readonly name: string;
  /** Where it keeps its state; holds `kubeconfig` (of its API server), `log`, and the logs of the agents. */
  readonly folder: string;
  /** What the lab was made from; objects that were applied since are in the API server. */
  readonly plan: LabPlan;
  status(): Promise<LabStatus>;
  /**
   * Lets a pod, a node or the outside connect, at most `parallel` (default 64) attempts at a time; outcomes are in the
   * order of the attempts. Rejects with {@link IoError} `not-found` for an actor that the lab does not have.
   */
  attempt(
    actor: ActorId,
    attempts: readonly Attempt[],
    options?: { readonly parallel?: number; readonly signal?: AbortSignal },
  ): Promise<readonly Outcome[]>;
  /** Runs a program in the namespaces of the actor, to its end. */
  exec(
    actor: ActorId,
    command: readonly string[],
    options?: { readonly input?: string; readonly signal?: AbortSignal },
  ): Promise<Finished>;
  /** The command line that runs `command` there, for callers that want to start it themselves (`nft monitor`, a shell). */
  enter(actor: ActorId, command: readonly string[]): Promise<readonly string[]>;
  /** The way to its API server. */
  connection(): Promise<Connection>;
  /** Resolves when every agent has enforced all that the API server holds now. */
  settled(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** Lets go of the lab's control socket; the lab goes on unless its lifetime is the caller's. */
  close(): void;
}

const DEFAULT_NAME = 'default';
const POLL_MS = 20;
const START_MS = 30_000;
const END_MS = 5_000;
/** A real API server takes its time to forget pods. */
const STOP_MS = 30_000;
/** Unix sockets have addresses of at most 107 bytes. */
const LONGEST_PATH = 107;

/**
 * Brings a lab up and returns when everything in it is ready. Throws {@link IoError} with the way out, and leaves nothing
 * behind then.
 */
export async function upLab(plan: LabPlan, options: UpOptions = {}): Promise<LabSession> {
  const env = options.env ?? process.env;
  const name = options.name ?? DEFAULT_NAME;
  const lifetime = options.lifetime ?? 'detached';
  requirePrograms(env);
  const folder = labFolder(name, env);
  if (Buffer.byteLength(join(folder, 'agents', 'x'.repeat(30))) > LONGEST_PATH) {
    throw new IoError('unwritable', `the path \`${folder}\` is too long for sockets`, {
      help: 'set XDG_RUNTIME_DIR to a shorter one, as /run/user/UID is',
    });
  }
  await takeFolder(name, folder);
  removeDead(env);
  try {
    const setup: LabSetup = {
      name,
      cni: options.cni ?? 'ptp',
      deny: options.deny ?? 'drop',
      apiserver: options.apiserver === undefined || options.apiserver === null ? null : resolve(options.apiserver),
      agents: options.agents ?? true,
      lifetime,
      replicas: options.replicas ?? mostReplicas(plan),
      since: new Date().toISOString(),
      plan: portablePlan(plan),
    };
    writeSetup(folder, setup);
    writeKubeconfig(folder, name);
    if (setup.apiserver !== null) await launchProxy(folder, setup.apiserver, env);
    const ended = await launch(folder, lifetime, env);
    const control = await reach(folder, ended, options.signal);
    try {
      const ready = control.call(
        'ready',
        {},
        {
          ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
      );
      await ready;
    } catch (error) {
      control.close();
      throw error;
    }
    return session(folder, setup, control, env);
  } catch (error) {
    if (options.apiserver !== undefined && options.apiserver !== null) await stopInside(folder);
    await end(folder);
    throw error;
  }
}

function mostReplicas(plan: LabPlan): number {
  const counts = new Map<string, number>();
  for (const { namespace, workload } of plan.pods) {
    if (workload.kind === 'DaemonSet') continue;
    const key = `${namespace}/${workload.kind}/${workload.name}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return Math.max(1, ...counts.values());
}

/** A folder of a lab that has died is taken over; one of a living lab is not. */
async function takeFolder(name: string, folder: string): Promise<void> {
  if (claimFolder(folder)) return;
  if (livingProcess(folder) !== null) {
    throw new IoError('unwritable', `the lab \`${name}\` is up already`, {
      help: `end it with \`rampart lab down${name === DEFAULT_NAME ? '' : ` --name ${name}`}\`, or choose another --name`,
    });
  }
  // Whoever is just making it has written nothing yet.
  await sleep(200);
  if (livingProcess(folder) === null) removeFolder(folder);
  if (!claimFolder(folder)) throw new IoError('unwritable', `the lab \`${name}\` is being made by somebody else`);
}

interface Ended {
  reason: string | null;
}

/** Starts the first process of the box; it and everything in it ends with it. */
async function launch(folder: string, lifetime: 'detached' | 'caller', env: NodeJS.ProcessEnv): Promise<Ended> {
  const { SUPERVISOR_PROGRAM } = await import('./supervisor.ts');
  const isRoot = process.getuid?.() === 0;
  const args = [
    ...(isRoot ? [] : ['--user', '--map-root-user']),
    ...['--mount', '--pid', '--ipc', '--uts', '--net', '--fork', '--kill-child', '--mount-proc'],
    ...[process.execPath, SUPERVISOR_PROGRAM, folder],
  ];
  const log = openSync(join(folder, 'log'), 'a', 0o600);
  const child = spawn('unshare', args, {
    // A session of its own: Ctrl-C at the terminal is for whoever started it, who then ends it in order.
    detached: true,
    cwd: '/',
    stdio: [lifetime === 'caller' ? 'pipe' : 'ignore', log, log],
    env: ownEnvironment(env),
  });
  const ended: Ended = { reason: null };
  child.on('error', (error) => {
    ended.reason = error.message;
  });
  child.on('exit', (code, signal) => {
    ended.reason = signal ?? `exit code ${code}`;
  });
  if (child.pid !== undefined) writeProcess(folder, child.pid);
  child.stdin?.on('error', () => undefined);
  child.unref();
  if (child.stdin !== null && 'unref' in child.stdin) (child.stdin as { unref(): void }).unref();
  return ended;
}

/** The box has no way out; a process beside it speaks with the API server. */
async function launchProxy(folder: string, kubeconfig: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { API_PROXY_PROGRAM } = await import('./api-proxy.ts');
  const socket = join(folder, 'api.sock');
  const log = openSync(join(folder, 'log'), 'a', 0o600);
  const child = spawn(process.execPath, [API_PROXY_PROGRAM, folder, socket, kubeconfig], {
    detached: true,
    stdio: ['ignore', log, log],
    env: ownEnvironment(env),
  });
  let failed = false;
  child.on('error', () => {
    failed = true;
  });
  child.on('exit', () => {
    failed = true;
  });
  child.unref();
  const deadline = performance.now() + START_MS;
  while (!existsSync(socket)) {
    if (failed || performance.now() > deadline) {
      const said = readFileSync(join(folder, 'log'), 'utf8').trim().split('\n').at(-1) ?? '';
      throw new IoError('kubeconfig', `the API server of \`${kubeconfig}\` cannot be used: ${said}`);
    }
    await sleep(POLL_MS);
  }
}

async function reach(folder: string, ended: Ended, signal: AbortSignal | undefined): Promise<Control> {
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline) {
    if (signal?.aborted === true) throw new IoError('interrupted', 'interrupted');
    const control = existsSync(join(folder, 'control.sock')) ? await openControl(join(folder, 'control.sock')) : null;
    if (control !== null) return control;
    if (ended.reason !== null) throw notStarted(folder, ended.reason);
    await sleep(POLL_MS);
  }
  throw new IoError('timeout', 'the lab did not start in time', { help: `its log is \`${join(folder, 'log')}\`` });
}

function notStarted(folder: string, reason: string): IoError {
  const said = readFileSync(join(folder, 'log'), 'utf8').trim().split('\n').slice(-3).join('; ');
  const refused = /unshare failed|Operation not permitted|No space left on device|Permission denied/.test(said);
  return new IoError(refused ? 'forbidden' : 'tool-failed', `the lab could not be started (${reason}): ${said}`, {
    ...(refused ? { help: namespaceHelp() } : {}),
  });
}

/** Ends a lab and removes what is left of it; `false` if there was none. */
export async function downLab(
  name: string = DEFAULT_NAME,
  options: { readonly env?: NodeJS.ProcessEnv } = {},
): Promise<boolean> {
  const folder = labFolder(name, options.env ?? process.env);
  if (!existsSync(folder)) return false;
  await stopInside(folder);
  await end(folder);
  return true;
}

/** Lets the lab take back what it made elsewhere, while it can. */
async function stopInside(folder: string): Promise<void> {
  const control = livingProcess(folder) === null ? null : await openControl(join(folder, 'control.sock'));
  if (control === null) return;
  try {
    await control.call('down', {}, { signal: AbortSignal.timeout(STOP_MS) });
  } catch {
    // It is ended all the same, whatever it says.
  }
  control.close();
}

/** Kills the first process, and with it the box; the outermost one sees it die and ends. Then the folder goes. */
async function end(folder: string): Promise<void> {
  const begun = performance.now();
  for (let outer = livingProcess(folder); outer !== null; outer = livingProcess(folder)) {
    const waited = performance.now() - begun;
    if (waited > END_MS) {
      throw new IoError('tool-failed', `process ${outer.pid} of the lab does not end`, {
        help: `end it yourself: kill -9 ${outer.pid}`,
      });
    }
    // Where the first process is not there yet, or not any more, the outermost one takes everything with it as well.
    kill(waited < END_MS / 2 ? (firstProcess(folder) ?? outer.pid) : outer.pid);
    await sleep(POLL_MS);
  }
  removeFolder(folder);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** Opens a running lab. Throws {@link IoError} `not-found` if there is none of that name. */
export async function connectLab(
  name: string = DEFAULT_NAME,
  options: { readonly env?: NodeJS.ProcessEnv } = {},
): Promise<LabSession> {
  const env = options.env ?? process.env;
  const folder = labFolder(name, env);
  const setup = livingProcess(folder) === null ? null : readSetup(folder);
  const control = setup === null ? null : await openControl(join(folder, 'control.sock'));
  if (setup === null || control === null) {
    throw new IoError('not-found', `no lab \`${name}\` is up`, {
      help: 'bring one up: `rampart lab up -f PATH`; `rampart lab status` lists those that are',
    });
  }
  return session(folder, setup, control, env);
}

/** No proxy of the machine can be reached from a lab, so programs there must not try. */
const WITHOUT_PROXY = ['http_proxy', 'https_proxy', 'all_proxy'].flatMap((name) => [
  `--unset=${name}`,
  `--unset=${name.toUpperCase()}`,
]);

function session(folder: string, setup: LabSetup, control: Control, env: NodeJS.ProcessEnv): LabSession {
  const { name, plan } = setup;
  const isRoot = process.getuid?.() === 0;
  const first = (): number => {
    const pid = firstProcess(folder);
    if (pid === null) throw new IoError('unreachable', 'the lab has ended');
    return pid;
  };
  const enter = async (actor: ActorId, command: readonly string[]): Promise<readonly string[]> => {
    const inner = await control.call('where', { actor });
    const into = ['--mount', '--uts', '--ipc', '--net', '--pid'];
    return [
      ...[
        'nsenter',
        '--target',
        String(first()),
        ...(isRoot ? [] : ['--user', '--preserve-credentials']),
        ...into,
        '--',
      ],
      // What is started there ends with whoever started it, not only with the lab.
      ...['setpriv', '--pdeathsig', 'KILL', 'env', ...WITHOUT_PROXY, `PATH=${searchPath(env)}`],
      ...['nsenter', '--target', String(inner), '--mount', '--uts', '--net', '--', ...command],
    ];
  };
  return {
    name,
    folder,
    plan,
    status: async () => ({ ...(await control.call('status', {})), pid: first() }),
    attempt: (actor, attempts, options = {}) =>
      control.call(
        'attempt',
        { actor, attempts, parallel: options.parallel ?? 64 },
        options.signal === undefined ? {} : { signal: options.signal },
      ),
    exec: async (actor, command, options = {}) => {
      const [program = '', ...args] = await enter(actor, command);
      const finished = await runProgram(program, args, { ...options, env: { PATH: searchPath(env) } });
      if (finished === null) throw new IoError('tool-missing', 'a lab needs `nsenter`, which is not installed');
      return finished;
    },
    enter,
    connection: () => connect({ server: `unix://${join(folder, 'api.sock')}` }, env),
    settled: async (options = {}) => {
      await control.call('settled', { timeoutMs: options.timeoutMs ?? 30_000 });
    },
    close: () => control.close(),
  };
}
