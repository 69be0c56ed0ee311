import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { IoError } from '../../io/io-error.ts';
import { inNetns } from '../box/commands.ts';
import type { DnsZone } from '../dns-zone.ts';
import type { Attempt, Listener, Outcome, PodAnswer, PodRequest } from '../pod-protocol.ts';

type Request = PodRequest extends infer R ? (R extends PodRequest ? Omit<R, 'id'> : never) : never;

export interface PodProcessOptions {
  /** What it calls itself to those who connect. */
  readonly name: string;
  readonly hostname: string;
  readonly netns: string;
  /** Holds `net` (lines for `ip -batch`), and `hosts` and `resolv.conf`, which the pod has in place of the machine's; each optional. */
  readonly folder: string;
  readonly deny: 'drop' | 'reject';
  readonly onExit: (detail: string) => void;
}

/** The program in a pod, as its supervisor holds it. */
export interface PodProcess {
  readonly pid: number;
  listen(
    listeners: readonly Listener[],
    addresses: readonly string[] | null,
  ): Promise<readonly (Listener & { readonly why: string })[]>;
  attempt(attempts: readonly Attempt[], parallel: number): Promise<readonly Outcome[]>;
  zone(zone: DnsZone): Promise<void>;
  /** Ends it; `onExit` is not called. */
  stop(): void;
}

/**
 * The pod's own way into its namespaces: host name, addresses, files, then its program. One shell, since a process for
 * each step would be most of the time that a lab of many pods takes to start.
 */
const ENTER = `
hostname "$1"
if [ -s "$2/net" ]; then ip -batch "$2/net" || exit 70; fi
for file in hosts resolv.conf; do
  if [ -e "$2/$file" ] && [ -e "/etc/$file" ]; then mount -n --bind "$2/$file" "/etc/$file" || exit 71; fi
done
shift 2
exec "$@"
`;

/** A pod must be small: there are many, and none does much. */
const NODE_FLAGS = ['--max-semi-space-size=1', '--v8-pool-size=1'];

/** Starts the program of a pod in its network namespace, with a host name and files of its own. */
export function startPodProcess(program: string, options: PodProcessOptions): PodProcess {
  const [command = '', ...args] = inNetns(options.netns, [
    ...['unshare', '--uts', '--mount', 'sh', '-c', ENTER, 'sh', options.hostname, options.folder],
    ...[process.execPath, ...NODE_FLAGS, program, options.name, options.deny],
  ]);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  return handle(child, options);
}

function handle(child: ChildProcess, options: PodProcessOptions): PodProcess {
  const waiting = new Map<number, { take: (answer: PodAnswer) => void; fail: (error: IoError) => void }>();
  let next = 1;
  let said = '';
  let gone: string | null = null;
  let stopped = false;
  const end = (detail: string): void => {
    if (gone !== null) return;
    gone = detail;
    for (const { fail } of waiting.values()) fail(new IoError('tool-failed', `${options.name}: ${detail}`));
    waiting.clear();
    if (!stopped) options.onExit(detail);
  };
  child.stdin?.on('error', () => undefined);
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-2000);
  });
  child.on('error', (error) => end(error.message));
  child.on('close', (code, signal) => {
    const reason = said.trim().split('\n').slice(-3).join('; ');
    end(`its program ended (${signal ?? `exit code ${code}`})${reason === '' ? '' : `: ${reason}`}`);
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as PodAnswer;
      waiting.get(answer.id)?.take(answer);
      waiting.delete(answer.id);
    });
  }
  const ask = (request: Request): Promise<PodAnswer> =>
    new Promise((take, fail) => {
      if (gone !== null) {
        fail(new IoError('tool-failed', `${options.name}: ${gone}`));
        return;
      }
      const id = next++;
      waiting.set(id, { take, fail });
      child.stdin?.write(`${JSON.stringify({ ...request, id })}\n`);
    });
  return {
    pid: child.pid ?? 0,
    async listen(listeners, addresses) {
      const answer = await ask({ kind: 'listen', listeners, addresses });
      return answer.kind === 'listening' ? answer.failed : [];
    },
    async attempt(attempts, parallel) {
      const answer = await ask({ kind: 'connect', attempts, parallel });
      return answer.kind === 'connected' ? answer.outcomes : [];
    },
    async zone(zone) {
      await ask({ kind: 'zone', zone });
    },
    stop() {
      stopped = true;
      child.kill('SIGKILL');
    },
  };
}
