/** Connects from pods of a live cluster by running a script in them. */
import { IoError } from '../../io/io-error.ts';
import { execInPod } from '../../io/kube-exec.ts';
import type { Connection } from '../../io/kubeconfig.ts';
import type { Attempt } from '../pod-protocol.ts';
import type { Prober } from '../probe.ts';
import type { Seen } from '../probe-compare.ts';
import { ATTEMPTS_PER_COMMAND, clientOf, commandFor, PARALLEL_IN_POD, readOutcomes } from './script.ts';

/** Where an actor's commands run; `failed` says why they cannot. */
export type Seat =
  | { readonly kind: 'pod'; readonly namespace: string; readonly pod: string; readonly container?: string }
  | { readonly kind: 'failed'; readonly because: string };

export interface LiveProber extends Prober {
  /** Clients that were used, by name. */
  readonly clients: ReadonlySet<string>;
}

/** A prober whose actors are pods; an actor that is not among `seats` cannot be asked. */
export function liveProber(connection: Connection, seats: ReadonlyMap<string, Seat>): LiveProber {
  const clients = new Set<string>();
  const ask = async (seat: Seat, attempts: readonly Attempt[], signal: AbortSignal): Promise<readonly Seen[]> => {
    if (seat.kind === 'failed') return attempts.map(() => failure(seat.because));
    const command = commandFor(attempts);
    const longest = attempts.reduce((max, { timeoutMs }) => Math.max(max, timeoutMs), 0);
    const timeoutMs = 20_000 + Math.ceil(attempts.length / PARALLEL_IN_POD) * (longest + 2000);
    const { namespace, pod, container } = seat;
    const where = { namespace, pod, command, ...(container === undefined ? {} : { container }) };
    try {
      const { stdout } = await execInPod(connection, where, { timeoutMs, signal });
      const text = stdout.toString('utf8');
      const client = clientOf(text);
      if (client !== null) clients.add(client);
      return readOutcomes(text, attempts);
    } catch (error) {
      if (!(error instanceof IoError) || error.code === 'interrupted') throw error;
      if (error.code === 'forbidden' || error.code === 'unauthorized') throw error;
      return attempts.map(() => failure(error.message));
    }
  };
  return {
    clients,
    async attempt(actor, attempts, { signal }) {
      const seat = seats.get(actor) ?? { kind: 'failed', because: 'there is no pod to ask' };
      const outcomes: Seen[] = [];
      for (let i = 0; i < attempts.length; i += ATTEMPTS_PER_COMMAND) {
        outcomes.push(...(await ask(seat, attempts.slice(i, i + ATTEMPTS_PER_COMMAND), signal)));
      }
      return outcomes;
    },
  };
}

function failure(detail: string): Seen {
  return { observed: 'error', detail, ms: 0, peer: null };
}
