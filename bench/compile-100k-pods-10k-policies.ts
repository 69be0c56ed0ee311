/** From Kubernetes objects in memory to a program that answers. */
import { allowedShare, realisticFlows } from './suite/flows.ts';
import { loadProgram, objectsInMemory, podsOf } from './suite/loaded.ts';
import { type BenchCase, type Measurement, peakRss, runAlone, timed } from './suite/measure.ts';

export const benchCase: BenchCase = {
  name: 'compile-100k-pods-10k-policies',
  title: 'Objects of a large cluster in memory → a program that answers',
  runs: 5,
  isolation: 'process-each',
  measure({ runs, tiny }): readonly Measurement[] {
    const size = tiny ? { pods: 120, policies: 40 } : { pods: 100_000, policies: 10_000 };
    const objects = objectsInMemory(size);
    const times: number[] = [];
    const reading: number[] = [];
    const memory: number[] = [];
    let note = '';
    for (let run = 0; run < runs; run++) {
      const { ms, value: loaded } = timed(() => loadProgram(objects));
      times.push(ms);
      reading.push(loaded.inputMs);
      memory.push(peakRss());
      const pods = podsOf(loaded.input).length;
      if (pods !== size.pods || loaded.compiled.policyCount !== size.policies) throw new Error('objects were lost');
      const share = allowedShare(loaded.compiled, realisticFlows(loaded.compiled, loaded.input.cluster, 1000));
      if (share === 0 || share === 100) throw new Error('the program does not tell flows apart');
      note = `${objects.length.toLocaleString('en')} objects, ${loaded.compiled.classes.all.length.toLocaleString('en')} classes of endpoints`;
    }
    return [
      { job: 'load and compile', unit: 'ms', samples: times, target: 3000, note },
      { job: 'of that, objects → cluster and policies', unit: 'ms', samples: reading, target: null },
      { job: 'peak memory, the objects included', unit: 'MiB', samples: memory, target: 2048 },
    ];
  },
};

if (import.meta.main) await runAlone(benchCase, import.meta.url);
