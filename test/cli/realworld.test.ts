/** Manifests that other projects ship, as a user would try them; what is expected is read from their files. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SHARED } from '../conformance/case.ts';
import { cli, json } from './run-cli.ts';

const REALWORLD = join(SHARED, 'realworld');
const there = existsSync(REALWORLD);
if (!there) console.log(`skipped: no manifests of other projects at ${REALWORLD} (set RAMPART_SHARED)`);

const at = (name: string): string => join(REALWORLD, name);
const FOLDERS = ['argo-cd', 'kube-prometheus', 'online-boutique', 'sock-shop', 'recipes'];

describe.runIf(there)('manifests of other projects', () => {
  it.each(FOLDERS)('%s: every command answers', async (name) => {
    for (const command of ['connectivity', 'exposure', 'policies', 'validate']) {
      const { code, out, err } = await cli([command, '-f', at(name)]);
      // Two of them give an object twice, which is said as an error.
      expect([command, code]).toEqual([command, name === 'sock-shop' || name === 'recipes' ? 3 : 0]);
      expect(out).toMatch(/\w/);
      expect(out + err).not.toMatch(/undefined|NaN|\[object |\bnull\b/);
    }
  });

  it.each([
    // The policy admits pods with `name: cart`; the Deployment's have `name: carts`.
    ['sock-shop', 'sock-shop/carts', 'sock-shop/carts-db:27017', 'denied', 'label `name=carts` ≠ `name=cart`'],
    ['sock-shop', 'sock-shop/orders', 'sock-shop/orders-db:27017', 'allowed', ''],
    // The Service's port 80 leads to 8079 of the pods, which the policy opens to all.
    ['sock-shop', 'sock-shop/carts', 'svc/sock-shop/front-end:80', 'allowed', 'TCP 8079'],
    ['online-boutique', 'default/frontend', 'default/adservice:9555', 'allowed', ''],
    ['online-boutique', 'default/loadgenerator', 'default/adservice:9555', 'denied', 'NetworkPolicy/default/adservice'],
    ['argo-cd', 'default/argocd-server', 'default/argocd-redis:6379', 'allowed', ''],
    ['argo-cd', 'default/argocd-dex-server', 'default/argocd-redis:6379', 'denied', 'argocd-redis-network-policy'],
    ['kube-prometheus', 'monitoring/k8s', 'monitoring/grafana:3000', 'allowed', ''],
    ['kube-prometheus', 'monitoring/main', 'monitoring/grafana:3000', 'denied', 'NetworkPolicy/monitoring/grafana'],
  ])('%s: %s → %s is %s', async (name, src, dst, verdict, text) => {
    const report = await json(['explain', src, dst, '-f', at(name), '-q']);
    expect(report.verdict).toBe(verdict);
    const { out } = await cli(['explain', src, dst, '-f', at(name), '-q']);
    expect(out).toContain(text);
    for (const line of out.split('\n')) expect(line).not.toMatch(/\]\s{2,}(?:\/|$)/);
  });

  it('policies without workloads have nobody to connect, and are named', async () => {
    expect((await cli(['connectivity', '-f', at('recipes'), '-q'])).out).toMatch(/^no workloads\n/);
    const { out } = await cli(['policies', '-f', at('recipes'), '-q']);
    expect(out).toContain('select no workload\n  NetworkPolicy/default/api-allow\n');
  });
});
