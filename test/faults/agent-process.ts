import { spawn } from 'node:child_process';
import { get } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ownCommand, ownEnvironment } from '../../src/lab/box/programs.ts';
import { type Place, until } from './place.ts';

/** A line of an agent's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A real agent, running in a node's network namespace. */
export interface AgentProcess {
  readonly pid: number;
  readonly log: readonly LogLine[];
  /** What it writes elsewhere. */
  errors(): string;
  readonly ended: Promise<Ended>;
  /** `null` when nobody answers. */
  ask(path: string): Promise<{ readonly status: number; readonly text: string } | null>;
  /** One value of `/metrics`; the sum where there are several. */
  metric(name: string, labels?: string): Promise<number>;
  ready(ms?: number): Promise<void>;
  said(text: string): boolean;
  kill(signal: NodeJS.Signals): Promise<Ended>;
}

export interface AgentChoices {
  readonly server: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Put before the agent's own command line. */
  readonly wrap?: readonly string[];
  readonly command?: readonly string[];
}

let agents = 0;

/** Starts an agent for node `n1`. */
export function startAgent(place: Place, choices: AgentChoices): AgentProcess {
  const socket = join(place.folder, `agent-${++agents}.sock`);
  const [program = '', ...args] = place.inside([
    ...(choices.wrap ?? []),
    ...(choices.command ?? ownCommand()),
    'agent',
    ...['--node', 'n1', '--server', choices.server, '--listen', `unix://${socket}`],
    ...['--cni-cache', '', '--log-level', 'debug'],
    ...(choices.flags ?? []),
  ]);
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...ownEnvironment(process.env), ...choices.env },
  });
  const log: LogLine[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    try {
      log.push(JSON.parse(line) as LogLine);
    } catch {
      errors += `${line}\n`;
    }
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('the agent could not be started');
  const ask = (path: string): ReturnType<AgentProcess['ask']> => askSocket(socket, path);
  return {
    pid,
    log,
    errors: () => errors,
    ended,
    ask,
    async metric(name, labels = '') {
      const text = (await ask('/metrics'))?.text ?? '';
      const rows = text.split('\n').filter((row) => row.startsWith(`${name}{`) || row.startsWith(`${name} `));
      return rows
        .filter((row) => row.includes(labels))
        .reduce((sum, row) => sum + Number(row.slice(row.lastIndexOf(' '))), 0);
    },
    async ready(ms = 60_000) {
      await until(
        'the agent is ready',
        async () => {
          if (isOver) throw new Error(`the agent has ended: ${errors}${JSON.stringify(log.at(-1))}`);
          return (await ask('/readyz'))?.status === 200 ? true : null;
        },
        ms,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${errors}${log.map((line) => JSON.stringify(line)).join('\n')}`);
      });
    },
    said: (text) => log.some(({ msg }) => msg.includes(text)),
    kill(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

function askSocket(socketPath: string, path: string): ReturnType<AgentProcess['ask']> {
  return new Promise((resolve) => {
    const request = get({ socketPath, path, timeout: 5000 }, (response) => {
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
