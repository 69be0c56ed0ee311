/** Clusters and policies of all kinds as fast-check arbitraries: small pools, so that things meet. */
import fc from 'fast-check';
import type { Missing } from '../../src/model/cluster.ts';

export type KubeJson = Record<string, unknown>;

export const NAMESPACES = ['x', 'y', 'z'] as const;
const NODES = ['n1', 'n2'] as const;
const KEYS = ['app', 'tier', 'constructor'] as const;
/** By how often they are taken. */
const VALUES = ['a', 'b', ''] as const;
const OFTEN = ['a', 'a', 'a', 'b', 'b', ''] as const;
const PORT_NAMES = ['http', 'dns'] as const;
const BLOCKS4 = [
  '10.0.0.0/8',
  '10.1.0.0/16',
  '10.1.0.0/30',
  '10.1.0.2/32',
  '0.0.0.0/0',
  '172.18.0.0/24',
  '203.0.113.0/24',
];
const BLOCKS6 = ['::/0', 'fd00::/64', 'fd00::2/127', '2001:db8::/32'];
const BLOCKS = [...BLOCKS4, ...BLOCKS6];
const INSIDE: Readonly<Record<string, readonly string[]>> = {
  '0.0.0.0/0': ['10.0.0.0/8', '203.0.113.0/25', '10.1.0.1/32'],
  '10.0.0.0/8': ['10.1.0.0/16', '10.1.0.2/32'],
  '10.1.0.0/16': ['10.1.0.0/30', '10.1.0.2/31'],
  '10.1.0.0/30': ['10.1.0.1/32'],
  '172.18.0.0/24': ['172.18.0.1/32'],
  '203.0.113.0/24': ['203.0.113.7/32'],
  '::/0': ['fd00::/64', '2001:db8::/33'],
  'fd00::/64': ['fd00::2/127', 'fd00::1/128'],
  'fd00::2/127': ['fd00::2/128'],
  '2001:db8::/32': ['2001:db8::/48'],
};
export const OUTSIDE = [
  '203.0.113.7',
  '203.0.113.200',
  '10.1.0.200',
  '8.8.8.8',
  '2001:db8::1',
  '2001:db9::1',
  'fd00::ffff',
];
export const PORTS = [1, 53, 80, 81, 443, 8080, 65535] as const;
export const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;

export const labels: fc.Arbitrary<Record<string, string>> = fc.oneof(
  fc.record({ app: fc.constantFrom(...OFTEN), tier: fc.constantFrom(...OFTEN) }, { requiredKeys: [] }),
  fc.dictionary(fc.constantFrom(...KEYS), fc.constantFrom(...OFTEN), { maxKeys: 3, noNullPrototype: true }),
);
/** Of selectors: few conditions, so that something fulfils them. */
const wanted: fc.Arbitrary<Record<string, string>> = fc.oneof(fc.record({ app: fc.constantFrom(...OFTEN) }), labels);
const namespaceLabels: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ app: fc.constantFrom(...OFTEN), tier: fc.constantFrom(...OFTEN) }) },
  { weight: 1, arbitrary: labels },
);

const expression: fc.Arbitrary<KubeJson> = fc.oneof(
  fc.record({
    key: fc.constantFrom(...KEYS, 'kubernetes.io/metadata.name'),
    operator: fc.constantFrom('In', 'NotIn'),
    values: fc.uniqueArray(fc.constantFrom(...VALUES, ...NAMESPACES), { minLength: 1, maxLength: 2, size: 'max' }),
  }),
  fc.record({ key: fc.constantFrom(...KEYS), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);

const selector: fc.Arbitrary<KubeJson> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  {
    weight: 3,
    arbitrary: fc.record(
      { matchLabels: wanted, matchExpressions: fc.array(expression, { maxLength: 2, size: 'max' }) },
      { requiredKeys: [] },
    ),
  },
);

const protocol = fc.constantFrom(...PROTOCOLS, 'TCP' as const, 'TCP' as const);
const port = fc.constantFrom(...PORTS, 80, 80, 53);

const ipBlock: fc.Arbitrary<KubeJson> = fc.constantFrom(...BLOCKS).chain((cidr) =>
  fc
    .record(
      {
        cidr: fc.constant(cidr),
        except: fc.uniqueArray(fc.constantFrom(...(INSIDE[cidr] ?? ['x'])), { maxLength: 2, size: 'max' }),
      },
      { requiredKeys: ['cidr'] },
    )
    .map((block) => (block.except?.includes('x') ? { cidr } : block)),
);

const npPeer: fc.Arbitrary<KubeJson> = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ podSelector: selector, namespaceSelector: selector }),
  ipBlock.map((block) => ({ ipBlock: block })),
);

const npPort: fc.Arbitrary<KubeJson> = fc.oneof(
  fc.record({ protocol, port }, { requiredKeys: [] }),
  fc.record({ protocol, port: fc.constantFrom(...PORT_NAMES) }, { requiredKeys: ['port'] }),
  fc
    .tuple(protocol, port, port)
    .map(([one, a, b]) => ({ protocol: one, port: Math.min(a, b), endPort: Math.max(a, b) })),
);

export const npRule = (peers: string): fc.Arbitrary<KubeJson> =>
  fc.record(
    {
      [peers]: fc.array(npPeer, { maxLength: 2, size: 'max' }),
      ports: fc.array(npPort, { maxLength: 2, size: 'max' }),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<KubeJson>;

export const networkPolicy: fc.Arbitrary<KubeJson> = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    spec: fc.record(
      {
        podSelector: selector,
        policyTypes: fc.constantFrom(['Ingress'], ['Egress'], ['Ingress', 'Egress'], ['Ingress', 'Egress']),
        ingress: fc.array(npRule('from'), { maxLength: 2, size: 'max' }),
        egress: fc.array(npRule('to'), { maxLength: 2, size: 'max' }),
      },
      { requiredKeys: ['podSelector'] },
    ),
  })
  .map(({ namespace, spec }) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'set-later', namespace },
    spec,
  }));

const subject: fc.Arbitrary<KubeJson> = fc.oneof(
  fc.record({ namespaces: selector }),
  fc.record({ pods: fc.record({ namespaceSelector: selector, podSelector: selector }) }),
);
const networks = fc.record({
  networks: fc.uniqueArray(fc.constantFrom(...BLOCKS), { minLength: 1, maxLength: 2, size: 'max' }),
});
const nodes = fc.record({ nodes: selector });
const domains = fc.record({
  domainNames: fc.uniqueArray(fc.constantFrom('example.com', '*.example.com', 'db.x.svc.cluster.local'), {
    minLength: 1,
    maxLength: 2,
  }),
});

const cnpProtocol: fc.Arbitrary<KubeJson> = fc.oneof(
  fc.tuple(protocol, port).map(([one, number]) => ({ [one.toLowerCase()]: { destinationPort: { number } } })),
  fc
    .tuple(protocol, port, port)
    .filter(([, a, b]) => a !== b)
    .map(([one, a, b]) => ({
      [one.toLowerCase()]: { destinationPort: { range: { start: Math.min(a, b), end: Math.max(a, b) } } },
    })),
);
const cnpNamed = fc.constantFrom(...PORT_NAMES).map((name) => ({ destinationNamedPort: name }));

/** Rules of cluster policies; named ports may not stand beside peers that are no pods. */
function adminRule(
  direction: 'from' | 'to',
  actions: readonly string[],
  ports: string,
  numbered: fc.Arbitrary<KubeJson>,
  named: fc.Arbitrary<KubeJson>,
  peers: readonly fc.Arbitrary<KubeJson>[],
): fc.Arbitrary<KubeJson> {
  const action = fc.constantFrom(...actions);
  const pods = fc.array(fc.oneof(...peers.slice(0, 2)), { minLength: 1, maxLength: 2, size: 'max' });
  const any = fc.array(fc.oneof(...peers), { minLength: 1, maxLength: 2, size: 'max' });
  return fc.oneof(
    fc.record({ action, [direction]: any }),
    fc.record({ action, [direction]: any, [ports]: fc.array(numbered, { minLength: 1, maxLength: 2, size: 'max' }) }),
    fc.record({
      action,
      [direction]: pods,
      [ports]: fc.array(fc.oneof(numbered, named), { minLength: 1, maxLength: 2, size: 'max' }),
    }),
  ) as fc.Arbitrary<KubeJson>;
}

const podPeers = [
  fc.record({ namespaces: selector }),
  fc.record({ pods: fc.record({ namespaceSelector: selector, podSelector: selector }) }),
];

export const clusterNetworkPolicy: fc.Arbitrary<KubeJson> = fc
  .record(
    {
      tier: fc.constantFrom('Admin', 'Baseline'),
      priority: fc.constantFrom(0, 1, 1),
      subject,
      ingress: fc.array(
        adminRule('from', ['Accept', 'Deny', 'Deny', 'Pass'], 'protocols', cnpProtocol, cnpNamed, podPeers),
        {
          maxLength: 2,
        },
      ),
      egress: fc.array(
        adminRule('to', ['Accept', 'Accept', 'Deny', 'Deny', 'Pass'], 'protocols', cnpProtocol, cnpNamed, [
          ...podPeers,
          networks,
          nodes,
          domains,
        ]),
        { maxLength: 2, size: 'max' },
      ),
    },
    { requiredKeys: ['tier', 'priority', 'subject'] },
  )
  .map((spec) => ({
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'set-later' },
    spec,
  }));

const anpPort: fc.Arbitrary<KubeJson> = fc.oneof(
  fc.record({ portNumber: fc.record({ protocol, port }) }),
  fc.tuple(protocol, port, port).map(([one, a, b]) => ({ portRange: { protocol: one, start: a, end: b } })),
);
const anpNamed = fc.constantFrom(...PORT_NAMES).map((namedPort) => ({ namedPort }));
const keys = fc.uniqueArray(fc.constantFrom('app', 'tier', 'app', 'tier', 'constructor'), {
  minLength: 1,
  maxLength: 2,
});
const oldPeers = [
  fc.record({
    namespaces: fc.oneof(
      fc.record({ sameLabels: keys }),
      fc.record({ notSameLabels: keys }),
      fc.record({ namespaceSelector: selector }),
    ),
  }),
  fc.record({
    pods: fc.record({
      namespaces: fc.oneof(fc.record({ sameLabels: keys }), fc.record({ namespaceSelector: selector })),
      podSelector: selector,
    }),
  }),
];

export const adminNetworkPolicy: fc.Arbitrary<KubeJson> = fc
  .record(
    {
      priority: fc.constantFrom(0, 1, 1),
      subject,
      ingress: fc.array(
        fc.oneof(
          adminRule('from', ['Allow', 'Deny', 'Pass'], 'ports', anpPort, anpNamed, podPeers),
          adminRule('from', ['Allow', 'Deny', 'Pass'], 'ports', anpPort, anpNamed, oldPeers),
        ),
        { maxLength: 2, size: 'max' },
      ),
      egress: fc.array(
        adminRule('to', ['Allow', 'Deny', 'Pass'], 'ports', anpPort, anpNamed, [...podPeers, networks, nodes]),
        { maxLength: 2, size: 'max' },
      ),
    },
    { requiredKeys: ['priority', 'subject'] },
  )
  .map((spec) => ({
    apiVersion: 'policy.networking.k8s.io/v1alpha1',
    kind: 'AdminNetworkPolicy',
    metadata: { name: 'set-later' },
    spec,
  }));

const baseline: fc.Arbitrary<KubeJson> = fc
  .record(
    {
      subject,
      ingress: fc.array(adminRule('from', ['Allow', 'Deny'], 'ports', anpPort, anpNamed, podPeers), {
        maxLength: 2,
        size: 'max',
      }),
      egress: fc.array(adminRule('to', ['Allow', 'Deny'], 'ports', anpPort, anpNamed, [...podPeers, networks, nodes]), {
        maxLength: 2,
      }),
    },
    { requiredKeys: ['subject'] },
  )
  .map((spec) => ({
    apiVersion: 'policy.networking.k8s.io/v1alpha1',
    kind: 'BaselineAdminNetworkPolicy',
    metadata: { name: 'default' },
    spec,
  }));

export interface PodPlan {
  readonly namespace: (typeof NAMESPACES)[number];
  readonly labels: Record<string, string>;
  readonly families: readonly (4 | 6)[];
  readonly hostNetwork: boolean;
  readonly node: (typeof NODES)[number] | null;
  readonly ports: readonly { readonly name?: string; readonly containerPort: number; readonly protocol: string }[];
  readonly owner: string | null;
}

export const podPlan: fc.Arbitrary<PodPlan> = fc.record({
  namespace: fc.constantFrom(...NAMESPACES),
  labels,
  families: fc.constantFrom<readonly (4 | 6)[]>([4], [4], [4], [4, 6], [4, 6], [4, 6], [4, 6], [6], []),
  hostNetwork: fc.constantFrom(false, false, false, false, false, true),
  node: fc.constantFrom('n1' as const, 'n2' as const, 'n1' as const, 'n2' as const, null),
  ports: fc.array(
    fc.record(
      { name: fc.constantFrom(...PORT_NAMES), containerPort: port, protocol },
      { requiredKeys: ['containerPort', 'protocol'] },
    ),
    { maxLength: 2, size: 'max' },
  ),
  owner: fc.constantFrom(null, null, 'web'),
});

export function podOf(plan: PodPlan, index: number): KubeJson {
  const addresses = plan.hostNetwork
    ? plan.node === null
      ? []
      : [`172.18.0.${NODES.indexOf(plan.node) + 1}`]
    : plan.families.map((family) => (family === 4 ? `10.1.0.${index}` : `fd00::${index}`));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `p${index}`,
      namespace: plan.namespace,
      labels: plan.labels,
      ...(plan.owner === null
        ? {}
        : {
            ownerReferences: [
              { apiVersion: 'apps/v1', kind: 'StatefulSet', name: plan.owner, controller: true, uid: 'u' },
            ],
          }),
    },
    spec: {
      ...(plan.node === null ? {} : { nodeName: plan.node }),
      ...(plan.hostNetwork ? { hostNetwork: true } : {}),
      containers: [{ name: 'c', image: 'i', ports: plan.ports }],
    },
    status: { phase: 'Running', ...(addresses.length > 0 ? { podIPs: addresses.map((ip) => ({ ip })) } : {}) },
  };
}

const templates: fc.Arbitrary<KubeJson> = fc
  .record({ namespace: fc.constantFrom(...NAMESPACES), labels, hostNetwork: fc.constantFrom(false, false, true) })
  .map((plan) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'dep', namespace: plan.namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: plan.labels },
      template: {
        metadata: { labels: plan.labels },
        spec: {
          ...(plan.hostNetwork ? { hostNetwork: true } : {}),
          containers: [{ name: 'c', image: 'i', ports: [{ name: 'http', containerPort: 80 }] }],
        },
      },
    },
  }));

/** A Service with a backend by label, and an Ingress in front of it. */
const service: fc.Arbitrary<KubeJson[]> = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    labels: fc.record({ app: fc.constantFrom(...VALUES) }),
    port: fc.constantFrom(80, 443),
    targetPort: fc.constantFrom<number | string>(80, 8080, 'http'),
  })
  .map(({ namespace, labels: selected, port: number, targetPort }) => [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'svc', namespace },
      spec: { selector: selected, ports: [{ port: number, targetPort }] },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'door', namespace },
      spec: { defaultBackend: { service: { name: 'svc', port: { number } } } },
    },
  ]);

/** A whole cluster as Kubernetes objects. */
export const clusters: fc.Arbitrary<KubeJson[]> = fc
  .record({
    namespaces: fc.tuple(namespaceLabels, namespaceLabels, namespaceLabels),
    nodes: fc.tuple(labels, labels),
    pods: fc.array(podPlan, { minLength: 1, maxLength: 8, size: 'max' }),
    templates: fc.array(templates, { maxLength: 1, size: 'max' }),
    services: fc.array(service, { maxLength: 1, size: 'max' }),
    networkPolicies: fc.array(networkPolicy, { maxLength: 7, size: 'max' }),
    generation: fc.constantFrom('cnp', 'anp', 'cnp', 'anp', 'both', 'none'),
    clusterPolicies: fc.array(clusterNetworkPolicy, { maxLength: 4, size: 'max' }),
    adminPolicies: fc.array(adminNetworkPolicy, { maxLength: 2, size: 'max' }),
    baseline: fc.option(baseline),
  })
  .map((plan) => {
    const named = (objects: readonly KubeJson[], prefix: string): KubeJson[] =>
      objects.map((object, i) => ({
        ...object,
        metadata: { ...(object.metadata as KubeJson), name: `${prefix}${i}` },
      }));
    return [
      ...NAMESPACES.map((name, i) => ({
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name, labels: plan.namespaces[i] },
      })),
      ...NODES.map((name, i) => ({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, labels: plan.nodes[i] },
        status: { addresses: [{ type: 'InternalIP', address: `172.18.0.${i + 1}` }] },
      })),
      ...plan.pods.map(podOf),
      ...plan.templates,
      ...plan.services.flat(),
      ...named(plan.networkPolicies, 'np'),
      ...(plan.generation === 'cnp' || plan.generation === 'both' ? named(plan.clusterPolicies, 'cnp') : []),
      ...(plan.generation === 'anp' || plan.generation === 'both'
        ? [...named(plan.adminPolicies, 'anp'), ...(plan.baseline === null ? [] : [plan.baseline])]
        : []),
    ];
  });

/** Objects, and what of a live cluster could not be read. */
export interface World {
  readonly objects: readonly KubeJson[];
  readonly missing: readonly Missing[];
}

const POLICIES = 'policy.networking.k8s.io';
const RESOURCES: readonly { readonly resource: string; readonly group: string; readonly kind: string }[] = [
  { resource: 'namespaces', group: '', kind: 'Namespace' },
  { resource: 'nodes', group: '', kind: 'Node' },
  { resource: 'networkpolicies', group: 'networking.k8s.io', kind: 'NetworkPolicy' },
  { resource: 'clusternetworkpolicies', group: POLICIES, kind: 'ClusterNetworkPolicy' },
  { resource: 'adminnetworkpolicies', group: POLICIES, kind: 'AdminNetworkPolicy' },
  { resource: 'baselineadminnetworkpolicies', group: POLICIES, kind: 'BaselineAdminNetworkPolicy' },
];

/** Clusters of which now and then a resource could not be read: then none of its objects are there. */
export const worlds: fc.Arbitrary<World> = fc
  .tuple(
    clusters,
    fc.oneof(
      { weight: 9, arbitrary: fc.constant<typeof RESOURCES>([]) },
      { weight: 1, arbitrary: fc.uniqueArray(fc.constantFrom(...RESOURCES), { minLength: 1, maxLength: 2 }) },
    ),
  )
  .map(([objects, unreadable]) => ({
    objects: objects.filter((object) => !unreadable.some(({ kind }) => kind === object.kind)),
    missing: unreadable.map(({ resource, group }) => ({ resource, group, reason: 'forbidden' })),
  }));
