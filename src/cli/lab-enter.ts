import { type SpawnOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { suggest } from '../base/suggest.ts';
import { IoError } from '../io/io-error.ts';
import { findProgram, installHelp } from '../lab/box/programs.ts';
import { type ActorId, connectLab, type LabSession } from '../lab/session.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { type Shell, UsageError } from './shell.ts';

export interface LabNameOptions {
  readonly name?: string;
}

/** Runs something with a running lab; lets go of it at the end. */
export async function withLab<T>(
  options: LabNameOptions,
  shell: Shell,
  act: (lab: LabSession) => Promise<T>,
): Promise<T> {
  const lab = await connectLab(options.name, { env: shell.env });
  try {
    return await act(lab);
  } finally {
    lab.close();
  }
}

/**
 * Who is meant: `namespace/pod`, `namespace/workload` (its first pod), `node/NAME`, or `outside`. Throws {@link IoError}
 * with what is near.
 */
export async function actorOf(lab: LabSession, text: string): Promise<ActorId> {
  if (text === 'outside') return text;
  const { pods, nodes } = await lab.status();
  if (text.startsWith('node/')) {
    const name = text.slice('node/'.length);
    if (nodes.some((node) => node.name === name)) return `node:${name}`;
    throw unknown(
      text,
      nodes.map((node) => `node/${node.name}`),
    );
  }
  if (pods.some(({ id }) => id === text)) return text;
  const ofWorkload = pods.find(({ id, workload }) => `${id.split('/', 1)[0] ?? ''}/${workload}` === text);
  if (ofWorkload !== undefined) return ofWorkload.id;
  // Pods of a real control plane know their ReplicaSet, not the Deployment behind it.
  const ofDeployment = pods.find(
    ({ id }) => id.startsWith(`${text}-`) && /^-[a-z0-9]+-[a-z0-9]+$/.test(id.slice(text.length)),
  );
  if (ofDeployment !== undefined) return ofDeployment.id;
  const workloads = pods.map(({ id, workload }) => `${id.split('/', 1)[0] ?? ''}/${workload}`);
  const ends = [...workloads, ...pods.map(({ id }) => id), ...nodes.map(({ name }) => `node/${name}`), 'outside'];
  throw unknown(text, [...new Set(ends)]);
}

function unknown(text: string, known: readonly string[]): IoError {
  // The namespace, or the word `node/`, is what is most often left out.
  const ended = known.filter((one) => one.endsWith(`/${text}`));
  const near = ended.length > 0 ? ended.slice(0, 3) : suggest(text, known);
  const help =
    near.length > 0
      ? `did you mean \`${near.join('`, `')}\`?`
      : 'it is NAMESPACE/POD, NAMESPACE/WORKLOAD, node/NAME or outside; `rampart lab status` lists them';
  return new IoError('not-found', `the lab has no \`${text}\``, { help });
}

/** `rampart lab exec` and `rampart lab shell`: the exit code is that of the program. */
export async function labExec(
  actor: string,
  command: readonly string[],
  options: LabNameOptions,
  shell: Shell,
): Promise<ExitCode> {
  const words = afterDashes(command);
  const [program = ''] = words;
  const argv = await withLab(options, shell, async (lab) => lab.enter(await actorOf(lab, actor), words));
  if (!program.includes('/') && findProgram(program, shell.env) === null) {
    shell.stderr.write(
      `rampart: there is no program \`${program}\` on this machine\n  help: pods of a lab have the programs of the machine, not those of their images\n`,
    );
    return NO_PROGRAM;
  }
  return attach(argv, shell, {});
}

/** As shells have it. */
const NO_PROGRAM = 127 as ExitCode;

/** The parser leaves the `--` in that says where the other program's words begin. */
function afterDashes(words: readonly string[]): readonly string[] {
  return words[0] === '--' ? words.slice(1) : words;
}

/** `rampart lab shell`. */
export async function labShell(actor: string, options: LabNameOptions, shell: Shell): Promise<ExitCode> {
  const program = findProgram('bash', shell.env) ?? '/bin/sh';
  // The prompt says where one is; `--norc` since the user's own would say something else.
  const env = { ...shell.env, PS1: `[${actor}] \\$ ` };
  const args = program.endsWith('bash') ? [program, '--norc', '-i'] : [program, '-i'];
  const argv = await withLab(options, shell, async (lab) => lab.enter(await actorOf(lab, actor), args));
  return attach(argv, shell, { env });
}

/** `rampart lab capture`: tcpdump where the pod is. */
export async function labCapture(
  actor: string,
  words: readonly string[],
  options: LabNameOptions,
  shell: Shell,
): Promise<ExitCode> {
  const args = afterDashes(words);
  if (findProgram('tcpdump', shell.env) === null) {
    throw new IoError('tool-missing', 'capturing needs `tcpdump`, which is not installed', {
      help: installHelp(['tcpdump'], shell.env),
    });
  }
  if (process.getuid?.() !== 0) {
    throw new IoError('forbidden', 'tcpdump works in labs of root only', {
      help: 'it changes its user at the start, which a user namespace of one user does not permit; bring the lab up as root',
    });
  }
  if (args.includes('-Z')) throw new UsageError('-Z is set by the lab', 'leave it out');
  const command = ['tcpdump', '-Z', 'root', '-n', ...(args.includes('-i') ? [] : ['-i', 'any']), ...args];
  const argv = await withLab(options, shell, async (lab) => lab.enter(await actorOf(lab, actor), command));
  return attach(argv, shell, {});
}

/** Runs a program on our terminal; Ctrl-C is for it. */
function attach(argv: readonly string[], shell: Shell, options: SpawnOptions): Promise<ExitCode> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env: shell.env, ...options });
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    const ignore = (): void => undefined;
    process.on('SIGINT', ignore);
    process.on('SIGTERM', pass);
    const release = (): void => {
      process.off('SIGINT', ignore);
      process.off('SIGTERM', pass);
    };
    child.on('error', (error) => {
      release();
      reject(new IoError('tool-failed', `cannot run \`${program}\`: ${error.message}`, { cause: error }));
    });
    child.on('exit', (code, signal) => {
      release();
      // Whatever the program says, also what is not one of our own codes; of a signal as shells tell it.
      const killed = signal === null ? EXIT.failed : 128 + constants.signals[signal];
      resolve((code ?? killed) as ExitCode);
    });
  });
}
