import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IoError, reasonOf, systemCode } from '../io/io-error.ts';
import type { LabPlan } from './model.ts';

/** What the first process of a lab is told. */
export interface LabSetup {
  readonly name: string;
  readonly cni: 'ptp' | 'bridge';
  readonly deny: 'drop' | 'reject';
  /** A kubeconfig, or `null` for the API server of the lab. */
  readonly apiserver: string | null;
  readonly agents: boolean;
  readonly lifetime: 'detached' | 'caller';
  /** At most so many pods of one workload. */
  readonly replicas: number;
  readonly since: string;
  readonly plan: LabPlan;
}

/** Which process a lab is. Numbers of processes are used again, hence when it was started. */
export interface LabProcess {
  readonly pid: number;
  /** In ticks since the machine was started, as /proc has it. */
  readonly started: string;
  readonly boot: string;
}

/** Whether a lab can have that name. */
export function isLabName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name);
}

/** Throws {@link IoError} for a name that cannot be a folder. */
export function checkName(name: string): void {
  if (isLabName(name)) return;
  throw new IoError('not-found', `\`${name}\` cannot be the name of a lab`, {
    help: 'use up to 40 small letters, digits and `-`',
  });
}

/** Where the labs of this user are. */
export function labsFolder(env: NodeJS.ProcessEnv): string {
  const uid = process.getuid?.() ?? 0;
  if (uid === 0) return '/run/rampart/lab';
  const runtime = env.XDG_RUNTIME_DIR;
  if (runtime?.startsWith('/') && existsSync(runtime)) return join(runtime, 'rampart', 'lab');
  return join(tmpdir(), `rampart-${uid}`, 'lab');
}

/** The folder of one lab. */
export function labFolder(name: string, env: NodeJS.ProcessEnv): string {
  checkName(name);
  return join(labsFolder(env), name);
}

/** The names of all labs of this user, running or not. */
export function labNames(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    return readdirSync(labsFolder(env)).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Makes the folder of a new lab; `false` if it is there. Nobody else may look into it. */
export function claimFolder(folder: string): boolean {
  const above = join(folder, '..');
  try {
    mkdirSync(above, { recursive: true, mode: 0o700 });
    const { uid } = lstatSync(above);
    if (uid !== (process.getuid?.() ?? 0)) {
      throw new IoError('unwritable', `\`${above}\` is another user's`, {
        help: 'set XDG_RUNTIME_DIR to a folder of yours',
      });
    }
    mkdirSync(folder, { mode: 0o700 });
    mkdirSync(join(folder, 'run'));
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    if (error instanceof IoError) throw error;
    throw new IoError('unwritable', `cannot make \`${folder}\`: ${reasonOf(error)}`, {
      cause: error,
      help:
        process.getuid?.() === 0
          ? '/run must be a folder that can be written to: labs keep their state there'
          : 'set XDG_RUNTIME_DIR to a folder of yours that can be written to: labs keep their state there',
    });
  }
}

/** Nobody takes longer to bring the first process of a lab to life. */
const STILLBORN_MS = 120_000;

/**
 * Removes what is left of labs that were killed, whatever their names: every `lab run` has a name of its own, so nobody
 * would ever ask for them again.
 */
export function removeDead(env: NodeJS.ProcessEnv): void {
  for (const name of labNames(env)) {
    const folder = join(labsFolder(env), name);
    const known = readJson(join(folder, 'process.json')) !== null;
    const age = Date.now() - (lstatSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if ((known || age > STILLBORN_MS) && livingProcess(folder) === null) removeFolder(folder);
  }
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

export function writeSetup(folder: string, setup: LabSetup): void {
  writeWhole(join(folder, 'setup.json'), JSON.stringify(setup));
}

/** So that other commands of ours can read the lab as they read any cluster. */
export function writeKubeconfig(folder: string, name: string): void {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': `lab-${name}`,
    contexts: [{ name: `lab-${name}`, context: { cluster: 'lab', user: 'lab' } }],
    clusters: [{ name: 'lab', cluster: { server: `unix://${join(folder, 'api.sock')}` } }],
    users: [{ name: 'lab', user: {} }],
  };
  writeWhole(join(folder, 'kubeconfig'), `${JSON.stringify(config, null, 2)}\n`);
}

/** `null` for a lab that is only being made, or by another version. */
export function readSetup(folder: string): LabSetup | null {
  return readJson(join(folder, 'setup.json')) as LabSetup | null;
}

/** Remembers which process the lab is, so that nobody else is taken for it later. */
export function writeProcess(folder: string, pid: number): void {
  const started = startOf(pid);
  if (started !== null) writeWhole(join(folder, 'process.json'), JSON.stringify({ pid, started, boot: bootId() }));
}

/** The lab's outermost process (`unshare`) if it lives, else `null`. */
export function livingProcess(folder: string): LabProcess | null {
  const known = readJson(join(folder, 'process.json')) as LabProcess | null;
  if (known === null || known.boot !== bootId() || startOf(known.pid) !== known.started) return null;
  return known;
}

/** The first process of the box, as the machine numbers it. */
export function firstProcess(folder: string): number | null {
  const outer = livingProcess(folder);
  if (outer === null) return null;
  const child = Number(readText(`/proc/${outer.pid}/task/${outer.pid}/children`)?.trim().split(' ')[0] ?? '');
  if (Number.isInteger(child) && child > 0) return child;
  // Kernels without that list: whoever has it for a parent.
  for (const entry of readdirSync('/proc')) {
    if (/^\d+$/.test(entry) && parentOf(Number(entry)) === outer.pid) return Number(entry);
  }
  return null;
}

/** The fields of /proc/PID/stat after the name, which may have spaces and parentheses in it. */
function statOf(pid: number): readonly string[] | null {
  const text = readText(`/proc/${pid}/stat`);
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** When a process was started; `null` if there is none, or only its remains. */
function startOf(pid: number): string | null {
  const stat = statOf(pid);
  return stat === null || stat[0] === 'Z' || stat[0] === 'X' ? null : (stat[19] ?? null);
}

function parentOf(pid: number): number | null {
  const stat = statOf(pid);
  return stat === null ? null : Number(stat[1]);
}

function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function readJson(path: string): unknown {
  const text = readText(path);
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
