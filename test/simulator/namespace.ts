/** Runs programs in network namespaces that end with them. */
import { spawnSync } from 'node:child_process';
import { userInfo } from 'node:os';

let able: boolean | null = null;

/** Whether network namespaces can be made and nft be run in them; says why not, once. */
export function hasKernel(): boolean {
  if (able !== null) return able;
  able = userInfo().uid === 0 && spawnSync('unshare', ['-n', 'nft', 'list', 'tables']).status === 0;
  if (!able) console.log('skipped: comparing with the kernel needs root, `unshare` and `nft`');
  return able;
}

/** Runs a shell script in a network namespace of its own; returns what it prints, throws if it fails. */
export function inNamespace(script: string, input: string): string {
  const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-ec', script], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 30_000,
  });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout;
}

/** What the kernel lists after it has loaded a text. */
export function listedByKernel(text: string, table = 'rampart'): string {
  return inNamespace(`nft -f -; nft -nn list table inet ${table}`, text);
}
