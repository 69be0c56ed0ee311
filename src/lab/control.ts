import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { IoError, type IoErrorCode, reasonOf, systemCode } from '../io/io-error.ts';
import type { Attempt, Outcome } from './pod-protocol.ts';
import type { LabStatus } from './status.ts';

/** What the first process of a lab is asked on its socket, and what it gives. */
export interface ControlCalls {
  /** Waits until all is up. */
  readonly ready: { readonly ask: object; readonly give: null };
  readonly status: { readonly ask: object; readonly give: LabStatus };
  readonly attempt: {
    readonly ask: { readonly actor: string; readonly attempts: readonly Attempt[]; readonly parallel: number };
    readonly give: readonly Outcome[];
  };
  /** A process that is where the actor is, as the box numbers it. */
  readonly where: { readonly ask: { readonly actor: string }; readonly give: number };
  readonly settled: { readonly ask: { readonly timeoutMs: number }; readonly give: null };
  readonly down: { readonly ask: object; readonly give: null };
}

export type ControlCall = keyof ControlCalls;

type Message =
  | { readonly id: number; readonly kind: 'done'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'progress'; readonly line: string }
  | {
      readonly id: number;
      readonly kind: 'failed';
      readonly code: IoErrorCode;
      readonly message: string;
      readonly help: string | null;
    };

interface Question {
  readonly id: number;
  readonly call: ControlCall;
  readonly ask: unknown;
}

export type ControlHandlers = {
  readonly [Call in ControlCall]: (
    ask: ControlCalls[Call]['ask'],
    progress: (line: string) => void,
  ) => Promise<ControlCalls[Call]['give']>;
};

/** Serves the control socket of a lab. Its folder lets nobody in but the user whose lab it is. */
export function serveControl(path: string, handlers: ControlHandlers): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => serve(socket, handlers));
    server.on('error', reject);
    server.listen(path, () => resolve(server));
  });
}

function serve(socket: Socket, handlers: ControlHandlers): void {
  const send = (message: Message): void => {
    if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
  };
  socket.on('error', () => socket.destroy());
  createInterface({ input: socket })
    .on('error', () => undefined)
    .on('line', (line) => {
      const { id, call, ask } = JSON.parse(line) as Question;
      const handler = Object.hasOwn(handlers, call)
        ? (handlers[call] as (ask: unknown, progress: (line: string) => void) => Promise<unknown>)
        : null;
      const asked =
        handler === null
          ? Promise.reject(
              new IoError('protocol', `the lab knows no \`${String(call)}\``, {
                help: 'it was made by another version: rampart lab down',
              }),
            )
          : handler(ask, (text) => send({ id, kind: 'progress', line: text }));
      asked.then(
        (value) => send({ id, kind: 'done', value }),
        (error: unknown) =>
          send({
            id,
            kind: 'failed',
            code: error instanceof IoError ? error.code : 'tool-failed',
            message: error instanceof IoError ? error.message : reasonOf(error),
            help: error instanceof IoError ? error.help : null,
          }),
      );
    });
}

/** An open control socket. */
export interface Control {
  call<Call extends ControlCall>(
    call: Call,
    ask: ControlCalls[Call]['ask'],
    options?: { readonly onProgress?: (line: string) => void; readonly signal?: AbortSignal },
  ): Promise<ControlCalls[Call]['give']>;
  close(): void;
}

/** Opens a control socket; `null` if nobody serves it. */
export function openControl(path: string): Promise<Control | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', (error) => {
      const code = systemCode(error);
      if (code === 'ENOENT' || code === 'ECONNREFUSED') resolve(null);
      else reject(new IoError('unreachable', `cannot speak with the lab: ${reasonOf(error)}`, { cause: error }));
    });
    socket.once('connect', () => resolve(control(socket)));
  });
}

function control(socket: Socket): Control {
  interface Waiting {
    readonly take: (value: unknown) => void;
    readonly fail: (error: IoError) => void;
    readonly onProgress: (line: string) => void;
  }
  const waiting = new Map<number, Waiting>();
  let next = 1;
  let gone = false;
  socket.on('error', () => undefined);
  socket.on('close', () => {
    gone = true;
    for (const { fail } of waiting.values()) fail(new IoError('unreachable', 'the lab has ended'));
    waiting.clear();
  });
  createInterface({ input: socket })
    .on('error', () => undefined)
    .on('line', (line) => {
      const message = JSON.parse(line) as Message;
      const one = waiting.get(message.id);
      if (one === undefined) return;
      if (message.kind === 'progress') {
        one.onProgress(message.line);
        return;
      }
      waiting.delete(message.id);
      if (message.kind === 'done') one.take(message.value);
      else one.fail(new IoError(message.code, message.message, message.help === null ? {} : { help: message.help }));
    });
  return {
    call: (call, ask, options = {}) =>
      new Promise((resolve, reject) => {
        const { signal } = options;
        if (gone) {
          reject(new IoError('unreachable', 'the lab has ended'));
          return;
        }
        const id = next++;
        const abort = (): void => {
          waiting.delete(id);
          reject(new IoError('interrupted', 'interrupted'));
        };
        if (signal?.aborted === true) {
          abort();
          return;
        }
        signal?.addEventListener('abort', abort, { once: true });
        const release = (): void => signal?.removeEventListener('abort', abort);
        waiting.set(id, {
          take: (value) => {
            release();
            // The other side is the same program; what it gives has the type that its handler has.
            resolve(value as never);
          },
          fail: (error) => {
            release();
            reject(error);
          },
          onProgress: options.onProgress ?? (() => undefined),
        });
        socket.write(`${JSON.stringify({ id, call, ask } satisfies Question)}\n`);
      }),
    close: () => socket.destroy(),
  };
}
