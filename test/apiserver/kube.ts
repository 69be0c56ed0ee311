import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SHARED = process.env.RAMPART_SHARED ?? resolve(import.meta.dirname, '../../../shared');
const TOOL = join(SHARED, 'tools/kube/kube');
const CACHE = process.env.RAMPART_KUBE_DIR ?? join(homedir(), '.cache/rampart-kube');

/** Reference material outside of the checkout: the CRDs and the conformance vectors. */
export const sharedDir: string = SHARED;

/** Why no API server can be started here; `null` if one can. */
export function missingKube(): string | null {
  if (!existsSync(TOOL)) return `the kube tool is not at ${TOOL}`;
  if (!existsSync(join(CACHE, 'bin/kube-apiserver')))
    return `nothing is built in ${CACHE}: run 'kube build control-plane'`;
  return null;
}

export interface Response {
  readonly status: number;
  readonly body: unknown;
  /** The texts of the `Warning` headers. */
  readonly warnings: readonly string[];
}

/** A control plane that runs until `down`. */
export interface Kube {
  readonly server: string;
  readonly kubeconfig: string;
  /** Sends JSON, or YAML if the body is text. */
  send(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Response>;
  /** Creates the definition, or replaces one of the same name; it is served when this returns. */
  define(crd: CustomResourceDefinition): Promise<void>;
  down(): Promise<void>;
}

export interface CustomResourceDefinition {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly resourceVersion?: string };
  readonly spec: { readonly group: string; readonly versions: readonly { readonly name: string }[] };
  readonly status?: unknown;
}

/**
 * Starts a control plane under a name (at most 5 letters) and on six ports from `port` on. While another run holds the
 * name, or something else the ports, the next number and the next six ports are taken.
 */
export async function startKube(options: { readonly name: string; readonly port: number }): Promise<Kube> {
  let reason: unknown;
  for (let i = 0; i < 8; i++) {
    const name = i === 0 ? options.name : `${options.name}${i}`;
    const release = claim(name);
    if (release === null) continue;
    const env = { ...process.env, RAMPART_KUBE_NAME: name, RAMPART_KUBE_PORT: String(options.port + 6 * i) };
    const kube = async (command: string): Promise<void> => {
      await run(TOOL, [command], { env, timeout: 120_000 });
    };
    const down = async (): Promise<void> => {
      await kube('down');
      release();
    };
    try {
      await kube('down'); // what an interrupted run may have left
      await kube('up');
      return connect(join(CACHE, 'clusters', name, 'admin.kubeconfig'), down);
    } catch (error) {
      reason = error;
      await down();
    }
  }
  throw new Error(`no control plane could be started as ${options.name}`, { cause: reason });
}

/** Takes a name for this process; `null` if another one that runs has it. */
export function claim(name: string): (() => void) | null {
  const lock = join(CACHE, 'locks', name);
  mkdirSync(dirname(lock), { recursive: true });
  for (let tries = 0; tries < 2; tries++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return () => rmSync(lock, { force: true });
    } catch {
      if (runs(Number(readFileSync(lock, 'utf8')))) return null;
      rmSync(lock, { force: true });
    }
  }
  return null;
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function connect(kubeconfig: string, down: () => Promise<void>): Kube {
  const config = JSON.parse(readFileSync(kubeconfig, 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
    users: [{ user: { 'client-certificate-data': string; 'client-key-data': string } }];
  };
  const { cluster } = config.clusters[0];
  const { user } = config.users[0];
  const bytes = (data: string): Buffer => Buffer.from(data, 'base64');
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 8,
    ca: bytes(cluster['certificate-authority-data']),
    cert: bytes(user['client-certificate-data']),
    key: bytes(user['client-key-data']),
  });

  const once: Kube['send'] = (method, path, body) =>
    new Promise((done, fail) => {
      const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const type = typeof body === 'string' ? 'application/yaml' : 'application/json';
      const headers = { accept: 'application/json', ...(text === undefined ? {} : { 'content-type': type }) };
      const outgoing = request(
        new URL(path, cluster.server),
        { method, agent, headers, timeout: 30_000 },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('error', fail);
          incoming.on('end', () => {
            const content = Buffer.concat(chunks).toString('utf8');
            const json = incoming.headers['content-type']?.startsWith('application/json') === true;
            done({
              status: incoming.statusCode ?? 0,
              body: json ? JSON.parse(content) : content,
              warnings: warningsOf(incoming.rawHeaders),
            });
          });
        },
      );
      outgoing.on('error', fail);
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer to ${method} ${path}`)));
      outgoing.end(text);
    });

  // A server that has just started, or takes a new definition in, may drop a connection.
  const send: Kube['send'] = async (method, path, body) => {
    for (let tries = 1; ; tries++) {
      try {
        return await once(method, path, body);
      } catch (error) {
        if (tries === 5) throw error;
        await sleep(100 * tries);
      }
    }
  };

  const define: Kube['define'] = async (crd) => {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const { status: _, ...fresh } = crd;
    const put = async (): Promise<Response> => {
      const existing = await send('GET', `${path}/${crd.metadata.name}`);
      if (existing.status !== 200) return send('POST', path, fresh);
      const { resourceVersion } = (existing.body as CustomResourceDefinition).metadata;
      const metadata = { ...fresh.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
      return send('PUT', `${path}/${crd.metadata.name}`, { ...fresh, metadata });
    };
    let answer = await put();
    // The server's own controllers write to definitions, too.
    for (let tries = 0; answer.status === 409 && tries < 10; tries++) {
      await sleep(100);
      answer = await put();
    }
    expectOk(answer);
    const plural = crd.metadata.name.split('.')[0];
    for (const { name } of crd.spec.versions) {
      const resource = `/apis/${crd.spec.group}/${name}/${plural}`;
      for (let tries = 0; (await send('GET', resource)).status !== 200; tries++) {
        if (tries > 300) throw new Error(`${resource} is not served`);
        await sleep(50);
      }
    }
  };

  return {
    server: cluster.server,
    kubeconfig,
    send,
    define,
    down: async () => {
      agent.destroy();
      await down();
    },
  };
}

function expectOk(response: Response): void {
  if (response.status >= 300) throw new Error(`status ${response.status}: ${JSON.stringify(response.body)}`);
}

function warningsOf(headers: readonly string[]): string[] {
  const texts: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() !== 'warning') continue;
    // 299 - "text", with quotes and backslashes escaped; Node reads header bytes as Latin-1.
    const value = Buffer.from(headers[i + 1] ?? '', 'latin1').toString('utf8');
    const quoted = /^\d+ \S+ "(.*)"$/s.exec(value)?.[1] ?? value;
    texts.push(quoted.replace(/\\(.)/gs, '$1'));
  }
  return texts;
}
