/** One request, sent to both servers. */
export interface Case {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Remember the version and uid of the answer for `$VERSION` and `$UID`. */
  readonly keep?: true;
  /** Fields of the answer that have to be the same. */
  readonly shows?: readonly string[];
}

/** Names that begin with `d-`, `n-` or `p-` are of these cases. */
export const WATCHED: readonly string[] = [
  '/api/v1/configmaps',
  '/api/v1/pods',
  '/api/v1/services',
  '/apis/networking.k8s.io/v1/networkpolicies',
  '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies',
];

const MERGE = 'application/merge-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';
const APPLY = 'application/apply-patch+yaml';

const MAPS = '/api/v1/namespaces/n-a/configmaps';
const NS = '/api/v1/namespaces';
const SERVICES = '/api/v1/namespaces/n-a/services';
const POLICIES = '/apis/networking.k8s.io/v1/namespaces/n-a/networkpolicies';
const CNPS = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';
const PODS = '/api/v1/namespaces/default/pods';

const map = (name: string, data: object, more: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...more },
  data,
});

const policy = (name: string, spec: object): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name },
  spec,
});

const cnp = (name: string, spec: object): object => ({
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  kind: 'ClusterNetworkPolicy',
  metadata: { name },
  spec,
});

const pod = (name: string, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name } },
  // Nobody places it, so that both servers are left to themselves.
  spec: { schedulerName: 'nobody', containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }] }], ...spec },
});

const service = (name: string, spec: object): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec,
});

const SUBJECT = { namespaces: {} };

export const CASES: readonly Case[] = [
  // Namespaces
  {
    method: 'POST',
    path: NS,
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n-a', labels: { a: 'b' } } },
    shows: ['metadata.labels', 'status', 'spec'],
  },
  { method: 'POST', path: NS, body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n-a' } } },
  { method: 'POST', path: NS, body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n.a' } } },
  { method: 'POST', path: NS, body: { apiVersion: 'v1', kind: 'Namespace', metadata: {} } },
  { method: 'GET', path: `${NS}/n-a`, shows: ['metadata.name', 'metadata.labels'] },
  { method: 'GET', path: `${NS}/n-none` },
  // Create, read, replace
  {
    method: 'POST',
    path: MAPS,
    body: map('d-one', { a: '1' }),
    keep: true,
    shows: ['data', 'metadata.namespace', 'metadata.generation'],
  },
  { method: 'POST', path: MAPS, body: map('d-one', { a: '1' }) },
  { method: 'POST', path: '/api/v1/namespaces/n-none/configmaps', body: map('d-one', {}) },
  { method: 'POST', path: MAPS, body: map('d-one', {}, { namespace: 'n-b' }) },
  { method: 'POST', path: MAPS, body: map('D_one', {}) },
  { method: 'POST', path: MAPS, body: map('d-labels', {}, { labels: { 'bad key': 'x' } }) },
  { method: 'POST', path: MAPS, body: '{ this is no JSON' },
  { method: 'POST', path: MAPS, body: map('d-two', {}), contentType: 'text/plain' },
  { method: 'POST', path: MAPS, body: { ...map('d-two', {}), apiVersion: 'v2' } },
  { method: 'GET', path: `${MAPS}/d-one`, shows: ['data', 'kind', 'apiVersion'] },
  { method: 'GET', path: `${MAPS}/d-none` },
  { method: 'GET', path: '/api/v1/namespaces/n-a/nothings' },
  { method: 'GET', path: '/apis/nothing.example/v1/things' },
  {
    method: 'PUT',
    path: `${MAPS}/d-one`,
    body: { ...map('d-one', { a: '2' }), metadata: { name: 'd-one', resourceVersion: '$VERSION' } },
    shows: ['data'],
  },
  {
    method: 'PUT',
    path: `${MAPS}/d-one`,
    body: { ...map('d-one', { a: '3' }), metadata: { name: 'd-one', resourceVersion: '$VERSION' } },
  },
  { method: 'PUT', path: `${MAPS}/d-one`, body: map('d-one', { a: '4' }), keep: true, shows: ['data'] },
  { method: 'PUT', path: `${MAPS}/d-one`, body: map('d-one', { a: '4' }), shows: ['data'] },
  { method: 'PUT', path: `${MAPS}/d-one`, body: map('d-other', { a: '4' }) },
  {
    method: 'PUT',
    path: `${MAPS}/d-one`,
    body: map('d-one', { a: '4' }, { uid: '00000000-0000-0000-0000-000000000000' }),
  },
  { method: 'PUT', path: `${MAPS}/d-none`, body: map('d-none', {}) },
  // Patches
  { method: 'PATCH', path: `${MAPS}/d-one`, body: { data: { b: '1', a: null } }, contentType: MERGE, shows: ['data'] },
  {
    method: 'PATCH',
    path: `${MAPS}/d-one`,
    body: { metadata: { labels: { x: 'y' } } },
    contentType: STRATEGIC,
    shows: ['data', 'metadata.labels'],
  },
  {
    method: 'PATCH',
    path: `${MAPS}/d-one`,
    body: [
      { op: 'add', path: '/data/c', value: '1' },
      { op: 'remove', path: '/data/b' },
    ],
    contentType: JSON_PATCH,
    shows: ['data'],
  },
  { method: 'PATCH', path: `${MAPS}/d-one`, body: [{ op: 'remove', path: '/data/none' }], contentType: JSON_PATCH },
  {
    method: 'PATCH',
    path: `${MAPS}/d-one`,
    body: [{ op: 'test', path: '/data/c', value: '2' }],
    contentType: JSON_PATCH,
  },
  { method: 'PATCH', path: `${MAPS}/d-one`, body: { metadata: { resourceVersion: '1' } }, contentType: MERGE },
  { method: 'PATCH', path: `${MAPS}/d-none`, body: { data: {} }, contentType: MERGE },
  { method: 'PATCH', path: `${MAPS}/d-one`, body: {}, contentType: 'application/json' },
  { method: 'PATCH', path: `${MAPS}/d-apply`, body: map('d-apply', { a: '1', b: '2' }), contentType: APPLY },
  {
    method: 'PATCH',
    path: `${MAPS}/d-apply?fieldManager=m`,
    body: map('d-apply', { a: '1', b: '2' }),
    contentType: APPLY,
    shows: ['data'],
  },
  {
    method: 'PATCH',
    path: `${MAPS}/d-apply?fieldManager=m`,
    body: map('d-apply', { a: '3' }),
    contentType: APPLY,
    shows: ['data'],
  },
  {
    method: 'PATCH',
    path: `${MAPS}/d-apply?fieldManager=m`,
    body: map('d-apply', { a: '3' }),
    contentType: APPLY,
    shows: ['data'],
  },
  {
    method: 'PATCH',
    path: `${MAPS}/d-apply?fieldManager=n&force=true`,
    body: map('d-apply', { c: '3' }),
    contentType: APPLY,
    shows: ['data'],
  },
  // Dry runs change nothing
  { method: 'POST', path: `${MAPS}?dryRun=All`, body: map('d-dry', {}) },
  { method: 'GET', path: `${MAPS}/d-dry` },
  { method: 'DELETE', path: `${MAPS}/d-apply?dryRun=All` },
  // Lists
  { method: 'POST', path: MAPS, body: map('d-three', {}, { labels: { tier: 'x', app: 'three' } }) },
  { method: 'POST', path: MAPS, body: map('d-four', {}, { labels: { tier: 'y' } }) },
  ...[
    'tier=x',
    'tier!=x,tier',
    'tier in (x, y),app',
    'tier notin (x),tier',
    '!tier,x=y',
    'tier==y',
    'tier in (x',
    'a b',
  ].map(
    (selector): Case => ({
      method: 'GET',
      path: `${MAPS}?labelSelector=${encodeURIComponent(selector)}`,
      shows: ['items.length', 'items.0.metadata.name'],
    }),
  ),
  ...['metadata.name=d-four', 'metadata.name!=d-four', 'data.a=1', 'nonsense'].map(
    (selector): Case => ({
      method: 'GET',
      path: `${MAPS}?labelSelector=tier&fieldSelector=${encodeURIComponent(selector)}`,
      shows: ['items.length', 'items.0.metadata.name'],
    }),
  ),
  {
    method: 'GET',
    path: `${MAPS}?labelSelector=tier&limit=1`,
    shows: ['items.length', 'metadata.remainingItemCount', 'items.0.metadata.name'],
  },
  { method: 'GET', path: '/api/v1/namespaces/n-none/configmaps', shows: ['items.length'] },
  { method: 'GET', path: `${MAPS}?resourceVersion=999999999` },
  { method: 'POST', path: `${MAPS}/d-one`, body: map('d-one', {}) },
  { method: 'PUT', path: MAPS, body: map('d-one', {}) },
  // Policies
  {
    method: 'POST',
    path: POLICIES,
    body: policy('p-open', { podSelector: {} }),
    keep: true,
    shows: ['spec', 'metadata.generation'],
  },
  {
    method: 'POST',
    path: POLICIES,
    body: policy('p-ports', { podSelector: {}, egress: [{ ports: [{ port: 80 }] }] }),
    shows: ['spec'],
  },
  {
    method: 'POST',
    path: POLICIES,
    body: policy('p-bad', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/99' } }] }] }),
  },
  {
    method: 'POST',
    path: POLICIES,
    body: policy('p-bad', { podSelector: {}, ingress: [{ from: [{}], ports: [{ port: 99999, protocol: 'ICMP' }] }] }),
  },
  { method: 'POST', path: POLICIES, body: policy('p-bad', { podSelector: {}, ingress: 'all' }) },
  {
    method: 'POST',
    path: `${POLICIES}?fieldValidation=Strict`,
    body: policy('p-bad', { podSelector: {}, ingres: [] }),
  },
  { method: 'POST', path: POLICIES, body: policy('p-pruned', { podSelector: {}, ingres: [] }), shows: ['spec'] },
  {
    method: 'PUT',
    path: `${POLICIES}/p-open`,
    body: policy('p-open', { podSelector: { matchLabels: { a: 'b' } } }),
    shows: ['spec', 'metadata.generation'],
  },
  {
    method: 'PATCH',
    path: `${POLICIES}/p-open`,
    body: { spec: { podSelector: { matchLabels: { a: 1 } } } },
    contentType: MERGE,
  },
  { method: 'PATCH', path: `${POLICIES}/p-open`, body: { spec: { policyTypes: ['Sideways'] } }, contentType: MERGE },
  {
    method: 'PATCH',
    path: `${POLICIES}/p-open`,
    body: { metadata: { annotations: { a: 'b' } } },
    contentType: MERGE,
    shows: ['metadata.generation', 'metadata.annotations'],
  },
  { method: 'DELETE', path: `${POLICIES}/p-open` },
  {
    method: 'POST',
    path: CNPS,
    body: cnp('p-cluster', {
      tier: 'Admin',
      priority: 5,
      subject: SUBJECT,
      ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }],
    }),
    keep: true,
    shows: ['spec', 'metadata.generation'],
  },
  { method: 'POST', path: CNPS, body: cnp('p-bad', { tier: 'Middle', priority: 5, subject: SUBJECT }) },
  { method: 'POST', path: CNPS, body: cnp('p-bad', { tier: 'Admin', priority: 5000, subject: SUBJECT }) },
  { method: 'POST', path: CNPS, body: cnp('p-bad', { tier: 'Admin', priority: 'first', subject: SUBJECT }) },
  {
    method: 'PATCH',
    path: `${CNPS}/p-cluster`,
    body: { spec: { priority: 6 } },
    contentType: MERGE,
    shows: ['spec.priority', 'metadata.generation'],
  },
  { method: 'PATCH', path: `${CNPS}/p-cluster`, body: { spec: { priority: 6 } }, contentType: STRATEGIC },
  {
    method: 'PUT',
    path: `${CNPS}/p-cluster`,
    body: cnp('p-cluster', { tier: 'Admin', priority: 7, subject: SUBJECT }),
  },
  {
    method: 'PATCH',
    path: `${CNPS}/p-cluster/status`,
    body: {
      spec: { priority: 9 },
      status: {
        conditions: [
          { type: 'Enforced', status: 'True', reason: 'R', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
        ],
      },
    },
    contentType: MERGE,
    shows: ['spec.priority', 'metadata.generation', 'status'],
  },
  {
    method: 'PATCH',
    path: `${CNPS}/p-cluster`,
    body: { status: { conditions: [] } },
    contentType: MERGE,
    shows: ['status'],
  },
  { method: 'DELETE', path: `${CNPS}/p-cluster`, shows: ['status'] },
  // Services
  {
    method: 'POST',
    path: SERVICES,
    body: service('d-headless', { clusterIP: 'None', selector: { a: 'b' }, ports: [{ port: 80 }] }),
    shows: ['spec.clusterIP', 'spec.clusterIPs', 'spec.type', 'spec.ports', 'spec.sessionAffinity'],
  },
  {
    method: 'POST',
    path: SERVICES,
    body: service('d-plain', { selector: { a: 'b' }, ports: [{ port: 80, targetPort: 'http' }] }),
    shows: [
      'spec.type',
      'spec.ports',
      'spec.ipFamilies',
      'spec.ipFamilyPolicy',
      'spec.clusterIPs.length',
      'spec.internalTrafficPolicy',
    ],
  },
  {
    method: 'POST',
    path: SERVICES,
    body: service('d-dual', { ipFamilyPolicy: 'RequireDualStack', ports: [{ port: 80 }] }),
    shows: ['spec.ipFamilies', 'spec.clusterIPs.length'],
  },
  {
    method: 'POST',
    path: SERVICES,
    body: service('d-node', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }),
    shows: ['spec.ports', 'spec.externalTrafficPolicy'],
  },
  {
    method: 'POST',
    path: SERVICES,
    body: service('d-again', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }),
  },
  {
    method: 'POST',
    path: SERVICES,
    body: service('d-range', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }),
  },
  {
    method: 'POST',
    path: SERVICES,
    body: service('d-external', { type: 'ExternalName', externalName: 'example.com' }),
    shows: ['spec'],
  },
  { method: 'POST', path: SERVICES, body: service('d-noports', {}) },
  { method: 'POST', path: SERVICES, body: service('1-digit', { ports: [{ port: 80 }] }) },
  {
    method: 'PATCH',
    path: `${SERVICES}/d-plain`,
    body: {
      spec: {
        ports: [
          { port: 81, name: 'b' },
          { port: 80, name: 'a' },
        ],
      },
    },
    contentType: STRATEGIC,
    shows: ['spec.ports.length'],
  },
  {
    method: 'PATCH',
    path: `${SERVICES}/d-plain`,
    body: { spec: { type: 'NodePort' } },
    contentType: MERGE,
    shows: ['spec.type', 'spec.externalTrafficPolicy'],
  },
  {
    method: 'PATCH',
    path: `${SERVICES}/d-plain`,
    body: { spec: { type: 'ClusterIP' } },
    contentType: MERGE,
    shows: ['spec.type', 'spec.ports'],
  },
  {
    method: 'PATCH',
    path: `${SERVICES}/d-plain`,
    body: { spec: { clusterIP: '10.0.0.250', clusterIPs: ['10.0.0.250'] } },
    contentType: MERGE,
  },
  { method: 'DELETE', path: `${SERVICES}/d-dual` },
  // Pods
  {
    method: 'POST',
    path: PODS,
    body: pod('d-pod'),
    keep: true,
    shows: ['spec.containers.0.ports', 'spec.restartPolicy', 'status.phase', 'status.qosClass'],
  },
  { method: 'POST', path: PODS, body: pod('d-empty', { containers: [] }) },
  {
    method: 'PATCH',
    path: `${PODS}/d-pod`,
    body: { metadata: { labels: { app: null, b: 'c' } } },
    contentType: STRATEGIC,
    shows: ['metadata.labels'],
  },
  {
    method: 'PATCH',
    path: `${PODS}/d-pod/status`,
    body: {
      status: {
        phase: 'Running',
        podIP: '10.1.1.1',
        podIPs: [{ ip: '10.1.1.1' }],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    },
    contentType: STRATEGIC,
    shows: ['status.phase', 'status.podIPs'],
  },
  {
    method: 'PATCH',
    path: `${PODS}/d-pod`,
    body: { status: { phase: 'Failed' } },
    contentType: MERGE,
    shows: ['status.phase'],
  },
  {
    method: 'GET',
    path: `${PODS}?fieldSelector=status.phase%3DRunning,metadata.name%3Dd-pod`,
    shows: ['items.length'],
  },
  { method: 'GET', path: '/api/v1/pods?fieldSelector=spec.nodeName%3Dnobody', shows: ['items.length'] },
  {
    method: 'POST',
    path: `${PODS}/d-pod/binding`,
    body: {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'd-pod' },
      target: { apiVersion: 'v1', kind: 'Node', name: 'node-9' },
    },
  },
  {
    method: 'POST',
    path: `${PODS}/d-pod/binding`,
    body: {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'd-pod' },
      target: { apiVersion: 'v1', kind: 'Node', name: 'node-8' },
    },
  },
  { method: 'DELETE', path: `${PODS}/d-pod?gracePeriodSeconds=0`, shows: ['metadata.name'] },
  { method: 'GET', path: `${PODS}/d-pod` },
  // Finalizers and preconditions
  { method: 'POST', path: MAPS, body: map('d-held', {}, { finalizers: ['example.com/hold'] }), keep: true },
  {
    method: 'DELETE',
    path: `${MAPS}/d-held`,
    body: { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: 'other' } },
  },
  { method: 'DELETE', path: `${MAPS}/d-held`, shows: ['metadata.finalizers'] },
  { method: 'GET', path: `${MAPS}/d-held`, shows: ['metadata.deletionGracePeriodSeconds'] },
  { method: 'PATCH', path: `${MAPS}/d-held`, body: { metadata: { finalizers: null } }, contentType: MERGE },
  { method: 'GET', path: `${MAPS}/d-held` },
  { method: 'DELETE', path: `${MAPS}/d-held` },
  // Collections
  { method: 'DELETE', path: `${MAPS}?labelSelector=tier`, shows: ['kind', 'items.length'] },
  { method: 'GET', path: `${MAPS}?labelSelector=tier`, shows: ['items.length'] },
  { method: 'DELETE', path: '/api/v1/configmaps' },
  // Scale
  { method: 'GET', path: '/apis/apps/v1/namespaces/n-a/deployments/d-none/scale' },
  // Discovery
  { method: 'GET', path: '/api', shows: ['versions'] },
  { method: 'GET', path: '/apis/networking.k8s.io', shows: ['name', 'preferredVersion'] },
  { method: 'GET', path: '/apis/policy.networking.k8s.io', shows: ['name', 'kind'] },
  { method: 'GET', path: '/apis/none.example' },
  { method: 'GET', path: '/apis/networking.k8s.io/v9' },
];
