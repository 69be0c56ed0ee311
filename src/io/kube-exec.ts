import type { KubeConfig } from '@kubernetes/client-node';
import type { Finished } from './child.ts';
import { IoError, reasonOf } from './io-error.ts';
import { type Connection, socketOf } from './kubeconfig.ts';

/** A program in a container. */
export interface PodCommand {
  readonly namespace: string;
  readonly pod: string;
  /** Absent: the pod's default container. */
  readonly container?: string;
  readonly command: readonly string[];
}

export interface ExecOptions {
  /** After so long it is given up; the program in the pod may go on. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** More than this is no answer that anybody waits for. */
const MOST_OUTPUT = 16 * 1024 * 1024;
const STDOUT = 1;
const STDERR = 2;
const STATUS = 3;

/**
 * Runs a program in a container to its end, without standard input, as `kubectl exec` does. Throws {@link IoError}
 * `forbidden`, `not-found`, `timeout`, `interrupted`, `unreachable`, or `tool-failed` where the program cannot be started.
 */
export async function execInPod(connection: Connection, what: PodCommand, options: ExecOptions): Promise<Finished> {
  if (socketOf(connection.server) !== null) {
    throw new IoError('protocol', 'commands in pods cannot be run through a unix socket');
  }
  const { WebSocketHandler } = await import('@kubernetes/client-node/dist/web-socket-handler.js');
  const handler = new WebSocketHandler({
    getCurrentCluster: () => ({ name: '', server: connection.server, skipTLSVerify: false }),
    applyToHTTPSOptions: async (request: Parameters<Connection['signIn']>[0]) => {
      await connection.signIn(request);
      request.headers = { ...request.headers, ...connection.headers } as NonNullable<typeof request.headers>;
    },
    // The handler asks for nothing else of a configuration.
  } as unknown as KubeConfig);
  const query = new URLSearchParams({ stdout: 'true', stderr: 'true' });
  if (what.container !== undefined) query.set('container', what.container);
  for (const part of what.command) query.append('command', part);
  const path = `/api/v1/namespaces/${encodeURIComponent(what.namespace)}/pods/${encodeURIComponent(what.pod)}/exec?${query}`;
  const name = `${what.namespace}/${what.pod}`;
  const output: Record<typeof STDOUT | typeof STDERR, Buffer[]> = { [STDOUT]: [], [STDERR]: [] };
  let size = 0;
  let status: unknown = null;

  let giveUp: (error: IoError) => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  stopped.catch(() => undefined);
  const timer = setTimeout(
    () => giveUp(new IoError('timeout', `the command in pod \`${name}\` did not end in time`)),
    options.timeoutMs,
  );
  const onAbort = (): void => giveUp(new IoError('interrupted', 'interrupted'));
  if (options.signal?.aborted === true) onAbort();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const opening = handler.connect(path, null, (channel, data) => {
    if (channel === STATUS) status = parsed(data);
    else if (channel === STDOUT || channel === STDERR) {
      size += data.length;
      if (size > MOST_OUTPUT) giveUp(new IoError('protocol', `the command in pod \`${name}\` says too much`));
      else output[channel].push(data);
    }
    return true;
  });
  // Whoever gives up while the connection is being made must not leave it open.
  let given = false;
  opening.then(
    (socket) => {
      if (given) socket.close();
    },
    () => undefined,
  );
  try {
    const socket = await Promise.race([
      opening.catch((error: unknown) => Promise.reject(refused(error, name))),
      stopped,
    ]);
    const ended = new Promise<void>((resolve) => {
      if (socket.readyState === socket.CLOSED) resolve();
      socket.onclose = () => resolve();
    });
    try {
      await Promise.race([ended, stopped]);
    } finally {
      if (socket.readyState !== socket.CLOSED) socket.terminate();
    }
  } finally {
    given = true;
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
  return {
    code: codeOf(status, name),
    stdout: Buffer.concat(output[STDOUT]),
    stderr: Buffer.concat(output[STDERR]).toString('utf8'),
  };
}

function parsed(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString('utf8'));
  } catch {
    return null;
  }
}

interface Status {
  readonly status?: unknown;
  readonly message?: unknown;
  readonly details?: { readonly causes?: readonly { readonly reason?: unknown; readonly message?: unknown }[] };
}

function codeOf(value: unknown, name: string): number {
  const status = (typeof value === 'object' && value !== null ? value : {}) as Status;
  if (status.status === 'Success') return 0;
  const causes = Array.isArray(status.details?.causes) ? status.details.causes : [];
  const code = causes.find(({ reason }) => reason === 'ExitCode')?.message;
  if (typeof code === 'string' && /^\d+$/.test(code)) return Number(code);
  if (value === null) {
    throw new IoError('unreachable', `the connection to pod \`${name}\` was lost before its command ended`);
  }
  const message = typeof status.message === 'string' ? status.message : 'unknown reason';
  throw new IoError('tool-failed', `cannot run the command in pod \`${name}\`: ${message}`);
}

function refused(error: unknown, name: string): IoError {
  const reason =
    typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : reasonOf(error);
  const status = /Unexpected server response: (\d+)/.exec(reason)?.[1];
  if (status === '403') {
    return new IoError('forbidden', `not allowed to run commands in pod \`${name}\``, {
      cause: error,
      help: 'Rampart needs `create` on `pods/exec` there',
    });
  }
  if (status === '404') return new IoError('not-found', `pod \`${name}\` is not there`, { cause: error });
  if (status === '401') return new IoError('unauthorized', 'the credentials are not accepted', { cause: error });
  return new IoError('unreachable', `cannot run a command in pod \`${name}\`: ${reason}`, { cause: error });
}
