/** What rulesets cost the packets of a node: new flows, new connections, established ones; all against conntrack alone. */
import { inBox, noBox } from './dataplane/box.ts';
import { loadIn, noLoad } from './dataplane/load.ts';
import { check, install, QUESTIONS, type Question, type Ruleset, type Scale, TCP } from './dataplane/questions.ts';
import { compiled } from './dataplane/rampart.ts';
import { byAddress, CONNTRACK_ONLY, linear } from './dataplane/rulesets.ts';
import { localAddresses, localPairs, type Shape, SIDES, shapeOf } from './dataplane/shape.ts';
import { type BenchCase, type Measurement, median, runAlone } from './suite/measure.ts';
import { inScratchMeanwhile } from './suite/program.ts';

/** With ten thousand rules of its own sort nft needs many minutes: `dataplane/linear-10k-rules.ts` has the patience. */
const MOST_LINEAR = 1000;

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
        for (const ruleset of round === 0 ? rulesets : []) {
          install(box, ruleset);
          check(load, ruleset, shape, pairs);
        }
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

if (import.meta.main) await runAlone(benchCase, import.meta.url);
