import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { lineWriter } from './log.ts';

describe('a log', () => {
  it('whose reader stands still loses lines, not memory, and says so when it is read again', async () => {
    const read: string[] = [];
    let take: () => void = () => undefined;
    let still = true;
    const stream = new Writable({
      decodeStrings: false,
      write: (chunk: string, _, done) => {
        read.push(chunk);
        take = done;
        if (!still) done();
      },
    });
    const write = lineWriter(stream);
    const line = `${'x'.repeat(1023)}\n`;
    for (let i = 0; i < 5000; i++) write(line);
    expect(stream.writableLength).toBeLessThan(1024 * 1024 + 2048);
    still = false;
    take();
    await new Promise((resolve) => setTimeout(resolve, 20));
    write('after\n');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(read.at(-1)).toBe('after\n');
    const { level, msg } = JSON.parse(read.at(-2) ?? '') as { level: string; msg: string };
    expect([level, msg]).toEqual(['warn', `${5000 - (read.length - 2)} lines are lost`]);
  });

  it('that cannot be written is no reason to end', async () => {
    const stream = new Writable({
      autoDestroy: false,
      write: (_, __, done) => done(Object.assign(new Error('no space left'), { code: 'ENOSPC' })),
    });
    stream.on('error', (error) => {
      throw error;
    });
    const write = lineWriter(stream);
    write('a\n');
    await new Promise((resolve) => setTimeout(resolve, 20));
    write('b\n');
    await new Promise((resolve) => setTimeout(resolve, 20));
  });
});
