import { createServer, request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '../io/io-error.ts';
import { type Connection, connect, socketOf } from '../io/kubeconfig.ts';
import { livingProcess } from './state-folder.ts';

/**
 * The file that node runs beside a box whose control plane is a real API server: `node FILE FOLDER SOCKET KUBECONFIG`. The
 * box has no network but its own; this process has the machine's, and the credentials. It ends when the lab does.
 */
export const API_PROXY_PROGRAM: string = fileURLToPath(import.meta.url);

const LOOK_MS = 300;
/** Headers that are between two neighbours. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'host', 'proxy-connection']);

function endToEnd(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
}

/** Serves an API server on a socket, signed in as the kubeconfig says. */
export function serveProxy(connection: Connection, socket: string): Promise<{ close(): void }> {
  const base = new URL(connection.server);
  const socketPath = socketOf(connection.server);
  const server = createServer((incoming, outgoing) => {
    const fail = (error: unknown): void => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502).end(`${reasonOf(error)}\n`);
    };
    const forward = async (): Promise<void> => {
      const options: RequestOptions = { headers: {} };
      await connection.signIn(options);
      const secure = base.protocol === 'https:';
      const where =
        socketPath === null
          ? {
              hostname: base.hostname.replace(/^\[|\]$/g, ''),
              port: base.port === '' ? (secure ? 443 : 80) : base.port,
            }
          : { socketPath };
      const prefix = socketPath === null ? base.pathname.replace(/\/$/, '') : '';
      const request: RequestOptions = {
        ...options,
        ...where,
        method: incoming.method ?? 'GET',
        path: `${prefix}${incoming.url ?? '/'}`,
        headers: {
          ...endToEnd(incoming.headers),
          ...(options.headers as OutgoingHttpHeaders),
          ...(connection.headers as OutgoingHttpHeaders),
        },
      };
      const sent = (secure ? httpsRequest : httpRequest)(request, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
        // What watches are told must not wait for the first event.
        outgoing.flushHeaders();
        answer.pipe(outgoing);
        answer.on('error', fail);
      });
      sent.on('error', fail);
      outgoing.on('close', () => sent.destroy());
      incoming.pipe(sent);
    };
    forward().catch(fail);
  });
  server.requestTimeout = 0;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, () => {
      resolve({
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}

async function main(folder: string, socket: string, kubeconfig: string): Promise<void> {
  await serveProxy(await connect({ kubeconfig }), socket);
  let seen = false;
  let looks = 0;
  setInterval(() => {
    const lives = livingProcess(folder) !== null;
    seen ||= lives;
    looks += 1;
    if (!lives && (seen || looks > 100)) process.exit(0);
  }, LOOK_MS);
}

if (process.argv[1] === API_PROXY_PROGRAM) {
  const [, , folder = '', socket = '', kubeconfig = ''] = process.argv;
  main(folder, socket, kubeconfig).catch((error: unknown) => {
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exit(1);
  });
}
