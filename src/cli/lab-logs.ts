import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFrom } from '../io/kube.ts';
import { writeAnswer } from '../io/terminal.ts';
import { installHelp } from '../lab/box/programs.ts';
import type { LabSession } from '../lab/session.ts';
import { livingProcess } from '../lab/state-folder.ts';
import type { NodeDenial } from '../lab/supervisor-denials.ts';
import { asker } from './answering.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { understand } from './input-options.ts';
import { type LabNameOptions, withLab } from './lab-enter.ts';
import type { Shell } from './shell.ts';

export interface LabLogsOptions extends LabNameOptions {
  readonly follow?: boolean;
  readonly output: 'text' | 'json';
}

const POLL_MS = 250;

/** `rampart lab logs`: what the nodes have denied, each with the policies that the engine names for it. */
export async function labLogs(options: LabLogsOptions, shell: Shell): Promise<ExitCode> {
  return withLab(options, shell, async (lab) => {
    const { unrecorded } = await lab.status();
    if (unrecorded !== null) {
      shell.stderr.write(`rampart: denied packets are not recorded: ${unrecorded}\n`);
      if (unrecorded.includes('not installed')) {
        shell.stderr.write(`  help: ${installHelp(['tcpdump'], shell.env)}, then bring the lab up again\n`);
      }
      return EXIT.failed;
    }
    const read = lineReader(join(lab.folder, 'denied.log'));
    let gone = false;
    const stop = (): void => {
      gone = true;
    };
    process.once('SIGINT', stop);
    for (;;) {
      const denials = read().map((line) => JSON.parse(line) as NodeDenial);
      if (denials.length > 0) {
        // Asked anew each time, since policies may have changed.
        const tell = await teller(lab);
        for (const denial of denials) {
          const line =
            options.output === 'json' ? JSON.stringify({ ...denial, ...tell(denial) }) : textOf(denial, tell(denial));
          if (!(await writeAnswer(shell.stdout, `${line}\n`))) return EXIT.fine;
        }
      }
      if (options.follow !== true || gone || shell.signal.aborted) return EXIT.fine;
      if (livingProcess(lab.folder) === null) {
        shell.stderr.write(`the lab \`${lab.name}\` has ended\n`);
        return EXIT.fine;
      }
      await sleep(POLL_MS);
    }
  });
}

interface Told {
  /** `namespace/pod`, `node/name` or the address. */
  readonly src: string;
  readonly dst: string;
  readonly decidedBy: string | null;
}

async function teller(lab: LabSession): Promise<(denial: NodeDenial) => Told> {
  const reading = await readFrom(await lab.connection());
  const loaded = understand({ objects: reading.objects, diagnostics: reading.diagnostics, live: null });
  const ask = asker({ ...loaded, unenforced: null, caveats: [] }, 'denied.log');
  const { pods, nodes } = await lab.status();
  const names = new Map<string, string>();
  for (const { name, addresses } of nodes) for (const address of addresses) names.set(address, `node/${name}`);
  for (const { id, addresses, hostNetwork } of pods) {
    if (!hostNetwork) for (const address of addresses) names.set(address, id);
  }
  return ({ source, destination, protocol, ports, icmpType, direction }) => {
    const src = names.get(source) ?? source;
    const dst = names.get(destination) ?? destination;
    const question = {
      src: source,
      dst: destination,
      protocol,
      direction,
      ...(ports === null ? {} : { port: ports[1] }),
      ...(icmpType === null ? {} : { icmpType }),
    };
    const { answer } = ask({ question, line: null }, 0);
    const side = direction === 'egress' ? answer.egress : answer.ingress;
    return { src, dst, decidedBy: side?.verdict === 'denied' ? side.decidedBy : null };
  };
}

function textOf(denial: NodeDenial, told: Told): string {
  const port = denial.ports === null ? '' : `:${denial.ports[1]}`;
  const type = denial.icmpType === null ? '' : ` type ${denial.icmpType}`;
  const by =
    told.decidedBy ?? 'no policy says so now: it has changed since, or this packet belongs to no new connection';
  const time = new Date(denial.at).toISOString().slice(11, 23);
  return `${time} ${denial.node} ${denial.direction} ${told.src} → ${told.dst}${port} ${denial.protocol}${type}: ${by}`;
}

/** Gives the whole lines that a file has got since the last call; starts again when the file is replaced. */
function lineReader(path: string): () => readonly string[] {
  let offset = 0;
  let inode = 0;
  let rest = '';
  return () => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    if (stat.ino !== inode) {
      inode = stat.ino;
      offset = 0;
      rest = '';
    }
    if (stat.size <= offset) return [];
    const bytes = Buffer.alloc(stat.size - offset);
    const file = openSync(path, 'r');
    const got = readSync(file, bytes, 0, bytes.length, offset);
    closeSync(file);
    offset += got;
    const lines = `${rest}${bytes.toString('utf8', 0, got)}`.split('\n');
    rest = lines.pop() ?? '';
    return lines;
  };
}
