/** A pod of a fault test: serves, and asks as it is told. Runs as a program in its own network namespace. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import {
  CONNECT_PORT,
  ECHO_PORT,
  FLOW_PORTS,
  type KernelReport,
  type LoadReport,
  monotonic,
  type Question,
  type ReceivedReport,
  type StreamReport,
} from './pod-protocol.ts';

/** Number and time of sending. */
const MESSAGE = 16;

interface Received {
  count: number;
  highest: number;
  lastSentAt: number;
}

const received = new Map<string, Received>();

function receive(from: string, message: Buffer): void {
  let entry = received.get(from);
  if (entry === undefined) {
    entry = { count: 0, highest: -1, lastSentAt: 0 };
    received.set(from, entry);
  }
  entry.count++;
  entry.highest = Math.max(entry.highest, message.readDoubleLE(0));
  entry.lastSentAt = Math.max(entry.lastSentAt, message.readDoubleLE(8));
}

let echoing: UdpSocket | null = null;

function serve(): void {
  createServer((socket) => socket.on('error', () => undefined).resume()).listen(CONNECT_PORT, '::');
  createServer({ noDelay: true }, (socket) => {
    const from = `tcp ${socket.remoteAddress}`;
    let rest: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (; rest.length >= MESSAGE; rest = rest.subarray(MESSAGE)) receive(from, rest);
      socket.write(chunk);
    });
  }).listen(ECHO_PORT, '::');
  for (const type of ['udp4', 'udp6'] as const) {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' });
    socket.on('error', () => undefined);
    socket.on('message', (message, { address, port }) => {
      if (message.length === MESSAGE) receive(`udp ${address}`, message);
      socket.send(message, port, address);
    });
    if (type === 'udp4') echoing = socket;
    socket.bind(ECHO_PORT, type === 'udp4' ? '0.0.0.0' : '::');
  }
}

interface Load {
  stop(): Promise<LoadReport>;
}

const TICK_MS = 4;
const MOST_WAITING = 200;
/** Before the kernel sends a second SYN, so that no attempt gets a second chance. */
const GIVE_UP_MS = 900;
const SOCKETS = 8;

function startLoad(target: string, tcpPerSecond: number, udpPerSecond: number): Load {
  const begun = monotonic();
  const counts = { tcpTried: 0, tcpOpened: 0, tcpFailed: 0, tcpSlowestMs: 0, udpSent: 0 };
  const waiting = new Set<Socket>();
  const sockets: UdpSocket[] = [];
  const bound: Promise<void>[] = [];
  for (let i = 0; i < SOCKETS; i++) {
    const socket = createSocket({ type: target.includes(':') ? 'udp6' : 'udp4', sendBufferSize: 1 << 20 });
    socket.on('error', () => undefined);
    bound.push(new Promise((resolve) => socket.bind(0, resolve)));
    sockets.push(socket);
  }
  const payload = Buffer.alloc(8);
  let asked = 0;
  let taken = 0;

  const datagram = (): void => {
    const n = asked++;
    const socket = sockets[n % SOCKETS];
    const port = FLOW_PORTS.first + (Math.floor(n / SOCKETS) % (FLOW_PORTS.last - FLOW_PORTS.first + 1));
    socket?.send(payload, port, target, (error) => {
      taken++;
      if (error === null) counts.udpSent++;
    });
  };
  const segment = (): void => {
    counts.tcpTried++;
    const at = monotonic();
    const socket = connect({ host: target, port: CONNECT_PORT });
    waiting.add(socket);
    const timer = setTimeout(() => {
      if (waiting.delete(socket)) counts.tcpFailed++;
      socket.destroy();
    }, GIVE_UP_MS);
    const done = (isOpen: boolean): void => {
      clearTimeout(timer);
      if (!waiting.delete(socket)) return;
      if (isOpen) counts.tcpOpened++;
      else counts.tcpFailed++;
      counts.tcpSlowestMs = Math.max(counts.tcpSlowestMs, monotonic() - at);
      socket.resetAndDestroy();
    };
    socket.on('connect', () => done(true));
    socket.on('error', () => done(false));
  };

  const ready = Promise.all(bound);
  let last = monotonic();
  let udpDebt = 0;
  let tcpDebt = 0;
  const timer = setInterval(() => {
    const now = monotonic();
    // A process that was held up makes up for it in bits: a burst would only fill the queues of the links.
    const elapsed = Math.min(now - last, 100) / 1000;
    last = now;
    udpDebt += elapsed * udpPerSecond;
    tcpDebt += elapsed * tcpPerSecond;
    for (; udpDebt >= 1; udpDebt--) datagram();
    for (; tcpDebt >= 1; tcpDebt--) if (waiting.size < MOST_WAITING) segment();
  }, TICK_MS);

  return {
    async stop() {
      clearInterval(timer);
      await ready;
      const seconds = (monotonic() - begun) / 1000;
      for (let i = 0; i < 200 && (taken < asked || waiting.size > 0); i++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      for (const socket of sockets) socket.close();
      const tcpWaiting = waiting.size;
      for (const socket of waiting) socket.destroy();
      waiting.clear();
      return { seconds, ...counts, tcpWaiting };
    },
  };
}

interface Stream {
  report(): StreamReport;
  end(): void;
}

function startStream(question: Extract<Question, { readonly kind: 'stream' }>): Promise<Stream> {
  const { name, protocol, target, everyMs, port = 0, most = Number.POSITIVE_INFINITY } = question;
  let sent = 0;
  let echoed = 0;
  let highest = -1;
  let longestGapMs = 0;
  let lastEchoAt = monotonic();
  let ended: string | null = null;
  const next = (): Buffer => {
    const message = Buffer.alloc(MESSAGE);
    message.writeDoubleLE(sent++, 0);
    message.writeDoubleLE(monotonic(), 8);
    return message;
  };
  const heard = (message: Buffer): void => {
    const now = monotonic();
    longestGapMs = Math.max(longestGapMs, now - lastEchoAt);
    lastEchoAt = now;
    echoed++;
    highest = Math.max(highest, message.readDoubleLE(0));
  };
  const report = (): StreamReport => ({
    name,
    sent,
    echoed,
    missing: highest + 1 - echoed,
    longestGapMs: Math.max(longestGapMs, monotonic() - lastEchoAt),
    lastEchoAt,
    ended,
  });
  if (protocol === 'udp') {
    const socket = createSocket(target.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', () => undefined);
    socket.on('message', heard);
    return new Promise((resolve) => {
      socket.bind(port, () => {
        const timer = setInterval(() => {
          if (sent < most) socket.send(next(), ECHO_PORT, target);
        }, everyMs);
        const end = (): void => {
          clearInterval(timer);
          socket.close();
        };
        resolve({ report, end });
      });
    });
  }
  const socket = connect({ host: target, port: ECHO_PORT, noDelay: true, ...(port === 0 ? {} : { localPort: port }) });
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (; rest.length >= MESSAGE; rest = rest.subarray(MESSAGE)) heard(rest);
  });
  socket.on('error', (error) => {
    ended ??= error.message;
  });
  socket.on('close', () => {
    ended ??= 'closed';
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      lastEchoAt = monotonic();
      const timer = setInterval(() => {
        if (ended === null) socket.write(next());
      }, everyMs);
      const end = (): void => {
        clearInterval(timer);
        socket.destroy();
      };
      resolve({ report, end });
    });
  });
}

/** `open`, `refused`, or `silent` after the time. */
function attempt(question: Extract<Question, { readonly kind: 'try' }>): Promise<string> {
  const { protocol, target, port, timeoutMs, from } = question;
  return new Promise((resolve) => {
    if (protocol === 'tcp') {
      const socket = connect({ host: target, port, ...(from === undefined ? {} : { localAddress: from }) });
      const say = (word: string): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(word);
      };
      const timer = setTimeout(() => say('silent'), timeoutMs);
      socket.on('connect', () => say('open'));
      socket.on('error', () => say('refused'));
      return;
    }
    const socket = createSocket(target.includes(':') ? 'udp6' : 'udp4');
    const say = (word: string): void => {
      clearTimeout(timer);
      socket.close();
      resolve(word);
    };
    const timer = setTimeout(() => say('silent'), timeoutMs);
    socket.on('error', () => say('refused'));
    socket.on('message', () => say('open'));
    socket.connect(port, target, () => socket.send(Buffer.alloc(4)));
  });
}

/** What the kernel counts for this namespace. */
function kernelReport(): KernelReport {
  const value = (file: string, prefix: string, name: string): number => {
    const rows = readFileSync(`/proc/net/${file}`, 'utf8')
      .split('\n')
      .filter((row) => row.startsWith(prefix))
      .map((row) => row.split(' '));
    const [names = [], values = []] = rows;
    return Number(values[names.indexOf(name)] ?? Number.NaN);
  };
  return {
    retransmitted: value('snmp', 'Tcp:', 'RetransSegs'),
    needlessly: value('netstat', 'TcpExt:', 'TCPDSACKRecv'),
  };
}

const streams: Stream[] = [];
let load: Load | null = null;

async function answer(question: Question): Promise<unknown> {
  switch (question.kind) {
    case 'load':
      load = startLoad(question.target, question.tcpPerSecond, question.udpPerSecond);
      return null;
    case 'unload': {
      const report = (await load?.stop()) ?? null;
      load = null;
      return report;
    }
    case 'stream':
      streams.push(await startStream(question));
      return null;
    case 'push':
      setInterval(() => echoing?.send(Buffer.alloc(MESSAGE), question.port, question.target), question.everyMs);
      return null;
    case 'streams':
      return streams.map((stream) => stream.report());
    case 'end-streams':
      for (const stream of streams.splice(0)) stream.end();
      return null;
    case 'try':
      return attempt(question);
    case 'received':
      return [...received].map(([from, entry]): ReceivedReport => ({ from, ...entry }));
    case 'kernel':
      return kernelReport();
  }
}

serve();
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { id, question } = JSON.parse(line) as { readonly id: number; readonly question: Question };
  answer(question).then(
    (value) => console.log(JSON.stringify({ id, value })),
    (error: unknown) => console.log(JSON.stringify({ id, error: String(error) })),
  );
});
lines.on('close', () => process.exit());
console.log(JSON.stringify({ id: 0, value: null }));
