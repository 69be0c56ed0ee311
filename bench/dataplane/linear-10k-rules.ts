/**
 * Packets through a ruleset that grows with the policies, against Rampart's and conntrack alone: 200 local pods, 10,000 rules. No part
 * of the suite, because nft alone takes minutes for the first: `npx node bench/dataplane/linear-10k-rules.ts [--rules 50] [--rounds 5]`.
 */
import { parseArgs } from 'node:util';
import { median, timed } from '../suite/measure.ts';
import { inScratchMeanwhile } from '../suite/program.ts';
import { inBox, noBox } from './box.ts';
import { loadIn, noLoad } from './load.ts';
import { check, install, QUESTIONS, type Ruleset, TCP } from './questions.ts';
import { compiled } from './rampart.ts';
import { CONNTRACK_ONLY, linear } from './rulesets.ts';
import { localAddresses, localPairs, SIDES, shapeOf } from './shape.ts';

const { values } = parseArgs({
  options: { rules: { type: 'string', default: '50' }, rounds: { type: 'string', default: '5' } },
});
const why = noBox() ?? noLoad();
if (why !== null) throw new Error(why);

const size = { pods: 10_000, localPods: 200, rules: Number(values.rules) };
const shape = shapeOf(size);
const pairs = localPairs(shape);
const rulesets: readonly Ruleset[] = [
  { name: 'conntrack only', text: CONNTRACK_ONLY, filters: false },
  { name: 'rampart', text: compiled(shape).compiler.desired.transaction().text, filters: true },
  { name: 'linear', text: linear(shape), filters: true },
];
const scale = { packets: 20_000, milliseconds: 2000, seconds: 2 };

await inScratchMeanwhile((scratch) =>
  inBox({ networks: SIDES, addresses: localAddresses(shape) }, async (box) => {
    const load = await loadIn(box, scratch, TCP);
    const references = new Map<string, number>();
    for (const ruleset of rulesets) {
      const { ms } = timed(() => install(box, ruleset, 1_800_000));
      check(load, ruleset, shape, pairs);
      for (const question of QUESTIONS) {
        const samples: number[] = [];
        for (let round = 0; round < Number(values.rounds); round++) {
          box.run('node', ['conntrack', '-F']);
          samples.push(await question.ask(load, pairs, scale, round));
        }
        const value = median(samples);
        const reference = references.get(question.what) ?? value;
        references.set(question.what, reference);
        const line = { ruleset: ruleset.name, rules: size.localPods * size.rules, loadMs: Math.round(ms) };
        const shown = { value, unit: question.unit, ratio: Number((value / reference).toPrecision(3)) };
        process.stdout.write(`${JSON.stringify({ ...line, question: question.what, ...shown })}\n`);
      }
    }
  }),
);
