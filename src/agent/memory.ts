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

let collect: (() => void) | null = null;

/** Gives back what a great piece of work has left behind; takes some tens of milliseconds. */
export function giveMemoryBack(): void {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
