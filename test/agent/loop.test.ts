import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/manifest/object.ts';
import { DEFAULT_LAYOUT } from '../../src/targets/nftables/layout.ts';
import { ingressPolicy, namespaceObject, nodeObject, podObject } from './objects.ts';
import { type Rig, rig } from './rig.ts';
import { begin, CLIENT, OTHER, refusing, SHOP, started, WEB } from './shop.ts';

/** Nobody may reach pods of namespaces with that `env`. */
function denyTo(env: string): JsonObject {
  const namespaces = { matchLabels: { env } };
  return {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: `deny-${env}` },
    spec: {
      tier: 'Admin',
      priority: 10,
      subject: { namespaces },
      ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }],
    },
  };
}

describe('a long life', () => {
  it('does not add up what is gone: a new compiler goes on with the same numbers', async () => {
    const one = await started();
    const jobs = 6000;
    for (let i = 0; i < jobs; i += 50) {
      const pods = Array.from({ length: 50 }, (_, at) => i + at).map((job) =>
        podObject(`job-${job}`, `10.1.${job >> 8}.${job & 255}`, { node: 'n2' }),
      );
      for (const pod of pods) one.put('pods', pod);
      await one.clock.advance(300);
      for (const pod of pods) one.remove('pods', pod);
      await one.clock.advance(300);
    }
    expect(one.told).toEqual(['loaded first', 'loaded overgrown']);
    expect(one.loop.compiler().isOvergrown()).toBe(false);
    // Nothing about the jobs concerns this node, and so does nothing about beginning anew.
    expect(one.kernel.applied).toHaveLength(1);
    expect([one.passes(CLIENT, WEB, 80), one.passes(OTHER, WEB, 80)]).toEqual([true, false]);
  });
});

describe('the first sync', () => {
  it('waits until everything was listed', async () => {
    const one = rig();
    one.put('pods', podObject('web', WEB));
    await one.clock.advance(1000);
    expect(one.kernel.calls).toEqual({ apply: 0, check: 0, list: 0 });
    expect(one.loop.status().synced).toBe(false);
    await begin(one);
    expect(one.kernel.applied).toHaveLength(1);
    expect(one.loop.status().synced).toBe(true);
    expect(one.told).toEqual(['loaded first']);
    expect([one.passes(CLIENT, WEB, 80), one.passes(CLIENT, WEB, 81), one.passes(OTHER, WEB, 80)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('takes over the table of the agent before it, and changes nothing that need not change', async () => {
    const before = await started();
    const after = await begin(rig({ kernel: before.kernel }));
    expect(before.kernel.applied).toHaveLength(1);
    expect(after.loop.status().synced).toBe(true);
    expect(after.told).toEqual(['loaded first']);
  });

  it('changes of a table that is there only what has changed meanwhile', async () => {
    const before = await started();
    const lists = {
      ...SHOP,
      pods: [...SHOP.pods, podObject('late', '10.0.1.9', { node: 'n2', labels: { app: 'client' } })],
    };
    const after = rig({ kernel: before.kernel });
    after.list(lists);
    after.loop.start();
    await after.clock.advance(100);
    expect(after.kernel.applied).toHaveLength(2);
    expect(after.kernel.applied[1]).not.toContain('delete table');
    expect(after.passes('10.0.1.9', WEB, 80)).toBe(true);
  });

  it('replaces a table that it cannot read, or that is of another layout, in one transaction', async () => {
    for (const spoil of [
      (kernel: Rig['kernel']) => {
        const table = kernel.tables.get('rampart');
        if (table !== undefined) table.comment = 'of long ago';
      },
      (kernel: Rig['kernel']) => {
        kernel.list = () => Promise.resolve({ text: 'table inet rampart {\n\tflowtable f {\n\t}\n}\n' });
      },
    ]) {
      const before = await started();
      spoil(before.kernel);
      const after = await begin(rig({ kernel: before.kernel }));
      expect(after.loop.status().synced).toBe(true);
      expect(after.kernel.applied.at(-1)).toMatch(
        /^add table inet rampart\ndelete table inet rampart\ntable inet rampart \{/,
      );
      expect(after.passes(OTHER, WEB, 80)).toBe(false);
    }
  });
});

describe('changes', () => {
  it('wait for each other a short while, and become one transaction', async () => {
    const one = await started();
    for (let i = 10; i < 60; i++)
      one.put('pods', podObject(`p${i}`, `10.0.1.${i}`, { node: 'n2', labels: { app: 'client' } }));
    await one.clock.advance(49);
    expect(one.kernel.applied).toHaveLength(1);
    await one.clock.advance(2);
    expect(one.kernel.applied).toHaveLength(2);
    expect(one.passes('10.0.1.59', WEB, 80)).toBe(true);
    expect(one.committed.at(-1)).toMatchObject({ events: 50, replaced: false });
    expect(one.committed.at(-1)?.latencies).toEqual(Array.from({ length: 50 }, () => 50));
  });

  it('come together where nft is slow: it works a quarter of the time at most', async () => {
    const one = await started();
    const apply = one.kernel.apply.bind(one.kernel);
    one.kernel.apply = (text) => {
      one.clock.spend(40);
      return apply(text);
    };
    await one.clock.advance(1000);
    const begun = one.clock.now();
    for (let i = 0; i < 100; i++) {
      one.put('pods', podObject(`p${i}`, `10.0.2.${i}`, { node: 'n2', labels: { app: 'client' } }));
      await one.clock.advance(20);
    }
    const syncs = one.committed.slice(1);
    expect((syncs.length * 40) / (one.clock.now() - begun)).toBeLessThan(0.26);
    expect(syncs.length).toBeGreaterThan(10);
    // The first had nothing to wait for, and none waited for longer than the limit and nft itself.
    expect(syncs[0]?.latencies).toEqual([90, 70, 50]);
    expect(Math.max(...syncs.flatMap(({ latencies }) => latencies))).toBeLessThanOrEqual(240);
  });

  it('that never end wait no longer than the limit', async () => {
    const one = await started();
    for (let i = 0; i < 40; i++) {
      one.put('pods', podObject(`p${i}`, `10.0.2.${i}`, { node: 'n2', labels: { app: 'client' } }));
      await one.clock.advance(8);
    }
    expect(one.committed.slice(1).map(({ latencies }) => Math.max(...latencies))).toEqual([200]);
  });

  it('that come to nothing write nothing', async () => {
    const one = await started();
    one.put('pods', podObject('brief', '10.0.0.77'));
    one.remove('pods', podObject('brief', '10.0.0.77'));
    one.put('namespaces', namespaceObject('empty'));
    await one.clock.advance(300);
    expect(one.kernel.applied).toHaveLength(1);
  });

  it('during a transaction are in the next one', async () => {
    const one = await started();
    let release: () => void = () => undefined;
    one.kernel.delay = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    one.put('pods', podObject('x', '10.0.1.7', { node: 'n2', labels: { app: 'client' } }));
    await one.clock.advance(60);
    expect(one.kernel.calls.apply).toBe(2);
    one.put('pods', podObject('y', '10.0.1.8', { node: 'n2', labels: { app: 'client' } }));
    await one.clock.advance(500);
    expect(one.kernel.calls.apply).toBe(2);
    one.kernel.delay = () => Promise.resolve();
    release();
    await one.clock.advance(60);
    expect(one.kernel.calls.apply).toBe(3);
    expect(one.kernel.applied.at(-1)).toContain('10.0.1.8');
    expect(one.kernel.applied.at(-1)).not.toContain('10.0.1.7');
  });

  it('of nodes that come and go do not keep the agent compiling', async () => {
    const one = rig({
      wrap: (compiler) => {
        const load = compiler.load.bind(compiler);
        // A second each time, as in a large cluster.
        compiler.load = (cluster, program) => {
          load(cluster, program);
          one.clock.spend(1000);
        };
        return compiler;
      },
    });
    await begin(one);
    const loads = (): number => one.told.filter((line) => line.startsWith('loaded')).length;
    expect(loads()).toBe(1);
    const begun = one.clock.now();
    for (let i = 3; i < 60; i++) {
      one.put('nodes', nodeObject(`n${i}`, `192.168.0.${i}`));
      await one.clock.advance(500);
    }
    // Half a minute, a second for each compilation, ten of rest behind it.
    expect(loads() - 1).toBeLessThanOrEqual(Math.ceil((one.clock.now() - begun) / 10_000));
    // What else changes does not wait for that.
    one.put('networkpolicies', ingressPolicy('web', 'web', 'other', 80));
    await one.clock.advance(100);
    expect(one.passes(OTHER, WEB, 80)).toBe(true);
    await one.clock.advance(15_000);
    expect(one.kernel.content()?.sets.get('in4')?.elements.has('192.168.0.59')).toBe(true);
    expect(one.loop.status()).toMatchObject({ failure: null, pendingSince: null });
  });

  it('of pods before their namespace is known leave nothing open that its labels may close', async () => {
    const one = rig();
    one.list({ ...SHOP, clusternetworkpolicies: [denyTo('prod')] });
    one.loop.start();
    await one.clock.advance(100);
    expect(one.passes(OTHER, '10.0.0.7', 80)).toBe(true);
    one.put('pods', podObject('early', '10.0.0.7', { namespace: 'b' }));
    await one.clock.advance(100);
    expect(one.passes(OTHER, '10.0.0.7', 80)).toBe(false);
    one.put('namespaces', namespaceObject('b', { env: 'test' }));
    await one.clock.advance(2000);
    expect(one.passes(OTHER, '10.0.0.7', 80)).toBe(true);
    one.put('namespaces', namespaceObject('b', { env: 'prod' }));
    await one.clock.advance(2000);
    expect(one.passes(OTHER, '10.0.0.7', 80)).toBe(false);
    // Whoever is in it may still be there, though the server has no such namespace any more.
    one.remove('namespaces', namespaceObject('b'));
    await one.clock.advance(2000);
    expect(one.passes(OTHER, '10.0.0.7', 80)).toBe(false);
  });

  it('of the options take effect without a gap', async () => {
    let deny: 'drop' | 'reject' = 'drop';
    const one = await begin(rig({ layout: () => ({ ...DEFAULT_LAYOUT, deny }) }));
    deny = 'reject';
    one.loop.recompile('configuration');
    await one.clock.advance(100);
    expect(one.kernel.applied).toHaveLength(2);
    expect(one.kernel.applied[1]).not.toContain('delete table');
    const rules = [...(one.kernel.content()?.chains.values() ?? [])].flatMap((chain) => chain.rules);
    expect(rules.join()).toContain('reject');
    expect(one.passes(OTHER, WEB, 80)).toBe(false);
  });
});

describe('the end', () => {
  it('waits for the transaction at hand, and leaves the table', async () => {
    const one = await started();
    let release: () => void = () => undefined;
    one.kernel.delay = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    one.put('networkpolicies', ingressPolicy('web', 'web', 'other', 80));
    await one.clock.advance(60);
    let ended = false;
    const end = one.loop.stop().then(() => {
      ended = true;
    });
    await one.clock.advance(1000);
    expect(ended).toBe(false);
    release();
    await end;
    expect(one.passes(OTHER, WEB, 80)).toBe(true);
    one.put('networkpolicies', ingressPolicy('web', 'web', 'client', 80));
    await one.clock.advance(100_000);
    expect(one.passes(OTHER, WEB, 80)).toBe(true);
  });

  it('does not wait until culprits are found', async () => {
    const one = await started();
    one.kernel.refuses = refusing(666);
    for (let i = 0; i < 8; i++) one.put('networkpolicies', ingressPolicy(`p${i}`, `p${i}`, 'client', 700 + i));
    one.put('networkpolicies', ingressPolicy('web', 'web', 'client', 666));
    one.kernel.delay = () => new Promise((resolve) => one.clock.after(5000, resolve));
    await one.clock.advance(22_000);
    expect(one.kernel.calls.check).toBeGreaterThan(0);
    let ended = false;
    void one.loop.stop().then(() => {
      ended = true;
    });
    await one.clock.advance(5000);
    expect(ended).toBe(true);
  });

  it('comes whatever the clock of the machine says', async () => {
    const one = await started();
    one.clock.setWall(Date.UTC(1999, 0, 1));
    one.put('networkpolicies', ingressPolicy('web', 'web', 'other', 80, { created: '2026-01-01T00:00:00Z' }));
    await one.clock.advance(60);
    expect(one.passes(OTHER, WEB, 80)).toBe(true);
    one.clock.setWall(Date.UTC(2099, 0, 1));
    one.put('networkpolicies', ingressPolicy('web', 'web', 'client', 80));
    await one.clock.advance(60);
    expect(one.passes(OTHER, WEB, 80)).toBe(false);
  });
});
