import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, folderOf, json, remove } from './run-cli.ts';
import { WORLD } from './world.ts';

/** The policy of `db` admits every pod of its namespace, and `web` of the other one. */
const WIDER = WORLD.replace(
  '- from: [{podSelector: {matchLabels: {app: api}}}]',
  '- from: [{podSelector: {}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: front}}}]',
);

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = folderOf({ 'deploy/world.yaml': WORLD, 'wider.yaml': WIDER, 'other/readme.txt': '' });
  const git = (...args: readonly string[]): void => {
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
      cwd: folder,
      stdio: 'pipe',
    });
  };
  git('init', '-q', '-b', 'main');
  git('add', 'deploy');
  git('commit', '-qm', 'first');
  git('tag', 'v1');
  writeFileSync(at('deploy/world.yaml'), WIDER);
});
afterAll(() => remove(folder));

const OPENED = [
  {
    type: 'added',
    src: 'front/web[Deployment]',
    dst: 'shop/db[Pod]',
    before: {},
    after: { TCP: [[5432, 5432]] },
  },
];

describe('a difference', () => {
  it('is what a change opens, in every form of side', async () => {
    const sides: readonly (readonly [string, string, string?])[] = [
      ['git:v1', at('deploy')],
      ['git:main:deploy', 'git:HEAD:deploy/../deploy'],
      ['git:main:deploy/world.yaml', at('wider.yaml')],
      ['git:HEAD', '-', WIDER],
      ['-', at('wider.yaml'), WORLD],
    ];
    for (const [from, to, stdin] of sides) {
      const { out, err } = await cli(['diff', '--from', from, '--to', to, '-o', 'json'], {
        cwd: folder,
        ...(stdin === undefined ? {} : { stdin }),
      });
      expect(err).toBe('');
      const changes = (JSON.parse(out) as { readonly changes: unknown }).changes;
      expect(changes, `${from} ${to}`).toEqual(to.startsWith('git:HEAD') ? [] : OPENED);
    }
  });

  it('ends with 2 only if that was asked for', async () => {
    const args = ['diff', '--from', 'git:v1', '--to', at('deploy')];
    expect((await cli(args, { cwd: folder })).code).toBe(0);
    expect((await cli([...args, '--exit-code'], { cwd: folder })).code).toBe(2);
    const same = ['diff', '--from', at('wider.yaml'), '--to', at('deploy'), '--exit-code'];
    expect(await cli(same)).toMatchObject({ code: 0, out: 'no difference in connectivity\n' });
  });

  it('is closed the other way round', async () => {
    const report = await json(['diff', '--from', at('wider.yaml'), '--to', 'git:v1'], { cwd: folder });
    expect(report.changes).toEqual(OPENED.map((one) => ({ ...one, type: 'removed', before: one.after, after: {} })));
    expect(report).toMatchObject({ partialChanges: [], unspecified: [], ingressControllerChanges: [] });
  });

  it('that only some pods see is told apart', async () => {
    const pod = (name: string, app: string): string => `---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: shop
  labels: {app: ${app}}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: many, controller: true, uid: u}]
spec: {containers: []}
`;
    const policy = (app: string): string => `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: many, namespace: shop}
spec: {podSelector: {matchLabels: {app: ${app}}}}
`;
    const pods = WORLD + pod('many-1', 'first') + pod('many-2', 'second');
    writeFileSync(at('one.yaml'), pods + policy('none'));
    writeFileSync(at('two.yaml'), pods + policy('first'));
    const report = await json(['diff', '--from', at('one.yaml'), '--to', at('two.yaml')]);
    const all = [...(report.changes as readonly object[]), ...(report.partialChanges as readonly object[])];
    const web = all.find((one) => 'src' in one && one.src === 'front/web[Deployment]');
    // The workload as a whole loses what one of its two pods does not admit any more.
    expect(web).toMatchObject({
      dst: 'shop/many[ReplicaSet]',
      before: 'all',
      after: {},
      varies: true,
      someAfter: 'all',
    });
  });

  it('with a side that cannot be read is none', async () => {
    for (const [from, message] of [
      ['git:v9', 'v9'],
      ['git:', 'names no revision'],
      ['git:v1:nowhere', 'nowhere'],
      [at('nowhere'), 'does not exist'],
    ] as const) {
      const { code, out, err } = await cli(['diff', '--from', from, '--to', at('deploy')], { cwd: folder });
      expect([code, out]).toEqual([1, '']);
      expect(err).toContain(message);
    }
  });

  it('outside of a repository says so', async () => {
    const bare = folderOf({ 'world.yaml': WORLD });
    const { code, err } = await cli(['diff', '--from', 'git:v1', '--to', join(bare, 'world.yaml')], { cwd: bare });
    remove(bare);
    expect(code).toBe(1);
    expect(err).toContain('is in no git repository');
  });

  it('against nothing is everything', async () => {
    writeFileSync(at('nothing.yaml'), '');
    const report = await json(['diff', '--from', at('nothing.yaml'), '--to', at('wider.yaml')]);
    const added = (report.changes as readonly { readonly type: string }[]).map(({ type }) => type);
    expect(added.length).toBeGreaterThan(3);
    expect(new Set(added)).toEqual(new Set(['added']));
  });
});
