import { statSync } from 'node:fs';
import { dirname, isAbsolute, posix, relative, resolve, sep } from 'node:path';
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
  for (const candidate of new Set(candidates)) {
    if (candidate.startsWith('..')) continue;
    const kind = await git(['cat-file', '-t', `${id}:${candidate}`]);
    if (kind.code !== 0) continue;
    const type = kind.stdout.toString('utf8').trim();
    if (type === 'blob') return readBlobs(git, id, revision, [{ path: candidate, object: `${id}:${candidate}` }]);
    return readTree(git, id, revision, candidate, source, options.onSkip ?? (() => undefined));
  }
  throw new IoError('not-found', `\`${path}\` does not exist in revision \`${revision}\` of \`${root}\``, {
    help: `git ls-tree --name-only ${revision} lists what does`,
  });
}

type Git = (args: readonly string[], input?: string) => Promise<{ code: number; stdout: Buffer; stderr: string }>;

interface Blob {
  /** From the root of the repository. */
  readonly path: string;
  /** A name of the object that git understands. */
  readonly object: string;
}

async function readTree(
  git: Git,
  id: string,
  revision: string,
  folder: string,
  source: string,
  onSkip: OnSkip,
): Promise<readonly Input[]> {
  const listed = await git(['ls-tree', '-r', '-z', '--full-tree', `${id}:${folder}`]);
  if (listed.code !== 0) throw failed('ls-tree', listed.stderr);
  const blobs: Blob[] = [];
  for (const entry of listed.stdout.toString('utf8').split('\0')) {
    const tab = entry.indexOf('\t');
    if (tab < 0) continue;
    const [mode, , object] = entry.slice(0, tab).split(' ');
    const inside = entry.slice(tab + 1);
    const path = folder === '' ? inside : `${folder}/${inside}`;
    const hidden = inside
      .split('/')
      .slice(0, -1)
      .some((part) => part.startsWith('.'));
    if (hidden) onSkip(path, 'hidden folder');
    else if (mode === '160000') onSkip(path, 'submodule');
    else if (mode === '120000') {
      if (isManifestName(path)) blobs.push({ path, object: `${id}:${path}` });
      else onSkip(path, 'link');
    } else if (!isManifestName(path)) onSkip(path, 'name does not end in .yaml, .yml or .json');
    else blobs.push({ path, object: object ?? '' });
  }
  if (blobs.length === 0) throw new IoError('no-manifests', `no manifest in \`${source}\``);
  blobs.sort((a, b) => byPath(a.path, b.path));
  return readBlobs(git, id, revision, blobs);
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

async function readBlobs(git: Git, id: string, revision: string, blobs: readonly Blob[]): Promise<readonly Input[]> {
  const odd = blobs.find((blob) => blob.path.includes('\n'));
  if (odd !== undefined)
    throw new IoError('unreadable', `\`${JSON.stringify(odd.path)}\` has a line break in its name`);
  const done = await git(
    ['cat-file', '--batch', '--follow-symlinks'],
    `${blobs.map((blob) => blob.object).join('\n')}\n`,
  );
  if (done.code !== 0) throw failed('cat-file', done.stderr);
  const out: Input[] = [];
  let at = 0;
  for (const blob of blobs) {
    const file = `git:${revision}:${blob.path}`;
    const end = done.stdout.indexOf(10, at);
    const header = done.stdout.subarray(at, end < 0 ? undefined : end).toString('utf8');
    const fields = header.split(' ');
    const size = Number(fields[2]);
    if (end < 0 || fields[1] !== 'blob' || !Number.isSafeInteger(size)) {
      // A link out of the repository, to nowhere, or to a folder.
      throw new IoError('unreadable', `\`${file}\` is a link that leads to no file of revision \`${id.slice(0, 12)}\``);
    }
    out.push({ file, bytes: done.stdout.subarray(end + 1, end + 1 + size) });
    at = end + 1 + size + 1;
  }
  return out;
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
