import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readText } from '../support/source-files.ts';
import { type NodeCluster, until } from './cluster.ts';
import { AGENT, type Installation, NAMESPACE } from './install.ts';
import { addresses, from, fromNode, pod, policy, remove, settled, start } from './workload.ts';

type Get = () => NodeCluster;

/** What Kubernetes itself needs goes on under policies. */
export function kubernetesItself(get: Get): void {
  describe('under a policy that denies everything', () => {
    const space = 'e2e-deny';
    beforeAll(async () => {
      const c = get();
      await c.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: space } });
      await c.apply(policy(space, 'deny', null, { ingress: [], egress: [] }));
    });
    afterAll(() => remove(get(), space));

    it('kubelet probes by HTTP and TCP succeed, and go on', async () => {
      const probe = (spec: object): object => ({ ...spec, periodSeconds: 1, failureThreshold: 1 });
      const c = get();
      await start(
        c,
        space,
        pod(space, 'http', { node: 'node1', probe: probe({ httpGet: { path: '/healthz', port: 8080 } }) }),
        pod(space, 'tcp', { node: 'node2', probe: probe({ tcpSocket: { port: 8080 } }) }),
      );
      const ready = async (): Promise<string> =>
        c.kubectl('-n', space, 'get', 'pods', '-o=jsonpath={.items[*].status.containerStatuses[*].ready}');
      const seen = new Set<string>();
      for (let i = 0; i < 10; i++) {
        seen.add(await ready());
        await new Promise((done) => setTimeout(done, 500));
      }
      expect([...seen]).toEqual(['true true']);
    });

    it('names are not resolved until DNS is allowed, and then they are', async () => {
      const c = get();
      const dns = { ports: [{ port: 53, protocol: 'UDP' }, { port: 53 }], to: [{ namespaceSelector: system }] };
      const name = { host: `server.${space}.svc.cluster.local`, port: 8080 };
      await start(
        c,
        space,
        pod(space, 'asker', { node: 'node2', quickDns: true }),
        pod(space, 'server', { node: 'node1' }),
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { namespace: space, name: 'server' },
          spec: { selector: { pod: 'server' }, ports: [{ port: 8080, targetPort: 'http' }] },
        },
      );
      const asker = from(c, space, 'asker');
      const to = [{ podSelector: { matchLabels: { pod: 'server' } } }];
      await c.apply(
        policy(space, 'asker', 'asker', { egress: [{ to }] }),
        policy(space, 'server', 'server', {
          ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'asker' } } }] }],
        }),
      );
      const [address] = await addresses(c, space, 'server');
      expect(await settled(asker, { host: address, port: 8080 }, 'connected')).toBe('connected');
      expect(await asker(name)).not.toBe('connected');
      await c.apply(policy(space, 'asker', 'asker', { egress: [{ to }, dns] }));
      expect(await settled(asker, name, 'connected')).toBe('connected');
    });
  });
}

const system = { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } };

/** The rights of every account that is signed in, and those of the chart; written by hand, after the chart's documentation. */
const RIGHTS: ReadonlyMap<string, string> = new Map([
  ['namespaces', 'list watch'],
  ['nodes', 'list watch'],
  ['pods', 'list watch'],
  ['networkpolicies.networking.k8s.io', 'list watch'],
  ['adminnetworkpolicies.policy.networking.k8s.io', 'list watch'],
  ['baselineadminnetworkpolicies.policy.networking.k8s.io', 'list watch'],
  ['clusternetworkpolicies.policy.networking.k8s.io', 'list watch'],
  ['adminnetworkpolicies.policy.networking.k8s.io/status', 'patch'],
  ['baselineadminnetworkpolicies.policy.networking.k8s.io/status', 'patch'],
  ['clusternetworkpolicies.policy.networking.k8s.io/status', 'patch'],
  ['events', 'create'],
]);
/** Of every signed-in user: who am I, and what may I. */
const EVERYBODY = /^self\w+reviews\./;

/** The rights with which it runs. */
export function rights(get: Get): void {
  describe('the rights of the agent', () => {
    it('are those of the chart, and no more', async () => {
      const as = `--as=system:serviceaccount:${NAMESPACE}:${AGENT}`;
      const lines = (await get().kubectl('auth', 'can-i', '--list', as)).split('\n').slice(1);
      const found = new Map<string, string>();
      for (const line of lines) {
        const resource = /^\S+/.exec(line)?.[0]; // lines of URLs begin with blanks
        const verbs = /\[([^\]]*)\]\s*$/.exec(line)?.[1];
        if (resource === undefined || verbs === undefined || EVERYBODY.test(resource)) continue;
        found.set(resource, verbs.split(' ').sort().join(' '));
      }
      expect([...found].sort()).toEqual([...RIGHTS].sort());
    });

    it('suffice', async () => {
      const c = get();
      const logs = await c.kubectl('-n', NAMESPACE, 'logs', `daemonset/${AGENT}`, '--all-pods', '--tail=-1');
      expect(logs.length).toBeGreaterThan(0);
      expect(logs.split('\n').filter((line) => /forbidden|cannot (list|watch|patch|create)/i.test(line))).toEqual([]);
    });
  });
}

/** What agents tell. */
export function health(get: Get): void {
  describe('the agents', () => {
    const ask = async (node: 1 | 2, path: string): Promise<Response> =>
      fetch(`http://${get().net4}.0.${10 + node}:9790${path}`, { signal: AbortSignal.timeout(5000) });

    it('are live and ready', async () => {
      const answers = await Promise.all(([1, 2] as const).flatMap((n) => [ask(n, '/livez'), ask(n, '/readyz')]));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    });

    it('export every metric that the alerts and the dashboard rest on', async () => {
      const text = await (await ask(1, '/metrics')).text();
      const exported = new Set([...text.matchAll(/^(rampart_agent_\w+)/gm)].map((match) => match[1] ?? ''));
      const wanted = ['alerts.yaml', 'dashboard.json'].flatMap((file) =>
        [...readText(`deploy/chart/rampart/files/${file}`).matchAll(/\brampart_agent_\w+/g)].map((match) => match[0]),
      );

      expect(wanted.length).toBeGreaterThan(20);
      expect([...new Set(wanted)].filter((name) => !exported.has(name))).toEqual([]);
    });

    it('count what they deny', async () => {
      const c = get();
      const space = 'e2e-count';
      const denied = async (): Promise<number> => {
        const text = await (await ask(1, '/metrics')).text();
        const line =
          /^rampart_agent_packets_total\{(?=[^}]*direction="ingress")(?=[^}]*verdict="denied")[^}]*\} (\d+)/m;
        return Number(line.exec(text)?.[1] ?? 'NaN');
      };
      const before = await denied();
      await start(c, space, pod(space, 'server', { node: 'node1' }), pod(space, 'client', { node: 'node2' }));
      await c.apply(policy(space, 'server', 'server', { ingress: [] }));
      const [host] = await addresses(c, space, 'server');
      expect(await settled(from(c, space, 'client'), { host, port: 8080 }, 'timeout')).toBe('timeout');
      // Counters are read from the kernel every few seconds.
      expect(await until(15, denied, (count) => count > before)).toBeGreaterThan(before);
      await remove(c, space);
    });
  });
}

/** Settings of the chart at work. */
export function settings(get: Get, installed: () => Installation): void {
  describe('settings', () => {
    const space = 'e2e-settings';
    afterAll(() => remove(get(), space));

    it('take effect: taints, closed addresses, the API server by another way, metrics for the node alone', async () => {
      const c = get();
      await c.kubectl('taint', 'node', 'node2', 'rampart.dev/agent-not-ready=:NoSchedule');
      await installed().upgrade(
        'taint.enabled=true',
        'config.closedUntilKnown=true',
        'init.hostSettings=false',
        'http.host=127.0.0.1',
        `apiServer.host=${c.net4}.0.1`,
        `apiServer.port=${c.port}`,
      );
      const taints = (): Promise<string> => c.kubectl('get', 'node', 'node2', '-o=jsonpath={.spec.taints}');
      expect(await until(20, taints, (text) => text === '')).toBe('');
      await start(c, space, pod(space, 'server', { node: 'node1' }), pod(space, 'client', { node: 'node2' }));
      const [v4, v6] = await addresses(c, space, 'server');
      const client = from(c, space, 'client');
      expect(await settled(client, { host: v4, port: 8080 }, 'connected')).toBe('connected');
      expect(await settled(client, { host: v6, port: 8080 }, 'connected')).toBe('connected');
      const agents = { host: `${c.net4}.0.11`, port: 9790 };
      expect([await client(agents), await fromNode(c, 'node1')({ ...agents, host: '127.0.0.1' })]).toEqual([
        'refused',
        'connected',
      ]);
      await installed().upgrade(
        'taint.enabled=false',
        'config.closedUntilKnown=false',
        'http.host=',
        'apiServer.host=',
      );
    });
  });
}

/** Replacing all agents while connections are made and held. */
export function upgrade(get: Get, installed: () => Installation): void {
  describe('an upgrade under traffic', () => {
    const space = 'e2e-upgrade';
    beforeAll(async () => {
      const c = get();
      await start(
        c,
        space,
        pod(space, 'server', { node: 'node1' }),
        pod(space, 'closed', { node: 'node1' }),
        pod(space, 'client', { node: 'node2' }),
        policy(space, 'server', 'server', {
          ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'client' } } }], ports: [{ port: 8080 }] }],
        }),
        policy(space, 'closed', 'closed', { ingress: [] }),
      );
    });
    afterAll(() => remove(get(), space));

    it('opens nothing, and cuts nothing', async () => {
      const c = get();
      const [server] = await addresses(c, space, 'server');
      const [closed] = await addresses(c, space, 'closed');
      const client = from(c, space, 'client');
      expect(await settled(client, { host: server, port: 8080 }, 'connected')).toBe('connected');
      expect(await settled(client, { host: closed, port: 8080 }, 'timeout')).toBe('timeout');

      // Two minutes at most, in case that nobody makes the file that ends it.
      const script = `
        end=$(( $(date +%s) + 120 ))
        over() { [ -e /tmp/stop ] || [ $(date +%s) -ge $end ]; }
        ( until over; do /agnhost connect ${server}:8080 --timeout=1s >/dev/null 2>&1 && echo new-fine || echo new-cut; done ) &
        ( until over; do /agnhost connect ${closed}:8080 --timeout=200ms >/dev/null 2>&1 && echo closed-opened || echo closed-fine; done ) &
        ( until over; do printf 'GET /hostname HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'; sleep 0.1; echo asked >&2; done ) |
          nc ${server} 8080 | while read -r line; do case $line in *HTTP/1.1*200*) echo held-answered;; esac; done
        echo held-ended
        wait`;
      const running = c.tryKubectl('-n', space, 'exec', 'client', '--', 'sh', '-c', script);
      await installed().upgrade('podAnnotations.upgrade=one');
      await installed().upgrade('podAnnotations.upgrade=two');
      await c.kubectl('-n', space, 'exec', 'client', '--', 'touch', '/tmp/stop');
      const { stdout, stderr } = await running;
      const count = (word: string): number => stdout.split('\n').filter((line) => line === word).length;
      const asked = stderr.split('\n').filter((line) => line === 'asked').length;
      expect([count('new-cut'), count('closed-opened')]).toEqual([0, 0]);
      expect(count('new-fine')).toBeGreaterThan(50);
      expect(count('closed-fine')).toBeGreaterThan(20);
      expect(asked).toBeGreaterThan(50);
      // The answer to the last request may come after the end.
      expect(count('held-answered')).toBeGreaterThanOrEqual(asked - 2);
    });
  });
}

/** A node joins, and leaves. */
export function nodesComeAndGo(get: Get, installed: () => Installation): void {
  describe('a node that joins and leaves', () => {
    const space = 'e2e-nodes';
    beforeAll(async () => {
      const c = get();
      const peers = [{ podSelector: { matchLabels: { friend: 'yes' } } }];
      await start(
        c,
        space,
        pod(space, 'server', { node: 'node1' }),
        policy(space, 'server', 'server', { ingress: [{ from: peers }] }),
      );
      await c.kube('node', 'add', 'node3');
      await c.loadImage('node3', installed().archive);
      // One that was scheduled before the image was there would wait longer and longer until it asks again.
      await c.kubectl('-n', NAMESPACE, 'delete', 'pods', '--field-selector=spec.nodeName=node3', '--grace-period=1');
    });
    afterAll(() => remove(get(), space));

    it('is enforced on, known to the others, and forgotten', async () => {
      const c = get();
      await c.kubectl('-n', NAMESPACE, 'rollout', 'status', `daemonset/${AGENT}`, '--timeout=90s');
      await start(
        c,
        space,
        pod(space, 'friend', { node: 'node3', labels: { friend: 'yes' } }),
        pod(space, 'stranger', { node: 'node3' }),
        pod(space, 'far', { node: 'node3' }),
        policy(space, 'far', 'far', { ingress: [] }),
      );
      const server = { host: (await addresses(c, space, 'server'))[0], port: 8080 };
      const far = { host: (await addresses(c, space, 'far'))[0], port: 8080 };
      const [friend, stranger] = [from(c, space, 'friend'), from(c, space, 'stranger')];
      expect(await settled(friend, server, 'connected')).toBe('connected');
      expect(await settled(stranger, server, 'timeout')).toBe('timeout');
      expect(await settled(from(c, space, 'server'), far, 'timeout')).toBe('timeout');

      await c.kube('node', 'rm', 'node3');
      const gone = ['--field-selector=spec.nodeName=node3', '--force', '--grace-period=0'];
      // The rollout of a DaemonSet waits for what is left of its pods on a node that is gone, a minute or longer.
      for (const each of [space, NAMESPACE]) await c.kubectl('-n', each, 'delete', 'pods', ...gone);
      await start(c, space, pod(space, 'next', { node: 'node2' }));
      const next = from(c, space, 'next');
      expect(await settled(next, server, 'timeout')).toBe('timeout');
      await c.kubectl('-n', space, 'label', 'pod', 'next', 'friend=yes');
      expect(await settled(next, server, 'connected')).toBe('connected');
    }, 180_000);
  });
}
