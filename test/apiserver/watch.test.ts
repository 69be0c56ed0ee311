import { spawn } from 'node:child_process';
import { closeSync, cpSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { load } from 'js-yaml';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type KubeClient, openClient } from '../../src/io/kube-client.ts';
import { type Connection, connect } from '../../src/io/kubeconfig.ts';
import { type Follower, type FollowOptions, follow } from '../../src/io/watch.ts';
import type { WatchEvent, WatchedResource } from '../../src/io/watch-event.ts';
import { startCluster, type TestCluster } from './cluster.ts';
import { type CustomResourceDefinition, missingKube, sharedDir } from './kube.ts';

const why = missingKube();
if (why !== null) console.log(`skipped: watches are of a real API server, and ${why}`);

const POLICY_CRD = join(
  sharedDir,
  'crds/network-policy-api/v1alpha2-standard/policy.networking.k8s.io_clusternetworkpolicies.yaml',
);
const CNPS = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const KINDS: Readonly<Record<WatchedResource, string>> = {
  pods: 'Pod',
  namespaces: 'Namespace',
  nodes: 'Node',
  networkpolicies: 'NetworkPolicy',
  clusternetworkpolicies: 'ClusterNetworkPolicy',
  adminnetworkpolicies: 'AdminNetworkPolicy',
  baselineadminnetworkpolicies: 'BaselineAdminNetworkPolicy',
};

interface Named {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

/** What a receiver of events believes to exist. */
interface Follow {
  readonly follower: Follower;
  readonly events: WatchEvent[];
  readonly objects: Map<string, Named>;
  names(kind: string): readonly string[];
}

describe.skipIf(why !== null)('following a real API server', () => {
  let cluster: TestCluster;
  let relay: Relay;
  const open: { follower: Follower; client: KubeClient }[] = [];

  beforeAll(async () => {
    cluster = await startCluster('h1w', 17100);
    relay = await startRelay(Number(new URL(cluster.server).port));
    await cluster.create([{ path: '/api/v1/namespaces', object: { metadata: { name: 'shop' } } }]);
  });
  afterEach(async () => {
    for (const { follower, client } of open.splice(0)) {
      await follower.stop();
      client.close();
    }
    relay.join();
  });
  afterAll(async () => {
    await relay?.close();
    await cluster?.stop();
  });

  async function followed(
    resources: readonly WatchedResource[],
    options: FollowOptions = {},
    given: Connection | null = null,
  ): Promise<Follow> {
    const file = join(cluster.folder, 'relayed.kubeconfig');
    const text = readFileSync(cluster.kubeconfig, 'utf8');
    writeFileSync(file, text.replaceAll(cluster.server, `https://127.0.0.1:${relay.port}`));
    const client = openClient(given ?? (await connect({ kubeconfig: file })));
    const events: WatchEvent[] = [];
    const objects = new Map<string, Named>();
    const key = (object: Named): string => `${object.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    const follower = follow(client, { resources, ...options }, (event) => {
      events.push(event);
      if (event.kind === 'put') objects.set(key(event.object as unknown as Named), event.object as unknown as Named);
      else if (event.kind === 'removed') objects.delete(key(event.object as unknown as Named));
      else {
        const kind = KINDS[event.resource];
        for (const one of [...objects.keys()].filter((k) => k.startsWith(`${kind} `))) objects.delete(one);
        if (event.kind === 'listed')
          for (const object of event.objects as unknown as Named[]) objects.set(key(object), object);
      }
    });
    open.push({ follower, client });
    return {
      follower,
      events,
      objects,
      names: (kind) =>
        [...objects.values()]
          .filter((o) => o.kind === kind)
          .map((o) => o.metadata.name)
          .sort(),
    };
  }

  const podOf = (name: string, node: string, labels: Record<string, string> = {}): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels, annotations: { secret: 'of no account' } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [
        { name: 'web', image: 'x', ports: [{ name: 'http', containerPort: 80 }], env: [{ name: 'A', value: 'b' }] },
      ],
      tolerations: [{ operator: 'Exists' }],
    },
  });
  const PODS = '/api/v1/namespaces/shop/pods';

  it('gives pods as they come, change and go, with what matters of them', async () => {
    const mine = await followed(['pods'], { fieldSelectors: { pods: 'spec.nodeName=n1' } });
    await mine.follower.ready;
    expect(mine.events).toMatchObject([{ kind: 'listed', resource: 'pods', objects: [] }]);
    await cluster.create([
      { path: PODS, object: podOf('one', 'n1', { app: 'web' }) },
      { path: PODS, object: podOf('two', 'n2') },
    ]);
    await expect.poll(() => mine.names('Pod')).toEqual(['one']);
    const patch = { metadata: { labels: { app: 'db' } } };
    const client = openClient(await connect({ kubeconfig: cluster.kubeconfig }));
    expect((await client.send('PATCH', `${PODS}/one`, patch, 'application/merge-patch+json')).status).toBe(200);
    const podStatus = { phase: 'Running', podIP: '10.1.0.5', podIPs: [{ ip: '10.1.0.5' }], hostIP: '10.0.0.1' };
    const body = { status: podStatus };
    expect((await client.send('PATCH', `${PODS}/one/status`, body, 'application/merge-patch+json')).status).toBe(200);
    await expect.poll(() => JSON.stringify([...mine.objects.values()])).toContain('10.1.0.5');
    const pod = mine.objects.get('Pod shop/one');
    const all: Readonly<Record<string, unknown>> = { ...pod?.metadata };
    const { uid, resourceVersion, creationTimestamp, ...metadata } = all;
    expect([typeof uid, typeof resourceVersion, typeof creationTimestamp]).toEqual(['string', 'string', 'string']);
    expect({ ...pod, metadata }).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'one', namespace: 'shop', labels: { app: 'db' } },
      spec: {
        nodeName: 'n1',
        containers: [{ name: 'web', ports: [{ name: 'http', containerPort: 80, protocol: 'TCP' }] }],
      },
      status: { phase: 'Running', podIP: '10.1.0.5', podIPs: [{ ip: '10.1.0.5' }], hostIP: '10.0.0.1' },
    });
    for (const name of ['one', 'two']) await client.send('DELETE', `${PODS}/${name}?gracePeriodSeconds=0`);
    await expect.poll(() => mine.names('Pod')).toEqual([]);
    expect(mine.events.at(-1)?.kind).toBe('removed');
    client.close();
  });

  it('gives namespaces, nodes and policies, pruned', async () => {
    const { follower, objects } = await followed(['namespaces']);
    await follower.ready;
    expect(objects.get('Namespace /shop')).toMatchObject({
      apiVersion: 'v1',
      metadata: { name: 'shop', labels: { 'kubernetes.io/metadata.name': 'shop' } },
    });
    expect(JSON.stringify([...objects.values()])).not.toContain('managedFields');
    const policies = await followed(['networkpolicies', 'nodes']);
    await policies.follower.ready;
    const spec = { podSelector: {}, policyTypes: ['Ingress'] };
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{"long":true}', kept: 'yes' };
    await cluster.create([
      {
        path: '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies',
        object: { metadata: { name: 'deny', annotations }, spec },
      },
      {
        path: '/api/v1/nodes',
        object: { metadata: { name: 'n9' }, spec: { podCIDR: '10.9.0.0/24', podCIDRs: ['10.9.0.0/24'] } },
      },
    ]);
    await expect.poll(() => [policies.names('NetworkPolicy'), policies.names('Node')]).toEqual([['deny'], ['n9']]);
    const policy = policies.objects.get('NetworkPolicy shop/deny');
    expect(policy).toMatchObject({
      apiVersion: 'networking.k8s.io/v1',
      metadata: { annotations: { kept: 'yes' } },
      spec,
    });
    expect(JSON.stringify(policy)).not.toMatch(/managedFields|last-applied/);
    expect(policies.objects.get('Node /n9')).toMatchObject({ apiVersion: 'v1', spec: { podCIDR: '10.9.0.0/24' } });
  });

  it('notices definitions that come and go', async () => {
    const definition = load(readFileSync(POLICY_CRD, 'utf8')) as CustomResourceDefinition;
    const mine = await followed(['clusternetworkpolicies'], { timing: { confirmMs: 200 } });
    await mine.follower.ready;
    expect(mine.events).toEqual([{ kind: 'absent', resource: 'clusternetworkpolicies' }]);
    // Only the watch on definitions can be as quick as this: the resource is looked for after ten seconds.
    const begun = Date.now();
    await cluster.kube.define(definition);
    await expect.poll(() => mine.events.at(-1)?.kind, { timeout: 8000 }).toBe('listed');
    expect(Date.now() - begun).toBeLessThan(8000);
    const policy = {
      apiVersion: 'policy.networking.k8s.io/v1alpha2',
      kind: 'ClusterNetworkPolicy',
      metadata: { name: 'all' },
      spec: { priority: 1, tier: 'Admin', subject: { namespaces: {} } },
    };
    await cluster.create([{ path: CNPS, object: policy }]);
    await expect.poll(() => mine.names('ClusterNetworkPolicy')).toEqual(['all']);
    await cluster.kube.send('DELETE', `${CRDS}/${definition.metadata.name}`);
    await expect.poll(() => mine.events.at(-1)?.kind, { timeout: 20_000 }).toBe('absent');
    expect(mine.events.some((event) => event.kind === 'removed')).toBe(true);
    await cluster.kube.define(definition);
    await expect.poll(() => mine.events.at(-1)?.kind, { timeout: 8000 }).toBe('listed');
    await cluster.kube.send('DELETE', `${CRDS}/${definition.metadata.name}`);
  });

  it('says what may not be read, and reads it as soon as it may', async () => {
    await cluster.create([
      { path: '/api/v1/namespaces/shop/serviceaccounts', object: { metadata: { name: 'agent' } } },
    ]);
    const request = await cluster.kube.send('POST', '/api/v1/namespaces/shop/serviceaccounts/agent/token', {
      spec: { expirationSeconds: 3600 },
    });
    const { token } = (request.body as { status: { token: string } }).status;
    // As in a pod. The first token is one that the server does not take, until the kubelet writes another.
    cpSync(join(dirname(cluster.kubeconfig), 'pki/ca.crt'), join(cluster.folder, 'ca.crt'));
    writeFileSync(join(cluster.folder, 'token'), 'stale');
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(relay.port) };
    const connection = await connect({ serviceAccount: cluster.folder }, env);
    const quick = { timing: { forbiddenMs: 500, absentMs: 200 } };
    const mine = await followed(['pods', 'clusternetworkpolicies'], quick, connection);
    await expect.poll(() => mine.follower.statistics()[0]?.lastFailure).toContain('does not accept the credentials');
    writeFileSync(join(cluster.folder, 'token'), token);
    await mine.follower.ready;
    const said = mine.events.map((event) => [event.kind, event.resource]).sort();
    // RBAC refuses what does not even exist; discovery knows better.
    expect(said).toEqual([
      ['absent', 'clusternetworkpolicies'],
      ['unreadable', 'pods'],
    ]);
    expect(mine.events.find((event) => event.kind === 'unreadable')).toMatchObject({
      reason: expect.stringContaining('cannot list resource "pods"'),
    });
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] }];
    const subjects = [{ kind: 'ServiceAccount', name: 'agent', namespace: 'shop' }];
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'agent' };
    await cluster.create([
      { path: `${rbac}/clusterroles`, object: { metadata: { name: 'agent' }, rules } },
      { path: `${rbac}/clusterrolebindings`, object: { metadata: { name: 'agent' }, subjects, roleRef } },
    ]);
    await expect.poll(() => mine.events.at(-1)?.kind, { timeout: 5000 }).toBe('listed');
    await expect.poll(() => mine.follower.statistics()[0]?.watching).toBe(true);
    // Taken away again: a running watch lives on, a new one does not.
    await cluster.kube.send('DELETE', `${rbac}/clusterrolebindings/agent`);
    await sleep(500);
    relay.cut();
    relay.join();
    await expect.poll(() => mine.events.at(-1)?.kind, { timeout: 10_000 }).toBe('unreadable');
  });

  it('goes on after a break as if there had been none', async () => {
    const mine = await followed(['pods']);
    await mine.follower.ready;
    await cluster.create([{ path: PODS, object: podOf('before', 'n1') }]);
    await expect.poll(() => mine.names('Pod')).toEqual(['before']);
    relay.cut();
    await cluster.create([{ path: PODS, object: podOf('during', 'n1') }]);
    await cluster.kube.send('DELETE', `${PODS}/before?gracePeriodSeconds=0`);
    await sleep(1000);
    expect(mine.names('Pod')).toEqual(['before']);
    relay.join();
    await expect.poll(() => mine.names('Pod'), { timeout: 10_000 }).toEqual(['during']);
    expect(mine.events.filter((event) => event.kind === 'listed')).toHaveLength(1);
    await cluster.kube.send('DELETE', `${PODS}/during?gracePeriodSeconds=0`);
    await expect.poll(() => mine.names('Pod')).toEqual([]);
  });

  it('lists again when the server has forgotten the versions in between', async () => {
    const mine = await followed(['pods']);
    await mine.follower.ready;
    await cluster.create([{ path: PODS, object: podOf('before', 'n1') }]);
    await expect.poll(() => mine.names('Pod')).toEqual(['before']);
    relay.cut();
    await cluster.create([{ path: PODS, object: podOf('during', 'n1') }]);
    const gone = await cluster.kube.send('DELETE', `${PODS}/before?gracePeriodSeconds=0`);
    expect(gone.status).toBe(200);
    // With its memory gone, and the database's history, it must say `too old resource version`.
    await stopProcess('kube-apiserver');
    await compact();
    await startProcess('kube-apiserver');
    relay.join();
    await expect.poll(() => mine.names('Pod'), { timeout: 40_000 }).toEqual(['during']);
    expect(mine.follower.statistics()[0]?.relists.expired).toBe(1);
    await cluster.kube.send('DELETE', `${PODS}/during?gracePeriodSeconds=0`);
    await expect.poll(() => mine.names('Pod'), { timeout: 10_000 }).toEqual([]);
  }, 120_000);

  it('notices a database that was put back to an earlier state', async () => {
    const state = dirname(cluster.kubeconfig);
    await cluster.create([{ path: PODS, object: podOf('early', 'n1') }]);
    await stopProcess('kube-apiserver');
    await stopProcess('etcd');
    cpSync(join(state, 'etcd'), join(state, 'etcd.copy'), { recursive: true });
    await startProcess('etcd');
    await startProcess('kube-apiserver');
    const mine = await followed(['pods']);
    await mine.follower.ready;
    for (let i = 0; i < 300; i += 10)
      await cluster.create(
        Array.from({ length: 10 }, (_, k) => ({ path: PODS, object: podOf(`late-${i + k}`, 'n1') })),
      );
    await expect.poll(() => mine.names('Pod').length, { timeout: 10_000 }).toBe(301);
    await stopProcess('kube-apiserver');
    await stopProcess('etcd');
    rmSync(join(state, 'etcd'), { recursive: true });
    cpSync(join(state, 'etcd.copy'), join(state, 'etcd'), { recursive: true });
    // Long enough for the follower to see that nobody is there.
    await sleep(2000);
    await startProcess('etcd');
    await startProcess('kube-apiserver');
    await expect.poll(() => mine.names('Pod'), { timeout: 45_000 }).toEqual(['early']);
    await cluster.create([{ path: PODS, object: podOf('new', 'n1') }]);
    await expect.poll(() => mine.names('Pod'), { timeout: 10_000 }).toEqual(['early', 'new']);
  }, 180_000);

  const pidFile = (name: string): string => join(dirname(cluster.kubeconfig), 'pids', name);
  const commands = new Map<string, readonly string[]>();

  async function stopProcess(name: string): Promise<void> {
    const pid = Number(readFileSync(pidFile(name), 'utf8').split(' ')[0]);
    commands.set(name, readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1));
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => bornAt(pid)).toBeNull();
  }

  /** Starts what was stopped, where the cluster's tool finds it, and waits until the server is ready again. */
  async function startProcess(name: string): Promise<void> {
    const [program = '', ...args] = commands.get(name) ?? [];
    const log = openSync(join(dirname(cluster.kubeconfig), 'log', `${name}.log`), 'a');
    const path = `${dirname(dirname(dirname(cluster.kubeconfig)))}/bin`;
    const child = spawn(join(path, program.split('/').at(-1) ?? ''), args, {
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    child.unref();
    writeFileSync(pidFile(name), `${child.pid} ${bornAt(child.pid ?? 0)}\n`);
    if (name === 'kube-apiserver')
      await expect
        .poll(async () => (await cluster.kube.send('GET', '/readyz')).status, { timeout: 60_000, interval: 200 })
        .toBe(200);
  }

  function bornAt(pid: number): string | null {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
      return fields[0] === 'Z' ? null : (fields[19] ?? null);
    } catch {
      return null;
    }
  }

  async function compact(): Promise<void> {
    const etcd = `http://127.0.0.1:${Number(new URL(cluster.server).port) + 1}`;
    const post = async (path: string, body: object): Promise<{ header?: { revision: string } }> => {
      const answer = await fetch(`${etcd}${path}`, { method: 'POST', body: JSON.stringify(body) });
      expect(answer.status).toBe(200);
      return (await answer.json()) as { header?: { revision: string } };
    };
    const { header } = await post('/v3/kv/range', { key: Buffer.from('x').toString('base64') });
    await post('/v3/kv/compaction', { revision: header?.revision, physical: true });
  }
});

/** Stands between a client and the server, and can be cut. */
interface Relay {
  readonly port: number;
  /** Closes all connections, and takes none until `join`. */
  cut(): void;
  join(): void;
  close(): Promise<void>;
}

async function startRelay(target: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  let whole = true;
  const server: Server = createServer((near) => {
    if (!whole) {
      near.destroy();
      return;
    }
    const far = dial(target, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const cut = (): void => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    cut,
    join: () => {
      whole = true;
    },
    close: async () => {
      cut();
      await new Promise((done) => server.close(done));
    },
  };
}
