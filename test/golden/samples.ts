// long: one sample of every kind of report, side by side
import type { Origin } from '../../src/model/origin.ts';
import type { ConnectivityReport, DiffReport, ExposureReport } from '../../src/model/report.ts';
import type { EndVerdict } from '../../src/model/verdict.ts';
import type { Explanation, PoliciesReport, QueryReport, Report, ValidationReport } from '../../src/report/report.ts';
import { probe, smoke } from './probe-samples.ts';

function origin(kind: string, namespace: string | null, name: string, field: string, line: number): Origin {
  return {
    object: {
      apiVersion: kind === 'NetworkPolicy' ? 'networking.k8s.io/v1' : 'policy.networking.k8s.io/v1alpha2',
      kind,
      namespace,
      name,
      source: { file: `policies/${name}.yaml`, locate: () => ({ line, column: 5 }) },
    },
    field,
  };
}

const TCP_5432 = { TCP: [[5432, 5432]] } as const;
const TCP_8080 = { TCP: [[8080, 8080]] } as const;
const WEB = 'shop/web[Deployment]';
const API = 'shop/api[Deployment]';
const CART = 'shop/cart[Deployment]';
const DB = 'shop/db[StatefulSet]';
const PROM = 'monitoring/prometheus[StatefulSet]';
const BACKUP_JOB = 'ops/backup[CronJob]';
const BACKUP_POD = 'ops/backup[Pod]';
const PRIVATE = '10.0.0.0-10.255.255.255';
const BELOW = '0.0.0.0-9.255.255.255';
const ABOVE = '11.0.0.0-255.255.255.255';
const V6 = '::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';

/** A shop: the database is closed but for its clients, the web front end is open to the internet. */
export const connectivity: ConnectivityReport = {
  kind: 'ConnectivityReport',
  peers: [PROM, BACKUP_JOB, BACKUP_POD, API, CART, DB, WEB, BELOW, PRIVATE, ABOVE, V6],
  allowed: [
    { src: API, dst: DB, conn: TCP_5432 },
    { src: CART, dst: DB, conn: TCP_5432 },
    { src: BACKUP_JOB, dst: DB, conn: TCP_5432 },
    { src: WEB, dst: API, conn: TCP_8080 },
    { src: WEB, dst: CART, conn: TCP_8080 },
    { src: PROM, dst: API, conn: { TCP: [[9090, 9091]] } },
    { src: PROM, dst: CART, conn: { TCP: [[9090, 9091]] } },
    { src: PROM, dst: DB, conn: {}, varies: true, some: { TCP: [[9187, 9187]] } },
    { src: API, dst: WEB, conn: 'all' },
    { src: CART, dst: WEB, conn: 'all' },
    { src: DB, dst: WEB, conn: 'all' },
    {
      src: BELOW,
      dst: WEB,
      conn: {
        TCP: [
          [80, 80],
          [443, 443],
        ],
      },
    },
    {
      src: PRIVATE,
      dst: WEB,
      conn: {
        TCP: [
          [80, 80],
          [443, 443],
        ],
      },
    },
    {
      src: ABOVE,
      dst: WEB,
      conn: {
        TCP: [
          [80, 80],
          [443, 443],
        ],
      },
    },
    {
      src: V6,
      dst: WEB,
      conn: {
        TCP: [
          [80, 80],
          [443, 443],
        ],
      },
    },
    {
      src: PROM,
      dst: BELOW,
      conn: {
        TCP: [
          [1, 24],
          [26, 65535],
        ],
        UDP: [[1, 65535]],
        SCTP: [[1, 65535]],
      },
    },
    {
      src: PROM,
      dst: ABOVE,
      conn: {
        TCP: [
          [1, 24],
          [26, 65535],
        ],
        UDP: [[1, 65535]],
        SCTP: [[1, 65535]],
      },
    },
    {
      src: PROM,
      dst: V6,
      conn: {
        TCP: [
          [1, 24],
          [26, 65535],
        ],
        UDP: [[1, 65535]],
        SCTP: [[1, 65535]],
      },
    },
    { src: API, dst: PRIVATE, conn: { TCP: [[443, 443]], UDP: [[53, 53]] } },
    { src: PROM, dst: BACKUP_JOB, conn: 'all' },
    { src: PROM, dst: BACKUP_POD, conn: 'all' },
  ],
  unspecified: [
    [BACKUP_POD, DB],
    [PRIVATE, DB],
  ],
  unspecifiedBecause: [
    { because: 'the address of ops/backup is not known, and a block could hold it', pairs: 1 },
    { because: 'two policies of equal priority disagree', pairs: 1 },
  ],
  ingressController: [{ dst: WEB, conn: { TCP: [[8443, 8443]] } }],
  replicas: [
    { workload: WEB, conn: 'all' },
    { workload: API, conn: 'all' },
    { workload: DB, conn: {} },
    { workload: PROM, conn: { TCP: [[9094, 9094]], UDP: [[9094, 9094]] } },
  ],
  diagnostics: [
    {
      code: 'RP012',
      severity: 'warning',
      message: 'selector `app=wbe` in `spec.podSelector` selects no workload',
      help: 'did you mean `app=web`?',
      origin: origin('NetworkPolicy', 'shop', 'web', 'spec.podSelector', 7),
    },
  ],
};

/** Names that try to break out of every format. */
export const hostile: ConnectivityReport = {
  kind: 'ConnectivityReport',
  peers: ['a"b/x</script><img src=x onerror=alert(1)>[Pod]', '=cmd|calc/y`z|w\\[Pod]', 'c\u001b[31m/\u202ed,e\n[Pod]'],
  allowed: [
    { src: 'a"b/x</script><img src=x onerror=alert(1)>[Pod]', dst: '=cmd|calc/y`z|w\\[Pod]', conn: 'all' },
    {
      src: '=cmd|calc/y`z|w\\[Pod]',
      dst: 'c\u001b[31m/\u202ed,e\n[Pod]',
      conn: { TCP: [[1, 65535]], named: [{ protocol: 'UDP', port: 'dns"]' }] },
    },
  ],
  unspecified: [],
  unspecifiedBecause: [],
  ingressController: [],
  replicas: [],
  diagnostics: [],
};

export const exposure: ExposureReport = {
  kind: 'ExposureReport',
  entries: [
    { workload: DB, direction: 'ingress', peer: { entireCluster: true }, conn: {} },
    {
      workload: DB,
      direction: 'ingress',
      peer: {
        namespaceSelector: { matchLabels: { team: 'data' } },
        podSelector: { matchExpressions: [{ key: 'role', operator: 'In', values: ['reader', 'writer'] }] },
      },
      conn: TCP_5432,
    },
    { workload: WEB, direction: 'ingress', peer: { range: '0.0.0.0-255.255.255.255' }, conn: { TCP: [[443, 443]] } },
    {
      workload: WEB,
      direction: 'egress',
      peer: { namespace: 'kube-system', allPods: true },
      conn: { UDP: [[53, 53]] },
    },
    {
      workload: CART,
      direction: 'egress',
      peer: { allNamespaces: true, podSelector: { matchLabels: { app: 'x' } } },
      conn: { named: [{ protocol: 'TCP', port: 'http' }] },
    },
    {
      workload: API,
      direction: 'egress',
      peer: { allNamespaces: true, podSelector: { matchLabels: { app: 'x' } } },
      conn: { named: [{ protocol: 'TCP', port: 'http' }] },
    },
  ],
  unprotected: [
    { workload: PROM, direction: 'ingress' },
    { workload: API, direction: 'ingress' },
    { workload: CART, direction: 'ingress' },
    { workload: PROM, direction: 'egress' },
  ],
  unspecified: [[PROM, DB]],
  diagnostics: [],
};

export const diff: DiffReport = {
  kind: 'DiffReport',
  changes: [
    { type: 'added', src: WEB, dst: DB, before: {}, after: TCP_5432 },
    { type: 'added', src: CART, dst: DB, before: {}, after: TCP_5432 },
    { type: 'added', src: '0.0.0.0-255.255.255.255', dst: API, before: {}, after: TCP_8080 },
    { type: 'removed', src: PROM, dst: WEB, before: 'all', after: {} },
    {
      type: 'changed',
      src: WEB,
      dst: API,
      before: TCP_8080,
      after: {
        TCP: [
          [8080, 8080],
          [8443, 8443],
        ],
      },
    },
    { type: 'changed', src: API, dst: PRIVATE, before: 'all', after: { TCP: [[443, 443]] } },
    { type: 'changed', src: PROM, dst: API, before: { TCP: [[9090, 9090]] }, after: { TCP: [[9091, 9091]] } },
    {
      type: 'added',
      src: WEB,
      dst: 'shop/search[Deployment]',
      before: {},
      after: 'all',
      workloads: 'shop/search is new',
    },
  ],
  partialChanges: [
    {
      type: 'added',
      src: PROM,
      dst: CART,
      before: {},
      after: TCP_8080,
      varies: true,
      someBefore: {},
      someAfter: TCP_8080,
    },
  ],
  unspecified: [[BACKUP_POD, DB]],
  ingressControllerChanges: [
    { type: 'removed', src: '{ingress-controller}', dst: WEB, before: { TCP: [[8443, 8443]] }, after: {} },
  ],
  diagnostics: [],
};

const egressOfWeb: EndVerdict = {
  direction: 'egress',
  verdict: 'allowed',
  decidedBy: null,
  plane: 'network',
  reasons: [
    {
      kind: 'default',
      policy: null,
      rule: null,
      tier: null,
      action: null,
      text: 'no policy isolates shop/web for egress',
      origin: null,
    },
  ],
  missing: [],
  caveats: [],
};
const ingressOfDb: EndVerdict = {
  direction: 'ingress',
  verdict: 'denied',
  decidedBy: 'NetworkPolicy/shop/db',
  plane: 'network',
  reasons: [
    {
      kind: 'isolation',
      policy: 'NetworkPolicy/shop/db',
      rule: null,
      tier: 'networkpolicy',
      action: 'deny',
      text: 'NetworkPolicy/shop/db isolates shop/db, and no rule allows TCP 8080',
      origin: origin('NetworkPolicy', 'shop', 'db', '', 3),
    },
    {
      kind: 'near-miss',
      policy: 'NetworkPolicy/shop/db',
      rule: 'spec.ingress[1]',
      tier: 'networkpolicy',
      action: 'allow',
      text: 'rule 2 matches the peer but port 8080 is not 5432',
      origin: origin('NetworkPolicy', 'shop', 'db', 'spec.ingress[1].ports[0].port', 19),
    },
  ],
  missing: [],
  caveats: [],
};

export const explanation: Explanation = {
  kind: 'Explanation',
  question: { src: 'shop/web', dst: 'shop/db', protocol: 'TCP', port: 8080 },
  verdict: 'denied',
  undefinedBecause: null,
  caveats: ['pods of shop/db are alike'],
  egress: egressOfWeb,
  ingress: ingressOfDb,
  considered: [
    { direction: 'egress', plane: 'network', tier: 'admin', outcome: 'next', policies: [] },
    { direction: 'egress', plane: 'network', tier: 'networkpolicy', outcome: 'next', policies: [] },
    { direction: 'egress', plane: 'network', tier: 'baseline', outcome: 'next', policies: [] },
    {
      direction: 'ingress',
      plane: 'network',
      tier: 'admin',
      outcome: 'pass',
      policies: [
        {
          policy: 'ClusterNetworkPolicy/tenants',
          isolates: false,
          origin: origin('ClusterNetworkPolicy', null, 'tenants', '', 2),
          rules: [
            {
              rule: 'spec.ingress[0]',
              action: 'deny',
              outcome: 'no-match',
              text: 'shop/web is in no namespace with tenant=other',
              origin: origin('ClusterNetworkPolicy', null, 'tenants', 'spec.ingress[0]', 12),
            },
            {
              rule: 'spec.ingress[1]',
              action: 'pass',
              outcome: 'decides',
              text: 'every pod of namespace shop',
              origin: origin('ClusterNetworkPolicy', null, 'tenants', 'spec.ingress[1]', 20),
            },
          ],
        },
      ],
    },
    {
      direction: 'ingress',
      plane: 'network',
      tier: 'networkpolicy',
      outcome: 'isolated',
      policies: [
        {
          policy: 'NetworkPolicy/shop/db',
          isolates: true,
          origin: origin('NetworkPolicy', 'shop', 'db', '', 3),
          rules: [
            {
              rule: 'spec.ingress[0]',
              action: 'allow',
              outcome: 'no-match',
              text: 'shop/web does not match app=backup',
              origin: origin('NetworkPolicy', 'shop', 'db', 'spec.ingress[0]', 12),
            },
            {
              rule: 'spec.ingress[1]',
              action: 'allow',
              outcome: 'near-miss',
              text: 'matches the peer but port 8080 is not 5432',
              origin: origin('NetworkPolicy', 'shop', 'db', 'spec.ingress[1]', 19),
            },
          ],
        },
      ],
    },
    { direction: 'ingress', plane: 'network', tier: 'baseline', outcome: 'not-reached', policies: [] },
  ],
  fixes: [
    {
      text: 'add TCP 8080 to the ports of spec.ingress[1]',
      policy: 'NetworkPolicy/shop/db',
      yaml: '- port: 8080\n  protocol: TCP\n',
    },
  ],
  diagnostics: [],
};

export const query: QueryReport = {
  kind: 'QueryReport',
  flows: [
    {
      question: { src: 'shop/web', dst: 'shop/db', protocol: 'TCP', port: 8080 },
      verdict: 'denied',
      undefinedBecause: null,
      caveats: [],
      egress: egressOfWeb,
      ingress: ingressOfDb,
    },
    {
      question: { src: 'shop/api', dst: '8.8.8.8', protocol: 'ICMP', direction: 'egress' },
      verdict: 'undefined',
      undefinedBecause: 'whether rules without ports let ICMP through is up to the network plugin',
      caveats: [],
      egress: { ...egressOfWeb, verdict: 'undefined', missing: ['ICMP is not covered by the API'], reasons: [] },
      ingress: null,
    },
    {
      question: { src: 'shop/api', dst: 'shop/db', protocol: 'TCP', port: 5432, note: 'the usual' },
      verdict: 'allowed',
      undefinedBecause: null,
      caveats: ['pods of shop/db are alike'],
      egress: egressOfWeb,
      ingress: { ...ingressOfDb, verdict: 'allowed', decidedBy: 'NetworkPolicy/shop/db#ingress[1]', reasons: [] },
    },
  ],
  diagnostics: [],
};

export const policies: PoliciesReport = {
  kind: 'PoliciesReport',
  workloads: [
    {
      workload: DB,
      ingress: {
        isolated: true,
        policies: [
          {
            policy: 'NetworkPolicy/shop/db',
            tier: 'networkpolicy',
            isolates: true,
            origin: origin('NetworkPolicy', 'shop', 'db', '', 3),
            rules: [
              {
                rule: 'spec.ingress[0]',
                action: 'allow',
                text: 'from pods app=api on TCP 5432',
                origin: origin('NetworkPolicy', 'shop', 'db', 'spec.ingress[0]', 12),
              },
            ],
          },
        ],
      },
      egress: { isolated: false, policies: [] },
    },
    { workload: API, ingress: { isolated: false, policies: [] }, egress: { isolated: false, policies: [] } },
    { workload: WEB, ingress: { isolated: false, policies: [] }, egress: { isolated: false, policies: [] } },
  ],
  selectNothing: ['NetworkPolicy/shop/wbe'],
  diagnostics: [],
};

export const validation: ValidationReport = {
  kind: 'ValidationReport',
  diagnostics: [
    {
      code: 'NP004',
      severity: 'error',
      message: 'must be between 1 and 65535, inclusive',
      help: 'write a port that exists',
      refused: true,
      origin: origin('NetworkPolicy', 'shop', 'db', 'spec.ingress[0].ports[0].endPort', 14),
    },
    ...connectivity.diagnostics,
    {
      code: 'RP001',
      severity: 'error',
      message: 'cannot read the document',
      origin: null,
      at: { file: 'policies/broken.yaml', line: 3 },
    },
  ],
};

/** Every sample by the name of its golden files. */
export const SAMPLES: Readonly<Record<string, Report>> = {
  connectivity,
  hostile,
  exposure,
  diff,
  explanation,
  query,
  policies,
  validation,
  probe,
  smoke,
};
