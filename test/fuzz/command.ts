/** What `npm run fuzz` prints: progress on a terminal, findings with the way to repeat them, one closing line. */
import { stringify } from 'yaml';
import { FEATURES } from '../properties/features.ts';
import { runFlows } from './run-flows.ts';
import { runMutations } from './run-mutations.ts';

function progress(unit: string, wanted: number): { show(count: number): void; end(): void } {
  if (!process.stderr.isTTY) return { show: () => undefined, end: () => undefined };
  const begin = performance.now();
  return {
    show(count) {
      const seconds = (performance.now() - begin) / 1000;
      const left = count === 0 ? 0 : (seconds / count) * Math.max(0, wanted - count);
      process.stderr.write(`\r\x1b[K${count} of ${wanted} ${unit}, ${Math.ceil(left)} s left`);
    },
    end: () => process.stderr.write('\r\x1b[K'),
  };
}

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Compares the interpreters over that many flows; whether they agree on all of them. */
export function reportFlows(flows: number, seed: number): boolean {
  const begin = performance.now();
  console.log(`comparing reference, compiled program, connectivity and explanation; seed ${seed}`);
  const line = progress('flows', flows);
  const result = runFlows({ flows, seed, onProgress: line.show });
  line.end();
  const { tally, failure } = result;
  if (failure !== null) {
    const { objects, missing } = failure.world;
    console.log(`\nthe interpreters disagree:\n  ${failure.disagreements.join('\n  ')}\n\nabout these objects:\n`);
    console.log(objects.map((object) => stringify(object)).join('---\n'));
    if (missing.length > 0) console.log(`of which could not be read: ${JSON.stringify(missing)}\n`);
    console.log(`to repeat: npm run fuzz -- --flows 1 --seed ${failure.seed}\n`);
  } else {
    const width = Math.max(...FEATURES.map((feature) => feature.length));
    console.log('how often each feature decided or could have decided a flow:');
    for (const feature of FEATURES) {
      console.log(`  ${feature.padEnd(width)} ${String(tally.features.get(feature) ?? 0).padStart(9)}`);
    }
  }
  const { allowed, denied, undefined: open } = tally.verdicts;
  console.log(
    `${result.flows} flows and ${result.pairs} pairs of workloads in ${result.clusters} clusters, ${seconds(begin)}: ` +
      `${allowed} allowed, ${denied} denied, ${open} undefined; ${failure === null ? 'no disagreement' : 'DISAGREEMENT'}`,
  );
  return failure === null;
}

/** Damages that many manifests; whether nothing crashed, hung, opened, or was left unsaid. */
export async function reportMutations(count: number, seed: number): Promise<boolean> {
  const begin = performance.now();
  console.log(`damaging manifests; seed ${seed}`);
  const line = progress('manifests', count);
  const { done, rows, findings, slowest } = await runMutations(count, seed, (at) => {
    if (at % 50 === 0) line.show(at);
  });
  line.end();
  for (const { index, what, text } of findings.slice(0, 10)) {
    console.log(`\nnumber ${index}: ${what}\n${text}`);
    console.log(`to repeat: npm run fuzz -- --mutations ${index + 1} --seed ${seed}`);
  }
  for (const [row, times] of [...rows].sort()) console.log(`  ${row.padEnd(48)} ${String(times).padStart(8)}`);
  console.log(
    `${done} damaged manifests, ${seconds(begin)}, slowest ${slowest.milliseconds.toFixed(0)} ms (number ${slowest.index}): ` +
      `${findings.length === 0 ? 'no finding' : `${findings.length} FINDINGS`}`,
  );
  return findings.length === 0;
}
