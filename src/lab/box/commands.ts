import { spawn } from 'node:child_process';
import { IoError } from '../../io/io-error.ts';

/** Where namespaces have their names inside of a box. */
export const NETNS_FOLDER = '/run/netns';

/** The beginning of a command line that runs in a network namespace of the box. */
export function inNetns(netns: string, command: readonly string[]): readonly string[] {
  return ['nsenter', `--net=${NETNS_FOLDER}/${netns}`, '--', ...command];
}

/** Runs a program of the box to its end; throws {@link IoError} `tool-failed` with what it said. */
export function must(command: readonly string[], input = ''): Promise<string> {
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.on('error', (error) => reject(new IoError('tool-failed', `cannot run \`${program}\`: ${error.message}`)));
    child.on('close', (code) => {
      if (code === 0) resolve(out);
      else {
        const said = err.trim().split('\n').slice(0, 3).join('; ');
        reject(
          new IoError('tool-failed', `\`${command.join(' ')}\` failed: ${said === '' ? `exit code ${code}` : said}`),
        );
      }
    });
  });
}

/** Runs lines for `ip -batch`, all or up to the first that fails. */
export async function ipBatch(netns: string | null, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const command = netns === null ? ['ip', '-batch', '-'] : ['ip', '-n', netns, '-batch', '-'];
  try {
    await must(command, `${lines.join('\n')}\n`);
  } catch (error) {
    // `Command failed -:7` says which line it was.
    const line = /-:(\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    const text = line === undefined ? '' : ` at \`${lines[Number(line) - 1] ?? ''}\``;
    throw new IoError('tool-failed', `${error instanceof Error ? error.message : String(error)}${text}`, {
      cause: error,
    });
  }
}

/** Runs `task` for each item, at most `parallel` at a time. */
export async function inParallel<T>(
  items: readonly T[],
  parallel: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) {
      const item = items[i];
      if (item !== undefined) await task(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
}
