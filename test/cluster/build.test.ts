import { describe, expect, test } from 'vitest';
import { formatIp } from '../../src/base/ip.ts';
import { buildCluster } from '../../src/cluster/build.ts';
import { workloadId } from '../../src/model/cluster.ts';
import { objectsIn } from './read-manifests.ts';

describe('namespaces', () => {
  const text = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a, kubernetes.io/metadata.name: lie}}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: blog}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: policies}
`;

  test('S1.1: every one carries its name as a label, whatever the object says', () => {
    const { namespaces } = buildCluster(objectsIn(text)).cluster;
    expect([...namespaces.values()].map(({ name, labels }) => [name, Object.fromEntries(labels ?? [])])).toEqual([
      ['blog', { 'kubernetes.io/metadata.name': 'blog' }],
      ['policies', { 'kubernetes.io/metadata.name': 'policies' }],
      ['shop', { 'kubernetes.io/metadata.name': 'shop', team: 'a' }],
    ]);
    expect(namespaces.get('blog')?.origin).toBeNull();
    expect(namespaces.get('shop')?.origin?.object.kind).toBe('Namespace');
  });

  test('labels of unreadable namespaces are unknown', () => {
    const missing = [{ resource: 'namespaces', group: '', reason: 'forbidden' }];
    const { cluster } = buildCluster(objectsIn(text), { missing });
    expect(cluster.namespaces.get('blog')?.labels).toBeNull();
    expect(cluster.namespaces.get('shop')?.labels?.get('team')).toBe('a');
    expect(cluster.missing).toEqual(missing);
  });
});

test('nodes have internal and external addresses, in order of their names', () => {
  const node = (name: string, addresses: string): string =>
    `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}, labels: {name: ${name}}}\nstatus: {addresses: ${addresses}}`;
  const { nodes } = buildCluster(
    objectsIn(
      [
        node(
          'n2',
          '[{type: Hostname, address: n2}, {type: InternalDNS, address: n2.local}, {type: InternalIP, address: "fd00::2"}]',
        ),
        node('n1', '[{type: InternalIP, address: 10.0.0.1}, {type: ExternalIP, address: 203.0.113.1}]'),
      ].join('\n---\n'),
    ),
  ).cluster;
  expect(nodes.map(({ name, labels, addresses }) => [name, labels.get('name'), ...addresses.map(formatIp)])).toEqual([
    ['n1', 'n1', '10.0.0.1', '203.0.113.1'],
    ['n2', 'n2', 'fd00::2'],
  ]);
});

describe('kinds', () => {
  test('unknown ones are counted and said once, others without bearing are not', () => {
    const text = `
{apiVersion: example.org/v1, kind: Widget, metadata: {name: a}}
---
{apiVersion: example.org/v1, kind: Widget, metadata: {name: b}}
---
{apiVersion: v1, kind: Podd, metadata: {name: c}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: d}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: e}}
---
{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: f}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: g}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: h}}
---
{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: i}}
`;
    const { rest, diagnostics, cluster } = buildCluster(objectsIn(text));
    expect([...rest]).toEqual([
      ['example.org/v1/Widget', 2],
      ['v1/Podd', 1],
      ['serving.knative.dev/v1/Service', 1],
    ]);
    expect(diagnostics.map(({ code, severity, message }) => [code, severity, message])).toEqual([
      ['RP301', 'info', '2 objects of the unknown kind `Widget` (`example.org/v1`) are not taken into account'],
      ['RP301', 'info', 'one object of the unknown kind `Podd` (`v1`) is not taken into account'],
      [
        'RP301',
        'info',
        'one object of the unknown kind `Service` (`serving.knative.dev/v1`) is not taken into account',
      ],
    ]);
    expect(cluster.services).toEqual([]);
  });
});

test('of two objects of one name the last counts', () => {
  const pod = (app: string): string => `apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: ${app}}}`;
  const { workloads } = buildCluster(objectsIn([pod('old'), pod('new')].join('\n---\n'))).cluster;
  expect(workloads).toHaveLength(1);
  expect(workloads[0]?.pods.map(({ labels }) => labels.get('app'))).toEqual(['new']);
});

test('workloads are in order, however the objects came', () => {
  const documents = ['b/p2', 'a/p1', 'b/p1'].map((id) => {
    const [namespace, name] = id.split('/');
    return `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: ${namespace}}`;
  });
  const expected = ['a/p1[Pod]', 'b/p1[Pod]', 'b/p2[Pod]'];
  for (const order of [documents, [...documents].reverse()]) {
    expect(buildCluster(objectsIn(order.join('\n---\n'))).cluster.workloads.map(workloadId)).toEqual(expected);
  }
});

test('nothing makes an empty cluster', () => {
  const { cluster, diagnostics, rest } = buildCluster([]);
  expect(cluster).toEqual({ namespaces: new Map(), nodes: [], workloads: [], services: [], routes: [], missing: [] });
  expect(diagnostics).toEqual([]);
  expect(rest.size).toBe(0);
});
