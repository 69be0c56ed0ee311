import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { asObject, items, stringOf } from '../kinds/validation/json.ts';
import type { JsonObject } from '../manifest/object.ts';
import { readManifests } from '../manifest/read.ts';
import { type Api, apiServer } from './api-server/api.ts';
import { kubelet } from './controllers-kubelet.ts';
import { type ControlLoop, controlLoop, FOLLOWED_RESOURCES, followStore, sendTo } from './controllers-loop.ts';
import { controllerManager } from './controllers-manager.ts';
import type { LabPlan, LabPod, LabService } from './model.ts';
import { planLab } from './model-plan.ts';
import type { Listener } from './pod-protocol.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const SHARED = process.env.RAMPART_SHARED ?? resolve(CHECKOUT, '../shared');

function filesIn(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) return /\.(ya?ml|json)$/.test(path) ? [path] : [];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesIn(join(path, name)));
}

function planOf(path: string): LabPlan {
  return planLab(readManifests(filesIn(path).map((file) => ({ file, bytes: readFileSync(file) }))).objects);
}

/** A lab whose box only writes down what it is told. */
interface Lab {
  readonly api: Api;
  readonly loop: ControlLoop;
  readonly running: Map<string, LabPod>;
  readonly listeners: Map<string, readonly Listener[]>;
  readonly requests: string[];
  readonly failures: string[];
  services: readonly LabService[];
  send(method: string, target: string, body?: unknown, contentType?: string): JsonObject;
}

function labOf(plan: LabPlan, podDeletion: 'immediate' | 'graceful' = 'graceful'): Lab {
  let number = 0;
  const api = apiServer({
    now: () => Date.UTC(2026, 0, 1),
    uid: () => `00000000-0000-4000-8000-${String(++number).padStart(12, '0')}`,
    serviceRanges: plan.ranges.services,
    podDeletion,
  });
  api.seed(plan.objects.map(({ object }) => object.value));
  const lab: Omit<Lab, 'loop'> = {
    api,
    running: new Map(plan.pods.map((pod) => [pod.id, pod])),
    listeners: new Map(plan.pods.map((pod) => [pod.id, pod.listeners])),
    requests: [],
    failures: [],
    services: [],
    send: (method, target, body, contentType = 'application/json') => {
      const answer = api.handle({
        method,
        target,
        accept: 'application/json',
        contentType,
        body: body === undefined ? '' : JSON.stringify(body),
      });
      if (answer.kind !== 'json') throw new Error('a watch');
      if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
      return answer.body;
    },
  };
  const deliver = sendTo(api);
  const loop = controlLoop({
    manager: controllerManager({ replicas: 3, loadBalancers: plan.ranges.loadBalancers }),
    kubelet: kubelet({ nodes: plan.nodes, running: plan.pods }),
    send: (request) => {
      lab.requests.push(`${request.method} ${request.path}`);
      return deliver(request);
    },
    start: async (pod) => {
      if (lab.running.has(pod.id)) throw new Error(`${pod.id} runs already`);
      if (pod.labels.broken === 'yes') throw new Error('no such program');
      lab.running.set(pod.id, pod);
      lab.listeners.set(pod.id, pod.listeners);
    },
    stop: async (id) => void lab.running.delete(id),
    listen: async (id, listeners) => void lab.listeners.set(id, listeners),
    services: async (services) => {
      whole.services = services;
    },
    onFailure: (what) => lab.failures.push(what),
  });
  const whole: Lab = { ...lab, loop };
  followStore(api, FOLLOWED_RESOURCES, loop.take);
  return whole;
}

const names = (lab: Lab, prefix: string): string[] =>
  [...lab.running.keys()].filter((id) => id.startsWith(prefix)).sort();

function deployment(name: string, replicas: number, more: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'main', image: 'a', ports: [{ containerPort: 8080, name: 'http' }] }], ...more },
      },
    },
  };
}

const PODS = '/api/v1/namespaces/default/pods';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const SERVICES = '/api/v1/namespaces/default/services';

const EXAMPLES = [
  join(CHECKOUT, 'examples/shop'),
  ...['argo-cd', 'kube-prometheus', 'online-boutique', 'recipes', 'sock-shop'].map((name) =>
    join(SHARED, 'realworld', name),
  ),
].filter(existsSync);

/** One workload of each kind, with little and with odd things in their templates. */
const KINDS = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {schedule: "0 0 * * *", jobTemplate: {spec: {completions: 2, parallelism: 2, template: {metadata: {labels: {app: n}}, spec: {restartPolicy: Never, containers: [{name: c, ports: [{containerPort: 80}]}]}}}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: asleep}
spec: {schedule: "0 0 * * *", suspend: true, jobTemplate: {spec: {template: {spec: {containers: []}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {metadata: {labels: {app: o}, annotations: null}, spec: {containers: [{name: c, ports: null}]}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: every}
spec: {selector: {matchLabels: {app: e}}, template: {metadata: {labels: {app: e}}, spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 9100}]}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: set}
spec: {serviceName: set, replicas: 2, ordinals: {start: 3}, selector: {matchLabels: {app: s}}, template: {metadata: {labels: {app: s}}, spec: {hostname: null, containers: [{name: c, ports: [{containerPort: 5432, hostPort: 5432}]}]}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: bare}
spec: {selector: {matchLabels: {app: b}}, template: {metadata: {labels: {app: b}}, spec: {dnsPolicy: Default, containers: [{name: c}], initContainers: [{name: i, restartPolicy: Always, ports: [{containerPort: 81}]}]}}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec: {replicas: null, selector: {app: r}, template: {metadata: {labels: {app: r}}, spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: none}
spec: {replicas: 0, selector: {matchLabels: {app: z}}, template: {metadata: {labels: {app: z}}, spec: {containers: [{name: c}]}}}
`;

describe('a lab as it was planned', () => {
  it.each([...EXAMPLES, 'every kind'])('needs nothing done: %s', async (path) => {
    const kinds = [{ file: 'kinds.yaml', bytes: new TextEncoder().encode(KINDS) }];
    const plan = path === 'every kind' ? planLab(readManifests(kinds).objects) : planOf(path);
    const lab = labOf(plan);
    await lab.loop.idle();
    // Statuses of controllers are not planned; pods, slices and load balancers are.
    expect(lab.requests.filter((line) => !line.endsWith('/status'))).toEqual([]);
    expect([...lab.running.keys()].sort()).toEqual(plan.pods.map((pod) => pod.id).sort());
    expect(lab.services).toEqual(plan.services);
    expect(lab.failures).toEqual([]);
    expect(Object.fromEntries(lab.listeners)).toEqual(
      Object.fromEntries(plan.pods.map((pod) => [pod.id, pod.listeners])),
    );
  });
});

describe('a lab that changes', () => {
  it('runs the pods of a new Deployment, spread over the nodes, with addresses of their nodes', async () => {
    const lab = labOf(planLab([]));
    lab.send('POST', DEPLOYMENTS, deployment('web', 2));
    await lab.loop.idle();
    const pods = names(lab, 'default/web-').map((id) => lab.running.get(id));
    expect(pods.map((pod) => pod?.node).sort()).toEqual(['node-1', 'node-2']);
    // The DNS pod of the lab has the first address of node-1.
    expect(pods.map((pod) => pod?.addresses).sort()).toEqual([
      ['10.244.0.3', 'fd00:10:244::3'],
      ['10.244.1.2', 'fd00:10:244:1::2'],
    ]);
    const list = items(lab.send('GET', PODS).items).map(asObject);
    expect(list.map((pod) => asObject(pod.status).phase)).toEqual(['Running', 'Running']);
    expect(list.map((pod) => items(asObject(pod.status).podIPs).length)).toEqual([2, 2]);
    expect(asObject(lab.send('GET', `${DEPLOYMENTS}/web`).status).readyReplicas).toBe(2);
    expect(lab.failures).toEqual([]);
  });

  it('follows the scale up and down, at most three pods, and takes all away in the end', async () => {
    const lab = labOf(planLab([]));
    lab.send('POST', DEPLOYMENTS, deployment('web', 1));
    await lab.loop.idle();
    const [first] = names(lab, 'default/web-');
    lab.send('PATCH', `${DEPLOYMENTS}/web/scale`, { spec: { replicas: 7 } }, 'application/merge-patch+json');
    await lab.loop.idle();
    expect(names(lab, 'default/web-')).toHaveLength(3);
    lab.send('PATCH', `${DEPLOYMENTS}/web/scale`, { spec: { replicas: 1 } }, 'application/merge-patch+json');
    await lab.loop.idle();
    expect(names(lab, 'default/web-')).toEqual([first]);
    lab.send('DELETE', `${DEPLOYMENTS}/web`);
    await lab.loop.idle();
    expect(names(lab, 'default/')).toEqual([]);
    expect(lab.send('GET', PODS).items).toEqual([]);
    expect(lab.send('GET', '/apis/apps/v1/replicasets').items).toEqual([]);
  });

  it('replaces the pods of a Deployment whose template changes, and keeps them for other changes', async () => {
    const lab = labOf(planLab([]));
    lab.send('POST', DEPLOYMENTS, deployment('web', 2));
    await lab.loop.idle();
    const before = names(lab, 'default/web-');
    lab.send('PATCH', `${DEPLOYMENTS}/web`, { metadata: { labels: { team: 'a' } } }, 'application/merge-patch+json');
    await lab.loop.idle();
    expect(names(lab, 'default/web-')).toEqual(before);
    const template = { metadata: { labels: { app: 'web', version: '2' } } };
    lab.send('PATCH', `${DEPLOYMENTS}/web`, { spec: { template } }, 'application/merge-patch+json');
    await lab.loop.idle();
    const after = names(lab, 'default/web-');
    expect(after).toHaveLength(2);
    expect(after.filter((id) => before.includes(id))).toEqual([]);
    expect(after.map((id) => lab.running.get(id)?.labels.version)).toEqual(['2', '2']);
  });

  it('makes a StatefulSet pod again under its name when it is deleted, and all when the template changes', async () => {
    const lab = labOf(planLab([]));
    const set: JsonObject = { ...deployment('db', 2), kind: 'StatefulSet' };
    lab.send('POST', '/apis/apps/v1/namespaces/default/statefulsets', {
      ...set,
      spec: { ...asObject(set.spec), serviceName: 'db' },
    });
    await lab.loop.idle();
    expect(names(lab, 'default/')).toEqual(['default/db-0', 'default/db-1']);
    expect(lab.running.get('default/db-1')).toMatchObject({
      hostname: 'db-1',
      subdomain: 'db',
      workload: { kind: 'StatefulSet', name: 'db' },
    });
    const uid = asObject(lab.send('GET', `${PODS}/db-0`).metadata).uid;
    lab.send('DELETE', `${PODS}/db-0`);
    await lab.loop.idle();
    expect(names(lab, 'default/')).toEqual(['default/db-0', 'default/db-1']);
    expect(asObject(lab.send('GET', `${PODS}/db-0`).metadata).uid).not.toBe(uid);
    const template = { metadata: { labels: { app: 'db', version: '2' } } };
    lab.send(
      'PATCH',
      '/apis/apps/v1/namespaces/default/statefulsets/db',
      { spec: { template } },
      'application/merge-patch+json',
    );
    await lab.loop.idle();
    expect(['default/db-0', 'default/db-1'].map((id) => lab.running.get(id)?.labels.version)).toEqual(['2', '2']);
  });

  it('runs one pod of a DaemonSet on each node that its selector admits, also when labels change', async () => {
    const lab = labOf(planLab([], { nodes: 3 }));
    const set: JsonObject = { ...deployment('agent', 1, { nodeSelector: { disk: 'ssd' } }), kind: 'DaemonSet' };
    lab.send('POST', '/apis/apps/v1/namespaces/default/daemonsets', set);
    await lab.loop.idle();
    expect(names(lab, 'default/')).toEqual([]);
    for (const node of ['node-1', 'node-3']) {
      lab.send(
        'PATCH',
        `/api/v1/nodes/${node}`,
        { metadata: { labels: { disk: 'ssd' } } },
        'application/merge-patch+json',
      );
    }
    await lab.loop.idle();
    expect(
      names(lab, 'default/')
        .map((id) => lab.running.get(id)?.node)
        .sort(),
    ).toEqual(['node-1', 'node-3']);
    lab.send('PATCH', '/api/v1/nodes/node-3', { metadata: { labels: { disk: null } } }, 'application/merge-patch+json');
    await lab.loop.idle();
    expect(names(lab, 'default/').map((id) => lab.running.get(id)?.node)).toEqual(['node-1']);
  });

  it('keeps EndpointSlices and listeners true: a target port that no pod declares is listened on', async () => {
    const lab = labOf(planLab([]));
    lab.send('POST', DEPLOYMENTS, deployment('web', 2));
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: {
        type: 'LoadBalancer',
        selector: { app: 'web' },
        ports: [
          { name: 'http', port: 80, targetPort: 'http' },
          { name: 'extra', port: 81, targetPort: 9999 },
        ],
      },
    };
    lab.send('POST', SERVICES, service);
    await lab.loop.idle();
    const slices = items(lab.send('GET', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices').items).map(
      asObject,
    );
    expect(slices).toHaveLength(1);
    expect(slices[0]).toMatchObject({
      addressType: 'IPv4',
      ports: [
        { name: 'http', port: 8080, protocol: 'TCP' },
        { name: 'extra', port: 9999, protocol: 'TCP' },
      ],
    });
    expect(
      items(slices[0]?.endpoints)
        .map((one) => items(asObject(one).addresses)[0])
        .sort(),
    ).toEqual(['10.244.0.3', '10.244.1.2']);
    for (const id of names(lab, 'default/web-')) {
      expect(lab.listeners.get(id)).toEqual([
        { protocol: 'TCP', port: 8080 },
        { protocol: 'TCP', port: 9999 },
      ]);
    }
    const stored = lab.send('GET', `${SERVICES}/web`);
    expect(asObject(stored.status).loadBalancer).toEqual({ ingress: [{ ip: '172.19.0.1', ipMode: 'VIP' }] });
    expect(lab.services.find(({ name }) => name === 'web')).toMatchObject({
      loadBalancerIPs: ['172.19.0.1'],
      ports: [{ port: 80 }, { port: 81 }],
    });
    lab.send('PATCH', `${DEPLOYMENTS}/web/scale`, { spec: { replicas: 0 } }, 'application/merge-patch+json');
    await lab.loop.idle();
    expect(lab.send('GET', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices').items).toEqual([]);
    lab.send('DELETE', `${SERVICES}/web`);
    await lab.loop.idle();
    expect(lab.services.map(({ name }) => name)).toEqual(['kube-dns']);
  });

  it('places bare pods, keeps those that fit nowhere pending, and says why one did not start', async () => {
    const lab = labOf(planLab([]));
    const pod = (name: string, spec: JsonObject, labels: JsonObject = {}): JsonObject => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels },
      spec: { containers: [{ name: 'main', image: 'a' }], ...spec },
    });
    lab.send('POST', PODS, pod('anywhere', {}));
    lab.send('POST', PODS, pod('nowhere', { nodeSelector: { disk: 'ssd' } }));
    lab.send('POST', PODS, pod('on-host', { hostNetwork: true, nodeName: 'node-2' }));
    lab.send('POST', PODS, pod('broken', {}, { broken: 'yes' }));
    lab.send('POST', PODS, pod('elsewhere', { nodeName: 'of-nobody' }));
    await lab.loop.idle();
    expect(names(lab, 'default/')).toEqual(['default/anywhere', 'default/on-host']);
    expect(lab.running.get('default/on-host')?.addresses).toEqual(['172.18.0.11', 'fd00:172:18::b']);
    expect(asObject(lab.send('GET', `${PODS}/nowhere`).status).phase).toBe('Pending');
    expect(lab.failures).toEqual(['pod default/broken did not start: no such program']);
    expect(JSON.stringify(lab.send('GET', `${PODS}/broken`).status)).toContain('no such program');
    lab.send('DELETE', `${PODS}/broken`);
    await lab.loop.idle();
    expect(
      items(lab.send('GET', PODS).items).map((one) => stringOf(asObject(asObject(one).metadata).name)),
    ).not.toContain('broken');
  });

  it('ends with the pods of a namespace that is deleted; their addresses are free again', async () => {
    const lab = labOf(planLab([], { dns: false }), 'immediate');
    lab.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } });
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p' },
      spec: { nodeName: 'node-1', containers: [{ name: 'c' }] },
    };
    // A /24 has 253 addresses for pods.
    for (let i = 0; i < 300; i++) {
      lab.send('POST', '/api/v1/namespaces/a/pods', pod);
      await lab.loop.idle();
      expect(lab.running.get('a/p')?.addresses).toHaveLength(2);
      lab.send('DELETE', '/api/v1/namespaces/a/pods/p');
      await lab.loop.idle();
    }
    lab.send('POST', '/api/v1/namespaces/a/pods', pod);
    await lab.loop.idle();
    lab.send('DELETE', '/api/v1/namespaces/a');
    await lab.loop.idle();
    expect([...lab.running.keys()]).toEqual([]);
  });
});

it('a kubelet gives no address twice, whoever comes first', () => {
  const [node] = planLab([]).nodes;
  if (node === undefined) throw new Error('a plan has nodes');
  const object = (name: string, podIPs: readonly string[]): JsonObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'a', uid: name },
    spec: { nodeName: node.name, containers: [{ name: 'c', image: 'x' }] },
    ...(podIPs.length === 0 ? {} : { status: { podIPs: podIPs.map((ip) => ({ ip })) } }),
  });
  const started = (reserved: readonly string[], ...objects: readonly JsonObject[]): readonly (readonly string[])[] => {
    const all = kubelet({ nodes: [node], running: [], reserved });
    return objects.flatMap((one) => {
      all.take({ kind: 'put', object: one });
      return all.settle().flatMap((action) => (action.kind === 'start' ? [action.pod.addresses] : []));
    });
  };
  const [[first = '', six = ''] = []] = started([], object('x', []));
  expect([first, six]).toEqual(['10.244.0.2', 'fd00:10:244::2']);
  // A pod that is known to come with that address keeps it.
  const kept = started([first, six], object('x', []), object('y', [first, six]));
  expect(kept).toEqual([
    ['10.244.0.3', 'fd00:10:244::3'],
    [first, six],
  ]);
  // One that nobody knew of, or whose address is written in two manifests, gets another one.
  const late = started([], object('x', []), object('y', [first, 'fd00:10:244:0::2']));
  expect(late).toEqual([
    [first, six],
    ['10.244.0.3', 'fd00:10:244::3'],
  ]);
});
