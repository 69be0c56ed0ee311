/** Random small worlds: clusters, programs over them and flows in them, with many collisions and missing facts. */
import fc from 'fast-check';
import { type Cidr, type Ip, parseCidr, parseIp } from '../../src/base/ip.ts';
import { byNumber } from '../../src/base/order.ts';
import type { Cluster, ContainerPort, Namespace, Node, Pod } from '../../src/model/cluster.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import type { EndpointMatch, Match, NamespaceMatch, TrafficMatch } from '../../src/model/match.ts';
import type { Origin } from '../../src/model/origin.ts';
import type { Direction, Policy, PolicyProgram, Rule, Tier } from '../../src/model/program.ts';
import type { Labels, Selector } from '../../src/model/selector.ts';

export interface World {
  readonly cluster: Cluster;
  readonly program: PolicyProgram;
  readonly pods: readonly Pod[];
  readonly flow: Flow;
}

export function ip(text: string): Ip {
  const value = parseIp(text);
  if (value === null) throw new Error(`no address: ${text}`);
  return value;
}

export function cidr(text: string): Cidr {
  const value = parseCidr(text);
  if (value === null) throw new Error(`no block: ${text}`);
  return value;
}

export function originOf(kind: string, namespace: string | null, name: string, field: string): Origin {
  return { object: { apiVersion: 'v1', kind, namespace, name, source: null }, field };
}

const KEYS = ['a', 'b'];
const VALUES = ['x', 'y'];
const SPACES = ['n0', 'n1'];
const NODES = ['k0', 'k1'];

const labels: fc.Arbitrary<Labels> = fc
  .array(fc.tuple(fc.constantFrom(...KEYS), fc.constantFrom(...VALUES)), { maxLength: 2 })
  .map((pairs) => new Map(pairs));

const leaf: fc.Arbitrary<Selector> = fc.oneof(
  fc.record({
    kind: fc.constant('in' as const),
    key: fc.constantFrom(...KEYS),
    values: fc.subarray(VALUES, { minLength: 1 }),
  }),
  fc.record({ kind: fc.constant('exists' as const), key: fc.constantFrom(...KEYS) }),
  fc.constant<Selector>({ kind: 'everything' }),
);
const selector: fc.Arbitrary<Selector> = fc.oneof(
  { weight: 4, arbitrary: leaf },
  { weight: 3, arbitrary: fc.constant<Selector>({ kind: 'everything' }) },
  leaf.map((of): Selector => ({ kind: 'not', of })),
  fc.array(leaf, { maxLength: 2 }).map((of): Selector => ({ kind: 'all-of', of })),
  fc.array(leaf, { minLength: 1, maxLength: 2 }).map((of): Selector => ({ kind: 'any-of', of })),
);

const namespaceMatch: fc.Arbitrary<NamespaceMatch> = fc.oneof(
  fc.constantFrom(...SPACES).map((name): NamespaceMatch => ({ kind: 'named', name })),
  selector.map((of): NamespaceMatch => ({ kind: 'labelled', labels: of })),
  fc.subarray(KEYS).map((keys): NamespaceMatch => ({ kind: 'same-labels', keys })),
  fc.subarray(KEYS).map((keys): NamespaceMatch => ({ kind: 'different-labels', keys })),
);

const BLOCKS = ['0.0.0.0/0', '10.0.0.0/30', '10.0.0.0/31', '10.0.0.1/32', '203.0.113.0/24', '::/0', 'fd00::/126'];

const endpointMatch: fc.Arbitrary<EndpointMatch> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<EndpointMatch>({ kind: 'anything' }) },
  { weight: 1, arbitrary: fc.constant<EndpointMatch>({ kind: 'nothing' }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('pods' as const), namespaces: namespaceMatch, pods: selector }),
  },
  { weight: 1, arbitrary: selector.map((nodes): EndpointMatch => ({ kind: 'nodes', nodes })) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom(...BLOCKS), fc.boolean()).map(([text, hole]): EndpointMatch => {
      const block = cidr(text);
      const small = cidr(block.family === 4 ? '10.0.0.1/32' : 'fd00::1/128');
      return { kind: 'addresses', cidr: block, except: hole ? [small] : [] };
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .subarray(['example.com', '*.example.com', 'db.n0.svc.cluster.local'], { minLength: 1 })
      .map((names): EndpointMatch => ({ kind: 'domains', names })),
  },
);

const protocol = fc.constantFrom('TCP' as const, 'UDP' as const);
const traffic: fc.Arbitrary<TrafficMatch> = fc.oneof(
  fc.record({
    kind: fc.constant('ports' as const),
    protocol,
    first: fc.constantFrom(1, 80),
    last: fc.constantFrom(80, 8080, 65535),
  }),
  fc.record({
    kind: fc.constant('named-port' as const),
    protocol: fc.option(protocol),
    name: fc.constantFrom('http', 'dns'),
  }),
);

const match: fc.Arbitrary<Match> = fc.record({
  peers: fc.oneof(
    { weight: 5, arbitrary: fc.array(endpointMatch, { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.constant([]) },
  ),
  traffic: fc.oneof(
    { weight: 2, arbitrary: fc.constant('any' as const) },
    { weight: 5, arbitrary: fc.array(traffic, { minLength: 1, maxLength: 2 }) },
    { weight: 1, arbitrary: fc.constant([]) },
  ),
});

type Draft = Pick<Rule, 'direction' | 'match' | 'action'>;

function draft(actions: readonly Rule['action'][]): fc.Arbitrary<Draft> {
  return fc.record({
    direction: fc.constantFrom<Direction>('ingress', 'egress'),
    match,
    action: fc.constantFrom(...actions),
  });
}

function policyOf(
  kind: string,
  namespace: string | null,
  name: string,
  body: { readonly drafts: readonly Draft[]; readonly subject: EndpointMatch; readonly isolates: readonly Direction[] },
  rank: number,
): Policy {
  const next = { ingress: 0, egress: 0 };
  return {
    id: namespace === null ? `${kind}/${name}` : `${kind}/${namespace}/${name}`,
    subject: body.subject,
    isolates: body.isolates,
    rank,
    origin: originOf(kind, namespace, name, ''),
    rules: body.drafts.map((rule) => {
      const index = next[rule.direction]++;
      const origin = originOf(kind, namespace, name, `spec.${rule.direction}[${index}]`);
      return { ...rule, index, name: null, log: false, origin };
    }),
  };
}

const isolates = fc.oneof(
  { weight: 2, arbitrary: fc.constant<readonly Direction[]>(['ingress', 'egress']) },
  { weight: 1, arbitrary: fc.subarray<Direction>(['ingress', 'egress']) },
);

const networkTier: fc.Arbitrary<Tier> = fc
  .tuple(
    fc.array(
      fc.record({
        namespace: fc.constantFrom(...SPACES),
        pods: selector,
        isolates,
        drafts: fc.array(draft(['allow']), { maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    fc.boolean(),
  )
  .map(([drafts, spares]) => ({
    name: 'networkpolicy',
    plane: 'network',
    whenIsolated: 'deny',
    spares: spares ? ['own-node', 'hairpin'] : [],
    unread: null,
    policies: drafts.map((body, index) =>
      policyOf(
        'NetworkPolicy',
        body.namespace,
        `p${index}`,
        { ...body, subject: { kind: 'pods', namespaces: { kind: 'named', name: body.namespace }, pods: body.pods } },
        0,
      ),
    ),
  }));

/** An ordered tier; `strict` also isolates, which no Kubernetes kind does, so that the pass branch is exercised. */
function orderedTier(name: string, kind: string): fc.Arbitrary<Tier> {
  return fc
    .tuple(
      fc.array(
        fc.record({
          subject: fc.oneof(
            {
              weight: 5,
              arbitrary: fc.record({ kind: fc.constant('pods' as const), namespaces: namespaceMatch, pods: selector }),
            },
            { weight: 1, arbitrary: endpointMatch },
          ),
          isolates: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: isolates }),
          drafts: fc.array(draft(['allow', 'deny', 'pass']), { maxLength: 3 }),
          rank: fc.integer({ min: 0, max: 2 }),
        }),
        { maxLength: 3 },
      ),
      fc.constantFrom<Tier['whenIsolated']>('deny', 'pass'),
      fc.integer({ min: 0, max: 19 }),
    )
    .map(([drafts, whenIsolated, dice]) => ({
      name,
      plane: 'network',
      whenIsolated,
      spares: dice % 2 === 0 ? [] : ['own-node'],
      unread: dice === 0 ? 'forbidden' : null,
      policies: drafts
        .map((body, index) => policyOf(kind, null, `${name}${index}`, body, body.rank))
        .sort((a, b) => byNumber(a.rank, b.rank)),
    }));
}

const namespaces: fc.Arbitrary<readonly Namespace[]> = fc
  .tuple(...SPACES.map(() => fc.option(labels, { freq: 6 })))
  .map((all) =>
    SPACES.map((name, index) => {
      const own = all[index] ?? null;
      return {
        name,
        labels: own === null ? null : new Map([...own, ['kubernetes.io/metadata.name', name]]),
        origin: null,
      };
    }),
  );

const ports: fc.Arbitrary<readonly ContainerPort[]> = fc.subarray<ContainerPort>([
  { name: 'http', port: 80, protocol: 'TCP', hostPort: null },
  { name: 'http', port: 8080, protocol: 'TCP', hostPort: null },
  { name: 'dns', port: 53, protocol: 'UDP', hostPort: null },
  { name: 'dns', port: 53, protocol: 'TCP', hostPort: null },
]);

const podAddresses = fc.oneof(
  fc.constant<readonly string[]>([]),
  fc.constantFrom<readonly string[]>(
    ['10.0.0.1'],
    ['10.0.0.2'],
    ['fd00::1'],
    ['10.0.0.3', 'fd00::1'],
    ['10.0.0.1', '10.0.0.9'],
  ),
);

const pod: fc.Arbitrary<Omit<Pod, 'name' | 'origin'>> = fc.record({
  namespace: fc.constantFrom(...SPACES),
  labels,
  ports,
  addresses: podAddresses.map((all) => all.map(ip)),
  hostNetwork: fc.boolean().chain((maybe) => (maybe ? fc.boolean() : fc.constant(false))),
  node: fc.option(fc.constantFrom(...NODES)),
  template: fc.boolean(),
});

const nodes: fc.Arbitrary<readonly Node[]> = fc
  .tuple(...NODES.map(() => fc.tuple(labels, fc.subarray(['10.0.0.1', '172.16.0.1', 'fd00::2']))))
  .map((all) =>
    NODES.map((name, index) => ({
      name,
      labels: all[index]?.[0] ?? new Map(),
      addresses: (all[index]?.[1] ?? []).map(ip),
      origin: originOf('Node', null, name, ''),
    })),
  );

function endpoint(pods: readonly Pod[], all: readonly Node[]): fc.Arbitrary<Endpoint> {
  return fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...pods).map((one): Endpoint => ({ kind: 'pod', pod: one })) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...all), fc.boolean())
        .map(
          ([node, known]): Endpoint => ({ kind: 'node', node, address: known ? (node.addresses[0] ?? null) : null }),
        ),
    },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom('10.0.0.1', '203.0.113.7', 'fd00::9')
        .map((text): Endpoint => ({ kind: 'external', address: ip(text) })),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('example.com', 'www.example.com').map((name): Endpoint => ({ kind: 'domain', name })),
    },
  );
}

/** A cluster, a program and one flow. */
export const world: fc.Arbitrary<World> = fc
  .record({
    namespaces,
    nodes,
    nodesUnread: fc.integer({ min: 0, max: 7 }).map((dice) => dice === 0),
    drafts: fc.array(pod, { minLength: 2, maxLength: 4 }),
    tiers: fc.tuple(
      orderedTier('admin', 'ClusterNetworkPolicy'),
      networkTier,
      orderedTier('baseline', 'ClusterNetworkPolicy'),
    ),
  })
  .chain((base) => {
    const pods = base.drafts.map((one, index): Pod => {
      const name = `pod${index}`;
      return { ...one, name, origin: originOf('Pod', one.namespace, name, '') };
    });
    const cluster: Cluster = {
      namespaces: new Map(base.namespaces.map((each) => [each.name, each])),
      nodes: base.nodes,
      workloads: pods.map((each) => ({
        namespace: each.namespace,
        name: each.name,
        kind: 'Pod',
        pods: [each],
        replicas: null,
        origin: each.origin,
      })),
      services: [],
      routes: [],
      missing: base.nodesUnread ? [{ resource: 'nodes', group: '', reason: 'forbidden' }] : [],
    };
    const flow: fc.Arbitrary<Flow> = fc
      .record({
        source: endpoint(pods, base.nodes),
        destination: endpoint(pods, base.nodes),
        protocol: fc.constantFrom<Flow['protocol']>('TCP', 'TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6'),
        number: fc.constantFrom(53, 80, 8080, 443),
        family: fc.constantFrom<Flow['family']>(null, null, 4, 6),
        viaService: fc.boolean(),
      })
      .map(({ number, ...rest }) => ({ ...rest, port: rest.protocol.startsWith('ICMP') ? null : number }));
    return fc.record({
      cluster: fc.constant(cluster),
      program: fc.constant({ tiers: base.tiers }),
      pods: fc.constant(pods),
      flow,
    });
  });
