/** One flow at a time, on one thread, on a large program. */
import type { CompiledProgram } from '../src/engine/compiled/compile.ts';
import { verdict } from '../src/engine/compiled/evaluate.ts';
import type { Flow } from '../src/model/flow.ts';
import { allowedShare, flowsBySort, shuffled } from './suite/flows.ts';
import { loadProgram, objectsInMemory } from './suite/loaded.ts';
import { type BenchCase, type Measurement, rate, runAlone } from './suite/measure.ts';

export const benchCase: BenchCase = {
  name: 'verdict-100k-pods-10k-policies',
  title: 'Verdicts on that program, one flow at a time, one thread',
  runs: 7,
  isolation: 'same-process',
  measure({ runs, tiny }): readonly Measurement[] {
    const objects = objectsInMemory(tiny ? { pods: 120, policies: 40 } : { pods: 100_000, policies: 10_000 });
    const { compiled, input } = loadProgram(objects);
    const count = tiny ? 500 : 200_000;
    const bySort = flowsBySort(compiled, input.cluster, count);
    const measured = (job: string, flows: readonly Flow[], target: number | null): Measurement => {
      const rounds = tiny ? 1 : Math.ceil(1_000_000 / flows.length);
      ask(compiled, flows, rounds);
      const samples = Array.from({ length: runs }, () =>
        rate(rounds * flows.length, () => ask(compiled, flows, rounds)),
      );
      const note = `${flows.length.toLocaleString('en')} different flows, ${allowedShare(compiled, flows)}% allowed`;
      return { job, unit: 'per second', samples, target, note };
    };
    const mix = shuffled([...bySort.values()].flat());
    return [
      measured('a mix of flows', mix, 1_000_000),
      measured('the same mix, a thousand flows again and again', mix.slice(0, 1000), null),
      ...[...bySort].map(([sort, flows]) => measured(`only ${sort}`, flows, null)),
    ];
  },
};

/** What comes out is counted, so that no compiler can leave the work out. */
function ask(program: CompiledProgram, flows: readonly Flow[], rounds: number): void {
  let counted = 0;
  for (let round = 0; round < rounds; round++) {
    for (const flow of flows) if (verdict(program, flow) !== 'undefined') counted++;
  }
  if (counted === 0) throw new Error('no flow has a verdict');
}

if (import.meta.main) await runAlone(benchCase, import.meta.url);
