import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Attempt, Outcome } from '../pod-protocol.ts';
import { HELLO } from './hello.ts';

type Seen = Pick<Outcome, 'observed' | 'detail' | 'peer'>;

/** What a refusal means: `reject` where denied packets are refused, `drop` where only ports without a listener refuse. */
export type DenyMode = 'drop' | 'reject';

/** Makes all attempts, at most `parallel` at a time. */
export async function attemptAll(
  attempts: readonly Attempt[],
  parallel: number,
  deny: DenyMode,
): Promise<readonly Outcome[]> {
  const outcomes = new Array<Outcome>(attempts.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < attempts.length; i = next++) {
      const attempt = attempts[i];
      if (attempt !== undefined) outcomes[i] = await attemptOne(attempt, deny);
    }
  };
  const workers = Math.max(1, Math.min(parallel, attempts.length));
  await Promise.all(Array.from({ length: workers }, worker));
  return outcomes;
}

async function attemptOne(attempt: Attempt, deny: DenyMode): Promise<Outcome> {
  const started = performance.now();
  const seen = await see(attempt, deny);
  return { ...seen, ms: Math.round((performance.now() - started) * 10) / 10 };
}

function see(attempt: Attempt, deny: DenyMode): Promise<Seen> {
  switch (attempt.protocol) {
    case 'TCP':
      return seeTcp(attempt, deny);
    case 'UDP':
      return seeUdp(attempt, deny);
    case 'SCTP':
      return Promise.resolve({ observed: 'error', detail: 'SCTP: Node.js has no sockets for it', peer: null });
  }
}

/** How long a connected peer may take to say its name. */
const PATIENCE_MS = 10_000;

/**
 * A timer that lets go first to what has arrived meanwhile: where this process was not run for a while, time is up
 * although the answer lies there.
 */
function afterwards(ms: number, act: () => void): NodeJS.Timeout {
  return setTimeout(() => setImmediate(act), ms);
}

function seeTcp(attempt: Attempt, deny: DenyMode): Promise<Seen> {
  return new Promise((resolve) => {
    let text = '';
    let connected = false;
    const end = (seen: Seen): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(seen);
    };
    const socket = connect({
      host: attempt.host,
      port: attempt.port,
      autoSelectFamily: false,
      ...(attempt.from === undefined ? {} : { localAddress: attempt.from }),
    });
    let timer = afterwards(attempt.timeoutMs, () => {
      if (!connected) end({ observed: 'denied', detail: `no answer in ${attempt.timeoutMs} ms`, peer: null });
    });
    socket.setNoDelay(true);
    socket.on('connect', () => {
      connected = true;
      socket.write(HELLO);
      // The packets have passed; what is waited for now is a program, and the machine may be busy.
      clearTimeout(timer);
      const patience = Math.max(attempt.timeoutMs, PATIENCE_MS);
      timer = afterwards(patience, () => {
        end({ observed: 'error', detail: 'connected, but nothing was answered', peer: null });
      });
    });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const newline = text.indexOf('\n');
      if (newline >= 0) end({ observed: 'allowed', detail: 'answered', peer: text.slice(0, newline) });
    });
    socket.on('error', (error: NodeJS.ErrnoException) => end(refusal(error, deny)));
    socket.on('close', () => end({ observed: 'error', detail: 'closed without an answer', peer: null }));
  });
}

function seeUdp(attempt: Attempt, deny: DenyMode): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(attempt.host) ? 'udp6' : 'udp4');
    let ended = false;
    let again: NodeJS.Timeout | null = null;
    const end = (seen: Seen): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      if (again !== null) clearInterval(again);
      socket.close();
      resolve(seen);
    };
    const timer = afterwards(attempt.timeoutMs, () => {
      end({ observed: 'denied', detail: `no answer in ${attempt.timeoutMs} ms`, peer: null });
    });
    socket.on('message', (data) => {
      const text = data.toString('utf8');
      const newline = text.indexOf('\n');
      end({ observed: 'allowed', detail: 'answered', peer: newline < 0 ? text : text.slice(0, newline) });
    });
    socket.on('error', (error: NodeJS.ErrnoException) => end(refusal(error, deny)));
    const ask = (): void => {
      if (!ended) socket.send(HELLO, (error) => (error === null ? undefined : end(refusal(error, deny))));
    };
    const open = (): void => {
      socket.connect(attempt.port, attempt.host, (error?: Error) => {
        if (error !== undefined) {
          end(refusal(error, deny));
          return;
        }
        ask();
        // Two more in the time that is left: one lost packet must not look like a policy.
        again = setInterval(ask, Math.max(20, attempt.timeoutMs / 3));
      });
    };
    if (attempt.from === undefined) open();
    else socket.bind({ address: attempt.from }, open);
  });
}

const REFUSALS = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'EACCES', 'EPERM']);

function refusal(error: NodeJS.ErrnoException, deny: DenyMode): Seen {
  const code = error.code ?? error.message;
  const refused = deny === 'reject' && REFUSALS.has(code);
  return { observed: refused ? 'denied' : 'error', detail: code, peer: null };
}
