import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../manifest/object.ts';
import { POLICY_KINDS } from '../registry.ts';
import { VALIDATION_CODES } from './codes.ts';

const KEYS = [
  'metadata',
  'name',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'spec',
  'tier',
  'priority',
  'subject',
  'podSelector',
  'namespaceSelector',
  'namespaces',
  'pods',
  'matchLabels',
  'matchExpressions',
  'key',
  'operator',
  'values',
  'ingress',
  'egress',
  'from',
  'to',
  'ports',
  'protocols',
  'action',
  'tcp',
  'destinationPort',
  'range',
  'start',
  'end',
  'number',
  'port',
  'endPort',
  'protocol',
  'portNumber',
  'portRange',
  'namedPort',
  'ipBlock',
  'cidr',
  'except',
  'policyTypes',
  'networks',
  'nodes',
  'domainNames',
  'sameLabels',
  'notSameLabels',
  '__proto__',
  'constructor',
  'toString',
  'x.y',
];

const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    fc.constantFrom<Json>(null, true, 0, 80, -1, 1.5, 1e300, '', 'In', 'Admin', 'Deny', '10.0.0.0/8', '::/0', '\ud800'),
    fc.string(),
    fc.array(tie('json'), { maxLength: 3 }),
    fc
      .array(fc.tuple(fc.constantFrom(...KEYS), tie('json')), { maxLength: 5 })
      .map((entries) => Object.fromEntries(entries)),
  ),
}));

const known = new Set(VALIDATION_CODES.map(({ code }) => code as string));

describe.each(POLICY_KINDS)('validation of $kind is total', ({ apiVersion, kind, namespaced, validate }) => {
  const ref = { apiVersion, kind, name: 'x', namespace: namespaced ? 'default' : null, source: null };

  it('says something known of any JSON, in the same words each time', () => {
    const parts = fc.record({ metadata: json, spec: json, extra: json });
    fc.assert(
      fc.property(parts, ({ metadata, spec, extra }) => {
        const value: JsonObject = { apiVersion, kind, metadata, spec, extra };
        const diagnostics = validate({ ref, value });
        expect(diagnostics).toEqual(validate({ ref, value }));
        for (const { code, severity, refused, origin } of diagnostics) {
          expect(known.has(code)).toBe(true);
          expect(origin?.object).toBe(ref);
          if (refused === true) expect(severity).toBe('error');
        }
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  it('survives lists nested two thousand deep in every field of the spec', () => {
    let deep: Json = [];
    for (let i = 0; i < 2000; i++) deep = [deep];
    const nested = deep;
    const spec = Object.fromEntries(KEYS.map((key) => [key, nested]));
    expect(validate({ ref, value: { apiVersion, kind, metadata: { name: 'x' }, spec } }).length).toBeGreaterThan(0);
  });
});
