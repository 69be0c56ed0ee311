import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NodeCluster } from './cluster.ts';
import { AGENT, CHART, type Installation, NAMESPACE } from './install.ts';
import { addresses, from, pod, policy, remove, type Source, settled, start, type Target } from './workload.ts';

/** What an administrator may get wrong, and what it does to enforcement. */
export function mistakes(get: () => NodeCluster, installed: () => Installation): void {
  describe('an administrator’s mistakes', () => {
    const space = 'e2e-mistakes';
    const upgrade = (...settings: readonly string[]): Promise<void> => {
      const sets = settings.flatMap((setting) => ['--set', setting]);
      return installed().helm(
        ...['upgrade', 'rampart', CHART, '--reset-then-reuse-values', '--wait', '--timeout=8s', ...sets],
      );
    };
    const revisions = async (): Promise<readonly string[]> =>
      (await get().kubectl('-n', NAMESPACE, 'get', 'secrets', '-l', 'owner=helm', '-o', 'name')).trim().split('\n');
    const ready = async (): Promise<number> =>
      Number(await get().kubectl('-n', NAMESPACE, 'get', 'daemonset', AGENT, '-o=jsonpath={.status.numberReady}'));
    const rolledOut = (): Promise<string> =>
      get().kubectl('-n', NAMESPACE, 'rollout', 'status', `daemonset/${AGENT}`, '--timeout=90s');
    let client: Source;
    let targets: { readonly open: Target; readonly closed: readonly Target[] };
    /** On both nodes. */
    const expectEnforced = async (): Promise<void> => {
      expect(await settled(client, targets.open, 'connected')).toBe('connected');
      for (const closed of targets.closed) expect(await client(closed)).toBe('timeout');
    };

    beforeAll(async () => {
      const c = get();
      await start(
        c,
        space,
        pod(space, 'open', { node: 'node1' }),
        pod(space, 'closed1', { node: 'node1', labels: { closed: 'yes' } }),
        pod(space, 'closed2', { node: 'node2', labels: { closed: 'yes' } }),
        pod(space, 'client', { node: 'node2' }),
        ...['closed1', 'closed2'].map((name) => policy(space, name, name, { ingress: [] })),
      );
      client = from(c, space, 'client');
      const at = async (name: string): Promise<Target> => ({ host: (await addresses(c, space, name))[0], port: 8080 });
      targets = { open: await at('open'), closed: [await at('closed1'), await at('closed2')] };
      for (const closed of targets.closed) expect(await settled(client, closed, 'timeout')).toBe('timeout');
    });
    afterAll(() => remove(get(), space));

    it('values that are wrong are refused before anything changes', async () => {
      const before = await revisions();
      await expect(upgrade('config.deny=refuse')).rejects.toThrow('/config/deny');
      await expect(upgrade('image.tag=latest')).rejects.toThrow('image.tag: `latest`');
      expect(await revisions()).toEqual(before);
      expect(await ready()).toBe(2);
    });

    it('agents that cannot start hold up the first node alone, whose table stays; a rollback mends it', async () => {
      await expect(upgrade('extraArgs={--there-is-none}')).rejects.toThrow();
      expect(await ready()).toBe(1);
      await expectEnforced();
      await installed().helm('rollback', 'rampart');
      await rolledOut();
      expect(await ready()).toBe(2);
      await expectEnforced();
    });

    it('uninstalling without cleaning up leaves the tables, which enforce, and nothing else; installing takes them over', async () => {
      const c = get();
      await installed().helm('uninstall', 'rampart', '--wait');
      for (const node of ['node1', 'node2']) {
        expect((await c.onNode(node, 'nft', 'list', 'tables')).stdout).toContain('table inet rampart\n');
      }
      await expectEnforced();
      const kinds = 'clusterroles,clusterrolebindings';
      const left = await c.kubectl('get', kinds, '-l', 'app.kubernetes.io/part-of=rampart', '-o', 'name');
      const spaced = await c.kubectl('-n', NAMESPACE, 'get', 'ds,sa,cm,secrets,netpol', '-o', 'name');
      expect([left.trim(), spaced.split('\n').filter((name) => name.includes('rampart'))]).toEqual(['', []]);
      await installed().upgrade();
      await expectEnforced();
    });
  });
}
