import { describe, expect, test } from 'vitest';
import { readPolicies } from './registry.ts';

function complaintsAbout(
  apiVersion: string,
  kind: string,
): readonly (readonly [string, boolean, string | undefined])[] {
  const ref = { apiVersion, kind, namespace: 'x', name: 'p', source: null };
  const value = { apiVersion, kind, metadata: { name: 'p', namespace: 'x' }, spec: { podSelector: {} } };
  return readPolicies([{ ref, value }]).diagnostics.map(({ code, refused, help }) => [code, refused === true, help]);
}

describe('kinds that do not exist', () => {
  test.each([
    ['networking.k8s.io/v1', 'NetworkPolcy', 'did you mean `NetworkPolicy` of `networking.k8s.io`?'],
    ['networking.k8s.io/v1', 'networkpolicy', 'did you mean `NetworkPolicy` of `networking.k8s.io`?'],
    ['networking.k8s.io/v1', 'Firewall', 'look at `apiVersion` and `kind`'],
    ['netwoking.k8s.io/v1', 'NetworkPolicy', 'did you mean `NetworkPolicy` of `networking.k8s.io`?'],
    ['v1', 'NetworkPolicy', 'did you mean `NetworkPolicy` of `networking.k8s.io`?'],
    ['policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicies', 'look at `apiVersion` and `kind`'],
    ['policy/v1', 'AdminNetworkPolicy', 'did you mean `AdminNetworkPolicy` of `policy.networking.k8s.io`?'],
  ])('S1.5 %s %s is refused as no API server knows it', (apiVersion, kind, help) => {
    expect(complaintsAbout(apiVersion, kind)).toEqual([['RP219', true, help]]);
  });

  test.each([
    ['networking.k8s.io/v1', 'Ingress'],
    ['networking.k8s.io/v1beta1', 'IngressClass'],
    ['networking.k8s.io/v1', 'NetworkPolicyList'],
    ['crd.antrea.io/v1beta1', 'ClusterNetworkPolicy'],
    ['k8s.cni.cncf.io/v1beta1', 'MultiNetworkPolicy'],
    ['policy/v1', 'PodDisruptionBudget'],
  ])('%s %s is left to others', (apiVersion, kind) => {
    expect(complaintsAbout(apiVersion, kind)).toEqual([]);
  });
});
