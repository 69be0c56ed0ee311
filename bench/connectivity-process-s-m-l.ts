/** `rampart connectivity` as a user runs it, reading included. */
import { SIZES } from './generate.ts';
import { type BenchCase, type Measurement, runAlone } from './suite/measure.ts';
import { clusterFolder, inScratch, lengthOf, measureProgram, reportIn } from './suite/program.ts';
import { SIZE_NAMES, WHOLE_PROCESS_TARGET, wordSize } from './suite/size.ts';

export const benchCase: BenchCase = {
  name: 'connectivity-process-s-m-l',
  title: '`rampart connectivity -f DIR -o json`, YAML, bare pods',
  runs: 7,
  isolation: 'program',
  measure({ runs }): readonly Measurement[] {
    return inScratch((scratch) =>
      SIZE_NAMES.map((size) => {
        const folder = clusterFolder(scratch, size, { ...SIZES[size], barePods: true });
        return measureProgram(scratch, {
          job: wordSize(size),
          args: ['connectivity', '-f', folder, '-o', 'json'],
          target: WHOLE_PROCESS_TARGET[size],
          runs,
          check: (output) => wordReport(output, SIZES[size].pods),
        });
      }),
    );
  },
};

function wordReport(output: string, pods: number): string {
  const report = reportIn(output, 'ConnectivityReport');
  const [peers, entries] = [lengthOf(report, 'peers'), lengthOf(report, 'allowed')];
  // Ranges of addresses are peers, too.
  if (peers < pods || entries === 0) throw new Error(`a report on ${peers} peers with ${entries} entries is not whole`);
  return `${entries.toLocaleString('en')} entries, ${(output.length / 1e6).toFixed(1)} MB of JSON`;
}

if (import.meta.main) await runAlone(benchCase, import.meta.url);
