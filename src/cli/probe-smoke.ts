import { detectCni } from '../io/cni.ts';
import { connect } from '../io/kubeconfig.ts';
import { progressLine } from '../io/terminal.ts';
import { PROBE_NAME } from '../lab/live/objects.ts';
import { liveProber } from '../lab/live/prober.ts';
import { nodesToUse, smoke, verdictOf } from '../lab/live/smoke.ts';
import type { SmokeReport } from '../report/report.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { answer } from './output-options.ts';
import { choiceOf, cleaningUp, newRun, readWithoutProbes, removeExpired, withClient } from './probe-live.ts';
import type { ProbeCommandOptions } from './probe-options.ts';
import type { Shell } from './shell.ts';

const GRACE_MS = 8000;
const START_MS = 30_000;

/** Whether policies are enforced at all: 0 if they are, 2 if not or only in part, 1 if it could not be found out. */
export async function probeSmoke(options: ProbeCommandOptions, shell: Shell): Promise<ExitCode> {
  const begun = performance.now();
  const progress = progressLine(shell.stderr, options.quiet !== true);
  const connection = await connect(choiceOf(options), shell.env);
  const read = await readWithoutProbes(options, shell);
  const cni = read.live?.cni ?? detectCni(read.objects);
  return withClient(
    connection,
    shell,
    options,
    async (client, signal) => {
      await removeExpired(client, shell, options);
      const nodes = await nodesToUse(client, signal);
      const run = newRun(options.image, 180);
      const namespace = options.namespace ?? null;
      const within = [namespace ?? `${PROBE_NAME}${run.id}`];
      const seen = await cleaningUp(connection, run, within, shell, () =>
        smoke(client, run, {
          nodes,
          namespace,
          graceMs: GRACE_MS,
          startMs: START_MS,
          signal,
          now: () => new Date(),
          prober: (seats) => liveProber(connection, seats),
          onProgress: (text) => progress.show(text),
        }),
      );
      progress.clear();
      const enforced = verdictOf(seen.checks);
      const report: SmokeReport = {
        kind: 'SmokeReport',
        where: `context ${read.live?.context ?? connection.context}`,
        enforced,
        by: cni.name,
        evidence: cni.evidence,
        ...seen,
        seconds: Math.round((performance.now() - begun) / 100) / 10,
        diagnostics: read.diagnostics,
      };
      const code = await answer(report, options, shell);
      if (enforced === 'no' || enforced === 'partly') return EXIT.denied;
      return enforced === 'unknown' ? EXIT.failed : code;
    },
    progress,
  );
}
