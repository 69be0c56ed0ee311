/** A real agent in a namespace of its own, and an API server that serves it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../src/manifest/object.ts';
import { type Box, inBox, type Running } from '../dataplane/box.ts';
import { inScratchMeanwhile, TOP } from '../suite/program.ts';
import { type ObjectServer, serveObjects } from './server.ts';

export const NODE = 'node-0000';
const BUNDLE = join(TOP, 'dist', 'cli', 'rampart.js');
const SOURCE = join(TOP, 'src', 'cli', 'main.ts');
const LONGEST_WAIT_MS = 60_000;

export interface Rig {
  readonly box: Box;
  readonly api: ObjectServer;
  /** The agent's log so far. */
  log(): readonly LogLine[];
  /** Waits for a line of the agent's log. */
  logged(message: string): Promise<LogLine>;
  /** Milliseconds from the call of `change` until the agent says that the kernel has it: `nft` has ended by then. */
  untilKernel(change: () => void): Promise<number>;
  /** What the kernel has in a set or map of the agent. */
  kernelSet(name: string): string;
  /** Waits until the agent has said nothing for so long. */
  quiet(ms: number): Promise<void>;
  usage(): Usage;
}

export interface Usage {
  readonly rssMiB: number;
  readonly peakMiB: number;
  /** Processor time of the agent, and of the runs of `nft` that it has waited for. */
  readonly ownSeconds: number;
  readonly childSeconds: number;
}

export interface LogLine {
  readonly msg: string;
  readonly ms?: number;
  readonly compileMs?: number;
  readonly nftMs?: number;
  readonly changes?: number;
}

export interface RigOptions {
  readonly objects: readonly JsonObject[];
  /** The sources instead of the bundle. */
  readonly fromSource: boolean;
  readonly flags?: readonly string[];
}

/** Why the agent cannot be measured here; `null` where it can. */
export function noBundle(): string | null {
  return existsSync(BUNDLE) ? null : 'the command line is not built: run `./rampart --version`';
}

/** Starts an agent against an API server with these objects, and ends both afterwards. */
export function inRig<T>({ objects, fromSource, flags = [] }: RigOptions, work: (rig: Rig) => Promise<T>): Promise<T> {
  return inScratchMeanwhile((scratch) =>
    inBox(null, async (box) => {
      const api = await serveObjects(join(scratch, 'api'), objects);
      let agent: Running | null = null;
      try {
        agent = await box.start(
          'node',
          [
            ...[process.execPath, fromSource ? SOURCE : BUNDLE, 'agent', '--node', NODE, '--server', api.url],
            ...['--listen', `unix://${join(scratch, 'agent')}`, '--log-level', 'debug', '--cni-cache', scratch],
            ...flags,
          ],
          null,
        );
        return await work(rigOf(box, api, agent));
      } catch (error) {
        throw new Error(`the agent's log ends with: ${agent?.output().slice(-3000) ?? 'nothing'}`, { cause: error });
      } finally {
        await api.close();
      }
    }),
  );
}

function rigOf(box: Box, api: ObjectServer, agent: Running): Rig {
  const log = (): readonly LogLine[] =>
    agent
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  return {
    box,
    api,
    log,
    logged: (message) =>
      eventually(`\`${message}\` in the agent's log`, () => log().find(({ msg }) => msg === message), agent),
    untilKernel: async (change) => {
      const before = agent.output().length;
      const begin = performance.now();
      change();
      await agent.said(before, /"msg":"synced"/, LONGEST_WAIT_MS);
      return performance.now() - begin;
    },
    kernelSet: (name) => {
      const listed = box.run('node', ['nft', '-nn', 'list', 'table', 'inet', 'rampart']);
      return new RegExp(`^\\t(?:set|map) ${name} \\{\\n(?:\\t\\t.*\\n)*`, 'm').exec(listed)?.[0] ?? '';
    },
    quiet: async (ms) => {
      let seen = -1;
      while (seen !== agent.output().length) {
        seen = agent.output().length;
        await pause(ms);
      }
    },
    usage: () => {
      const status = readFileSync(`/proc/${agent.pid}/status`, 'utf8');
      const mebibytes = (name: string): number =>
        Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
      // After the program's name, which is in brackets; in hundredths of a second.
      const fields = readFileSync(`/proc/${agent.pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
        .map(Number);
      const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
      return {
        rssMiB: mebibytes('VmRSS'),
        peakMiB: mebibytes('VmHWM'),
        ownSeconds: (user + system) / 100,
        childSeconds: (childUser + childSystem) / 100,
      };
    },
  };
}

async function eventually<T>(what: string, look: () => T | undefined, agent: Running): Promise<T> {
  const end = performance.now() + LONGEST_WAIT_MS;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (performance.now() > end || !existsSync(`/proc/${agent.pid}`)) {
      throw new Error(`no ${what}; it says: ${agent.output().slice(-2000)}`);
    }
    await pause(20);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
