import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NodeCluster } from './cluster.ts';
import {
  type Answer,
  addresses,
  from,
  fromNode,
  pod,
  policy,
  remove,
  type Source,
  settled,
  start,
  type Target,
} from './workload.ts';

type Get = () => NodeCluster;

/** Registers a row per question. */
async function expectAll(rows: readonly (readonly [string, Source, Target, Answer])[]): Promise<void> {
  const got = await Promise.all(
    rows.map(async ([what, source, target, expected]) => `${what}: ${await settled(source, target, expected)}`),
  );
  expect(got).toEqual(rows.map(([what, , , expected]) => `${what}: ${expected}`));
}

/** NodePorts with both external traffic policies: which address policies see. */
export function nodePorts(get: Get): void {
  describe('NodePorts', () => {
    const space = 'e2e-nodeports';
    const [cluster, local] = [30_517, 30_518];
    let outside: Source;
    let ports: (block: string | null) => Promise<void>;

    beforeAll(async () => {
      const c = get();
      const service = (name: string, nodePort: number, externalTrafficPolicy: string): object => ({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: space, name },
        spec: {
          type: 'NodePort',
          externalTrafficPolicy,
          selector: { pod: 'server' },
          ports: [{ port: 80, targetPort: 'http', nodePort }],
        },
      });
      await start(
        c,
        space,
        pod(space, 'server', { node: 'node1' }),
        service('cluster', cluster, 'Cluster'),
        service('local', local, 'Local'),
      );
      outside = fromHost(c);
      ports = async (block) => {
        const ingress = block === null ? [] : [{ from: [{ ipBlock: { cidr: block } }] }];
        await c.apply(policy(space, 'server', 'server', { ingress }));
      };
    });
    afterAll(() => remove(get(), space));

    const at = (node: 1 | 2, port: number): Target => ({ host: `${get().net4}.0.${10 + node}`, port });

    it('work without a policy', async () => {
      await expectAll([
        ['Cluster, node of the pod', outside, at(1, cluster), 'connected'],
        ['Cluster, other node', outside, at(2, cluster), 'connected'],
        ['Local, node of the pod', outside, at(1, local), 'connected'],
      ]);
    });

    it('are closed by a policy without rules', async () => {
      await ports(null);
      await expectAll([
        ['Cluster, node of the pod', outside, at(1, cluster), 'timeout'],
        ['Cluster, other node', outside, at(2, cluster), 'timeout'],
        ['Local, node of the pod', outside, at(1, local), 'timeout'],
      ]);
    });

    it('show the client to policies, but for a detour over another node', async () => {
      await ports(`${get().net4}.0.1/32`);
      await expectAll([
        ['Cluster, node of the pod', outside, at(1, cluster), 'connected'],
        ['Cluster, other node', outside, at(2, cluster), 'timeout'],
        ['Local, node of the pod', outside, at(1, local), 'connected'],
      ]);
    });

    it('show the other node to policies after a detour', async () => {
      await ports(`${get().net4}.0.12/32`);
      await expectAll([
        ['Cluster, other node', outside, at(2, cluster), 'connected'],
        ['Cluster, node of the pod', outside, at(1, cluster), 'timeout'],
        ['Local, node of the pod', outside, at(1, local), 'timeout'],
      ]);
    });
  });
}

/** The machine on which the nodes run stands for a client outside of the cluster. */
function fromHost(cluster: NodeCluster): Source {
  return async ({ host, port }) => {
    const { execFile } = await import('node:child_process');
    return new Promise((done) => {
      execFile('agnhost', ['connect', `${host}:${port}`, '--timeout=1s'], { env: cluster.env }, (error, _, stderr) => {
        if (error === null) done('connected');
        else done(stderr.includes('TIMEOUT') ? 'timeout' : stderr.includes('REFUSED') ? 'refused' : 'other');
      });
    });
  };
}

/** Pods in the network of their node. */
export function hostNetwork(get: Get): void {
  describe('host-network pods', () => {
    const space = 'e2e-hostnet';
    let server: Target;
    let client: Source;
    const host: Source[] = [];

    beforeAll(async () => {
      const c = get();
      await start(
        c,
        space,
        pod(space, 'server', { node: 'node1' }),
        pod(space, 'client', { node: 'node1' }),
        pod(space, 'host1', { node: 'node1', hostNetwork: true, http: 18_480, udp: 18_481 }),
        pod(space, 'host2', { node: 'node2', hostNetwork: true, http: 18_480, udp: 18_481 }),
      );
      server = { host: (await addresses(c, space, 'server'))[0], port: 8080 };
      client = from(c, space, 'client');
      host.push(from(c, space, 'host1'), from(c, space, 'host2'));
    });
    afterAll(() => remove(get(), space));

    const onNode = (node: 1 | 2): Target => ({ host: `${get().net4}.0.${10 + node}`, port: 18_480 });
    const hosts = (): readonly [Source, Source] => {
      const [one, two] = host;
      if (one === undefined || two === undefined) throw new Error('not started');
      return [one, two];
    };

    it('are not isolated, and reach isolated pods of their own node alone', async () => {
      await get().apply(policy(space, 'all', null, { ingress: [] }));
      const [one, two] = hosts();
      await expectAll([
        ['pod → pod', client, server, 'timeout'],
        ['host 1 → pod of node 1', one, server, 'connected'],
        ['host 2 → pod of node 1', two, server, 'timeout'],
        ['pod → host 1', client, onNode(1), 'connected'],
        ['pod → host 2', client, onNode(2), 'connected'],
      ]);
    });

    it('are no peers by their labels, but by the addresses of their nodes', async () => {
      await get().apply(policy(space, 'all', null, { ingress: [{ from: [{ podSelector: {} }] }] }));
      const [, two] = hosts();
      await expectAll([
        ['pod → pod', client, server, 'connected'],
        ['host 2 → pod of node 1', two, server, 'timeout'],
      ]);
      const block = { cidr: `${get().net4}.0.12/32` };
      await get().apply(policy(space, 'all', null, { ingress: [{ from: [{ ipBlock: block }] }] }));
      await expectAll([
        ['host 2 → pod of node 1', two, server, 'connected'],
        ['pod → pod', client, server, 'timeout'],
      ]);
    });

    it('are closed to a pod that may send nothing, but for those of its own node', async () => {
      await get().apply(
        policy(space, 'all', null, { ingress: [{}] }),
        policy(space, 'client', 'client', { egress: [] }),
      );
      await expectAll([
        // The API spares a pod's own node from isolation, in both directions.
        ['pod → host 1', client, onNode(1), 'connected'],
        ['pod → host 2', client, onNode(2), 'timeout'],
        ['pod → pod', client, server, 'timeout'],
        ['node 1 → pod', fromNode(get(), 'node1'), server, 'connected'],
      ]);
    });
  });
}

/** Both families alike. */
export function dualStack(get: Get): void {
  describe('IPv4 and IPv6', () => {
    const space = 'e2e-dual';
    const clients: Record<'friend' | 'stranger', Source | null> = { friend: null, stranger: null };
    let at: readonly Target[];

    beforeAll(async () => {
      const c = get();
      await start(
        c,
        space,
        pod(space, 'server', { node: 'node1' }),
        pod(space, 'friend', { node: 'node2' }),
        pod(space, 'stranger', { node: 'node1' }),
      );
      const hosts = await addresses(c, space, 'server');
      at = hosts.flatMap((host): Target[] => [
        { host, port: 8080 },
        { host, port: 8081, protocol: 'udp' },
      ]);
      clients.friend = from(c, space, 'friend');
      clients.stranger = from(c, space, 'stranger');
    });
    afterAll(() => remove(get(), space));

    const expectBoth = async (friend: readonly Answer[], stranger: readonly Answer[]): Promise<void> => {
      const rows = [['friend', friend] as const, ['stranger', stranger] as const].flatMap(([name, answers]) =>
        at.map((target, i): [string, Source, Target, Answer] => {
          const source = clients[name];
          if (source === null) throw new Error('not started');
          return [`${name} → ${target.host} ${target.protocol ?? 'tcp'}`, source, target, answers[i] ?? 'other'];
        }),
      );
      await expectAll(rows);
    };
    const [yes, no] = ['connected', 'timeout'] as const;

    it('are open without a policy', () => expectBoth([yes, yes, yes, yes], [yes, yes, yes, yes]));

    it('are closed alike by default-deny', async () => {
      await get().apply(policy(space, 'server', 'server', { ingress: [] }));
      await expectBoth([no, no, no, no], [no, no, no, no]);
    });

    it('are opened alike by a selector', async () => {
      const peers = [{ podSelector: { matchLabels: { pod: 'friend' } } }];
      const ports = [{ port: 'http' }, { port: 8081, protocol: 'UDP' }];
      await get().apply(policy(space, 'server', 'server', { ingress: [{ from: peers, ports }] }));
      await expectBoth([yes, yes, yes, yes], [no, no, no, no]);
    });

    it('are told apart by blocks', async () => {
      const [, friend6] = await addresses(get(), space, 'friend');
      const peers = [{ ipBlock: { cidr: `${friend6}/128` } }];
      await get().apply(policy(space, 'server', 'server', { ingress: [{ from: peers, ports: [{ port: 8080 }] }] }));
      await expectBoth([no, no, yes, no], [no, no, no, no]);
    });
  });
}
