/** What the shortest uses cost. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchCase, type Measurement, runAlone } from './suite/measure.ts';
import { inScratch, measureProgram, reportIn, TOP } from './suite/program.ts';

export const benchCase: BenchCase = {
  name: 'start-up-small',
  title: 'Start-up, the launcher included',
  runs: 15,
  isolation: 'program',
  measure({ runs }): readonly Measurement[] {
    return inScratch((scratch) => {
      const questions = join(scratch, 'questions.json');
      writeFileSync(questions, '[{"src": "shop/api", "dst": "data/postgres", "protocol": "TCP", "port": 5432}]\n');
      return [
        measureProgram(scratch, {
          job: '`rampart --version`',
          args: ['--version'],
          target: 150,
          runs,
          check: (output) => {
            if (!/\d+\.\d+\.\d+/.test(output)) throw new Error('no version came');
            return '';
          },
        }),
        measureProgram(scratch, {
          job: '`rampart query` on `examples/shop`, one question',
          args: ['query', '-f', join(TOP, 'examples/shop'), '--flows', questions, '-o', 'json'],
          target: 250,
          runs,
          check: (output) => {
            const { flows } = reportIn(output, 'QueryReport') as { readonly flows?: readonly JsonAnswer[] };
            if (flows?.length !== 1 || flows[0]?.verdict !== 'allowed')
              throw new Error('not the answer of the example');
            return '';
          },
        }),
      ];
    });
  },
};

interface JsonAnswer {
  readonly verdict: string;
}

if (import.meta.main) await runAlone(benchCase, import.meta.url);
