import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { labFolder } from '../../src/lab/state-folder.ts';
import { downAll, missingLab, newName } from './labs.ts';

const why = missingLab();
if (why !== null) console.log(`skipped: the lab on the command line (${why})`);

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const SHOP = join(import.meta.dirname, '../../examples/shop');
const lab = (...args: readonly string[]) =>
  spawnSync(process.execPath, [MAIN, 'lab', ...args], { encoding: 'utf8', timeout: 120_000 });

function begin(...args: readonly string[]): {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly ended: Promise<number | null>;
} {
  const child = spawn(process.execPath, [MAIN, 'lab', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { child, said: () => text, ended: new Promise((resolve) => child.on('close', (code) => resolve(code))) };
}

describe.skipIf(why !== null)('rampart lab', { timeout: 180_000 }, () => {
  afterEach(downAll);

  it('brings the shop up with its policies, tells of it, and ends it', () => {
    const name = newName();
    const up = lab('up', '-f', SHOP, '--name', name, '--nodes', '2');
    expect([up.status, up.stdout]).toEqual([0, '']);
    expect(up.stderr).toMatch(
      new RegExp(`the lab \`${name}\` is up after [\\d.]+ s: 2 nodes, 23 pods, \\d+ addresses outside`),
    );
    const again = lab('up', '-f', SHOP, '--name', name);
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('is up already')]);
    const { labs } = JSON.parse(lab('status', '--name', name, '-o', 'json').stdout) as {
      readonly labs: readonly {
        readonly pods: readonly { readonly state: string }[];
        readonly nodes: readonly { readonly agent: { readonly state: string } }[];
      }[];
    };
    expect(labs).toHaveLength(1);
    expect(labs[0]?.pods.map(({ state }) => state)).toEqual(Array(23).fill('running'));
    expect(labs[0]?.nodes.map(({ agent }) => agent.state)).toEqual(['ready', 'ready']);
    expect(lab('status', '--name', name).stdout).toMatch(
      /data\/postgres-0 +node-\d +\S+ +running +5432\/tcp 9187\/tcp/,
    );
    // Its policies let the API at the database, and the frontend not.
    const connect = ['timeout', '2', 'bash', '-c', 'exec 3<>/dev/tcp/postgres.data/5432 && head -1 <&3'];
    expect(lab('exec', '--name', name, 'shop/api', '--', ...connect)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^data\/postgres-\d\n$/),
    });
    expect(lab('exec', '--name', name, 'shop/frontend', '--', ...connect)).toMatchObject({ status: 124, stdout: '' });
    expect(lab('down', '--name', name)).toMatchObject({ status: 0, stderr: `the lab \`${name}\` is down\n` });
    expect(lab('down', '--name', name)).toMatchObject({ status: 0, stderr: `no lab \`${name}\` is up\n` });
    expect(existsSync(labFolder(name, process.env))).toBe(false);
  });

  it('is called off by Ctrl-C, and leaves nothing', async () => {
    const name = newName();
    const { child, said, ended } = begin('up', '-f', SHOP, '--name', name);
    await expect.poll(said, { timeout: 60_000, interval: 5 }).toContain('starting 23 pods');
    child.kill('SIGINT');
    expect(await ended).toBe(1);
    expect(said()).toContain('rampart: interrupted');
    expect(existsSync(labFolder(name, process.env))).toBe(false);
  });

  it('tells what is wrong with what it is asked', () => {
    const wrong: readonly (readonly [readonly string[], number, string])[] = [
      [['up'], 64, 'a lab needs manifests'],
      [['up', '-f', SHOP, '--nodes', '0'], 64, '--nodes is `0`'],
      [['up', '-f', SHOP, '--name', 'A/B'], 1, '`A/B` cannot be the name of a lab'],
      [['up', '-f', join(SHOP, 'nowhere')], 1, 'nowhere'],
      [['up', '-f', SHOP, '--cni', 'other'], 64, '--cni'],
      [['exec', 'a/b', '--name', 'not-there', '--', 'true'], 1, 'no lab `not-there` is up'],
      [['down', '--all', '--name', 'x'], 64, 'exclude each other'],
      [['apply', '--name', 'not-there'], 64, 'nothing is named'],
    ];
    for (const [args, status, text] of wrong) {
      expect([args, lab(...args)]).toEqual([
        args,
        expect.objectContaining({ status, stderr: expect.stringContaining(text) }),
      ]);
    }
  });
});
