import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/manifest/object.ts';
import { startAgent } from './agent-process.ts';
import {
  blockPolicy,
  type Cluster,
  denial,
  guard,
  localPod,
  makeCluster,
  remotePods,
  tableOf,
  untilRight,
} from './cluster.ts';
import { figures } from './figures.ts';
import {
  arrivals,
  lostSegments,
  makePlace,
  missingPlace,
  type Place,
  type PlacePod,
  pause,
  underLoad,
  until,
} from './place.ts';
import { ECHO_PORT, monotonic, type ReceivedReport, type StreamReport } from './pod-protocol.ts';

const NAMES = ['server', 'friend', 'foe', 'other'];
const EVERY_MS = 2;

describe.skipIf(missingPlace() !== null)('live connections', () => {
  let place: Place;
  let cluster: Cluster;
  let server: PlacePod;
  let friend: PlacePod;

  afterEach(async () => {
    await cluster?.close();
    await place?.close();
  });

  async function begin(): Promise<void> {
    place = await makePlace(NAMES);
    cluster = await makeCluster(place, NAMES);
    const agent = startAgent(place, { server: cluster.server });
    await agent.ready();
    await untilRight(place, cluster);
    server = place.pod('server');
    friend = place.pod('friend');
  }

  async function stream(from: PlacePod, ...protocols: readonly ('tcp' | 'udp')[]): Promise<void> {
    for (const protocol of protocols)
      await from.ask({ kind: 'stream', name: protocol, protocol, target: server.address, everyMs: EVERY_MS });
    await pause(300);
  }

  const streams = (from: PlacePod): Promise<readonly StreamReport[]> => from.ask({ kind: 'streams' });

  /** When the kernel's tables were last changed while `change` was brought about: never before it really was. */
  async function commitOf(change: () => void): Promise<{ readonly at: number; readonly by: number }> {
    const [program = '', ...args] = place.inside(['nft', 'monitor', 'new', 'rules']);
    const monitor = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let at: number | null = null;
    createInterface({ input: monitor.stdout }).on('line', () => {
      at = monotonic();
    });
    try {
      await pause(200);
      const by = monotonic();
      change();
      await until('the change is in the kernel', () => at);
      await pause(150);
      return { at: at ?? 0, by };
    } finally {
      monitor.kill('SIGKILL');
    }
  }

  async function cut(change: () => void, from: PlacePod): Promise<void> {
    await stream(from, 'tcp', 'udp');
    expect(await streams(from)).toMatchObject([
      { missing: 0, ended: null },
      { missing: 0, ended: null },
    ]);
    const { at, by } = await commitOf(change);
    await pause(700);
    const kept = arrivals(server, from).all;
    await pause(400);
    const received = await server.ask<readonly ReceivedReport[]>({ kind: 'received' });
    const [tcp, udp] = await streams(from);
    const of = (protocol: string): ReceivedReport => {
      const found = received.find((each) => each.from.startsWith(protocol) && each.from.endsWith(from.address));
      if (found === undefined) throw new Error(`nothing by ${protocol} in ${JSON.stringify(received)}`);
      return found;
    };
    const after = (protocol: string): number => Math.round((of(protocol).lastSentAt - at) * 10) / 10;
    figures('tightening', {
      commitAfterMs: Math.round(at - by),
      lastTcpSentBeforeCommitMs: -after('tcp'),
      lastUdpSentBeforeCommitMs: -after('udp'),
      udpSentSince: (udp?.sent ?? 0) - of('udp').highest - 1,
      tcp,
      udp,
    });
    // Nothing that was sent after the commit was known has arrived, on either connection…
    expect(of('tcp').lastSentAt).toBeLessThanOrEqual(at);
    expect(of('udp').lastSentAt).toBeLessThanOrEqual(at);
    // …nor does anything come through later, though both go on trying…
    expect(arrivals(server, from).all).toBe(kept);
    expect((udp?.sent ?? 0) - of('udp').highest).toBeGreaterThan(100);
    // …and until then nothing was missing: it was cut between two packets.
    expect(of('udp').count).toBe(of('udp').highest + 1);
    expect(of('tcp').count).toBe(of('tcp').highest + 1);
    // It lived until the change was made.
    expect(of('udp').lastSentAt).toBeGreaterThan(by - 50);
  }

  test('a policy that is tightened cuts what it no longer allows between two packets', async () => {
    await begin();
    await cut(() => cluster.put(guard('nobody')), friend);
  });

  test('a pod whose labels change loses its connections between two packets', async () => {
    await begin();
    await cut(() => cluster.put(localPod('friend', 1, { app: 'stranger' })), friend);
  });

  test('a first policy cuts what nobody restricted before', async () => {
    await begin();
    cluster.remove(guard());
    await untilRight(place, cluster);
    await cut(() => cluster.put(guard()), place.pod('foe'));
  });

  test('answers that a server goes on sending to one who says nothing more are not cut: a limit', async () => {
    await begin();
    await friend.ask({
      ...{ kind: 'stream', name: 'udp', protocol: 'udp', target: server.address },
      ...{ everyMs: 20, port: 7000, most: 3 },
    });
    await server.ask({ kind: 'push', target: friend.address, port: 7000, everyMs: EVERY_MS });
    await pause(300);
    await commitOf(() => cluster.put(guard('nobody')));
    const [then] = await streams(friend);
    await pause(500);
    const [now] = await streams(friend);
    figures('answers without questions', { heardAfterTheCut: (now?.echoed ?? 0) - (then?.echoed ?? 0), in: '500 ms' });
    // Were this 0, the table of faults and the guide could promise more.
    expect((now?.echoed ?? 0) - (then?.echoed ?? 0)).toBeGreaterThan(10);
    expect(
      await friend.ask({ kind: 'try', protocol: 'udp', target: server.address, port: ECHO_PORT, timeoutMs: 300 }),
    ).toBe('silent');
  });

  test('changes that loosen, or concern others, disturb no live connection', async () => {
    await begin();
    const before = await lostSegments(friend);
    await stream(friend, 'tcp', 'udp');
    const changes: readonly (readonly [string, () => void])[] = [
      ['a new pod of another node', () => cluster.put(...remotePods(50))],
      ['another policy for another pod', () => cluster.put(blockPolicy('blocks', 'other', 300))],
      ['a policy that admits more', () => cluster.put(guard('foe', 'more'))],
      ['it is taken away again', () => cluster.remove(guard('foe', 'more'))],
      ['another policy is tightened', () => cluster.put(blockPolicy('blocks', 'other', 100, 1))],
      ['labels that nobody asks for', () => cluster.put(localPod('friend', 1, { app: 'friend', x: 'y' }))],
      ['a policy of the highest tier that denies another pod', () => cluster.put(denial('foe'))],
      ['another pod goes', () => cluster.remove(localPod('other', 3))],
    ];
    for (const [, change] of changes) {
      change();
      await untilRight(place, cluster);
      await pause(100);
    }
    const reports = await streams(friend);
    figures('unrelated changes', { changes: changes.length, lost: (await lostSegments(friend)) - before, reports });
    expect(await lostSegments(friend)).toBe(before);
    for (const report of reports) {
      expect(report).toMatchObject({ ended: null, missing: 0 });
      expect(report.sent - report.echoed).toBeLessThan(20);
      expect(report.sent).toBeGreaterThan(300);
    }
    expect((await streams(friend)).length).toBe(2);
  });

  test('a pod that gets another number in the table loses no packet of what it may say all the time', async () => {
    await begin();
    // Five of them are met like `friend`, so that it is the one who has to leave when they are not any more.
    cluster.put(...remotePods(50), localPod('friend', 1, { app: 'friend', role: 'friend' }));
    await untilRight(place, cluster);
    const numberOf = (): string | undefined => tableOf(place)?.sets.get('id4')?.elements.get(friend.address);
    let moves = 0;
    const load = { tcpPerSecond: 200, udpPerSecond: 6000 };
    const traffic = await underLoad(place, load, async () => {
      for (let i = 0; i < 4; i++) {
        const before = numberOf();
        // In a large transaction, since what the kernel shows late it shows after all the rest.
        cluster.put(blockPolicy('wide', 'other', 2000, i));
        if (i % 2 === 0) cluster.put(admitting('friend'));
        else cluster.remove(admitting('friend'));
        await untilRight(place, cluster);
        if (numberOf() !== before) moves++;
      }
    });
    figures('renumbering', { ...traffic, moves });
    expect(moves).toBe(4);
    expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });
  });

  /** The address of `friend` goes to a pod of another namespace with the same labels, which nobody admits. */
  async function reuse(order: 'new one first' | 'old one first' | 'old one long before'): Promise<void> {
    await begin();
    const other = place.pod('other');
    const { address, address6 } = friend;
    const udp = (from: PlacePod): Promise<unknown> =>
      from.ask({ kind: 'stream', name: 'udp', protocol: 'udp', target: server.address, everyMs: EVERY_MS, port: 7000 });
    await stream(friend, 'tcp');
    await udp(friend);
    await pause(300);
    expect(await streams(friend)).toMatchObject([{ ended: null }, { ended: null }]);
    cluster.remove(localPod('other', 3));
    cluster.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'b' } });
    await untilRight(place, cluster);
    const stranger: JsonObject = {
      ...localPod('late', 3),
      metadata: {
        ...{ name: 'late', namespace: 'b', uid: 'uid-late', labels: { app: 'friend' } },
        creationTimestamp: '2027-01-01T00:00:00Z',
      },
      status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }, { ip: address6 }] },
    };
    if (order !== 'new one first') cluster.remove(localPod('friend', 1));
    if (order === 'old one long before') await untilRight(place, cluster);
    place.move('friend', 'other');
    cluster.put(stranger);
    const ms = await untilRight(place, cluster);
    if (order === 'new one first') {
      cluster.remove(localPod('friend', 1));
      await untilRight(place, cluster);
    }
    const kept = arrivals(server, friend).all;
    // The new pod goes on where the old one was, with the same ports, and opens flows of its own.
    await udp(other);
    await other.ask({ kind: 'load', target: server.address, tcpPerSecond: 100, udpPerSecond: 1000 });
    await pause(500);
    const report = await other.ask<{ readonly udpSent: number; readonly tcpTried: number }>({ kind: 'unload' });
    const [old] = await streams(other);
    const through = arrivals(server, friend).all - kept;
    figures(`address reused, ${order}`, {
      ...{ programmedMs: Math.round(ms), flowsTried: report.udpSent + report.tcpTried },
      ...{ onOldConnection: old?.sent, through },
    });
    expect(report.udpSent).toBeGreaterThan(100);
    expect(old?.sent).toBeGreaterThan(50);
    expect(through).toBe(0);
    for (const target of [server.address, server.address6]) {
      expect(await other.ask({ kind: 'try', protocol: 'tcp', target, port: ECHO_PORT, timeoutMs: 400 })).toBe('silent');
    }
  }

  test.each(['new one first', 'old one first', 'old one long before'] as const)(
    'an address that goes to a pod of another namespace takes no right with it: %s',
    reuse,
  );
});

/** Admits pods of a role to `other`. */
function admitting(role: string): JsonObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'by-role', namespace: 'a', uid: 'uid-by-role' },
    spec: {
      podSelector: { matchLabels: { app: 'other' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { role } } }], ports: [{ port: 80 }] }],
    },
  };
}
