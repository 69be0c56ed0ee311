import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** A request that waits for what the test answers. */
export interface Asked {
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  reply(status: number, body: unknown, headers?: Readonly<Record<string, string>>): void;
  /** Begins an answer that goes on. */
  open(headers?: Readonly<Record<string, string>>): Stream;
  /** Closes the connection without an answer. */
  drop(): void;
}

export interface Stream {
  /** Sends values as JSON lines. */
  send(...values: readonly unknown[]): void;
  raw(text: string | Buffer): void;
  end(): void;
  drop(): void;
  /** Bytes that the client has not read yet, nor the kernel for it. */
  pending(): number;
  /** Whether the client has gone. */
  readonly gone: Promise<void>;
}

/** An API server that does nothing by itself: every answer is the test's. */
export interface ScriptedApi {
  readonly server: string;
  /** `list PATH`, `watch PATH`, `POST PATH`, in the order of arrival. */
  readonly asked: readonly string[];
  /** The next request of that name, which may have come already. */
  next(name: string): Promise<Asked>;
  /** The names of requests that nobody took. */
  untaken(): readonly string[];
  close(): Promise<void>;
}

/** Starts a server on loopback, or on a socket file. */
export async function startScriptedApi(socket?: string): Promise<ScriptedApi> {
  const asked: string[] = [];
  const waiting = new Map<string, Asked[]>();
  const wanted = new Map<string, ((one: Asked) => void)[]>();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString('utf8');
    });
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://x');
      const verb =
        request.method !== 'GET' ? (request.method ?? '') : url.searchParams.get('watch') === '1' ? 'watch' : 'list';
      const name = `${verb} ${url.pathname}`;
      asked.push(name);
      const one = askedOf(url.searchParams, request, response, body);
      const taker = wanted.get(name)?.shift();
      if (taker !== undefined) taker(one);
      else waiting.set(name, [...(waiting.get(name) ?? []), one]);
    });
  });
  await new Promise<void>((done) =>
    socket === undefined ? server.listen(0, '127.0.0.1', done) : server.listen(socket, done),
  );
  const address = server.address();
  if (address === null) throw new Error('no address');
  return {
    server: typeof address === 'string' ? `unix://${address}` : `http://127.0.0.1:${address.port}`,
    asked,
    next: (name) =>
      new Promise((resolve, reject) => {
        const there = waiting.get(name)?.shift();
        if (there !== undefined) {
          resolve(there);
          return;
        }
        const timer = setTimeout(() => reject(new Error(`nobody asked for ${name}; asked: ${asked.join(', ')}`)), 5000);
        const taker = (one: Asked): void => {
          clearTimeout(timer);
          resolve(one);
        };
        wanted.set(name, [...(wanted.get(name) ?? []), taker]);
      }),
    untaken: () => [...waiting].flatMap(([name, list]) => list.map(() => name)),
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

function askedOf(query: URLSearchParams, request: IncomingMessage, response: ServerResponse, body: string): Asked {
  return {
    query,
    headers: request.headers,
    body,
    reply: (status, value, headers = {}) => {
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
      response.end(typeof value === 'string' ? value : JSON.stringify(value));
    },
    open: (headers = {}) => {
      const gone = new Promise<void>((done) => response.on('close', () => done()));
      response.writeHead(200, { 'Content-Type': 'application/json', ...headers });
      response.flushHeaders();
      return {
        send: (...values) => response.write(values.map((value) => `${JSON.stringify(value)}\n`).join('')),
        raw: (text) => response.write(text),
        end: () => response.end(),
        drop: () => response.destroy(),
        pending: () => response.writableLength,
        gone,
      };
    },
    drop: () => response.destroy(),
  };
}

/** A pod as a server gives it, in a version. */
export function pod(name: string, version: number | string, more: Readonly<Record<string, unknown>> = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'n', uid: `uid-${name}`, resourceVersion: String(version), labels: { app: name } },
    spec: { nodeName: 'node1', containers: [{ name: 'c', image: 'i' }] },
    status: { phase: 'Running', podIP: '10.0.0.1' },
    ...more,
  };
}

/** A list of one version. */
export function listOf(version: number | string, ...items: readonly unknown[]): object {
  return { kind: 'List', apiVersion: 'v1', metadata: { resourceVersion: String(version) }, items };
}

/** What a server says instead of an answer. */
export function status(code: number, reason: string, message: string, more: object = {}): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code, reason, message, ...more };
}

export function bookmark(version: number | string): object {
  return {
    type: 'BOOKMARK',
    object: { kind: 'Pod', apiVersion: 'v1', metadata: { resourceVersion: String(version) } },
  };
}
