import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from './child.ts';
import { IoError } from './io-error.ts';
import { renderHelm, renderKustomize } from './render.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rampart-render-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A program of that name in a folder of its own; a PATH with only that folder and what shells need. */
function program(name: string, script: string): string {
  const bin = join(dir, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
  return bin;
}

async function failure(promise: Promise<unknown>): Promise<IoError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof IoError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

const kubectl = await runProgram('kubectl', ['kustomize', '--help']);

describe('renderKustomize', () => {
  it.skipIf(kubectl === null)('renders with the real kubectl', async () => {
    writeFileSync(join(dir, 'kustomization.yaml'), 'namePrefix: pre-\nnamespace: shop\nresources: [ns.yaml]\n');
    writeFileSync(join(dir, 'ns.yaml'), 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n');
    const out = await renderKustomize(dir);
    expect(out.file).toBe(`kustomize:${dir}`);
    expect(Buffer.from(out.bytes).toString()).toBe(
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: pre-a\n  namespace: shop\n',
    );
  });

  it.skipIf(kubectl === null)('shows what kubectl says when it fails', async () => {
    const error = await failure(renderKustomize(dir));
    expect(error.code).toBe('tool-failed');
    expect(error.message).toContain(`\`kubectl kustomize ${dir}\` failed with exit code 1`);
    expect(error.message).toContain('unable to find one of');
  });

  it('falls back to kustomize, and names the way out where both are missing', async () => {
    const bin = program('kustomize', 'echo "args: $*"');
    const out = await renderKustomize(dir, { env: { PATH: bin } });
    expect(Buffer.from(out.bytes).toString()).toBe(`args: build -- ${dir}\n`);
    rmSync(bin, { recursive: true });
    const error = await failure(renderKustomize(dir, { env: { PATH: bin } }));
    expect([error.code, error.help]).toEqual([
      'tool-missing',
      'install one of them, or render elsewhere and pipe: `kubectl kustomize DIR | rampart … -f -`',
    ]);
  });

  it('names a folder that does not exist', async () => {
    expect((await failure(renderKustomize(join(dir, 'nope')))).code).toBe('not-found');
  });
});

describe('renderHelm', () => {
  it('passes values, release and namespace', async () => {
    const values = join(dir, 'v.yaml');
    writeFileSync(values, '');
    const env = { PATH: program('helm', 'for a; do echo "$a"; done') };
    const out = await renderHelm({ chart: '-odd', values: [values], release: 'r', namespace: 'n' }, { env });
    expect(Buffer.from(out.bytes).toString().trim().split('\n')).toEqual([
      'template',
      '--namespace',
      'n',
      '--values',
      values,
      '--',
      'r',
      '-odd',
    ]);
    expect((await failure(renderHelm({ chart: 'c', values: ['nope.yaml'] }, { env }))).code).toBe('not-found');
  });

  it('names the way out where helm is missing', async () => {
    const error = await failure(renderHelm({ chart: 'c', values: [] }, { env: { PATH: dir } }));
    expect(error.message).toBe('`helm` is not on the PATH');
    expect(error.help).toContain('helm template CHART | rampart');
  });

  it('shows what helm says when it fails', async () => {
    const env = { PATH: program('helm', 'echo "Error: no such chart" >&2; exit 3') };
    expect((await failure(renderHelm({ chart: 'c', values: [] }, { env }))).message).toBe(
      '`helm template c` failed with exit code 3:\nError: no such chart',
    );
  });
});

describe('runProgram', () => {
  it('ends the program when told to', async () => {
    const env = { PATH: `${program('slow', 'echo $$ > "$OUT"; exec sleep 60')}:/usr/bin:/bin`, OUT: join(dir, 'pid') };
    const controller = new AbortController();
    const running = failure(runProgram(join(dir, 'bin/slow'), [], { env, signal: controller.signal }));
    await until(() => existsSync(env.OUT) && readFileSync(env.OUT, 'utf8') !== '');
    controller.abort();
    expect((await running).code).toBe('interrupted');
    expect(alive(Number(readFileSync(env.OUT, 'utf8')))).toBe(false);
  });

  it('ends the program on SIGINT to Rampart alone', async () => {
    const out = join(dir, 'pid');
    program('slow', 'echo $$ > "$OUT"; exec sleep 60');
    const module = join(import.meta.dirname, 'child.ts');
    const script = `import { runProgram } from ${JSON.stringify(module)};
      runProgram(${JSON.stringify(join(dir, 'bin/slow'))}, []).catch((e) => { console.log(e.code); process.exit(130); });`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, OUT: out },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise<number | null>((resolve) => parent.on('exit', resolve));
    await until(() => existsSync(out) && readFileSync(out, 'utf8') !== '');
    const pid = Number(readFileSync(out, 'utf8'));
    expect(alive(pid)).toBe(true);
    parent.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(alive(pid)).toBe(false);
  });

  it('does not wait for a program that leaves its input unread', async () => {
    expect((await runProgram('true', [], { input: 'x'.repeat(1 << 20) }))?.code).toBe(0);
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('gave up waiting');
}
