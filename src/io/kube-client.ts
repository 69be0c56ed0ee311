import * as http from 'node:http';
import * as https from 'node:https';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import manifest from '../../package.json' with { type: 'json' };
import type { Json, JsonObject } from '../manifest/object.ts';
import { IoError, reasonOf, systemCode } from './io-error.ts';
import { type Connection, socketOf } from './kubeconfig.ts';

/** What the server said. */
export interface Answer {
  readonly status: number;
  readonly body: Json;
  /** How long the server wants to be left alone, where it says so. */
  readonly retryAfterMs?: number;
}

export type WriteMethod = 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** How a long answer is received. */
export interface ReceiveOptions {
  readonly accept?: string;
  readonly signal?: AbortSignal;
  /** Without a byte for so long, the connection has failed. */
  readonly idleMs?: number;
  /** The server has said 200; what follows may take its time. */
  readonly onOpen?: () => void;
}

/** Speaks with one API server. */
export interface KubeClient {
  readonly connection: Connection;
  /** GETs `path`; waits and asks again where the server says so. Throws {@link IoError} if there is no answer at all. */
  get(path: string, accept?: string, signal?: AbortSignal): Promise<Answer>;
  /**
   * Sends JSON to `path`. Repeated only where the server has surely not acted on it: it said 429, or 5xx with `Retry-After`, or
   * 401 and the credentials could be read again. Throws {@link IoError} if there is no answer; whether it was carried out is then unknown.
   */
  send(method: WriteMethod, path: string, body?: Json, contentType?: string, signal?: AbortSignal): Promise<Answer>;
  /**
   * GETs an answer that goes on: `onLine` gets each line of it, and while a promise that it gives is pending nothing more is
   * read. Returns when the server ends the answer, with status 200 and a `null` body, or at once with any other status.
   * Throws {@link IoError} when the connection is lost, or `interrupted` on the signal. Repeats nothing but a 401.
   */
  stream(
    path: string,
    onLine: (line: string) => void | Promise<void>,
    signal?: AbortSignal,
    options?: ReceiveOptions,
  ): Promise<Answer>;
  /** {@link stream} in pieces as they arrive. */
  receive(path: string, onChunk: (chunk: Buffer) => void | Promise<void>, options?: ReceiveOptions): Promise<Answer>;
  /** Breaks off whatever is under way. */
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
/** A line is an object with a few words around it; etcd takes no object of more than some megabytes. */
const LONGEST_LINE = 256 * 1024 * 1024;
const USER_AGENT = `rampart/${manifest.version}`;
/** The kernel asks a silent peer for a sign of life after this, and gives it up some ten seconds later. */
const KEEP_ALIVE_MS = 15_000;

interface Call {
  readonly method: 'GET' | WriteMethod;
  readonly path: string;
  readonly accept: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  readonly idleMs: number;
}

/** Opens a client; nothing is sent yet. */
export function openClient(first: Connection, options: ClientOptions = {}): KubeClient {
  let connection = first;
  let renewing: Promise<void> | null = null;
  let agent: http.Agent | null = null;
  let closed = false;
  const underWay = new Set<http.ClientRequest>();
  const timeoutMs = options.timeoutMs ?? 60_000;

  const stopped = (signal: AbortSignal | undefined): boolean =>
    closed || options.signal?.aborted === true || signal?.aborted === true;
  const interrupted = (cause?: unknown): IoError =>
    new IoError('interrupted', closed ? 'the connection was closed' : 'interrupted', { cause });
  const pause = async (ms: number, signal: AbortSignal | undefined): Promise<void> => {
    await (options.wait?.(ms) ?? sleep(ms, options.signal, signal));
    if (stopped(signal)) throw interrupted();
  };

  async function prepare(call: Call): Promise<https.RequestOptions> {
    const base = new URL(connection.server);
    const secure = base.protocol === 'https:';
    const socketPath = socketOf(connection.server);
    const local = socketPath !== null || /^(localhost|127\.|\[::1\])/.test(base.hostname);
    const request: https.RequestOptions = { headers: {} };
    try {
      await connection.signIn(request);
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
      Accept: call.accept,
      'User-Agent': USER_AGENT,
      // Compression costs the server more than a loopback or local network saves.
      ...(local ? {} : { 'Accept-Encoding': 'gzip' }),
      ...(call.body === undefined
        ? {}
        : { 'Content-Type': call.contentType ?? 'application/json', 'Content-Length': Buffer.byteLength(call.body) }),
    } as http.OutgoingHttpHeaders;
    const where =
      socketPath === null
        ? {
            protocol: base.protocol,
            hostname: base.hostname.replace(/^\[|\]$/g, ''),
            port: base.port === '' ? (secure ? 443 : 80) : base.port,
            path: `${base.pathname.replace(/\/$/, '')}${call.path}`,
          }
        : { protocol: 'http:', socketPath, path: call.path };
    return { ...request, ...where, method: call.method };
  }

  /** Sends a request and waits for the head of its answer. */
  async function exchange(call: Call): Promise<http.IncomingMessage> {
    if (stopped(call.signal)) throw interrupted();
    const request = await prepare(call);
    return new Promise((resolve, reject) => {
      const sent = (request.protocol === 'https:' ? https.request : http.request)(request, resolve);
      const abort = (): void => {
        // Without an error: nobody listens to the socket once the answer is complete.
        sent.destroy();
      };
      underWay.add(sent);
      options.signal?.addEventListener('abort', abort, { once: true });
      call.signal?.addEventListener('abort', abort, { once: true });
      sent.on('close', () => {
        underWay.delete(sent);
        options.signal?.removeEventListener('abort', abort);
        call.signal?.removeEventListener('abort', abort);
      });
      sent.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
      sent.setTimeout(call.idleMs, () => {
        sent.destroy(Object.assign(new Error('no answer in time'), { code: SLOW }));
      });
      sent.on('error', reject);
      // The signal may have come while the credentials were read.
      if (stopped(call.signal)) abort();
      else sent.end(call.body);
    });
  }

  /** The error to throw for a failed request. */
  function failure(error: unknown, signal: AbortSignal | undefined): IoError {
    if (error instanceof IoError) return error;
    if (stopped(signal)) return interrupted(error);
    const known = connectionError(connection, error);
    // The authority's certificate may have been replaced since.
    if (known.code === 'untrusted') retire();
    return known;
  }

  function retire(): void {
    if (connection.proxied) return;
    for (const sockets of Object.values(agent?.freeSockets ?? {})) for (const socket of sockets ?? []) socket.destroy();
    agent = null;
  }

  /** Reads the credentials again, once for all requests that were refused with the same ones; `false` if there are no others. */
  async function renew(used: Connection): Promise<boolean> {
    if (used !== connection) return true;
    if (used.renew === null) return false;
    const again = used.renew;
    renewing ??= (async () => {
      try {
        const fresh = await again();
        retire();
        connection = fresh;
      } finally {
        renewing = null;
      }
    })();
    try {
      await renewing;
      return true;
    } catch {
      return false;
    }
  }

  async function once(call: Call): Promise<Raw> {
    for (let attempt = 1; ; attempt++) {
      const used = connection;
      const message = await exchange(call);
      const chunks: Buffer[] = [];
      for await (const chunk of bytesOf(message)) chunks.push(chunk);
      const raw = { status: message.statusCode ?? 0, headers: message.headers, body: Buffer.concat(chunks) };
      if (raw.status !== 401 || attempt > 1 || !(await renew(used))) return raw;
    }
  }

  async function get(path: string, accept = 'application/json', signal?: AbortSignal): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      let raw: Raw;
      try {
        raw = await once({ method: 'GET', path, accept, signal, idleMs: timeoutMs });
      } catch (error) {
        if (error instanceof IoError) throw error;
        if (stopped(signal) || attempt >= 3 || !isTransient(error)) throw failure(error, signal);
        await pause(200 * 2 ** attempt, signal);
        continue;
      }
      if ((raw.status === 429 || raw.status >= 500) && attempt < ATTEMPTS) {
        await pause(retryAfter(raw.headers['retry-after']) ?? 100 * 2 ** attempt, signal);
        continue;
      }
      const answer = answerOf(raw);
      if (answer === null && raw.status < 300) {
        if (attempt < 3) continue;
        throw new IoError('protocol', `\`${connection.server}\` does not speak Kubernetes: GET ${path} gives no JSON`, {
          help: 'check the server address of the context, and proxies in between',
        });
      }
      if (raw.status === 401) throw unauthorized(connection);
      return answer ?? { status: raw.status, body: null };
    }
  }

  async function send(
    method: WriteMethod,
    path: string,
    body?: Json,
    contentType = 'application/json',
    signal?: AbortSignal,
  ): Promise<Answer> {
    const call: Call = {
      method,
      path,
      accept: 'application/json',
      signal,
      idleMs: timeoutMs,
      contentType,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    for (let attempt = 1; ; attempt++) {
      let raw: Raw;
      try {
        raw = await once(call);
      } catch (error) {
        throw failure(error, signal);
      }
      const asked = retryAfter(raw.headers['retry-after']);
      if ((raw.status === 429 || (raw.status >= 500 && asked !== null)) && attempt < ATTEMPTS) {
        await pause(asked ?? 100 * 2 ** attempt, signal);
        continue;
      }
      if (raw.status === 401) throw unauthorized(connection);
      return answerOf(raw) ?? { status: raw.status, body: null };
    }
  }

  async function receive(
    path: string,
    onChunk: (chunk: Buffer) => void | Promise<void>,
    { accept = 'application/json', signal, idleMs = timeoutMs, onOpen }: ReceiveOptions = {},
  ): Promise<Answer> {
    const call: Call = { method: 'GET', path, accept, signal, idleMs };
    // What the receiver throws is its own affair.
    let thrown: { readonly error: unknown } | null = null;
    try {
      for (let attempt = 1; ; attempt++) {
        const used = connection;
        const message = await exchange(call);
        const status = message.statusCode ?? 0;
        if (status === 200) {
          onOpen?.();
          for await (const chunk of bytesOf(message)) {
            try {
              const busy = onChunk(chunk);
              if (busy !== undefined) await busy;
            } catch (error) {
              thrown = { error };
              throw error;
            }
            if (stopped(signal)) throw interrupted();
          }
          return { status, body: null };
        }
        const chunks: Buffer[] = [];
        for await (const chunk of bytesOf(message)) chunks.push(chunk);
        if (status === 401) {
          if (attempt === 1 && (await renew(used))) continue;
          throw unauthorized(connection);
        }
        const raw = { status, headers: message.headers, body: Buffer.concat(chunks) };
        return answerOf(raw) ?? { status, body: null };
      }
    } catch (error) {
      if (thrown !== null) throw thrown.error;
      throw failure(error, signal);
    }
  }

  async function stream(
    path: string,
    onLine: (line: string) => void | Promise<void>,
    signal?: AbortSignal,
    more: ReceiveOptions = {},
  ): Promise<Answer> {
    let parts: Buffer[] = [];
    let size = 0;
    const answer = await receive(
      path,
      async (chunk) => {
        let from = 0;
        for (let to = chunk.indexOf(10); to >= 0; to = chunk.indexOf(10, from)) {
          const piece = chunk.subarray(from, to);
          from = to + 1;
          const line = parts.length === 0 ? piece : Buffer.concat([...parts, piece]);
          if (parts.length > 0) parts = [];
          size = 0;
          if (line.length === 0) continue;
          const busy = onLine(line.toString('utf8'));
          if (busy !== undefined) await busy;
          if (stopped(signal)) throw interrupted();
        }
        if (from < chunk.length) {
          parts.push(chunk.subarray(from));
          size += chunk.length - from;
          if (size > LONGEST_LINE) throw new IoError('protocol', `\`${connection.server}\` sends lines without an end`);
        }
      },
      { ...more, ...(signal === undefined ? {} : { signal }) },
    );
    if (size > 0) await onLine(Buffer.concat(parts).toString('utf8'));
    return answer;
  }

  return {
    get connection() {
      return connection;
    },
    get,
    send,
    stream,
    receive,
    close: () => {
      closed = true;
      for (const sent of underWay) sent.destroy();
      agent?.destroy();
    },
  };
}

interface Raw {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The body, unpacked. Throws when the connection breaks off before its end. */
function bytesOf(message: http.IncomingMessage): AsyncIterable<Buffer> {
  if (message.headers['content-encoding'] !== 'gzip') return message;
  // An error of either end comes out of the iteration.
  return pipeline(message, createGunzip(), () => undefined);
}

function makeAgent(secure: boolean, request: https.RequestOptions): http.Agent {
  // Every watch holds a connection.
  const shared = { keepAlive: true, maxSockets: 64 };
  if (!secure) return new http.Agent(shared);
  const { ca, cert, key, passphrase, pfx, rejectUnauthorized, servername } = request;
  const tls = { ca, cert, key, passphrase, pfx, rejectUnauthorized, servername };
  const set = Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
  return new https.Agent({ ...shared, ...set });
}

/** `null` for a body that is no JSON. */
function answerOf(raw: Raw): Answer | null {
  const wait = retryAfter(raw.headers['retry-after']);
  try {
    const body = JSON.parse(raw.body.toString('utf8')) as Json;
    return { status: raw.status, body, ...(wait === null ? {} : { retryAfterMs: wait }) };
  } catch {
    return null;
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
  'ERR_STREAM_PREMATURE_CLOSE',
  'Z_BUF_ERROR',
]);

function isTransient(error: unknown): boolean {
  const code = systemCode(error);
  return code === null ? /socket hang up/.test(reasonOf(error)) : TRANSIENT.has(code);
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

/** Waits, or until a signal comes. */
function sleep(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    for (const signal of signals) {
      if (signal?.aborted === true) done();
      else signal?.addEventListener('abort', done, { once: true });
    }
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
