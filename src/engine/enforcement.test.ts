import { expect, test } from 'vitest';
import type { EndVerdict, Verdict } from '../model/verdict.ts';
import { withoutEnforcement } from './enforcement.ts';

const end = (direction: 'egress' | 'ingress', verdict: EndVerdict['verdict']): EndVerdict => ({
  direction,
  verdict,
  decidedBy: 'NetworkPolicy/shop/web#ingress[0]',
  plane: 'network',
  reasons: [],
  missing: [],
  caveats: [],
});
const of = (verdict: Verdict['verdict']): Verdict => ({
  verdict,
  undefinedBecause: null,
  caveats: [],
  egress: end('egress', 'allowed'),
  ingress: end('ingress', verdict),
});

test('S9.5 what policies deny is open where nothing enforces them, what they allow stays allowed', () => {
  const because = "this cluster's CNI (flannel) does not enforce NetworkPolicy";
  const denied = withoutEnforcement(of('denied'), because);
  expect(denied).toMatchObject({ verdict: 'undefined', undefinedBecause: because });
  expect(denied.egress).toMatchObject({ verdict: 'allowed', decidedBy: 'NetworkPolicy/shop/web#ingress[0]' });
  expect(denied.ingress).toMatchObject({ verdict: 'undefined', decidedBy: null, missing: [because] });
  expect(withoutEnforcement(of('allowed'), because)).toEqual(of('allowed'));
  expect(withoutEnforcement(of('denied'), null)).toEqual(of('denied'));
});
