/** `rampart exposure` of the same folders. */
import { SIZES } from './generate.ts';
import { type BenchCase, type Measurement, runAlone } from './suite/measure.ts';
import { clusterFolder, inScratch, lengthOf, measureProgram, reportIn } from './suite/program.ts';
import { OTHER_QUESTIONS, SIZE_NAMES, WHOLE_PROCESS_TARGET, wordSize } from './suite/size.ts';

export const benchCase: BenchCase = {
  name: 'exposure-process-s-m-l',
  title: '`rampart exposure -f DIR -o json`',
  runs: 7,
  isolation: 'program',
  measure({ runs }): readonly Measurement[] {
    return inScratch((scratch) =>
      SIZE_NAMES.map((size) => {
        const folder = clusterFolder(scratch, size, { ...SIZES[size], barePods: true });
        return measureProgram(scratch, {
          job: wordSize(size),
          args: ['exposure', '-f', folder, '-o', 'json'],
          target: WHOLE_PROCESS_TARGET[size] * OTHER_QUESTIONS,
          runs,
          check: (output) => {
            const entries = lengthOf(reportIn(output, 'ExposureReport'), 'entries');
            if (entries < SIZES[size].pods) throw new Error(`${entries} entries are not all`);
            return `${entries.toLocaleString('en')} entries, ${(output.length / 1e6).toFixed(1)} MB of JSON`;
          },
        });
      }),
    );
  },
};

if (import.meta.main) await runAlone(benchCase, import.meta.url);
