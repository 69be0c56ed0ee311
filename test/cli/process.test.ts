/** The command line as a process: streams, signals and start-up as users have them. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOP } from '../support/source-files.ts';
import { cli, command, folderOf, launch, remove, SHOP } from './run-cli.ts';
import { WORLD } from './world.ts';

const RAMPART = join(TOP, 'rampart');

let folder = '';
beforeAll(async () => {
  folder = folderOf({ 'world.yaml': WORLD });
  // The first start may build.
  expect((await launch(['--version'])).code).toBe(0);
}, 120_000);
afterAll(() => remove(folder));

const shell = (line: string, env: NodeJS.ProcessEnv = {}): ReturnType<typeof command> =>
  command('bash', ['-c', line], { env: { RAMPART, SHOP, WORLD: join(folder, 'world.yaml'), ...env }, cwd: folder });

/** Pods with a policy each: enough to keep a computation going for seconds. */
function crowd(size: number): string {
  const documents: string[] = [];
  for (let i = 0; i < size; i++) {
    documents.push(
      `apiVersion: v1\nkind: Pod\nmetadata: {name: p${i}, namespace: n${i % 50}, labels: {app: a${i}}}\nspec: {containers: []}\n`,
      `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p${i}, namespace: n${i % 50}}\nspec: {podSelector: {matchLabels: {app: a${i}}}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: a${(i * 7) % size}}}}]}]}\n`,
    );
  }
  return documents.join('---\n');
}

describe('a process', () => {
  it('answers as in this process', async () => {
    const args = ['connectivity', '-f', SHOP, '-o', 'json'];
    expect(await launch(args)).toEqual(await cli(args));
    const denied = ['explain', 'shop/checkout', 'payments/gateway:8080', '-f', SHOP];
    const outcome = await launch(denied);
    expect(outcome).toEqual(await cli(denied));
    expect(outcome.code).toBe(2);
    expect(outcome.out).not.toContain('\u001b');
  });

  it.each([
    ['"$RAMPART" version', 0],
    ['"$RAMPART" connectivity -f /nowhere', 1],
    ['"$RAMPART" explain front/web shop/db:5432 -f "$WORLD"', 2],
    ['(cat "$WORLD"; echo "kind: [") | "$RAMPART" validate -f -', 3],
    ['"$RAMPART" conectivity', 64],
  ])('ends with the code of its answer: %s', async (line, code) => {
    expect((await shell(line)).code).toBe(code);
  });

  it('takes manifests and questions from a pipe', async () => {
    const { code, out } = await shell(
      'cat "$WORLD" | "$RAMPART" explain shop/api shop/db:5432 -f - -o json | head -c 60',
    );
    expect([code, out]).toEqual([0, expect.stringContaining('rampart.dev/v1alpha1')]);
    const asked = await shell(
      'echo \'{"src": "front/web", "dst": "shop/db:5432"}\' | "$RAMPART" query -f "$WORLD" --flows -',
    );
    expect(asked).toMatchObject({ code: 0, err: '' });
    expect(asked.out).toContain('1 asked: 1 denied');
    const substituted = await shell('"$RAMPART" validate -f <(cat "$WORLD")');
    expect(substituted).toEqual({ code: 0, out: 'valid\n', err: '' });
  });

  it('is silent when its reader goes away', async () => {
    writeFileSync(join(folder, 'crowd.yaml'), crowd(1500));
    const { code, out, err } = await shell(
      'set -o pipefail; "$RAMPART" connectivity -f crowd.yaml -o json | head -c 1000 | wc -c',
    );
    expect([code, out.trim(), err]).toEqual([0, '1000', '']);
    // A disk that is full is another matter.
    for (const line of [
      'version',
      'connectivity -f "$WORLD"',
      'connectivity --help',
      'agent --once --dry-run --node n -f "$WORLD"',
    ]) {
      const full = await shell(`"$RAMPART" ${line} > /dev/full`);
      expect([
        line,
        full.code,
        full.err
          .split('\n')
          .filter((text) => text !== '')
          .at(-1),
      ]).toEqual([line, 1, expect.stringMatching(/^rampart: cannot write the answer: .*ENOSPC/)]);
    }
    // Help goes another way.
    const help = await shell('for i in 1 2 3; do "$RAMPART" agent --help | true; done');
    expect([help.code, help.err]).toEqual([0, '']);
  });

  it('ends at once on Ctrl-C, amid a computation, and leaves no file behind', async () => {
    writeFileSync(join(folder, 'crowd.yaml'), crowd(12_000));
    for (const delay of [400, 2000]) {
      const before = readdirSync(folder).sort();
      const args = ['connectivity', '-f', 'crowd.yaml', '-o', 'html', '--out', 'report.html'];
      const child = spawn(RAMPART, args, { cwd: folder, stdio: 'ignore' });
      await new Promise((wake) => setTimeout(wake, delay));
      const running = child.exitCode === null;
      const sent = performance.now();
      child.kill('SIGINT');
      const [code, signal] = await new Promise<[number | null, string | null]>((done) => {
        if (child.exitCode !== null) done([child.exitCode, null]);
        child.on('close', (exit, by) => done([exit, by]));
      });
      expect(running).toBe(true);
      expect(performance.now() - sent).toBeLessThan(1000);
      expect(signal === 'SIGINT' || code === 130 || code === 1, `${code} ${signal}`).toBe(true);
      expect(readdirSync(folder).sort()).toEqual(before);
      expect(existsSync(join(folder, 'report.html'))).toBe(false);
    }
  });

  it('ends on Ctrl-C while it waits for input', async () => {
    const child = spawn(RAMPART, ['validate', '-f', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
    await new Promise((wake) => setTimeout(wake, 500));
    expect(child.exitCode).toBeNull();
    child.kill('SIGINT');
    const signal = await new Promise((done) => child.on('close', (_, by) => done(by)));
    expect(signal).toBe('SIGINT');
  });

  it('tells scripts its version, Node and commit', async () => {
    const { out } = await launch(['version', '-o', 'json']);
    const facts = JSON.parse(out) as { readonly node: string; readonly commit: string | null };
    expect(Object.keys(facts)).toEqual(['version', 'node', 'commit']);
    expect(facts.node).toMatch(/^v\d+\.\d+\.\d+$/);
    expect(facts.commit === null || /^[0-9a-f]{40}$/.test(facts.commit)).toBe(true);
    expect(facts.commit === null).toBe(!existsSync(join(TOP, '.git')));
  });
});

describe('start-up', () => {
  /** The modules of Node's own and of the bundle that a command line loads. */
  async function loaded(args: readonly string[]): Promise<string> {
    const { err } = await launch(args, { env: { NODE_DEBUG: 'esm' } });
    return err;
  }

  it('of a question reads no API client', async () => {
    const names = readdirSync(join(TOP, 'dist/cli')).filter((name) => name.startsWith('kube-'));
    expect(names).not.toEqual([]);
    const trace = await loaded(['query', '-f', join(folder, 'world.yaml'), '--flows', '/dev/null']);
    expect(trace).toMatch(/main-/);
    for (const name of names) expect(trace).not.toContain(name);
  });
});
