/** A small cluster with policies of every kind, of which the damaged manifests of the fuzz runs are made. */

type Value = null | boolean | number | string | Value[] | { [key: string]: Value };
export type Manifest = { [key: string]: Value };

const namespace = (name: string, labels: Manifest): Manifest => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
});

const pod = (id: string, labels: Manifest, ips: readonly string[], port: Manifest): Manifest => {
  const [home = '', name = ''] = id.split('/');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: home, labels },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i', ports: [port] }] },
    status: { phase: 'Running', podIPs: ips.map((ip) => ({ ip })) },
  };
};

/** Everything but policies. */
export const TOWN: readonly Manifest[] = [
  namespace('shop', { team: 'blue', stage: 'prod' }),
  namespace('pay', { team: 'blue', stage: 'test' }),
  namespace('ops', { team: 'red' }),
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', labels: { zone: 'a' } },
    status: { addresses: [{ type: 'InternalIP', address: '172.18.0.1' }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n2', labels: { zone: 'b' } },
    status: { addresses: [{ type: 'InternalIP', address: '172.18.0.2' }] },
  },
  pod('shop/web', { app: 'web', tier: 'front' }, ['10.1.0.1', 'fd00::1'], { name: 'http', containerPort: 8080 }),
  pod('shop/db', { app: 'db', tier: 'back' }, ['10.1.0.2', 'fd00::2'], { name: 'sql', containerPort: 5432 }),
  pod('pay/web', { app: 'web' }, ['10.1.1.1'], { name: 'http', containerPort: 80 }),
  pod('pay/dns', { app: 'dns' }, ['10.1.1.2', 'fd00::12'], { name: 'dns', containerPort: 53, protocol: 'UDP' }),
  pod('ops/agent', { app: 'agent', tier: 'front' }, ['10.1.2.1'], { name: 'http', containerPort: 8080 }),
];

const policy = (kind: string, version: string, metadata: Manifest, spec: Manifest): Manifest => ({
  apiVersion: `${kind === 'NetworkPolicy' ? 'networking.k8s.io' : 'policy.networking.k8s.io'}/${version}`,
  kind,
  metadata,
  spec,
});

const shopPolicy = (name: string, spec: Manifest): Manifest =>
  policy('NetworkPolicy', 'v1', { name, namespace: 'shop' }, spec);
const wide = (kind: 'ClusterNetworkPolicy' | 'AdminNetworkPolicy' | 'BaselineAdminNetworkPolicy', spec: Manifest) =>
  policy(kind, kind === 'ClusterNetworkPolicy' ? 'v1alpha2' : 'v1alpha1', { name: 'default' }, spec);

/** The policies that are damaged, one at a time. */
export const POLICIES: readonly Manifest[] = [
  shopPolicy('allow-web', {
    podSelector: { matchLabels: { app: 'web' } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [{ namespaceSelector: { matchLabels: { team: 'blue' } }, podSelector: { matchLabels: { app: 'web' } } }],
        ports: [{ protocol: 'TCP', port: 8080 }],
      },
      { from: [{ ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.0/25'] } }], ports: [{ port: 'http' }] },
    ],
    egress: [
      {
        to: [{ podSelector: { matchLabels: { app: 'db' } } }],
        ports: [{ protocol: 'TCP', port: 5000, endPort: 5999 }],
      },
      {
        to: [{ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'In', values: ['blue'] }] } }],
        ports: [{ protocol: 'UDP', port: 53 }],
      },
    ],
  }),
  shopPolicy('default-deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
  shopPolicy('closed-inside', {
    podSelector: { matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['front'] }] },
    ingress: [],
    egress: [{ to: [{ podSelector: {} }], ports: [{ protocol: 'SCTP' }, { protocol: 'TCP', port: 443 }] }],
  }),
  wide('ClusterNetworkPolicy', {
    tier: 'Admin',
    priority: 10,
    subject: { namespaces: { matchLabels: { team: 'blue' } } },
    ingress: [
      {
        name: 'pass-web',
        action: 'Pass',
        from: [
          {
            pods: {
              namespaceSelector: { matchLabels: { stage: 'test' } },
              podSelector: { matchLabels: { app: 'web' } },
            },
          },
        ],
        protocols: [{ tcp: { destinationPort: { number: 8080 } } }],
      },
      { action: 'Deny', from: [{ namespaces: {} }] },
    ],
    egress: [
      {
        action: 'Accept',
        to: [{ networks: ['10.1.0.0/16'] }],
        protocols: [{ udp: { destinationPort: { range: { start: 50, end: 60 } } } }],
      },
      {
        action: 'Accept',
        to: [{ pods: { podSelector: { matchLabels: { app: 'web' } } } }],
        protocols: [{ destinationNamedPort: 'http' }],
      },
      { action: 'Deny', to: [{ networks: ['0.0.0.0/0', '::/0'] }] },
    ],
  }),
  wide('ClusterNetworkPolicy', {
    tier: 'Baseline',
    priority: 5,
    subject: {
      pods: {
        namespaceSelector: { matchLabels: { team: 'blue' } },
        podSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] },
      },
    },
    ingress: [
      {
        action: 'Accept',
        from: [{ namespaces: { matchLabels: { team: 'red' } } }],
        protocols: [{ tcp: { destinationPort: { number: 80 } } }],
      },
      {
        action: 'Deny',
        from: [{ namespaces: { matchLabels: { team: 'red' } } }, { namespaces: { matchLabels: { stage: 'prod' } } }],
      },
    ],
    egress: [
      { action: 'Accept', to: [{ domainNames: ['*.example.com'] }] },
      { action: 'Deny', to: [{ nodes: { matchLabels: { zone: 'a' } } }, { networks: ['203.0.113.0/24'] }] },
    ],
  }),
  wide('AdminNetworkPolicy', {
    priority: 7,
    subject: { pods: { namespaceSelector: { matchLabels: { stage: 'prod' } }, podSelector: {} } },
    ingress: [
      {
        action: 'Allow',
        from: [{ namespaces: { matchLabels: { stage: 'test' } } }],
        ports: [{ portNumber: { protocol: 'TCP', port: 8080 } }, { namedPort: 'sql' }],
      },
      { action: 'Deny', from: [{ namespaces: {} }], ports: [{ portRange: { protocol: 'TCP', start: 1, end: 10000 } }] },
    ],
    egress: [
      { action: 'Deny', to: [{ nodes: {} }, { networks: ['8.0.0.0/8'] }], ports: [{ portNumber: { port: 443 } }] },
    ],
  }),
  wide('AdminNetworkPolicy', {
    priority: 7,
    subject: { namespaces: {} },
    ingress: [
      { action: 'Pass', from: [{ namespaces: { sameLabels: ['team'] } }] },
      { action: 'Deny', from: [{ pods: { namespaces: { namespaceSelector: {} }, podSelector: {} } }] },
    ],
  }),
  wide('BaselineAdminNetworkPolicy', {
    subject: { namespaces: { matchLabels: { team: 'blue' } } },
    ingress: [
      { action: 'Allow', from: [{ namespaces: { matchLabels: { team: 'red' } } }], ports: [{ namedPort: 'http' }] },
      { action: 'Deny', from: [{ namespaces: {} }] },
    ],
    egress: [{ action: 'Deny', to: [{ namespaces: { matchLabels: { team: 'red' } } }] }],
  }),
];

/** Policies beside the damaged one: none, so that denials of it show, or all closed, so that its allow rules show. */
export const SURROUNDINGS: readonly (readonly Manifest[])[] = [
  [],
  ['shop', 'pay', 'ops'].map((name) =>
    policy(
      'NetworkPolicy',
      'v1',
      { name: 'zz-closed', namespace: name },
      { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
    ),
  ),
];
