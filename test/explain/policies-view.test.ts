import { expect, test } from 'vitest';
import { policiesFor, policiesOf, policiesOverview } from '../../src/engine/explain/policies-view.ts';
import { clusterPolicy, documents, manifestWorld, namespace, networkPolicy, pod } from './world.ts';

const world = manifestWorld(
  documents(
    namespace('shop', { team: 'a' }),
    pod('shop/web', { labels: { app: 'web' } }),
    pod('shop/db', { labels: { app: 'db' } }),
    pod('shop/host', { labels: { app: 'web' }, host: true }),
    networkPolicy(
      'shop/web',
      `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [
        {to: [{podSelector: {matchLabels: {app: db}}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: 5432}, {protocol: UDP, port: 53}]}, {}]}`,
    ),
    clusterPolicy(
      'guard',
      '{tier: Admin, priority: 7, subject: {namespaces: {matchLabels: {team: a}}}, ingress: [{name: out, action: Deny, from: [{namespaces: {}}]}]}',
    ),
  ),
);

test('S2.5, S5.2: the policies of a pod in evaluation order, with isolation by direction', () => {
  const view = policiesOf(world.prepared, world.pod('shop/web'));
  expect(view).toMatchObject({ governed: true, isolated: { ingress: 'no', egress: 'yes' }, unread: [] });
  expect(view.policies.map((one) => [one.policy, one.tier, one.rank, one.isolates])).toEqual([
    ['ClusterNetworkPolicy/guard', 'admin', 7, []],
    ['NetworkPolicy/shop/web', 'networkpolicy', 0, ['egress']],
  ]);
  expect(view.policies[1]?.rules).toMatchObject([
    {
      rule: 'NetworkPolicy/shop/web#egress[0]',
      peers: ['pods `app=db` in namespace `shop`', 'addresses in `10.0.0.0/8` except `10.1.0.0/16`'],
      traffic: ['TCP 5432', 'UDP 53'],
    },
    { rule: 'NetworkPolicy/shop/web#egress[1]', peers: ['anything'], traffic: null },
  ]);
  expect(view.policies[0]?.rules[0]).toMatchObject({
    name: 'out',
    action: 'deny',
    direction: 'ingress',
    traffic: null,
  });
});

test('S7.5: a host-network pod has no policies', () => {
  expect(policiesOf(world.prepared, world.pod('shop/host'))).toMatchObject({ governed: false, policies: [] });
});

test('S9.3: policies that could not be read leave isolation open', () => {
  const { program, facts } = world.prepared;
  const unread = {
    tiers: program.tiers.map((tier) => (tier.name === 'networkpolicy' ? { ...tier, unread: 'no' } : tier)),
  };
  expect(policiesFor(unread, facts, world.pod('shop/db'))).toMatchObject({
    isolated: { ingress: 'maybe', egress: 'maybe' },
    unread: ['networkpolicy: no'],
  });
});

test('S2.1: the overview has every workload once', () => {
  const overview = policiesOverview(world.prepared);
  expect(overview.map((one) => [one.workload, one.policies.map((policy) => policy.policy), one.varies])).toEqual([
    ['shop/db[Pod]', ['ClusterNetworkPolicy/guard'], false],
    ['shop/host[Pod]', [], false],
    ['shop/web[Pod]', ['ClusterNetworkPolicy/guard', 'NetworkPolicy/shop/web'], false],
  ]);
});
