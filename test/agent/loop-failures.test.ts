import { describe, expect, it } from 'vitest';
import { fakeNft } from '../support/fake-nft.ts';
import { ingressPolicy, nodeObject, podObject } from './objects.ts';
import { rig } from './rig.ts';
import { begin, CLIENT, OTHER, refusing, SHOP, started, WEB } from './shop.ts';

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
