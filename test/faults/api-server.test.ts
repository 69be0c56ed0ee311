import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/manifest/object.ts';
import { type AgentProcess, startAgent } from './agent-process.ts';
import { type Cluster, denial, guard, localPod, makeCluster, remotePods, tableOf, untilRight } from './cluster.ts';
import { figures } from './figures.ts';
import { makePlace, missingPlace, type Place, pause, type Traffic, underLoad, until } from './place.ts';
import { CONNECT_PORT } from './pod-protocol.ts';

const NAMES = ['server', 'friend', 'foe', 'other'];
const LIGHT = { tcpPerSecond: 300, udpPerSecond: 1200 };
/** `RAMPART_SOAK=1`: as long as an outage may really be. */
const SOAK = process.env.RAMPART_SOAK === '1';

describe.skipIf(missingPlace() !== null)('what happens to the API server and to what it tells', () => {
  let place: Place;
  let cluster: Cluster;
  let agent: AgentProcess;

  afterEach(async () => {
    await agent?.kill('SIGKILL');
    await cluster?.close();
    await place?.close();
  });

  async function begin(options: Parameters<typeof makeCluster>[2] = {}): Promise<void> {
    place = await makePlace(NAMES);
    cluster = await makeCluster(place, NAMES, options);
    agent = startAgent(place, { server: cluster.server });
    await agent.ready();
    await untilRight(place, cluster);
  }

  const tried = (from: string, to = 'server'): Promise<string> =>
    place
      .pod(from)
      .ask({ kind: 'try', protocol: 'tcp', target: place.pod(to).address, port: CONNECT_PORT, timeoutMs: 150 });

  const expectClean = (traffic: Traffic): void => expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });

  test('an API server that is away stops nothing; what has changed meanwhile is caught up with', {
    timeout: 900_000,
  }, async () => {
    await begin();
    let caughtUp = 0;
    const traffic = await underLoad(place, SOAK ? { tcpPerSecond: 200, udpPerSecond: 800 } : LIGHT, async () => {
      await cluster.down();
      await pause(SOAK ? 300_000 : 2500);
      cluster.put(...remotePods(200), guard('other', 'more'));
      expect(await tried('other')).toBe('silent');
      await cluster.up();
      caughtUp = Math.round(await untilRight(place, cluster, 40_000));
      expect(await tried('other')).toBe('open');
    });
    figures(`API server away ${SOAK ? '5 min' : '2.5 s'}`, { caughtUpAfterMs: caughtUp, ...traffic });
    expectClean(traffic);
  });

  test('an agent that is started while the API server is away leaves the table alone until it knows', async () => {
    await begin();
    const before = tableOf(place);
    const traffic = await underLoad(place, LIGHT, async () => {
      await cluster.down();
      await agent.kill('SIGKILL');
      agent = startAgent(place, { server: cluster.server });
      await until('it answers', async () => ((await agent.ask('/readyz'))?.status === 503 ? true : null));
      await pause(1500);
      expect((await agent.ask('/readyz'))?.text).toMatch(/waiting for .*pods/);
      expect(tableOf(place)).toEqual(before);
      await cluster.up();
      await agent.ready(40_000);
    });
    figures('agent started without API server', { ...traffic });
    expectClean(traffic);
    await untilRight(place, cluster);
  });

  test('watches that are too old are listed anew, broken ones are resumed from bookmarks', async () => {
    await begin({ bookmarkMs: 100 });
    const relists = (): Promise<number> => agent.metric('rampart_agent_watch_relists_total');
    const phases: Record<string, number> = {};
    const traffic = await underLoad(place, LIGHT, async () => {
      // Other resources move the version on; only a bookmark tells the watches of it.
      for (let i = 0; i < 50; i++)
        cluster.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c${i}`, namespace: 'a' } });
      await pause(400);
      cluster.api.store.compact();
      cluster.listening().dropConnections();
      cluster.put(...remotePods(5, 1), guard('other', 'more'));
      phases.resumed = Math.round(await untilRight(place, cluster, 20_000));
      await until('all watch again', async () =>
        (await agent.metric('rampart_agent_watch_open')) === 7 ? true : null,
      );
      expect(await relists()).toBe(0);
      // Now nothing that they know is left.
      cluster.api.faults.refuseConnections = true;
      cluster.listening().dropConnections();
      cluster.remove(guard('other', 'more'));
      cluster.put(...remotePods(5, 2));
      cluster.api.store.compact();
      await pause(300);
      cluster.api.faults.refuseConnections = false;
      phases.listedAnew = Math.round(await untilRight(place, cluster, 20_000));
      await until('everything was listed anew', async () => ((await relists()) >= 2 ? true : null));
      expect(await tried('other')).toBe('silent');
    });
    figures('watches too old, and bookmarks', { ...phases, relists: await relists(), ...traffic });
    expectClean(traffic);
  });

  test('events that come twice and in the wrong order end as they should', async () => {
    await begin();
    cluster.api.faults.repeatEvents = true;
    cluster.api.faults.swapEvents = true;
    // Watches that are open already know nothing of it yet.
    cluster.listening().dropConnections();
    let changes = 0;
    const traffic = await underLoad(place, LIGHT, async () => {
      for (let round = 0; round < 30; round++) {
        cluster.put(localPod('other', 3, { app: round % 3 === 0 ? 'friend' : 'other', round: `${round}` }));
        cluster.put(guard(round % 2 === 0 ? 'other' : 'nobody', 'more'), ...remotePods(4, round % 7));
        if (round % 5 === 4) for (const pod of remotePods(4, (round - 2) % 7)) cluster.remove(pod);
        changes += 6;
        await pause(30);
      }
    });
    // The last event of a watch may be held back for a companion: here is one for each.
    cluster.put(...remotePods(2, 50), guard('nobody', 'yet-another'), guard('nobody', 'one-more'));
    const ms = Math.round(await untilRight(place, cluster, 20_000));
    figures('events twice and out of order', { changes, rightAfterMs: ms, ...traffic });
    expectClean(traffic);
  });

  test('10,000 pods come, change and go at once', { timeout: 120_000 }, async () => {
    await begin();
    const phases: Record<string, number> = {};
    const before = usage(agent.pid);
    const traffic = await underLoad(place, LIGHT, async () => {
      const pods = remotePods(10_000);
      cluster.put(...pods);
      phases.come = Math.round(await untilRight(place, cluster, 60_000));
      cluster.put(
        ...pods.map((pod, i) => {
          const metadata = pod.metadata as JsonObject;
          return { ...pod, metadata: { ...metadata, labels: { app: i % 10 === 1 ? 'friend' : 'crowd', n: `${i}` } } };
        }),
      );
      phases.change = Math.round(await untilRight(place, cluster, 60_000));
      for (const pod of pods) cluster.remove(pod);
      phases.go = Math.round(await untilRight(place, cluster, 60_000));
    });
    const after = usage(agent.pid);
    figures('10,000 pods', {
      ...phases,
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      rssMb: after.rssMb,
      peakMb: after.peakMb,
      ...traffic,
    });
    expectClean(traffic);
  });

  test('definitions of policy kinds that come and go are followed', { timeout: 90_000 }, async () => {
    await begin({ policyKinds: false });
    expect(await tried('friend')).toBe('open');
    const phases: Record<string, number> = {};
    const timed = async (what: string, from: string, word: string): Promise<void> => {
      const begun = performance.now();
      await until(`${what}: ${from} is ${word}`, async () => ((await tried(from)) === word ? true : null), 30_000);
      phases[what] = Math.round(performance.now() - begun);
    };
    cluster.put(DEFINITION, denial('friend'));
    await timed('defined', 'friend', 'silent');
    // The definition goes, and its policies with it.
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${String((DEFINITION.metadata as JsonObject).name)}`;
    const answer = cluster.api.handle({ method: 'DELETE', target: path, accept: '', contentType: '', body: '' });
    expect(answer).toMatchObject({ status: 200 });
    await timed('undefined', 'friend', 'open');
    expect(await tried('foe')).toBe('silent');
    cluster.put(DEFINITION, denial('friend'));
    await timed('defined again', 'friend', 'silent');
    figures('definitions come and go', phases);
    await untilRight(place, cluster);
    expect((await agent.ask('/readyz'))?.status).toBe(200);
  });

  test('objects that no API server should have stored are said and harm nobody else', async () => {
    await begin();
    const traffic = await underLoad(place, LIGHT, async () => {
      const { store } = cluster.api;
      const broken = malformed();
      for (const [resource, namespace, name, object] of broken) store.put(resource, namespace, name, object);
      await pause(1500);
      expect((await agent.ask('/readyz'))?.status).toBe(200);
      // A policy that cannot be understood closes what it selects.
      expect(await tried('friend', 'other')).toBe('silent');
      // And an agent that meets them all at its start stands it as well.
      await agent.kill('SIGTERM');
      agent = startAgent(place, { server: cluster.server });
      await agent.ready();
      expect(await tried('friend', 'other')).toBe('silent');
      const warnings = agent.log.filter(({ level }) => level === 'warn' || level === 'error');
      expect(warnings.length).toBeGreaterThan(5);
      expect(warnings.map(({ msg }) => msg).join('\n')).not.toMatch(/TypeError|undefined|compiling failed|unexpected/);
      figures('malformed objects', { objects: broken.length, warnings: warnings.length });
      for (const [resource, namespace, name] of broken) store.remove(resource, namespace, name);
      await untilRight(place, cluster);
      expect(await tried('friend', 'other')).toBe('open');
    });
    expectClean(traffic);
  });
});

/** Seconds of processor time, and memory, of a process. */
function usage(pid: number): { readonly cpuSeconds: number; readonly rssMb: number; readonly peakMb: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (name: string): number =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024);
  return { cpuSeconds: (Number(stat[13]) + Number(stat[14])) / 100, rssMb: mb('VmRSS'), peakMb: mb('VmHWM') };
}

const DEFINITION: JsonObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'clusternetworkpolicies.policy.networking.k8s.io' },
  spec: {
    group: 'policy.networking.k8s.io',
    scope: 'Cluster',
    names: { plural: 'clusternetworkpolicies', singular: 'clusternetworkpolicy', kind: 'ClusterNetworkPolicy' },
    versions: [{ name: 'v1alpha2', served: true, storage: true, subresources: { status: {} } }],
  },
};

type Stored = readonly [resource: string, namespace: string, name: string, object: JsonObject];

function malformed(): readonly Stored[] {
  const pod = (name: string, rest: JsonObject): Stored => [
    'pods',
    'a',
    name,
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'a', uid: `u-${name}`, ...(rest.metadata as JsonObject) },
      ...without(rest),
    },
  ];
  const policy = (name: string, spec: JsonObject | string | null, namespace = 'a'): Stored => [
    'networkpolicies.networking.k8s.io',
    namespace,
    name,
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, namespace, uid: `u-${name}` },
      spec,
    },
  ];
  const other = { podSelector: { matchLabels: { app: 'other' } }, policyTypes: ['Ingress'] };
  return [
    pod('no-spec', { spec: null, status: null }),
    pod('text-spec', { spec: 'text', status: [] }),
    pod('list-labels', {
      metadata: { labels: ['app'] },
      spec: { nodeName: 'n1' },
      status: { podIPs: [{ ip: '10.77.0.77' }] },
    }),
    pod('number-label', {
      metadata: { labels: { app: 7 } },
      spec: { nodeName: 'n1' },
      status: { podIPs: [{ ip: '10.77.0.78' }] },
    }),
    pod('no-address', { spec: { nodeName: 'n1' }, status: { podIPs: [{ ip: 'here' }, { ip: 7 }, null] } }),
    pod('wrong-ports', {
      spec: { nodeName: 'n1', containers: [{ ports: [{ containerPort: 'x', name: 5 }, null] }, 3] },
      status: { podIP: '10.77.0.79' },
    }),
    pod('prototype', {
      metadata: { labels: JSON.parse('{"__proto__":"x","constructor":"y"}') },
      spec: { nodeName: 'n1' },
      status: { podIP: '10.77.0.80' },
    }),
    // Of these nobody knows whom they select: they close their whole namespace.
    policy('no-spec', null, 'default'),
    policy('text-spec', 'text', 'default'),
    policy('wrong-peer', {
      ...other,
      ingress: [{ from: [{ ipBlock: { cidr: '300.1.1.1/99' } }, { podSelector: 5 }] }],
    }),
    policy('wrong-port', {
      ...other,
      ingress: [{ ports: [{ port: 99999999, protocol: 'CARRIER-PIGEON', endPort: -1 }] }],
    }),
    policy('wrong-rules', { ...other, ingress: 'everything' }),
    policy(
      'prototype',
      JSON.parse('{"podSelector":{"matchLabels":{"__proto__":"x"}},"policyTypes":["Ingress"]}'),
      'default',
    ),
    ['namespaces', '', 'odd', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'odd', labels: 'text' } }],
    [
      'nodes',
      '',
      'n9',
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n9' }, spec: [], status: { addresses: 'x' } },
    ],
    [
      'clusternetworkpolicies.policy.networking.k8s.io',
      '',
      'odd',
      {
        apiVersion: 'policy.networking.k8s.io/v1alpha2',
        kind: 'ClusterNetworkPolicy',
        metadata: { name: 'odd' },
        spec: { tier: 'Throne', priority: 'high', subject: { pods: 3 } },
      },
    ],
  ];
}

function without({ metadata: _, ...rest }: JsonObject): JsonObject {
  return rest;
}
