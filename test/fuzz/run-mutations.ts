/** The long run over damaged manifests, with a watchdog over each. */
import { Worker } from 'node:worker_threads';
import type { Notice } from './damaging.ts';

export interface Finding {
  readonly index: number;
  readonly what: string;
  readonly text: string;
}

export interface MutationResult {
  readonly done: number;
  readonly rows: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
  readonly slowest: { readonly index: number; readonly milliseconds: number };
}

/** No single manifest may take longer. */
export const LIMIT_MS = 1000;
/** A thread that says nothing for so long has hung. The machine may be busy: far above the limit. */
const HANGS_MS = 30_000;

/** Judges `count` damages of a seed; `onProgress` is called after each. */
export async function runMutations(
  count: number,
  seed: number,
  onProgress: (done: number) => void = () => undefined,
): Promise<MutationResult> {
  const rows = new Map<string, number>();
  const findings: Finding[] = [];
  let slowest = { index: -1, milliseconds: 0 };
  let next = 0;
  while (next < count) {
    next = await oneThread(next);
  }
  return { done: next, rows, findings, slowest };

  /** Runs a thread to its end, or until it hangs; returns the first index that is left. */
  function oneThread(from: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./damaging.ts', import.meta.url), { workerData: { seed, from, count } });
      let at = from;
      let begun = false;
      const bark = (): void => {
        findings.push({ index: at, what: `hangs: no answer in ${HANGS_MS / 1000} s`, text: '' });
        void worker.terminate().then(() => resolve(at + 1));
      };
      let dog = setTimeout(bark, HANGS_MS);
      worker.on('message', (notice: Notice) => {
        clearTimeout(dog);
        dog = setTimeout(bark, HANGS_MS);
        at = notice.index;
        begun = notice.kind === 'begin';
        if (notice.kind === 'begin') return;
        const { index, milliseconds, row, finding, text } = notice;
        rows.set(row, (rows.get(row) ?? 0) + 1);
        if (milliseconds > slowest.milliseconds) slowest = { index, milliseconds };
        if (finding !== null) findings.push({ index, what: finding, text });
        if (milliseconds > LIMIT_MS) findings.push({ index, what: `takes ${milliseconds.toFixed(0)} ms`, text });
        onProgress(index + 1);
      });
      worker.on('error', (error) => {
        clearTimeout(dog);
        reject(error);
      });
      worker.on('exit', () => {
        clearTimeout(dog);
        // A thread that ends in the middle of a manifest has been killed by it.
        if (begun) findings.push({ index: at, what: 'ends the process', text: '' });
        resolve(begun ? at + 1 : count);
      });
    });
  }
}
