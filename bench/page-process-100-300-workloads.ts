/** The self-contained page with the reasons behind every pair. */
import type { ClusterOptions } from './generate.ts';
import { type BenchCase, type Measurement, runAlone } from './suite/measure.ts';
import { clusterFolder, inScratch, measureProgram } from './suite/program.ts';

const REPLICAS = 3;
const SIZES = [
  { workloads: 100, policies: 160 },
  { workloads: 300, policies: 480 },
] as const;

export const benchCase: BenchCase = {
  name: 'page-process-100-300-workloads',
  title: '`rampart connectivity -f DIR -o html`',
  runs: 5,
  isolation: 'program',
  measure({ runs }): readonly Measurement[] {
    return inScratch((scratch) =>
      SIZES.map(({ workloads, policies }) =>
        measureProgram(scratch, {
          job: `${workloads} workloads / ${policies} policies, with reasons`,
          args: [
            ...['connectivity', '-o', 'html', '-f'],
            clusterFolder(scratch, String(workloads), shapeOf(workloads, policies)),
          ],
          target: null,
          runs,
          check: (output) => {
            if (!/^<!doctype html>/i.test(output) || !output.includes('payments-000/api')) {
              throw new Error('no page came');
            }
            // The text of a rule's reason names the field that matched.
            if (!output.includes('spec.egress[')) throw new Error('the page has no reasons');
            return `${(output.length / 1e6).toFixed(1)} MB of HTML`;
          },
        }),
      ),
    );
  },
};

/** Three of the workloads are DNS, monitoring and the ingress controller, with four pods. */
function shapeOf(workloads: number, policies: number): ClusterOptions {
  return { pods: (workloads - 3) * REPLICAS + 4, policies, replicas: REPLICAS };
}

if (import.meta.main) await runAlone(benchCase, import.meta.url);
