import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type ListenOptions, type Socket } from 'node:net';
import { IoError, reasonOf, systemCode } from './io-error.ts';

/** Answers a request. */
export type Handler = (request: Request) => Promise<Response>;

/** A server that listens. */
export interface Listening {
  /** As others reach it: `http://[::]:9790`, `unix:///run/rampart.sock`. */
  readonly address: string;
  close(): Promise<void>;
}

/** Where to listen: `:9790` (every address), `127.0.0.1:9790`, `[::1]:9790`, `unix:///path`; `null` for anything else. */
export function parseListen(text: string): ListenOptions | null {
  if (text.startsWith('unix://')) {
    const path = text.slice('unix://'.length);
    return path.startsWith('/') ? { path } : null;
  }
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]/]+))?:(\d{1,5})$/.exec(text);
  if (found === null) return null;
  const [, v6, other, digits] = found;
  const port = Number(digits);
  if (port > 65535) return null;
  const host = v6 ?? other;
  return host === undefined ? { port, host: '::' } : { port, host };
}

/** Listens at each of the addresses; all or none. Throws {@link IoError}. */
export async function serve(addresses: readonly string[], handler: Handler): Promise<readonly Listening[]> {
  const open: Listening[] = [];
  try {
    for (const address of addresses) open.push(await listen(address, handler));
  } catch (error) {
    await Promise.all(open.map((each) => each.close()));
    throw error;
  }
  return open;
}

async function listen(address: string, handler: Handler): Promise<Listening> {
  const options = parseListen(address);
  if (options === null) throw new IoError('unwritable', `\`${address}\` is no address to listen at`);
  const server = createServer((request, response) => void answer(handler, request, response));
  server.headersTimeout = 5000;
  server.requestTimeout = 10_000;
  server.keepAliveTimeout = 65_000;
  boundConnections(server);
  try {
    await start(server, options);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EADDRINUSE' && options.path !== undefined && (await isDead(options.path))) {
      // Left by one that did not end well.
      rmSync(options.path, { force: true });
      await startOr(server, options, address);
    } else if ((code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL') && options.host === '::') {
      await startOr(server, { ...options, host: '0.0.0.0' }, address);
    } else throw refusal(address, error);
  }
  return {
    address: options.path === undefined ? nameOf(server.address()) : address,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const MOST_CONNECTIONS = 128;

/** Whoever opens connections and asks nothing takes none from those who ask: the one that has been idle longest goes. */
function boundConnections(server: Server): void {
  const open = new Set<Socket>();
  /** In the order in which they became so. */
  const idle = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    idle.add(socket);
    socket.once('close', () => {
      open.delete(socket);
      idle.delete(socket);
    });
    const [longest] = idle;
    if (open.size > MOST_CONNECTIONS) longest?.destroy();
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket);
    response.once('close', () => {
      if (open.has(socket)) idle.add(socket);
    });
  });
}

async function startOr(server: Server, options: ListenOptions, address: string): Promise<void> {
  try {
    await start(server, options);
  } catch (error) {
    throw refusal(address, error);
  }
}

function start(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      server.on('error', () => undefined);
      resolve();
    });
  });
}

function refusal(address: string, error: unknown): IoError {
  const taken = systemCode(error) === 'EADDRINUSE';
  return new IoError('unwritable', `cannot listen at \`${address}\`: ${reasonOf(error)}`, {
    cause: error,
    ...(taken ? { help: 'another process has the port; choose one with --listen' } : {}),
  });
}

function isDead(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error) => resolve(systemCode(error) === 'ECONNREFUSED'));
  });
}

function nameOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') return String(address);
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
}

async function answer(handler: Handler, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  try {
    incoming.resume();
    const url = new URL(incoming.url ?? '/', 'http://localhost');
    const response = await handler(new Request(url, { method: incoming.method ?? 'GET' }));
    const body = Buffer.from(await response.arrayBuffer());
    outgoing.writeHead(response.status, { ...Object.fromEntries(response.headers), 'content-length': body.length });
    outgoing.end(incoming.method === 'HEAD' ? undefined : body);
  } catch {
    if (!outgoing.headersSent) outgoing.writeHead(500);
    outgoing.end();
  }
}
