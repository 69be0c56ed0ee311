import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { findProgram } from '../../src/lab/box/programs.ts';
import type { Attempt, Outcome } from '../../src/lab/pod-protocol.ts';
import { downLab, type LabSession } from '../../src/lab/session.ts';

const names = new Set<string>();

/** Why no lab can be made here, said once; `null` if one can. */
export function missingLab(): string | null {
  const missing = ['unshare', 'nsenter', 'mount', 'ip', 'nft'].filter(
    (name) => findProgram(name, process.env) === null,
  );
  if (missing.length > 0) return `${missing.join(', ')} not installed`;
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const probe = spawnSync('unshare', [...user, '--mount', '--pid', '--net', '--fork', '--mount-proc', 'ip', 'link']);
  return probe.status === 0 ? null : 'this kernel or container lets us make no namespaces';
}

/** A name that no other lab has, remembered for {@link downAll}. */
export function newName(): string {
  const name = `t${process.pid}-${randomBytes(3).toString('hex')}`;
  names.add(name);
  return name;
}

/** Ends every lab of this test file, also those of tests that failed. */
export async function downAll(): Promise<void> {
  for (const name of names) await downLab(name);
  names.clear();
}

export function tcp(host: string, port: number, from?: string): Attempt {
  return { protocol: 'TCP', host, port, timeoutMs: 2500, ...(from === undefined ? {} : { from }) };
}

export function udp(host: string, port: number): Attempt {
  return { protocol: 'UDP', host, port, timeoutMs: 2500 };
}

/** `allowed by web/a`, `denied`, `error ECONNREFUSED`: what of an outcome does not depend on time. */
export function said({ observed, peer, detail }: Outcome): string {
  if (observed === 'allowed') return `allowed by ${peer ?? 'nobody'}`;
  return observed === 'denied' ? 'denied' : `error ${detail}`;
}

/** What a lab says to attempts, one text each. */
export async function asked(lab: LabSession, actor: string, attempts: readonly Attempt[]): Promise<readonly string[]> {
  return (await lab.attempt(actor, attempts)).map(said);
}

/** Text that a program printed in a lab; fails where the program does. */
export async function output(lab: LabSession, actor: string, ...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await lab.exec(actor, command);
  if (code !== 0) throw new Error(`${command.join(' ')} in ${actor}: ${stderr}`);
  return stdout.toString('utf8').trim();
}

export function isThere(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
