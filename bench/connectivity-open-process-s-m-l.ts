/** The same cluster without a single policy: everything may talk to everything. */
import { SIZES } from './generate.ts';
import { type BenchCase, type Measurement, runAlone } from './suite/measure.ts';
import { clusterFolder, inScratch, lengthOf, measureProgram, reportIn } from './suite/program.ts';
import { OTHER_QUESTIONS, SIZE_NAMES, WHOLE_PROCESS_TARGET, wordSize } from './suite/size.ts';

export const benchCase: BenchCase = {
  name: 'connectivity-open-process-s-m-l',
  title: '`rampart connectivity -f DIR -o json` of an open cluster',
  runs: 7,
  isolation: 'program',
  measure({ runs }): readonly Measurement[] {
    return inScratch((scratch) =>
      SIZE_NAMES.map((size) => {
        const folder = clusterFolder(scratch, size, { ...SIZES[size], barePods: true, open: true });
        return measureProgram(scratch, {
          job: wordSize(size, true),
          args: ['connectivity', '-f', folder, '-o', 'json'],
          target: WHOLE_PROCESS_TARGET[size] * OTHER_QUESTIONS,
          runs,
          check: (output) => {
            const report = reportIn(output, 'ConnectivityReport');
            const [peers, entries] = [lengthOf(report, 'peers'), lengthOf(report, 'allowed')];
            if (peers < SIZES[size].pods || entries === 0) throw new Error('the report is not whole');
            return `${entries.toLocaleString('en')} entries, ${(output.length / 1e6).toFixed(1)} MB of JSON`;
          },
        });
      }),
    );
  },
};

if (import.meta.main) await runAlone(benchCase, import.meta.url);
