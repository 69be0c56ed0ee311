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
export function positive(text: string, option: string, unit: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`\`${text}\` is no ${unit}`, `write a number above 0: ${option} 5`);
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
