import { closeSync, fsyncSync, openSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { IoError, reasonOf, systemCode } from './io-error.ts';

export type ColorChoice = 'auto' | 'always' | 'never';

/** Whether to colour what is written to a stream: `--color`, then `NO_COLOR`, `FORCE_COLOR` and `TERM`, then the stream. */
export function useColor(choice: ColorChoice, isTerminal: boolean, env: NodeJS.ProcessEnv = process.env): boolean {
  if (choice !== 'auto') return choice === 'always';
  // no-color.org: present and not empty.
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0';
  return isTerminal && env.TERM !== 'dumb';
}

/** A stream that may be a terminal. */
export type Screen = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** One line that is written over again and again, on a terminal only; silent elsewhere. */
export interface Progress {
  show(text: string): void;
  /** Takes the line away, so that something else can be written. */
  clear(): void;
}

/** Shows at most one text in `everyMs`; the clock is a parameter for tests. */
export function progressLine(screen: Screen, enabled = true, everyMs = 80, now: () => number = Date.now): Progress {
  if (!enabled || screen.isTTY !== true) return { show: () => undefined, clear: () => undefined };
  let last = Number.NEGATIVE_INFINITY;
  let shown = false;
  return {
    show(text) {
      const time = now();
      if (time - last < everyMs) return;
      last = time;
      shown = true;
      const width = Math.max(10, (screen.columns ?? 80) - 1);
      const plain = Array.from(printable(text));
      screen.write(`\r\u001b[2K${plain.length > width ? `${plain.slice(0, width - 1).join('')}…` : plain.join('')}`);
    },
    clear() {
      if (shown) screen.write('\r\u001b[2K');
      shown = false;
      last = Number.NEGATIVE_INFINITY;
    },
  };
}

/** Without control characters: names in a cluster must not steer the user's terminal. */
function printable(text: string): string {
  return Array.from(text, (char) => (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(char) ? ' ' : char)).join('');
}

/**
 * Writes an answer and waits until it is taken. `false` where the reader has gone (`rampart … | head`), which is no
 * failure; other failures throw {@link IoError}.
 */
export function writeAnswer(stream: Writable, text: string | Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null | undefined): void => {
      if (error === null || error === undefined) resolve(true);
      else if (systemCode(error) === 'EPIPE' || systemCode(error) === 'ERR_STREAM_DESTROYED') resolve(false);
      else reject(new IoError('unwritable', `cannot write the answer: ${reasonOf(error)}`, { cause: error }));
    };
    // Without a listener Node ends the process, with a stack trace, when the reader goes away.
    if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
    stream.write(text, done);
  });
}

/**
 * Writes a file whole or not at all: readers see the old contents or the new. Devices and pipes such as `/dev/stdout` are
 * written to as they are.
 */
export function writeFileWhole(path: string, contents: string | Uint8Array): void {
  const bytes = typeof contents === 'string' ? Buffer.from(contents) : contents;
  let temporary: string | null = null;
  try {
    const before = statSync(path, { throwIfNoEntry: false });
    if (before !== undefined && !before.isFile()) {
      writeAll(openSync(path, 'w'), bytes);
      return;
    }
    temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
    writeAll(openSync(temporary, 'wx', before === undefined ? 0o666 : before.mode & 0o777), bytes);
    renameSync(temporary, path);
  } catch (error) {
    if (temporary !== null) {
      try {
        unlinkSync(temporary);
      } catch {
        // It was never made, or is not ours.
      }
    }
    throw new IoError('unwritable', `cannot write \`${path}\`: ${writeReason(error)}`, { cause: error });
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    try {
      fsyncSync(file);
    } catch {
      // Pipes and terminals cannot be synced.
    }
  } finally {
    closeSync(file);
  }
}

function writeReason(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOENT':
      return 'the folder does not exist';
    case 'EACCES':
    case 'EPERM':
      return 'no permission';
    case 'ENOSPC':
      return 'no space left';
    case 'EISDIR':
      return 'it is a folder';
    case 'EROFS':
      return 'read-only file system';
    default:
      return reasonOf(error);
  }
}
