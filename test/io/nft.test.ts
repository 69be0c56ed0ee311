import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFault, type KernelFault } from '../../src/io/kernel.ts';
import { nftKernel, parseCounters, parseNftError } from '../../src/io/nft.ts';
import { type NetworkNamespace, networkNamespace, sayWhySkipped } from '../support/network-namespace.ts';

const TABLE = `add table inet t
add counter inet t c
add map inet t m { type ipv4_addr : classid ; }
add chain inet t f { type filter hook forward priority -10 ; policy accept ; }
add element inet t m { 10.0.0.1 : 0:100 }
`;

describe('errors of nft', () => {
  it('are found with the words that they are about', () => {
    const stderr = [
      '/dev/stdin:2:24-31: Error: Could not process rule: File exists',
      'add element inet t m { 10.0.0.1 : 0:200 }',
      '                       ^^^^^^^^',
      '/dev/stdin:3:1-1: Error: another',
    ].join('\n');
    expect(parseNftError(stderr)).toEqual({
      message: 'Could not process rule: File exists',
      line: 2,
      excerpt: '10.0.0.1',
    });
    expect(parseNftError('Error: No such file or directory\nlist table inet x\n')).toEqual({
      message: 'No such file or directory',
      line: null,
      excerpt: null,
    });
    expect(parseNftError('internal:0:0-0: Error: Could not process rule: Invalid argument\n')?.line).toBeNull();
    expect(parseNftError('Segmentation fault\n')).toBeNull();
  });

  it('about endless lines are cut', () => {
    const line = `add element inet t m { ${'10.0.0.1, '.repeat(5000)}}`;
    const excerpt = parseNftError(`/dev/stdin:1:1-40000: Error: no\n${line}\n`)?.excerpt;
    expect(excerpt).toHaveLength(200);
  });
});

it('counters are read', () => {
  const text =
    'table inet t {\n\tcounter a {\n\t\tpackets 12 bytes 840\n\t}\n\tcounter b {\n\t\tcomment "x"\n\t\tpackets 1 bytes 2\n\t}\n}\n';
  expect([...parseCounters(text)]).toEqual([
    ['a', { packets: 12, bytes: 840 }],
    ['b', { packets: 1, bytes: 2 }],
  ]);
});

describe.skipIf(sayWhySkipped('nft in the kernel'))('nft in the kernel', () => {
  let space: NetworkNamespace;
  beforeAll(async () => {
    space = await networkNamespace();
  });
  afterAll(() => space.close());

  const open = (path = space.nft, timeoutMs = 20_000): ReturnType<typeof nftKernel> =>
    nftKernel({ table: 't', path, timeoutMs });
  const wrapper = (name: string, script: string): string => {
    const path = join(space.folder, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  };

  it('applies, lists, checks and counts, in our table alone', async () => {
    const kernel = open();
    expect(await kernel.list()).toEqual({ text: null });
    expect(await kernel.counters()).toBeNull();
    expect(await kernel.apply(TABLE)).toBeNull();
    expect(await kernel.apply('add table inet foreign\nadd chain inet foreign x\n')).toBeNull();
    const listed = await kernel.list();
    expect(listed).toMatchObject({ text: expect.stringContaining('10.0.0.1 : 0:100') });
    expect(JSON.stringify(listed)).not.toContain('foreign');
    expect(await kernel.counters()).toEqual(new Map([['c', { packets: 0, bytes: 0 }]]));
    expect(await kernel.check('add counter inet t c\n')).toBeNull();
    expect(await kernel.check('add counter inet gone c\n')).toMatchObject({ kind: 'refused' });
    expect(await kernel.check('delete table inet t\n')).toBeNull();
    expect(await kernel.list()).toMatchObject({ text: expect.stringContaining('table inet t') });
    expect(await kernel.version()).toMatch(/^nftables v\d/);
  });

  it('refuses a transaction as a whole, and says where', async () => {
    const kernel = open();
    const before = await kernel.list();
    const fault = await kernel.apply(
      'add element inet t m { 10.0.0.2 : 0:1 }\nadd element inet t m { 10.0.0.1 : 0:200 }\n',
    );
    expect(fault).toEqual({
      kind: 'refused',
      message: 'Could not process rule: File exists',
      line: 2,
      excerpt: '10.0.0.1',
    });
    expect(await kernel.apply('add rubbish\n')).toMatchObject({ kind: 'refused', line: 1 });
    expect(await kernel.list()).toEqual(before);
  });

  it('carries out transactions of megabytes, one after the other', async () => {
    const kernel = open();
    const batch = (from: number): string =>
      Array.from({ length: 50 }, (_, i) => {
        const elements = Array.from({ length: 1000 }, (_, j) => `172.${from}.${i}.${j % 250} : 0:${(j % 250) + 1}`);
        return `add element inet t m { ${[...new Set(elements)].join(', ')} }`;
      }).join('\n');
    const answers = await Promise.all([kernel.apply(batch(16)), kernel.apply(batch(17)), kernel.apply(batch(18))]);
    expect(answers).toEqual([null, null, null]);
    const listed = await kernel.list();
    expect(isFault(listed) ? 0 : listed.text?.match(/172\./g)?.length).toBe(3 * 50 * 250);
  });

  it('that does not end is killed, crashes or is not there: all of it is broken', async () => {
    const faults: [string, KernelFault | null][] = [
      ['slow', await open(wrapper('slow', 'exec sleep 30'), 300).apply('')],
      ['crash', await open(wrapper('crash', 'kill -SEGV $$')).apply('')],
      ['missing', await open(join(space.folder, 'nowhere')).apply('')],
      [
        'forbidden',
        await open(
          wrapper('forbidden', 'echo "Error: Could not process rule: Operation not permitted" >&2; exit 1'),
        ).apply(''),
      ],
      ['mute', await open(wrapper('mute', 'exit 3')).apply('')],
    ];
    expect(faults.map(([name, fault]) => [name, fault?.kind, fault?.kind === 'broken' ? fault.signal : null])).toEqual([
      ['slow', 'broken', 'SIGKILL'],
      ['crash', 'broken', 'SIGSEGV'],
      ['missing', 'broken', null],
      ['forbidden', 'broken', null],
      ['mute', 'broken', null],
    ]);
    expect(faults[2]?.[1]?.message).toContain('cannot be run');
    expect(await open(wrapper('crash', 'kill -SEGV $$')).list()).toMatchObject({ kind: 'broken', signal: 'SIGSEGV' });
  });

  it('that could not be started at all is started the next time', async () => {
    const kernel = open();
    const path = process.env.PATH;
    const files = readdirSync('/proc/self/fd').length;
    try {
      // The system takes no string of this length for a new process.
      process.env.PATH = `${path}:${'x'.repeat(1 << 20)}`;
      expect(await kernel.apply(TABLE)).toMatchObject({ kind: 'broken', message: expect.stringContaining('E2BIG') });
    } finally {
      process.env.PATH = path;
    }
    expect(readdirSync('/proc/self/fd')).toHaveLength(files);
    expect(await kernel.check(TABLE)).toBeNull();
  });

  it('leaves no core and no file behind', async () => {
    const limits = join(space.folder, 'limits');
    await open(wrapper('cores', `ulimit -c > ${limits}`)).apply('x');
    expect(readFileSync(limits, 'utf8').trim()).toBe('0');
    const left = ['/dev/shm', '/run', '/run/rampart'].filter(existsSync).flatMap((folder) => readdirSync(folder));
    expect(left.filter((name) => name.startsWith(`.rampart-${process.pid}`))).toEqual([]);
  });

  it('gets the whole transaction or nothing of it', async () => {
    const copy = join(space.folder, 'copy');
    const text = `${TABLE}${'# filling\n'.repeat(100_000)}# end\n`;
    expect(await open(wrapper('keep', `cat > ${copy}`)).apply(text)).toBeNull();
    expect(readFileSync(copy, 'utf8')).toBe(text);
  });
});
