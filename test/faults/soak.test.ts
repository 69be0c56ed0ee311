import { afterEach, describe, expect, test } from 'vitest';
import { dice } from '../manifest/mutations.ts';
import { type AgentProcess, startAgent } from './agent-process.ts';
import { blockPolicy, type Cluster, guard, localPod, makeCluster, remotePods, untilRight } from './cluster.ts';
import { figures } from './figures.ts';
import { makePlace, missingPlace, type Place, pause, type Traffic, underLoad } from './place.ts';

const NAMES = ['server', 'friend', 'foe', 'other'];
const MINUTES = Number(process.env.RAMPART_SOAK_MINUTES ?? 10);
const isAsked = process.env.RAMPART_SOAK === '1';
if (!isAsked) console.log('skipped: ten minutes of churn (`node scripts/soak.mjs` runs it)');

describe.skipIf(!isAsked || missingPlace() !== null)('for a long time', () => {
  let place: Place;
  let cluster: Cluster;
  let agent: AgentProcess;

  afterEach(async () => {
    await agent?.kill('SIGKILL');
    await cluster?.close();
    await place?.close();
  });

  test('churn, deaths of agents and lost API servers open and cut nothing', {
    timeout: (MINUTES + 5) * 60_000,
  }, async () => {
    place = await makePlace(NAMES);
    cluster = await makeCluster(place, NAMES);
    const start = async (): Promise<void> => {
      agent = startAgent(place, { server: cluster.server });
      await agent.ready(60_000);
    };
    await start();
    const roll = dice(Date.now() & 0xffff);
    const end = performance.now() + MINUTES * 60_000;
    const done: Record<string, number> = {};
    const slowest = { ms: 0 };
    const rounds: Traffic[] = [];
    const rss: number[] = [];
    const deeds: readonly (readonly [string, () => Promise<void> | void])[] = [
      ['pods', () => cluster.put(...remotePods(200, roll(20)))],
      ['pods gone', () => remotePods(200, roll(20)).forEach(cluster.remove)],
      ['blocks', () => cluster.put(blockPolicy('blocks', 'other', 100 + roll(1500), roll(20)))],
      ['policy', () => cluster.put(guard(roll(2) === 0 ? 'other' : 'nobody', `more-${roll(5)}`))],
      ['policy gone', () => cluster.remove(guard('nobody', `more-${roll(5)}`))],
      ['labels', () => cluster.put(localPod('other', 3, { app: 'other', turn: `${roll(1000)}` }))],
      [
        'API server away',
        () =>
          cluster
            .down()
            .then(() => pause(roll(3000)))
            .then(cluster.up),
      ],
      ['watches broken', () => cluster.listening().dropConnections()],
      ['history forgotten', () => cluster.api.store.compact()],
      ['agent killed', () => agent.kill('SIGKILL').then(start)],
    ];
    while (performance.now() < end) {
      const traffic = await underLoad(place, { tcpPerSecond: 300, udpPerSecond: 1200 }, async () => {
        const until = performance.now() + 15_000;
        while (performance.now() < until) {
          const deed = deeds[roll(deeds.length)];
          if (deed === undefined) continue;
          done[deed[0]] = (done[deed[0]] ?? 0) + 1;
          await deed[1]();
          await pause(roll(400));
        }
        slowest.ms = Math.max(slowest.ms, Math.round(await untilRight(place, cluster, 60_000)));
      });
      rounds.push(traffic);
      rss.push(Math.round((await agent.metric('process_resident_memory_bytes')) / 2 ** 20));
      expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });
    }
    const sum = (of: (traffic: Traffic) => number): number => rounds.reduce((all, each) => all + of(each), 0);
    figures(`churn for ${MINUTES} min`, {
      ...{ done, slowestUntilRightMs: slowest.ms, rssMb: [rss[0], rss.at(-1), Math.max(...rss)] },
      ...{ allowed: sum(({ allowed }) => allowed), denied: sum(({ denied }) => denied) },
      ...{ openedWrongly: sum(({ openedWrongly }) => openedWrongly), cutWrongly: sum(({ cutWrongly }) => cutWrongly) },
    });
  });
});
