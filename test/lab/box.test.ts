import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LabSession, upLab } from '../../src/lab/session.ts';
import { asked, downAll, missingLab, newName, output, tcp, udp } from './labs.ts';
import { smallPlan } from './small-plan.ts';

const why = missingLab();
if (why !== null) console.log(`skipped: labs (${why})`);

const PLAN = smallPlan();

describe.skipIf(why !== null).each(['ptp', 'bridge'] as const)('a lab without agents (%s)', (cni) => {
  let lab: LabSession;
  beforeAll(async () => {
    lab = await upLab(PLAN, { name: newName(), agents: false, cni, lifetime: 'caller' });
  });
  afterAll(async () => {
    lab?.close();
    await downAll();
  });

  it('joins pods of one node and of two, in both families, by TCP and UDP', async () => {
    const toB = ['10.30.1.6', 'fd30:1::6'].flatMap((address) => [tcp(address, 80), udp(address, 80)]);
    expect(await asked(lab, 'web/a', toB)).toEqual(Array(4).fill('allowed by web/b'));
    const toTheOther = ['10.30.2.7', 'fd30:2::7'].flatMap((address) => [tcp(address, 8080), udp(address, 8080)]);
    expect(await asked(lab, 'web/a', toTheOther)).toEqual(Array(4).fill('allowed by web/c'));
    const back = ['10.30.1.5', 'fd30:1::5'].map((address) => tcp(address, 80));
    expect(await asked(lab, 'web/c', back)).toEqual(Array(2).fill('allowed by web/a'));
  });

  it('tells a port without a listener from a denial', async () => {
    expect(await asked(lab, 'web/a', [tcp('10.30.1.6', 81), udp('10.30.1.6', 81), tcp('10.30.7.7', 80)])).toEqual([
      'error ECONNREFUSED',
      'error ECONNREFUSED',
      'denied',
    ]);
  });

  it('leads ClusterIPs to their pods, from pods, nodes, and a pod to itself', async () => {
    const plain = [tcp('10.96.0.1', 80), tcp('fd96::1', 80), udp('10.96.0.1', 80), udp('fd96::1', 80)];
    for (const actor of ['web/a', 'web/c', 'node:left', 'node:right', 'web/host']) {
      expect([actor, await asked(lab, actor, plain)]).toEqual([actor, Array(4).fill('allowed by web/c')]);
    }
    expect(await asked(lab, 'web/a', [tcp('10.96.0.5', 80), tcp('fd96::5', 80), tcp('10.96.0.1', 81)])).toEqual(
      Array(3).fill('error ECONNREFUSED'),
    );
    expect(await asked(lab, 'web/a', [tcp('10.96.0.6', 80)])).toEqual(['denied']);
    expect(await asked(lab, 'node:right', [tcp('10.96.0.6', 80)])).toEqual(['allowed by web/c']);
  });

  it('serves NodePorts on every node, and with the policy Local only where there is a backend', async () => {
    const left = ['172.30.0.11', 'fd30::11'];
    const right = ['172.30.0.12', 'fd30::12'];
    for (const actor of ['outside', 'web/a', 'web/c', 'node:left']) {
      const seen = await asked(
        lab,
        actor,
        [...left, ...right].map((address) => tcp(address, 30_080)),
      );
      expect([actor, seen]).toEqual([actor, Array(4).fill('allowed by web/c')]);
    }
    expect(
      await asked(
        lab,
        'outside',
        right.map((address) => tcp(address, 30_081)),
      ),
    ).toEqual(Array(2).fill('allowed by web/c'));
    expect(
      await asked(
        lab,
        'outside',
        left.map((address) => tcp(address, 30_081)),
      ),
    ).toEqual(Array(2).fill('denied'));
    // Who is in the cluster is led to the backend from any node.
    expect(
      await asked(
        lab,
        'web/a',
        left.map((address) => tcp(address, 30_081)),
      ),
    ).toEqual(Array(2).fill('allowed by web/c'));
    expect(await asked(lab, 'outside', [tcp('172.30.0.11', 30_082)])).toEqual(['error ECONNREFUSED']);
  });

  it('keeps the source of outside with the policy Local, and hides it behind the node with Cluster', async () => {
    const seen = async (port: number): Promise<string> => {
      const listening = lab.exec('web/c', [
        'timeout',
        '5',
        'tcpdump',
        '-Z',
        'root',
        '-nn',
        '-c',
        '1',
        '-i',
        'eth0',
        'tcp dst port 8080',
      ]);
      // What arrives before tcpdump has set its filter is lost to it, and nothing tells when it has: ask until it has seen.
      let ended = false;
      const end = listening.finally(() => {
        ended = true;
      });
      while (!ended) await asked(lab, 'outside', [tcp('172.30.0.12', port, '203.0.113.7')]);
      return (await end).stdout.toString();
    };
    expect(await seen(30_081)).toContain('IP 203.0.113.7.');
    // The route from the node to its pod decides which address it takes.
    expect(await seen(30_080)).toMatch(/IP (172\.30\.0\.12|10\.30\.2\.1)\./);
  });

  it('announces the addresses of load balancers to the outside, and leads pods there as well', async () => {
    const addresses = [tcp('198.51.100.3', 80), tcp('198.51.100.4', 80)];
    for (const actor of ['outside', 'web/b', 'node:left']) {
      expect([actor, await asked(lab, actor, addresses)]).toEqual([actor, ['allowed by web/c', 'allowed by web/a']]);
    }
  });

  it('has host networks and host ports', async () => {
    const addresses = ['172.30.0.12', 'fd30::12'].flatMap((address) => [tcp(address, 9100), udp(address, 9100)]);
    expect(await asked(lab, 'web/a', addresses)).toEqual(Array(4).fill('allowed by web/host'));
    expect(
      await asked(lab, 'outside', [tcp('172.30.0.11', 8088), tcp('fd30::11', 8088), tcp('172.30.0.12', 8088)]),
    ).toEqual(['allowed by web/b', 'allowed by web/b', 'error ECONNREFUSED']);
  });

  it('has an outside that answers on every port of its addresses, and comes from any of them', async () => {
    const there = ['203.0.113.7', '2001:db8:7::7'].flatMap((address) => [
      tcp(address, 443),
      udp(address, 53),
      tcp(address, 7),
    ]);
    expect(await asked(lab, 'web/a', there)).toEqual(Array(6).fill('allowed by outside'));
    expect(await asked(lab, 'web/a', [tcp('203.0.113.8', 443)])).toEqual(['denied']);
    const back = [tcp('10.30.1.5', 80, '203.0.113.7'), tcp('fd30:1::5', 80, '2001:db8:7::7')];
    expect(await asked(lab, 'outside', back)).toEqual(Array(2).fill('allowed by web/a'));
  });

  it('answers for names, by the pods that stand for the DNS', async () => {
    const ask = async (name: string, type: 'hosts' | 'ahostsv4' | 'ahostsv6'): Promise<readonly string[]> => {
      const { stdout } = await lab.exec('web/a', ['getent', type, name]);
      return [
        ...new Set(
          stdout
            .toString()
            .split('\n')
            .map((line) => line.split(' ')[0] ?? ''),
        ),
      ]
        .filter((text) => text !== '')
        .sort();
    };
    expect(await ask('plain', 'ahostsv4')).toEqual(['10.96.0.1']);
    expect(await ask('plain.web', 'ahostsv6')).toEqual(['fd96::1']);
    expect(await ask('plain.web.svc.cluster.local', 'ahostsv4')).toEqual(['10.96.0.1']);
    expect(await ask('crowd', 'ahostsv4')).toEqual(['10.30.1.5', '10.30.2.7']);
    expect(await ask('c.crowd', 'ahostsv4')).toEqual(['10.30.2.7']);
    expect(await ask('10-30-1-6.web.pod.cluster.local', 'ahostsv4')).toEqual(['10.30.1.6']);
    expect(await ask('nobody', 'hosts')).toEqual([]);
    expect(await ask('example.org', 'hosts')).toEqual([]);
    const question = [
      "const { Resolver } = require('node:dns').promises;",
      'const r = new Resolver(); r.setServers(["10.30.2.53"]);',
      'const all = [r.resolveSrv("_http._tcp.plain.web.svc.cluster.local"), r.reverse("10.96.0.1"), r.reverse("fd96::1"),',
      '  r.reverse("10.30.2.7"), r.resolveSrv("_http._tcp.crowd.web.svc.cluster.local")];',
      'Promise.all(all).then((x) => console.log(JSON.stringify(x)));',
    ].join('\n');
    const [srv, v4, v6, pointer, crowd] = JSON.parse(
      await output(lab, 'web/a', process.execPath, '-e', question),
    ) as unknown[];
    expect(srv).toMatchObject([{ name: 'plain.web.svc.cluster.local', port: 80 }]);
    expect([v4, v6]).toEqual([['plain.web.svc.cluster.local'], ['plain.web.svc.cluster.local']]);
    expect(pointer).toEqual(['c.crowd.web.svc.cluster.local']);
    expect((crowd as { name: string }[]).map(({ name }) => name).sort()).toEqual([
      '10-30-1-5.crowd.web.svc.cluster.local',
      'c.crowd.web.svc.cluster.local',
      'fd30-1--5.crowd.web.svc.cluster.local',
    ]);
    expect(await asked(lab, 'web/a', [tcp('10.30.2.53', 53), udp('10.30.2.53', 53)])).toEqual(
      Array(2).fill('allowed by kube-system/names'),
    );
  });

  it('gives programs the host name, the addresses and the files of their pod', async () => {
    expect(await output(lab, 'web/a', 'hostname')).toBe('a');
    expect(await output(lab, 'web/c', 'cat', '/etc/hosts')).toContain('10.30.2.7\tc.crowd.web.svc.cluster.local\tc');
    expect(await output(lab, 'node:left', 'hostname')).toBe('left');
    expect(await output(lab, 'web/a', 'ip', '-4', '-o', 'addr', 'show', 'eth0')).toContain('10.30.1.5/');
    const { code, stdout } = await lab.exec('web/a', ['sh', '-c', 'cat; exit 7'], { input: 'fed' });
    expect([code, stdout.toString()]).toEqual([7, 'fed']);
    await expect(lab.exec('web/nobody', ['true'])).rejects.toMatchObject({ code: 'not-found' });
  });

  it('says what it has, and what nothing listens on', async () => {
    const status = await lab.status();
    expect(status).toMatchObject({ cni, deny: 'drop', apiserver: 'embedded' });
    expect(status.nodes.map(({ name, agent }) => [name, agent.state])).toEqual([
      ['left', 'none'],
      ['right', 'none'],
    ]);
    expect(status.pods.map(({ id, state }) => [id, state])).toEqual([
      ['kube-system/names', 'running'],
      ['web/a', 'running'],
      ['web/b', 'running'],
      ['web/c', 'running'],
      ['web/host', 'running'],
    ]);
    const silent = status.pods.find(({ id }) => id === 'web/b')?.silent ?? [];
    expect(silent).toMatchObject([{ protocol: 'SCTP', port: 99 }]);
    expect(await asked(lab, 'web/a', [{ protocol: 'SCTP', host: '10.30.1.6', port: 99, timeoutMs: 500 }])).toEqual([
      'error SCTP: Node.js has no sockets for it',
    ]);
  });

  it('ends what was started there with whoever started it', async () => {
    const gone = new AbortController();
    const sleeping = lab.exec('web/a', ['sleep', '271'], { signal: gone.signal });
    await expect
      .poll(() => output(lab, 'node:left', 'sh', '-c', 'ps ax | grep -c "[s]leep 271" || true'))
      .not.toBe('0');
    gone.abort();
    await expect(sleeping).rejects.toMatchObject({ code: 'interrupted' });
    await expect.poll(() => output(lab, 'node:left', 'sh', '-c', 'ps ax | grep -c "[s]leep 271" || true')).toBe('0');
  });
});
