/** A real agent process at 100,000 pods, against an API server of this process; one node in five hundred is its own. */
import { measureAgent } from './agent/measure.ts';
import { noBundle } from './agent/rig.ts';
import { noBox } from './dataplane/box.ts';
import { type BenchCase, type Measurement, runAlone } from './suite/measure.ts';

export const benchCase: BenchCase = {
  name: 'agent-100k-pods-200-local',
  title: '`rampart agent`, 100,000 pods / 10,000 policies, 200 pods on its node',
  runs: 1,
  isolation: 'kernel',
  unable: () => noBox() ?? noBundle(),
  measure: ({ tiny }): Promise<readonly Measurement[]> =>
    measureAgent(
      tiny
        ? {
            cluster: { pods: 400, policies: 80, nodes: 20 },
            fromSource: true,
            changes: 1,
            churnSeconds: 1,
            targets: { rssMiB: null, compileMs: null },
          }
        : {
            cluster: { pods: 100_000, policies: 10_000, nodes: 500 },
            fromSource: false,
            changes: 10,
            churnSeconds: 20,
            // It would fall into the one or the other run: 5.5 s in which changes wait, and as much processor time, every five minutes.
            flags: { words: ['--verify-interval', '10m'], note: 'the table is not read back meanwhile' },
            targets: { rssMiB: 572, compileMs: null },
          },
    ),
};

if (import.meta.main) await runAlone(benchCase, import.meta.url);
