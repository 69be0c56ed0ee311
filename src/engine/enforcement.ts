import type { EndVerdict, Verdict } from '../model/verdict.ts';

/**
 * The verdict of a cluster in which nothing enforces policies: what they deny may get through all the same. What they
 * allow stays allowed, and the reasons stay: they say what would hold if something did.
 */
export function withoutEnforcement<V extends Verdict>(verdict: V, because: string | null): V {
  if (because === null || verdict.verdict !== 'denied') return verdict;
  const open = (end: EndVerdict | null): EndVerdict | null =>
    end === null || end.verdict !== 'denied'
      ? end
      : { ...end, verdict: 'undefined', decidedBy: null, missing: [because, ...end.missing] };
  return {
    ...verdict,
    verdict: 'undefined',
    undefinedBecause: because,
    egress: open(verdict.egress),
    ingress: open(verdict.ingress),
  };
}
