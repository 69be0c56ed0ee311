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
 * Writes what the nodes deny to a file, one JSON object a line; the file before is kept when it gets long. The answer says
 * why that does not work, or `null` as long as it does.
 */
export function recordDenials(
  nodes: ReadonlyMap<string, string>,
  file: string,
  log: (line: string) => void,
): () => string | null {
  if (findProgram('tcpdump', process.env) === null) {
    log('denied packets are not recorded: tcpdump is not installed');
    return () => 'tcpdump is not installed';
  }
  let failure: string | null = null;
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
    child.on('close', () => {
      const reason = said.trim().split('\n').at(-1) ?? '';
      // It changes to a user even where that is the one it is, which a user namespace of one user does not permit.
      const why = /Couldn't change to/.test(reason)
        ? 'tcpdump works in labs of root only'
        : `tcpdump has ended: ${reason}`;
      // What keeps it from one node keeps it from all, and is said once.
      if (failure !== why) log(`denied packets are not recorded: ${why}`);
      failure = why;
    });
  }
  return () => failure;
}
