import { parseCidr } from '../base/ip.ts';
import { parseListen } from '../io/http-server.ts';

/** What a setting takes; `read` gives `null` for what it cannot take. */
interface Kind<T> {
  /** For `--help` and the documentation: `DURATION`, `drop|reject`. */
  readonly form: string;
  readonly read: (text: string) => T | null;
  /** What is wanted, in a message. */
  readonly wanted: string;
  /** The other way; as it stands unless given. */
  show?(value: T): string;
  readonly list?: true;
}

/** One thing that an administrator may choose, by flag, environment variable or in the configuration file. */
export interface Setting<T = unknown> {
  readonly kind: Kind<T>;
  readonly summary: string;
  readonly initial: T;
  /** Takes effect without a restart. */
  readonly live: boolean;
}

const text = (form: string, wanted: string, pattern: RegExp): Kind<string> => ({
  form,
  wanted,
  read: (value) => (pattern.test(value) ? value : null),
});

const choice = <C extends string>(...choices: readonly C[]): Kind<C> => ({
  form: choices.join('|'),
  wanted: `one of ${choices.map((each) => `\`${each}\``).join(', ')}`,
  read: (value) => choices.find((each) => each === value) ?? null,
});

const flag: Kind<boolean> = {
  form: 'true|false',
  wanted: '`true` or `false`',
  read: (value) => (value === 'true' ? true : value === 'false' ? false : null),
};

const number = (least: number, most: number): Kind<number> => ({
  form: 'NUMBER',
  wanted: `a whole number from ${least} to ${most}`,
  read: (value) => {
    const found = /^\d{1,9}$/.test(value) ? Number(value) : -1;
    return found >= least && found <= most ? found : null;
  },
});

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function showDuration(ms: number): string {
  const [unit = 'ms', size = 1] = Object.entries(UNITS).findLast(([, each]) => ms >= each && ms % each === 0) ?? [];
  return `${ms / size}${unit}`;
}

/** `50ms`, `1m30s`, as Go writes durations; in milliseconds. */
const duration = (leastMs: number, mostMs: number): Kind<number> => ({
  form: 'DURATION',
  show: showDuration,
  wanted: `a duration such as \`500ms\`, \`30s\` or \`5m\`, from ${leastMs} ms to ${mostMs / 1000} s`,
  read: (value) => {
    if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(value)) return null;
    let sum = 0;
    for (const [, amount, unit = 's'] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
      sum += Number(amount) * (UNITS[unit] ?? 0);
    }
    return sum >= leastMs && sum <= mostMs ? sum : null;
  },
});

const list = (form: string, wanted: string, fits: (item: string) => boolean): Kind<readonly string[]> => ({
  form,
  wanted,
  list: true,
  read: (value) => {
    const items = value.split(',').map((item) => item.trim());
    const given = items.filter((item) => item !== '');
    return given.every(fits) ? given : null;
  },
});

/** The generation needs room: a value comes again only when no connection has it any more. */
const mask: Kind<number> = {
  form: 'MASK',
  show: (bits) => `0x${bits.toString(16)}`,
  wanted: 'at least 8 bits in a row of 32, such as `0xffff0000`',
  read: (value) => {
    // Without quotes, YAML makes a number of it.
    const bits = /^(?:0x[0-9a-fA-F]{1,8}|[1-9]\d{0,9})$/.test(value) ? Number(value) : 0;
    if (bits < 1 || bits > 0xffff_ffff) return null;
    const width = Math.log2(bits / lowestBit(bits) + 1);
    return Number.isInteger(width) && width >= 8 ? bits : null;
  },
};

function lowestBit(bits: number): number {
  return (bits & -bits) >>> 0;
}

function setting<T>(initial: T, kind: Kind<T>, summary: string, live: 'live' | 'restart' = 'restart'): Setting<T> {
  return { kind, summary, initial, live: live === 'live' };
}

function optional(kind: Kind<string>, summary: string): Setting<string | null> {
  return setting<string | null>(null, kind, summary);
}

const ANY = text('TEXT', 'a text', /^.+$/s);
const PATH = text('PATH', 'a path', /^.+$/s);
const NAME = text(
  'NAME',
  'a name of lower case letters, digits, `-` and `.`',
  /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/,
);
const TABLE = text('NAME', 'a letter, then up to 30 letters, digits and `_`', /^[a-z][a-z0-9_]{0,30}$/);
const KEY = text('KEY', 'a label key', /^(?:[a-z0-9.-]+\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);
const SERVER = text('URL', 'http://HOST:PORT or unix:///PATH', /^(?:http:\/\/.|unix:\/\/\/.)/);

/** Every setting with its value; durations are in milliseconds. */
export interface Config {
  readonly node: string | null;
  readonly kubeconfig: string | null;
  readonly context: string | null;
  readonly server: string | null;
  readonly listen: readonly string[];
  readonly logLevel: LogLevel;
  readonly deny: 'drop' | 'reject';
  readonly nflogGroup: number | 'off';
  readonly nflogRate: number;
  readonly refuseEncapsulation: boolean;
  readonly closedUntilKnown: boolean;
  readonly podCidr: readonly string[];
  readonly generationMask: number;
  readonly table: string;
  readonly nft: string;
  readonly nftTimeout: number;
  readonly coalesce: number;
  readonly coalesceLimit: number;
  readonly verifyInterval: number;
  readonly canaryInterval: number;
  readonly staleAfter: number;
  readonly cniCache: readonly string[];
  readonly taint: string | null;
  readonly events: boolean;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type SettingName = keyof Config;

/** Every setting of the agent by its name in the configuration file. */
export const SETTINGS: { readonly [K in SettingName]: Setting<Config[K]> } = {
  node: optional(NAME, 'the Node that this agent is for'),
  kubeconfig: optional(PATH, 'how to reach the API server; by default as the service account of the pod'),
  context: optional(ANY, 'the context of the kubeconfig'),
  server: optional(SERVER, 'the API server, where it asks for no credentials'),
  listen: setting<readonly string[]>(
    [':9790'],
    list(
      'ADDRESS,…',
      'addresses such as `:9790`, `127.0.0.1:9790`, `[::1]:9790`, `unix:///path`',
      (item) => parseListen(item) !== null,
    ),
    'where health and metrics are served',
  ),
  logLevel: setting<LogLevel>('info', choice('debug', 'info', 'warn', 'error'), 'what is logged', 'live'),
  deny: setting<'drop' | 'reject'>('drop', choice('drop', 'reject'), 'what denied packets meet', 'live'),
  nflogGroup: setting<number | 'off'>(
    77,
    {
      form: 'NUMBER|off',
      wanted: 'a number from 0 to 65535, or `off`',
      // Without quotes, `off` is false to YAML.
      read: (value) => (value === 'off' || value === 'false' ? 'off' : number(0, 65535).read(value)),
    },
    'the NFLOG group that gets the first packets of what is denied',
    'live',
  ),
  nflogRate: setting(500, number(1, 1_000_000), 'how many packets of each direction it gets in a second', 'live'),
  refuseEncapsulation: setting(true, flag, 'keep pods from sending VXLAN, Geneve or IP in IP to nodes', 'live'),
  closedUntilKnown: setting(false, flag, 'deny addresses of this node that no known pod has', 'live'),
  podCidr: setting<readonly string[]>(
    [],
    list('CIDR,…', 'blocks such as `10.1.2.0/24`', (item) => parseCidr(item) !== null),
    "where the addresses of this node's pods come from; by default what the Node says",
  ),
  generationMask: setting(0xffff0000, mask, 'the bits of connection marks that the agent may use'),
  table: setting('rampart', TABLE, 'the nftables table that is kept'),
  nft: setting('nft', PATH, 'the program `nft`'),
  nftTimeout: setting(30_000, duration(1000, 600_000), 'after so long, nft is killed'),
  coalesce: setting(50, duration(0, 10_000), 'how long a change waits for others', 'live'),
  coalesceLimit: setting(200, duration(0, 60_000), 'how long it waits at most while others keep coming', 'live'),
  verifyInterval: setting(60_000, duration(1000, 86_400_000), 'how often the table is read back', 'live'),
  canaryInterval: setting(5000, duration(500, 86_400_000), 'how often it is looked whether it is there', 'live'),
  staleAfter: setting(30_000, duration(1000, 3_600_000), 'not ready when a change has waited longer', 'live'),
  cniCache: setting<readonly string[]>(
    ['/var/lib/cni'],
    list('PATH,…', 'absolute paths', (item) => item.startsWith('/')),
    "where CNI plugins keep their results; empty: pods' addresses come from the API server alone",
  ),
  taint: optional(KEY, 'the taint that is taken off the Node once its pods are guarded'),
  events: setting(true, flag, 'write events and conditions on policies that fail here'),
};

/** `--log-level`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `RAMPART_AGENT_LOG_LEVEL`. */
export function variableOf(name: string): string {
  return `RAMPART_AGENT_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** What holds for a setting by itself, as one would write it; empty where nothing does. */
export function showInitial({ kind, initial }: Setting): string {
  if (initial === null || typeof initial === 'boolean') return '';
  return kind.show?.(initial) ?? (Array.isArray(initial) ? initial.join(',') : String(initial));
}
