import { stringify } from 'yaml';

/** A manifest that was damaged on purpose; equal seeds and indices give equal texts. */
export interface Mutation {
  readonly index: number;
  readonly text: string;
}

/** Numbers below `limit`, from a fixed sequence (mulberry32). */
export type Dice = (limit: number) => number;

export function dice(seed: number): Dice {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

const pick = <T>(roll: Dice, list: readonly T[]): T => list[roll(list.length)] as T;

type Value = null | boolean | number | string | Value[] | { [key: string]: Value };

/** Sound objects of the kinds that policies and clusters are made of. */
export const SEEDS: readonly Value[] = [
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'web', namespace: 'shop', labels: { 'app.kubernetes.io/name': 'web' } },
    spec: {
      podSelector: {
        matchLabels: { app: 'web' },
        matchExpressions: [{ key: 'tier', operator: 'In', values: ['a', 'b'] }],
      },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            { podSelector: {}, namespaceSelector: { matchLabels: { team: 'x' } } },
            { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
          ],
          ports: [{ protocol: 'TCP', port: 80, endPort: 90 }, { port: 'http' }],
        },
        {},
      ],
      egress: [{ to: [{ ipBlock: { cidr: '2001:db8::/32' } }], ports: [{ protocol: 'UDP', port: 53 }] }],
    },
  },
  {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'floor' },
    spec: {
      tier: 'Admin',
      priority: 10,
      subject: { namespaces: { matchLabels: { env: 'prod' } } },
      ingress: [{ name: 'a', action: 'Deny', from: [{ pods: { namespaceSelector: {}, podSelector: {} } }] }],
      egress: [
        {
          action: 'Accept',
          to: [{ networks: ['10.0.0.0/8', '::/0'] }, { domainNames: ['*.example.com'] }],
          protocols: [
            { tcp: { destinationPort: { number: 443 } } },
            { udp: { destinationPort: { range: { start: 1, end: 9 } } } },
          ],
        },
      ],
    },
  },
  {
    apiVersion: 'policy.networking.k8s.io/v1alpha1',
    kind: 'AdminNetworkPolicy',
    metadata: { name: 'old' },
    spec: {
      priority: 5,
      subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { a: 'b' } } } },
      ingress: [
        {
          action: 'Pass',
          from: [{ namespaces: { matchLabels: { x: 'y' } } }],
          ports: [
            { portNumber: { protocol: 'TCP', port: 80 } },
            { namedPort: 'dns' },
            { portRange: { start: 1, end: 2 } },
          ],
        },
      ],
    },
  },
  {
    apiVersion: 'policy.networking.k8s.io/v1alpha1',
    kind: 'BaselineAdminNetworkPolicy',
    metadata: { name: 'default' },
    spec: { subject: { namespaces: {} }, egress: [{ action: 'Deny', to: [{ nodes: { matchLabels: { n: '1' } } }] }] },
  },
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'GlobalNetworkPolicy',
    metadata: { name: 'calico' },
    spec: {
      order: 100.5,
      selector: "app == 'x' && has(y)",
      types: ['Ingress'],
      ingress: [
        { action: 'Allow', protocol: 'TCP', source: { nets: ['10.0.0.0/8'] }, destination: { ports: [80, '90:99'] } },
      ],
    },
  },
  {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: 'cilium', namespace: 'shop' },
    spec: {
      endpointSelector: { matchLabels: { 'k8s:app': 'x' } },
      ingress: [
        {
          fromEntities: ['world'],
          toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { http: [{ method: 'GET' }] } }],
        },
      ],
      egressDeny: [{ toFQDNs: [{ matchPattern: '*.example.com' }] }],
    },
  },
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'mesh', namespace: 'shop' },
    spec: {
      action: 'ALLOW',
      rules: [{ from: [{ source: { principals: ['*'] } }], to: [{ operation: { ports: ['80'] } }] }],
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-1', namespace: 'shop', labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', image: 'x', ports: [{ name: 'http', containerPort: 8080 }] }], nodeName: 'n1' },
    status: { podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }], phase: 'Running' },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: {} },
    },
  },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { env: 'prod' } } },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1' },
    status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] },
  },
];

const ODD_VALUES: readonly Value[] = [
  null,
  '',
  0,
  -1,
  1.5,
  65536,
  1e21,
  true,
  [],
  {},
  'x',
  '*',
  '10.0.0.0/33',
  '::/129',
  '300.0.0.1',
  'A'.repeat(300),
  '__proto__',
  ['x', null, 5],
  [[]],
  { '': '' },
  { a: { b: { c: {} } } },
  '\u0000',
  '😀',
  ' ',
  '-',
  'TCP',
  'NotIn',
  'In',
  9007199254740992,
];
const ODD_KEYS: readonly string[] = [
  '',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'items',
  'metadata',
  'spec',
  'kind',
  'name',
  'sameLabels',
  'except',
  'matchLabels',
  'a/b/c',
  'ä',
  '0',
  '<<',
  ' ',
  '-',
];
const ODD_TEXTS: readonly string[] = [
  '\t',
  '\r',
  '\r\n',
  '\n',
  '\n\n',
  '---\n',
  '\n---\n',
  '...\n',
  '- ',
  '? ',
  ': ',
  ':',
  '#',
  ' # x',
  '&a ',
  '*a',
  '<<: *a\n',
  '!!int ',
  '!x ',
  '|\n',
  '>-\n',
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  ',',
  '%YAML 1.1\n',
  '\ufeff',
  '\0',
  '\u2028',
  '\u0085',
  '\\',
  '\\u00',
  '{{ .x }}',
  '~',
  'null',
  'yes',
  '0777',
  '1e999',
  '.inf',
  '.nan',
  '1_0',
  '\ud800',
  '@',
  '`',
  '  ',
  '=',
  '&a [*a]',
  '{"a":',
  '\n- &b\n  - *b\n',
  '`',
  '\n  ',
  '\n\t',
];

function copy(value: Value): Value {
  return structuredClone(value);
}

/** All containers of a value. */
function containers(value: Value): (Value[] | { [key: string]: Value })[] {
  if (value === null || typeof value !== 'object') return [];
  const inner = Array.isArray(value) ? value : Object.values(value);
  return [value, ...inner.flatMap(containers)];
}

function set(target: { [key: string]: Value }, key: string, value: Value): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Damages a value in one place. */
export function mutateStructure(root: Value, roll: Dice): Value {
  const place = pick(roll, containers(root));
  const odd = copy(pick(roll, ODD_VALUES));
  if (Array.isArray(place)) {
    const at = roll(place.length + 1);
    const action = roll(4);
    if (action === 0) place.splice(at, 0, odd);
    else if (action === 1) place.splice(at, 1);
    else if (action === 2 && place.length > 0) place.push(copy(pick(roll, place)));
    else if (place.length > 0) place[roll(place.length)] = odd;
    return root;
  }
  const keys = Object.keys(place);
  if (keys.length === 0) {
    set(place, pick(roll, ODD_KEYS), odd);
    return root;
  }
  const key = pick(roll, keys);
  const value = place[key] as Value;
  switch (roll(6)) {
    case 0:
      delete place[key];
      break;
    case 1:
      set(place, key, odd);
      break;
    case 2:
      set(place, pick(roll, ODD_KEYS), odd);
      break;
    case 3:
      delete place[key];
      set(
        place,
        `${key}${pick(roll, ['s', 'X', ' ', ''])}`.replace(/^./, (c) => (roll(2) === 0 ? c.toUpperCase() : c)),
        value,
      );
      break;
    case 4:
      set(place, key, roll(2) === 0 ? [value] : { [pick(roll, ODD_KEYS)]: value });
      break;
    default:
      set(place, key, copy(pick(roll, containers(root)) as Value));
  }
  return root;
}

/** Damages a text in one place. */
export function mutateText(text: string, roll: Dice): string {
  const at = roll(text.length + 1);
  const length = 1 + roll(roll(4) === 0 ? 60 : 4);
  const lines = text.split('\n');
  switch (roll(9)) {
    case 0:
      return text.slice(0, at) + text.slice(at + length);
    case 1:
    case 2:
      return text.slice(0, at) + pick(roll, ODD_TEXTS) + text.slice(at);
    case 3:
      return text.slice(0, at) + pick(roll, ODD_TEXTS) + text.slice(at + length);
    case 4:
      return text.slice(0, at);
    case 5:
      lines.splice(roll(lines.length), 0, pick(roll, lines));
      return lines.join('\n');
    case 6: {
      const line = roll(lines.length);
      lines[line] = (roll(2) === 0 ? ' '.repeat(1 + roll(3)) : '') + (lines[line] ?? '').slice(roll(3));
      return lines.join('\n');
    }
    case 7:
      return text.slice(0, at) + String.fromCharCode(roll(roll(2) === 0 ? 128 : 65536)) + text.slice(at + 1);
    default:
      return text.slice(0, at) + text.slice(at, at + length).repeat(2 + roll(20)) + text.slice(at + length);
  }
}

/** One to three seeds, damaged up to four times as values, written as YAML or JSON, damaged up to three times as text. */
export function mutation(seed: number, index: number): Mutation {
  const roll = dice(Math.imul(seed, 0x9e3779b1) + index);
  const documents: string[] = [];
  for (let count = 1 + roll(3); count > 0; count--) {
    let value = copy(pick(roll, SEEDS));
    for (let times = roll(5); times > 0; times--) value = mutateStructure(value, roll);
    if (roll(10) === 0) value = { apiVersion: 'v1', kind: 'List', items: [value, copy(pick(roll, SEEDS))] };
    documents.push(
      roll(4) === 0
        ? `${JSON.stringify(value, null, roll(3))}\n`
        : stringify(value, {
            version: '1.1',
            collectionStyle: roll(5) === 0 ? 'flow' : 'any',
            aliasDuplicateObjects: false,
          }),
    );
  }
  let text = documents.join(roll(8) === 0 ? '\n' : '---\n');
  for (let times = roll(4); times > 0; times--) text = mutateText(text, roll);
  return { index, text };
}

/**
 * `count` damaged manifests from a seed, the same ones in every run. Meant for every stage that must survive whatever
 * a user has in files: reading, validating, lowering.
 */
export function* mutations(seed: number, count: number): Generator<Mutation> {
  for (let index = 0; index < count; index++) yield mutation(seed, index);
}
