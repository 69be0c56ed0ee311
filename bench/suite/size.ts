import { SIZES } from '../generate.ts';

export type SizeName = keyof typeof SIZES;
export const SIZE_NAMES: readonly SizeName[] = ['S', 'M', 'L'];

/** Milliseconds in which all connections of a folder of that size have to be on disk. */
export const WHOLE_PROCESS_TARGET: Readonly<Record<SizeName, number>> = { S: 450, M: 1200, L: 4000 };
/** Other questions about the same folder may take this much longer. */
export const OTHER_QUESTIONS = 1.5;

/** `S, 1,024 pods / 580 policies`. */
export function wordSize(name: SizeName, open = false): string {
  const { pods, policies } = SIZES[name];
  return `${name}, ${pods.toLocaleString('en')} pods / ${open ? 'no' : policies.toLocaleString('en')} policies`;
}
