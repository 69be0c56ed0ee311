/** Messages of ICMP: those that policies judge, and those that belong to connections they have let through. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '../../src/lab/box/programs.ts';
import { type LabSession, upLab } from '../../src/lab/session.ts';
import { asked, downAll, missingLab, newName, output, udp } from './labs.ts';
import { smallPlan } from './small-plan.ts';

const why = missingLab() ?? (findProgram('busybox', process.env) === null ? 'busybox not installed' : null);
if (why !== null) console.log(`skipped: ICMP in labs (${why})`);

/** Nobody may come to `a` but `b`, over one port of TCP; nobody but `a` may come to `c`, with whatever it likes. */
const POLICIES = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: web}
spec:
  podSelector: {matchLabels: {app: a}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: b}}}]
      ports: [{port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: c, namespace: web}
spec:
  podSelector: {matchLabels: {app: c}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: a}}}]
`;

const A = ['10.30.1.5', 'fd30:1::5'] as const;
const B = ['10.30.1.6', 'fd30:1::6'] as const;
const C = ['10.30.2.7', 'fd30:2::7'] as const;

describe.skipIf(why !== null).each(['ptp', 'bridge'] as const)('ICMP (%s)', (cni) => {
  let lab: LabSession;
  beforeAll(async () => {
    lab = await upLab(smallPlan(POLICIES), { name: newName(), cni });
  });
  afterAll(async () => {
    lab?.close();
    await downAll();
  });

  const pings = async (from: string, to: readonly string[]): Promise<readonly boolean[]> => {
    const codes = await Promise.all(
      to.map((address) =>
        lab.exec(from, [
          'busybox',
          address.includes(':') ? 'ping6' : 'ping',
          '-c',
          '2',
          '-i',
          '0.3',
          '-W',
          '1',
          address,
        ]),
      ),
    );
    return codes.map(({ code }) => code === 0);
  };

  it('is let in by rules without ports, and by no rule about ports', async () => {
    expect(await pings('web/a', C)).toEqual([true, true]);
    expect(await pings('web/b', C)).toEqual([false, false]);
    expect(await pings('web/b', A)).toEqual([false, false]);
    expect(await pings('web/a', B)).toEqual([true, true]);
  });

  it('tells the one who asked that a port is closed, though he may not be asked', async () => {
    const closed = [...B, ...C].map((address) => udp(address, 81));
    expect(await asked(lab, 'web/a', closed)).toEqual(Array(4).fill('error ECONNREFUSED'));
  });

  it('tells senders of a narrower link behind a node, so that large transfers do not stand still', async () => {
    const link = (await output(lab, 'node:right', 'ip', '-o', 'route', 'get', C[0])).match(/ dev (\S+)/)?.[1] ?? '';
    const narrow = cni === 'ptp' ? [link] : await bridgePorts(lab);
    for (const device of [link, ...narrow]) await output(lab, 'node:right', 'ip', 'link', 'set', device, 'mtu', '1300');
    const size = 300_000;
    for (const [address, port] of [
      [C[0], 9101],
      [C[1], 9102],
    ] as const) {
      // An input that never ends: else it says at once that it has nothing more to say, and the sender goes.
      const silence = `f=$(mktemp -u) && mkfifo "$f" && exec 3<>"$f" && rm "$f"`;
      const receive = `${silence} && timeout 10 busybox nc -l -p ${port} <&3 | wc -c`;
      const receiving = lab.exec('web/c', ['sh', '-c', receive]);
      await expect
        .poll(async () => output(lab, 'web/c', 'sh', '-c', `ss -Hltn sport = :${port} | wc -l`), { timeout: 5000 })
        .toBe('1');
      await lab.exec('web/a', ['sh', '-c', `head -c ${size} /dev/zero | timeout 8 busybox nc -w 3 ${address} ${port}`]);
      expect((await receiving).stdout.toString().trim()).toBe(`${size}`);
      // It was told, and not only lucky.
      expect(await output(lab, 'web/a', 'ip', 'route', 'get', address)).toContain('mtu 1300');
    }
  });
});

/** Links of the right node's bridge. */
async function bridgePorts(lab: LabSession): Promise<readonly string[]> {
  const listed = await output(lab, 'node:right', 'ip', '-o', 'link');
  return [...listed.matchAll(/^\d+: ([^@:\s]+)[^\n]* master /gm)].map(([, name = '']) => name);
}
