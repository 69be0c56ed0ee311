/** The native load generator, and what is measured with it. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Box } from './box.ts';
import type { Pair } from './shape.ts';

const SOURCE = fileURLToPath(new URL('../native/load.c', import.meta.url));
const SERVER_CPU = '0';
const CLIENT_CPU = availableParallelism() > 1 ? '1' : SERVER_CPU;
const SERVE_SECONDS = 3600;
/** Connections that are being opened at a time. */
const WIDTH = 64;

/** Why no load can be made here; `null` where it can. */
export function noLoad(): string | null {
  for (const [program, what] of [
    ['gcc', 'no C compiler here'],
    ['iperf3', 'no iperf3 here'],
  ] as const) {
    if (spawnSync(program, ['--version'], { stdio: 'ignore' }).status !== 0) return what;
  }
  return null;
}

export interface Load {
  /** UDP packets: `tuples` different ones, from number `first`, in turn between the pairs. */
  packets(order: {
    readonly pairs: readonly Pair[];
    readonly port: number;
    readonly tuples: number;
    readonly first: number;
    readonly count: number;
  }): Rate;
  /** TCP connections that are opened and reset; by the processor time of both ends. */
  connections(order: { readonly pairs: readonly Pair[]; readonly milliseconds: number }): Rate;
  /** Gbit of one TCP connection in a second of processor time of both ends. */
  throughput(order: {
    readonly pair: Pair;
    readonly port: number;
    readonly seconds: number;
    readonly mss: number | null;
  }): Promise<number>;
}

export interface Rate {
  /** By the clock. */
  readonly perSecond: number;
  /** By the processor time of the sender, in whose context packets travel: others on the machine disturb it less. */
  readonly perCpuSecond: number;
  readonly count: number;
}

interface Printed {
  readonly count: number;
  readonly failed?: number;
  readonly wall: number;
  readonly cpu: number;
}

/** Packets of UDP end in a counter of the server's namespace, before anything else sees them. */
const SINK = `table ip sink {
	counter arrived { }
	chain prerouting {
		type filter hook prerouting priority -400; policy accept;
		ip protocol udp counter name arrived drop
	}
}
`;

/** Builds the generator and readies the server's side. */
export async function loadIn(box: Box, scratch: string, tcpPort: number): Promise<Load> {
  const program = join(scratch, 'load');
  const built = spawnSync('gcc', ['-O2', '-Wall', '-o', program, SOURCE], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`gcc: ${built.stderr}`);
  box.run('server', ['nft', '-f', '-'], SINK);
  const serve = ['taskset', '-c', SERVER_CPU, program, 'serve', String(tcpPort), String(SERVE_SECONDS)];
  const server = await box.start('server', serve, /listening/);

  const files = new Map<readonly Pair[], string>();
  const fileOf = (pairs: readonly Pair[]): string => {
    let file = files.get(pairs);
    if (file === undefined) {
      file = join(scratch, `pairs-${files.size}`);
      files.set(pairs, file);
      writeFileSync(file, pairs.map(({ source, destination }) => `${source} ${destination}\n`).join(''));
    }
    return file;
  };
  const arrived = (): number => {
    const listed = box.run('server', ['nft', 'list', 'counter', 'ip', 'sink', 'arrived']);
    return Number(/packets (\d+)/.exec(listed)?.[1]);
  };
  const client = (...args: readonly (string | number)[]): Printed =>
    JSON.parse(box.run('client', ['taskset', '-c', CLIENT_CPU, program, ...args.map(String)])) as Printed;

  return {
    packets: ({ pairs, port, tuples, first, count }) => {
      const before = arrived();
      const { wall, cpu } = client('udp', fileOf(pairs), port, tuples, first, count);
      const delivered = arrived() - before;
      return { perSecond: delivered / wall, perCpuSecond: delivered / cpu, count: delivered };
    },
    connections: ({ pairs, milliseconds }) => {
      const before = server.cpuSeconds();
      const { count, wall, cpu, failed } = client('connect', fileOf(pairs), tcpPort, milliseconds, WIDTH);
      if (failed !== undefined && failed > 0) throw new Error(`${failed} of ${count} connections failed`);
      return { perSecond: count / wall, perCpuSecond: count / (cpu + server.cpuSeconds() - before), count };
    },
    throughput: async ({ pair, port, seconds, mss }) => {
      const server = await box.start(
        'server',
        ['taskset', '-c', SERVER_CPU, 'iperf3', '--server', '--one-off', '--forceflush', '--port', String(port)],
        /listening/i,
      );
      try {
        const printed = box.run('client', [
          ...['taskset', '-c', CLIENT_CPU, 'iperf3', '--client', pair.destination, '--bind', pair.source],
          ...['--port', String(port), '--time', String(seconds), '--json'],
          ...(mss === null ? [] : ['--set-mss', String(mss)]),
        ]);
        const { end } = JSON.parse(printed) as {
          readonly end: {
            readonly sum_received: { readonly bits_per_second: number };
            readonly cpu_utilization_percent: { readonly host_total: number; readonly remote_total: number };
          };
        };
        const { host_total: sender, remote_total: receiver } = end.cpu_utilization_percent;
        return end.sum_received.bits_per_second / 1e9 / ((sender + receiver) / 100);
      } finally {
        await server.stop();
      }
    },
  };
}
