/** Runs damage in a thread of its own, so that one that hangs is noticed. */
import { parentPort, workerData } from 'node:worker_threads';
import { judge } from './judge.ts';

/** What the thread says: which damage it begins with, and what became of it. */
export type Notice =
  | { readonly kind: 'begin'; readonly index: number }
  | {
      readonly kind: 'end';
      readonly index: number;
      readonly milliseconds: number;
      readonly row: string;
      readonly finding: string | null;
      readonly text: string;
    };

const { seed, from, count } = workerData as { readonly seed: number; readonly from: number; readonly count: number };
const say = (notice: Notice): void => parentPort?.postMessage(notice);

for (let index = from; index < count; index++) {
  say({ kind: 'begin', index });
  const begin = performance.now();
  try {
    const { kind, outcome, finding, text } = judge(seed, index);
    const row = `${kind}: ${outcome}`;
    say({
      kind: 'end',
      index,
      milliseconds: performance.now() - begin,
      row,
      finding,
      text: finding === null ? '' : text,
    });
  } catch (error) {
    const finding = `crash: ${error instanceof Error ? error.stack : error}`;
    say({ kind: 'end', index, milliseconds: performance.now() - begin, row: 'crash', finding, text: '' });
  }
}
