import { spawn } from 'node:child_process';
import { appendFileSync, renameSync, statSync } from 'node:fs';
import { inNetns } from './box/commands.ts';
import { findProgram } from './box/programs.ts';
import { type Denial, denialReader } from './denials.ts';

/** A denial, and the node whose policies denied it. */
export interface NodeDenial extends Denial {
  readonly node: string;
}

/** The NFLOG group to which agents send the first packets of what they deny. */
const GROUP = 77;
const LONGEST_FILE = 8 * 1024 * 1024;

/**
 * Writes what the nodes deny to a file, one JSON object a line; the file before is kept when it gets long. Gives the reason
 * why that is not possible here, or `null`.
 */
export function recordDenials(
  nodes: ReadonlyMap<string, string>,
  file: string,
  log: (line: string) => void,
): string | null {
  if (findProgram('tcpdump', process.env) === null) return 'tcpdump is not installed';
  let size = 0;
  const write = (denial: NodeDenial): void => {
    const line = `${JSON.stringify(denial)}\n`;
    if (size > LONGEST_FILE) {
      renameSync(file, `${file}.1`);
      size = 0;
    }
    appendFileSync(file, line, { mode: 0o600 });
    size += line.length;
  };
  appendFileSync(file, '', { mode: 0o600 });
  size = statSync(file).size;
  for (const [node, netns] of nodes) {
    const [program = '', ...args] = inNetns(netns, [
      // No `-s`: the kernel sends the packets of a second at once, and with it tcpdump reads only the first few of them.
      ...['tcpdump', '-Z', 'root', '-i', `nflog:${GROUP}`, '--immediate-mode', '-U', '-w', '-'],
    ]);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.on(
      'data',
      denialReader((denial) => write({ ...denial, node })),
    );
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-500);
    });
    child.on('error', (error) => log(`denials of ${node}: ${error.message}`));
    child.on('close', () =>
      log(`denials of ${node} are not recorded any more: ${said.trim().split('\n').at(-1) ?? ''}`),
    );
  }
  return null;
}
