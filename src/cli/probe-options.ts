import type { Command } from 'commander';
import { suggest } from '../base/suggest.ts';
import { IoError } from '../io/io-error.ts';
import type { FlowQuestion } from '../report/report.ts';
import type { InputOptions } from './input-options.ts';
import type { OutputOptions } from './output-options.ts';
import { UsageError } from './shell.ts';

/** What `probe` was asked for. */
export interface ProbeCommandOptions extends OutputOptions, Pick<InputOptions, 'kubeconfig' | 'context' | 'profile'> {
  readonly lab?: string | true;
  readonly flows?: string;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly port?: readonly string[];
  readonly namespace?: string;
  readonly via: 'pods' | 'exec';
  readonly image: string;
  readonly smoke?: boolean;
  readonly cleanup?: boolean;
  readonly pods: 'all' | 'one';
  readonly most: string;
  readonly timeout: string;
  readonly total: string;
}

/** A number of an option, or a word on what is wrong with it. */
export function positive(text: string, option: string, unit: string, example: number): number {
  const value = Number(text);
  if (value > 0 && value <= LARGEST) return value;
  throw new UsageError(
    `${option} is \`${text}\`, which is no ${unit}`,
    `write a number above 0 and up to ${LARGEST}: ${option} ${example}`,
  );
}

/** In seconds it is eleven days, which timers can still wait for. */
const LARGEST = 1_000_000;

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

/** Adds the options that say which pairs are asked about. */
export function addPairOptions(command: Command): Command {
  return command
    .option('--from <endpoint>', 'who connects; may be repeated', collect)
    .option('--to <endpoint>', 'to whom; may be repeated', collect)
    .option('--port <port>', 'over which port, e.g. 5432, 53/udp or http; may be repeated', collect);
}

/** Those of a namespace, or all; throws {@link IoError} where it has none, since an answer about nothing looks like a good one. */
export function inNamespace<T extends { readonly id: string }>(
  parties: readonly T[],
  namespace: string | undefined,
): readonly T[] {
  if (namespace === undefined) return parties;
  const within = parties.filter(({ id }) => id.startsWith(`${namespace}/`));
  if (within.length > 0) return within;
  const known = [...new Set(parties.map(({ id }) => id.split('/', 1)[0] ?? ''))].sort();
  const near = suggest(namespace, known);
  const help =
    near.length > 0
      ? `did you mean \`${near.join('`, `')}\`?`
      : known.length === 0
        ? 'no namespace has any'
        : `there are some in ${known
            .slice(0, 10)
            .map((one) => `\`${one}\``)
            .join(', ')}${known.length > 10 ? ', …' : ''}`;
  throw new IoError('not-found', `there is no pod in the namespace \`${namespace}\``, { help });
}

/** The questions of `--from`, `--to` and `--port`; `null` where an end is to be filled with what there is. */
export function writtenPairs(
  options: Pick<ProbeCommandOptions, 'from' | 'to' | 'port'>,
  all: readonly string[],
  portsOf: (end: string) => readonly { readonly protocol: string; readonly port: number }[],
): readonly FlowQuestion[] {
  const given = (options.port ?? []).map(portText);
  return (options.from ?? all).flatMap((src) =>
    (options.to ?? all)
      .filter((dst) => dst !== src)
      .flatMap((dst) => {
        if (given.length > 0) return given.map((port) => ({ src, dst, ...port }));
        const known = portsOf(dst);
        // Where nothing is known of the ports, the question itself may name one (`10.1.2.3:443`).
        return known.length === 0 ? [{ src, dst }] : known.map(({ protocol, port }) => ({ src, dst, protocol, port }));
      }),
  );
}

function portText(text: string): FlowQuestion {
  const match = /^([^/]+)(?:\/(tcp|udp|sctp))?$/i.exec(text);
  if (match === null) throw new UsageError(`\`${text}\` is no port`, 'write 5432, 53/udp or http');
  const [, port = '', protocol] = match;
  const number = /^\d+$/.test(port) ? Number(port) : port;
  return protocol === undefined && typeof number === 'string'
    ? { port: number }
    : { protocol: (protocol ?? 'tcp').toUpperCase(), port: number };
}
