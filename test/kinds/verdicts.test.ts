/** The clauses on evaluation, from manifests to verdicts, by the reference evaluator and the compiled engine alike. */
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type Family, parseIp } from '../../src/base/ip.ts';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { verdict } from '../../src/engine/compiled/evaluate.ts';
import { factsOf } from '../../src/engine/match.ts';
import { referenceVerdict } from '../../src/engine/reference.ts';
import { type Input, inputOf } from '../../src/input/input.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import type { Protocol } from '../../src/model/match.ts';
import type { VerdictKind } from '../../src/model/verdict.ts';
import { objectOf } from './sample.ts';

const CLUSTER = `
{ apiVersion: v1, kind: Namespace, metadata: { name: red, labels: { team: red } } }
---
{ apiVersion: v1, kind: Namespace, metadata: { name: blue, labels: { team: blue } } }
---
apiVersion: v1
kind: Node
metadata: { name: n1, labels: { zone: a } }
status: { addresses: [{ type: Hostname, address: n1 }, { type: InternalIP, address: 10.0.0.1 }, { type: ExternalIP, address: 203.0.113.1 }] }
---
apiVersion: v1
kind: Node
metadata: { name: n2, labels: { zone: b } }
status: { addresses: [{ type: InternalIP, address: 10.0.0.2 }] }
---
${pod('red', 'web', 'n1', ['10.244.1.1'], '[{ name: main, ports: [{ name: http, containerPort: 80 }, { name: pg, containerPort: 99 }] }]')}
---
${pod('red', 'db', 'n2', ['10.244.1.2'], '[{ name: main, ports: [{ name: pg, containerPort: 5432 }] }]')}
---
${pod('red', 'dual', 'n1', ['10.244.1.9', 'fd00::19'])}
---
${pod('blue', 'web', 'n1', ['10.244.2.1'])}
---
${pod('blue', 'dual', 'n2', ['10.244.2.9', 'fd00::29'])}
---
${pod('blue', 'two', 'n2', ['10.244.2.2'], '[{ name: a, ports: [{ name: m, containerPort: 81 }] }, { name: b, ports: [{ name: m, containerPort: 82 }] }]')}
---
apiVersion: v1
kind: Pod
metadata: { name: side, namespace: blue, labels: { app: side } }
spec:
  nodeName: n2
  initContainers:
    - { name: proxy, restartPolicy: Always, ports: [{ name: proxy, containerPort: 9000 }] }
    - { name: init, ports: [{ name: init, containerPort: 9001 }] }
  containers: [{ name: main }]
status: { phase: Running, podIP: 10.244.2.3, podIPs: [{ ip: 10.244.2.3 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: agent, namespace: red, labels: { app: agent } }
spec: { nodeName: n2, hostNetwork: true, containers: [{ name: main }] }
status: { phase: Running, podIP: 10.0.0.2, podIPs: [{ ip: 10.0.0.2 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: api, namespace: red }
spec:
  replicas: 2
  selector: { matchLabels: { app: api } }
  template: { metadata: { labels: { app: api } }, spec: { containers: [{ name: main }] } }
`;

function pod(
  namespace: string,
  name: string,
  node: string,
  addresses: readonly string[],
  containers = '[{ name: main }]',
): string {
  const ips = addresses.map((ip) => `{ ip: "${ip}" }`).join(', ');
  return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} } }
spec: { nodeName: ${node}, containers: ${containers} }
status: { phase: Running, podIP: "${addresses[0]}", podIPs: [${ips}] }`;
}

let serial = 0;

function np(namespace: string, spec: string): string {
  return `{ apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: { name: p${serial++}, namespace: ${namespace} }, spec: ${spec} }`;
}

function cnp(tier: string, priority: number, subject: string, rest: string): string {
  return `{ apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: { name: c${serial++} }, spec: { tier: ${tier}, priority: ${priority}, subject: ${subject}, ${rest} } }`;
}

const RED = '{ namespaces: { matchLabels: { team: red } } }';
const BLUE = '{ namespaces: { matchLabels: { team: blue } } }';
const ANYONE = '{ namespaces: {} }';
const ANY_ADDRESS = '{ networks: ["0.0.0.0/0", "::/0"] }';
const CLOSED = '{ podSelector: {}, policyTypes: [Ingress, Egress] }';

function inputWith(policies: readonly string[]): Input {
  const documents = parseAllDocuments([CLUSTER, ...policies].join('\n---\n')).map((each) => each.toJS() as JsonObject);
  const input = inputOf(documents.map(objectOf));
  const refused = input.diagnostics.filter((diagnostic) => diagnostic.refused === true);
  expect(refused.map(({ message }) => message)).toEqual([]);
  return input;
}

/** `namespace/pod`, `node/name`, `node/name/address`, `fqdn:name`, an address, or (a Deployment's pod) `namespace/name`. */
function endpointIn(input: Input, text: string): Endpoint {
  const address = parseIp(text);
  if (address !== null) return { kind: 'external', address };
  if (text.startsWith('fqdn:')) return { kind: 'domain', name: text.slice(5) };
  const [first, second, third] = text.split('/');
  if (first === 'node') {
    const node = input.cluster.nodes.find(({ name }) => name === second);
    if (node === undefined) throw new Error(text);
    return { kind: 'node', node, address: third === undefined ? null : parseIp(third) };
  }
  const workload = input.cluster.workloads.find(({ namespace, name }) => namespace === first && name === second);
  const [only] = workload?.pods ?? [];
  if (only === undefined) throw new Error(text);
  return { kind: 'pod', pod: only };
}

interface Question {
  readonly protocol?: Protocol;
  readonly port?: number;
  readonly family?: Family;
  readonly viaService?: boolean;
}

/** A function that asks both evaluators and insists that they agree. */
function asking(
  ...policies: readonly string[]
): (source: string, destination: string, question?: Question) => VerdictKind {
  const input = inputWith(policies);
  const facts = factsOf(input.cluster);
  const compiled = new CompiledProgram(input.program, input.cluster);
  return (source, destination, question = {}) => {
    const protocol = question.protocol ?? 'TCP';
    const flow: Flow = {
      source: endpointIn(input, source),
      destination: endpointIn(input, destination),
      protocol,
      port: protocol.startsWith('ICMP') ? null : (question.port ?? 80),
      family: question.family ?? null,
      viaService: question.viaService ?? false,
    };
    const reference = referenceVerdict(input.program, flow, facts);
    expect(verdict(compiled, flow)).toBe(reference);
    return reference;
  };
}

describe('both ends', () => {
  test('S5.5 without policies everything is allowed', () => {
    const ask = asking();
    expect(ask('red/web', 'blue/web')).toBe('allowed');
    expect(ask('red/web', '198.51.100.7')).toBe('allowed');
    expect(ask('198.51.100.7', 'red/web', { protocol: 'ICMP' })).toBe('allowed');
  });

  test('S1.2 both ends must allow', () => {
    const from = np(
      'red',
      '{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ namespaceSelector: { matchLabels: { team: blue } } }] }] }',
    );
    const to = np(
      'blue',
      '{ podSelector: {}, ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: web } } }] }] }',
    );
    const ask = asking(from, to);
    expect(ask('red/web', 'blue/web')).toBe('allowed');
    expect(ask('red/db', 'blue/web')).toBe('denied');
    expect(ask('red/web', 'red/db')).toBe('denied');
  });

  test('S1.8 an end that cannot be reached can still call', () => {
    const ask = asking(np('red', '{ podSelector: {}, policyTypes: [Ingress] }'));
    expect(ask('red/web', 'blue/web')).toBe('allowed');
    expect(ask('blue/web', 'red/web')).toBe('denied');
  });

  test('S5.1 an end is governed by the policies that select its pod', () => {
    const ask = asking(cnp('Admin', 1, BLUE, `egress: [{ action: Deny, to: [${RED}] }]`));
    expect(ask('blue/web', 'red/web')).toBe('denied');
    expect(ask('red/web', 'blue/web')).toBe('allowed');
    expect(ask('blue/web', 'blue/dual')).toBe('allowed');
  });

  test('S11.14 a verdict is about a new connection under the policies given', () => {
    expect(asking()('blue/web', 'red/web')).toBe('allowed');
    expect(asking(np('red', CLOSED))('blue/web', 'red/web')).toBe('denied');
  });
});

describe('endpoints', () => {
  test('S1.10 finished pods are no endpoints, terminating ones are', () => {
    const lifecycle = (name: string, metadata: string, phase: string): string =>
      `{ apiVersion: v1, kind: Pod, metadata: { name: ${name}, namespace: red${metadata} }, spec: { nodeName: n1, containers: [{ name: main }] }, status: { phase: ${phase}, podIP: 10.244.1.200 } }`;
    const { cluster } = inputWith([
      lifecycle('done', '', 'Succeeded'),
      lifecycle('failed', '', 'Failed'),
      lifecycle('leaving', ', deletionTimestamp: "2026-01-01T00:00:00Z"', 'Running'),
    ]);
    const names = cluster.workloads.map(({ name }) => name);
    expect(['done', 'failed', 'leaving'].map((name) => names.includes(name))).toEqual([false, false, true]);
  });

  test('S6.1 and S11.13 traffic to a Service is judged on the address and port of its backends', () => {
    const service =
      '{ apiVersion: v1, kind: Service, metadata: { name: web, namespace: red }, spec: { clusterIP: 10.96.0.7, selector: { app: web }, ports: [{ port: 443, targetPort: http }] } }';
    const policy = np('red', '{ podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] }');
    const { cluster } = inputWith([service, policy]);
    const backends = cluster.services.flatMap((each) => each.backends);
    expect(backends.map(({ pod, ports }) => [pod?.name, ports.map((to) => [to.service.port, to.port])])).toEqual([
      ['web', [[443, 80]]],
    ]);
    const ask = asking(service, policy);
    expect(ask('blue/web', 'red/web', { port: 80, viaService: true })).toBe('allowed');
    expect(ask('blue/web', 'red/web', { port: 443, viaService: true })).toBe('denied');
  });
});

describe('tiers', () => {
  const allowAll = np('red', '{ podSelector: {}, ingress: [{}] }');
  const allowNone = np('red', '{ podSelector: {}, policyTypes: [Ingress] }');

  test('S2.5 isolation is per pod and direction', () => {
    const ask = asking(np('red', '{ podSelector: { matchLabels: { app: web } }, policyTypes: [Ingress] }'));
    expect(ask('blue/web', 'red/web')).toBe('denied');
    expect(ask('red/web', 'blue/web')).toBe('allowed');
    expect(ask('blue/web', 'red/db')).toBe('allowed');
  });

  test('S3.5 Accept and Deny end it, Pass skips the rest of the tier', () => {
    const rule = (action: string): string => `ingress: [{ action: ${action}, from: [${BLUE}] }]`;
    const deny = cnp('Admin', 9, RED, rule('Deny'));
    expect(asking(cnp('Admin', 1, RED, rule('Accept')), deny)('blue/web', 'red/web')).toBe('allowed');
    expect(
      asking(cnp('Admin', 1, RED, rule('Deny')), cnp('Admin', 9, RED, rule('Accept')))('blue/web', 'red/web'),
    ).toBe('denied');
    expect(asking(cnp('Admin', 1, RED, rule('Pass')), deny)('blue/web', 'red/web')).toBe('allowed');
    expect(asking(cnp('Admin', 1, RED, rule('Pass')), deny, allowNone)('blue/web', 'red/web')).toBe('denied');
    expect(asking(deny)('blue/web', 'red/web')).toBe('denied');
  });

  test('S3.6, S9.4 and S11.2 equal priorities are undefined where their order matters', () => {
    const rule = (action: string): string => `ingress: [{ action: ${action}, from: [${BLUE}] }]`;
    const ask = asking(cnp('Admin', 5, RED, rule('Accept')), cnp('Admin', 5, RED, rule('Deny')));
    expect(ask('blue/web', 'red/web')).toBe('undefined');
    expect(ask('red/db', 'red/web')).toBe('allowed');
    expect(asking(cnp('Admin', 5, RED, rule('Deny')), cnp('Admin', 5, RED, rule('Deny')))('blue/web', 'red/web')).toBe(
      'denied',
    );
    expect(
      asking(cnp('Admin', 5, RED, rule('Accept')), cnp('Admin', 6, RED, rule('Deny')))('blue/web', 'red/web'),
    ).toBe('allowed');
    const decided = cnp('Admin', 4, RED, rule('Deny'));
    expect(
      asking(decided, cnp('Admin', 5, RED, rule('Accept')), cnp('Admin', 5, RED, rule('Deny')))('blue/web', 'red/web'),
    ).toBe('denied');
  });

  test('S5.3 NetworkPolicy is final for what it isolates', () => {
    const baseline = cnp('Baseline', 1, RED, `ingress: [{ action: Accept, from: [${ANYONE}] }]`);
    expect(asking(allowNone, baseline)('blue/web', 'red/web')).toBe('denied');
    const guard = cnp('Baseline', 1, RED, `ingress: [{ action: Deny, from: [${ANYONE}] }]`);
    expect(asking(allowAll, guard)('blue/web', 'red/web')).toBe('allowed');
    expect(asking(guard)('blue/web', 'red/web')).toBe('denied');
  });

  test('S5.4 an admin verdict stands for its own end', () => {
    const deny = cnp('Admin', 1, RED, `ingress: [{ action: Deny, from: [${BLUE}] }]`);
    const accept = cnp('Admin', 1, RED, `ingress: [{ action: Accept, from: [${BLUE}] }]`);
    expect(asking(deny, allowAll)('blue/web', 'red/web')).toBe('denied');
    expect(asking(accept, allowNone)('blue/web', 'red/web')).toBe('allowed');
    expect(asking(accept, np('blue', '{ podSelector: {}, policyTypes: [Egress] }'))('blue/web', 'red/web')).toBe(
      'denied',
    );
  });

  test('S5.5 and S11.1 the baseline judges the direction that no NetworkPolicy isolates', () => {
    const guard = cnp(
      'Baseline',
      1,
      RED,
      `ingress: [{ action: Deny, from: [${ANYONE}] }], egress: [{ action: Deny, to: [${ANYONE}] }]`,
    );
    const ask = asking(guard, np('red', '{ podSelector: {}, policyTypes: [Egress], egress: [{}] }'));
    expect(ask('blue/web', 'red/web')).toBe('denied');
    expect(ask('red/web', 'blue/web')).toBe('allowed');
  });
});

describe('special traffic', () => {
  test('S7.1 the own node reaches its pods, another one is judged', () => {
    const ask = asking(np('red', CLOSED));
    expect(ask('node/n1', 'red/web')).toBe('allowed');
    expect(ask('node/n2', 'red/web')).toBe('denied');
    expect(ask('red/agent', 'red/db')).toBe('allowed');
  });

  test('S7.2 a pod reaches itself, and not its replicas', () => {
    const deny = cnp('Admin', 1, RED, `egress: [{ action: Deny, to: [${ANY_ADDRESS}] }]`);
    const ask = asking(np('red', CLOSED), deny);
    expect(ask('red/web', 'red/web')).toBe('allowed');
    expect(ask('red/api', 'red/api')).toBe('denied');
  });

  test('S7.3 and S11.3 isolation does not cut a pod off its own node, an admin rule does', () => {
    const ask = asking(np('red', CLOSED));
    expect(ask('red/web', 'node/n1')).toBe('allowed');
    expect(ask('red/web', 'node/n2')).toBe('denied');
    expect(ask('red/db', 'red/agent')).toBe('allowed');
    expect(asking(cnp('Admin', 1, RED, 'egress: [{ action: Deny, to: [{ nodes: {} }] }]'))('red/web', 'node/n1')).toBe(
      'denied',
    );
  });

  test('S7.4 and S11.11 a pod reaches itself through a Service unless an admin or baseline rule denies', () => {
    const hairpin = { viaService: true };
    expect(asking(np('red', CLOSED))('red/web', 'red/web', hairpin)).toBe('allowed');
    const deny = (tier: string): string => cnp(tier, 1, RED, `egress: [{ action: Deny, to: [${RED}] }]`);
    expect(asking(deny('Admin'))('red/web', 'red/web', hairpin)).toBe('denied');
    expect(asking(deny('Baseline'))('red/web', 'red/web', hairpin)).toBe('denied');
    expect(asking(deny('Admin'))('red/web', 'red/web')).toBe('allowed');
  });

  test('S7.5 and S11.12 a host-network pod is its node: no selector means it, blocks and nodes do', () => {
    const byPod = asking(np('red', '{ podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }'));
    expect(byPod('red/db', 'red/web')).toBe('allowed');
    expect(byPod('red/agent', 'red/web')).toBe('denied');
    const byBlock = asking(np('red', '{ podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.2/32 } }] }] }'));
    expect(byBlock('red/agent', 'red/web')).toBe('allowed');
    expect(asking(np('red', CLOSED))('red/agent', 'blue/web')).toBe('allowed');
    const byNode = asking(
      cnp('Admin', 1, BLUE, 'egress: [{ action: Deny, to: [{ nodes: { matchLabels: { zone: b } } }] }]'),
    );
    expect(byNode('blue/web', 'red/agent')).toBe('denied');
    const byNamespace = asking(cnp('Admin', 1, BLUE, `egress: [{ action: Deny, to: [${RED}] }]`));
    expect(byNamespace('blue/web', 'red/agent')).toBe('allowed');
    expect(byNamespace('blue/web', 'red/db')).toBe('denied');
  });

  test('S7.6 no policy governs nodes and addresses outside of the cluster', () => {
    const ask = asking(cnp('Admin', 1, ANYONE, `egress: [{ action: Deny, to: [${ANY_ADDRESS}, { nodes: {} }] }]`));
    expect(ask('node/n2', 'blue/web')).toBe('allowed');
    expect(ask('198.51.100.7', 'blue/web')).toBe('allowed');
    expect(ask('blue/web', '198.51.100.7')).toBe('denied');
  });

  test('S7.7 and S11.4 ICMP is matched by rules without ports', () => {
    const icmp = { protocol: 'ICMP' } as const;
    expect(asking(np('red', '{ podSelector: {}, ingress: [{}] }'))('blue/web', 'red/web', icmp)).toBe('allowed');
    const ports = np(
      'red',
      '{ podSelector: {}, ingress: [{ ports: [{ protocol: TCP }, { protocol: UDP }, { protocol: SCTP }] }] }',
    );
    expect(asking(ports)('blue/web', 'red/web', icmp)).toBe('denied');
    expect(asking(ports)('red/web', 'blue/web', icmp)).toBe('allowed');
    const deny = cnp(
      'Admin',
      1,
      RED,
      `ingress: [{ action: Deny, from: [${BLUE}], protocols: [{ tcp: { destinationPort: { range: { start: 1, end: 65535 } } } }] }]`,
    );
    expect(asking(deny)('blue/web', 'red/web', icmp)).toBe('allowed');
    expect(
      asking(cnp('Admin', 1, RED, `ingress: [{ action: Deny, from: [${BLUE}] }]`))('blue/web', 'red/web', icmp),
    ).toBe('denied');
  });
});

describe('addresses and ports', () => {
  test('S2.11 a block means pods too, and its holes are open to other peers', () => {
    const ask = asking(
      np(
        'red',
        '{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: 10.244.0.0/16, except: [10.244.2.0/24] } }, { ipBlock: { cidr: 10.244.2.9/32 } }] }] }',
      ),
    );
    expect(ask('red/web', 'red/db')).toBe('allowed');
    expect(ask('red/web', 'blue/web')).toBe('denied');
    expect(ask('red/web', 'blue/dual', { family: 4 })).toBe('allowed');
  });

  test('S2.14 and S3.11 a named port is the number that the destination gives it', () => {
    const byName = (protocol: string): string =>
      `{ podSelector: {}, ingress: [{ ports: [{ port: pg, protocol: ${protocol} }] }] }`;
    const ask = asking(np('red', byName('TCP')));
    expect(ask('blue/web', 'red/web', { port: 99 })).toBe('allowed');
    expect(ask('blue/web', 'red/web', { port: 5432 })).toBe('denied');
    expect(ask('blue/web', 'red/db', { port: 5432 })).toBe('allowed');
    expect(asking(np('red', byName('UDP')))('blue/web', 'red/db', { port: 5432, protocol: 'UDP' })).toBe('denied');
    const deny = asking(
      cnp('Admin', 1, BLUE, `egress: [{ action: Deny, to: [${RED}], protocols: [{ destinationNamedPort: pg }] }]`),
    );
    expect(deny('blue/web', 'red/db', { port: 5432 })).toBe('denied');
    expect(deny('blue/web', 'red/db', { port: 5432, protocol: 'UDP' })).toBe('allowed');
  });

  test('S11.5 a named port matches no address outside of the cluster', () => {
    const ask = asking(
      np(
        'red',
        '{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: 0.0.0.0/0 } }], ports: [{ port: pg }] }] }',
      ),
    );
    expect(ask('red/web', '198.51.100.7', { port: 5432 })).toBe('denied');
    expect(ask('red/web', 'red/db', { port: 5432 })).toBe('allowed');
  });

  test('S11.21 a name that two containers give means both ports', () => {
    const ask = asking(np('blue', '{ podSelector: {}, ingress: [{ ports: [{ port: m }] }] }'));
    expect([81, 82, 83].map((port) => ask('red/web', 'blue/two', { port }))).toEqual(['allowed', 'allowed', 'denied']);
  });

  test('S1.11 native sidecars name ports, other init containers do not', () => {
    const ask = asking(np('blue', '{ podSelector: {}, ingress: [{ ports: [{ port: proxy }, { port: init }] }] }'));
    expect([9000, 9001].map((port) => ask('red/web', 'blue/side', { port }))).toEqual(['allowed', 'denied']);
  });

  test('S11.17 a node has its internal and its external address', () => {
    const input = inputWith([]);
    expect(input.cluster.nodes.map(({ addresses }) => addresses)).toEqual([
      [parseIp('10.0.0.1'), parseIp('203.0.113.1')],
      [parseIp('10.0.0.2')],
    ]);
    const one = cnp('Admin', 1, RED, 'egress: [{ action: Deny, to: [{ networks: [10.0.0.1/32] }] }]');
    expect(asking(one)('red/db', 'node/n1/10.0.0.1')).toBe('denied');
    expect(asking(one)('red/db', 'node/n1/203.0.113.1')).toBe('allowed');
    expect(asking(one)('red/db', 'node/n1')).toBe('undefined');
  });

  test('S8.1 each family is judged for itself', () => {
    const ask = asking(np('blue', '{ podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 10.244.0.0/16 } }] }] }'));
    expect(ask('red/dual', 'blue/dual', { family: 4 })).toBe('allowed');
    expect(ask('red/dual', 'blue/dual', { family: 6 })).toBe('denied');
    expect(ask('red/dual', 'blue/dual')).toBe('undefined');
    expect(ask('red/web', 'blue/dual')).toBe('allowed');
  });

  test('S9.1 and S9.2 an unknown address makes undefined what could go either way, and nothing else', () => {
    const block = (cidr: string): string =>
      np('blue', `{ podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: ${cidr} } }], ports: [{ port: 80 }] }] }`);
    expect(asking(block('10.244.0.0/16'))('red/api', 'blue/web')).toBe('undefined');
    expect(asking(block('10.244.0.0/16'))('red/api', 'blue/web', { port: 81 })).toBe('denied');
    expect(asking(block('0.0.0.0/0'))('red/api', 'blue/web')).toBe('allowed');
    const either = np(
      'blue',
      '{ podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 10.244.0.0/16 } }, { namespaceSelector: {} }] }] }',
    );
    expect(asking(either)('red/api', 'blue/web')).toBe('allowed');
  });

  test('S4.6 domain names', () => {
    const ask = asking(
      cnp(
        'Admin',
        1,
        RED,
        `egress: [{ action: Accept, to: [{ domainNames: [api.example.com, "*.example.org"] }] }, { action: Deny, to: [${ANY_ADDRESS}] }]`,
      ),
    );
    expect(ask('red/web', 'fqdn:api.example.com')).toBe('allowed');
    expect(ask('red/web', 'fqdn:www.api.example.com')).toBe('denied');
    expect(ask('red/web', 'fqdn:a.b.example.org')).toBe('allowed');
    expect(ask('red/web', 'fqdn:example.org')).toBe('denied');
    expect(ask('red/web', '198.51.100.7')).toBe('undefined');
    expect(ask('red/web', 'blue/web', { port: 53, protocol: 'UDP' })).toBe('denied');
  });

  test('S3.12 tenants by the labels of their namespaces', () => {
    const anp = (field: string): string =>
      `{ apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: { name: a${serial++} }, spec: { priority: 1, subject: ${ANYONE}, ingress: [{ action: Deny, from: [{ namespaces: { ${field}: [team] } }] }] } }`;
    expect(asking(anp('notSameLabels'))('blue/web', 'red/web')).toBe('denied');
    expect(asking(anp('notSameLabels'))('red/db', 'red/web')).toBe('allowed');
    expect(asking(anp('sameLabels'))('blue/web', 'red/web')).toBe('allowed');
    expect(asking(anp('sameLabels'))('red/db', 'red/web')).toBe('denied');
  });
});
