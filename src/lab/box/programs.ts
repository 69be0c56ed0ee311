import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { homedir, release } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IoError } from '../../io/io-error.ts';

/** Programs that a lab cannot do without, with the Debian package that has them. */
const NEEDED: readonly (readonly [string, string])[] = [
  ['unshare', 'util-linux'],
  ['nsenter', 'util-linux'],
  ['mount', 'mount'],
  ['ip', 'iproute2'],
  ['nft', 'nftables'],
];

/** `/usr/sbin` is not on everybody's PATH, but `ip` and `nft` are there. */
export function searchPath(env: NodeJS.ProcessEnv): string {
  const own = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...new Set([...own, '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'])].join(delimiter);
}

/** Where a program is, or `null`. */
export function findProgram(name: string, env: NodeJS.ProcessEnv): string | null {
  for (const folder of searchPath(env).split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next folder may have it.
    }
  }
  return null;
}

/** How Debian packages get onto this system: the command, or their names where it is not known. */
export function installHelp(packages: readonly string[], env: NodeJS.ProcessEnv): string {
  const command = installCommand(packages, env);
  return command === null ? `install what Debian calls ${packages.join(' ')}` : `run: ${command}`;
}

function installCommand(packages: readonly string[], env: NodeJS.ProcessEnv): string | null {
  const list = [...new Set(packages)].join(' ');
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  if (findProgram('apt-get', env) !== null) return `${sudo}apt-get install -y ${list}`;
  if (findProgram('dnf', env) !== null)
    return `${sudo}dnf install -y ${list.replace('iproute2', 'iproute').replace('mount', 'util-linux')}`;
  if (findProgram('pacman', env) !== null) return `${sudo}pacman -S --needed ${list.replace(/\bmount\b/, '').trim()}`;
  if (findProgram('zypper', env) !== null) return `${sudo}zypper install -y ${list.replace(/\bmount\b/, '').trim()}`;
  if (findProgram('apk', env) !== null) return `${sudo}apk add ${list}`;
  return null;
}

/** Throws {@link IoError} `tool-missing` with the command that mends it, or `forbidden` where this is no Linux. */
export function requirePrograms(env: NodeJS.ProcessEnv): void {
  if (process.platform !== 'linux') {
    throw new IoError('tool-missing', 'a lab needs the Linux kernel: pods are network namespaces', {
      help: 'run it in a Linux virtual machine; the other commands work here',
    });
  }
  const missing = NEEDED.filter(([name]) => findProgram(name, env) === null);
  if (missing.length === 0) return;
  const names = missing.map(([name]) => `\`${name}\``).join(', ');
  throw new IoError(
    'tool-missing',
    `a lab needs ${names}, which ${missing.length === 1 ? 'is' : 'are'} not installed`,
    {
      help: installHelp([...new Set(missing.map(([, from]) => from))], env),
    },
  );
}

/** Why this kernel lets nobody but root make a lab, and what to set: for messages. */
export function namespaceHelp(): string {
  const read = (path: string): string | null => {
    try {
      return readFileSync(path, 'utf8').trim();
    } catch {
      return null;
    }
  };
  if (read('/proc/sys/kernel/unprivileged_userns_clone') === '0') {
    return 'run it as root, or allow user namespaces: sudo sysctl -w kernel.unprivileged_userns_clone=1';
  }
  if (read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return 'run it as root, or allow user namespaces: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0';
  }
  if (read('/proc/sys/user/max_user_namespaces') === '0') {
    return 'run it as root, or allow user namespaces: sudo sysctl -w user.max_user_namespaces=10000';
  }
  if (existsSync('/.dockerenv') || existsSync('/run/.containerenv')) {
    return 'this is a container: start it with --privileged, or run the lab outside of it';
  }
  return `run it as root; kernel ${release()} lets other users make no namespaces`;
}

const HERE = import.meta.url;
const FROM_SOURCES = HERE.endsWith('.ts');

/** The command line of Rampart itself, for programs that the lab starts: the bundle's, or that of the sources. */
export function ownCommand(): readonly string[] {
  const entry = fileURLToPath(new URL(FROM_SOURCES ? '../../cli/main.ts' : './rampart.js', HERE));
  return [process.execPath, entry];
}

/** The environment of programs that the lab starts: they find their tools, and start faster from compiled code. */
export function ownEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const cache = env.XDG_CACHE_HOME ?? join(env.HOME ?? homedir(), '.cache');
  return {
    ...env,
    PATH: searchPath(env),
    NODE_COMPILE_CACHE: env.NODE_COMPILE_CACHE ?? join(cache, 'rampart', 'compile'),
  };
}
