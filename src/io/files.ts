import { lstatSync, readdirSync, readFileSync, readSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { byText } from '../base/order.ts';
import { suggest } from '../base/suggest.ts';
import { IoError, reasonOf, systemCode } from './io-error.ts';

/** The bytes of one file, with the name that reports show for it. */
export interface Input {
  /** As the user named it: a path, `-` for standard input, `git:REV:path`, `kustomize:DIR`, `helm:CHART`. */
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** Hears of what a folder holds and was not read, and why. */
export type OnSkip = (path: string, why: string) => void;

export interface ReadPathsOptions {
  /** Where `-` is read from; the file descriptor of standard input unless given. */
  readonly stdin?: AsyncIterable<Uint8Array | string> | null;
  readonly onSkip?: OnSkip;
}

/** Whether a file of a folder is a manifest, by its name. */
export function isManifestName(name: string): boolean {
  return /\.(ya?ml|json)$/i.test(name);
}

/**
 * Reads files, folders (recursively, `*.yaml`, `*.yml`, `*.json`, sorted; hidden folders left out) and `-`, each file
 * once. Throws {@link IoError} if anything that was asked for cannot be read: an unread policy must not look absent.
 */
export async function readPaths(paths: readonly string[], options: ReadPathsOptions = {}): Promise<readonly Input[]> {
  const walk: Walk = { files: [], seen: new Set(), onSkip: options.onSkip ?? (() => undefined) };
  const out: Input[] = [];
  let stdinRead = false;
  for (const path of paths) {
    if (path === '-') {
      if (!stdinRead) out.push({ file: '-', bytes: await readStdin(options.stdin ?? null) });
      stdinRead = true;
      continue;
    }
    if (/^https?:\/\//i.test(path)) {
      throw new IoError('not-found', `\`${path}\` is an address, not a path`, {
        help: `curl -sSL ${path} | rampart … -f -`,
      });
    }
    const before = walk.files.length;
    const folder = enter(walk, path);
    // Small files: one blocking read each is several times faster than a promise each.
    for (const file of walk.files.slice(before)) out.push({ file, bytes: readOne(file) });
    if (folder && !hasManifest(walk.files, before, path, walk.seen)) {
      throw new IoError('no-manifests', `no manifest in \`${path}\``, {
        help: 'files are read whose names end in .yaml, .yml or .json; folders whose names begin with a dot are not',
      });
    }
  }
  return out;
}

interface Walk {
  readonly files: string[];
  /** Real paths of files and folders, so that links in circles and files named twice are read once. */
  readonly seen: Set<string>;
  readonly onSkip: OnSkip;
}

/** Adds what `path` names; tells whether it is a folder. */
function enter(walk: Walk, path: string): boolean {
  const stat = attempt(path, () => statSync(path));
  const real = attempt(path, () => realpathSync(path));
  if (stat.isDirectory()) {
    enterFolder(walk, path, real);
    return true;
  }
  // A pipe such as /dev/fd/63 is no file twice.
  if (!stat.isFile() || !walk.seen.has(real)) walk.files.push(path);
  walk.seen.add(real);
  return false;
}

function enterFolder(walk: Walk, path: string, real: string): void {
  if (walk.seen.has(real)) return;
  walk.seen.add(real);
  const entries = attempt(path, () => readdirSync(path, { withFileTypes: true })).sort((a, b) =>
    byText(a.name, b.name),
  );
  for (const entry of entries) {
    const child = join(path, entry.name);
    let directory = entry.isDirectory();
    let file = entry.isFile();
    let realChild = join(real, entry.name);
    if (entry.isSymbolicLink()) {
      // Emacs marks an open file by a link to nowhere beside it.
      if (entry.name.startsWith('.#')) continue;
      if (!isManifestName(entry.name) && !leads(child)) continue;
      const target = attempt(child, () => statSync(child));
      directory = target.isDirectory();
      file = target.isFile();
      realChild = attempt(child, () => realpathSync(child));
    }
    if (directory) {
      if (entry.name.startsWith('.')) walk.onSkip(child, 'hidden folder');
      else enterFolder(walk, child, realChild);
    } else if (!isManifestName(entry.name)) {
      walk.onSkip(child, 'name does not end in .yaml, .yml or .json');
    } else if (!file) {
      walk.onSkip(child, 'not a regular file');
    } else if (!walk.seen.has(realChild)) {
      walk.seen.add(realChild);
      walk.files.push(child);
    }
  }
}

/** Whether a link leads anywhere. */
function leads(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** A folder all of whose files were read before (by another operand) is not empty. */
function hasManifest(files: readonly string[], before: number, path: string, seen: ReadonlySet<string>): boolean {
  if (files.length > before) return true;
  const real = realpathSync(path);
  for (const other of seen) if (other.startsWith(join(real, '/')) && isManifestName(other)) return true;
  return false;
}

function readOne(path: string): Uint8Array {
  return attempt(path, () => readFileSync(path));
}

async function readStdin(stream: AsyncIterable<Uint8Array | string> | null): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  if (stream === null) {
    const buffer = Buffer.allocUnsafe(1 << 16);
    for (;;) {
      let count = 0;
      try {
        count = readSync(0, buffer);
      } catch (error) {
        const code = systemCode(error);
        if (code === 'EOF') break;
        if (code === 'EAGAIN') {
          await new Promise((resolve) => setTimeout(resolve, 10));
          continue;
        }
        throw new IoError('unreadable', `cannot read standard input: ${reasonOf(error)}`, { cause: error });
      }
      if (count === 0) break;
      chunks.push(Buffer.from(buffer.subarray(0, count)));
    }
  } else {
    for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw pathError(path, error);
  }
}

/** A clear error about a path that cannot be read; one that does not exist names its likely neighbours. */
export function pathError(path: string, error: unknown): IoError {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR': {
      if (isLink(path)) {
        return new IoError('not-found', `\`${path}\` is a link to something that does not exist`, { cause: error });
      }
      const near = neighbours(path);
      return new IoError('not-found', `\`${path}\` does not exist`, {
        cause: error,
        ...(near.length > 0 ? { help: `did you mean ${near.map((name) => `\`${name}\``).join(' or ')}?` } : {}),
      });
    }
    case 'EACCES':
    case 'EPERM':
      return new IoError('unreadable', `no permission to read \`${path}\``, { cause: error });
    case 'EISDIR':
      return new IoError('unreadable', `\`${path}\` is a folder`, { cause: error });
    case 'ELOOP':
      return new IoError('unreadable', `\`${path}\` is a link that leads to itself`, { cause: error });
    default:
      return new IoError('unreadable', `cannot read \`${path}\`: ${reasonOf(error)}`, { cause: error });
  }
}

/** Whether the path itself is a link; below a file there is nothing to ask about. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

/** Names beside the first missing part of a path that are spelled nearly like it. */
function neighbours(path: string): readonly string[] {
  let missing = path;
  let folder = dirname(path);
  while (folder !== dirname(folder) && !isFolder(folder)) {
    missing = folder;
    folder = dirname(folder);
  }
  try {
    const word = basename(missing);
    const names = readdirSync(folder);
    const sameStem = names.filter(
      (name) => isManifestName(name) && name.replace(/\.[^.]+$/, '') === word.replace(/\.[^.]+$/, ''),
    );
    const found = [...new Set([...sameStem, ...suggest(word, names)])].slice(0, 3);
    return found.map((name) => (folder === '.' && !path.startsWith('./') ? name : join(folder, name)));
  } catch {
    return [];
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
