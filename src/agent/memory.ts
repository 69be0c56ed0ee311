import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Keeps the part of the heap for young objects from growing: reading a large cluster would make it tens of megabytes that
 * are never needed again, and never given back.
 */
export function keepMemorySmall(): void {
  // The size itself cannot be set any more once the process runs; the factor by which it grows can.
  setFlagsFromString('--semi-space-growth-factor=1');
}

type Collect = (how: { readonly type: 'major'; readonly execution: 'sync'; readonly flavor: 'last-resort' }) => void;

let collect: Collect | null = null;

/** It stops the process for as long as a large heap takes: half a second at 100,000 pods. */
const SELDOM_MS = 600_000;
let given = Number.NEGATIVE_INFINITY;

/** Gives back what a great piece of work has left behind, unless that was done lately. */
export function giveMemoryBack(now: number): void {
  if (now - given < SELDOM_MS) return;
  given = now;
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  // The usual flavour leaves pages half full, and keeps those that it has emptied.
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  // From now on little changes: what is done with is collected before it has become a good part of the whole. Without the
  // second flag the heap may always grow by 8 MB.
  setFlagsFromString('--heap-growing-percent=10');
  setFlagsFromString('--optimize-for-size');
}
