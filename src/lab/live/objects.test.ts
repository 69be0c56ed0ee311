import { describe, expect, test } from 'vitest';
import { inputOf } from '../../input/input.ts';
import type { JsonObject } from '../../manifest/object.ts';
import { readManifests } from '../../manifest/read.ts';
import type { SmokeCheck } from '../../report/report.ts';
import { ownerFor, podFor, standInLabels } from './objects.ts';
import type { Seat } from './prober.ts';
import { conclusion, nodesToUse, usableNodes, verdictOf } from './smoke.ts';
import { refuseUnseated } from './stand-ins.ts';
import { labelsNamed, liveWorld } from './world.ts';

const RUN = { id: 'abc123', until: new Date('2026-01-01T00:10:00Z'), image: 'example.com/tools:1' };
const NOW = new Date('2026-01-01T00:00:00Z');

function pod(more: object = {}): JsonObject {
  return podFor(
    RUN,
    { name: 'p', namespace: 'shop', labels: { app: 'web' }, owner: { name: 'o', uid: 'u1' }, node: null, ...more },
    NOW,
  );
}

describe('a probe pod', () => {
  test('has a controller, so that no ReplicaSet or StatefulSet adopts it', () => {
    expect(pod()).toMatchObject({
      metadata: {
        labels: { app: 'web', 'rampart.dev/probe': 'abc123' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'u1', controller: true }],
      },
    });
    expect(ownerFor(RUN, 'shop')).toMatchObject({
      kind: 'ConfigMap',
      metadata: { labels: { 'rampart.dev/probe': 'abc123' } },
    });
  });

  test('is never ready, so that no Service sends to it', () => {
    expect(pod()).toMatchObject({ spec: { readinessGates: [{ conditionType: 'rampart.dev/never-ready' }] } });
  });

  test('ends by itself', () => {
    expect(pod()).toMatchObject({
      spec: { activeDeadlineSeconds: 600, restartPolicy: 'Never', terminationGracePeriodSeconds: 0 },
    });
  });

  test('would rather run beside the pod that it stands for, or must run on a node', () => {
    const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] };
    expect(pod({ node: { name: 'n1', required: false } })).toMatchObject({
      spec: { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ preference: term }] } } },
    });
    expect(pod({ node: { name: 'n1', required: true } })).toMatchObject({
      spec: {
        affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } } },
      },
    });
  });

  test('has the labels of the pod, but not those by which controllers keep their books, unless a policy looks at them', () => {
    const labels = new Map([
      ['app', 'web'],
      ['__proto__', 'x'],
      ['pod-template-hash', '855b'],
      ['controller-revision-hash', 'web-1'],
    ]);
    expect(Object.entries(standInLabels(labels, new Set()))).toEqual([
      ['app', 'web'],
      ['__proto__', 'x'],
    ]);
    expect(standInLabels(labels, new Set(['pod-template-hash']))['pod-template-hash']).toBe('855b');
  });
});

const WORLD = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: []}}}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {app: db}, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, controller: true}]}
spec: {nodeName: n1, containers: [{name: c, ports: [{containerPort: 5432}]}]}
status: {podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: shop}
spec: {nodeName: n1, hostNetwork: true, containers: [{name: c, ports: [{containerPort: 9100, hostPort: 9100}]}]}
status: {podIP: 10.9.0.1, podIPs: [{ip: 10.9.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: waiting, namespace: shop}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 80, targetPort: 9187}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [x]}]}, namespaceSelector: {matchLabels: {team: a}}}]}]
`;
const { cluster, program } = inputOf(readManifests([{ file: 'w.yaml', text: WORLD }]).objects);

describe('a live cluster', () => {
  test('has workloads with running pods, and the ports that they declare or Services lead to', () => {
    const { parties, topology, actors } = liveWorld(cluster, 'pods');
    expect(parties.map(({ id }) => id)).toEqual(['shop/statefulset/db', 'shop/pod/host']);
    expect(parties[0]).toMatchObject({
      actor: 'shop/db[StatefulSet]',
      listeners: [
        { protocol: 'TCP', port: 5432 },
        { protocol: 'TCP', port: 9187 },
      ],
    });
    expect(parties[1]).toMatchObject({ actor: null, whyNot: 'nobody stands in for pods on the host network' });
    expect([...actors.keys()]).toEqual(['shop/db[StatefulSet]']);
    expect(topology.outside.actor).toBeNull();
  });

  test('has its own pods as actors where commands are run in them', () => {
    const { actors } = liveWorld(cluster, 'exec');
    expect([...actors.keys()]).toEqual(['shop/db-0', 'shop/host']);
  });

  test('has workloads that nobody stands in for', () => {
    const { parties } = liveWorld(cluster, 'pods', () => 'because');
    expect(parties[0]).toMatchObject({ actor: null, whyNot: 'because' });
  });

  test('has policies that look at labels of pods', () => {
    expect([...labelsNamed(program)].sort()).toEqual(['app', 'tier']);
  });
});

describe('the smoke test', () => {
  test.each([
    ['allowed', 'denied', 'allowed', 'yes'],
    ['allowed', 'allowed', 'allowed', 'no'],
    ['allowed', 'error', 'allowed', 'unknown'],
    // A connection that does not come back was perhaps never cut by the policy.
    ['allowed', 'denied', 'denied', 'unknown'],
    ['denied', 'denied', 'denied', 'unknown'],
    ['error', 'allowed', 'allowed', 'unknown'],
  ] as const)('without %s, with %s, after %s: %s', (without, denied, after, enforced) => {
    expect(conclusion({ without, denied, after }).enforced).toBe(enforced);
  });

  test('says yes only if all is enforced, and no only if nothing is', () => {
    const of = (...kinds: readonly SmokeCheck['enforced'][]) =>
      verdictOf(kinds.map((enforced) => ({ enforced }) as SmokeCheck));
    expect(of('yes', 'yes')).toBe('yes');
    expect(of('yes', 'no')).toBe('partly');
    expect(of('no', 'unknown')).toBe('no');
    expect(of('yes', 'unknown')).toBe('unknown');
    expect(of()).toBe('unknown');
  });

  test('uses nodes that are ready, open and real', () => {
    const node = (name: string, more: object, ready = 'True') => ({
      metadata: { name },
      status: { conditions: [{ type: 'Ready', status: ready }] },
      ...more,
    });
    const nodes = [
      node('b', {}),
      node('a', { spec: { taints: [{ key: 'x', effect: 'PreferNoSchedule' }] } }),
      node('tainted', { spec: { taints: [{ key: 'x', effect: 'NoSchedule' }] } }),
      node('cordoned', { spec: { unschedulable: true } }),
      node('down', {}, 'Unknown'),
      node('fake', { metadata: { name: 'fake', annotations: { 'kwok.x-k8s.io/node': 'fake' } } }),
    ] as unknown as JsonObject[];
    expect(usableNodes(nodes)).toEqual(['a', 'b']);
  });

  test('says so where nodes may not be read, instead of finding none', async () => {
    const message = 'nodes is forbidden: User "v" cannot list resource "nodes"';
    const client = { get: async () => ({ status: 403, body: { message } }) };
    await expect(nodesToUse(client, new AbortController().signal)).rejects.toMatchObject({
      code: 'forbidden',
      message: `the nodes cannot be read: ${message}`,
    });
  });
});

describe('probe pods', () => {
  test('that all fail are no answer; that some fail is one', () => {
    const failed = { kind: 'failed', because: 'probe pod `a/b` does not run: ErrImagePull' } as const;
    const runs = { kind: 'pod', namespace: 'a', pod: 'c' } as const;
    expect(() => refuseUnseated(new Map([['x', failed]]), 'none:1')).toThrowError(
      expect.objectContaining({ message: failed.because, help: expect.stringContaining('`none:1`') }),
    );
    expect(() =>
      refuseUnseated(
        new Map<string, Seat>([
          ['x', failed],
          ['y', runs],
        ]),
        'none:1',
      ),
    ).not.toThrow();
    expect(() => refuseUnseated(new Map(), 'none:1')).not.toThrow();
  });
});
