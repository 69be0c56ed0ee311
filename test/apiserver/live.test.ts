import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inputOf } from '../../src/input/input.ts';
import { IoError } from '../../src/io/io-error.ts';
import { type ClusterReading, readCluster } from '../../src/io/kube.ts';
import { RESOURCES, resourceName } from '../../src/io/resources.ts';
import { readSnapshotMeta, snapshot } from '../../src/io/snapshot.ts';
import { readManifests } from '../../src/manifest/read.ts';
import type { Missing } from '../../src/model/cluster.ts';
import { meaning } from '../io/meaning.ts';
import { startCluster, type TestCluster } from './cluster.ts';
import { type CustomResourceDefinition, missingKube, sharedDir } from './kube.ts';

const why = missingKube();
if (why !== null) console.log(`skipped: live clusters are read from a real API server, and ${why}`);

const CRDS = join(sharedDir, 'crds');

async function failure(promise: Promise<unknown>): Promise<IoError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof IoError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

function ids(reading: ClusterReading, kind: string): string[] {
  return reading.objects
    .filter((o) => o.ref.kind === kind)
    .map((o) => `${o.ref.apiVersion} ${o.ref.namespace ?? '-'}/${o.ref.name}`)
    .sort();
}

describe.skipIf(why !== null)('a live cluster', () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await startCluster('live', 17643);
  });
  afterAll(async () => {
    await cluster?.stop();
  });

  it('is read as far as it goes, and what it does not serve is not missing', async () => {
    const reading = await readCluster({ kubeconfig: cluster.kubeconfig });
    expect(reading.missing).toEqual([]);
    expect(reading.diagnostics).toEqual([]);
    expect([reading.context, reading.server]).toEqual(['rampart', cluster.server]);
    expect(reading.serverVersion).toMatch(/^v1\.\d+\.\d+/);
    expect(ids(reading, 'Namespace')).toContain('v1 -/kube-system');
    expect(ids(reading, 'Service')).toEqual(['v1 default/kubernetes']);
    expect(reading.objects.every((o) => o.ref.source === null)).toBe(true);
  });

  it('has every object once, however small the pages', async () => {
    await cluster.create([{ path: '/api/v1/namespaces', object: { metadata: { name: 'paged' } } }]);
    const policies = Array.from({ length: 620 }, (_, i) => ({
      path: '/apis/networking.k8s.io/v1/namespaces/paged/networkpolicies',
      object: {
        metadata: { name: `p-${i}` },
        spec: { podSelector: { matchLabels: { app: `a-${i}` } }, ingress: [{}] },
      },
    }));
    await cluster.create(policies);
    const pages: number[] = [];
    const reading = await readCluster(
      { kubeconfig: cluster.kubeconfig },
      {
        pageSize: 50,
        onProgress: (resource, items) => resource === 'networkpolicies.networking.k8s.io' && pages.push(items),
      },
    );
    expect(ids(reading, 'NetworkPolicy')).toEqual(
      Array.from({ length: 620 }, (_, i) => `networking.k8s.io/v1 paged/p-${i}`).sort(),
    );
    expect(pages).toEqual([50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 550, 600, 620]);
    const last = reading.objects.find((o) => o.ref.name === 'p-619');
    expect(last?.value).toEqual({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'p-619', namespace: 'paged' },
      spec: { podSelector: { matchLabels: { app: 'a-619' } }, ingress: [{}], policyTypes: ['Ingress'] },
    });
  });

  it('keeps what answers rest on, and neither secrets nor bookkeeping', async () => {
    const hidden = 'hunter2-must-not-be-kept';
    const template = {
      metadata: { labels: { app: 'web' }, annotations: { note: hidden } },
      spec: {
        hostNetwork: false,
        volumes: [{ name: hidden, emptyDir: {} }],
        initContainers: [
          { name: 'mesh', image: 'm', restartPolicy: 'Always', ports: [{ name: 'admin', containerPort: 15000 }] },
        ],
        containers: [
          {
            name: 'web',
            image: 'nginx',
            command: ['run', hidden],
            args: [hidden],
            env: [{ name: 'PASSWORD', value: hidden }],
            ports: [{ name: 'http', containerPort: 8080 }],
          },
        ],
      },
    };
    const metadata = { name: 'web', annotations: { secret: hidden } };
    await cluster.create([
      { path: '/api/v1/namespaces', object: { metadata: { name: 'shop', labels: { team: 'a' } } } },
      { path: '/api/v1/nodes', object: { metadata: { name: 'n1', labels: { zone: 'z' } } } },
    ]);
    await cluster.create([
      {
        path: '/apis/apps/v1/namespaces/shop/deployments',
        object: { metadata, spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template } },
      },
      {
        path: '/api/v1/namespaces/shop/secrets',
        object: { metadata: { name: 's' }, stringData: { password: hidden } },
      },
      { path: '/api/v1/namespaces/shop/configmaps', object: { metadata: { name: 'c' }, data: { password: hidden } } },
      {
        path: '/api/v1/namespaces/shop/services',
        object: {
          metadata: { name: 'web' },
          spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
        },
      },
    ]);
    const reading = await readCluster({ kubeconfig: cluster.kubeconfig });
    const text = JSON.stringify(reading.objects);
    for (const word of [hidden, 'managedFields', 'resourceVersion', '"uid"', 'last-applied'])
      expect(text).not.toContain(word);
    expect(ids(reading, 'Secret')).toEqual([]);
    const deployment = reading.objects.find((o) => o.ref.kind === 'Deployment');
    expect(deployment?.value).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'shop' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: {
            containers: [{ name: 'web', ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }] }],
            initContainers: [
              {
                name: 'mesh',
                restartPolicy: 'Always',
                ports: [{ name: 'admin', containerPort: 15000, protocol: 'TCP' }],
              },
            ],
          },
        },
      },
    });
    const set = await until(cluster, (r) => r.objects.find((o) => o.ref.kind === 'ReplicaSet'));
    expect(set.value.metadata).toMatchObject({
      namespace: 'shop',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', controller: true }],
    });
  });

  describe('with rights to some of it', () => {
    beforeAll(async () => {
      await cluster.create([
        { path: '/api/v1/namespaces/default/serviceaccounts', object: { metadata: { name: 'some' } } },
        { path: '/api/v1/namespaces/default/serviceaccounts', object: { metadata: { name: 'none' } } },
        {
          path: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
          object: {
            metadata: { name: 'some' },
            rules: [{ apiGroups: [''], resources: ['namespaces', 'pods'], verbs: ['get', 'list'] }],
          },
        },
        {
          path: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
          object: {
            metadata: { name: 'some' },
            roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'some' },
            subjects: [{ kind: 'ServiceAccount', namespace: 'default', name: 'some' }],
          },
        },
      ]);
    });

    it('names every resource that is forbidden', async () => {
      const kubeconfig = cluster.kubeconfigFor(await tokenOf(cluster, 'some'), 'some');
      const reading = await readCluster({ kubeconfig });
      expect(reading.missing.map(resourceName)).toEqual(
        RESOURCES.filter((r) => r.builtIn && r.resource !== 'namespaces' && r.resource !== 'pods').map(resourceName),
      );
      const policies = reading.missing.find((m) => m.resource === 'networkpolicies');
      expect(policies?.reason).toContain('forbidden');
      expect(policies?.reason).toContain('system:serviceaccount:default:some');
      expect(reading.diagnostics.length).toBe(reading.missing.length);
      expect(ids(reading, 'Namespace')).toContain('v1 -/shop');
      expect(ids(reading, 'NetworkPolicy')).toEqual([]);
    });

    it('fails where nothing at all may be read', async () => {
      const error = await failure(
        readCluster({ kubeconfig: cluster.kubeconfigFor(await tokenOf(cluster, 'none'), 'none') }),
      );
      expect(error.code).toBe('forbidden');
      expect(error.message).toContain('system:serviceaccount:default:none');
    });
  });

  describe('that cannot be reached or entered', () => {
    it('says when a token has expired', async () => {
      const token = cluster.token('default', 'some', Math.floor(Date.now() / 1000) - 60);
      const error = await failure(readCluster({ kubeconfig: cluster.kubeconfigFor(token, 'late') }));
      expect(error.code).toBe('unauthorized');
      expect(error.message).toBe(
        `\`${cluster.server}\` does not accept the credentials of user \`late\` (context \`late\`)`,
      );
      expect(error.help).toContain('expired');
    });

    it('names the contexts there are', async () => {
      const error = await failure(readCluster({ kubeconfig: cluster.kubeconfig, context: 'ramparts' }));
      expect([error.code, error.help]).toEqual(['unknown-context', 'did you mean `rampart`?']);
    });

    it('trusts no certificate but that of the cluster', async () => {
      const config = JSON.parse(readFileSync(cluster.kubeconfig, 'utf8'));
      delete config.clusters[0].cluster['certificate-authority-data'];
      const file = join(cluster.folder, 'no-ca.kubeconfig');
      writeFileSync(file, JSON.stringify(config));
      expect((await failure(readCluster({ kubeconfig: file }))).code).toBe('untrusted');
    });

    it('fails as a whole when the connection breaks off half-way', async () => {
      const relay = await relayTo(17643, 200_000);
      try {
        const file = kubeconfigAt(cluster, relay.port);
        const error = await failure(readCluster({ kubeconfig: file }, { pageSize: 100 }));
        expect(relay.cut()).toBe(true);
        expect(error.code).toBe('unreachable');
        expect(error.message).toContain(`https://127.0.0.1:${relay.port}`);
        expect(error.message).toContain('context `rampart`');
      } finally {
        await relay.stop();
      }
    });

    it('gets over a connection that breaks off once', async () => {
      const relay = await relayTo(17643, 200_000, 1);
      try {
        const reading = await readCluster({ kubeconfig: kubeconfigAt(cluster, relay.port) }, { pageSize: 100 });
        expect(relay.cut()).toBe(true);
        expect(reading.missing).toEqual([]);
        expect(ids(reading, 'NetworkPolicy').length).toBe(620);
      } finally {
        await relay.stop();
      }
    });

    it('is read through a proxy', async () => {
      const tunnels: string[] = [];
      const proxy = createHttpServer();
      const sockets: { destroy(): void }[] = [];
      proxy.on('connect', (request, near) => {
        tunnels.push(request.url ?? '');
        const far = dial(17643, '127.0.0.1', () => {
          near.write('HTTP/1.1 200 OK\r\n\r\n');
          near.pipe(far).pipe(near);
        });
        for (const socket of [near, far]) socket.on('error', () => undefined);
        sockets.push(near, far);
      });
      await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
      const address = proxy.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      try {
        const config = JSON.parse(readFileSync(cluster.kubeconfig, 'utf8'));
        config.clusters[0].cluster['proxy-url'] = `http://127.0.0.1:${address.port}`;
        const file = join(cluster.folder, 'proxied.kubeconfig');
        writeFileSync(file, JSON.stringify(config));
        expect(ids(await readCluster({ kubeconfig: file }), 'Namespace')).toContain('v1 -/kube-system');
        expect(new Set(tunnels)).toEqual(new Set(['127.0.0.1:17643']));
        // As many as requests at a time: tunnels are used again.
        expect(tunnels.length).toBeLessThanOrEqual(7);
      } finally {
        for (const socket of sockets) socket.destroy();
        proxy.close();
      }
    });

    it('says where nothing listens', async () => {
      const relay = await relayTo(17643, 0);
      await relay.stop();
      const began = Date.now();
      const error = await failure(readCluster({ kubeconfig: kubeconfigAt(cluster, relay.port) }));
      expect(error.code).toBe('unreachable');
      expect(error.message).toContain('ECONNREFUSED');
      expect(Date.now() - began).toBeLessThan(2000);
    });
  });

  describe('with custom resources', () => {
    beforeAll(async () => {
      const definitions = (folder: string, which = /\.yaml$/): CustomResourceDefinition[] =>
        readdirSync(join(CRDS, folder))
          .filter((file) => which.test(file))
          .map((file) => load(readFileSync(join(CRDS, folder, file), 'utf8')) as CustomResourceDefinition);
      for (const definition of [
        ...definitions('network-policy-api/v1alpha2-experimental'),
        ...definitions('network-policy-api/v1alpha1-v0.1.8-standard'),
        ...definitions('cilium/v2', /ciliumnetworkpolicies/),
        ...definitions('istio', /authorizationpolicies.*\.yaml$/),
        // Two resources of one group that are served in different versions.
        crd('gateway.networking.k8s.io', 'httproutes', 'HTTPRoute', ['v1', 'v1beta1']),
        crd('gateway.networking.k8s.io', 'tcproutes', 'TCPRoute', ['v1alpha2']),
        // A version of the future.
        crd('route.openshift.io', 'routes', 'Route', ['v9']),
      ]) {
        await cluster.kube.define(definition);
      }
    });

    it('reads them in the version it understands, and says which it does not', async () => {
      const rules = { priority: 10, subject: { namespaces: {} } };
      await cluster.create([
        {
          path: '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies',
          object: {
            apiVersion: 'policy.networking.k8s.io/v1alpha2',
            kind: 'ClusterNetworkPolicy',
            metadata: { name: 'cnp' },
            spec: { ...rules, tier: 'Admin', ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }] },
          },
        },
        {
          path: '/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies',
          object: {
            apiVersion: 'policy.networking.k8s.io/v1alpha1',
            kind: 'AdminNetworkPolicy',
            metadata: { name: 'anp' },
            spec: { ...rules, ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }] },
          },
        },
        {
          path: '/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies',
          object: {
            apiVersion: 'cilium.io/v2',
            kind: 'CiliumNetworkPolicy',
            metadata: { name: 'cilium' },
            specs: [{ endpointSelector: {}, ingress: [{}] }],
          },
        },
        gatewayObject('httproutes', 'HTTPRoute', 'v1'),
        gatewayObject('tcproutes', 'TCPRoute', 'v1alpha2'),
      ]);
      const reading = await readCluster({ kubeconfig: cluster.kubeconfig });
      expect(ids(reading, 'ClusterNetworkPolicy')).toEqual(['policy.networking.k8s.io/v1alpha2 -/cnp']);
      expect(ids(reading, 'AdminNetworkPolicy')).toEqual(['policy.networking.k8s.io/v1alpha1 -/anp']);
      expect(ids(reading, 'CiliumNetworkPolicy')).toEqual(['cilium.io/v2 default/cilium']);
      expect(ids(reading, 'HTTPRoute')).toEqual(['gateway.networking.k8s.io/v1 default/httproutes']);
      expect(ids(reading, 'TCPRoute')).toEqual(['gateway.networking.k8s.io/v1alpha2 default/tcproutes']);
      const cilium = reading.objects.find((o) => o.ref.kind === 'CiliumNetworkPolicy');
      expect(cilium?.value.specs).toEqual([{ endpointSelector: {}, ingress: [{}] }]);
      expect(reading.missing).toEqual([
        {
          resource: 'routes',
          group: 'route.openshift.io',
          reason: 'it is served as v9 only, which this version of Rampart does not read',
        },
      ]);
    });

    it('misses what sits behind an API server that does not answer', async () => {
      await cluster.create([
        {
          path: '/apis/apiregistration.k8s.io/v1/apiservices',
          object: {
            metadata: { name: 'v3.projectcalico.org' },
            spec: {
              group: 'projectcalico.org',
              version: 'v3',
              groupPriorityMinimum: 1000,
              versionPriority: 10,
              service: { namespace: 'default', name: 'nobody' },
              insecureSkipTLSVerify: true,
            },
          },
        },
      ]);
      const reading = await until(cluster, (r) =>
        r.missing.some((m) => m.group === 'projectcalico.org') ? r : undefined,
      );
      const missing = reading.missing.filter((m) => m.group === 'projectcalico.org').map((m) => m.resource);
      expect(missing).toContain('networkpolicies');
      expect(missing).toContain('globalnetworkpolicies');
      expect(ids(reading, 'NetworkPolicy').length).toBe(620);
      await cluster.kube.send('DELETE', '/apis/apiregistration.k8s.io/v1/apiservices/v3.projectcalico.org');
    });
  });

  it('reads back from a snapshot with the same meaning', async () => {
    const kubeconfig = cluster.kubeconfigFor(await tokenOf(cluster, 'some'), 'some');
    for (const reading of [await readCluster({ kubeconfig: cluster.kubeconfig }), await readCluster({ kubeconfig })]) {
      const { context, serverVersion, missing } = reading;
      const text = snapshot(reading.objects, { context, serverVersion, time: null, missing, cni: null });
      const again = readManifests([{ file: 'snapshot.yaml', text }]);
      expect(again.diagnostics).toEqual([]);
      const meta = readSnapshotMeta(again.objects);
      const byName = (a: Missing, b: Missing): number => (resourceName(a) < resourceName(b) ? -1 : 1);
      expect([...(meta?.missing ?? [])].sort(byName)).toEqual([...missing].sort(byName));
      expect(meaning(inputOf(again.objects, { missing }))).toBe(meaning(inputOf(reading.objects, { missing })));
    }
  });

  it('is read quickly', async () => {
    const count = process.env.RAMPART_LONG === '1' ? 10_000 : 2_000;
    await cluster.create([{ path: '/api/v1/namespaces', object: { metadata: { name: 'many' } } }]);
    await cluster.create([
      { path: '/api/v1/namespaces/many/serviceaccounts', object: { metadata: { name: 'quiet' } } },
    ]);
    let began = performance.now();
    await cluster.create(
      Array.from({ length: count }, (_, i) => ({
        path: '/api/v1/namespaces/many/pods',
        object: {
          metadata: { name: `pod-${i}`, labels: { app: `app-${i % 20}`, tier: ['web', 'api', 'db'][i % 3] } },
          spec: {
            // No scheduler takes them.
            schedulerName: 'nobody',
            serviceAccountName: 'quiet',
            automountServiceAccountToken: false,
            containers: [{ name: 'c', image: 'fake', ports: [{ name: 'http', containerPort: 80 }] }],
          },
        },
      })),
    );
    const created = performance.now() - began;
    began = performance.now();
    const reading = await readCluster({ kubeconfig: cluster.kubeconfig });
    const took = performance.now() - began;
    console.log(`${count} pods: created in ${Math.round(created)} ms, the cluster read in ${Math.round(took)} ms`);
    expect(reading.objects.filter((o) => o.ref.kind === 'Pod' && o.ref.namespace === 'many').length).toBe(count);
    expect(took).toBeLessThan(30_000);
  }, 180_000);
});

/** A token that the server issues by itself. */
async function tokenOf(cluster: TestCluster, account: string): Promise<string> {
  const path = `/api/v1/namespaces/default/serviceaccounts/${account}/token`;
  const answer = await cluster.kube.send('POST', path, { spec: { expirationSeconds: 3600 } });
  return (answer.body as { status: { token: string } }).status.token;
}

async function until<T>(cluster: TestCluster, found: (reading: ClusterReading) => T | undefined): Promise<T> {
  for (let i = 0; i < 100; i++) {
    const value = found(await readCluster({ kubeconfig: cluster.kubeconfig }));
    if (value !== undefined) return value;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('gave up waiting');
}

function kubeconfigAt(cluster: TestCluster, port: number): string {
  const config = JSON.parse(readFileSync(cluster.kubeconfig, 'utf8'));
  config.clusters[0].cluster.server = `https://127.0.0.1:${port}`;
  const file = join(cluster.folder, `at-${port}.kubeconfig`);
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** Passes TCP on until so many bytes have come back, then resets every connection: for good, or `times` times. */
async function relayTo(
  target: number,
  bytes: number,
  times = Number.POSITIVE_INFINITY,
): Promise<{ port: number; cut: () => boolean; stop: () => Promise<void> }> {
  const open = new Set<Socket>();
  let passed = 0;
  let cuts = 0;
  const server: Server = createServer((near) => {
    if (cuts >= times || passed < bytes) {
      const far = dial(target, '127.0.0.1');
      for (const socket of [near, far]) {
        open.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => open.delete(socket));
      }
      near.pipe(far);
      far.on('data', (chunk) => {
        passed += chunk.length;
        if (passed >= bytes && cuts < times) {
          cuts++;
          if (cuts >= times) passed = Number.NEGATIVE_INFINITY;
          for (const socket of open) socket.resetAndDestroy();
        } else near.write(chunk);
      });
      far.on('close', () => near.destroy());
    } else near.resetAndDestroy();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    cut: () => cuts > 0,
    stop: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

function crd(group: string, plural: string, kind: string, versions: readonly string[]): CustomResourceDefinition {
  const spec = {
    group,
    scope: 'Namespaced',
    names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
    versions: versions.map((name, i) => ({
      name,
      served: true,
      storage: i === 0,
      schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    })),
  };
  const annotations = { 'api-approved.kubernetes.io': 'unapproved, for a test' };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, ...{ annotations } },
    spec,
  };
}

function gatewayObject(plural: string, kind: string, version: string): { path: string; object: unknown } {
  const apiVersion = `gateway.networking.k8s.io/${version}`;
  return {
    path: `/apis/${apiVersion}/namespaces/default/${plural}`,
    object: { apiVersion, kind, metadata: { name: plural }, spec: { rules: [] } },
  };
}
