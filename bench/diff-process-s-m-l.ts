/** `rampart diff` of two folders between which one policy differs. */
import { join } from 'node:path';
import type { JsonObject } from '../src/manifest/object.ts';
import { generateFiles, SIZES } from './generate.ts';
import { type BenchCase, type Measurement, runAlone } from './suite/measure.ts';
import { type Files, inScratch, lengthOf, measureProgram, reportIn, writeCluster } from './suite/program.ts';
import { OTHER_QUESTIONS, SIZE_NAMES, WHOLE_PROCESS_TARGET, wordSize } from './suite/size.ts';

export const benchCase: BenchCase = {
  name: 'diff-process-s-m-l',
  title: '`rampart diff --from DIR --to DIR -o json`, one policy changed, both folders read',
  runs: 7,
  isolation: 'program',
  measure({ runs }): readonly Measurement[] {
    return inScratch((scratch) =>
      SIZE_NAMES.map((size) => {
        const files = generateFiles({ ...SIZES[size], barePods: true });
        const before = writeCluster(join(scratch, `${size}-before`), files);
        const after = writeCluster(join(scratch, `${size}-after`), withOnePolicyChanged(files));
        return measureProgram(scratch, {
          job: wordSize(size),
          args: ['diff', '--from', before, '--to', after, '-o', 'json'],
          target: WHOLE_PROCESS_TARGET[size] * OTHER_QUESTIONS,
          runs,
          check: (output) => {
            const changes = lengthOf(reportIn(output, 'DiffReport'), 'changes');
            if (changes === 0) throw new Error('the changed policy changes nothing');
            return `${changes.toLocaleString('en')} changes`;
          },
        });
      }),
    );
  },
};

/** Nothing in the middle one of the namespaces may be scraped any more. */
function withOnePolicyChanged(files: Files): Files {
  const scraped = [...files].filter(([, objects]) => objects.some(isScrapingPolicy));
  const chosen = scraped[scraped.length >> 1];
  if (chosen === undefined) throw new Error('the generated cluster has no policy for scraping');
  const [namespace, objects] = chosen;
  const changed = objects.map((object) =>
    isScrapingPolicy(object) ? { ...object, spec: { ...(object.spec as JsonObject), ingress: [] } } : object,
  );
  return new Map([...files, [namespace, changed]]);
}

function isScrapingPolicy({ kind, metadata }: JsonObject): boolean {
  return kind === 'NetworkPolicy' && (metadata as { readonly name: string }).name.startsWith('allow-monitoring');
}

if (import.meta.main) await runAlone(benchCase, import.meta.url);
