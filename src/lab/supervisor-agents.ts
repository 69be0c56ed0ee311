import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { inNetns } from './box/commands.ts';
import { ownCommand } from './box/programs.ts';

export interface AgentOptions {
  readonly node: string;
  readonly netns: string;
  /** What the agent follows. */
  readonly server: string;
  readonly deny: 'drop' | 'reject';
  /** Of its health, in the lab's folder. */
  readonly socket: string;
  readonly logFile: string;
  readonly log: (line: string) => void;
}

export interface AgentProgress {
  /** Something that it has heard is not in the kernel yet. */
  readonly pending: boolean;
  /** When each of its watches last heard something, the oldest of these; milliseconds since 1970. */
  readonly heardMs: number;
  /** How much it has heard: the same text as long as nothing comes. */
  readonly heard: string;
}

/** The agent of one node, started again when it ends. */
export interface Agent {
  readonly node: string;
  state(): { readonly state: 'starting' | 'ready' | 'failed'; readonly detail: string; readonly restarts: number };
  /** Asks it. */
  refresh(): Promise<boolean>;
  /** How far it is; `null` while it does not answer. */
  progress(): Promise<AgentProgress | null>;
  stop(): void;
}

/** The command line of an agent in a lab: what any node would run, with its health on a socket. */
export function agentCommand(options: AgentOptions): readonly string[] {
  return [
    ...ownCommand(),
    'agent',
    ...['--node', options.node],
    ...['--server', options.server],
    ...['--deny', options.deny],
    ...['--listen', `unix://${options.socket}`],
    // The machine's own pods are none of ours.
    ...['--cni-cache', ''],
    ...['--nflog-rate', '1000'],
  ];
}

const RESTART_MS = 500;
const LONGEST_RESTART_MS = 10_000;

export function startAgent(options: AgentOptions): Agent {
  let restarts = 0;
  let ready = false;
  let detail = 'has not answered yet';
  let failed = false;
  let stopped = false;
  let end = (): void => undefined;
  const start = (): void => {
    const [program = '', ...args] = inNetns(options.netns, agentCommand(options));
    const out = openSync(options.logFile, 'a', 0o600);
    const child = spawn(program, args, { stdio: ['ignore', out, out] });
    closeSync(out);
    end = () => void child.kill('SIGTERM');
    child.on('error', (error) => options.log(`agent of ${options.node}: ${error.message}`));
    child.on('close', (code, signal) => {
      ready = false;
      if (stopped) return;
      failed = true;
      // The log goes with the lab where this is why it does not come up.
      detail = `ended with ${signal ?? `exit code ${code}`}: ${lastWords(options.logFile)}`;
      options.log(`agent of ${options.node}: ${detail}`);
      setTimeout(start, Math.min(LONGEST_RESTART_MS, RESTART_MS * 2 ** Math.min(restarts, 5)));
      restarts += 1;
    });
  };
  start();
  return {
    node: options.node,
    state: () => ({ state: ready ? 'ready' : failed ? 'failed' : 'starting', detail: ready ? '' : detail, restarts }),
    refresh: async () => {
      const answer = await ask(options.socket, '/readyz');
      if (answer === null) ready = false;
      else {
        ready = answer.status === 200;
        if (ready) failed = false;
        else detail = answer.text.trim().split('\n').slice(0, 3).join('; ');
      }
      return ready;
    },
    progress: async () => {
      const answer = await ask(options.socket, '/metrics');
      if (answer === null || answer.status !== 200) return null;
      return progressOf(answer.text);
    },
    stop: () => {
      stopped = true;
      end();
    },
  };
}

/** What it said last: a line for people, else the last one of the log. */
function lastWords(logFile: string): string {
  const lines = readFileSync(logFile, 'utf8')
    .trim()
    .split('\n')
    .slice(-20)
    .filter((line) => !line.startsWith('  help:'));
  return (lines.findLast((line) => line.startsWith('rampart: ')) ?? lines.at(-1) ?? '').slice(0, 300);
}

function progressOf(metrics: string): AgentProgress {
  const all = (name: string): ReadonlyMap<string, number> =>
    new Map(
      [...metrics.matchAll(new RegExp(`^rampart_agent_${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))].map(
        ([, labels = '', value]) => [labels, Number(value)],
      ),
    );
  const open = [...all('watch_open')].filter(([, isOpen]) => isOpen === 1).map(([labels]) => labels);
  const contact = all('watch_last_contact_timestamp_seconds');
  const pending = all('pending_seconds').get('');
  const synced = all('synced').get('') === 1;
  return {
    pending: !synced || pending !== 0 || open.length === 0,
    heardMs: Math.min(...open.map((labels) => (contact.get(labels) ?? 0) * 1000)),
    heard: JSON.stringify([...all('watch_events_total'), ...all('watch_lists_total')]),
  };
}

/** `null` when nobody answers. */
function ask(socketPath: string, path: string): Promise<{ readonly status: number; readonly text: string } | null> {
  return new Promise((resolve) => {
    const request = get({ socketPath, path, timeout: 2000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', () => resolve(null));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(null));
  });
}
