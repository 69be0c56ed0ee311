/** A cluster in a box from nothing to nothing: up, every pair of its pods and ports by real packets, down. */
import { noBox } from './dataplane/box.ts';
import { type BenchCase, type Measurement, runAlone } from './suite/measure.ts';
import { clusterFolder, inScratch, lengthOf, measureProgram, reportIn } from './suite/program.ts';

const SHAPE = { pods: 50, policies: 30, replicas: 2 };

export const benchCase: BenchCase = {
  name: 'lab-50-pods-all-pairs',
  title: '`rampart lab run -f DIR`, 50 pods / 30 policies on three nodes, dual-stack',
  runs: 1,
  isolation: 'program',
  unable: noBox,
  measure({ runs }): readonly Measurement[] {
    return inScratch((scratch) => [
      measureProgram(scratch, {
        job: 'up, all pairs and ports, down',
        args: [...['lab', 'run', '-o', 'json', '-f'], clusterFolder(scratch, 'cluster', SHAPE)],
        target: 60_000,
        runs,
        check: (output) => {
          const report = reportIn(output, 'ProbeReport');
          if (report.disagreements !== 0 || report.unverifiable !== 0) throw new Error('packets and engine disagree');
          const flows = lengthOf(report, 'flows');
          if (flows < 5000) throw new Error(`only ${flows} flows`);
          return `${flows.toLocaleString('en')} flows, ${Number(report.attempts).toLocaleString('en')} attempts, of it ${Number(report.seconds).toFixed(1)} s of asking`;
        },
      }),
    ]);
  },
};

if (import.meta.main) await runAlone(benchCase, import.meta.url);
