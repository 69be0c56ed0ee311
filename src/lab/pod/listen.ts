import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Listener } from '../pod-protocol.ts';
import { HELLO } from './hello.ts';

/** Answers what is no attempt of ours, on port 53: gets one question, gives the answer; `null` to stay silent. */
export type Answer = (question: Buffer, transport: 'udp' | 'tcp') => Buffer | null;

export interface ListenOptions {
  /** What every listener answers first. */
  readonly name: string;
  readonly listeners: readonly Listener[];
  readonly addresses: readonly string[] | null;
  /** Asked on port 53, while it gives something. */
  readonly dns: () => Answer | null;
}

export interface Listening {
  readonly failed: readonly (Listener & { readonly why: string })[];
  close(): void;
}

/** Listens on all ports; those that cannot be had are named. */
export async function listenOn(options: ListenOptions): Promise<Listening> {
  const open: (Server | UdpSocket)[] = [];
  const failed: (Listener & { why: string })[] = [];
  await Promise.all(
    options.listeners.map(async (listener) => {
      if (listener.protocol === 'SCTP') {
        failed.push({ ...listener, why: 'SCTP: Node.js has no sockets for it' });
        return;
      }
      // An answer must leave by the address that was asked, hence a socket for each where there are several.
      for (const host of options.addresses ?? [null]) {
        try {
          open.push(await (listener.protocol === 'TCP' ? tcp : udp)(options, listener.port, host));
        } catch (error) {
          failed.push({ ...listener, why: error instanceof Error ? codeOf(error) : String(error) });
        }
      }
    }),
  );
  return {
    failed,
    close: () => {
      for (const server of open) server.close();
    },
  };
}

function codeOf(error: NodeJS.ErrnoException): string {
  return error.code ?? error.message;
}

function withoutIpv6(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL';
}

async function tcp(options: ListenOptions, port: number, host: string | null): Promise<Server> {
  try {
    return await tcpAt(options, port, host ?? '::');
  } catch (error) {
    if (host === null && withoutIpv6(error as NodeJS.ErrnoException)) return tcpAt(options, port, '0.0.0.0');
    throw error;
  }
}

function tcpAt(options: ListenOptions, port: number, host: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => socket.destroy());
      socket.setTimeout(60_000, () => socket.destroy());
      if (port === 53 && options.dns() !== null) answerDns(options, socket);
      else greet(options.name, socket);
    });
    server.on('error', reject);
    server.listen({ port, host, backlog: 512 }, () => resolve(server));
  });
}

/** Who says nothing for so long is told our name all the same, as `nc` and a person expect. */
const SILENCE_MS = 100;
const HTTP = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \S+ HTTP\/1\.[01]\r?\n/;

/** Tells our name: to `curl` as an answer of HTTP, to everybody else as the first line. */
function greet(name: string, socket: Socket): void {
  const speak = (said: Buffer | null): void => {
    clearTimeout(silence);
    socket.off('data', speak);
    const method = HTTP.exec(said?.toString('latin1') ?? '')?.[1];
    if (method !== undefined) {
      const body = `${name}\n`;
      const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
      socket.resume().end(method === 'HEAD' ? head : `${head}${body}`);
      return;
    }
    socket.write(`${name}\n`);
    if (said !== null) socket.write(said);
    // Whatever follows comes back: one can see that the connection lives.
    socket.pipe(socket);
  };
  const silence = setTimeout(speak, SILENCE_MS, null);
  socket.on('data', speak);
  socket.on('close', () => clearTimeout(silence));
}

/** DNS over TCP: two bytes of length before each message. A first line of ours is an attempt. */
function answerDns(options: ListenOptions, socket: Socket): void {
  let got: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    got = Buffer.concat([got, chunk]);
    if (got.length > 70_000) {
      socket.destroy();
      return;
    }
    if (got.toString('latin1').startsWith(HELLO)) {
      socket.end(`${options.name}\n`);
      return;
    }
    while (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) {
      const size = got.readUInt16BE(0);
      const answer = options.dns()?.(got.subarray(2, 2 + size), 'tcp') ?? null;
      got = got.subarray(2 + size);
      if (answer === null) {
        socket.destroy();
        return;
      }
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    }
  });
}

async function udp(options: ListenOptions, port: number, host: string | null): Promise<UdpSocket> {
  try {
    return await udpAt(options, port, host ?? '::');
  } catch (error) {
    if (host === null && withoutIpv6(error as NodeJS.ErrnoException)) return udpAt(options, port, '0.0.0.0');
    throw error;
  }
}

function udpAt(options: ListenOptions, port: number, host: string): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 });
    socket.once('error', reject);
    socket.on('message', (data, from) => {
      const dns = port === 53 && data.toString('latin1') !== HELLO ? options.dns() : null;
      const answer = dns === null ? Buffer.concat([Buffer.from(`${options.name}\n`), data]) : dns(data, 'udp');
      // An answer that a policy refuses is no failure of ours.
      if (answer !== null) socket.send(answer, from.port, from.address, () => undefined);
    });
    socket.bind({ port, address: host }, () => {
      socket.off('error', reject);
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}
