/** How load, compiling and verdicts grow with the cluster. */
import { CompiledProgram } from '../src/engine/compiled/compile.ts';
import { verdict } from '../src/engine/compiled/evaluate.ts';
import { connectivity } from '../src/engine/connectivity/connectivity.ts';
import { type ClusterOptions, SIZES } from './generate.ts';
import { realisticFlows } from './suite/flows.ts';
import { loadProgram, objectsInMemory } from './suite/loaded.ts';
import { type BenchCase, type Measurement, rate, runAlone, timed } from './suite/measure.ts';
import { SIZE_NAMES, type SizeName, wordSize } from './suite/size.ts';

const FLOWS = 50_000;

export const benchCase: BenchCase = {
  name: 'growth-s-m-l',
  title: 'How the engine grows with the cluster (warmed up, pods with controllers)',
  runs: 5,
  isolation: 'same-process',
  measure({ runs, tiny }): readonly Measurement[] {
    const measured = SIZE_NAMES.map((size) =>
      ofSize(size, tiny ? { pods: 60, policies: 20 } : SIZES[size], runs, tiny ? 100 : FLOWS),
    );
    return [0, 1, 2].flatMap((job) => measured.flatMap((jobs) => jobs.slice(job, job + 1)));
  },
};

function ofSize(size: SizeName, options: ClusterOptions, runs: number, count: number): readonly Measurement[] {
  const objects = objectsInMemory(options);
  const { input } = loadProgram(objects);
  const loads: number[] = [];
  const pairs: number[] = [];
  const rates: number[] = [];
  let flows = null;
  // The first round only warms up.
  for (let run = -1; run < runs; run++) {
    loads.push(timed(() => loadProgram(objects)).ms);
    const compiled = new CompiledProgram(input.program, input.cluster);
    pairs.push(timed(() => connectivity(compiled, input.cluster)).ms);
    flows ??= realisticFlows(compiled, input.cluster, count);
    const asked = flows;
    let allowed = 0;
    rates.push(
      rate(asked.length, () => {
        for (const flow of asked) if (verdict(compiled, flow) === 'allowed') allowed++;
      }),
    );
    if (allowed === 0 || allowed === asked.length) throw new Error('the program does not tell flows apart');
  }
  const words = wordSize(size);
  for (const samples of [loads, pairs, rates]) samples.shift();
  return [
    { job: `load and compile: ${words}`, unit: 'ms', samples: loads, target: null },
    { job: `all connections of the compiled program: ${words}`, unit: 'ms', samples: pairs, target: null },
    { job: `verdicts: ${words}`, unit: 'per second', samples: rates, target: null },
  ];
}

if (import.meta.main) await runAlone(benchCase, import.meta.url);
