import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type KubeClient, openClient } from '../../src/io/kube-client.ts';
import { connect } from '../../src/io/kubeconfig.ts';
import { type Follower, follow } from '../../src/io/watch.ts';
import type { WatchEvent, WatchedResource } from '../../src/io/watch-event.ts';
import { type Api, apiServer } from '../../src/lab/api-server/api.ts';
import type { Faults } from '../../src/lab/api-server/faults.ts';
import { type ListeningApi, listenApi } from '../../src/lab/api-server/server.ts';
import type { JsonObject } from '../../src/manifest/object.ts';

const PODS = '/api/v1/namespaces/default/pods';

/** A random number generator of its own, so that a failure can be had again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('our informers with the embedded API server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rampart-follow-'));
  let api: Api;
  let server: ListeningApi;
  let client: KubeClient;
  let follower: Follower;
  const held = new Map<string, JsonObject>();
  const states = new Map<WatchedResource, string>();

  const take = (event: WatchEvent): void => {
    states.set(event.resource, event.kind === 'put' || event.kind === 'removed' ? 'listed' : event.kind);
    if (event.resource !== 'pods') return;
    const key = (object: JsonObject): string => (object.metadata as { name: string }).name;
    if (event.kind === 'listed') {
      held.clear();
      for (const object of event.objects) held.set(key(object), object);
    } else if (event.kind === 'put') held.set(key(event.object), event.object);
    else if (event.kind === 'removed') held.delete(key(event.object));
  };

  beforeEach(async () => {
    held.clear();
    states.clear();
    api = apiServer({ now: Date.now, uid: randomUUID, policyKinds: false });
    server = await listenApi(api, { path: join(folder, `api-${Math.random().toString(36).slice(2)}.sock`) });
    client = openClient(await connect({ server: server.url }, {}));
    const timing = {
      firstBackoffMs: 10,
      longestBackoffMs: 50,
      absentMs: 50,
      forbiddenMs: 100,
      confirmMs: 10,
      absentWatchedMs: 100,
    };
    follower = follow(client, { timing, random: seeded(7) }, take);
    await follower.ready;
  });
  afterEach(async () => {
    await follower.stop();
    client.close();
    await server.close();
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const send = (method: string, target: string, body?: unknown): number => {
    const answer = api.handle({
      method,
      target,
      accept: '',
      contentType: 'application/json',
      body: body === undefined ? '' : JSON.stringify(body),
    });
    return answer.kind === 'json' ? answer.status : 0;
  };
  const truth = (): string => {
    const list = api.store
      .list('pods', null)
      .map(({ metadata }) => metadata as { name: string; resourceVersion: string });
    return JSON.stringify(list.map(({ name, resourceVersion }) => [name, resourceVersion]).sort());
  };
  const belief = (): string =>
    JSON.stringify(
      [...held].map(([name, { metadata }]) => [name, (metadata as { resourceVersion: string }).resourceVersion]).sort(),
    );

  it('believe what is true after every kind of fault', async () => {
    expect(states.get('clusternetworkpolicies')).toBe('absent');
    expect(states.get('networkpolicies')).toBe('listed');
    const random = seeded(20260101);
    const set = (faults: Partial<Faults>): void => void Object.assign(api.faults, faults);
    const faults: (() => void | Promise<void>)[] = [
      () => server.dropConnections(),
      () => set({ expiredWatches: 2 }),
      () => set({ repeatEvents: true }),
      () => set({ swapEvents: true }),
      () => set({ delayMs: 5 }),
      () => api.store.compact(),
      () => set({ answer: { status: 503, retryAfter: null } }),
      () => set({ refuseConnections: true }),
    ];
    for (const [round, fault] of [...faults, ...faults].entries()) {
      await fault();
      // A watch that goes on does not see every fault.
      if (round % 2 === 1) server.dropConnections();
      const answers = api.faults.answer;
      api.faults.answer = null;
      for (let i = 0; i < 20; i++) {
        const name = `p${Math.floor(random() * 8)}`;
        const pod = { metadata: { name, labels: { v: String(i) } }, spec: { containers: [{ name: 'c' }] } };
        if (random() < 0.3) send('DELETE', `${PODS}/${name}`);
        else if (send('POST', PODS, pod) === 409) send('PUT', `${PODS}/${name}`, pod);
      }
      api.faults.answer = answers;
      await sleep(40);
      Object.assign(api.faults, {
        repeatEvents: false,
        swapEvents: false,
        delayMs: 0,
        answer: null,
        refuseConnections: false,
      });
      // Two events whose order is turned round wait for each other: the last one is let go by one more.
      send('POST', PODS, { metadata: { name: `end-${round}` }, spec: { containers: [{ name: 'c' }] } });
      for (let tries = 0; belief() !== truth(); tries++) {
        if (tries > 200) expect(belief(), `round ${round}`).toBe(truth());
        await sleep(25);
      }
    }
    expect(held.size).toBeGreaterThan(10);
  });

  it('learn of resources that come to be served, and of those that may not be read', async () => {
    const until = async (resource: WatchedResource, state: string): Promise<void> => {
      for (let tries = 0; states.get(resource) !== state; tries++) {
        if (tries > 400) throw new Error(`${resource} is ${states.get(resource)}, not ${state}`);
        await sleep(25);
      }
    };
    const name = 'clusternetworkpolicies.policy.networking.k8s.io';
    const names = { plural: 'clusternetworkpolicies', kind: 'ClusterNetworkPolicy' };
    const versions = [{ name: 'v1alpha2', served: true, storage: true }];
    const spec = { group: 'policy.networking.k8s.io', scope: 'Cluster', names, versions };
    expect(send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { metadata: { name }, spec })).toBe(
      201,
    );
    await until('clusternetworkpolicies', 'listed');
    expect(send('DELETE', `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`)).toBe(200);
    await until('clusternetworkpolicies', 'absent');
    api.faults.forbidden = ['networkpolicies.networking.k8s.io'];
    server.dropConnections();
    await until('networkpolicies', 'unreadable');
    api.faults.forbidden = [];
    await until('networkpolicies', 'listed');
  });
});
