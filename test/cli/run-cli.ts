/** Runs command lines: in this process with streams of memory, or as a process of its own. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { run } from '../../src/cli/run.ts';
import { TOP } from '../support/source-files.ts';

export const SHOP: string = join(TOP, 'examples', 'shop');

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Surroundings {
  readonly stdin?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Both streams are a terminal of so many columns. */
  readonly columns?: number;
  readonly signal?: AbortSignal;
}

class Memory extends Writable {
  text = '';
  readonly isTTY: boolean;
  readonly columns: number;

  constructor(columns: number | undefined) {
    super();
    this.isTTY = columns !== undefined;
    this.columns = columns ?? 80;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8');
    done();
  }
}

/** In this process. Nothing of its surroundings is the test's own: no environment, no terminal, empty stdin. */
export async function cli(args: readonly string[], around: Surroundings = {}): Promise<Outcome> {
  const out = new Memory(around.columns);
  const err = new Memory(around.columns);
  const code = await run(args, {
    stdin: Readable.from([around.stdin ?? '']),
    stdout: out,
    stderr: err,
    env: around.env ?? {},
    cwd: around.cwd ?? TOP,
    signal: around.signal ?? new AbortController().signal,
  });
  return { code, out: out.text, err: err.text };
}

export interface Json {
  readonly [key: string]: unknown;
}

/** The JSON document that a command line answers with. */
export async function json(args: readonly string[], around: Surroundings = {}): Promise<Json> {
  const { out, err } = await cli([...args, '-o', 'json'], around);
  if (out === '') throw new Error(`no answer: ${err}`);
  return JSON.parse(out) as Json;
}

/** A folder in the temporary folder with these files. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'rampart-cli-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

export function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** As a process of its own, through the launcher of the checkout. */
export function launch(args: readonly string[], around: Surroundings = {}): Promise<Outcome> {
  return command(join(TOP, 'rampart'), args, around);
}

/** A program with its outcome. */
export function command(program: string, args: readonly string[], around: Surroundings = {}): Promise<Outcome> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd: around.cwd ?? TOP, env: { ...process.env, ...around.env } });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString('utf8');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString('utf8');
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(around.stdin ?? '');
    child.on('error', fail);
    child.on('close', (code) => done({ code, out, err }));
  });
}
