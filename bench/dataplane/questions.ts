/** What is asked of each ruleset, and how rulesets take turns. */
import type { Box } from './box.ts';
import type { Load } from './load.ts';
import { deniedPairs, type Pair, type Shape } from './shape.ts';

export const TCP = 8080;
const STREAM = 9090;
const UDP = 9000;
/** Packets whose flows the node has seen before, and still takes for new: nothing ever comes back. */
const REPEATED_TUPLES = 2000;
const ANY_TUPLES = 100_000_000;

export interface Ruleset {
  readonly name: string;
  readonly text: string;
  /** Whether it knows policies. */
  readonly filters: boolean;
}

export interface Scale {
  readonly packets: number;
  readonly milliseconds: number;
  readonly seconds: number;
}

export interface Question {
  readonly what: string;
  readonly digits: number;
  readonly unit: string;
  readonly target: number | null;
  ask(load: Load, pairs: readonly Pair[], scale: Scale, round: number): number | Promise<number>;
}

export const QUESTIONS: readonly Question[] = [
  {
    what: 'one-way UDP, the same flows again and again',
    digits: 0,
    unit: 'packets/s',
    target: 0.79,
    ask: (load, pairs, { packets }) =>
      all(packets, load.packets({ pairs, port: UDP, tuples: REPEATED_TUPLES, first: 0, count: packets })),
  },
  {
    what: 'UDP, every packet a new flow',
    digits: 0,
    unit: 'packets/s',
    target: 0.79,
    ask: (load, pairs, { packets }, round) =>
      all(packets, load.packets({ pairs, port: UDP, tuples: ANY_TUPLES, first: round * packets, count: packets })),
  },
  {
    what: 'TCP connections, opened and reset',
    digits: 0,
    unit: 'connections/s',
    target: 0.95,
    ask: (load, pairs, { milliseconds }) => load.connections({ pairs, milliseconds }).perCpuSecond,
  },
  {
    what: 'one established TCP connection',
    digits: 1,
    unit: 'Gbit/s',
    target: 0.97,
    ask: (load, pairs, { seconds }) => load.throughput({ pair: middleOf(pairs), port: STREAM, seconds, mss: null }),
  },
  {
    what: 'one established TCP connection, segments of 536 bytes',
    digits: 2,
    unit: 'Gbit/s',
    target: 0.97,
    ask: (load, pairs, { seconds }) => load.throughput({ pair: middleOf(pairs), port: STREAM, seconds, mss: 536 }),
  },
];

/** Replaces what the node has; `mostMs` where that takes longer than other commands may. */
export function install(box: Box, { text }: Ruleset, mostMs?: number): void {
  box.run('node', ['nft', 'flush', 'ruleset']);
  if (text !== '') box.run('node', ['nft', '-f', '-'], text, mostMs);
  box.run('node', ['conntrack', '-F']);
}

/** A ruleset that lets nothing through, or all, would be fast. */
export function check(load: Load, ruleset: Ruleset, shape: Shape, pairs: readonly Pair[]): void {
  const { name, filters } = ruleset;
  const sent = 100;
  for (const [which, wanted] of [
    [pairs, sent],
    [deniedPairs(shape), filters ? 0 : sent],
  ] as const) {
    const { count } = load.packets({ pairs: which, port: UDP, tuples: sent, first: 0, count: sent });
    if (count !== wanted) throw new Error(`${name}: ${count} of ${sent} packets arrived, not ${wanted}`);
  }
}

/**
 * By the sender's processor time: packets are forwarded in its context up to the counter at their end, so that this is
 * what they cost, and others on the machine disturb it least.
 */
function all(sent: number, { count, perCpuSecond }: { readonly count: number; readonly perCpuSecond: number }): number {
  if (count !== sent) throw new Error(`${count} of ${sent} packets arrived`);
  return perCpuSecond;
}

/** Neither the best nor the worst for who looks at one pod after the other. */
function middleOf(pairs: readonly Pair[]): Pair {
  const pair = pairs[pairs.length >> 1];
  if (pair === undefined) throw new Error('no two pods of the node may talk');
  return pair;
}
