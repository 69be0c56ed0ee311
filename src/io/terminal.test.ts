import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IoError } from './io-error.ts';
import { progressLine, type Screen, useColor, writeFileWhole } from './terminal.ts';

function screen(isTTY: boolean): { screen: Screen; text: () => string } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { screen: Object.assign(stream, { isTTY, columns: 20 }), text: () => chunks.join('') };
}

describe('useColor', () => {
  it.each([
    ['auto', true, {}, true],
    ['auto', false, {}, false],
    ['auto', true, { NO_COLOR: '1' }, false],
    ['auto', true, { NO_COLOR: '' }, true],
    ['auto', false, { FORCE_COLOR: '1' }, true],
    ['auto', true, { TERM: 'dumb' }, false],
    ['always', false, { NO_COLOR: '1' }, true],
    ['never', true, { FORCE_COLOR: '1' }, false],
  ] as const)('%s, terminal %s, %j: %s', (choice, terminal, env, expected) => {
    expect(useColor(choice, terminal, env)).toBe(expected);
  });
});

describe('progressLine', () => {
  it('writes nothing where there is no terminal', () => {
    const { screen: pipe, text } = screen(false);
    const line = progressLine(pipe);
    line.show('pods 500');
    line.clear();
    expect(text()).toBe('');
  });

  it('overwrites one line, within the width, without control characters, and takes it away', () => {
    const { screen: tty, text } = screen(true);
    let time = 0;
    const line = progressLine(tty, true, 80, () => time);
    line.show('pods 500');
    time = 10;
    line.show('too soon');
    time = 100;
    line.show(`evil\u001b[31m\n${'x'.repeat(40)}`);
    line.clear();
    line.clear();
    expect(text()).toBe('\r\u001b[2Kpods 500\r\u001b[2Kevil [31m xxxxxxxx…\r\u001b[2K');
  });
});

describe('writeAnswer', () => {
  it('survives a reader that goes away', async () => {
    const module = join(import.meta.dirname, 'terminal.ts');
    const script = `import { writeAnswer } from ${JSON.stringify(module)};
      let ok = true;
      for (let i = 0; i < 1000 && ok; i++) ok = await writeAnswer(process.stdout, 'x'.repeat(65536));
      console.error(ok ? 'never noticed' : 'reader gone');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += String(chunk);
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, stderr]).toEqual([0, 'reader gone\n']);
  });
});

describe('writeFileWhole', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'rampart-out-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('replaces a file, keeps its mode and leaves nothing beside it', () => {
    const path = join(dir, 'out.json');
    writeFileSync(path, 'old');
    chmodSync(path, 0o640);
    writeFileWhole(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(readdirSync(dir)).toEqual(['out.json']);
  });

  it('writes to a device', () => {
    writeFileWhole('/dev/null', 'x');
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  it('says why it cannot', () => {
    for (const [path, why] of [
      [join(dir, 'no/such/folder'), 'the folder does not exist'],
      [dir, 'it is a folder'],
    ] as const) {
      expect(() => writeFileWhole(path, 'x')).toThrow(new IoError('unwritable', `cannot write \`${path}\`: ${why}`));
    }
    expect(readdirSync(dir)).toEqual([]);
  });
});
