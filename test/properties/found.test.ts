/** What the comparisons of generated clusters have found, each as its smallest case with the answer worked out by hand. */
import { describe, expect, test } from 'vitest';
import { CompiledProgram } from '../../src/engine/compile.ts';
import { connectivity } from '../../src/engine/connectivity.ts';
import { verdict } from '../../src/engine/evaluate.ts';
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
});
