import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { explainPrepared } from '../../src/engine/explain/explain.ts';
import { prepareExplain } from '../../src/engine/explain/prepare.ts';
import { factsOf } from '../../src/engine/match.ts';
import { familiesOf, type Outcome, referenceEnd, referenceVerdict, verdictOf } from '../../src/engine/reference.ts';
import { DIRECTIONS } from '../../src/model/program.ts';
import { world } from './generators.ts';

const RUNS = 4000;

describe('explanations and the reference evaluator', () => {
  test('give the same verdict, for both ends together and for each', () => {
    const seen = { allowed: 0, denied: 0, undefined: 0 };
    fc.assert(
      fc.property(world, ({ cluster, program, flow }) => {
        const facts = factsOf(cluster);
        const prepared = prepareExplain(program, facts);
        const verdict = explainPrepared(prepared, flow);
        seen[verdict.verdict]++;
        expect(verdict.verdict).toBe(referenceVerdict(program, flow, facts));
        const families = familiesOf(flow, facts);
        for (const direction of DIRECTIONS) {
          const outcomes = families.map((family) => referenceEnd(program, direction, flow, family, facts));
          const sum: Outcome = { allow: outcomes.some((one) => one.allow), deny: outcomes.some((one) => one.deny) };
          const wanted = families.length === 0 ? 'undefined' : verdictOf(sum);
          const alone = explainPrepared(prepared, flow, { direction, reasons: 'deciding' });
          expect(verdict[direction]?.verdict).toBe(wanted);
          expect(alone.verdict).toBe(wanted);
          expect(alone[direction === 'egress' ? 'ingress' : 'egress']).toBeNull();
        }
      }),
      { numRuns: RUNS, seed: 1 },
    );
    // The generators would prove nothing if one of the verdicts hardly came up.
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(RUNS / 20);
  });

  test('undefined always names a missing fact, and a definite verdict always gives a reason', () => {
    fc.assert(
      fc.property(world, ({ cluster, program, flow }) => {
        const verdict = explainPrepared(prepareExplain(program, factsOf(cluster)), flow);
        expect(verdict.undefinedBecause === null).toBe(verdict.verdict !== 'undefined');
        if (verdict.verdict === 'undefined') expect(verdict.undefinedBecause).not.toBe('');
        for (const end of [verdict.egress, verdict.ingress]) {
          if (end === null) continue;
          expect(end.missing.length > 0).toBe(end.verdict === 'undefined');
          if (end.verdict === 'undefined') expect(end.decidedBy).toBeNull();
          else expect(end.reasons.length).toBeGreaterThan(0);
          // What denies is always a rule or a policy.
          if (end.verdict === 'denied') expect(end.decidedBy).not.toBeNull();
        }
      }),
      { numRuns: RUNS, seed: 2 },
    );
  });

  test('removing the policies that decide a denial changes what decides', () => {
    fc.assert(
      fc.property(world, ({ cluster, program, flow }) => {
        const facts = factsOf(cluster);
        const verdict = explainPrepared(prepareExplain(program, facts), flow);
        for (const direction of DIRECTIONS) {
          const by = verdict[direction]?.decidedBy;
          if (by === null || by === undefined) continue;
          const gone = new Set(by.split(',').map((id) => id.replace(/#.*$/, '')));
          const rest = {
            tiers: program.tiers.map((tier) => ({
              ...tier,
              policies: tier.policies.filter((one) => !gone.has(one.id)),
            })),
          };
          expect(explainPrepared(prepareExplain(rest, facts), flow)[direction]?.decidedBy).not.toBe(by);
        }
      }),
      { numRuns: 1000, seed: 3 },
    );
  });
});
