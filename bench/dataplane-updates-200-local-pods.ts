/** What changes of a cluster cost `nft`: one transaction each, with and without the many sets of another program. */

import { parseTable } from '../src/targets/nftables/parse.ts';
import { type Box, inBox, noBox } from './dataplane/box.ts';
import { type Change, changesOf } from './dataplane/changes.ts';
import { compiled } from './dataplane/rampart.ts';
import { localAddresses, type Shape, SIDES, shapeOf } from './dataplane/shape.ts';
import { type BenchCase, type Measurement, runAlone, timed } from './suite/measure.ts';

const CHANGES_A_RUN = 5;

export const benchCase: BenchCase = {
  name: 'dataplane-updates-200-local-pods',
  title: '`nft -f -` for one change; 200 local pods isolated both ways, 10,000 pods, 10,000 rules',
  runs: 4,
  isolation: 'kernel',
  unable: noBox,
  measure({ runs, tiny }): Promise<readonly Measurement[]> {
    const shape = shapeOf(tiny ? { pods: 400, localPods: 20, rules: 2 } : { pods: 10_000, localPods: 200, rules: 50 });
    const count = tiny ? 2 : runs * CHANGES_A_RUN;
    const foreignSets = tiny ? 50 : 10_000;
    return inBox({ networks: SIDES, addresses: localAddresses(shape) }, async (box) => {
      const alone = measureUpdates(box, shape, count, runs, '');
      box.run('node', ['nft', '-f', '-'], foreignTable(foreignSets));
      const words = `, beside ${foreignSets.toLocaleString('en')} sets of another table`;
      return [...alone, ...measureUpdates(box, shape, count, runs, words)];
    });
  },
};

function measureUpdates(box: Box, shape: Shape, count: number, runs: number, beside: string): readonly Measurement[] {
  const { compiler } = compiled(shape);
  const { desired } = compiler;
  const nft = (text: string): number => timed(() => box.run('node', ['nft', '-f', '-'], text)).ms;
  const job = (name: string, samples: readonly number[], note: string): Measurement => ({
    job: `${name}${beside}`,
    unit: 'ms',
    samples,
    target: null,
    rss: null,
    note,
  });
  const out: Measurement[] = [];

  const whole: number[] = [];
  for (let run = 0; run < Math.max(2, Math.ceil(runs / 2)); run++) {
    whole.push(nft(desired.replaceAll().text));
    desired.commit();
  }
  const { elements } = compiler.stats();
  // The target of a cold start: the first one has nothing to replace.
  out.push({
    ...job('the whole table, first', whole.slice(0, 1), `${elements.toLocaleString('en')} elements`),
    target: beside === '' ? 1000 : null,
  });
  out.push(job('the whole table, replaced', whole.slice(1), ''));

  out.push(
    job(
      'nothing',
      Array.from({ length: count }, () => nft('')),
      'what it costs to start `nft`',
    ),
  );
  const transaction = (): { readonly ms: number; readonly changes: number } => {
    compiler.settle();
    const { text, changes } = desired.transaction();
    const ms = nft(text);
    desired.commit();
    return { ms, changes };
  };
  for (const change of changesOf(shape)) {
    const { made, taken } = thereAndBack(change, count, (step) => {
      step(compiler);
      return transaction();
    });
    out.push(job(`${change.name} is added`, made.samples, made.note));
    out.push(job(`${change.name} is removed`, taken.samples, taken.note));
  }
  const bumps = Array.from({ length: count }, () => {
    desired.tighten('measured');
    return transaction().ms;
  });
  out.push(job('a new generation', bumps, ''));
  assertKernel(box, compiler);
  return out;
}

interface Steps {
  readonly samples: readonly number[];
  readonly note: string;
}

function thereAndBack(
  change: Change,
  count: number,
  step: (tell: (compiler: Parameters<Change['make']>[0]) => void) => { readonly ms: number; readonly changes: number },
): { readonly made: Steps; readonly taken: Steps } {
  const made: { readonly ms: number; readonly changes: number }[] = [];
  const taken: { readonly ms: number; readonly changes: number }[] = [];
  for (let number = 0; number < count; number++) {
    made.push(step((compiler) => change.make(compiler, number)));
    taken.push(step((compiler) => change.takeBack(compiler, number)));
  }
  const steps = (list: readonly { readonly ms: number; readonly changes: number }[]): Steps => ({
    samples: list.map(({ ms }) => ms),
    note: `${Math.max(...list.map(({ changes }) => changes))} elements and chains`,
  });
  for (const { changes } of made) if (changes === 0) throw new Error(`${change.name}: nothing changed`);
  return { made: steps(made), taken: steps(taken) };
}

/** After all changes the kernel has what is wanted. */
function assertKernel(box: Box, compiler: ReturnType<typeof compiled>['compiler']): void {
  const listed = parseTable(box.run('node', ['nft', '-nn', 'list', 'table', 'inet', compiler.desired.options.table]));
  if ('error' in listed) throw new Error(`line ${listed.line} of the listing is not understood: ${listed.error}`);
  const { drift } = compiler.desired.rebase(listed);
  if (drift.length > 0) throw new Error(`the kernel has something else: ${drift.join('; ')}`);
}

/** As kube-proxy has them: sets that nft reads the headers of before it does anything. */
function foreignTable(sets: number): string {
  const lines = Array.from(
    { length: sets },
    (_, index) => `	set service-${index} { type ipv4_addr; elements = { 10.96.${index >> 8}.${index & 255} }; }`,
  );
  return `table ip bench-services {\n${lines.join('\n')}\n}\n`;
}

if (import.meta.main) await runAlone(benchCase, import.meta.url);
