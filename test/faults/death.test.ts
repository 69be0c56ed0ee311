import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { findProgram, ownCommand } from '../../src/lab/box/programs.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import { DEFAULT_LAYOUT } from '../../src/targets/nftables/layout.ts';
import { type AgentProcess, startAgent } from './agent-process.ts';
import { blockPolicy, type Cluster, localPod, makeCluster, remotePods, untilRight } from './cluster.ts';
import { figures } from './figures.ts';
import { memoryGroup } from './memory-group.ts';
import { arrivals, makePlace, missingPlace, type Place, type PlacePod, pause, underLoad, until } from './place.ts';
import { CONNECT_PORT, type StreamReport } from './pod-protocol.ts';

const NAMES = ['server', 'friend', 'foe', 'other'];

describe.skipIf(missingPlace() !== null)('death and birth of the agent', { timeout: 240_000 }, () => {
  let place: Place;
  let cluster: Cluster;

  afterEach(async () => {
    await cluster?.close();
    await place?.close();
  });

  async function begin(): Promise<AgentProcess> {
    place = await makePlace(NAMES);
    cluster = await makeCluster(place, NAMES);
    const agent = startAgent(place, { server: cluster.server });
    await agent.ready();
    await untilRight(place, cluster);
    return agent;
  }

  test('an agent that is stopped, killed and started again under load opens and cuts nothing', async () => {
    let agent = await begin();
    const traffic = await underLoad(place, {}, async () => {
      for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM'] as const) {
        await pause(300);
        await agent.kill(signal);
        await pause(300);
        agent = startAgent(place, { server: cluster.server });
        await agent.ready();
      }
      await pause(300);
    });
    figures('agent restart under load', { ...traffic });
    expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });
    expect(traffic.allowed).toBeGreaterThan(5000);
    expect(traffic.denied).toBeGreaterThan(500);
    // What was found was gone on with.
    expect(await agent.metric('rampart_agent_table_replacements_total')).toBe(0);
  });

  test('kill -9 of agent and nft, again and again while they write, opens and cuts nothing, and it ends right', async () => {
    let agent = await begin();
    const flags = ['--coalesce', '0ms', '--nft', mortalNft(place.folder)];
    let agentsKilled = 0;
    let nftKilled = 0;
    let killedWriting = 0;
    const kill = join(place.folder, 'kill');
    const blocks = (seed: number): JsonObject => blockPolicy('blocks', 'other', 1500, seed);
    const traffic = await underLoad(place, {}, async () => {
      for (let round = 0; round < 3; round++) {
        await agent.kill('SIGKILL');
        agentsKilled++;
        agent = startAgent(place, { server: cluster.server, flags });
        await agent.ready();
        const killed = (): number => agent.log.filter(({ msg }) => msg === 'nft was ended by SIGKILL').length;
        for (const [i, seconds] of [0.001 * round, 0.004 * round + 0.004].entries()) {
          writeFileSync(kill, `${seconds}`);
          cluster.put(blocks(round * 10 + i), localPod('other', 3, { app: 'other', turn: `${round} ${i}` }));
          await until('nft was killed', () => (killed() > i ? true : null));
        }
        rmSync(kill);
        nftKilled += killed();
        cluster.put(blocks(round * 10 + 7));
        // As soon as it has begun to write, or some way into that.
        await until('it writes', () => (childrenOf(agent.pid).length > 0 ? true : null));
        await pause(round * 4);
        if (childrenOf(agent.pid).length > 0) killedWriting++;
      }
      await agent.kill('SIGKILL');
      agent = startAgent(place, { server: cluster.server });
      await agent.ready();
    });
    const ms = await untilRight(place, cluster);
    figures('kill -9 while writing', {
      agentsKilled,
      killedWriting,
      nftKilled,
      rightAfterMs: Math.round(ms),
      ...traffic,
    });
    expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });
    expect(nftKilled).toBeGreaterThanOrEqual(6);
    expect(agentsKilled).toBe(3);
    expect(killedWriting).toBeGreaterThan(1);
  });

  test('an upgrade replaces the table of another version in one transaction, under load and live streams', async () => {
    let agent = await begin();
    await agent.kill('SIGTERM');
    // The table of a version that laid it out otherwise, enforcing the same.
    const listing = place.run(['nft', '-nn', 'list', 'table', 'inet', 'rampart']);
    const older = listing
      .replace(/comment "rampart layout \d+/, 'comment "rampart layout 0')
      .replace(/^(table inet rampart \{.*)$/m, '$1\n\tset was_here { type mark; }');
    expect(older).toContain('layout 0');
    expect(older).toContain('was_here');
    place.run(['nft', '-f', '-'], `delete table inet rampart\n${older}`);
    const friend = place.pod('friend');
    for (const protocol of ['tcp', 'udp'] as const)
      await friend.ask({ kind: 'stream', name: protocol, protocol, target: place.pod('server').address, everyMs: 5 });
    const traffic = await underLoad(place, {}, async () => {
      await pause(200);
      agent = startAgent(place, { server: cluster.server });
      await agent.ready();
      await pause(300);
    });
    const streams = await friend.ask<readonly StreamReport[]>({ kind: 'streams' });
    figures('upgrade across a layout', { ...traffic, streams });
    expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });
    for (const stream of streams) {
      expect(stream).toMatchObject({ missing: 0, ended: null });
      expect(stream.echoed).toBeGreaterThan(20);
    }
    const wrote = agent.log.filter(({ msg }) => msg === 'synced');
    expect(wrote.map(({ replaced }) => replaced)).toEqual([false]);
    await untilRight(place, cluster);
    expect(place.run(['nft', 'list', 'table', 'inet', 'rampart'])).not.toContain('was_here');
  });

  test('a node that starts anew is closed from the first moment, and opens what is allowed', async () => {
    place = await makePlace(NAMES);
    cluster = await makeCluster(place, NAMES);
    const closed = ['--closed-until-known'];
    const [server, friend, foe] = [place.pod('server'), place.pod('friend'), place.pod('foe')];
    const tried = (from: PlacePod): Promise<string> =>
      from.ask({ kind: 'try', protocol: 'tcp', target: server.address, port: CONNECT_PORT, timeoutMs: 400 });
    // Without a table everything is open: that the pods can reach each other at all.
    expect(await tried(foe)).toBe('open');
    const init = await place.start([
      ...[...ownCommand(), 'agent', '--init', '--node', 'n1', '--server', cluster.server],
      ...closed,
    ]);
    expect(init).toMatchObject({ code: 0, text: expect.stringContaining('closed until the agent knows them') });
    expect(await tried(friend)).toBe('silent');
    const before = arrivals(server, foe).all;
    let closedFor = 0;
    const traffic = await underLoad(place, { tcpPerSecond: 200, udpPerSecond: 500 }, async () => {
      const begun = performance.now();
      const agent = startAgent(place, { server: cluster.server, flags: closed });
      await agent.ready();
      expect(await tried(friend)).toBe('open');
      closedFor = Math.round(performance.now() - begun);
    });
    figures('node reboot', { closedForMs: closedFor, foeTried: traffic.denied, openedWrongly: traffic.openedWrongly });
    expect(arrivals(server, foe).all - before).toBe(0);
    expect(traffic.openedWrongly).toBe(0);
    await untilRight(place, cluster, 15_000, { ...DEFAULT_LAYOUT, closedUntilKnown: true });
  });

  test('an agent that the kernel ends for want of memory leaves the table; the next one goes on', async () => {
    let agent = await begin();
    const group = memoryGroup();
    let cause = 'kill -9, for there is no memory controller here';
    const traffic = await underLoad(place, {}, async () => {
      if (group === null) await agent.kill('SIGKILL');
      else {
        try {
          cause = `memory controller, ${group.limit(agent.pid, 24)}`;
          for (let i = 0; i < 40 && (await stillRuns(agent)); i++) {
            cluster.put(...remotePods(2000, i));
            await pause(100);
          }
          expect((await agent.ended).signal).toBe('SIGKILL');
          expect(group.kills()).toBeGreaterThan(0);
        } finally {
          await agent.kill('SIGKILL');
          await group.remove();
        }
      }
      agent = startAgent(place, { server: cluster.server });
      await agent.ready(40_000);
    });
    figures('out of memory', { cause, ...traffic });
    expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });
    await untilRight(place, cluster);
  });

  test('a second agent by mistake refuses in clear words and disturbs nothing', async () => {
    const agent = await begin();
    const traffic = await underLoad(place, {}, async () => {
      const second = startAgent(place, { server: cluster.server });
      const { code } = await second.ended;
      expect(code).toBe(1);
      expect(second.errors()).toContain('another process of this network namespace holds `rampart-agent-rampart`');
      expect(second.errors()).toContain('end the other one first');
    });
    figures('two agents', { ...traffic });
    expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });
    expect((await agent.ask('/readyz'))?.status).toBe(200);
  });
});

async function stillRuns(agent: AgentProcess): Promise<boolean> {
  return await Promise.race([agent.ended.then(() => false), pause(1).then(() => true)]);
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** nft, but while there is a file `kill` it is killed so many seconds after its start. */
function mortalNft(folder: string): string {
  const path = join(folder, 'nft');
  const real = findProgram('nft', process.env) ?? 'nft';
  const script = `#!/bin/sh
[ -e ${folder}/kill ] || exec ${real} "$@"
exec 3<&0
${real} "$@" <&3 &
sleep "$(cat ${folder}/kill)"
kill -9 $!
kill -9 $$
`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return path;
}
