import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { labFolder, livingProcess } from '../../src/lab/state-folder.ts';
import { folderOf, remove } from '../cli/run-cli.ts';
import { downAll, missingLab, newName } from './labs.ts';

const why = missingLab();
if (why !== null) console.log(`skipped: the lab on the command line (${why})`);

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const SHOP = join(import.meta.dirname, '../../examples/shop');
const SMALL = join(import.meta.dirname, 'small.yaml');
const lab = (...args: readonly string[]) => labWith({}, ...args);
const labWith = (env: NodeJS.ProcessEnv, ...args: readonly string[]) =>
  spawnSync(process.execPath, [MAIN, 'lab', ...args], {
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, ...env },
  });

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
    // Other commands read it as they read any cluster.
    const kubeconfig = join(labFolder(name, process.env), 'kubeconfig');
    const explained = spawnSync(
      process.execPath,
      [MAIN, 'explain', 'shop/api', 'data/postgres:5432', '--kubeconfig', kubeconfig],
      { encoding: 'utf8' },
    );
    expect(explained.stdout).toContain('ALLOWED');
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

  it.each(['SIGHUP', 'SIGTERM'] as const)('is called off by %s as well', async (signal) => {
    const name = newName();
    const { child, said, ended } = begin('run', '-f', SHOP, '--name', name);
    await expect.poll(() => existsSync(labFolder(name, process.env)), { timeout: 60_000, interval: 5 }).toBe(true);
    child.kill(signal);
    expect(await ended).toBe(1);
    expect(said()).toContain('interrupted; the lab is down');
    expect(existsSync(labFolder(name, process.env))).toBe(false);
  });

  it('lets programs run where a pod is', () => {
    const name = newName();
    expect(lab('up', '-q', '-f', SHOP, '--name', name, '--replicas', '1').status).toBe(0);
    const within = (who: string, ...words: readonly string[]) => lab('exec', '--name', name, who, '--', ...words);
    // What a pod answers is HTTP for whoever speaks it, also through a Service; a proxy of the machine is not in the way.
    const asking = "fetch('http://api').then((got) => got.text()).then((text) => process.stdout.write(text))";
    expect(
      labWith(
        { http_proxy: 'http://192.0.2.1:3128', HTTP_PROXY: 'http://192.0.2.1:3128', NODE_USE_ENV_PROXY: '1' },
        ...['exec', '--name', name, 'shop/frontend', '--', process.execPath, '-e', asking],
      ),
    ).toMatchObject({ status: 0, stdout: expect.stringMatching(/^shop\/api-\S+\n$/) });
    expect(within('shop/api', 'sh', '-c', 'exit 5').status).toBe(5);
    expect(within('shop/api', 'sh', '-c', 'kill -TERM $$').status).toBe(143);
    expect(within('shop/api', 'no-such-program')).toMatchObject({
      status: 127,
      stderr: expect.stringContaining('there is no program `no-such-program` on this machine'),
    });
    const missing = (who: string): string => within(who, 'true').stderr;
    expect(missing('shop/fronted')).toContain('did you mean `shop/frontend`?');
    expect(missing('frontend')).toContain('did you mean `shop/frontend`?');
    expect(missing('node-2')).toContain('did you mean `node/node-2`?');
    expect(missing('zzz')).toContain('it is NAMESPACE/POD, NAMESPACE/WORKLOAD, node/NAME or outside');
    expect(lab('exec', '--name', name, 'shop/api', 'ls', '-l')).toMatchObject({
      status: 64,
      stderr: expect.stringContaining('words for the program come after --: `rampart lab exec WHO -- …`'),
    });
  });

  it('follows what is denied until the lab ends', async () => {
    const name = newName();
    expect(lab('up', '-q', '-f', SMALL, '--name', name).status).toBe(0);
    const { said, ended } = begin('logs', '-f', '--name', name);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(lab('down', '--name', name).status).toBe(0);
    expect(await ended).toBe(0);
    expect(said()).toBe(`the lab \`${name}\` has ended\n`);
  });

  it('does not end a lab that was there before', () => {
    const name = newName();
    expect(lab('up', '-q', '-f', SMALL, '--name', name).status).toBe(0);
    expect(lab('run', '-f', SMALL, '--name', name)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is up already'),
    });
    expect(lab('status', '--name', name).status).toBe(0);
  });

  it('takes away what killed labs of other names have left', async () => {
    const name = newName();
    const { child, ended } = begin('run', '-f', SMALL, '--name', name);
    const folder = labFolder(name, process.env);
    await expect.poll(() => existsSync(join(folder, 'control.sock')), { timeout: 60_000, interval: 5 }).toBe(true);
    child.kill('SIGKILL');
    await ended;
    await expect.poll(() => livingProcess(folder), { timeout: 10_000 }).toBeNull();
    expect(existsSync(folder)).toBe(true);
    expect(lab('up', '-q', '-f', SMALL, '--name', newName()).status).toBe(0);
    expect(existsSync(folder)).toBe(false);
  });

  it('takes nodes with long names', () => {
    const node = `ip-10-0-12-34.${'eu-central-1.compute.internal.'.repeat(3)}example.com`;
    const folder = folderOf({ 'node.yaml': `apiVersion: v1\nkind: Node\nmetadata: {name: ${node}}\n` });
    const name = newName();
    try {
      const up = lab('up', '-q', '-f', folder, '--name', name);
      expect([up.status, up.stderr]).toEqual([0, '']);
      expect(lab('status', '--name', name).stdout).toContain('agent ready');
    } finally {
      remove(folder);
    }
  });

  it('says so where manifests are broken, or have nothing that could connect', () => {
    const folder = folderOf({
      'bad.yaml': 'kind: [',
      'policy.yaml': `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec: {podSelector: {}}
`,
    });
    try {
      const name = newName();
      const up = lab('up', '-f', join(folder, 'bad.yaml'), '-f', SMALL, '--name', name);
      expect([up.status, up.stderr]).toEqual([
        3,
        expect.stringMatching(/bad\.yaml:\d+:\d+ RP003 error[\s\S]* is up after /),
      ]);
      expect(lab('up', '-f', join(folder, 'policy.yaml'), '--name', newName())).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('the manifests have no workload: bring some with `rampart lab apply -f PATH'),
      });
      expect(lab('run', '-f', join(folder, 'policy.yaml'))).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringContaining('the manifests have no workload, so nobody can connect'),
      });
    } finally {
      remove(folder);
    }
  });

  it('tells what is wrong with what it is asked', () => {
    const wrong: readonly (readonly [readonly string[], number, string])[] = [
      [['up'], 64, 'a lab needs manifests'],
      [['up', '-f', SHOP, '--nodes', '0'], 64, '--nodes is `0`'],
      [['up', '-f', SHOP, '--name', 'A/B'], 64, 'argument `A/B` is invalid: up to 40 small letters'],
      [['up', '-f', join(SHOP, 'nowhere')], 1, 'nowhere'],
      [['up', '-f', SHOP, '--cni', 'other'], 64, '--cni'],
      [['run', '-f', SHOP, '--nodes', '1.5'], 64, '--nodes is `1.5`'],
      [['run', '-f', SHOP, '--replicas', '1000'], 64, '--replicas is `1000`'],
      [['run', '-f', SHOP, '--timeout', '1e9'], 64, '--timeout is `1e9`'],
      [['run', '-f', SHOP, '--flows', 'x', '--to', 'y'], 64, 'exclude each other'],
      [['run', '-f', SHOP, '-n', 'shpo'], 1, 'did you mean `shop`?'],
      [['status', 'more'], 64, 'see `rampart lab status --help`'],
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
