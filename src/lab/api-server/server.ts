import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Api } from './api.ts';
import { badRequest, Refusal } from './status.ts';

/** Where a server listens: a path is a unix socket. */
export type ListenAt = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ListeningApi {
  /** `http://host:port`, or `unix://path`. */
  readonly url: string;
  /** The port that was chosen; `null` for a unix socket. */
  readonly port: number | null;
  /** Ends every connection at once, as a server that dies does. */
  dropConnections(): void;
  close(): Promise<void>;
}

const MOST_BODY_BYTES = 8 * 1024 * 1024;
/** A client that does not read so much is given up, as real servers do, for it would hold everything in memory. */
const MOST_UNREAD_BYTES = 64 * 1024 * 1024;

/** Serves an API over HTTP, without authentication. */
export async function listenApi(api: Api, at: ListenAt): Promise<ListeningApi> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    void serve(api, request, response);
  });
  // Watches of clients are open for as long as they like.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => {
    if (api.faults.refuseConnections) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // A client that goes away in the middle of a line is no event.
    socket.on('error', () => {});
  });
  await listening(server, at);
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : null;
  const dropConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const host = 'host' in at ? (at.host.includes(':') ? `[${at.host}]` : at.host) : '';
  return {
    url: 'path' in at ? `unix://${at.path}` : `http://${host}:${port ?? 0}`,
    port,
    dropConnections,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        dropConnections();
      }),
  };
}

function listening(server: Server, at: ListenAt): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(at, () => {
      server.off('error', fail);
      done();
    });
  });
}

async function serve(api: Api, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (api.faults.refuseConnections) {
    request.destroy();
    return;
  }
  try {
    const body = await readBody(request);
    if (api.faults.delayMs > 0) await new Promise((done) => setTimeout(done, api.faults.delayMs));
    const answer = api.handle({
      method: request.method ?? 'GET',
      target: request.url ?? '/',
      accept: request.headers.accept ?? '',
      contentType: request.headers['content-type'] ?? '',
      body,
    });
    if (answer.kind === 'json') {
      sendJson(response, answer.status, answer.body, answer.headers);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    response.flushHeaders();
    let stop: (() => void) | null = null;
    let isOver = false;
    const end = (): void => {
      isOver = true;
      stop?.();
    };
    response.on('close', end);
    stop = answer.start({
      write: (line) => {
        if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
        else response.write(line);
      },
      end: () => void response.end(),
    });
    if (isOver) stop();
  } catch (error) {
    if (response.headersSent || request.destroyed) {
      response.destroy();
      return;
    }
    const refusal =
      error instanceof Refusal
        ? error
        : new Refusal(500, 'InternalError', `Internal error occurred: ${(error as Error).message}`);
    sendJson(response, refusal.status, refusal.body, []);
  }
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: readonly (readonly [string, string])[],
): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  const warnings = headers.filter(([name]) => name === 'warning').map(([, value]) => value);
  if (warnings.length > 0) response.setHeader('warning', warnings);
  for (const [name, value] of headers) if (name !== 'warning') response.setHeader(name, value);
  response.end(`${JSON.stringify(body)}\n`);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST_BODY_BYTES) throw new Refusal(413, 'RequestEntityTooLarge', 'the request is too large');
    chunks.push(chunk);
  }
  if (request.headers['content-encoding'] !== undefined) throw badRequest('the body may not be compressed');
  return Buffer.concat(chunks).toString('utf8');
}
