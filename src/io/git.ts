import { statSync } from 'node:fs';
import { dirname, isAbsolute, posix, relative, resolve, sep } from 'node:path';
import { invariant } from '../base/invariant.ts';
import { byText } from '../base/order.ts';
import { suggest } from '../base/suggest.ts';
import { type RunOptions, runProgram } from './child.ts';
import { type Input, isManifestName, type OnSkip } from './files.ts';
import { IoError } from './io-error.ts';

export interface ReadGitOptions {
  readonly cwd?: string;
  readonly onSkip?: OnSkip;
  readonly signal?: AbortSignal;
}

/** Whether an operand names a revision instead of a path. */
export function isGitSource(operand: string): boolean {
  return operand.startsWith('git:');
}

/**
 * Reads the manifests of a revision, `git:REV` or `git:REV:PATH`, without checking it out. PATH is a path as it is typed
 * in the working folder, or else one from the root of the repository; without it, the working folder is meant. Folders
 * are read as on disk. Throws {@link IoError}.
 */
export async function readGit(source: string, options: ReadGitOptions = {}): Promise<readonly Input[]> {
  const spec = source.replace(/^git:/, '');
  const colon = spec.indexOf(':');
  const revision = colon < 0 ? spec : spec.slice(0, colon);
  const path = colon < 0 ? '.' : spec.slice(colon + 1) || '.';
  const cwd = options.cwd ?? process.cwd();
  if (revision === '')
    throw new IoError('unknown-revision', `\`${source}\` names no revision`, { help: 'write git:REV or git:REV:PATH' });
  const folder = nearestFolder(resolve(cwd, path));
  const git = async (
    args: readonly string[],
    input?: string,
  ): Promise<{ code: number; stdout: Buffer; stderr: string }> => {
    const run: RunOptions = {
      cwd: folder,
      // No answer may depend on the user's language or wait for a password.
      env: { LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0' },
      ...(input === undefined ? {} : { input }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
    const done = await runProgram('git', args, run);
    if (done === null) {
      throw new IoError('tool-missing', '`git` is not on the PATH', {
        help: 'install git, or check the revision out elsewhere and name the folder',
      });
    }
    return done;
  };
  const top = await git(['rev-parse', '--show-toplevel']);
  if (top.code !== 0) {
    throw new IoError('no-repository', `\`${folder}\` is in no git repository${bareReason(top.stderr)}`, {
      help: 'run it inside the repository, or name a path inside it: git:REV:PATH',
    });
  }
  const root = top.stdout.toString('utf8').replace(/\n$/, '');
  const commit = await git(['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`]);
  if (commit.code !== 0) throw await unknownRevision(revision, git);
  const id = commit.stdout.toString('utf8').trim();
  const prefix = await git(['rev-parse', '--show-prefix']);
  const here = posix.join(
    prefix.stdout.toString('utf8').replace(/\n$/, ''),
    toPosix(relative(folder, resolve(cwd, path))),
  );
  const candidates = [normal(here), ...(isAbsolute(path) ? [] : [normal(toPosix(path))])];
  const repository: Repository = { git, id, revision };
  for (const candidate of new Set(candidates)) {
    if (candidate.startsWith('..')) continue;
    const found = (await resolveLinks(repository, [candidate]))[0];
    if (found === undefined || found === null) continue;
    if (found.type === 'blob') return readBlobs(repository, [{ path: candidate, object: `${id}:${candidate}` }]);
    const walk: Walk = { ...repository, seen: new Set(), onSkip: options.onSkip ?? (() => undefined) };
    const blobs = await listTree(walk, found.object, candidate, false);
    if (blobs.length === 0) throw new IoError('no-manifests', `no manifest in \`${source}\``);
    return readBlobs(
      repository,
      [...blobs].sort((a, b) => byPath(a.path, b.path)),
    );
  }
  throw new IoError('not-found', `\`${path}\` does not exist in revision \`${revision}\` of \`${root}\``, {
    help: `git ls-tree --name-only ${revision} lists what does`,
  });
}

type Git = (args: readonly string[], input?: string) => Promise<{ code: number; stdout: Buffer; stderr: string }>;

interface Repository {
  readonly git: Git;
  /** Of the commit. */
  readonly id: string;
  /** As the user named it. */
  readonly revision: string;
}

interface Walk extends Repository {
  /** Trees and files that are read, by what they contain. */
  readonly seen: Set<string>;
  readonly onSkip: OnSkip;
}

interface Blob {
  /** From the root of the repository. */
  readonly path: string;
  /** A name of the object that git understands. */
  readonly object: string;
}

/** The manifests of a tree that lies (or, by a link, seems to lie) at `path`. */
async function listTree(walk: Walk, tree: string, path: string, linked: boolean): Promise<readonly Blob[]> {
  const listed = await walk.git(['ls-tree', '-r', '-t', '-z', '--full-tree', tree]);
  if (listed.code !== 0) throw failed('ls-tree', listed.stderr);
  walk.seen.add(tree);
  const blobs: Blob[] = [];
  const links: string[] = [];
  let again: string | null = null;
  for (const entry of listed.stdout.toString('utf8').split('\0')) {
    const tab = entry.indexOf('\t');
    if (tab < 0) continue;
    const [mode, type, object = ''] = entry.slice(0, tab).split(' ');
    const name = entry.slice(tab + 1);
    const at = posix.join(path, name);
    if (again !== null && name.startsWith(again)) continue;
    if (type === 'tree') {
      // A link may lead to a folder around the one that it was met in.
      if (linked && walk.seen.has(object)) again = `${name}/`;
      else if (!isHidden(name)) walk.seen.add(object);
    } else if (isHidden(posix.dirname(name))) walk.onSkip(at, 'hidden folder');
    else if (mode === '160000') walk.onSkip(at, 'submodule');
    else if (mode === '120000') links.push(at);
    else if (!isManifestName(at)) walk.onSkip(at, 'name does not end in .yaml, .yml or .json');
    else {
      walk.seen.add(object);
      blobs.push({ path: at, object });
    }
  }
  return links.length === 0 ? blobs : [...blobs, ...(await followLinks(walk, links))];
}

/** What links lead to. Contents that are read anyway are left out, so files count once and circles end. */
async function followLinks(walk: Walk, links: readonly string[]): Promise<readonly Blob[]> {
  const targets = await resolveLinks(walk, links);
  const out: Blob[] = [];
  for (const [i, path] of links.entries()) {
    const target = targets[i] ?? null;
    if (target?.type !== 'tree' && !isManifestName(path)) {
      walk.onSkip(path, 'name does not end in .yaml, .yml or .json');
    } else if (target?.type === 'tree' && isHidden(posix.basename(path))) {
      walk.onSkip(path, 'hidden folder');
    } else if (target === null) {
      // Fails when it is read, and says so.
      out.push({ path, object: `${walk.id}:${path}` });
    } else if (!walk.seen.has(target.object)) {
      walk.seen.add(target.object);
      if (target.type === 'tree') out.push(...(await listTree(walk, target.object, path, true)));
      else out.push({ path, object: target.object });
    }
  }
  return out;
}

/** What paths of the revision are in the end; `null` for what is not there, or outside of the repository. */
async function resolveLinks(
  { git, id }: Repository,
  paths: readonly string[],
): Promise<readonly ({ readonly type: string; readonly object: string } | null)[]> {
  for (const path of paths) refuseLineBreak(path);
  const input = paths.map((path) => `${id}:${path}\n`).join('');
  const done = await git(['cat-file', '--batch-check', '--follow-symlinks'], input);
  if (done.code !== 0) throw failed('cat-file', done.stderr);
  const out: ({ type: string; object: string } | null)[] = [];
  let at = 0;
  for (let i = 0; i < paths.length; i++) {
    const line = lineAt(done.stdout, at);
    at += Buffer.byteLength(line) + 1;
    const [object = '', type = ''] = line.split(' ');
    if (/^(blob|tree)$/.test(type) && /^[0-9a-f]{40,64}$/.test(object)) out.push({ type, object });
    else {
      // `dangling 9`, `loop 9`, `notdir 9` and `symlink 9` are followed by so many bytes and a line break.
      const size = /^(?:dangling|loop|notdir|symlink) (\d+)$/.exec(line)?.[1];
      if (size !== undefined) at += Number(size) + 1;
      out.push(null);
    }
  }
  return out;
}

/** The contents of objects; `null` for one that is no file. */
async function readObjects(git: Git, objects: readonly Blob[]): Promise<readonly (Buffer | null)[]> {
  for (const { path } of objects) refuseLineBreak(path);
  const input = objects.map(({ object }) => `${object}\n`).join('');
  const done = await git(['cat-file', '--batch', '--follow-symlinks'], input);
  if (done.code !== 0) throw failed('cat-file', done.stderr);
  const out: (Buffer | null)[] = [];
  let at = 0;
  for (let i = 0; i < objects.length; i++) {
    const line = lineAt(done.stdout, at);
    at += Buffer.byteLength(line) + 1;
    const [first = '', type = '', length = ''] = line.split(' ');
    if (type === 'missing') {
      out.push(null);
      continue;
    }
    const size = Number(length === '' ? type : length);
    invariant(Number.isSafeInteger(size), `git cat-file answers ${line}`);
    out.push(type === 'blob' && first !== '' ? done.stdout.subarray(at, at + size) : null);
    at += size + 1;
  }
  return out;
}

function lineAt(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(10, at);
  return bytes.subarray(at, end < 0 ? bytes.length : end).toString('utf8');
}

function refuseLineBreak(path: string): void {
  if (path.includes('\n')) throw new IoError('unreadable', `${JSON.stringify(path)} has a line break in its name`);
}

/** Whether a part of a path is hidden. */
function isHidden(path: string): boolean {
  return path.split('/').some((part) => part.startsWith('.') && part !== '.' && part !== '..');
}

/** Sorted like a walk through folders: part by part. */
function byPath(a: string, b: string): number {
  const left = a.split('/');
  const right = b.split('/');
  for (let i = 0; i < left.length && i < right.length; i++) {
    const order = byText(left[i] ?? '', right[i] ?? '');
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

async function readBlobs({ git, id, revision }: Repository, blobs: readonly Blob[]): Promise<readonly Input[]> {
  const contents = await readObjects(git, blobs);
  return blobs.map(({ path }, i) => {
    const file = `git:${revision}:${path}`;
    const bytes = contents[i] ?? null;
    if (bytes !== null) return { file, bytes };
    throw new IoError('unreadable', `\`${file}\` is a link that leads to no file of revision \`${id.slice(0, 12)}\``);
  });
}

async function unknownRevision(revision: string, git: Git): Promise<IoError> {
  const refs = await git([
    'for-each-ref',
    '--sort=-committerdate',
    '--format=%(refname:short)',
    'refs/heads',
    'refs/remotes',
    'refs/tags',
  ]);
  const names = refs.stdout
    .toString('utf8')
    .split('\n')
    .filter((name) => name !== '');
  const near = suggest(revision, names);
  const shallow = (await git(['rev-parse', '--is-shallow-repository'])).stdout.toString('utf8').trim() === 'true';
  const help =
    near.length > 0
      ? `did you mean ${quoted(near)}?`
      : shallow
        ? 'the clone is shallow: fetch more of the history, for example with `git fetch --unshallow`'
        : names.length > 0
          ? `branches and tags: ${quoted(names.slice(0, 10))}${names.length > 10 ? ', …' : ''}`
          : 'the repository has no commit yet';
  return new IoError('unknown-revision', `no revision \`${revision}\` in this repository`, { help });
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

function failed(command: string, stderr: string): IoError {
  return new IoError('tool-failed', `\`git ${command}\` failed${stderr === '' ? '' : `: ${stderr}`}`);
}

function bareReason(stderr: string): string {
  return /dubious ownership/.test(stderr) ? ': git does not trust its owner (see `git config safe.directory`)' : '';
}

function nearestFolder(path: string): string {
  let folder = path;
  for (;;) {
    try {
      if (statSync(folder).isDirectory()) return folder;
    } catch {
      // Not there now; it may have been at that revision.
    }
    const parent = dirname(folder);
    if (parent === folder) return folder;
    folder = parent;
  }
}

function toPosix(path: string): string {
  return sep === '/' ? path : path.split(sep).join('/');
}

function normal(path: string): string {
  const clean = posix.normalize(path).replace(/\/$/, '');
  return clean === '.' ? '' : clean;
}
