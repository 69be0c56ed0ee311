import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/manifest/object.ts';
import { DEFAULT_LAYOUT } from '../../src/targets/nftables/layout.ts';
import type { TableContent } from '../../src/targets/nftables/table.ts';
import { fakeNft } from '../support/fake-nft.ts';
import { ingressPolicy, namespaceObject, nodeObject, podObject } from './objects.ts';
import { type Rig, rig } from './rig.ts';

const WEB = '10.0.0.1';
const CLIENT = '10.0.1.1';
const OTHER = '10.0.1.2';

/** Two pods of another node may or may not reach `web`, which is on this one. */
const SHOP = {
  namespaces: [namespaceObject('a')],
  nodes: [nodeObject('n1', '192.168.0.1'), nodeObject('n2', '192.168.0.2')],
  pods: [podObject('web', WEB), podObject('client', CLIENT, { node: 'n2' }), podObject('other', OTHER, { node: 'n2' })],
  networkpolicies: [ingressPolicy('web', 'web', 'client', 80)],
};

async function begin(one: Rig): Promise<Rig> {
  one.list(SHOP);
  one.loop.start();
  await one.clock.advance(100);
  return one;
}

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

const started = (): Promise<Rig> => begin(rig());

/** A port that this kernel does not take in any element. */
function refusing(port: number): (content: TableContent) => string | null {
  return ({ sets }) => {
    for (const { elements } of sets.values()) {
      for (const key of elements.keys())
        if (key.endsWith(` . ${port}`)) return 'Could not process rule: Invalid argument';
    }
    return null;
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

describe('a kernel that fails', () => {
  it('is asked again, later and later, and read before it is trusted', async () => {
    const one = await started();
    one.kernel.accidents.push(...Array.from({ length: 4 }, () => ({ kind: 'broken' }) as const));
    one.put('pods', podObject('x', '10.0.1.7', { node: 'n2', labels: { app: 'client' } }));
    await one.clock.advance(60);
    expect(one.told.slice(1)).toEqual(['failed 250 nft was ended by SIGSEGV']);
    expect(one.loop.status().failure).toBe('nft was ended by SIGSEGV');
    const lists = one.kernel.calls.list;
    await one.clock.advance(250);
    expect(one.kernel.calls.list).toBe(lists + 1);
    await one.clock.advance(5000);
    expect(one.told.slice(2)).toEqual([
      'failed 500 nft was ended by SIGSEGV',
      'failed 1000 nft was ended by SIGSEGV',
      'failed 2000 nft was ended by SIGSEGV',
    ]);
    expect(one.loop.status().failure).toBeNull();
    expect(one.passes('10.0.1.7', WEB, 80)).toBe(true);
  });

  it('has been waited for since it failed, or since the first change that it has not, and not before', async () => {
    const one = await started();
    await one.clock.advance(55_000);
    const waited = (): number | null => {
      const { pendingSince } = one.loop.status();
      return pendingSince === null ? null : one.clock.now() - pendingSince;
    };
    expect(waited()).toBeNull();
    // Nothing has changed; reading the table back is what fails.
    for (let i = 0; i < 3; i++) one.kernel.accidents.push({ kind: 'broken' });
    await one.clock.advance(6000);
    expect(one.told.filter((line) => line.startsWith('failed'))).toHaveLength(3);
    expect(one.loop.status().failure).not.toBeNull();
    expect(waited()).toBeLessThan(2000);
    await one.clock.advance(2000);
    expect(waited()).toBeNull();
    one.kernel.accidents.push({ kind: 'broken' });
    one.put('networkpolicies', ingressPolicy('web', 'web', 'other', 80));
    await one.clock.advance(200);
    expect(waited()).toBe(200);
    await one.clock.advance(2000);
    expect(waited()).toBeNull();
  });

  it('is left alone meanwhile, whatever else is due', async () => {
    const one = await started();
    // A compilation that takes its time: nodes wait for ten times of that, and then for the kernel.
    const after = one.clock.after.bind(one.clock);
    let timers = 0;
    one.clock.after = (ms, then) => {
      if (++timers > 1000) throw new Error('it never rests');
      return after(ms, then);
    };
    const compile = one.loop.compiler();
    const load = compile.load.bind(compile);
    compile.load = (cluster, program) => {
      one.clock.spend(100);
      load(cluster, program);
    };
    one.put('nodes', nodeObject('n3', '192.168.0.3'));
    await one.clock.advance(200);
    for (let i = 0; i < 12; i++) one.kernel.accidents.push({ kind: 'broken' });
    one.put('nodes', nodeObject('n4', '192.168.0.4'));
    one.put('pods', podObject('late', '10.0.1.9', { node: 'n2', labels: { app: 'client' } }));
    await one.clock.advance(60_000);
    expect(one.loop.status().failure).not.toBeNull();
    expect(timers).toBeLessThan(100);
    one.kernel.accidents.length = 0;
    await one.clock.advance(60_000);
    expect(one.loop.status().failure).toBeNull();
    expect(one.passes('10.0.1.9', WEB, 80)).toBe(true);
  });

  it('may have done what it was told all the same', async () => {
    const one = await started();
    one.kernel.accidents.push({ kind: 'broken-after' });
    one.put('networkpolicies', ingressPolicy('web', 'web', 'other', 80));
    await one.clock.advance(1000);
    expect(one.loop.status().failure).toBeNull();
    expect([one.passes(CLIENT, WEB, 80), one.passes(OTHER, WEB, 80)]).toEqual([false, true]);
  });

  it('that refuses once, because it had something else, is brought round', async () => {
    const one = await started();
    // Somebody has taken an element away, which the agent is about to delete.
    one.kernel.tables.get('rampart')?.sets.get('id4')?.elements.clear();
    one.remove('pods', podObject('client', CLIENT, { node: 'n2' }));
    await one.clock.advance(100);
    expect(one.loop.status().failure).toBeNull();
    expect(one.passes(CLIENT, WEB, 80)).toBe(false);
    const fresh = rig();
    fresh.list({ ...SHOP, pods: SHOP.pods.filter((pod) => pod !== SHOP.pods[1]) });
    fresh.loop.start();
    await fresh.clock.advance(100);
    expect(one.kernel.content()?.sets.get('id4')?.elements.size).toBe(
      fresh.kernel.content()?.sets.get('id4')?.elements.size,
    );
  });
});

describe('a policy that the kernel refuses', () => {
  it('closes its own pods and nobody else, until it is mended', async () => {
    const one = await started();
    one.put('pods', podObject('db', '10.0.0.2'));
    one.put('pods', podObject('cache', '10.0.0.3'));
    await one.clock.advance(100);
    one.kernel.refuses = refusing(666);
    one.put('networkpolicies', ingressPolicy('db', 'db', 'client', 666));
    one.put('networkpolicies', ingressPolicy('cache', 'cache', 'client', 6379));
    await one.clock.advance(100);
    expect(one.told.slice(1)).toEqual(['policyFailed NetworkPolicy/a/db']);
    expect(one.loop.status().failedPolicies).toEqual(['NetworkPolicy/a/db']);
    expect(one.loop.status().failure).toBeNull();
    expect(one.passes(CLIENT, '10.0.0.2', 666)).toBe(false);
    expect(one.passes(CLIENT, '10.0.0.3', 6379)).toBe(true);
    expect(one.passes(CLIENT, WEB, 80)).toBe(true);
    expect(one.passes(OTHER, WEB, 80)).toBe(false);
    // Changes of others go on.
    one.put('networkpolicies', ingressPolicy('web', 'web', 'other', 80));
    await one.clock.advance(100);
    expect([one.passes(CLIENT, WEB, 80), one.passes(OTHER, WEB, 80)]).toEqual([false, true]);
    one.put('networkpolicies', ingressPolicy('db', 'db', 'client', 667));
    await one.clock.advance(100);
    expect(one.told.slice(2)).toEqual(['policyHealed NetworkPolicy/a/db']);
    expect(one.passes(CLIENT, '10.0.0.2', 667)).toBe(true);
    expect(one.loop.status().failedPolicies).toEqual([]);
  });

  it('is tried again after a while', async () => {
    const one = await started();
    one.kernel.refuses = refusing(666);
    one.put('networkpolicies', ingressPolicy('web', 'web', 'client', 666));
    await one.clock.advance(100);
    expect(one.loop.status().failedPolicies).toEqual(['NetworkPolicy/a/web']);
    await one.clock.advance(70_000);
    expect(one.loop.status().failedPolicies).toEqual(['NetworkPolicy/a/web']);
    expect(one.told.filter((line) => line.startsWith('policyFailed'))).toHaveLength(1);
    one.kernel.refuses = () => null;
    await one.clock.advance(60_000);
    expect(one.loop.status().failedPolicies).toEqual(['NetworkPolicy/a/web']);
    await one.clock.advance(61_000);
    expect(one.told.at(-1)).toBe('policyHealed NetworkPolicy/a/web');
    expect(one.passes(CLIENT, WEB, 666)).toBe(true);
  });

  it('is looked for as long as it takes: that is no sync that hangs', async () => {
    const one = await started();
    one.kernel.refuses = refusing(666);
    for (let i = 0; i < 8; i++) one.put('networkpolicies', ingressPolicy(`p${i}`, `p${i}`, 'client', 700 + i));
    one.put('networkpolicies', ingressPolicy('web', 'web', 'client', 666));
    one.kernel.delay = () => new Promise((resolve) => one.clock.after(5000, resolve));
    let worked = 0;
    let longest = 0;
    while (one.loop.status().failedPolicies.length === 0 && worked < 200_000) {
      await one.clock.advance(1000);
      worked += 1000;
      const { workingSince } = one.loop.status();
      longest = Math.max(longest, workingSince === null ? 0 : one.clock.now() - workingSince);
    }
    expect(one.loop.status().failedPolicies).toEqual(['NetworkPolicy/a/web']);
    expect(worked).toBeGreaterThan(30_000);
    expect(longest).toBeLessThanOrEqual(5000);
  });

  it('is not blamed where no policy is', async () => {
    const one = await started();
    one.kernel.refuses = () => 'Could not process rule: Operation not supported';
    one.put('networkpolicies', ingressPolicy('web', 'web', 'other', 80));
    await one.clock.advance(100);
    expect(one.loop.status().failedPolicies).toEqual([]);
    expect(one.loop.status().failure).toContain('Operation not supported');
    // What was there stays in force.
    expect([one.passes(CLIENT, WEB, 80), one.passes(OTHER, WEB, 80)]).toEqual([true, false]);
    one.kernel.refuses = () => null;
    await one.clock.advance(2000);
    expect([one.passes(CLIENT, WEB, 80), one.passes(OTHER, WEB, 80)]).toEqual([false, true]);
  });

  it('that cannot be compiled leaves the table, and the rest is tried from the beginning', async () => {
    let poison = false;
    const one = await begin(
      rig({
        wrap: (compiler) => {
          const settle = compiler.settle.bind(compiler);
          compiler.settle = () => {
            if (poison) throw new Error('poisoned');
            settle();
          };
          return compiler;
        },
      }),
    );
    poison = true;
    one.put('networkpolicies', ingressPolicy('web', 'web', 'other', 80));
    await one.clock.advance(100);
    expect(one.loop.status().failure).toContain('poisoned');
    expect([one.passes(CLIENT, WEB, 80), one.passes(OTHER, WEB, 80)]).toEqual([true, false]);
    poison = false;
    await one.clock.advance(1000);
    expect(one.loop.status().failure).toBeNull();
    expect([one.passes(CLIENT, WEB, 80), one.passes(OTHER, WEB, 80)]).toEqual([false, true]);
  });
});

describe('a table that somebody else changes', () => {
  it('is made again soon after it was flushed', async () => {
    const one = await started();
    one.kernel.tables.clear();
    await one.clock.advance(5000);
    expect(one.told.slice(1)).toEqual(['drifted gone']);
    expect([one.passes(CLIENT, WEB, 80), one.passes(OTHER, WEB, 80)]).toEqual([true, false]);
  });

  it('is mended when it is read back', async () => {
    const one = await started();
    const table = one.kernel.tables.get('rampart');
    const chain = table?.chains.get('deny_ingress');
    chain?.rules.splice(0, chain.rules.length, 'accept');
    table?.sets.get('in4')?.elements.clear();
    expect(one.passes(OTHER, WEB, 80)).toBe(true);
    await one.clock.advance(60_000);
    expect(one.told.slice(1)).toEqual(['drifted changed']);
    expect(one.passes(OTHER, WEB, 80)).toBe(false);
    expect(one.kernel.applied.at(-1)).not.toContain('delete table');
  });

  it('costs nothing while nobody does', async () => {
    const one = await started();
    const { list, check } = { ...one.kernel.calls };
    await one.clock.advance(600_000);
    expect(one.kernel.applied).toHaveLength(1);
    expect(one.kernel.calls.list - list).toBe(10);
    expect(one.kernel.calls.check - check).toBeLessThanOrEqual(120);
  });

  it('is read less often where that takes long', async () => {
    const one = await started();
    let slow = true;
    one.kernel.delay = () => new Promise((resolve) => one.clock.after(slow ? 2000 : 0, resolve));
    const { list } = one.kernel.calls;
    await one.clock.advance(65_000);
    expect(one.kernel.calls.list - list).toBe(1);
    slow = false;
    await one.clock.advance(90_000);
    expect(one.kernel.calls.list - list).toBe(1);
    await one.clock.advance(20_000);
    expect(one.kernel.calls.list - list).toBe(2);
  });

  it('is known to be there by looking for it, however seldom it is read', async () => {
    const one = await begin(rig({ timing: { verifyMs: 86_400_000 } }));
    await one.clock.advance(3_600_000);
    expect(one.clock.wall() - (one.loop.status().lastSuccessWall ?? 0)).toBeLessThanOrEqual(5000);
    // Nobody can tell while nft does not answer.
    one.kernel.check = () => Promise.resolve({ kind: 'broken', message: 'killed', signal: null });
    await one.clock.advance(600_000);
    expect(one.clock.wall() - (one.loop.status().lastSuccessWall ?? 0)).toBeGreaterThan(590_000);
  });

  it('of another name is never touched', async () => {
    const kernel = fakeNft('rampart');
    await kernel.apply('add table inet other\nadd chain inet other c\nadd rule inet other c drop\n');
    const one = await begin(rig({ kernel }));
    one.put('networkpolicies', ingressPolicy('web', 'web', 'other', 80));
    await one.clock.advance(120_000);
    expect(kernel.tables.get('other')?.chains.get('c')?.rules).toEqual(['drop']);
    expect(kernel.applied.slice(1).join('')).not.toContain('inet other');
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
