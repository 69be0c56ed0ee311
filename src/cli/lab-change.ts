import { openClient } from '../io/kube-client.ts';
import { applyObjects, type Change, deleteObjects } from '../lab/change.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { type InputOptions, namesManifests, readObjects } from './input-options.ts';
import { type LabNameOptions, withLab } from './lab-enter.ts';
import { complain } from './lab-plan.ts';
import { type Shell, UsageError } from './shell.ts';

export type LabChangeOptions = LabNameOptions & Omit<InputOptions, 'profile'>;

/** `rampart lab apply` and `rampart lab delete`: changes what the lab's API server holds, and waits until it is enforced. */
export async function labChange(way: 'apply' | 'delete', options: LabChangeOptions, shell: Shell): Promise<ExitCode> {
  if (!namesManifests({ ...options, profile: 'kubernetes' })) {
    throw new UsageError('nothing is named', `rampart lab ${way} -f PATH`);
  }
  const read = await readObjects({ ...options, profile: 'kubernetes' }, shell);
  complain(read.diagnostics, options, shell);
  const changes = await withLab(options, shell, async (lab) => {
    const client = openClient(await lab.connection());
    try {
      const done = await (way === 'apply' ? applyObjects : deleteObjects)(client, read.objects);
      await lab.settled();
      return done;
    } finally {
      client.close();
    }
  });
  for (const change of changes) shell.stdout.write(`${lineOf(change)}\n`);
  if (changes.some(({ outcome }) => outcome === 'refused')) return EXIT.findings;
  return read.diagnostics.some(({ severity }) => severity === 'error') ? EXIT.findings : EXIT.fine;
}

function lineOf({ id, outcome, message }: Change): string {
  return `${id} ${outcome}${message === '' ? '' : `: ${message}`}`;
}
