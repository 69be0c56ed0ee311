/** Asks planned questions with real connections: many at once, in bounded time, and disagreements again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { ProbedFlow, ProbeReport, ProbeSkipped } from '../report/report.ts';
import type { Attempt } from './pod-protocol.ts';
import { compare, countFlows, inLightOf, judgeOutcome, placeOf, type Seen } from './probe-compare.ts';
import type { PlannedFlow, Try } from './probe-plan.ts';

/** Makes connection attempts from a pod, a node or the outside; outcomes are in the order of the attempts. */
export interface Prober {
  attempt(
    actor: string,
    attempts: readonly Attempt[],
    options: { readonly parallel: number; readonly signal: AbortSignal },
  ): Promise<readonly Seen[]>;
}

export interface ProbeOptions {
  /** Without an answer for so long, a connection is denied. */
  readonly timeoutMs: number;
  /** Attempts of one actor at a time. */
  readonly perActor: number;
  /** Attempts at a time in all. */
  readonly inFlight: number;
  /** Before a disagreement is asked again; as many times as there are entries. */
  readonly pausesMs: readonly number[];
  /** After so long nothing more is begun. */
  readonly totalMs: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, of: number, round: number) => void;
  /** Watches the kernel while a disagreement is tried once more. */
  readonly trace?: (planned: PlannedFlow, again: () => Promise<void>) => Promise<readonly string[]>;
}

export const PROBE_DEFAULTS: Omit<ProbeOptions, 'signal'> = {
  timeoutMs: 1000,
  perActor: 64,
  inFlight: 768,
  pausesMs: [500, 2000],
  totalMs: 300_000,
};

/** What came of a probe, before it is put into a report. */
export interface Probed {
  readonly flows: readonly ProbedFlow[];
  readonly disagreedAtFirst: number;
  readonly attempts: number;
  readonly seconds: number;
}

/** Disagreements whose way through the kernel is watched. */
const MOST_TRACES = 5;

/** Asks everything once, and what disagrees again. Rejects only where asking itself fails, or is called off. */
export async function probe(plan: readonly PlannedFlow[], prober: Prober, options: ProbeOptions): Promise<Probed> {
  const begun = performance.now();
  const deadline = AbortSignal.timeout(options.totalMs);
  const counted: Counted = { attempts: 0, answering: new Set() };
  const flows = [...(await round(plan, prober, options, deadline, 1, counted))];
  const wrong = flows.flatMap((flow, i) => (flow.agrees ? [] : [i]));
  const disagreedAtFirst = wrong.length;
  let left: readonly number[] = wrong;
  for (const [i, pause] of options.pausesMs.entries()) {
    if (left.length === 0 || deadline.aborted) break;
    await sleep(pause, undefined, { signal: options.signal });
    const again = left.flatMap((at) => (plan[at] === undefined ? [] : [plan[at]]));
    const seen = await round(again, prober, options, deadline, i + 2, counted);
    for (const [at, flow] of seen.entries()) {
      const index = left[at];
      if (index !== undefined && !wasNotAsked(flow)) flows[index] = flow;
    }
    left = left.filter((at) => flows[at]?.agrees === false);
  }
  if (options.trace !== undefined) {
    for (const at of left.slice(0, MOST_TRACES)) {
      const planned = plan[at];
      const flow = flows[at];
      if (planned === undefined || flow === undefined || options.signal.aborted) continue;
      const trace = await options.trace(planned, async () => {
        const watched = { ...planned, tries: planned.tries.slice(0, 1) };
        await round([watched], prober, options, options.signal, 0, counted);
      });
      flows[at] = { ...flow, trace };
    }
  }
  return {
    flows,
    disagreedAtFirst,
    attempts: counted.attempts,
    seconds: Math.round(performance.now() - begun) / 1000,
  };
}

interface Counted {
  attempts: number;
  /** Places that answered somebody. */
  readonly answering: Set<string>;
}

const NOT_ASKED = 'not asked: the time was up';

function wasNotAsked(flow: ProbedFlow): boolean {
  return flow.attempts.length > 0 && flow.attempts.every(({ detail }) => detail === NOT_ASKED);
}

async function round(
  plan: readonly PlannedFlow[],
  prober: Prober,
  options: ProbeOptions,
  deadline: AbortSignal,
  number: number,
  counted: Counted,
): Promise<readonly ProbedFlow[]> {
  const seen = new Map<string, Seen>();
  const byActor = new Map<string, Map<string, Try>>();
  for (const { tries } of plan) {
    for (const attempt of tries) {
      const mine = byActor.get(attempt.actor) ?? new Map<string, Try>();
      byActor.set(attempt.actor, mine.set(keyOf(attempt), attempt));
    }
  }
  const chunks = chunksOf(byActor, options.perActor);
  const of = chunks.reduce((sum, { tries }) => sum + tries.length, 0);
  let done = 0;
  let next = 0;
  let failed = false;
  const ask = async ({ actor, tries }: Chunk): Promise<readonly Seen[]> => {
    try {
      return await prober.attempt(actor, attemptsOf(tries, options), {
        parallel: options.perActor,
        signal: options.signal,
      });
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  const worker = async (): Promise<void> => {
    for (;;) {
      const chunk = chunks[next++];
      if (chunk === undefined || failed) return;
      options.signal.throwIfAborted();
      const late = deadline.aborted;
      const outcomes = late ? [] : await ask(chunk);
      if (!late) counted.attempts += chunk.tries.length;
      for (const [i, attempt] of chunk.tries.entries()) {
        const missing: Seen = {
          observed: 'error',
          detail: late ? NOT_ASKED : 'the prober gave no outcome',
          ms: 0,
          peer: null,
        };
        const judged = judgeOutcome(attempt, outcomes[i] ?? missing);
        if (judged.observed === 'allowed') counted.answering.add(placeOf(attempt));
        seen.set(keyOf(attempt), judged);
      }
      done += chunk.tries.length;
      options.onProgress?.(done, of, number);
    }
  };
  const workers = Math.max(1, Math.floor(options.inFlight / options.perActor));
  await Promise.all(Array.from({ length: workers }, worker));
  return plan.map((planned) =>
    compare(
      planned,
      planned.tries.flatMap((attempt) => {
        const outcome = seen.get(keyOf(attempt));
        return outcome === undefined ? [] : [inLightOf(counted.answering, attempt, outcome)];
      }),
      number,
    ),
  );
}

function keyOf({ actor, fromAddress, protocol, host, port }: Try): string {
  return `${actor} ${fromAddress ?? ''} ${protocol} ${host} ${port}`;
}

interface Chunk {
  readonly actor: string;
  readonly tries: readonly Try[];
}

/** Parts of about equal size, actors in turn, so that many connect at a time and none has to wait for another. */
function chunksOf(byActor: ReadonlyMap<string, ReadonlyMap<string, Try>>, size: number): readonly Chunk[] {
  const perActor = [...byActor].map(([actor, tries]) => {
    const all = [...tries.values()];
    return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => ({
      actor,
      tries: all.slice(i * size, (i + 1) * size),
    }));
  });
  const most = perActor.reduce((max, chunks) => Math.max(max, chunks.length), 0);
  return Array.from({ length: most }, (_, i) => i).flatMap((i) =>
    perActor.flatMap((chunks) => (chunks[i] === undefined ? [] : [chunks[i]])),
  );
}

function attemptsOf(tries: readonly Try[], options: ProbeOptions): readonly Attempt[] {
  return tries.map(({ protocol, host, port, fromAddress }) => ({
    protocol,
    host,
    port,
    timeoutMs: options.timeoutMs,
    ...(fromAddress === null ? {} : { from: fromAddress }),
  }));
}

/** The report of a probe. */
export function probeReport(
  probed: Probed,
  about: {
    readonly where: string;
    readonly via: string;
    readonly skipped: readonly ProbeSkipped[];
    readonly diagnostics: readonly Diagnostic[];
  },
): ProbeReport {
  const { flows, disagreedAtFirst, attempts, seconds } = probed;
  return {
    kind: 'ProbeReport',
    ...about,
    flows,
    counts: countFlows(flows),
    disagreedAtFirst,
    disagreements: flows.filter(({ agrees }) => !agrees).length,
    unverifiable: flows.filter(({ unverifiable }) => unverifiable !== null).length,
    attempts,
    seconds,
  };
}
