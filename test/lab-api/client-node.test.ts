import { randomUUID } from 'node:crypto';
import {
  CoreV1Api,
  KubeConfig,
  type KubernetesListObject,
  makeInformer,
  NetworkingV1Api,
  type V1ConfigMap,
} from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Api, apiServer } from '../../src/lab/api-server/api.ts';
import { type ListeningApi, listenApi } from '../../src/lab/api-server/server.ts';

describe('@kubernetes/client-node with the embedded API server', () => {
  let api: Api;
  let server: ListeningApi;
  let config: KubeConfig;

  beforeEach(async () => {
    api = apiServer({ now: Date.now, uid: randomUUID });
    server = await listenApi(api, { host: '127.0.0.1', port: 0 });
    config = new KubeConfig();
    config.loadFromClusterAndUser({ name: 'lab', server: server.url, skipTLSVerify: true }, { name: 'nobody' });
  });
  afterEach(() => server.close());

  const until = async (what: () => boolean): Promise<void> => {
    for (let tries = 0; !what(); tries++) {
      if (tries > 200) throw new Error('it did not happen');
      await new Promise((done) => setTimeout(done, 25));
    }
  };

  it('creates, reads, replaces and deletes', async () => {
    const networking = config.makeApiClient(NetworkingV1Api);
    const body = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'p' },
      spec: { podSelector: {} },
    };
    const made = await networking.createNamespacedNetworkPolicy({ namespace: 'default', body });
    expect(made.metadata?.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect((await networking.listNetworkPolicyForAllNamespaces({})).items.map((one) => one.spec?.policyTypes)).toEqual([
      ['Ingress'],
    ]);
    const stale = { ...made, spec: { podSelector: { matchLabels: { a: 'b' } } } };
    await networking.replaceNamespacedNetworkPolicy({ name: 'p', namespace: 'default', body: stale });
    await expect(
      networking.replaceNamespacedNetworkPolicy({
        name: 'p',
        namespace: 'default',
        body: { ...stale, spec: { podSelector: {} } },
      }),
    ).rejects.toMatchObject({ code: 409 });
    await networking.deleteNamespacedNetworkPolicy({ name: 'p', namespace: 'default' });
    await expect(networking.readNamespacedNetworkPolicy({ name: 'p', namespace: 'default' })).rejects.toMatchObject({
      code: 404,
    });
  });

  it('keeps an informer in step, over dropped connections, expired versions and doubled events', async () => {
    const core = config.makeApiClient(CoreV1Api);
    const list = (): Promise<KubernetesListObject<V1ConfigMap>> =>
      core.listNamespacedConfigMap({ namespace: 'default' });
    const informer = makeInformer(config, '/api/v1/namespaces/default/configmaps', list);
    const held = new Map<string, string>();
    const put = (object: V1ConfigMap): void => void held.set(object.metadata?.name ?? '', object.data?.v ?? '');
    informer.on('add', put);
    informer.on('update', put);
    informer.on('delete', (object) => void held.delete(object.metadata?.name ?? ''));
    // As its documentation says, an informer is started again after an error.
    informer.on('error', () => void setTimeout(() => void informer.start(), 20));
    const make = (name: string, v: string) =>
      core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name }, data: { v } } });
    const change = (name: string, v: string) =>
      core.replaceNamespacedConfigMap({ name, namespace: 'default', body: { metadata: { name }, data: { v } } });
    try {
      await make('a', '1');
      await informer.start();
      await until(() => held.get('a') === '1');
      await change('a', '2');
      await make('b', '1');
      await until(() => held.get('a') === '2' && held.get('b') === '1');

      server.dropConnections();
      await core.deleteNamespacedConfigMap({ name: 'b', namespace: 'default' });
      await change('a', '3');
      await until(() => held.get('a') === '3' && !held.has('b'));

      api.faults.expiredWatches = 1;
      server.dropConnections();
      await change('a', '4');
      await until(() => held.get('a') === '4' && api.faults.expiredWatches === 0);

      api.faults.repeatEvents = true;
      await change('a', '5');
      await until(() => held.get('a') === '5');
      expect([...held]).toEqual([['a', '5']]);
    } finally {
      await informer.stop();
    }
  });
});
