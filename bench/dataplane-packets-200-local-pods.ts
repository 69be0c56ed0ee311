/** What rulesets cost the packets of a node: new flows, new connections, established ones; all against conntrack alone. */
import { type Box, inBox, noBox } from './dataplane/box.ts';
import { type Load, loadIn, noLoad } from './dataplane/load.ts';
import { compiled } from './dataplane/rampart.ts';
import { byAddress, CONNTRACK_ONLY, linear } from './dataplane/rulesets.ts';
import { deniedPairs, localAddresses, localPairs, type Pair, type Shape, SIDES, shapeOf } from './dataplane/shape.ts';
import { type BenchCase, type Measurement, median, runAlone } from './suite/measure.ts';
import { inScratchMeanwhile } from './suite/program.ts';

const TCP = 8080;
const STREAM = 9090;
const UDP = 9000;
/** Packets whose flows the node has seen before, and still takes for new: nothing ever comes back. */
const REPEATED_TUPLES = 2000;
const MOST_LINEAR = 1000;
const ANY_TUPLES = 100_000_000;

interface Ruleset {
  readonly name: string;
  readonly text: string;
  /** Whether it knows policies. */
  readonly filters: boolean;
}

interface Scale {
  readonly packets: number;
  readonly milliseconds: number;
  readonly seconds: number;
}

interface Question {
  readonly what: string;
  readonly digits: number;
  readonly unit: string;
  readonly target: number | null;
  ask(load: Load, pairs: readonly Pair[], scale: Scale, round: number): number | Promise<number>;
}

const QUESTIONS: readonly Question[] = [
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

export const benchCase: BenchCase = {
  name: 'dataplane-packets-200-local-pods',
  title:
    'Packets through a node, as a ratio to tracking connections alone; 200 local pods isolated both ways, 10,000 pods',
  runs: 5,
  isolation: 'kernel',
  unable: () => noBox() ?? noLoad(),
  async measure({ runs, tiny }): Promise<readonly Measurement[]> {
    const sizes = tiny
      ? [{ pods: 400, localPods: 20, rules: 2 }]
      : [
          { pods: 10_000, localPods: 200, rules: 50 },
          { pods: 10_000, localPods: 200, rules: 3 },
        ];
    const scale = tiny
      ? { packets: 2000, milliseconds: 50, seconds: 1 }
      : { packets: 150_000, milliseconds: 2000, seconds: 2 };
    const out: Measurement[] = [];
    for (const size of sizes) {
      const shape = shapeOf(size);
      const questions = tiny ? QUESTIONS.slice(0, 3) : QUESTIONS;
      out.push(...(await measureShape(shape, size.localPods * size.rules, questions, scale, runs)));
    }
    return out;
  },
};

async function measureShape(
  shape: Shape,
  rules: number,
  questions: readonly Question[],
  scale: Scale,
  runs: number,
): Promise<readonly Measurement[]> {
  const { compiler } = compiled(shape);
  const rulesets: readonly Ruleset[] = [
    { name: 'conntrack only', text: CONNTRACK_ONLY, filters: false },
    { name: 'no ruleset', text: '', filters: false },
    // With ten thousand rules of its own sort nft has not loaded it after three minutes.
    ...(rules > MOST_LINEAR ? [] : [{ name: 'linear', text: linear(shape), filters: true }]),
    { name: 'by address', text: byAddress(shape), filters: true },
    { name: 'rampart', text: compiler.desired.transaction().text, filters: true },
  ];
  const pairs = localPairs(shape);
  const samples = new Map<Question, Map<Ruleset, number[]>>(
    questions.map((question) => [question, new Map(rulesets.map((ruleset) => [ruleset, []]))]),
  );
  await inScratchMeanwhile((scratch) =>
    inBox({ networks: SIDES, addresses: localAddresses(shape) }, async (box) => {
      const load = await loadIn(box, scratch, TCP);
      for (let round = 0; round < runs; round++) {
        if (round === 0) for (const ruleset of rulesets) check(box, load, ruleset, shape, pairs);
        // Rulesets are compared with each other: they take turns as quickly as they can, since the machine's mood changes.
        for (const question of questions) {
          for (const ruleset of rulesets) {
            install(box, ruleset);
            const value = await question.ask(load, pairs, scale, round);
            samples.get(question)?.get(ruleset)?.push(value);
          }
        }
      }
    }),
  );
  return questions.flatMap((question) => {
    const byRuleset = samples.get(question) ?? new Map<Ruleset, number[]>();
    const [reference = []] = byRuleset.values();
    return [...byRuleset].slice(1).map(([{ name }, own]): Measurement => {
      const shown = (values: readonly number[]): string =>
        median(values).toLocaleString('en', { maximumFractionDigits: question.digits });
      return {
        job: `${rules.toLocaleString('en')} rules: ${question.what}: ${name}`,
        unit: 'ratio',
        samples: own.map((value, index) => value / (reference[index] ?? Number.NaN)),
        target: name === 'rampart' ? question.target : null,
        rss: null,
        note: `${shown(own)} ${question.unit} of processor time; conntrack only: ${shown(reference)}`,
      };
    });
  });
}

function install(box: Box, { text }: Ruleset): void {
  box.run('node', ['nft', 'flush', 'ruleset']);
  if (text !== '') box.run('node', ['nft', '-f', '-'], text);
  box.run('node', ['conntrack', '-F']);
}

/** A ruleset that lets nothing through, or all, would be fast. */
function check(box: Box, load: Load, ruleset: Ruleset, shape: Shape, pairs: readonly Pair[]): void {
  const { name, filters } = ruleset;
  const sent = 100;
  install(box, ruleset);
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

if (import.meta.main) await runAlone(benchCase, import.meta.url);
