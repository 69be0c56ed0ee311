import type { Json, JsonObject } from '../../src/manifest/object.ts';

/** A kind under test: where it is served, and valid objects that together use every field. */
export interface Seeds {
  readonly title: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly specs: readonly JsonObject[];
  readonly name: string;
  /** Objects for what mutations seldom hit. */
  readonly odd?: readonly { readonly metadata?: JsonObject; readonly spec: JsonObject }[];
}

const selector = (key: string): JsonObject => ({
  matchLabels: { [key]: 'web', 'example.com/tier': 'front' },
  matchExpressions: [
    { key: 'zone', operator: 'In', values: ['a', 'b'] },
    { key: 'old', operator: 'DoesNotExist' },
  ],
});

const npPorts: readonly Json[] = [
  { protocol: 'TCP', port: 80, endPort: 90 },
  { protocol: 'UDP', port: 'dns' },
  { port: 443 },
  { protocol: 'SCTP' },
];
const npPeers: readonly Json[] = [
  { podSelector: selector('app') },
  { namespaceSelector: selector('team'), podSelector: {} },
  { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '10.2.0.0/24'] } },
  { ipBlock: { cidr: '2001:db8::/32' } },
];

const anpPorts: readonly Json[] = [
  { portNumber: { protocol: 'TCP', port: 80 } },
  { portNumber: { port: 8080 } },
  { portRange: { protocol: 'UDP', start: 100, end: 200 } },
  { portRange: { start: 100, end: 200 } },
  { namedPort: 'web' },
];
const pods = (key: string): JsonObject => ({ namespaceSelector: selector(key), podSelector: {} });
const anpIngress: readonly Json[] = [
  { name: 'first', action: 'Deny', from: [{ namespaces: selector('team') }, { pods: pods('x') }], ports: anpPorts },
  { action: 'Allow', from: [{ namespaces: {} }] },
];
const anpTo: readonly Json[] = [
  { namespaces: selector('team') },
  { pods: pods('x') },
  { nodes: selector('pool') },
  { networks: ['10.0.0.0/8', '2001:db8::/32'] },
];
const anpNumbers = anpPorts.slice(0, 4);
const names: JsonObject = { domainNames: ['*.example.com', 'kubernetes.io.'] };

const cnpProtocols: readonly Json[] = [
  { tcp: { destinationPort: { number: 80 } } },
  { udp: { destinationPort: { range: { start: 1, end: 65535 } } } },
  { sctp: { destinationPort: { range: { start: 100, end: 200 } } } },
];

const oldPeers: readonly Json[] = [
  { namespaces: { namespaceSelector: selector('team') } },
  { namespaces: { sameLabels: ['tenant', 'zone'] } },
  { namespaces: { notSameLabels: ['tenant'] } },
  { pods: { namespaces: { sameLabels: ['tenant'] }, podSelector: selector('app') } },
  { pods: { namespaces: { namespaceSelector: {} }, podSelector: {} } },
];

/** A named port in a rule for pods and networks. */
const MIXED: Json = [
  { action: 'Deny', to: [{ networks: ['10.0.0.0/8'] }, { namespaces: {} }], ports: [{ namedPort: 'a' }] },
];

export const NETWORK_POLICY: Seeds = {
  title: 'NetworkPolicy v1',
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  namespaced: true,
  name: 'seed',
  specs: [
    {
      podSelector: selector('app'),
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: npPeers, ports: npPorts }, {}],
      egress: [{ to: npPeers, ports: npPorts }],
    },
    { podSelector: {} },
    { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '192.168.1.0/24', except: ['192.168.1.7/32'] } }] }] },
  ],
  odd: [
    { spec: { podSelector: {}, ingress: Array.from({ length: 120 }, () => ({ aFieldThatNobodyHasEverHeardOf: 1 })) } },
    { metadata: { generateName: 'Web-' }, spec: {} },
    { metadata: { name: 'web', namespace: 'Bad_Name' }, spec: {} },
    { metadata: { name: 'web', annotations: { a: 'x'.repeat(262_144) } }, spec: {} },
    { metadata: { name: 'web', finalizers: ['orphan', 'foregroundDeletion', 'kubernetes'] }, spec: {} },
    {
      metadata: { name: 'web', ownerReferences: [{ apiVersion: 'v1', kind: 'Event', name: 'a', uid: 'b' }] },
      spec: {},
    },
    {
      metadata: {
        name: 'web',
        ownerReferences: ['a', 'b'].map((uid) => ({ apiVersion: 'v1', kind: 'Pod', name: 'p', uid, controller: true })),
      },
      spec: {},
    },
    { metadata: { name: 'web', labels: { __proto__x: 'a', constructor: 'b', toString: 'c' } }, spec: {} },
  ],
};

export const CLUSTER_NETWORK_POLICY: Seeds = {
  title: 'ClusterNetworkPolicy v1alpha2',
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  kind: 'ClusterNetworkPolicy',
  plural: 'clusternetworkpolicies',
  namespaced: false,
  name: 'seed',
  specs: [
    {
      tier: 'Admin',
      priority: 10,
      subject: { pods: pods('app') },
      ingress: [
        {
          name: 'first',
          action: 'Accept',
          from: [{ namespaces: selector('team') }, { pods: pods('x') }],
          protocols: [...cnpProtocols, { destinationNamedPort: 'web' }],
        },
        { action: 'Pass', from: [{ namespaces: {} }] },
      ],
      egress: [
        { name: 'out', action: 'Deny', to: anpTo, protocols: cnpProtocols },
        { action: 'Accept', to: [names] },
        { action: 'Accept', to: [{ namespaces: {} }], protocols: [{ destinationNamedPort: 'web' }] },
      ],
    },
    { tier: 'Baseline', priority: 1000, subject: { namespaces: selector('team') } },
  ],
};

export const ADMIN_NETWORK_POLICY: Seeds = {
  title: 'AdminNetworkPolicy v1alpha1 (v0.1.8)',
  apiVersion: 'policy.networking.k8s.io/v1alpha1',
  kind: 'AdminNetworkPolicy',
  plural: 'adminnetworkpolicies',
  namespaced: false,
  name: 'seed',
  specs: [
    {
      priority: 10,
      subject: { pods: pods('app') },
      ingress: anpIngress,
      egress: [
        { name: 'out', action: 'Pass', to: anpTo, ports: anpNumbers },
        { action: 'Allow', to: [names] },
        { action: 'Deny', to: [{ namespaces: {} }], ports: anpPorts },
      ],
    },
    { priority: 0, subject: { namespaces: {} } },
  ],
  odd: [{ spec: { priority: 1, subject: { namespaces: {} }, egress: MIXED } }],
};

export const BASELINE_ADMIN_NETWORK_POLICY: Seeds = {
  title: 'BaselineAdminNetworkPolicy v1alpha1 (v0.1.8)',
  apiVersion: 'policy.networking.k8s.io/v1alpha1',
  kind: 'BaselineAdminNetworkPolicy',
  plural: 'baselineadminnetworkpolicies',
  namespaced: false,
  name: 'default',
  specs: [
    {
      subject: { namespaces: selector('team') },
      ingress: anpIngress,
      egress: [
        { name: 'out', action: 'Deny', to: anpTo, ports: anpNumbers },
        { action: 'Deny', to: [{ namespaces: {} }], ports: anpPorts },
      ],
    },
  ],
  odd: [
    { spec: { subject: { namespaces: {} }, egress: MIXED } },
    { metadata: { generateName: 'default-' }, spec: { subject: { namespaces: {} } } },
    { metadata: { name: 'web' }, spec: { subject: { namespaces: {} } } },
  ],
};

const oldRules = { from: oldPeers, ports: anpPorts };

export const OLD_ADMIN_NETWORK_POLICY: Seeds = {
  ...ADMIN_NETWORK_POLICY,
  odd: [],
  title: 'AdminNetworkPolicy v1alpha1 (v0.1.0)',
  specs: [
    {
      priority: 10,
      subject: { pods: pods('app') },
      ingress: [{ name: 'in', action: 'Pass', ...oldRules }],
      egress: [{ name: 'out', action: 'Deny', to: oldPeers, ports: [] }],
    },
  ],
};

export const OLD_BASELINE_ADMIN_NETWORK_POLICY: Seeds = {
  ...BASELINE_ADMIN_NETWORK_POLICY,
  odd: [],
  title: 'BaselineAdminNetworkPolicy v1alpha1 (v0.1.0)',
  specs: [
    {
      subject: { namespaces: {} },
      ingress: [{ name: 'in', action: 'Allow', ...oldRules }],
      egress: [{ action: 'Deny', to: oldPeers }],
    },
  ],
};
