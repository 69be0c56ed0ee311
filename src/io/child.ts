import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { IoError, reasonOf, systemCode } from './io-error.ts';

/** What a program that ran to its end left behind. */
export interface Finished {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

/**
 * Runs a program to its end, without a shell. Ctrl-C, SIGTERM and `signal` end the program by its own handle and throw
 * {@link IoError} `interrupted`; a program that is not on the PATH gives `null`.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished | null> {
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted === true) {
      reject(new IoError('interrupted', `\`${command}\` was interrupted`));
      return;
    }
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let interrupted = false;
    let hardStop: NodeJS.Timeout | null = null;
    // Whoever is told to stop while the program is being started must not leave it behind: first the handlers, then the start.
    let started: ChildProcess | null = null;
    const stop = (): void => {
      interrupted = true;
      started?.kill('SIGTERM');
      hardStop ??= setTimeout(() => started?.kill('SIGKILL'), 2000);
    };
    const lastResort = (): void => {
      started?.kill('SIGKILL');
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
    process.on('exit', lastResort);
    options.signal?.addEventListener('abort', stop);
    const release = (): void => {
      if (hardStop !== null) clearTimeout(hardStop);
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      process.off('exit', lastResort);
      options.signal?.removeEventListener('abort', stop);
    };
    const start = (): ChildProcessWithoutNullStreams => {
      try {
        return spawn(command, args, {
          stdio: ['pipe', 'pipe', 'pipe'],
          ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
          ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
        });
      } catch (error) {
        release();
        throw error;
      }
    };
    const child = start();
    started = child;
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A program may end before it has read its input; its exit code says why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    child.on('error', (error) => {
      release();
      if (systemCode(error) === 'ENOENT') resolve(null);
      else reject(new IoError('tool-failed', `cannot run \`${command}\`: ${reasonOf(error)}`, { cause: error }));
    });
    child.on('close', (code, signal) => {
      release();
      if (interrupted) reject(new IoError('interrupted', `\`${command}\` was interrupted`));
      else if (code === null) reject(new IoError('tool-failed', `\`${command}\` was ended by ${signal ?? 'a signal'}`));
      else resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8').trim() });
    });
  });
}
