import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KernelFault } from '../io/kernel.ts';
import { findCulprits } from './culprits.ts';

const NO: KernelFault = { kind: 'refused', message: 'no', line: null, excerpt: null };

/** A kernel that works when all of `bad` are closed, and counts how often it is asked. */
function kernel(bad: readonly string[]): {
  readonly attempt: (closing: readonly string[]) => Promise<KernelFault | null>;
  readonly asked: () => number;
} {
  let asked = 0;
  return {
    attempt: async (closing) => {
      asked++;
      return bad.every((id) => closing.includes(id)) ? null : NO;
    },
    asked: () => asked,
  };
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `p${i}`);

describe('culprits', () => {
  it('are found exactly, wherever they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.array(fc.nat(), { maxLength: 6 }), async (count, chosen) => {
        const suspects = ids(count);
        const bad = [...new Set(chosen.map((n) => `p${n % count}`))];
        const found = await findCulprits(suspects, kernel(bad).attempt);
        expect(found).toEqual({
          kind: 'found',
          culprits: expect.toSatisfy((list: string[]) => [...list].sort().join() === [...bad].sort().join()),
        });
      }),
    );
  });

  it('of thousands of policies are found with few questions', async () => {
    const one = kernel(['p1234']);
    expect(await findCulprits(ids(4096), one.attempt)).toEqual({ kind: 'found', culprits: ['p1234'] });
    expect(one.asked()).toBeLessThanOrEqual(16);
  });

  it('that are too many are closed together with what is behind them', async () => {
    const bad = ids(100).filter((_, i) => i % 5 === 0);
    const found = await findCulprits(ids(100), kernel(bad).attempt);
    const culprits = found.kind === 'found' ? found.culprits : [];
    expect(bad.every((id) => culprits.includes(id))).toBe(true);
    expect(culprits).not.toContain('p1');
  });

  it('are none where closing everything does not help, or there is nothing to close', async () => {
    expect(await findCulprits(ids(5), async () => NO)).toEqual({ kind: 'none' });
    expect(await findCulprits([], async () => NO)).toEqual({ kind: 'none' });
  });

  it('may make the compiler throw', async () => {
    const found = await findCulprits(ids(9), async (closing) => {
      if (!closing.includes('p7')) throw new Error('cannot be compiled');
      return null;
    });
    expect(found).toEqual({ kind: 'found', culprits: ['p7'] });
  });

  it('are not looked for in a kernel that is broken', async () => {
    const broken: KernelFault = { kind: 'broken', message: 'nft was killed', signal: 'SIGKILL' };
    let asked = 0;
    const found = await findCulprits(ids(9), async () => (asked++ < 3 ? (asked === 1 ? null : NO) : broken));
    expect(found).toEqual({ kind: 'broken', fault: broken });
  });
});
