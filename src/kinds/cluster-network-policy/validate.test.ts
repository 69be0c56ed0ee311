import { describe, expect, it } from 'vitest';
import type { Json, KubeObject } from '../../manifest/object.ts';
import { validateClusterNetworkPolicy } from './validate.ts';

function policy(spec: Json, metadata: Json = { name: 'web' }): KubeObject {
  const head = { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy' };
  return { ref: { ...head, namespace: null, name: 'web', source: null }, value: { ...head, metadata, spec } };
}

function said(object: KubeObject): string[] {
  return validateClusterNetworkPolicy(object).map(
    ({ severity, refused, origin, message }) =>
      `${severity}${refused === true ? ' refused' : ''} ${origin?.field}: ${message}`,
  );
}

const base = { tier: 'Admin', priority: 10, subject: { namespaces: {} } };
const NOT_CHECKED =
  'error refused : Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

const out = (to: Json, protocols?: Json, action: Json = 'Accept'): Json => ({
  ...base,
  egress: [{ action, to, ...(protocols === undefined ? {} : { protocols }) }],
});

describe('ClusterNetworkPolicy: the server says nothing', () => {
  it.each<[string, Json]>([
    ['of the least policy', base],
    ['of priorities at the bounds', { ...base, priority: 1000, tier: 'Baseline' }],
    ['of names with stars and dots', out([{ domainNames: ['*.example.com', 'a.b.'] }])],
    ['of host bits in networks', out([{ networks: ['10.1.2.3/8', '2001:DB8::/32'] }])],
    ['of pods without a namespaceSelector', { ...base, subject: { pods: { podSelector: {} } } }],
    [
      'of a rule name of 100 characters',
      { ...base, ingress: [{ name: 'ü'.repeat(100), action: 'Pass', from: [{ namespaces: {} }] }] },
    ],
  ])('%s', (_, spec) => {
    expect(said(policy(spec))).toEqual([]);
  });
});

describe('S4.2 ClusterNetworkPolicy: the server refuses, in its own words', () => {
  it.each<[Json, string[]]>([
    [
      { ...base, tier: 'NetworkPolicy' },
      ['spec.tier: Unsupported value: "NetworkPolicy": supported values: "Admin", "Baseline"', ''],
    ],
    [
      { ...base, priority: 1001 },
      ['spec.priority: Invalid value: 1001: spec.priority in body should be less than or equal to 1000'],
    ],
    [
      { ...base, priority: '10' },
      ['spec.priority: Invalid value: "string": spec.priority in body must be of type integer: "string"', ''],
    ],
    [
      { ...base, subject: {} },
      ['spec.subject: Invalid value: 0: spec.subject in body should have at least 1 properties'],
    ],
    [
      { ...base, subject: { namespaces: {}, pods: { podSelector: {} } } },
      ['spec.subject: Too many: 2: must have at most 1 item', ''],
    ],
    [{ ...base, ingress: [{ action: 'Deny', from: null }] }, ['spec.ingress[0].from: Required value', '']],
    [
      { ...base, ingress: [{ action: 'Deny', from: [] }] },
      ['spec.ingress[0].from: Invalid value: 0: spec.ingress[0].from in body should have at least 1 items'],
    ],
    [
      { ...base, ingress: [{ action: 'Allow', from: [{ namespaces: {} }] }] },
      ['spec.ingress[0].action: Unsupported value: "Allow": supported values: "Accept", "Deny", "Pass"', ''],
    ],
    [
      { ...base, ingress: [{ name: 'x'.repeat(101), action: 'Deny', from: [{ namespaces: {} }] }] },
      ['spec.ingress[0].name: Too long: may not be more than 100 bytes', ''],
    ],
    [
      out([{ networks: ['10.0.0.0/8', '10.0.0.0/8', 'x'] }]),
      [
        'spec.egress[0].to[0].networks[1]: Duplicate value: "10.0.0.0/8"',
        'spec.egress[0].to[0].networks[2]: Invalid value: "string": Invalid CIDR format provided',
      ],
    ],
    [
      out([{ namespaces: {} }], [{ tcp: { destinationPort: { range: { start: 80, end: 80 } } } }]),
      [
        'spec.egress[0].protocols[0].tcp.destinationPort.range: Invalid value: "object": Start port must be less than End port',
      ],
    ],
    [
      out([{ namespaces: {} }], [{ tcp: {} }]),
      [
        'spec.egress[0].protocols[0].tcp: Invalid value: 0: spec.egress[0].protocols[0].tcp in body should have at least 1 properties',
      ],
    ],
    [
      out([{ nodes: {} }], [{ destinationNamedPort: 'web' }]),
      [
        'spec.egress[0]: Invalid value: "object": networks/nodes/domainNames peer cannot be set with namedPorts since there are no namedPorts for networks/nodes/domainNames',
      ],
    ],
    [
      out([{ domainNames: ['a.*.com'] }]),
      [
        'spec.egress[0].to[0].domainNames[0]: Invalid value: "a.*.com": spec.egress[0].to[0].domainNames[0] in body should match \'^(\\*\\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\\.)+[a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\\.?$\'',
      ],
    ],
    [
      { ...base, egress: Array(26).fill({ action: 'Deny', to: [{ namespaces: {} }] }) },
      ['spec.egress: Too many: 26: must have at most 25 items', ''],
    ],
    [null, ['spec: Required value', '']],
  ])('%j', (spec, errors) => {
    // '' stands for the note that rules across fields were left out.
    expect(said(policy(spec))).toEqual(errors.map((error) => (error === '' ? NOT_CHECKED : `error refused ${error}`)));
  });
});

describe('ClusterNetworkPolicy: the server stores it all the same', () => {
  it('a peer of an unknown kind stays in', () => {
    expect(said(policy({ ...base, ingress: [{ action: 'Deny', from: [{ networks: ['10.0.0.0/8'] }] }] }))).toEqual([
      'error spec.ingress[0].from[0].networks: unknown field "spec.ingress[0].from[0].networks"',
    ]);
  });

  it('a subject of an unknown kind stays in', () => {
    expect(said(policy({ ...base, subject: { 'future.kind': {} } }))).toEqual([
      'error spec.subject.future.kind: unknown field "spec.subject.future.kind"',
    ]);
  });

  it('domain names need Accept', () => {
    expect(said(policy(out([{ domainNames: ['example.com'] }], undefined, 'Deny')))).toEqual([
      'error spec.egress[0].to[0].domainNames: domain names are only supported with action `Accept`',
    ]);
  });

  it('selectors that cannot be read are errors', () => {
    const subject = { namespaces: { matchLabels: { 'a/b/c': 'x' }, matchExpressions: [{ key: 'k', operator: 'Gt' }] } };
    expect(
      validateClusterNetworkPolicy(policy({ ...base, subject })).map(({ code, refused, origin }) => [
        code,
        refused,
        origin?.field,
      ]),
    ).toEqual([
      ['RP133', false, 'spec.subject.namespaces.matchLabels'],
      ['RP133', false, 'spec.subject.namespaces.matchExpressions[0].operator'],
    ]);
  });

  it('knows that Allow is called Accept here', () => {
    expect(validateClusterNetworkPolicy(policy(out([{ namespaces: {} }], undefined, 'Allow')))[0]?.help).toBe(
      'did you mean `Accept`?',
    );
  });

  it('port names that no container port can have, and a namespace, are warnings', () => {
    const object = policy(out([{ namespaces: {} }], [{ destinationNamedPort: '80' }]), {
      name: 'web',
      namespace: 'shop',
    });
    expect(said(object)).toEqual([
      'warning spec.egress[0].protocols[0].destinationNamedPort: Invalid value: "80": must contain at least one letter (a-z)',
      'warning metadata.namespace: metadata.namespace is ignored: a ClusterNetworkPolicy is cluster-scoped',
    ]);
  });
});
