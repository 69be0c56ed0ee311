import { describe, expect, it } from 'vitest';
import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';
import { readManifests } from '../manifest/read.ts';
import { prune } from './prune.ts';
import { readSnapshotMeta, type SnapshotMeta, snapshot } from './snapshot.ts';

const META: SnapshotMeta = { context: null, serverVersion: null, time: null, missing: [], cni: null };

function object(
  apiVersion: string,
  kind: string,
  namespace: string | null,
  name: string,
  rest: JsonObject = {},
): KubeObject {
  const metadata = { name, ...(namespace === null ? {} : { namespace }) };
  return { ref: { apiVersion, kind, namespace, name, source: null }, value: { apiVersion, kind, metadata, ...rest } };
}

function back(text: string): readonly KubeObject[] {
  const reading = readManifests([{ file: 'snapshot.yaml', text }]);
  expect(reading.diagnostics).toEqual([]);
  return reading.objects;
}

describe('snapshot', () => {
  it('is one text that a person can review', () => {
    const text = snapshot(
      [
        object('v1', 'Secret', 'shop', 's', { data: { password: 'aHVudGVyMg==' } }),
        object('networking.k8s.io/v1', 'NetworkPolicy', 'shop', 'web', { spec: { podSelector: {}, ingress: [{}] } }),
        object('v1', 'Namespace', null, 'shop'),
      ],
      {
        context: 'prod',
        serverVersion: 'v1.34.4',
        time: '2026-01-02T03:04:05Z',
        missing: [{ resource: 'pods', group: '', reason: 'forbidden:\nno' }],
        cni: null,
      },
    );
    expect(
      text,
    ).toBe(`# A cluster as Rampart reads it. Contains no secrets, annotations, environment, commands or volumes.
# 2 objects of prod, 2026-01-02T03:04:05Z
# NOT READ: pods: forbidden: no
apiVersion: rampart.dev/v1alpha1
kind: Snapshot
metadata:
  name: cluster
context: prod
serverVersion: v1.34.4
time: '2026-01-02T03:04:05Z'
missing:
  - resource: pods
    group: ''
    reason: |-
      forbidden:
      no
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  ingress:
    - {}
  podSelector: {}
`);
  });

  it('does not depend on the order of objects or keys', () => {
    const a = object('v1', 'Service', 'a', 'x', { spec: { selector: { b: '1', a: '2' }, ports: [{ port: 80 }] } });
    const same = object('v1', 'Service', 'a', 'x', { spec: { ports: [{ port: 80 }], selector: { a: '2', b: '1' } } });
    const b = object('v1', 'Service', 'b', 'x');
    const c = object('v1', 'Pod', 'a', 'x');
    expect(snapshot([a, b, c], META)).toBe(snapshot([c, same, b], META));
  });

  it('keeps what looks like something else in YAML as it is', () => {
    const odd = [
      'yes',
      'NO',
      'on',
      '~',
      '',
      'null',
      '012',
      '0x1F',
      '1e3',
      '.5',
      '12:30:45',
      '2026-01-01',
      '<<',
      '=',
      '!x',
      '&a',
      '*a',
    ];
    odd.push(
      '- a',
      'a: b',
      'a #b',
      '%x',
      '@x',
      '`x',
      ' lead',
      'trail ',
      'two\nlines',
      'tab\there',
      '\u0000',
      '\u2028',
      '\ufeff',
      '\ud83d\ude00',
      '---',
      '...',
    );
    const labels = Object.fromEntries(odd.map((text, i) => [`k${i}`, text]));
    const keys = Object.fromEntries(odd.filter((text) => text !== '').map((text) => [text, 'v']));
    const policy = object('networking.k8s.io/v1', 'NetworkPolicy', 'n', 'p', {
      spec: { podSelector: { matchLabels: labels }, extra: keys, numbers: [0, -1, 1.5, 1e21, true, false, null] },
    });
    expect(back(snapshot([policy], META))[1]?.value.spec).toEqual(policy.value.spec);
  });

  it('keeps keys that objects inherit', () => {
    const labels = JSON.parse('{"__proto__": "x", "constructor": "y", "toString": "z"}') as JsonObject;
    const pod = object('v1', 'Pod', 'n', 'p');
    const value = { ...pod.value, metadata: { name: 'p', namespace: 'n', labels } };
    const text = snapshot([{ ref: pod.ref, value }], META);
    const read = back(text)[1]?.value.metadata as JsonObject;
    expect(Object.entries(read.labels as JsonObject)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['toString', 'z'],
    ]);
  });

  it('gives an object without a namespace the one it was read with', () => {
    const pod: KubeObject = {
      ref: { apiVersion: 'v1', kind: 'Pod', namespace: 'from-option', name: 'p', source: null },
      value: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } },
    };
    expect(back(snapshot([pod], META))[1]?.ref.namespace).toBe('from-option');
  });

  it('takes ten thousand pods in its stride', () => {
    const pods = Array.from({ length: 10_000 }, (_, i) =>
      object('v1', 'Pod', `ns-${i % 100}`, `pod-${i}`, {
        spec: { nodeName: 'n', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 80 }] }] },
        status: { phase: 'Running', podIP: `10.0.${i >> 8}.${i & 255}` },
      }),
    );
    const began = performance.now();
    const text = snapshot(pods, META);
    console.log(`snapshot of 10000 pods: ${text.length >> 10} KiB in ${Math.round(performance.now() - began)} ms`);
    expect(text.match(/^---$/gm)?.length).toBe(10_000);
  });
});

describe('prune', () => {
  const secret = 'hunter2';
  const podSpec: JsonObject = {
    containers: [
      {
        name: 'c',
        image: 'i',
        env: [{ name: 'P', value: secret }],
        args: [secret],
        command: [secret],
        ports: [{ containerPort: 1 }],
      },
    ],
    volumes: [{ name: secret }],
    imagePullSecrets: [{ name: secret }],
  };
  const template: JsonObject = { metadata: { labels: { a: 'b' }, annotations: { x: secret } }, spec: podSpec };
  const cases: [string, string, JsonObject][] = [
    ['v1', 'Pod', { spec: podSpec, status: { podIP: '10.0.0.1', containerStatuses: [{ image: secret }] } }],
    ['apps/v1', 'Deployment', { spec: { template }, status: { conditions: [{ message: secret }] } }],
    ['apps/v1', 'DaemonSet', { spec: { template } }],
    ['extensions/v1beta1', 'Deployment', { spec: { template } }],
    ['argoproj.io/v1alpha1', 'Rollout', { spec: { template } }],
    ['batch/v1', 'CronJob', { spec: { jobTemplate: { spec: { template } } } }],
    ['route.openshift.io/v1', 'Route', { spec: { to: { name: 'web' }, tls: { key: secret } } }],
    [
      'monitoring.coreos.com/v1',
      'Prometheus',
      { spec: { remoteWrite: [{ basicAuth: secret }], thanos: { image: secret } } },
    ],
    ['v1', 'Node', { metadata: { annotations: { 'k3s.io/node-args': secret } }, status: { nodeInfo: { x: secret } } }],
    ['networking.k8s.io/v1', 'NetworkPolicy', { metadata: { annotations: { x: secret }, uid: secret }, spec: {} }],
  ];
  it.each(cases)('%s %s keeps no secret', (apiVersion, kind, value) => {
    const kept = prune(apiVersion, kind, value);
    expect(JSON.stringify(kept)).not.toContain(secret);
    expect(Object.keys(kept).slice(0, 2)).toEqual(['apiVersion', 'kind']);
  });

  it('keeps what matters of the same objects', () => {
    const kept = (index: number): Json => {
      const [apiVersion, kind, value] = cases[index] ?? ['', '', {}];
      return prune(apiVersion, kind, value);
    };
    const spec = { containers: [{ name: 'c', ports: [{ containerPort: 1 }] }] };
    expect(kept(0)).toEqual({ apiVersion: 'v1', kind: 'Pod', spec, status: { podIP: '10.0.0.1' } });
    expect(kept(1)).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      spec: { template: { metadata: { labels: { a: 'b' } }, spec } },
    });
    expect(kept(6)).toMatchObject({ spec: { to: { name: 'web' } } });
    // Whether there is a Thanos sidecar decides on ports.
    expect(kept(7)).toMatchObject({ spec: { thanos: {} } });
  });

  it('leaves values of another type to whoever decodes them', () => {
    expect(prune('v1', 'Pod', { spec: 'oops', status: [1], metadata: null })).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: null,
      spec: 'oops',
      status: [1],
    });
  });
});

describe('readSnapshotMeta', () => {
  it('is null where there is no snapshot', () => {
    expect(readSnapshotMeta([object('v1', 'Pod', 'n', 'p')])).toBeNull();
  });

  it('reads back what was written', () => {
    const meta: SnapshotMeta = {
      context: 'a: b',
      serverVersion: 'v1.34.4',
      time: '2026-01-02T03:04:05Z',
      missing: [
        { resource: 'pods', group: '', reason: 'forbidden: User "x"\ncannot' },
        { resource: 'routes', group: 'route.openshift.io', reason: 'service unavailable' },
      ],
      cni: {
        name: 'Calico',
        enforces: 'yes',
        supports: { networkPolicy: 'yes', adminNetworkPolicy: 'unknown', clusterNetworkPolicy: 'no' },
        evidence: ['DaemonSet/kube-system/calico-node is Calico'],
      },
    };
    expect(readSnapshotMeta(back(snapshot([], meta)))).toEqual(meta);
    expect(readSnapshotMeta(back(snapshot([], META)))).toEqual(META);
  });

  it('takes nothing for read that it does not understand', () => {
    const of = (missing: Json): unknown =>
      readSnapshotMeta([object('rampart.dev/v1alpha1', 'Snapshot', null, 'x', { missing })])?.missing;
    const unknown = [
      { resource: 'unknown', group: '', reason: 'what this snapshot lists in `missing` cannot be understood' },
    ];
    expect(of('pods')).toEqual(unknown);
    expect(of([{ resource: 1, group: '' }])).toEqual(unknown);
    expect(of([{ resource: 'pods', group: '' }])).toEqual([
      { resource: 'pods', group: '', reason: 'not read when the snapshot was made' },
    ]);
    expect(of([])).toEqual([]);
  });

  it('joins what several snapshots miss', () => {
    const one = object('rampart.dev/v1alpha1', 'Snapshot', null, 'a', {
      missing: [{ resource: 'pods', group: '', reason: 'x' }],
    });
    const two = object('rampart.dev/v1alpha1', 'Snapshot', null, 'b', {
      missing: [{ resource: 'nodes', group: '', reason: 'y' }],
    });
    expect(readSnapshotMeta([one, two])?.missing.map((m) => m.resource)).toEqual(['nodes', 'pods']);
  });
});
