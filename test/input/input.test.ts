import { describe, expect, test } from 'vitest';
import { inputOf } from '../../src/input/input.ts';
import { readManifests } from '../../src/manifest/read.ts';

function objectsIn(text: string) {
  return readManifests([{ file: 'input.yaml', text }]).objects;
}

const POLICY = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}}
`;

describe('objects get their meaning', () => {
  test('S10.4 objects of unknown kinds are counted once for each kind', () => {
    const widget = (name: string) => `{apiVersion: example.com/v1, kind: Widget, metadata: {name: ${name}}}`;
    const { diagnostics } = inputOf(objectsIn([widget('a'), widget('b'), widget('c')].join('\n---\n')));
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]).toMatchObject({ severity: 'info' });
    expect(diagnostics[0]?.message).toContain('Widget');
    expect(diagnostics[0]?.message).toContain('3');
  });

  test('an unreadable resource leaves its tiers unread, one of the same name in another group does not', () => {
    const unread = (group: string) =>
      inputOf(objectsIn(POLICY), { missing: [{ resource: 'networkpolicies', group, reason: 'forbidden' }] })
        .program.tiers.filter((tier) => tier.unread !== null)
        .map((tier) => tier.name);
    expect(unread('networking.k8s.io')).toEqual(['networkpolicy']);
    expect(unread('projectcalico.org')).toEqual([]);
  });

  test('S10.5 what a server stores counts, even if a newer one would refuse it', () => {
    const refused = POLICY.replace('podSelector: {}', 'podSelector: {}, policyTypes: [Ingress, Egress, Ingress]');
    const count = (stored: boolean) =>
      inputOf(objectsIn(refused), { stored }).program.tiers.flatMap((tier) => tier.policies).length;
    expect(count(false)).toBe(0);
    expect(count(true)).toBe(1);
    const { diagnostics } = inputOf(objectsIn(refused), { stored: true });
    expect(diagnostics).toMatchObject([{ severity: 'error' }]);
    expect(diagnostics[0]?.refused).toBeUndefined();
  });

  test('of two objects of one name the last counts, with an error on the first', () => {
    const second = POLICY.replace('podSelector: {}', 'podSelector: {matchLabels: {app: web}}');
    const { program, diagnostics } = inputOf(objectsIn(`${POLICY}---${second}`));
    const [policy] = program.tiers.flatMap((tier) => tier.policies);
    expect(policy?.subject).toMatchObject({ pods: { kind: 'in', key: 'app', values: ['web'] } });
    expect(diagnostics.map(({ severity }) => severity)).toEqual(['error']);
  });
});
