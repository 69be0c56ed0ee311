import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Input, readPaths } from './files.ts';
import { IoError } from './io-error.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rampart-files-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(path: string, text = 'a: 1\n'): string {
  const full = join(dir, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  return full;
}

function names(inputs: readonly Input[]): string[] {
  return inputs.map((i) => i.file.replace(`${dir}/`, ''));
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

describe('readPaths', () => {
  it('reads a folder recursively, sorted, manifests only, hidden folders left out, and says what it skipped', async () => {
    for (const f of [
      'b.yml',
      'a.yaml',
      'sub/c.json',
      'sub/deep/d.YAML',
      'README.md',
      '.git/config.yaml',
      '.hidden.yaml',
      'x.yaml.bak',
    ])
      put(f);
    const skipped: string[] = [];
    const inputs = await readPaths([dir], {
      onSkip: (path, why) => skipped.push(`${path.replace(`${dir}/`, '')}: ${why}`),
    });
    expect(names(inputs)).toEqual(['.hidden.yaml', 'a.yaml', 'b.yml', 'sub/c.json', 'sub/deep/d.YAML']);
    expect(skipped.sort()).toEqual([
      '.git: hidden folder',
      'README.md: name does not end in .yaml, .yml or .json',
      'x.yaml.bak: name does not end in .yaml, .yml or .json',
    ]);
  });

  it('keeps the bytes and the order of the operands', async () => {
    const b = put('b.txt', '\ufeffb: ü\n');
    const a = put('a.yaml', 'a');
    const inputs = await readPaths([b, a]);
    expect(names(inputs)).toEqual(['b.txt', 'a.yaml']);
    expect(Buffer.from(inputs[0]?.bytes ?? []).toString('hex')).toBe('efbbbf623a20c3bc0a');
  });

  it('ends where links go in circles, and reads every file once', async () => {
    put('one/a.yaml');
    symlinkSync(join(dir, 'one'), join(dir, 'one/loop'));
    symlinkSync('..', join(dir, 'one/up'));
    symlinkSync(join(dir, 'one/a.yaml'), join(dir, 'z.yaml'));
    expect(names(await readPaths([dir, join(dir, 'one'), join(dir, 'one/a.yaml')]))).toEqual(['one/a.yaml']);
  });

  it('follows links to files as a ConfigMap volume has them', async () => {
    put('..2026_01_01/web.yaml', 'web');
    symlinkSync('..2026_01_01', join(dir, '..data'));
    symlinkSync('..data/web.yaml', join(dir, 'web.yaml'));
    const inputs = await readPaths([dir]);
    expect(names(inputs)).toEqual(['web.yaml']);
    expect(Buffer.from(inputs[0]?.bytes ?? []).toString()).toBe('web');
  });

  it('reads - once', async () => {
    async function* stream(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a: ');
      yield Buffer.from('1\n');
    }
    const inputs = await readPaths(['-', '-'], { stdin: stream() });
    expect(inputs.map((i) => [i.file, Buffer.from(i.bytes).toString()])).toEqual([['-', 'a: 1\n']]);
  });

  it('names the neighbour of a path that does not exist', async () => {
    put('policies/web.yaml');
    const error = await failure(readPaths([join(dir, 'polices/web.yaml')]));
    expect([error.code, error.message, error.help]).toEqual([
      'not-found',
      `\`${dir}/polices/web.yaml\` does not exist`,
      `did you mean \`${dir}/policies\`?`,
    ]);
    expect((await failure(readPaths([join(dir, 'policies/web.yml')]))).help).toBe(
      `did you mean \`${dir}/policies/web.yaml\`?`,
    );
    expect((await failure(readPaths([join(dir, 'qqqqqq')]))).help).toBeNull();
    // Below a file there can be nothing, and the system says so in another way.
    const below = await failure(readPaths([join(dir, 'policies/web.yaml/x')]));
    expect([below.code, below.message]).toEqual(['not-found', `\`${dir}/policies/web.yaml/x\` does not exist`]);
  });

  it('fails on a link to nowhere, an address, and a folder without manifests', async () => {
    put('sub/README.md');
    symlinkSync('nowhere.yaml', join(dir, 'dead.yaml'));
    expect((await failure(readPaths([dir]))).message).toBe(
      `\`${dir}/dead.yaml\` is a link to something that does not exist`,
    );
    expect((await failure(readPaths([join(dir, 'sub')]))).code).toBe('no-manifests');
    expect((await failure(readPaths(['https://example.com/a.yaml']))).help).toContain('curl');
  });

  it.skipIf(process.getuid?.() === 0)('fails on a file without permission', async () => {
    chmodSync(put('a.yaml'), 0);
    expect((await failure(readPaths([dir]))).message).toBe(`no permission to read \`${dir}/a.yaml\``);
  });
});
