import * as http from 'node:http';
import * as https from 'node:https';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Json, JsonObject } from '../manifest/object.ts';
import { IoError, reasonOf, systemCode } from './io-error.ts';
import type { Connection } from './kubeconfig.ts';

/** What the server said. */
export interface Answer {
  readonly status: number;
  readonly body: Json;
}

/** Reads from one API server; writes nothing. */
export interface KubeClient {
  readonly connection: Connection;
  /** GETs `path`; waits and asks again where the server says so. Throws {@link IoError} if there is no answer at all. */
  get(path: string, accept?: string): Promise<Answer>;
  close(): void;
}

export interface ClientOptions {
  /** Without a byte for so long, a request has failed. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Waits between attempts; a parameter for tests. */
  readonly wait?: (ms: number) => Promise<void>;
}

const SLOW = 'RAMPART_SLOW';
const ATTEMPTS = 5;
const LONGEST_WAIT_MS = 30_000;
const inflate = promisify(gunzip);

/** Opens a client; nothing is sent yet. */
export function openClient(connection: Connection, options: ClientOptions = {}): KubeClient {
  const base = new URL(connection.server);
  const secure = base.protocol === 'https:';
  const prefix = base.pathname.replace(/\/$/, '');
  const local = /^(localhost|127\.|\[::1\])/.test(base.hostname);
  const wait = options.wait ?? ((ms) => sleep(ms, options.signal));
  let agent: http.Agent | null = null;
  let closed = false;

  async function prepare(accept: string): Promise<https.RequestOptions> {
    const request: https.RequestOptions = { headers: {} };
    try {
      await connection.client.applyToHTTPSOptions(request);
    } catch (error) {
      throw new IoError('unauthorized', `no credentials for user \`${connection.user}\`: ${reasonOf(error)}`, {
        cause: error,
        help: 'the command or file that the kubeconfig names for signing in failed; try `kubectl get namespaces`',
      });
    }
    if (!connection.proxied) {
      // The library's agent opens a connection per request; pages of a list follow each other quickly.
      agent ??= makeAgent(secure, request);
      request.agent = agent;
    } else if (request.agent instanceof http.Agent) {
      agent = request.agent;
      (agent as http.Agent & { keepAlive?: boolean }).keepAlive = true;
    }
    request.headers = {
      ...request.headers,
      ...connection.headers,
      Accept: accept,
      'User-Agent': 'rampart',
      // Compression costs the server more than a loopback or local network saves.
      ...(local ? {} : { 'Accept-Encoding': 'gzip' }),
    } as http.OutgoingHttpHeaders;
    return request;
  }

  async function once(path: string, accept: string): Promise<Raw> {
    const request = await prepare(accept);
    return new Promise((resolve, reject) => {
      const send = secure ? https.request : http.request;
      const sent = send(
        {
          ...request,
          protocol: base.protocol,
          hostname: base.hostname.replace(/^\[|\]$/g, ''),
          port: base.port === '' ? (secure ? 443 : 80) : base.port,
          path: `${prefix}${path}`,
          method: 'GET',
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            if (!response.complete) {
              reject(new Error('the connection was closed in the middle of an answer'));
              return;
            }
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
          });
        },
      );
      sent.setTimeout(options.timeoutMs ?? 60_000, () => {
        sent.destroy(Object.assign(new Error('no answer in time'), { code: SLOW }));
      });
      sent.on('error', reject);
      sent.end();
    });
  }

  async function get(path: string, accept = 'application/json'): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      if (closed) throw new IoError('interrupted', 'the connection was closed');
      let raw: Raw;
      try {
        raw = await once(path, accept);
      } catch (error) {
        if (error instanceof IoError) throw error;
        if (options.signal?.aborted === true) throw new IoError('interrupted', 'interrupted', { cause: error });
        if (closed || attempt >= 3 || !isTransient(error)) throw connectionError(connection, error);
        await wait(200 * 2 ** attempt);
        continue;
      }
      if ((raw.status === 429 || raw.status >= 500) && attempt < ATTEMPTS) {
        await wait(retryAfter(raw.headers['retry-after']) ?? 100 * 2 ** attempt);
        continue;
      }
      const body = await decode(raw);
      if (body === undefined && raw.status < 300) {
        if (attempt < 3) continue;
        throw new IoError('protocol', `\`${connection.server}\` does not speak Kubernetes: GET ${path} gives no JSON`, {
          help: 'check the server address of the context, and proxies in between',
        });
      }
      if (raw.status === 401) throw unauthorized(connection);
      return { status: raw.status, body: body ?? null };
    }
  }

  return {
    connection,
    get,
    close: () => {
      closed = true;
      agent?.destroy();
    },
  };
}

interface Raw {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

function makeAgent(secure: boolean, request: https.RequestOptions): http.Agent {
  const shared = { keepAlive: true, maxSockets: 16 };
  if (!secure) return new http.Agent(shared);
  const { ca, cert, key, passphrase, pfx, rejectUnauthorized, servername } = request;
  const tls = { ca, cert, key, passphrase, pfx, rejectUnauthorized, servername };
  const set = Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
  return new https.Agent({ ...shared, ...set });
}

/** `undefined` for a body that is no JSON. */
async function decode(raw: Raw): Promise<Json | undefined> {
  try {
    const bytes = raw.headers['content-encoding'] === 'gzip' ? await inflate(raw.body) : raw.body;
    return JSON.parse(bytes.toString('utf8')) as Json;
  } catch {
    return undefined;
  }
}

function retryAfter(header: string | undefined): number | null {
  if (header === undefined) return null;
  const seconds = Number(header);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1000, LONGEST_WAIT_MS) : null;
}

const TRANSIENT: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'EAI_AGAIN',
  'HPE_INVALID_EOF_STATE',
]);

function isTransient(error: unknown): boolean {
  const code = systemCode(error);
  return code === null ? /closed in the middle|socket hang up/.test(reasonOf(error)) : TRANSIENT.has(code);
}

function unauthorized(connection: Connection): IoError {
  return new IoError(
    'unauthorized',
    `\`${connection.server}\` does not accept the credentials of user \`${connection.user}\` (context \`${connection.context}\`)`,
    { help: 'they may have expired: sign in again, or choose another context with --context' },
  );
}

function connectionError(connection: Connection, error: unknown): IoError {
  const where = `\`${connection.server}\` (context \`${connection.context}\`)`;
  const code = systemCode(error);
  if (code === SLOW) return new IoError('timeout', `no answer in time from ${where}`, { cause: error });
  const reason = reasonOf(error) === '' ? (code ?? 'unknown reason') : reasonOf(error);
  if (code !== null && /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|EPROTO|ERR_SSL/.test(code)) {
    return new IoError('untrusted', `no trusted connection to ${where}: ${reason}`, {
      cause: error,
      help: 'check certificate-authority, tls-server-name and the server address of this cluster in the kubeconfig',
    });
  }
  return new IoError('unreachable', `cannot reach ${where}: ${reason}`, {
    cause: error,
    help: 'is the cluster up, and the network or VPN to it? pass manifests with -f PATH to work without a cluster',
  });
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

/** The `message` of a Kubernetes Status, or the HTTP status. */
export function messageOf(answer: Answer): string {
  const body = answer.body;
  if (isObject(body) && typeof body.message === 'string' && body.message !== '') return body.message;
  return `HTTP status ${answer.status}`;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The objects of a JSON list; anything else in it is left out. */
export function objectsOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly Json[]).filter((item) => isObject(item)) : [];
}
