import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reasonOf } from './io-error.ts';
import type { CounterValue, Kernel, KernelFault } from './kernel.ts';

export interface NftOptions {
  /** Of the only table that is ever listed or written. */
  readonly table: string;
  /** The program; `nft` of the PATH unless given. */
  readonly path?: string;
  /** After so long, nft is killed. */
  readonly timeoutMs?: number;
}

/** The `nft` program as a kernel; it runs once at a time. */
export interface Nft extends Kernel {
  /** `nftables v1.0.6 (…)`; `null` if there is no such program. */
  version(): Promise<string | null>;
}

interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly late: boolean;
}

/** A listing of 100,000 elements has about 8 MB. */
const LONGEST_OUTPUT = 512 * 1024 * 1024;
/** nft repeats the line at fault, which may have thousands of elements. */
const LONGEST_ERROR = 256 * 1024;

/** Opens nftables; nothing is run yet. */
export function nftKernel(options: NftOptions): Nft {
  const { table, path = 'nft', timeoutMs = 30_000 } = options;
  let last: Promise<unknown> = Promise.resolve();

  /** One after another: nft processes at the same time would wait for each other in the kernel, or get in each other's way. */
  function run(args: readonly string[], input: string | null): Promise<Finished | KernelFault> {
    const next = last.then(() =>
      // Where there is no memory for another process, Node throws. Whoever comes next has a chance of his own.
      runOnce(path, args, input, timeoutMs).catch((error: unknown) =>
        broken(`cannot run \`${path}\`: ${reasonOf(error)}`),
      ),
    );
    last = next;
    return next;
  }

  async function load(args: readonly string[], transaction: string): Promise<KernelFault | null> {
    const done = await run([...args, '-f', '-'], transaction);
    if ('kind' in done) return done;
    return done.code === 0 && done.signal === null ? null : faultOf(done, timeoutMs);
  }

  return {
    apply: (transaction) => load([], transaction),
    check: (transaction) => load(['-c'], transaction),

    async list() {
      const done = await run(['-nn', 'list', 'table', 'inet', table], null);
      if ('kind' in done) return done;
      if (done.code === 0 && done.signal === null) return { text: done.stdout };
      return isAbsent(done) ? { text: null } : faultOf(done, timeoutMs);
    },

    async counters() {
      const done = await run(['list', 'counters', 'table', 'inet', table], null);
      if ('kind' in done) return done;
      if (done.code === 0 && done.signal === null) return parseCounters(done.stdout);
      return isAbsent(done) ? null : faultOf(done, timeoutMs);
    },

    async version() {
      const done = await run(['--version'], null);
      if ('kind' in done || done.code !== 0) return null;
      return done.stdout.trim();
    },
  };
}

// Newer tables make older versions of nft crash again and again; their cores would fill the disk.
const WITHOUT_CORE = 'ulimit -c 0 2>/dev/null; exec "$0" "$@"';

function runOnce(
  path: string,
  args: readonly string[],
  input: string | null,
  timeoutMs: number,
): Promise<Finished | KernelFault> {
  let stdin: number | 'ignore' = 'ignore';
  try {
    if (input !== null) stdin = fileOf(input);
  } catch (error) {
    return Promise.resolve(broken(`nowhere to put a transaction: ${reasonOf(error)}`));
  }
  return new Promise((resolve) => {
    let late = false;
    const stdout = bounded(LONGEST_OUTPUT);
    const stderr = bounded(LONGEST_ERROR);
    const settle = (answer: Finished | KernelFault): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    let child: ChildProcess;
    try {
      child = spawn('/bin/sh', ['-c', WITHOUT_CORE, path, ...args], {
        stdio: [stdin, 'pipe', 'pipe'],
        env: { PATH: process.env.PATH, LC_ALL: 'C' },
        // A group of its own, so that Ctrl-C lets it finish.
        detached: true,
      });
    } finally {
      if (typeof stdin === 'number') closeSync(stdin);
    }
    const timer = setTimeout(() => {
      late = true;
      killGroup(child.pid);
    }, timeoutMs);
    child.stdout?.on('data', stdout.add);
    child.stderr?.on('data', stderr.add);
    child.on('error', (error) => settle(broken(`cannot run \`${path}\`: ${reasonOf(error)}`)));
    child.on('close', (code, signal) => {
      if (stdout.overflown()) settle(broken(`\`${path}\` says more than ${LONGEST_OUTPUT} bytes`));
      else settle({ code, signal, stdout: stdout.text(), stderr: stderr.text(), late });
    });
  });
}

/** A wrapper around nft may have children, which would hold on to its output. */
function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // It has ended by itself in the meantime.
  }
}

function broken(message: string, signal: string | null = null): KernelFault {
  return { kind: 'broken', message, signal };
}

let files = 0;

/**
 * A nameless file that holds the text. Not a pipe: who is killed while writing into one leaves nft with a part of the
 * transaction, which may well be valid by itself.
 */
function fileOf(text: string): number {
  let problem: unknown = new Error('no folder for temporary files');
  // Memory first: a full disk must not keep policies out of the kernel.
  for (const folder of ['/dev/shm', '/run/rampart', '/run', tmpdir()]) {
    const name = join(folder, `.rampart-${process.pid}-${++files}`);
    try {
      return writeNameless(name, text);
    } catch (error) {
      problem = error;
    }
  }
  throw problem;
}

function writeNameless(name: string, text: string): number {
  const writing = openSync(name, 'wx', 0o600);
  let reading: number | null = null;
  try {
    reading = openSync(name, 'r');
    unlinkSync(name);
    const bytes = Buffer.from(text, 'utf8');
    for (let at = 0; at < bytes.length; ) at += writeSync(writing, bytes, at);
    return reading;
  } catch (error) {
    if (reading === null) unlinkSync(name);
    else closeSync(reading);
    throw error;
  } finally {
    closeSync(writing);
  }
}

interface Bounded {
  readonly add: (chunk: Buffer) => void;
  readonly text: () => string;
  readonly overflown: () => boolean;
}

function bounded(limit: number): Bounded {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    add: (chunk) => {
      if (size < limit) chunks.push(chunk);
      size += chunk.length;
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
    overflown: () => size > limit,
  };
}

function isAbsent({ code, stderr }: Finished): boolean {
  return code === 1 && /Error: (?:Could not process rule: )?No such file or directory/.test(stderr);
}

/** Not for what the transaction says: asking again later may help. */
const NOT_OUR_WORDS =
  /Operation not permitted|Cannot allocate memory|No buffer space|Interrupted system call|cache initialization failed|Unable to initialize Netlink|Resource temporarily unavailable/;

function faultOf(done: Finished, timeoutMs: number): KernelFault {
  const { code, signal, late, stderr } = done;
  if (late) return broken(`nft took longer than ${timeoutMs / 1000} s and was killed`, 'SIGKILL');
  if (signal !== null) return broken(`nft was ended by ${signal}`, signal);
  const first = parseNftError(stderr);
  if (code === 126 || code === 127) return broken(`nft cannot be run: ${first?.message ?? firstLine(stderr)}`);
  if (first === null) return broken(`nft failed with code ${code}: ${firstLine(stderr)}`);
  if (NOT_OUR_WORDS.test(first.message)) return broken(first.message);
  return { kind: 'refused', ...first };
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]?.slice(0, 300) ?? '';
}

/** The first error that nft reports, with the words of the transaction that it underlines. */
export function parseNftError(
  stderr: string,
): { readonly message: string; readonly line: number | null; readonly excerpt: string | null } | null {
  const lines = stderr.split('\n');
  for (const [index, text] of lines.entries()) {
    const found = /^(?:[^\s:]+:(\d+):(\d+)-(\d+): )?(?:netlink: )?Error: (.*)$/.exec(text);
    if (found === null) continue;
    const [, line, from, to, message = ''] = found;
    const source = lines[index + 1];
    const excerpt =
      from === undefined || to === undefined || source === undefined
        ? null
        : source.slice(Number(from) - 1, Math.min(Number(to), Number(from) + 199));
    const at = line === undefined || line === '0' ? null : Number(line);
    return { message, line: at, excerpt: excerpt === '' ? null : excerpt };
  }
  return null;
}

/** What `nft list counters` says. */
export function parseCounters(text: string): ReadonlyMap<string, CounterValue> {
  const out = new Map<string, CounterValue>();
  for (const [, name = '', packets, bytes] of text.matchAll(
    /counter (\S+) \{\s*(?:comment "[^"]*"\s*)?packets (\d+) bytes (\d+)/g,
  )) {
    out.set(name, { packets: Number(packets), bytes: Number(bytes) });
  }
  return out;
}
