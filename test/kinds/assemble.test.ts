import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assemble } from '../../src/kinds/assemble.ts';
import type { Fragment } from '../../src/kinds/kind.ts';
import { kindOf, POLICY_KINDS } from '../../src/kinds/registry.ts';
import type { PolicyProgram } from '../../src/model/program.ts';
import {
  adminNetworkPolicy,
  baselineAdminNetworkPolicy,
  clusterNetworkPolicy,
  complaints,
  networkPolicy,
  readYaml,
} from './sample.ts';

const SUBJECT = 'subject: { namespaces: {} }';
const named = (yaml: string, metadata: string): string => yaml.replace(/^metadata: .*$/m, `metadata: ${metadata}`);

function cnp(name: string, tier: string, priority: number): string {
  return named(clusterNetworkPolicy(`{ tier: ${tier}, priority: ${priority}, ${SUBJECT} }`), `{ name: ${name} }`);
}

function anp(name: string, priority: number): string {
  return named(adminNetworkPolicy(`{ priority: ${priority}, ${SUBJECT} }`), `{ name: ${name} }`);
}

function np(namespace: string, name: string): string {
  return named(networkPolicy('podSelector: {}'), `{ name: ${name}, namespace: ${namespace} }`);
}

const BANP = baselineAdminNetworkPolicy(`{ ${SUBJECT} }`);

function programOf(...yamls: readonly string[]): PolicyProgram {
  return assemble(readYaml(...yamls).fragments, { profile: 'kubernetes' }).program;
}

function order(program: PolicyProgram): readonly (readonly string[])[] {
  return program.tiers.map((tier) => tier.policies.map((policy) => policy.id));
}

describe('assemble', () => {
  test('S5.2 three tiers, of which only NetworkPolicy denies what is unmatched', () => {
    const { program, diagnostics } = assemble([], { profile: 'kubernetes' });
    expect(program.tiers).toEqual([
      { name: 'admin', plane: 'network', whenIsolated: 'pass', spares: [], policies: [], unread: null },
      {
        name: 'networkpolicy',
        plane: 'network',
        whenIsolated: 'deny',
        spares: ['own-node', 'hairpin'],
        policies: [],
        unread: null,
      },
      { name: 'baseline', plane: 'network', whenIsolated: 'pass', spares: [], policies: [], unread: null },
    ]);
    expect(diagnostics).toEqual([]);
  });

  test('S5.6 policies stand by priority, then namespace and name', () => {
    const program = programOf(
      cnp('b', 'Admin', 10),
      cnp('base', 'Baseline', 0),
      cnp('a', 'Admin', 10),
      cnp('z', 'Admin', 9),
      cnp('last', 'Admin', 100),
      np('shop', 'b'),
      np('bank', 'z'),
      np('shop', 'a'),
    );
    expect(order(program)).toEqual([
      ['ClusterNetworkPolicy/z', 'ClusterNetworkPolicy/a', 'ClusterNetworkPolicy/b', 'ClusterNetworkPolicy/last'],
      ['NetworkPolicy/bank/z', 'NetworkPolicy/shop/a', 'NetworkPolicy/shop/b'],
      ['ClusterNetworkPolicy/base'],
    ]);
  });

  test('S5.6 the order of the input does not matter', () => {
    const fragments = readYaml(
      anp('a', 1),
      cnp('a', 'Admin', 1),
      cnp('c', 'Admin', 1),
      BANP,
      cnp('b', 'Baseline', 7),
      np('x', 'a'),
      np('y', 'a'),
    ).fragments;
    const expected = assemble(fragments, { profile: 'kubernetes' });
    fc.assert(
      fc.property(fc.shuffledSubarray([...fragments], { minLength: fragments.length }), (shuffled: Fragment[]) => {
        expect(assemble(shuffled, { profile: 'kubernetes' })).toEqual(expected);
      }),
      { seed: 7, numRuns: 50 },
    );
  });

  test('S9.3 a tier says why it may be incomplete', () => {
    const { program } = assemble([], { profile: 'kubernetes', unread: { networkpolicy: 'forbidden' } });
    expect(program.tiers.map((tier) => tier.unread)).toEqual([null, 'forbidden', null]);
  });

  test('S11.9 both generations of cluster-wide policies are an error and share the tiers', () => {
    const { fragments } = readYaml(cnp('b', 'Admin', 5), anp('a', 6), anp('c', 4), BANP, cnp('d', 'Baseline', 1000));
    const { program, diagnostics } = assemble(fragments, { profile: 'kubernetes' });
    expect(order(program)).toEqual([
      ['AdminNetworkPolicy/c', 'ClusterNetworkPolicy/b', 'AdminNetworkPolicy/a'],
      [],
      ['ClusterNetworkPolicy/d', 'BaselineAdminNetworkPolicy/default'],
    ]);
    expect(diagnostics).toMatchObject([{ code: 'RP214', severity: 'error', origin: { object: { name: 'c' } } }]);
  });

  test.each([
    ['AdminNetworkPolicy with its baseline', [anp('a', 1), BANP]],
    ['ClusterNetworkPolicy of both tiers', [cnp('a', 'Admin', 1), cnp('b', 'Baseline', 1)]],
  ])('S11.9 %s is one generation', (_, yamls) => {
    expect(assemble(readYaml(...yamls).fragments, { profile: 'kubernetes' }).diagnostics).toEqual([]);
  });
});

describe('readPolicies', () => {
  const object = (apiVersion: string, kind: string, name = 'x'): string =>
    `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: ${name} }\nspec: {}`;

  test('S1.5 a refused policy is left out and the others count', () => {
    const reading = readYaml(networkPolicy('ingress: [{ from: [{}] }]'), np('shop', 'good'));
    expect(reading.fragments.map(({ policy }) => policy.id)).toEqual(['NetworkPolicy/shop/good']);
    expect(reading.diagnostics).toMatchObject([
      { refused: true, severity: 'error', origin: { field: 'spec.ingress[0].from[0]' } },
    ]);
  });

  test.each([
    ['NetworkPolicy', networkPolicy('ingress: [{ from: [{}] }]'), 'must specify a peer'],
    [
      'AdminNetworkPolicy',
      adminNetworkPolicy(`{ priority: 1, ${SUBJECT}, egress: [{ action: Deny, to: [{ networks: [10.0.0.0] }] }] }`),
      'Invalid CIDR format provided',
    ],
    [
      'ClusterNetworkPolicy',
      clusterNetworkPolicy(
        `{ tier: Admin, priority: 1, ${SUBJECT}, ingress: [{ action: Deny, from: [{ namespaces: {} }], protocols: [{ tcp: { destinationPort: { range: { start: 9, end: 8 } } } }] }] }`,
      ),
      'Start port must be less than End port',
    ],
  ])('S2.2, S3.3 and S4.2 what the API server checks is refused in its words: %s', (_, yaml, message) => {
    const { fragments, diagnostics } = readYaml(yaml);
    expect(fragments).toEqual([]);
    expect(diagnostics.map(({ refused }) => refused)).toEqual([true]);
    expect(diagnostics[0]?.message).toContain(message);
  });

  test('S1.9 a field that is not understood is reported once, with what becomes of it', () => {
    const reading = readYaml(networkPolicy('{ podSelector: {}, egres: [] }'));
    expect(reading.fragments).toHaveLength(1);
    expect(reading.diagnostics).toHaveLength(1);
    expect(reading.diagnostics[0]?.help).toContain('the policy isolates its pods in both directions');
    expect(reading.diagnostics[0]?.refused ?? false).toBe(false);
  });

  test('S10.1 policies of other engines are counted by kind and ignored', () => {
    const reading = readYaml(
      object('cilium.io/v2', 'CiliumNetworkPolicy', 'b'),
      object('projectcalico.org/v3', 'NetworkPolicy'),
      object('cilium.io/v2', 'CiliumNetworkPolicy', 'a'),
      object('crd.projectcalico.org/v1', 'StagedGlobalNetworkPolicy'),
      object('security.istio.io/v1beta1', 'AuthorizationPolicy'),
      object('v1', 'Pod'),
    );
    expect(reading.fragments).toEqual([]);
    expect(reading.rest.map(({ ref }) => ref.kind)).toEqual(['Pod']);
    expect(reading.unread).toEqual({});
    expect(reading.diagnostics.map(({ code, severity, origin }) => [code, severity, origin?.object.name])).toEqual([
      ['RP215', 'info', 'b'],
      ['RP215', 'info', 'x'],
      ['RP215', 'info', 'x'],
      ['RP215', 'info', 'x'],
    ]);
    expect(complaints(reading.diagnostics)).toEqual([
      ': `CiliumNetworkPolicy` of Cilium is not enforced under profile `kubernetes`: 2 objects are ignored',
      ': `StagedGlobalNetworkPolicy` of Calico is not enforced under profile `kubernetes`: 1 object is ignored',
      ': `NetworkPolicy` of Calico is not enforced under profile `kubernetes`: 1 object is ignored',
      ': `AuthorizationPolicy` of Istio is not enforced under profile `kubernetes`: 1 object is ignored',
    ]);
  });

  test('S10.2 a policy of an unknown version leaves its tiers unread', () => {
    const reading = readYaml(object('policy.networking.k8s.io/v1', 'ClusterNetworkPolicy'));
    const { program } = assemble(reading.fragments, { profile: 'kubernetes', unread: reading.unread });
    const reason = '`ClusterNetworkPolicy` of version `policy.networking.k8s.io/v1` cannot be read';
    expect(program.tiers.map((tier) => tier.unread)).toEqual([reason, null, reason]);
    expect(reading.diagnostics).toMatchObject([{ code: 'RP216', severity: 'error' }]);
    expect(reading.rest).toEqual([]);
  });

  test('S10.3 a NetworkPolicy of extensions/v1beta1 is refused', () => {
    const reading = readYaml(object('extensions/v1beta1', 'NetworkPolicy'));
    expect(reading.unread).toEqual({});
    expect(reading.diagnostics).toMatchObject([{ code: 'RP217', severity: 'error', refused: true }]);
  });

  test('every kind is found by apiVersion and kind, and by nothing else', () => {
    for (const entry of POLICY_KINDS) expect(kindOf(entry.apiVersion, entry.kind)).toBe(entry);
    expect(kindOf('projectcalico.org/v3', 'NetworkPolicy')).toBeNull();
    expect(kindOf('networking.k8s.io/v1', 'networkpolicy')).toBeNull();
  });
});
