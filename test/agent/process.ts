import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseIp } from '../../src/base/ip.ts';
import { type Api, apiServer } from '../../src/lab/api-server/api.ts';
import { type ListeningApi, listenApi } from '../../src/lab/api-server/server.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import { firstPacket } from '../../src/targets/nftables/packet.ts';
import { parseTable } from '../../src/targets/nftables/parse.ts';
import { simulatorOf } from '../../src/targets/nftables/simulate.ts';
import { type NetworkNamespace, networkNamespace } from '../support/network-namespace.ts';
import { TOP } from '../support/source-files.ts';

/** An agent as its own process, in the network namespace of a node. */
export interface AgentProcess {
  /** Of the agent itself. */
  readonly pid: number;
  /** Lines of its log, and of stderr. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  readonly stderr: () => string;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** GETs a path from it; `''` where it does not answer. */
  get(path: string): Promise<string>;
  metric(name: string): Promise<number | null>;
  ready(): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

/** A node: its namespace, an API server that outlives agents, and agents. */
export interface Node {
  readonly space: NetworkNamespace;
  readonly api: Api;
  server: ListeningApi;
  /** Starts an agent with these flags besides those that it needs. */
  start(...flags: readonly string[]): AgentProcess;
  /** Runs another mode of the command to its end. */
  once(
    ...flags: readonly string[]
  ): Promise<{ readonly code: number | string; readonly stdout: string; readonly stderr: string }>;
  put(...objects: readonly JsonObject[]): Promise<void>;
  remove(path: string): Promise<void>;
  /** Whether a TCP connection passes what is in the kernel now. */
  passes(source: string, destination: string, port: number): boolean;
  /** The listing of our table, or `null`. */
  table(): string | null;
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
  close(): Promise<void>;
}

const MAIN = join(TOP, 'src/cli/main.ts');

/** Makes a node named `n1` with an empty cluster. */
export async function node(): Promise<Node> {
  const space = await networkNamespace();
  const api = apiServer({ now: Date.now, uid: randomUUID });
  const socket = join(space.folder, 'api.sock');
  const children: ChildProcess[] = [];
  let count = 0;

  function run(flags: readonly string[]): ChildProcess {
    const [first = '', ...rest] = space.enter;
    const child = spawn(first, [...rest, process.execPath, MAIN, 'agent', ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: process.env.HOME },
    });
    children.push(child);
    return child;
  }

  const made: Node = {
    space,
    api,
    server: await listenApi(api, { path: socket }),
    start: (...flags) => {
      const listen = join(space.folder, `agent-${++count}.sock`);
      const needed = [
        '--node',
        'n1',
        '--server',
        `unix://${socket}`,
        '--listen',
        `unix://${listen}`,
        '--cni-cache',
        '',
      ];
      return agentProcess(run([...needed, ...flags]), listen);
    },
    async once(...flags) {
      const child = run(flags);
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
      child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
      const code = await ended(child);
      return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
    },
    async put(...objects) {
      api.seed(objects);
    },
    async remove(path) {
      api.handle({ method: 'DELETE', target: path, accept: 'application/json', contentType: '', body: '' });
    },
    passes(source, destination, port) {
      const text = made.table();
      if (text === null) return true;
      const content = parseTable(text);
      const from = parseIp(source);
      const to = parseIp(destination);
      if ('error' in content || from === null || to === null)
        throw new Error(`cannot be judged: ${text.slice(0, 200)}`);
      return simulatorOf(content)(firstPacket(from, to, 6, port)).verdict === 'accept';
    },
    table() {
      const listed = space.run('sh', '-c', 'nft -nn list table inet rampart 2>/dev/null || true');
      return listed === '' ? null : listed;
    },
    stopServer: () => made.server.close(),
    async startServer() {
      rmSync(socket, { force: true });
      made.server = await listenApi(api, { path: socket });
    },
    async close() {
      for (const child of children) child.kill('SIGKILL');
      await made.server.close();
      space.close();
    },
  };
  return made;
}

function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'nothing'));
  });
}

function agentProcess(child: ChildProcess, listen: string): AgentProcess {
  const log: Readonly<Record<string, unknown>>[] = [];
  let rest = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) log.push(JSON.parse(line) as Readonly<Record<string, unknown>>);
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const get = (path: string): Promise<string> =>
    new Promise((resolve) => {
      const sent = request({ socketPath: listen, path, timeout: 2000 }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => resolve(body.trim()));
      });
      sent.on('error', () => resolve(''));
      sent.on('timeout', () => sent.destroy());
      sent.end();
    });
  const pid = child.pid ?? 0;
  return {
    // nsenter becomes the agent: it does not fork.
    pid,
    log,
    stderr: () => stderr,
    ended: ended(child),
    get,
    async metric(name) {
      const found = (await get('/metrics')).split('\n').find((line) => line.startsWith(`${name} `));
      return found === undefined ? null : Number(found.slice(name.length + 1));
    },
    async ready() {
      await until(
        async () => (await get('/readyz')) === 'ok',
        () => `not ready; ${stderr}${JSON.stringify(log.slice(-5))}`,
      );
    },
    signal: (name) => {
      child.kill(name);
    },
  };
}

/** Waits until something holds; gives up after half a minute. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  why: () => string = () => 'it did not happen',
): Promise<void> {
  const end = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(why());
    await sleep(50);
  }
}
