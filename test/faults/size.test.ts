import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/manifest/object.ts';
import { type AgentProcess, startAgent } from './agent-process.ts';
import { type Cluster, makeCluster, remotePods, tableOf, untilRight } from './cluster.ts';
import { figures } from './figures.ts';
import { makePlace, missingPlace, type Place, pause, underLoad, until } from './place.ts';
import { CONNECT_PORT } from './pod-protocol.ts';

const NAMES = ['server', 'friend', 'foe', 'other'];
const LIGHT = { tcpPerSecond: 200, udpPerSecond: 800 };

describe.skipIf(missingPlace() !== null)('policies of extreme size', { timeout: 120_000 }, () => {
  let place: Place;
  let cluster: Cluster;
  let agent: AgentProcess;

  afterEach(async () => {
    await agent?.kill('SIGKILL');
    await cluster?.close();
    await place?.close();
  });

  async function begin(): Promise<void> {
    place = await makePlace(NAMES);
    cluster = await makeCluster(place, NAMES);
    agent = startAgent(place, { server: cluster.server });
    await agent.ready();
    await untilRight(place, cluster);
  }

  const memory = (): Readonly<Record<string, number>> => {
    const status = readFileSync(`/proc/${agent.pid}/status`, 'utf8');
    const mb = (name: string): number =>
      Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024);
    return { rssMb: mb('VmRSS'), peakMb: mb('VmHWM') };
  };

  test('a policy of 10,000 blocks, with exceptions, is in the kernel as it stands', async () => {
    await begin();
    // All of 100.64.0.0/10 is behind `foe`, which answers for every address of it.
    const foe = place.pod('foe');
    place.run([
      'sh',
      '-ec',
      `
      for each in all p2; do echo 0 > /proc/sys/net/ipv4/conf/$each/rp_filter; done
      ip route add 100.64.0.0/10 via ${foe.address} dev p2 onlink`,
    ]);
    place.run([
      'nsenter',
      `--net=/proc/${foe.pid}/ns/net`,
      'ip',
      'route',
      'add',
      'local',
      '100.64.0.0/10',
      'dev',
      'lo',
    ]);
    // 100.64.0.0/24, 100.64.1.0/24 …, of which every second one admits its lower half alone, every fourth block is left out.
    const blocks = Array.from({ length: 13_334 }, (_, i) => i).filter((i) => i % 4 !== 3);
    const block = (i: number, last: string, bits: number): string => `100.${64 + (i >> 8)}.${i & 255}.${last}/${bits}`;
    const policy: JsonObject = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'blocks', namespace: 'a' },
      spec: {
        podSelector: { matchLabels: { app: 'other' } },
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: blocks.map((i) => ({
              ipBlock: { cidr: block(i, '0', 24), ...(i % 2 === 0 ? {} : { except: [block(i, '128', 25)] }) },
            })),
            ports: [{ protocol: 'TCP', port: CONNECT_PORT }],
          },
        ],
      },
    };
    const tried = (i: number, last: number): Promise<string> =>
      foe.ask({
        kind: 'try',
        protocol: 'tcp',
        target: place.pod('other').address,
        port: CONNECT_PORT,
        timeoutMs: 300,
        from: `100.${64 + (i >> 8)}.${i & 255}.${last}`,
      });
    let ms = 0;
    const traffic = await underLoad(place, LIGHT, async () => {
      const begun = performance.now();
      cluster.put(policy);
      await until('nobody else is admitted', async () => ((await tried(3, 1)) === 'silent' ? true : null), 60_000);
      ms = Math.round(performance.now() - begun);
    });
    const samples: Record<string, string> = {};
    for (const i of [0, 1, 2, 3, 5, 7, 4998, 4999, 5001, 8190, 8193, 13_330, 13_331, 13_332, 13_333]) {
      for (const last of [0, 127, 128, 255]) {
        const admitted = blocks.includes(i) && (i % 2 === 0 || last < 128);
        samples[`${i} ${last}`] = await tried(i, last);
        expect([i, last, samples[`${i} ${last}`]]).toEqual([i, last, admitted ? 'open' : 'silent']);
      }
    }
    const sync = agent.log.filter(({ msg }) => msg === 'synced').at(-1);
    figures('10,000 blocks', {
      ...{
        blocks: blocks.length,
        inKernelAfterMs: ms,
        compileMs: sync?.compileMs,
        nftMs: sync?.nftMs,
        changes: sync?.changes,
      },
      ...{ samples: Object.keys(samples).length, ...memory(), ...traffic },
    });
    expect(blocks.length).toBeGreaterThanOrEqual(10_000);
    expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });
    cluster.remove(policy);
    const begun = performance.now();
    await until('it is open again', async () => ((await tried(3, 1)) === 'open' ? true : null), 30_000);
    figures('10,000 blocks go', { afterMs: Math.round(performance.now() - begun) });
  });

  test('1,000 policies on one pod are one subject, as quick as one', async () => {
    await begin();
    const policies = Array.from(
      { length: 1000 },
      (_, i): JsonObject => ({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: `p${i}`, namespace: 'a' },
        spec: {
          podSelector: { matchLabels: { app: 'server' } },
          policyTypes: ['Ingress'],
          ingress: [
            { from: [{ podSelector: { matchLabels: { n: `${i}` } } }], ports: [{ protocol: 'TCP', port: 1000 + i }] },
          ],
        },
      }),
    );
    const phases: Record<string, number> = {};
    const traffic = await underLoad(place, LIGHT, async () => {
      cluster.put(...remotePods(1000), ...policies);
      phases.come = Math.round(await untilRight(place, cluster, 60_000));
      phases.compileMs = Math.max(...agent.log.map(({ compileMs }) => Number(compileMs ?? 0)));
      phases.nftMs = Math.max(...agent.log.map(({ nftMs }) => Number(nftMs ?? 0)));
      const content = tableOf(place);
      // However many policies there are, the way of a packet is as long as before.
      const lengths = [...(content?.chains.values() ?? [])].map(({ rules }) => rules.length);
      phases.longestChain = Math.max(...lengths);
      await pause(500);
      for (const policy of policies) cluster.remove(policy);
      phases.go = Math.round(await untilRight(place, cluster, 60_000));
    });
    figures('1,000 policies on one pod', { ...phases, ...memory(), ...traffic });
    expect(phases.longestChain).toBeLessThan(25);
    expect(memory().peakMb).toBeLessThan(200);
    expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });
  });
});
