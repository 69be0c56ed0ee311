import { describe, expect, test } from 'vitest';
import { explainPrepared } from '../../src/engine/explain/explain.ts';
import { type Fix, proposeFix } from '../../src/engine/explain/fix.ts';
import { prepareExplain } from '../../src/engine/explain/prepare.ts';
import {
  clusterPolicy,
  documents,
  type ManifestWorld,
  manifestWorld,
  namespace,
  networkPolicy,
  node,
  pod,
} from './world.ts';

const BASE = documents(
  namespace('shop', { team: 'a' }),
  namespace('ops', { team: 'b' }),
  node('n1', '172.16.0.1'),
  pod('shop/web', { labels: { app: 'web', 'pod-template-hash': 'abc' }, ip: '10.0.0.10', node: 'n1' }),
  pod('shop/db', { labels: { app: 'db' }, ip: '10.0.0.11', node: 'n1' }),
  pod('ops/admin', { labels: { app: 'admin', tier: 'true' }, ip: '10.0.1.10', node: 'n1' }),
  networkPolicy(
    'shop/db',
    '{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]}',
  ),
);

function stepsOf(fix: Fix): readonly string[] {
  return fix.kind === 'none' ? [fix.because] : fix.steps.map((step) => `${step.kind} ${step.direction} ${step.policy}`);
}

/** Writes the proposed manifests beside the others and asks again: the way a user would check it. */
function appliedByHand(base: string, source: string, destination: string, port: number, fix: Fix): string {
  const manifests = fix.kind === 'fix' ? fix.steps.flatMap((step) => (step.yaml === null ? [] : [step.yaml])) : [];
  expect(manifests.length).toBeGreaterThan(0);
  return manifestWorld(documents(base, ...manifests)).ask(source, destination, port).verdict;
}

function denied(world: ManifestWorld, source: string, destination: string, port: number): Fix {
  const flow = world.flow(source, destination, port);
  expect(explainPrepared(world.prepared, flow).verdict).toBe('denied');
  const fix = proposeFix(world.prepared, flow);
  if (fix.kind === 'fix') {
    const after = prepareExplain(fix.program, world.prepared.facts);
    expect(explainPrepared(after, flow).verdict).toBe('allowed');
  }
  return fix;
}

describe('proposals', () => {
  test('S2.13: the nearest rule gets the port', () => {
    const fix = denied(manifestWorld(BASE), 'shop/web', 'shop/db', 5433);
    expect(stepsOf(fix)).toEqual(['change-rule ingress NetworkPolicy/shop/db']);
    expect(fix.kind === 'fix' && fix.steps[0]?.text).toContain('add `port: 5433` to `spec.ingress[0].ports`');
    expect(fix.kind === 'fix' && fix.steps[0]?.origin?.field).toBe('spec.ingress[0]');
  });

  test('S2.6: without a near miss, a new policy for exactly this flow, which holds when it is applied', () => {
    const world = manifestWorld(BASE);
    const fix = denied(world, 'ops/admin', 'shop/db', 9999);
    expect(stepsOf(fix)).toEqual(['new-policy ingress NetworkPolicy/shop/db-from-admin']);
    expect(fix.kind === 'fix' && fix.steps[0]?.yaml).toBe(
      [
        'apiVersion: networking.k8s.io/v1',
        'kind: NetworkPolicy',
        'metadata:',
        '  name: db-from-admin',
        '  namespace: shop',
        'spec:',
        '  podSelector: {matchLabels: {app: db}}',
        '  policyTypes: [Ingress]',
        '  ingress:',
        '    - from:',
        '        - {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}, podSelector: {matchLabels: {app: admin, tier: "true"}}}',
        '      ports:',
        '        - {port: 9999}',
        '',
      ].join('\n'),
    );
    expect(appliedByHand(BASE, 'ops/admin', 'shop/db', 9999, fix)).toBe('allowed');
    // Exactly this flow: another port and another pod stay out.
    if (fix.kind !== 'fix') return;
    const changed = { ...world, prepared: prepareExplain(fix.program, world.prepared.facts) };
    expect(explainPrepared(changed.prepared, world.flow('ops/admin', 'shop/db', 9998)).verdict).toBe('denied');
    expect(explainPrepared(changed.prepared, world.flow('shop/web', 'shop/db', 9999)).verdict).toBe('denied');
  });

  test('S1.2: both ends deny, so both get a policy; labels of one revision stay out of it', () => {
    const base = documents(BASE, networkPolicy('shop/all', '{podSelector: {}, policyTypes: [Ingress, Egress]}'));
    const world = manifestWorld(documents(base, networkPolicy('ops/all', '{podSelector: {}}')));
    const fix = denied(world, 'shop/web', 'ops/admin', 443);
    expect(stepsOf(fix)).toEqual([
      'new-policy egress NetworkPolicy/shop/web-to-admin',
      'new-policy ingress NetworkPolicy/ops/admin-from-web',
    ]);
    const yaml = fix.kind === 'fix' ? fix.steps.map((step) => step.yaml).join() : '';
    expect(yaml).not.toContain('pod-template-hash');
    const whole = documents(base, networkPolicy('ops/all', '{podSelector: {}}'));
    expect(appliedByHand(whole, 'shop/web', 'ops/admin', 443, fix)).toBe('allowed');
  });

  test('S2.11: towards an address, a block of one address', () => {
    const base = documents(BASE, networkPolicy('ops/all', '{podSelector: {}, policyTypes: [Egress]}'));
    const fix = denied(manifestWorld(base), 'ops/admin', '203.0.113.7', 443);
    expect(fix.kind === 'fix' && fix.steps[0]?.yaml).toContain('{ipBlock: {cidr: 203.0.113.7/32}}');
    expect(appliedByHand(base, 'ops/admin', '203.0.113.7', 443, fix)).toBe('allowed');
    const six = documents(base, pod('ops/six', { labels: { app: 'six' }, ip: 'fd00::6', node: 'n1' }));
    const sixth = denied(manifestWorld(six), 'ops/six', '2001:db8::1', 443);
    expect(appliedByHand(six, 'ops/six', '2001:db8::1', 443, sixth)).toBe('allowed');
  });

  test('S5.4: what an admin policy denies, a new NetworkPolicy cannot allow, so none is offered', () => {
    const admin = clusterPolicy(
      'close',
      '{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}',
    );
    const fix = denied(manifestWorld(documents(BASE, admin)), 'shop/web', 'shop/db', 5432);
    expect(stepsOf(fix)[0]).toContain('ClusterNetworkPolicy/close#ingress[0]');
    expect(fix.kind).toBe('none');
  });

  test('S3.2: a near miss that would come too late is not offered', () => {
    const admin = clusterPolicy(
      'close',
      `{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [
        {action: Deny, from: [{namespaces: {}}]},
        {action: Accept, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 81}}}]}]}`,
    );
    expect(denied(manifestWorld(documents(BASE, admin)), 'shop/web', 'shop/db', 80).kind).toBe('none');
  });

  test('S9.1: allowed and undefined flows get none', () => {
    const world = manifestWorld(BASE);
    expect(proposeFix(world.prepared, world.flow('shop/web', 'shop/db', 5432)).kind).toBe('none');
    const missing = [{ resource: 'networkpolicies', group: 'networking.k8s.io', reason: 'forbidden' }];
    const unread = manifestWorld(BASE, { missing });
    expect(proposeFix(unread.prepared, unread.flow('shop/web', 'shop/db', 1)).kind).toBe('none');
  });
});
