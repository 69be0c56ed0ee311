import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { followFile } from '../../src/io/watch-file.ts';

const system = vi.hoisted(() => ({ watches: true }));

vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>();
  return {
    ...real,
    watch: (...args: Parameters<typeof real.watch>) => {
      if (!system.watches) throw Object.assign(new Error('ENOSPC: System limit for number of file watchers reached'));
      return real.watch(...args);
    },
  };
});

describe.each([true, false])('a file, where the system has watches: %s', (watches) => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0)) close();
    system.watches = true;
  });

  it('is followed, also as a part of a ConfigMap', async () => {
    system.watches = watches;
    const folder = mkdtempSync(join(tmpdir(), 'rampart-file-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    // As a kubelet lays a ConfigMap out: all files change with one link.
    const lay = (name: string, text: string): void => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'agent.yaml'), text);
      symlinkSync(name, join(folder, '..new'));
      renameSync(join(folder, '..new'), join(folder, '..data'));
    };
    lay('..1', 'deny: drop\n');
    const path = join(folder, 'agent.yaml');
    symlinkSync(join('..data', 'agent.yaml'), path);
    let calls = 0;
    closers.push(
      followFile(
        path,
        () => {
          calls++;
        },
        50,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 400));
    const before = calls;
    lay('..2', 'deny: reject\n');
    await vi.waitFor(() => expect(calls).toBe(before + 1), 5000);
    for (const close of closers.splice(1)) close();
    lay('..3', 'deny: drop\n');
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(calls).toBe(before + 1);
  });
});
