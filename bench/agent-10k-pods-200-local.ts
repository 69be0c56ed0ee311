/** A real agent process at 10,000 pods, against an API server of this process; one node in fifty is its own. */
import { measureAgent } from './agent/measure.ts';
import { noBundle } from './agent/rig.ts';
import { noBox } from './dataplane/box.ts';
import { type BenchCase, type Measurement, mergedByJob, runAlone } from './suite/measure.ts';

export const benchCase: BenchCase = {
  name: 'agent-10k-pods-200-local',
  title: '`rampart agent`, 10,000 pods / 1,000 policies, 200 pods on its node',
  runs: 3,
  isolation: 'kernel',
  unable: () => noBox() ?? noBundle(),
  async measure({ runs, tiny }): Promise<readonly Measurement[]> {
    const order = tiny
      ? {
          cluster: { pods: 240, policies: 60, nodes: 8 },
          fromSource: true,
          changes: 1,
          churnSeconds: 1,
          targets: { rssMiB: null, compileMs: null },
        }
      : {
          cluster: { pods: 10_000, policies: 1000, nodes: 50 },
          fromSource: false,
          changes: 25,
          churnSeconds: 20,
          targets: { rssMiB: 143, compileMs: 2000 },
        };
    const measured: (readonly Measurement[])[] = [];
    for (let run = 0; run < runs; run++) measured.push(await measureAgent(order));
    return mergedByJob(measured);
  },
};

if (import.meta.main) await runAlone(benchCase, import.meta.url);
