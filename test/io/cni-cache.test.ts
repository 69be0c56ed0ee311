import { mkdirSync, mkdtempSync, rmSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { formatIp } from '../../src/base/ip.ts';
import { followCniCache, parseCniResult } from '../../src/io/cni-cache.ts';

interface Parts {
  readonly ifName?: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly result?: unknown;
  readonly kind?: string;
}

const RESULT = {
  cniVersion: '1.0.0',
  dns: {},
  interfaces: [
    { mac: '82:49:99:c8:cd:ec', name: 'veth7b323bc4' },
    { mac: 'ea:8c:bc:dc:c5:2e', name: 'eth0', sandbox: '/var/run/netns/cni-a4ca50e5' },
  ],
  ips: [
    { address: '10.1.2.3/24', gateway: '10.1.2.1', interface: 1 },
    { address: 'fd00::3/64', gateway: 'fd00::1', interface: 1 },
  ],
};

/** A file as libcni writes it for a pod under containerd. */
function file(name: string, parts: Parts = {}): string {
  const args = {
    IgnoreUnknown: '1',
    K8S_POD_NAMESPACE: 'shop',
    K8S_POD_NAME: name,
    K8S_POD_INFRA_CONTAINER_ID: '7769e45b',
    K8S_POD_UID: `uid-${name}`,
    ...parts.args,
  };
  return JSON.stringify({
    kind: parts.kind ?? 'cniCacheV1',
    containerId: '7769e45b',
    config: 'e30=',
    ifName: parts.ifName ?? 'eth0',
    networkName: 'pods',
    cniArgs: Object.entries(args),
    capabilityArgs: {},
    result: parts.result ?? RESULT,
  });
}

const addresses = (text: string): readonly string[] | null => parseCniResult(text, 0)?.addresses.map(formatIp) ?? null;

describe('a result of a CNI plugin', () => {
  it('names the pod and its addresses', () => {
    expect(parseCniResult(file('web'), 0)).toMatchObject({ namespace: 'shop', name: 'web', uid: 'uid-web' });
    expect(addresses(file('web'))).toEqual(['10.1.2.3', 'fd00::3']);
  });

  it('is read in the shape of every version', () => {
    expect(
      addresses(
        file('web', { result: { cniVersion: '0.2.0', ip4: { ip: '10.1.2.3/24' }, ip6: { ip: 'fd00::3/64' } } }),
      ),
    ).toEqual(['10.1.2.3', 'fd00::3']);
    expect(
      addresses(file('web', { result: { cniVersion: '0.4.0', ips: [{ version: '4', address: '10.1.2.3/24' }] } })),
    ).toEqual(['10.1.2.3']);
  });

  it('of other interfaces, of the host’s end, or without a pod says nothing', () => {
    expect(addresses(file('web', { ifName: 'lo' }))).toBeNull();
    expect(addresses(file('web', { ifName: 'net1' }))).toBeNull();
    expect(addresses(file('web', { args: { K8S_POD_UID: '' } }))).toBeNull();
    expect(
      addresses(file('web', { result: { ...RESULT, ips: [{ address: '10.1.2.1/24', interface: 0 }] } })),
    ).toBeNull();
    expect(addresses(file('web', { kind: 'other' }))).toBeNull();
  });

  it('that is broken off, or of another shape, says nothing and hurts nobody', () => {
    const whole = file('web');
    for (let end = 0; end < whole.length; end += 37) expect(parseCniResult(whole.slice(0, end), 0)).toBeNull();
    for (const odd of [
      'null',
      '[]',
      '{"kind":"cniCacheV1","ifName":"eth0","cniArgs":5}',
      '{"__proto__":{"kind":"cniCacheV1"}}',
    ]) {
      expect(parseCniResult(odd, 0)).toBeNull();
    }
  });
});

describe('the cache', () => {
  const folders: string[] = [];
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0)) close();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  function follow(): {
    readonly folder: string;
    readonly told: Map<string, string | null>;
    readonly scan: () => Promise<void>;
  } {
    const top = mkdtempSync(join(tmpdir(), 'rampart-cni-'));
    folders.push(top);
    const folder = join(top, 'results');
    const told = new Map<string, string | null>();
    const cache = followCniCache({
      folders: [folder],
      scanMs: 200,
      onChange: (key, found) => told.set(key, found?.addresses.map(formatIp).join() ?? null),
    });
    closers.push(() => cache.close());
    return { folder, told, scan: cache.scan };
  }

  it('is followed, also when it comes later', async () => {
    const { folder, told, scan } = follow();
    await scan();
    mkdirSync(folder);
    writeFileSync(join(folder, 'pods-1-eth0'), file('web'));
    await vi.waitFor(() => expect(told.get('shop/web')).toBe('10.1.2.3,fd00::3'), 5000);
    // What follows is told by the system, not by looking again.
    const begun = Date.now();
    writeFileSync(join(folder, 'pods-2-eth0'), file('db'));
    await vi.waitFor(() => expect(told.get('shop/db')).toBe('10.1.2.3,fd00::3'), { timeout: 5000, interval: 5 });
    expect(Date.now() - begun).toBeLessThan(5000);
    unlinkSync(join(folder, 'pods-1-eth0'));
    await vi.waitFor(() => expect(told.get('shop/web')).toBeNull(), 5000);
    expect(told.get('shop/db')).toBe('10.1.2.3,fd00::3');
  });

  it('of a pod whose sandbox was made anew is the later one', async () => {
    const { folder, told, scan } = follow();
    mkdirSync(folder);
    writeFileSync(join(folder, 'pods-1-eth0'), file('web'));
    await scan();
    const ips = [{ address: '10.1.2.9/24', interface: 1 }];
    writeFileSync(join(folder, 'pods-2-eth0'), file('web', { result: { ...RESULT, ips } }));
    await vi.waitFor(() => expect(told.get('shop/web')).toBe('10.1.2.9'), 5000);
    unlinkSync(join(folder, 'pods-1-eth0'));
    await scan();
    expect(told.get('shop/web')).toBe('10.1.2.9');
  });

  it('of a pod with several sandboxes is the one that was noted last, whichever is read first', async () => {
    const { folder, told, scan } = follow();
    mkdirSync(folder);
    const at = (name: string, address: string, seconds: number): void => {
      const ips = [{ address: `${address}/24`, interface: 1 }];
      writeFileSync(join(folder, name), file('web', { result: { ...RESULT, ips } }));
      utimesSync(join(folder, name), seconds, seconds);
    };
    at('pods-1-eth0', '10.1.2.8', 2000);
    at('pods-2-eth0', '10.1.2.9', 3000);
    at('pods-3-eth0', '10.1.2.7', 1000);
    await scan();
    await scan();
    expect(told.get('shop/web')).toBe('10.1.2.9');
    unlinkSync(join(folder, 'pods-3-eth0'));
    await scan();
    expect(told.get('shop/web')).toBe('10.1.2.9');
    unlinkSync(join(folder, 'pods-2-eth0'));
    await scan();
    expect(told.get('shop/web')).toBe('10.1.2.8');
    unlinkSync(join(folder, 'pods-1-eth0'));
    await scan();
    expect(told.get('shop/web')).toBeNull();
  });
});
