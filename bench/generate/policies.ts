import type { Json, JsonObject } from '../../src/manifest/object.ts';
import type { Random } from './random.ts';
import type { PolicyKindName } from './shape.ts';
import type { App, Tenant } from './workloads.ts';

const NAMESPACE_NAME = 'kubernetes.io/metadata.name';
const APP_NAME = 'app.kubernetes.io/name';
const COMPONENT = 'app.kubernetes.io/component';
const PRIVATE_RANGES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'];

const inNamespace = (name: string): JsonObject => ({ matchLabels: { [NAMESPACE_NAME]: name } });
const app = (name: string): JsonObject => ({ matchLabels: { [APP_NAME]: name } });
const tcp = (port: number | string): JsonObject => ({ protocol: 'TCP', port });

function networkPolicy(namespace: string, name: string, spec: JsonObject): JsonObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name }, spec };
}

function defaultDeny(namespace: string): JsonObject {
  return networkPolicy(namespace, 'default-deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
}

function allowDns(namespace: string): JsonObject {
  return networkPolicy(namespace, 'allow-dns', {
    podSelector: {},
    policyTypes: ['Egress'],
    egress: [
      {
        to: [{ namespaceSelector: inNamespace('kube-system'), podSelector: app('coredns') }],
        ports: [{ protocol: 'UDP', port: 53 }, tcp(53)],
      },
    ],
  });
}

interface Scene {
  readonly tenant: Tenant;
  readonly tenants: readonly Tenant[];
  readonly random: Random;
}

type Recipe = (scene: Scene, subject: App, suffix: string) => JsonObject;

/** Named or by number, as people do: a third of the ports by name. */
const portOf = (peer: App, random: Random): JsonObject => tcp(random.chance(1 / 3) ? peer.portName : peer.port);

function pick<T>(list: readonly T[], random: Random): T {
  return list[random.below(list.length)] as T;
}

const appToApp: Recipe = ({ tenant, random }, subject, suffix) => {
  const callers = [...new Set([pick(tenant.apps, random).name, pick(tenant.apps, random).name])];
  const callee = pick(tenant.apps, random);
  return networkPolicy(tenant.name, `allow-${subject.name}${suffix}`, {
    podSelector: app(subject.name),
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: callers.map((name) => ({ podSelector: app(name) })), ports: [portOf(subject, random)] }],
    egress: [{ to: [{ podSelector: app(callee.name) }], ports: [portOf(callee, random)] }],
  });
};

const fromIngressController: Recipe = ({ tenant }, subject, suffix) =>
  networkPolicy(tenant.name, `allow-ingress-${subject.name}${suffix}`, {
    podSelector: app(subject.name),
    policyTypes: ['Ingress'],
    ingress: [
      {
        from: [{ namespaceSelector: inNamespace('ingress-nginx'), podSelector: app('ingress-nginx') }],
        ports: [tcp(subject.portName)],
      },
    ],
  });

const monitoring: Recipe = ({ tenant }, _subject, suffix) =>
  networkPolicy(tenant.name, `allow-monitoring${suffix}`, {
    podSelector: {},
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ namespaceSelector: inNamespace('monitoring') }], ports: [tcp('metrics')] }],
  });

const toTheInternet: Recipe = ({ tenant, random }, subject, suffix) =>
  networkPolicy(tenant.name, `allow-egress-${subject.name}${suffix}`, {
    podSelector: app(subject.name),
    policyTypes: ['Egress'],
    egress: random.chance(0.5)
      ? [
          {
            to: [
              { ipBlock: { cidr: '0.0.0.0/0', except: [...PRIVATE_RANGES, '169.254.0.0/16'] } },
              { ipBlock: { cidr: '::/0', except: ['fc00::/7', 'fe80::/10'] } },
            ],
            ports: [tcp(443)],
          },
        ]
      : [
          {
            to: [{ ipBlock: { cidr: `203.0.113.${8 * random.below(32)}/29` } }],
            ports: [tcp(443), { protocol: 'UDP', port: 443 }],
          },
        ],
  });

const acrossNamespaces: Recipe = ({ tenant, tenants, random }, subject, suffix) => {
  const other = pick(tenants, random);
  const byTeam: JsonObject = {
    matchLabels: { team: other.labels.team ?? 'platform', stage: tenant.labels.stage ?? 'prod' },
  };
  return networkPolicy(tenant.name, `allow-from-${other.name}-${subject.name}${suffix}`, {
    podSelector: app(subject.name),
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [
          {
            namespaceSelector: random.chance(0.5) ? byTeam : inNamespace(other.name),
            podSelector: { matchLabels: { [COMPONENT]: 'api' } },
          },
        ],
        ports: [portOf(subject, random)],
      },
    ],
    egress: [{ to: [{ namespaceSelector: inNamespace(other.name), podSelector: app('api') }], ports: [tcp('grpc')] }],
  });
};

const portRange: Recipe = ({ tenant, random }, subject, suffix) => {
  const first = 30_000 + 100 * random.below(20);
  return networkPolicy(tenant.name, `allow-range-${subject.name}${suffix}`, {
    podSelector: app(subject.name),
    policyTypes: ['Ingress'],
    ingress: [
      { from: [{ podSelector: {} }], ports: [{ protocol: 'TCP', port: first, endPort: first + random.below(100) }] },
    ],
  });
};

const byExpression: Recipe = ({ tenant, random }, subject, suffix) =>
  networkPolicy(tenant.name, `allow-components-${subject.name}${suffix}`, {
    podSelector: app(subject.name),
    policyTypes: ['Ingress'],
    ingress: [
      {
        from: [
          {
            podSelector: {
              matchExpressions: [
                random.chance(0.5)
                  ? { key: COMPONENT, operator: 'In', values: ['web', 'api', 'worker'] }
                  : { key: COMPONENT, operator: 'NotIn', values: ['cache', 'db'] },
                { key: 'team', operator: 'Exists' },
              ],
            },
          },
        ],
        ports: [portOf(subject, random)],
      },
    ],
  });

/** In the proportions of one namespace with eight allow policies, the commonest first. */
const RECIPES: readonly Recipe[] = [
  fromIngressController,
  monitoring,
  appToApp,
  appToApp,
  acrossNamespaces,
  appToApp,
  toTheInternet,
  byExpression,
  appToApp,
  portRange,
];

/** Exactly `count` policies of one namespace: default deny, DNS, then allow policies. */
export function tenantPolicies(
  tenant: Tenant,
  tenants: readonly Tenant[],
  count: number,
  random: Random,
): readonly JsonObject[] {
  const policies = [defaultDeny(tenant.name), allowDns(tenant.name)].slice(0, count);
  const scene: Scene = { tenant, tenants, random };
  for (let index = 0; policies.length < count; index += 1) {
    const recipe = RECIPES[index % RECIPES.length] as Recipe;
    const subject = tenant.apps[index % Math.max(1, tenant.apps.length)];
    const policy =
      subject === undefined
        ? networkPolicy(tenant.name, `spare-${index}`, { podSelector: {}, policyTypes: ['Ingress'] })
        : recipe(scene, subject, index === 0 ? '' : `-${index}`);
    policies.push(policy);
  }
  return policies;
}

type Verb = 'Accept' | 'Deny' | 'Pass';
const ADMIN_VERBS: Readonly<Record<Verb, string>> = { Accept: 'Allow', Deny: 'Deny', Pass: 'Pass' };

/** Exactly `count` cluster-wide policies: guard rails for all, then one hand-over for each team and namespace. */
export function clusterPolicies(
  kind: Exclude<PolicyKindName, 'np'>,
  tenants: readonly Tenant[],
  count: number,
  random: Random,
): readonly JsonObject[] {
  const admin = kind === 'anp';
  const ports = (port: number): JsonObject =>
    admin
      ? { ports: [{ portNumber: { protocol: 'TCP', port } }] }
      : { protocols: [{ tcp: { destinationPort: { number: port } } }] };
  const rule = (verb: Verb, side: 'from' | 'to', peers: readonly Json[], port: number | null): JsonObject => ({
    name: `${verb.toLowerCase()}-${side}`,
    action: admin ? ADMIN_VERBS[verb] : verb,
    [side]: peers,
    ...(port === null ? {} : ports(port)),
  });
  const policy = (name: string, priority: number, body: JsonObject): JsonObject => ({
    apiVersion: admin ? 'policy.networking.k8s.io/v1alpha1' : 'policy.networking.k8s.io/v1alpha2',
    kind: admin ? 'AdminNetworkPolicy' : 'ClusterNetworkPolicy',
    metadata: { name: `${kind}-${name}` },
    spec: { ...(admin ? {} : { tier: 'Admin' }), priority, ...body },
  });
  const everything: JsonObject = { namespaces: {} };
  const policies: JsonObject[] = [
    policy('metadata-server', 10, {
      subject: everything,
      egress: [rule('Deny', 'to', [{ networks: ['169.254.169.254/32'] }], null)],
    }),
    policy('monitoring', 20, {
      subject: everything,
      ingress: [rule('Accept', 'from', [{ namespaces: inNamespace('monitoring') }], 9102)],
    }),
  ].slice(0, count);
  for (let index = 0; policies.length < count; index += 1) {
    const tenant = tenants[index % tenants.length] as Tenant;
    const other = pick(tenants, random);
    const peer: JsonObject = random.chance(0.5)
      ? { namespaces: { matchLabels: { team: other.labels.team ?? 'platform' } } }
      : { pods: { namespaceSelector: inNamespace(other.name), podSelector: { matchLabels: { [COMPONENT]: 'api' } } } };
    policies.push(
      policy(`${tenant.name}-${index}`, 30 + (index % 900), {
        subject: { namespaces: inNamespace(tenant.name) },
        ingress: [rule(pick(['Accept', 'Pass', 'Deny'] as const, random), 'from', [peer], 9000)],
      }),
    );
  }
  return policies;
}
