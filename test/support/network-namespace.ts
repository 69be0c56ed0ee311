import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A network namespace of its own, which ends with the test process however that ends. */
export interface NetworkNamespace {
  /** The command that runs others inside: `['nsenter', …]`. */
  readonly enter: readonly string[];
  /** A program that is `nft` inside of the namespace. */
  readonly nft: string;
  /** For files of the test; removed in the end. */
  readonly folder: string;
  /** Runs a command inside, and gives what it prints. Throws if it fails. */
  run(command: string, ...args: readonly string[]): string;
  /** Loads a ruleset. */
  load(text: string): void;
  close(): void;
}

/** Why network namespaces cannot be made here; `null` if they can. */
export const NO_NAMESPACES: string | null = whyNot();

function whyNot(): string | null {
  if (process.platform !== 'linux') return 'this is no Linux';
  if (process.getuid?.() !== 0) return 'only root makes network namespaces';
  for (const program of ['unshare', 'nsenter', 'nft', 'ip']) {
    try {
      execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    } catch {
      return `there is no program \`${program}\``;
    }
  }
  try {
    execFileSync('unshare', ['-n', 'nft', 'list', 'tables'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'the kernel refuses a network namespace or nftables';
  }
}

/** Says once why tests are left out. */
export function sayWhySkipped(what: string): boolean {
  if (NO_NAMESPACES !== null) process.stderr.write(`skipped: ${what} (${NO_NAMESPACES})\n`);
  return NO_NAMESPACES !== null;
}

/** Makes a namespace with its loopback up. */
export async function networkNamespace(): Promise<NetworkNamespace> {
  // cat ends when this process does, whatever it dies of, and with it the namespace.
  const anchor = spawn('unshare', ['-n', 'sh', '-c', 'ip link set lo up && echo up && exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    anchor.stdout.once('data', () => resolve());
    anchor.once('exit', () => reject(new Error('no network namespace')));
  });
  return around(anchor);
}

function around(anchor: ChildProcess): NetworkNamespace {
  const enter = ['nsenter', '-t', String(anchor.pid), '-n', '--'];
  const folder = mkdtempSync(join(tmpdir(), 'rampart-netns-'));
  const nft = join(folder, 'nft');
  writeFileSync(nft, `#!/bin/sh\nexec ${enter.join(' ')} nft "$@"\n`);
  chmodSync(nft, 0o755);
  const [first = '', ...rest] = enter;
  return {
    enter,
    nft,
    folder,
    run: (command, ...args) =>
      execFileSync(first, [...rest, command, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 }),
    load: (text) => {
      execFileSync(first, [...rest, 'nft', '-f', '-'], { input: text, stdio: ['pipe', 'pipe', 'pipe'] });
    },
    close() {
      anchor.stdin?.end();
      anchor.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
