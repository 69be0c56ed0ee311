import { describe, expect, test } from 'vitest';
import { serviceTargets } from '../../src/engine/explain/service-flow.ts';
import { documents, manifestWorld, namespace, networkPolicy, node, pod } from './world.ts';

const MORE = { image: 'c' };

function service(id: string, spec: string): string {
  const [space, name] = id.split('/');
  return `{apiVersion: v1, kind: Service, metadata: {namespace: ${space}, name: ${name}}, spec: ${spec}}`;
}

/** Two pods of one controller that differ in a label. */
function replica(name: string, labels: Readonly<Record<string, string>>, ip: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'shop',
      name,
      labels,
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'u', controller: true }],
    },
    spec: { containers: [{ name: 'c', ...MORE, ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: { podIPs: [{ ip }] },
  });
}

const BASE = documents(
  namespace('shop'),
  namespace('ops'),
  node('n1', '172.16.0.1'),
  node('n2', '172.16.0.2'),
  replica('web-0', { app: 'web', role: 'first' }, '10.0.0.10'),
  replica('web-1', { app: 'web', role: 'second' }, '10.0.0.11'),
  pod('ops/client', { labels: { app: 'client' }, ip: '10.0.1.10', node: 'n1' }),
  pod('shop/db', {
    labels: { app: 'db' },
    ip: '10.0.0.20',
    node: 'n2',
    ports: [
      { name: 'pg', containerPort: 5432 },
      { name: 'metrics', containerPort: 9187 },
    ],
  }),
  networkPolicy(
    'shop/db',
    `{podSelector: {matchLabels: {app: db}}, ingress: [
      {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]},
      {from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.128/25]}}], ports: [{port: pg}]}]}`,
  ),
  networkPolicy('shop/first', '{podSelector: {matchLabels: {role: first}}, ingress: [{ports: [{port: 8080}]}]}'),
  networkPolicy('shop/second', '{podSelector: {matchLabels: {role: second}}, ingress: []}'),
);
const world = manifestWorld(BASE);

describe('workloads', () => {
  test('S1.2: all pods agree, so the workload has their verdict', () => {
    expect(world.ask('shop/statefulset/web', 'shop/db', 5432)).toMatchObject({
      verdict: 'allowed',
      ingress: { decidedBy: 'NetworkPolicy/shop/db#ingress[0]' },
    });
    expect(world.ask('shop/statefulset/web', 'shop/db', 9187).verdict).toBe('denied');
  });

  test('S9.1: pods that differ are named', () => {
    const answer = world.ask('ops/client', 'shop/statefulset/web', 8080);
    expect(answer).toMatchObject({
      verdict: 'undefined',
      egress: { verdict: 'allowed' },
      ingress: { decidedBy: null },
    });
    expect(answer.undefinedBecause).toBe(
      'depends on the destination: allowed for `shop/web-0`, denied for `shop/web-1`',
    );
    expect(answer.ingress?.reasons.slice(0, 2).map((reason) => reason.policy)).toEqual([
      'NetworkPolicy/shop/first',
      'NetworkPolicy/shop/second',
    ]);
  });

  test('S7.2: a workload and itself means its pods among each other', () => {
    const answer = world.ask('shop/statefulset/web', 'shop/statefulset/web', 8080);
    expect(answer.undefinedBecause).toBe('depends on the source: allowed for `shop/web-1`, denied for `shop/web-0`');
  });

  test('S2.14: a port by its name, at each pod', () => {
    expect(world.ask('shop/web-0', 'shop/db', 'pg')).toMatchObject({ verdict: 'allowed' });
    expect(world.ask('shop/web-0', 'shop/db', 'metrics')).toMatchObject({ verdict: 'denied' });
    expect(world.ask('shop/web-0', 'shop/db', 'http').undefinedBecause).toContain('declares no TCP port `http`');
  });

  test('S9.2: a hundred like pods are one question, and a pod that differs is still found', () => {
    const many = Array.from({ length: 99 }, (_, at) =>
      replica(`web-${at + 2}`, { app: 'web', role: 'first' }, `10.0.3.${at}`),
    );
    const big = manifestWorld(documents(BASE, ...many));
    const answer = big.ask('ops/client', 'shop/statefulset/web', 8080);
    expect(answer.undefinedBecause).toBe(
      'depends on the destination: allowed for `shop/web-0` and 99 like it, denied for `shop/web-1`',
    );
    // Blocks tell addresses apart: one of the replicas is cut out by its address alone.
    const hole = networkPolicy(
      'ops/p',
      '{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.3.7/32]}}]}]}',
    );
    const cut = manifestWorld(documents(BASE, ...many, hole)).ask('ops/client', 'shop/statefulset/web', 8080, {
      direction: 'egress',
    });
    expect(cut.verdict).toBe('undefined');
    expect(cut.undefinedBecause).toContain('denied for `shop/web-9`');
  });
});

describe('address ranges', () => {
  test('S2.11: a block whose parts differ is undefined, and the parts are named', () => {
    expect(world.ask('203.0.113.0/26', 'shop/db', 5432)).toMatchObject({
      verdict: 'allowed',
      ingress: { decidedBy: 'NetworkPolicy/shop/db#ingress[1]' },
    });
    expect(world.ask('203.0.113.128/26', 'shop/db', 5432)).toMatchObject({ verdict: 'denied' });
    expect(world.ask('203.0.112.0/23', 'shop/db', 5432).undefinedBecause).toBe(
      'depends on the address: allowed for `203.0.113.0-203.0.113.127`, denied for `203.0.112.0-203.0.112.255` and `203.0.113.128-203.0.113.255`',
    );
    expect(world.ask('2001:db8::/32', 'shop/db', 5432).undefinedBecause).toContain('no common address family');
  });

  test('S7.6: a block that holds pods says that they are left out', () => {
    const answer = world.ask('10.0.0.0/16', 'shop/db', 5432);
    expect(answer.verdict).toBe('denied');
    expect(answer.caveats.join()).toContain('as if they were outside');
  });
});

describe('all ports', () => {
  test('S2.13: each port that something tells apart gets its own line', () => {
    const answer = world.ask('shop/web-0', 'shop/db', null, { protocol: null });
    expect(answer.verdict).toBe('undefined');
    expect(answer.undefinedBecause).toContain('allowed for TCP 5432');
    const lines = answer.ports?.map(
      (line) => `${line.protocol} ${line.first}-${line.last} ${line.verdict} ${line.declared}`,
    );
    expect(lines).toEqual([
      'TCP 1-5431 denied false',
      'TCP 5432-5432 allowed true',
      'TCP 5433-9186 denied false',
      'TCP 9187-9187 denied true',
      'TCP 9188-65535 denied false',
      'UDP 1-65535 denied false',
      'SCTP 1-65535 denied false',
    ]);
  });

  test('S2.5: every port open', () => {
    const answer = world.ask('shop/db', 'ops/client', null, { protocol: null });
    expect(answer.verdict).toBe('allowed');
    expect(answer.ports?.map((line) => [line.protocol, line.first, line.last])).toEqual([
      ['TCP', 1, 65535],
      ['UDP', 1, 65535],
      ['SCTP', 1, 65535],
    ]);
  });
});

describe('Services', () => {
  const services = manifestWorld(
    documents(
      BASE,
      service(
        'shop/db',
        '{selector: {app: db}, ports: [{name: sql, port: 15432, targetPort: pg}, {name: m, port: 80, targetPort: 9187}]}',
      ),
      service('shop/web', '{selector: {app: web}, ports: [{port: 80, targetPort: http}]}'),
      service('shop/none', '{selector: {app: nobody}, ports: [{port: 80}]}'),
      service('shop/alias', '{type: ExternalName, externalName: API.example.com.}'),
      service('shop/lb', '{type: LoadBalancer, selector: {app: db}, ports: [{port: 5432}]}'),
      service(
        'shop/local',
        '{type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: db}, ports: [{port: 5432}]}',
      ),
      service('shop/near', '{internalTrafficPolicy: Local, selector: {app: db}, ports: [{port: 5432}]}'),
      service('shop/headless', '{clusterIP: None, selector: {app: db}, ports: [{port: 80, targetPort: 5432}]}'),
    ),
  );

  test('S6.1: the backend and its port are judged, not those of the Service', () => {
    expect(services.ask('shop/web-0', 'svc/shop/db', 15432)).toMatchObject({
      verdict: 'allowed',
      ingress: { decidedBy: 'NetworkPolicy/shop/db#ingress[0]' },
    });
    expect(services.ask('shop/web-0', 'svc/shop/db', 'sql').verdict).toBe('allowed');
    // Port 80 of the Service is 9187 of the pod, which the policy does not open.
    expect(services.ask('shop/web-0', 'svc/shop/db', 80)).toMatchObject({
      verdict: 'denied',
      ingress: { decidedBy: 'NetworkPolicy/shop/db' },
    });
  });

  test('S6.1: a port that the Service does not have is told with those that it has', () => {
    const answer = services.ask('shop/web-0', 'svc/shop/db', 5432);
    expect(answer.verdict).toBe('undefined');
    expect(answer.undefinedBecause).toContain('15432/TCP (sql)');
    expect(services.ask('shop/web-0', 'svc/shop/db', null, { protocol: 'UDP' }).undefinedBecause).toContain(
      'no UDP ports',
    );
  });

  test('S6.1: without a port, each port of the Service is a line', () => {
    const lines = services.ask('shop/web-0', 'svc/shop/db', null, { protocol: null }).ports;
    expect(lines?.map((line) => [line.first, line.verdict])).toEqual([
      [15432, 'allowed'],
      [80, 'denied'],
    ]);
  });

  test('S6.4: a Service without backends says nothing about any pod', () => {
    const answer = services.ask('shop/web-0', 'svc/shop/none', 80);
    expect(answer.verdict).toBe('undefined');
    expect(answer.undefinedBecause).toContain('no backends');
  });

  test('S6.4: backends that could not be read', () => {
    const unread = { ...services.service('shop/db'), unread: 'pods could not be read: forbidden' };
    expect(serviceTargets({ service: unread, protocol: 'TCP', port: 80, source: null, family: null })).toEqual({
      kind: 'none',
      because: 'the backends of Service `shop/db` are not known: pods could not be read: forbidden',
    });
  });

  test('S6.1: backends that differ', () => {
    const answer = services.ask('ops/client', 'svc/shop/web', 80);
    expect(answer.undefinedBecause).toBe(
      'depends on the destination: allowed for pod `shop/web-0`, denied for pod `shop/web-1`',
    );
  });

  test('S7.4, S11.11: a pod that a Service leads back to', () => {
    const one = manifestWorld(
      documents(
        namespace('a'),
        pod('a/x', { labels: { app: 'x' }, ip: '10.0.0.1' }),
        networkPolicy('a/deny', '{podSelector: {}, policyTypes: [Ingress, Egress]}'),
        service('a/x', '{selector: {app: x}, ports: [{port: 80}]}'),
      ),
    );
    const answer = one.ask('a/x', 'svc/a/x', 80);
    expect(answer).toMatchObject({ verdict: 'allowed', ingress: { decidedBy: null, reasons: [{ kind: 'self' }] } });
    expect(answer.caveats.join()).toContain('S11.11');
  });

  test('S4.6: an ExternalName is its domain', () => {
    const answer = services.ask('shop/db', 'svc/shop/alias', 443);
    expect(answer).toMatchObject({ verdict: 'allowed' });
    expect(answer.ingress?.reasons[0]?.text).toContain('api.example.com');
  });

  test('S6.2: from outside, the backend sees a node unless the traffic policy is Local', () => {
    // n2 is the node of the backend, which always admits it; n1 is not in the block that the policy opens.
    const cluster = services.ask('203.0.113.7', 'svc/shop/lb', 5432);
    expect(cluster.undefinedBecause).toBe(
      'depends on the node through which the connection enters: allowed for node `n2`, denied for node `n1`',
    );
    const local = services.ask('203.0.113.7', 'svc/shop/local', 5432);
    expect(local).toMatchObject({ verdict: 'allowed', ingress: { decidedBy: 'NetworkPolicy/shop/db#ingress[1]' } });
    expect(local.caveats.join()).toContain('externalTrafficPolicy: Local');
    // Pods keep their address, whatever the type of the Service.
    expect(services.ask('ops/client', 'svc/shop/lb', 5432)).toMatchObject({ verdict: 'denied' });
  });

  test('S6.2: without nodes in the input, what depends on the node is undefined', () => {
    const nodeless = manifestWorld(
      documents(
        namespace('a'),
        pod('a/x', { labels: { app: 'x' }, ip: '10.0.0.1' }),
        networkPolicy('a/p', '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}'),
        service('a/x', '{type: NodePort, selector: {app: x}, ports: [{port: 80}]}'),
      ),
    );
    const answer = nodeless.ask('203.0.113.7', 'svc/a/x', 80);
    expect(answer.verdict).toBe('undefined');
    expect(answer.undefinedBecause).toContain('which node the connection comes through is not known');
    expect(JSON.stringify([answer.egress?.reasons, answer.caveats])).not.toContain('host-network');
    expect(answer.egress?.reasons[0]?.text).toBe('some node is governed by no policy');
  });

  test('S6.1: internalTrafficPolicy Local leaves the backends of the own node', () => {
    const answer = services.ask('ops/client', 'svc/shop/near', 5432);
    expect(answer.undefinedBecause).toContain('no backend on the node');
    const target = serviceTargets({
      service: services.service('shop/near'),
      protocol: 'TCP',
      port: 5432,
      source: { kind: 'pod', pod: services.pod('shop/db') },
      family: null,
    });
    expect(target).toMatchObject({ kind: 'targets', targets: [{ port: 5432 }] });
  });

  test('S6.1: nothing translates the ports of a headless Service', () => {
    expect(services.ask('shop/web-0', 'svc/shop/headless', 5432).verdict).toBe('allowed');
    expect(services.ask('shop/web-0', 'svc/shop/headless', 80).verdict).toBe('denied');
  });

  test('S6.1: a Service as source stands for its backends', () => {
    expect(services.ask('svc/shop/web', 'shop/db', 5432).verdict).toBe('allowed');
    expect(services.ask('svc/shop/none', 'shop/db', 5432).verdict).toBe('undefined');
  });
});
