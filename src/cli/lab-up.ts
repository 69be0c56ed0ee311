import { upLab } from '../lab/session.ts';
import type { LabStatus } from '../lab/status.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { complain, hasPods, type LabMakingOptions, readPlan, upOptions } from './lab-plan.ts';
import { interruptible } from './probe-interruption.ts';
import type { Shell } from './shell.ts';

/** `rampart lab up`. */
export async function labUp(options: LabMakingOptions, shell: Shell): Promise<ExitCode> {
  const { plan, diagnostics } = await readPlan(options, shell);
  complain(diagnostics, options, shell);
  const started = performance.now();
  const { signal, release } = interruptible(shell.signal);
  try {
    const lab = await upLab(plan, {
      ...upOptions(options, shell.env),
      signal,
      onProgress: (line) => {
        if (options.quiet !== true) shell.stderr.write(`${line}\n`);
      },
    });
    const status = await lab.status();
    lab.close();
    if (options.quiet !== true) {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      shell.stderr.write(`the lab \`${status.name}\` is up after ${seconds} s: ${sizeOf(status)}\n${hints(status)}`);
      if (!hasPods(plan)) {
        const name = status.name === 'default' ? '' : ` --name ${status.name}`;
        shell.stderr.write(`the manifests have no workload: bring some with \`rampart lab apply -f PATH${name}\`\n`);
      }
    }
    if (status.pods.some(({ state }) => state === 'failed')) return EXIT.failed;
    // It is up, but not with all that was asked for.
    return diagnostics.some(({ severity }) => severity === 'error') ? EXIT.findings : EXIT.fine;
  } finally {
    release();
  }
}

function sizeOf({ nodes, pods, outside }: LabStatus): string {
  const failed = pods.filter(({ state }) => state === 'failed').length;
  const trouble = failed === 0 ? '' : ` (${failed} failed: see \`rampart lab status\`)`;
  return `${counted(nodes.length, 'node')}, ${counted(pods.length, 'pod')}${trouble}, ${outside.length} addresses outside`;
}

function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function hints(status: LabStatus): string {
  const name = status.name === 'default' ? '' : ` --name ${status.name}`;
  const pod = status.pods.find(({ state, hostNetwork }) => state === 'running' && !hostNetwork)?.id ?? 'NAMESPACE/POD';
  return [
    `  rampart probe --lab${name === '' ? '' : ` ${status.name}`}    every pair of pods: what is expected, what happens`,
    `  rampart lab shell ${pod}${name}`,
    // Where it cannot be recorded, `up` has said why.
    ...(status.unrecorded === null ? [`  rampart lab logs -f${name}    what is denied, and by which policy`] : []),
    `  rampart lab down${name}`,
    '',
  ].join('\n');
}
