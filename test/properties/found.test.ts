/** What the comparisons of generated clusters have found, each as its smallest case with the answer worked out by hand. */
import { describe, expect, test } from 'vitest';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { verdict } from '../../src/engine/compiled/evaluate.ts';
import { connectivity } from '../../src/engine/connectivity/connectivity.ts';
import { exposure } from '../../src/engine/exposure.ts';
import type { Endpoint } from '../../src/model/flow.ts';
import { endpointsOf, read } from './world.ts';

const NAMESPACE = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } };

function podObject(name: string, spec: Record<string, unknown>, ip: string): Record<string, unknown> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'x' },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
    status: { phase: 'Running', podIPs: [{ ip }] },
  };
}

const closed = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'closed', namespace: 'x' },
  spec: { podSelector: {} },
};

describe('found by comparison', () => {
  test('S9.3 without nodes any address may be the own node, which reaches an isolated pod: never definite', () => {
    const missing = [{ resource: 'nodes', group: '', reason: 'forbidden' }];
    const input = read([NAMESPACE, podObject('p', { nodeName: 'n1' }, '10.1.0.1'), closed], missing);
    const report = connectivity(new CompiledProgram(input.program, input.cluster), input.cluster);
    const towards = report.unspecified.filter(([src, dst]) => dst === 'x/p[Pod]' && src.includes('.'));
    // Every IPv4 address but the pod's own; IPv6 has no way to the pod.
    expect(towards.length).toBeGreaterThan(0);
    expect(report.allowed.filter(({ dst }) => dst === 'x/p[Pod]')).toEqual([]);
  });

  test('S7.6 policies that could not be read govern no host-network pod', () => {
    const missing = [{ resource: 'adminnetworkpolicies', group: 'policy.networking.k8s.io', reason: 'forbidden' }];
    const input = read([NAMESPACE, podObject('host', { hostNetwork: true }, '172.18.0.1')], missing);
    const program = new CompiledProgram(input.program, input.cluster);
    const end = (wanted: (one: Endpoint) => boolean): Endpoint => {
      const found = endpointsOf(input).find(wanted);
      if (found === undefined) throw new Error('no such endpoint');
      return found;
    };
    const outside = end((one) => one.kind === 'external' && one.address.family === 4);
    const host = end((one) => one.kind === 'pod');
    const open = { protocol: 'TCP', port: 80, family: null, viaService: false } as const;
    expect(verdict(program, { source: outside, destination: host, ...open })).toBe('allowed');
    expect(verdict(program, { source: host, destination: outside, ...open })).toBe('allowed');
  });

  const cluster = (kind: 'ClusterNetworkPolicy' | 'BaselineAdminNetworkPolicy', spec: Record<string, unknown>) => ({
    apiVersion: `policy.networking.k8s.io/${kind === 'ClusterNetworkPolicy' ? 'v1alpha2' : 'v1alpha1'}`,
    kind,
    metadata: { name: 'default' },
    spec: { ...spec, subject: { namespaces: {} } },
  });
  const admin = (egress: readonly unknown[]) => cluster('ClusterNetworkPolicy', { tier: 'Admin', priority: 1, egress });
  const everyone = [{ namespaces: {} }];
  const http = [{ destinationNamedPort: 'http' }];
  const egressRows = (...policies: readonly Record<string, unknown>[]) => {
    const input = read([NAMESPACE, podObject('p', {}, '10.1.0.1'), ...policies]);
    return exposure(new CompiledProgram(input.program, input.cluster), input.cluster)
      .entries.filter(({ direction, peer }) => direction === 'egress' && 'entireCluster' in peer)
      .map(({ conn }) => conn);
  };

  test('S3.11 a denied name may be any port of a pod that is yet to come, so none is promised', () => {
    expect(egressRows(admin([{ action: 'Deny', to: everyone, protocols: http }]))).toEqual([]);
    // Behind an allow rule for a port by number, that port is promised.
    const first = { action: 'Accept', to: everyone, protocols: [{ tcp: { destinationPort: { number: 80 } } }] };
    expect(egressRows(admin([first, { action: 'Deny', to: everyone, protocols: http }]))).toEqual([
      { TCP: [[80, 80]] },
    ]);
  });

  test('S5.3 a name that only a baseline policy allows is not promised where NetworkPolicy isolates', () => {
    const baseline = cluster('BaselineAdminNetworkPolicy', {
      egress: [{ action: 'Allow', to: everyone, ports: [{ namedPort: 'http' }] }],
    });
    const isolating = { ...closed, spec: { podSelector: {}, egress: [{ ports: [{ port: 80 }] }] } };
    expect(egressRows(isolating, baseline)).toEqual([{ TCP: [[80, 80]] }]);
  });

  test('S8.1 a name is promised only if no block of either family may come first', () => {
    const deny = { action: 'Deny', to: [{ networks: ['10.0.0.0/8'] }] };
    expect(egressRows(admin([deny, { action: 'Accept', to: everyone, protocols: http }]))).toEqual([]);
  });
});
