import { describe, expect, test } from 'vitest';
import { indexCluster } from '../cluster/cluster-index.ts';
import { parseEndpoint } from '../cluster/endpoint-text.ts';
import { findEndpoint } from '../cluster/find.ts';
import type { AskedEnd, Question } from '../engine/explain/answer.ts';
import { unanswerable } from '../engine/explain/answer.ts';
import { inputOf } from '../input/input.ts';
import { readManifests } from '../manifest/read.ts';
import type { VerdictKind } from '../model/verdict.ts';
import { planFlow, type Topology } from './probe-plan.ts';

const WORLD = `
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 10.9.0.1}, {type: InternalIP, address: 'fd09::1'}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: []}}}
${['web-0', 'web-1', 'db-0']
  .map(
    (name, i) => `---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: shop
  labels: {app: ${name.slice(0, -2)}}
  ${name.startsWith('web') ? 'ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, controller: true}]' : ''}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}
status: {podIPs: [{ip: 10.1.0.${i + 1}}, {ip: 'fd01::${i + 1}'}]}
`,
  )
  .join('')}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIPs: [10.2.0.1], selector: {app: web}, ports: [{port: 8080, targetPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: none, namespace: shop}
spec: {clusterIPs: [10.2.0.2], selector: {app: nobody}, ports: [{port: 8080, targetPort: 80}]}
`;
const { cluster } = inputOf(readManifests([{ file: 'w.yaml', text: WORLD }]).objects);
const index = indexCluster(cluster);

const pod = (
  name: string,
  i: number,
  more: object = {},
): [string, Topology['pods'] extends ReadonlyMap<string, infer P> ? P : never] => [
  `shop/${name}`,
  {
    id: `shop/${name}`,
    actor: `shop/${name}`,
    addresses: [`10.1.0.${i}`, `fd01::${i}`],
    listeners: [
      { protocol: 'TCP', port: 80 },
      { protocol: 'SCTP', port: 90 },
    ],
    node: 'n1',
    workload: name,
    ...more,
  },
];
const TOPOLOGY: Topology = {
  pods: new Map([pod('web-0', 1), pod('web-1', 2), pod('db-0', 3)]),
  nodes: new Map([['n1', { name: 'n1', actor: 'node:n1', addresses: ['10.9.0.1', 'fd09::1'] }]]),
  outside: { actor: 'outside', addresses: ['192.0.2.1', '2001:db8::1'], listeners: 'any' },
  impossible: new Map([['SCTP', 'no sockets for it']]),
};

function end(text: string): AskedEnd {
  const parsed = parseEndpoint(text);
  if (!parsed.ok) throw new Error(parsed.message);
  const found = findEndpoint(index, parsed.endpoint, { podFirst: true });
  if (found.kind === 'unknown') throw new Error(found.message);
  return found;
}

function plan(
  src: string,
  dst: string,
  more: Partial<Question> & { readonly verdict?: VerdictKind } = {},
  topology = TOPOLOGY,
) {
  const { verdict = 'denied', ...rest } = more;
  const question: Question = {
    source: end(src),
    destination: end(dst),
    protocol: 'TCP',
    port: 80,
    direction: null,
    ...rest,
  };
  const answer = { question: {}, ...unanswerable(null, 'x'), verdict, undefinedBecause: null };
  return planFlow({ answer, question }, topology);
}
const tries = (...args: Parameters<typeof plan>): readonly string[] =>
  plan(...args).tries.map(
    ({ from, fromAddress, host, port, protocol }) => `${fromAddress ?? from} ${host} ${port} ${protocol}`,
  );

describe('what is tried', () => {
  test('over every family that both pods have', () => {
    expect(tries('shop/db-0', 'shop/web-0')).toEqual(['shop/db-0 10.1.0.1 80 TCP', 'shop/db-0 fd01::1 80 TCP']);
    expect(plan('shop/db-0', 'shop/web-0').tries[0]).toMatchObject({ peers: ['shop/web-0'], nodes: ['n1'] });
  });

  test('over the family of the address that was asked for', () => {
    expect(tries('shop/db-0', 'fd01::1')).toEqual(['shop/db-0 fd01::1 80 TCP']);
  });

  test('between all pods of workloads, but never from one to itself', () => {
    expect(tries('shop/deployment/web', 'shop/deployment/web')).toEqual([
      'shop/web-0 10.1.0.2 80 TCP',
      'shop/web-0 fd01::2 80 TCP',
      'shop/web-1 10.1.0.1 80 TCP',
      'shop/web-1 fd01::1 80 TCP',
    ]);
  });

  test('from one pod to itself where just that is asked', () => {
    expect(tries('shop/db-0', 'shop/db-0')).toHaveLength(2);
  });

  test('to the address of a Service, which any of its pods may answer', () => {
    const { tries: found } = plan('shop/db-0', 'svc/shop/web', { port: 8080 });
    expect(found.map(({ host, port }) => `${host} ${port}`)).toEqual(['10.2.0.1 8080']);
    expect(found[0]?.peers).toEqual(['shop/web-0', 'shop/web-1']);
  });

  test('from the address outside that was asked for, and to it', () => {
    expect(tries('192.0.2.1', 'shop/db-0')).toEqual(['192.0.2.1 10.1.0.3 80 TCP']);
    expect(tries('shop/db-0', '2001:db8::1', { port: 443 })).toEqual(['shop/db-0 2001:db8::1 443 TCP']);
    expect(tries('192.0.2.0/24', 'shop/db-0')).toEqual(['192.0.2.1 10.1.0.3 80 TCP']);
  });

  test('from a node', () => {
    expect(tries('node/n1', 'shop/db-0')).toEqual(['node/n1 10.1.0.3 80 TCP', 'node/n1 fd01::3 80 TCP']);
  });

  test('the port of that name, or every port that something listens on', () => {
    expect(tries('shop/db-0', 'shop/web-0', { port: 'http', protocol: null })).toHaveLength(2);
    expect(tries('shop/db-0', 'shop/web-0', { port: null, protocol: 'TCP' })).toHaveLength(2);
  });
});

describe('what cannot be compared says why', () => {
  test.each([
    ['ICMP', plan('shop/db-0', 'shop/web-0', { protocol: 'ICMP', port: null }), 'ICMP is not probed'],
    ['SCTP', plan('shop/db-0', 'shop/web-0', { protocol: 'SCTP', port: 90 }), 'no sockets for it'],
    ['a port without listener', plan('shop/db-0', 'shop/web-0', { port: 81 }), 'nothing listens on TCP 81 there'],
    ['a name of no port', plan('shop/db-0', 'shop/web-0', { port: 'dns' }), 'no port is named `dns` there'],
    ['a Service without pods', plan('shop/db-0', 'svc/shop/none', { port: 8080 }), 'the Service has no pods'],
    ['no such address outside', plan('203.0.113.9', 'shop/db-0'), 'the outside has no such address here'],
    [
      'one end that allows',
      plan('shop/db-0', 'shop/web-0', { direction: 'egress', verdict: 'allowed' }),
      'a connection needs both ends, and only egress was asked about',
    ],
    ['a port of a node', plan('shop/db-0', 'node/n1', { port: 22 }), 'nothing listens on TCP 22 there'],
  ])('%s', (_, planned, why) => {
    expect(planned).toMatchObject({ tries: [], unverifiable: why });
  });

  test('families that do not meet', () => {
    const four = new Map([pod('web-0', 1), pod('db-0', 3, { addresses: ['fd01::3'] })]);
    const one = new Map([...four, pod('web-0', 1, { addresses: ['10.1.0.1'] })]);
    expect(plan('shop/db-0', 'shop/web-0', {}, { ...TOPOLOGY, pods: one }).unverifiable).toBe(
      'the two ends have no address family in common',
    );
  });

  test('a pod that cannot be asked', () => {
    const pods = new Map([...TOPOLOGY.pods, pod('db-0', 3, { actor: null, whyNot: 'it is asleep' })]);
    expect(plan('shop/db-0', 'shop/web-0', {}, { ...TOPOLOGY, pods }).unverifiable).toBe('it is asleep');
  });

  test('an undefined verdict is tried all the same', () => {
    const planned = plan('shop/db-0', 'shop/web-0', { verdict: 'undefined' });
    expect(planned.tries).toHaveLength(2);
    expect(planned.unverifiable).toBe('the verdict is undefined');
  });

  test('one end that denies is tried: the connection must fail', () => {
    expect(plan('shop/db-0', 'shop/web-0', { direction: 'egress', verdict: 'denied' }).tries).toHaveLength(2);
  });
});
