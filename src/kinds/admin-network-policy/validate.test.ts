import { describe, expect, it } from 'vitest';
import type { Json, KubeObject } from '../../manifest/object.ts';
import { validateAdminNetworkPolicy, validateBaselineAdminNetworkPolicy } from './validate.ts';

function policy(kind: string, spec: Json, name: string): KubeObject {
  const head = { apiVersion: 'policy.networking.k8s.io/v1alpha1', kind };
  return { ref: { ...head, namespace: null, name, source: null }, value: { ...head, metadata: { name }, spec } };
}

function admin(spec: Json): string[] {
  return texts(validateAdminNetworkPolicy(policy('AdminNetworkPolicy', spec, 'web')));
}

function baseline(spec: Json, name = 'default'): string[] {
  return texts(validateBaselineAdminNetworkPolicy(policy('BaselineAdminNetworkPolicy', spec, name)));
}

function texts(diagnostics: ReturnType<typeof validateAdminNetworkPolicy>): string[] {
  return diagnostics.map(
    ({ severity, refused, origin, message }) =>
      `${severity}${refused === true ? ' refused' : ''} ${origin?.field}: ${message}`,
  );
}

const base = { priority: 10, subject: { namespaces: {} } };
const NOT_CHECKED =
  'error refused : Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
const peers = [{ namespaces: {} }];

describe('S3.3 AdminNetworkPolicy of the last shape: the server refuses, in its own words', () => {
  it('nothing of a good policy', () => {
    const ports = [{ portNumber: { port: 80 } }, { portRange: { start: 1, end: 65535 } }, { namedPort: 'web' }];
    expect(admin({ ...base, ingress: [{ action: 'Pass', from: peers, ports }] })).toEqual([]);
  });

  it('a missing priority and subject', () => {
    expect(admin({})).toEqual([
      'error refused spec.priority: Required value',
      'error refused spec.subject: Required value',
      NOT_CHECKED,
    ]);
  });

  it('pods without namespaceSelector', () => {
    expect(admin({ ...base, subject: { pods: { podSelector: {} } } })).toEqual([
      'error refused spec.subject.pods.namespaceSelector: Required value',
      NOT_CHECKED,
    ]);
  });

  it('a port that is two things', () => {
    const ports = [{ portNumber: { port: 80 }, namedPort: 'web' }];
    expect(admin({ ...base, egress: [{ action: 'Deny', to: peers, ports }] })).toEqual([
      'error refused spec.egress[0].ports[0]: Too many: 2: must have at most 1 item',
      NOT_CHECKED,
    ]);
  });

  it('an empty list of ports', () => {
    expect(admin({ ...base, egress: [{ action: 'Deny', to: peers, ports: [] }] })).toEqual([
      'error refused spec.egress[0].ports: Invalid value: 0: spec.egress[0].ports in body should have at least 1 items',
    ]);
  });
});

describe('S3.3 BaselineAdminNetworkPolicy: the server refuses, in its own words', () => {
  it('another name than default', () => {
    expect(baseline({ subject: { namespaces: {} } }, 'web')).toEqual([
      'error refused : Invalid value: "object": Only one baseline admin network policy with metadata.name="default" can be created in the cluster',
    ]);
  });

  it('Pass', () => {
    expect(baseline({ subject: { namespaces: {} }, ingress: [{ action: 'Pass', from: peers }] })).toEqual([
      'error refused spec.ingress[0].action: Unsupported value: "Pass": supported values: "Allow", "Deny"',
      NOT_CHECKED,
    ]);
  });

  it('named ports towards networks', () => {
    const rule = { action: 'Deny', to: [{ networks: ['10.0.0.0/8'] }], ports: [{ namedPort: 'web' }] };
    expect(baseline({ subject: { namespaces: {} }, egress: [rule] })).toEqual([
      'error refused spec.egress[0]: Invalid value: "object": networks/nodes peer cannot be set with namedPorts since there are no namedPorts for networks/nodes',
    ]);
  });
});

describe('what the text of the API forbids and its schema does not', () => {
  it('S3.13 a range that ends before it starts', () => {
    const ports = [{ portRange: { start: 90, end: 80 } }];
    expect(admin({ ...base, ingress: [{ action: 'Allow', from: peers, ports }] })).toEqual([
      'error spec.ingress[0].ports[0].portRange: port range ends before it starts: 90 > 80, it matches nothing',
    ]);
  });

  it('S3.15 domain names under Deny', () => {
    expect(admin({ ...base, egress: [{ action: 'Deny', to: [{ domainNames: ['example.com'] }] }] })).toEqual([
      'error spec.egress[0].to[0].domainNames: domain names are only supported with action `Allow`',
    ]);
  });

  it('a named port for pods in a rule that has networks, too, is a warning', () => {
    const message =
      'networks/nodes/domainNames peer cannot be set with namedPorts since there are no namedPorts for networks/nodes/domainNames';
    const rule = { action: 'Deny', to: [{ networks: ['10.0.0.0/8'] }, ...peers], ports: [{ namedPort: 'web' }] };
    expect(admin({ ...base, egress: [rule] })).toEqual([`warning spec.egress[0]: ${message}`]);
    const nodes = { ...rule, to: [...rule.to, { nodes: {} }] };
    expect(admin({ ...base, egress: [nodes] })).toEqual([
      `error refused spec.egress[0]: Invalid value: "object": ${message}`,
    ]);
  });

  it('a protocol that is none', () => {
    const ports = [{ portNumber: { protocol: 'ICMP', port: 80 } }];
    expect(admin({ ...base, ingress: [{ action: 'Allow', from: peers, ports }] })).toEqual([
      'error spec.ingress[0].ports[0].portNumber.protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
    ]);
  });
});

describe('S3.12 the first shape', () => {
  const old = (action: string, ...from: Json[]): Json => ({ ...base, ingress: [{ action, from, ports: [] }] });

  it('is judged by its own schema, with a warning about what was withdrawn', () => {
    expect(
      admin(
        old(
          'Pass',
          { namespaces: { sameLabels: ['tenant'] } },
          { pods: { namespaces: { notSameLabels: ['tenant'] }, podSelector: {} } },
        ),
      ),
    ).toEqual([
      'warning spec.ingress[0].from[0].namespaces.sameLabels: `sameLabels` was withdrawn from the API in v0.1.7, current servers do not know it',
      'warning spec.ingress[0].from[1].pods.namespaces.notSameLabels: `notSameLabels` was withdrawn from the API in v0.1.7, current servers do not know it',
    ]);
  });

  it('had no list of actions', () => {
    expect(admin(old('Log', { namespaces: { namespaceSelector: {} } }))).toEqual([
      'error spec.ingress[0].action: Unsupported value: "Log": supported values: "Allow", "Deny", "Pass"',
    ]);
  });

  it('has exactly one way to choose namespaces', () => {
    expect(admin(old('Deny', { namespaces: { sameLabels: ['a'], namespaceSelector: {} } }))).toEqual([
      'error refused spec.ingress[0].from[0].namespaces: Too many: 2: must have at most 1 item',
    ]);
  });
});
