import type { KernelFault } from '../io/kernel.ts';

/** After so many, all that are left are closed: something else must be wrong, or it would take too long. */
const MOST_SINGLE = 8;

export type Culprits =
  | { readonly kind: 'found'; readonly culprits: readonly string[] }
  /** It does not work with everything closed, either: no policy is to blame. */
  | { readonly kind: 'none' }
  | { readonly kind: 'broken'; readonly fault: KernelFault };

/**
 * The fewest policies that must be closed so that `attempt`, called with the ids of those that are, succeeds. Asks about
 * log2 of their number for each culprit.
 */
export async function findCulprits(
  suspects: readonly string[],
  attempt: (closing: readonly string[]) => Promise<KernelFault | null>,
): Promise<Culprits> {
  const culprits: string[] = [];
  const innocent = [...suspects];
  let broken: KernelFault | null = null;
  /** Whether it works with the first `open` innocents open and everything else closed. */
  const works = async (open: number): Promise<boolean> => {
    let fault: KernelFault | null;
    try {
      fault = await attempt([...culprits, ...innocent.slice(open)]);
    } catch (error) {
      fault = { kind: 'refused', message: String(error), line: null, excerpt: null };
    }
    if (fault?.kind === 'broken') broken = fault;
    return fault === null;
  };
  if (!(await works(0))) return broken === null ? { kind: 'none' } : { kind: 'broken', fault: broken };
  while (!(await works(innocent.length))) {
    if (broken !== null) return { kind: 'broken', fault: broken };
    // Works with `low` open, and does not with `high`.
    let low = 0;
    let high = innocent.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (await works(middle)) low = middle;
      else high = middle;
      if (broken !== null) return { kind: 'broken', fault: broken };
    }
    if (innocent.length === 0) return { kind: 'none' };
    culprits.push(...innocent.splice(low, culprits.length >= MOST_SINGLE ? innocent.length : 1));
  }
  return { kind: 'found', culprits };
}
