import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Input, readPaths } from './files.ts';
import { readGit } from './git.ts';
import { IoError } from './io-error.ts';

let repo = '';

function git(...args: string[]): string {
  return execFileSync(
    'git',
    ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'commit.gpgsign=false', ...args],
    {
      cwd: repo,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
}

function put(path: string, text: string): void {
  mkdirSync(dirname(join(repo, path)), { recursive: true });
  writeFileSync(join(repo, path), text);
}

beforeAll(() => {
  repo = realpathSync(mkdtempSync(join(tmpdir(), 'rampart-git-')));
  git('init', '-q', '-b', 'main');
  put('deploy/b.yaml', 'first b\n');
  put('deploy/b/x.yaml', 'x\n');
  put('deploy/b-c.yaml', 'b-c\n');
  put('deploy/ä ö.yml', 'umlaut\n');
  put('deploy/README.md', 'no');
  put('deploy/.hidden/h.yaml', 'no');
  put('other/only-old.json', '{}');
  put('top.yaml', 'top\n');
  symlinkSync('../top.yaml', join(repo, 'deploy/link.yaml'));
  git('add', '-A');
  git('commit', '-qm', 'first');
  git('branch', 'release-1.2');
  git('tag', 'v1');
  put('deploy/b.yaml', 'second b\n');
  rmSync(join(repo, 'other'), { recursive: true });
  git('add', '-A');
  git('commit', '-qm', 'second');
  put('deploy/b.yaml', 'not committed\n');
});
afterAll(() => rmSync(repo, { recursive: true, force: true }));

function shown(inputs: readonly Input[]): [string, string][] {
  return inputs.map((i) => [i.file, Buffer.from(i.bytes).toString()]);
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

describe('readGit', () => {
  it('reads a folder of a revision as it was, in the order of a walk on disk', async () => {
    const skipped: string[] = [];
    const inputs = await readGit('git:v1:deploy', { cwd: repo, onSkip: (path) => skipped.push(path) });
    expect(shown(inputs)).toEqual([
      ['git:v1:deploy/b/x.yaml', 'x\n'],
      ['git:v1:deploy/b-c.yaml', 'b-c\n'],
      ['git:v1:deploy/b.yaml', 'first b\n'],
      ['git:v1:deploy/link.yaml', 'top\n'],
      ['git:v1:deploy/ä ö.yml', 'umlaut\n'],
    ]);
    expect(skipped).toEqual(['deploy/.hidden/h.yaml', 'deploy/README.md']);
    const onDisk = await readPaths([join(repo, 'deploy')]);
    expect(onDisk.map((i) => i.file.replace(`${repo}/`, 'git:v1:'))).toEqual(inputs.map((i) => i.file));
  });

  it('takes the revision, not what lies in the working folder', async () => {
    expect(shown(await readGit('git:HEAD:deploy/b.yaml', { cwd: repo }))).toEqual([
      ['git:HEAD:deploy/b.yaml', 'second b\n'],
    ]);
    expect(shown(await readGit('git:HEAD~1:deploy/b.yaml', { cwd: repo }))[0]?.[1]).toBe('first b\n');
  });

  it('finds paths from the working folder first, then from the root; also ones that are gone', async () => {
    const cwd = join(repo, 'deploy');
    expect(shown(await readGit('git:v1:b.yaml', { cwd }))[0]?.[0]).toBe('git:v1:deploy/b.yaml');
    expect(shown(await readGit('git:v1:deploy/b.yaml', { cwd }))[0]?.[0]).toBe('git:v1:deploy/b.yaml');
    expect(shown(await readGit('git:v1:../other', { cwd }))[0]?.[0]).toBe('git:v1:other/only-old.json');
    expect(shown(await readGit(`git:v1:${repo}/other`, { cwd: tmpdir() }))[0]?.[0]).toBe('git:v1:other/only-old.json');
    expect((await readGit('git:v1', { cwd })).length).toBe(5);
    // `deploy/link.yaml` leads to `top.yaml`, which is read.
    expect(shown(await readGit('git:v1', { cwd: repo })).map(([file]) => file)).toEqual([
      'git:v1:deploy/b/x.yaml',
      'git:v1:deploy/b-c.yaml',
      'git:v1:deploy/b.yaml',
      'git:v1:deploy/ä ö.yml',
      'git:v1:other/only-old.json',
      'git:v1:top.yaml',
    ]);
  });

  it('names the branch that was meant, or those there are', async () => {
    const near = await failure(readGit('git:relese-1.2', { cwd: repo }));
    expect([near.code, near.message, near.help]).toEqual([
      'unknown-revision',
      'no revision `relese-1.2` in this repository',
      'did you mean `release-1.2`?',
    ]);
    const far = await failure(readGit('git:production', { cwd: repo }));
    expect(far.help).toContain('`main`');
    expect(far.help).toContain('`v1`');
    // An option in the place of a revision is a revision that does not exist.
    expect((await failure(readGit('git:--all', { cwd: repo }))).code).toBe('unknown-revision');
  });

  it('says where there is no repository, path or manifest', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'rampart-nogit-'));
    const none = await failure(readGit('git:HEAD', { cwd: outside }));
    expect([none.code, none.message]).toEqual(['no-repository', `\`${outside}\` is in no git repository`]);
    rmSync(outside, { recursive: true });
    expect((await failure(readGit('git:HEAD:other', { cwd: repo }))).message).toBe(
      `\`other\` does not exist in revision \`HEAD\` of \`${repo}\``,
    );
    expect((await failure(readGit('git:HEAD:deploy/.hidden/none', { cwd: repo }))).code).toBe('not-found');
  });

  it('follows links to folders like a walk on disk, and ends where they go in circles', async () => {
    put('base/one.yaml', 'one\n');
    put('base/two/two.yaml', 'two\n');
    put('overlay/own.yaml', 'own\n');
    symlinkSync('../base', join(repo, 'overlay/base'));
    symlinkSync('../overlay', join(repo, 'overlay/again'));
    symlinkSync('../../overlay', join(repo, 'base/two/round'));
    symlinkSync('two', join(repo, 'base/twin'));
    // Seen from `overlay/base` it seems to lead to `overlay/elsewhere`.
    put('elsewhere/far.yaml', 'far\n');
    symlinkSync('../elsewhere', join(repo, 'base/far'));
    git('add', 'base', 'overlay', 'elsewhere');
    git('commit', '-qm', 'links');
    git('tag', 'links');
    const inputs = await readGit('git:links:overlay', { cwd: repo });
    expect(shown(inputs)).toEqual([
      ['git:links:overlay/base/far/far.yaml', 'far\n'],
      ['git:links:overlay/base/one.yaml', 'one\n'],
      ['git:links:overlay/base/two/two.yaml', 'two\n'],
      ['git:links:overlay/own.yaml', 'own\n'],
    ]);
    const contents = (list: readonly Input[]): string[] => shown(list).map(([, text]) => text);
    for (const folder of ['overlay', 'overlay/base', 'overlay/base/two', 'base', '.']) {
      const then = contents(await readGit(`git:links:${folder}`, { cwd: repo })).map((text) =>
        text.replace('second b', 'not committed'),
      );
      const now = contents(await readPaths([join(repo, folder)])).sort();
      expect(then.sort()).toEqual(now);
    }
  });

  it('fails on a link that leads to no file', async () => {
    symlinkSync('../../outside.yaml', join(repo, 'deploy/out.yaml'));
    git('add', 'deploy/out.yaml');
    git('commit', '-qm', 'link');
    expect((await failure(readGit('git:HEAD:deploy', { cwd: repo }))).message).toMatch(
      /^`git:HEAD:deploy\/out\.yaml` is a link that leads to no file of revision/,
    );
  });
});
