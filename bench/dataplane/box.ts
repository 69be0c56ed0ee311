/** Three network namespaces, client — node — server, joined by veth pairs; pods are addresses of the outer two. */
import { type SpawnSyncOptionsWithStringEncoding, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export const ROOMS = ['client', 'node', 'server'] as const;
export type Room = (typeof ROOMS)[number];

const PREFIX = 'rampart-bench-';

export interface Box {
  /** Runs a program to its end, for three minutes unless told otherwise; throws unless it ends well. */
  run(room: Room, argv: readonly string[], input?: string, mostMs?: number): string;
  /** Runs a program beside; `ready` is the output to wait for, if any. */
  start(room: Room, argv: readonly string[], ready: RegExp | null): Promise<Running>;
}

export interface Running {
  readonly pid: number;
  readonly output: () => string;
  /** Waits for output that fits, after so many characters of it. */
  said(after: number, pattern: RegExp, longestMs: number): Promise<void>;
  /** Processor time that the program has had, its children aside. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

export interface Wiring {
  readonly addresses: Readonly<Record<'client' | 'server', readonly string[]>>;
  readonly networks: Readonly<Record<'client' | 'server', string>>;
}

/** Why namespaces cannot be made here; `null` where they can. */
export function noBox(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are a matter of Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const missing = ['ip', 'nft', 'nsenter', 'taskset', 'conntrack'].filter(
    (name) => spawnSync('which', [name], { stdio: 'ignore' }).status !== 0,
  );
  return missing.length === 0 ? null : `missing here: ${missing.join(', ')}`;
}

/** Makes the namespaces, and removes them whatever happens to the work. Without wiring each is by itself. */
export async function inBox<T>(wiring: Wiring | null, work: (box: Box) => Promise<T>): Promise<T> {
  removeLeftovers();
  const id = `${PREFIX}${process.pid}-${randomBytes(3).toString('hex')}`;
  const names: Readonly<Record<Room, string>> = { client: `${id}-c`, node: `${id}-n`, server: `${id}-s` };
  const running = new Set<Running>();
  const remove = (): void => {
    for (const room of ROOMS)
      if (existsSync(`/run/netns/${names[room]}`)) spawnSync('ip', ['netns', 'del', names[room]]);
  };
  const onSignal = (): never => process.exit(130);
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal).once('exit', remove);
  try {
    for (const room of ROOMS) ip(null, [`netns add ${names[room]}`]);
    for (const room of ROOMS) ip(names[room], ['link set lo up']);
    if (wiring !== null) wire(names, wiring);
    return await work({
      run: (room, argv, input, mostMs) => runIn(names[room], argv, input, mostMs),
      start: async (room, argv, ready) => {
        const started = await startIn(names[room], argv, ready);
        running.add(started);
        return started;
      },
    });
  } finally {
    for (const one of running) await one.stop();
    remove();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('exit', remove);
  }
}

/** Namespaces of runs that were killed before they could clean up. */
function removeLeftovers(): void {
  if (!existsSync('/run/netns')) return;
  for (const name of readdirSync('/run/netns')) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) spawnSync('ip', ['netns', 'del', name]);
  }
}

function ip(namespace: string | null, lines: readonly string[]): void {
  const argv = ['ip', ...(namespace === null ? [] : ['-n', namespace]), '-batch', '-'];
  check(argv, spawnSync('ip', argv.slice(1), { input: `${lines.join('\n')}\n`, encoding: 'utf8' }));
}

function wire(names: Readonly<Record<Room, string>>, { addresses, networks }: Wiring): void {
  const mac = (index: number, end: number): string => `02:00:00:00:0${index}:0${end}`;
  ip(names.node, [
    ...(['client', 'server'] as const).flatMap((side, index) => [
      `link add to-${side} address ${mac(index, 1)} type veth peer name eth0 address ${mac(index, 2)} netns ${names[side]}`,
      `addr add 169.254.${index}.1/30 dev to-${side}`,
      `link set to-${side} up`,
      `neigh add 169.254.${index}.2 lladdr ${mac(index, 2)} dev to-${side} nud permanent`,
      `route add ${networks[side]} via 169.254.${index}.2`,
    ]),
  ]);
  for (const [index, side] of (['client', 'server'] as const).entries()) {
    ip(names[side], [
      `addr add 169.254.${index}.2/30 dev eth0`,
      'link set eth0 up',
      `neigh add 169.254.${index}.1 lladdr ${mac(index, 1)} dev eth0 nud permanent`,
      ...addresses[side].map((address) => `addr add ${address}/32 dev lo`),
      `route add default via 169.254.${index}.1`,
    ]);
  }
  runIn(names.node, ['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
}

const MOST_MS = 180_000;

function runIn(namespace: string, argv: readonly string[], input?: string, mostMs = MOST_MS): string {
  const options: SpawnSyncOptionsWithStringEncoding = { encoding: 'utf8', timeout: mostMs, maxBuffer: 1 << 28 };
  const child = spawnSync(
    'nsenter',
    [`--net=/run/netns/${namespace}`, ...argv],
    input === undefined ? options : { ...options, input },
  );
  return check(argv, child);
}

function check(
  argv: readonly string[],
  child: { readonly status: number | null; readonly error?: Error; readonly stdout: string; readonly stderr: string },
): string {
  if (child.status === 0) return child.stdout;
  throw new Error(
    `${argv.join(' ')} ended with ${child.status}: ${child.error?.message ?? child.stderr.slice(0, 2000)}`,
  );
}

function startIn(namespace: string, argv: readonly string[], ready: RegExp | null): Promise<Running> {
  const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, ...argv], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let output = '';
  const listeners = new Set<() => void>();
  // `nsenter` and `taskset` become the program that they start.
  const pid = child.pid ?? 0;
  const running: Running = {
    pid,
    output: () => output,
    said: (after, pattern, longestMs) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          listeners.delete(look);
          reject(new Error(`${argv.join(' ')} did not say ${pattern} in ${longestMs} ms`));
        }, longestMs);
        const look = (): void => {
          if (!pattern.test(output.slice(after))) return;
          clearTimeout(timer);
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
      }),
    cpuSeconds: () => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e9,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${argv.join(' ')} ended with ${code} before it was ready`)));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const look of listeners) look();
      if (ready?.test(output) === true) resolve(running);
    });
    if (ready === null) child.once('spawn', () => resolve(running));
  });
}
