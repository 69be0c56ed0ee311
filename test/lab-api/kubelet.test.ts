import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KubeClient, openClient } from '../../src/io/kube-client.ts';
import { connect } from '../../src/io/kubeconfig.ts';
import { kubelet } from '../../src/lab/controllers-kubelet.ts';
import { type ControlLoop, controlLoop } from '../../src/lab/controllers-loop.ts';
import { followApi, KUBELET_COLLECTIONS } from '../../src/lab/follow-api.ts';
import type { LabNode, LabPod, LabService } from '../../src/lab/model.ts';
import { type Kube, missingKube, startKube } from '../apiserver/kube.ts';

const missing = missingKube();
if (missing !== null) console.log(`skipped: kubelets of a lab under a real control plane: ${missing}`);

const NODES: readonly LabNode[] = [
  { name: 'lab-1', addresses: ['172.18.0.10'], podCidrs: ['10.244.0.0/24'] },
  { name: 'lab-2', addresses: ['172.18.0.11'], podCidrs: ['10.244.1.0/24'] },
];

describe.skipIf(missing !== null)('kubelets of a lab under a real control plane', () => {
  let kube: Kube;
  let client: KubeClient;
  let loop: ControlLoop;
  let following: Promise<void>;
  const ended = new AbortController();
  const running = new Map<string, LabPod>();
  const failures: string[] = [];
  let services: readonly LabService[] = [];

  beforeAll(async () => {
    kube = await startKube({ name: 'h2k', port: 17250 });
    for (const { name, addresses, podCidrs } of NODES) {
      const node = {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name },
        spec: { podCIDR: podCidrs[0], podCIDRs: podCidrs },
      };
      expect((await kube.send('POST', '/api/v1/nodes', node)).status).toBe(201);
      const status = {
        addresses: addresses.map((address) => ({ type: 'InternalIP', address })),
        capacity: { cpu: '8', memory: '16Gi', pods: '110' },
        allocatable: { cpu: '8', memory: '16Gi', pods: '110' },
        conditions: [
          {
            type: 'Ready',
            status: 'True',
            reason: 'KubeletReady',
            message: '',
            lastHeartbeatTime: new Date().toISOString(),
            lastTransitionTime: new Date().toISOString(),
          },
        ],
      };
      // The node controller writes to nodes, too.
      for (let code = 409, tries = 0; code === 409 && tries < 20; tries++) {
        const { body } = await kube.send('GET', `/api/v1/nodes/${name}`);
        code = (await kube.send('PUT', `/api/v1/nodes/${name}/status`, { ...(body as object), status })).status;
        if (code !== 409) expect(code).toBe(200);
      }
    }
    client = openClient(await connect({ kubeconfig: kube.kubeconfig }, {}));
    loop = controlLoop({
      manager: null,
      kubelet: kubelet({ nodes: NODES, running: [] }),
      send: async ({ method, path, body, contentType }) => (await client.send(method, path, body, contentType)).status,
      start: async (pod) => void running.set(pod.id, pod),
      stop: async (id) => void running.delete(id),
      listen: async () => {},
      services: async (all) => {
        services = all;
      },
      onFailure: (what) => failures.push(what),
    });
    following = followApi(client, KUBELET_COLLECTIONS, loop.take, {
      signal: ended.signal,
      onFailure: (what) => failures.push(what),
    });
  }, 120_000);

  afterAll(async () => {
    ended.abort();
    loop?.close();
    await following;
    client?.close();
    await kube?.down();
  }, 60_000);

  const until = async (what: () => boolean | Promise<boolean>, says: string): Promise<void> => {
    for (let tries = 0; !(await what()); tries++) {
      if (tries > 800) throw new Error(`${says}: ${JSON.stringify([...running.keys()])} ${failures.join('; ')}`);
      await sleep(100);
    }
  };
  const replicas = async (): Promise<unknown> =>
    (
      (await kube.send('GET', '/apis/apps/v1/namespaces/default/deployments/web')).body as {
        status: { readyReplicas?: number };
      }
    ).status.readyReplicas;

  it('run what the scheduler puts on their nodes, say so, and end what is deleted', async () => {
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: {
            tolerations: [{ operator: 'Exists' }],
            containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 8080 }] }],
          },
        },
      },
    };
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    };
    expect((await kube.send('POST', '/api/v1/namespaces/default/services', service)).status).toBe(201);
    expect((await kube.send('POST', '/apis/apps/v1/namespaces/default/deployments', deployment)).status).toBe(201);
    await until(async () => (await replicas()) === 3, 'three pods are ready in the eyes of the real controllers');
    const pods = [...running.values()];
    expect(pods).toHaveLength(3);
    expect(new Set(pods.map((pod) => pod.addresses[0])).size).toBe(3);
    for (const pod of pods)
      expect(pod.addresses[0]?.startsWith(pod.node === 'lab-1' ? '10.244.0.' : '10.244.1.')).toBe(true);
    await until(() => services.find(({ name }) => name === 'web')?.ports[0]?.endpoints.length === 3, 'three endpoints');

    await kube.send('DELETE', `/api/v1/namespaces/default/pods/${pods[0]?.name}`);
    await until(() => !running.has(pods[0]?.id ?? '') && running.size === 3, 'the pod is replaced');
    await kube.send('DELETE', '/apis/apps/v1/namespaces/default/deployments/web');
    await until(() => running.size === 0, 'all pods end');
    await until(
      async () =>
        ((await kube.send('GET', '/api/v1/namespaces/default/pods')).body as { items: unknown[] }).items.length === 0,
      'and are gone from the server',
    );
    expect(failures).toEqual([]);
  }, 100_000);
});
