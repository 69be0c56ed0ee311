import { describe, expect, it } from 'vitest';
import type { Json, JsonObject, KubeObject } from '../../manifest/object.ts';
import { validateNetworkPolicy } from './validate.ts';

function policy(spec: Json, metadata: Json = { name: 'web', namespace: 'shop' }, rest: JsonObject = {}): KubeObject {
  const head = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };
  return {
    ref: { ...head, namespace: 'shop', name: 'web', source: null },
    value: { ...head, metadata, spec, ...rest },
  };
}

function said(object: KubeObject): string[] {
  return validateNetworkPolicy(object).map(
    ({ severity, refused, origin, message }) =>
      `${severity}${refused === true ? ' refused' : ''} ${origin?.field}: ${message}`,
  );
}

const from = (...peers: Json[]): Json => ({ podSelector: {}, ingress: [{ from: peers }] });
const ports = (...entries: Json[]): Json => ({ podSelector: {}, egress: [{ ports: entries }] });

describe('NetworkPolicy: the server says nothing', () => {
  it.each<[string, Json]>([
    ['of the least policy', { podSelector: {} }],
    ['of no spec at all', null],
    ['of empty lists', { podSelector: {}, ingress: [], egress: [{ to: [], ports: [] }], policyTypes: [] }],
    ['of an empty rule', { podSelector: {}, ingress: [{}] }],
    ['of a type given twice', { podSelector: {}, policyTypes: ['Ingress', 'Ingress'] }],
    ['of ports at the bounds', ports({ port: 1, endPort: 65535 }, { port: 'a'.repeat(15) }, { protocol: 'SCTP' }, {})],
    [
      'of a whole family',
      from({ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } }, { ipBlock: { cidr: '::/0' } }),
    ],
    ['of both selectors', from({ podSelector: {}, namespaceSelector: {} })],
    ['of nulls', { podSelector: null, ingress: null, egress: [{ to: null, ports: [{ port: null, endPort: null }] }] }],
  ])('%s', (_, spec) => {
    expect(said(policy(spec))).toEqual([]);
  });
});

describe('S2.2 NetworkPolicy: the server refuses, in its own words', () => {
  it.each<[Json, string[]]>([
    [
      ports({ protocol: 'ICMP' }),
      ['spec.egress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'],
    ],
    [ports({ port: 0 }), ['spec.egress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive']],
    [
      ports({ port: '80' }),
      ['spec.egress[0].ports[0].port: Invalid value: "80": must contain at least one letter (a-z)'],
    ],
    [
      ports({ port: 90, endPort: 80 }),
      ['spec.egress[0].ports[0].endPort: Invalid value: 90: must be greater than or equal to `port`'],
    ],
    [
      ports({ port: 'http', endPort: 80 }),
      ['spec.egress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is non-numeric'],
    ],
    [
      ports({ endPort: 80 }),
      ['spec.egress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is not specified'],
    ],
    [from({}), ['spec.ingress[0].from[0]: Required value: must specify a peer']],
    [from(null), ['spec.ingress[0].from[0]: Required value: must specify a peer']],
    [
      from({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }),
      ['spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer'],
    ],
    [from({ ipBlock: {} }), ['spec.ingress[0].from[0].ipBlock.cidr: Required value']],
    [
      from({ ipBlock: { cidr: '10.0.0.1' } }),
      [
        'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.1": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      ],
    ],
    [
      from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }),
      ['spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`'],
    ],
    [
      { policyTypes: ['Ingress', 'Egress', 'Ingress'] },
      ['spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes'],
    ],
    [
      { policyTypes: ['Both'] },
      ['spec.policyTypes[0]: Unsupported value: "Both": supported values: "Ingress", "Egress"'],
    ],
    [
      {
        podSelector: {
          matchExpressions: [
            { key: 'a', operator: 'In' },
            { key: 'a', operator: 'Gt', values: ['1'] },
          ],
        },
      },
      [
        "spec.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        'spec.podSelector.matchExpressions[1].operator: Invalid value: "Gt": not a valid selector operator',
      ],
    ],
    [
      { podSelector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['x'] }] } },
      [
        "spec.podSelector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
      ],
    ],
  ])('%j', (spec, errors) => {
    expect(said(policy(spec))).toEqual(errors.map((error) => `error refused ${error}`));
  });

  it('names every field of a wrong type, and then nothing else', () => {
    expect(
      said(policy({ podSelector: 'x', policyTypes: ['Both'], ingress: [{ ports: [{ endPort: '80' }] }] })),
    ).toEqual([
      'error refused spec.podSelector: Invalid value: "string": spec.podSelector in body must be of type object: "string"',
      'error refused spec.ingress[0].ports[0].endPort: Invalid value: "string": spec.ingress[0].ports[0].endPort in body must be of type integer: "string"',
    ]);
  });

  it('shows the way out where there is an obvious one', () => {
    const helps = (spec: Json, metadata?: Json): (string | undefined)[] =>
      validateNetworkPolicy(policy(spec, metadata)).map(({ help }) => help);
    expect(helps(ports({ protocol: 'tcp' }))).toEqual(['did you mean `TCP`?']);
    expect(helps(ports({ port: '80' }))).toEqual(['write the number without quotes: 80']);
    expect(helps(ports({ port: 80, endPort: '90' }))).toEqual(['write it without quotes: 90']);
    expect(helps({}, { name: 'a', labels: { version: 2 } })).toEqual(['write it in quotes: "2"']);
    expect(helps(from({ ipBlock: { cidr: '10.0.0.1' } }))).toEqual(['for this one address write `10.0.0.1/32`']);
    expect(helps(from({ ipBlock: { cidr: '2001:db8::1' } }))).toEqual(['for this one address write `2001:db8::1/128`']);
  });

  it('judges metadata', () => {
    expect(said(policy({}, {}))).toEqual([
      'error refused metadata.name: Required value: name or generateName is required',
    ]);
    expect(said(policy({}, { generateName: 'web-' }))).toEqual([]);
    expect(said(policy({}, { name: 'a', namespace: 'a.b', finalizers: ['x'] }))).toEqual([
      'error refused metadata.namespace: Invalid value: "a.b": must not contain dots',
      'error refused metadata.finalizers[0]: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified',
    ]);
  });
});

describe('NetworkPolicy: the server stores it all the same', () => {
  it('unknown fields are errors that do not refuse, with the field that was perhaps meant', () => {
    const object = policy({ podSelector: {}, ingress: [{ form: [] }] }, { name: 'a' }, { status: {} });
    expect(said(object)).toEqual([
      'error spec.ingress[0].form: unknown field "spec.ingress[0].form"',
      'warning status: unknown field "status"',
    ]);
    expect(validateNetworkPolicy(object)[0]?.help).toBe('did you mean `from`?');
  });

  it('a peer of an unknown kind stays in', () => {
    expect(said(policy(from({ future: {} })))).toEqual([
      'error spec.ingress[0].from[0].future: unknown field "spec.ingress[0].from[0].future"',
    ]);
  });

  it('warns of host bits and odd notations, and only of what it accepts', () => {
    const block = { ipBlock: { cidr: '10.1.2.3/8', except: ['010.2.0.0/16'] } };
    expect(said(policy(from(block)))).toEqual([
      'warning spec.ingress[0].from[0].ipBlock.cidr: CIDR value "10.1.2.3/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.1.2.3/32"?)',
      'warning spec.ingress[0].from[0].ipBlock.except[0]: non-standard CIDR value "010.2.0.0/16" will be considered invalid in a future Kubernetes release: use "10.2.0.0/16"',
    ]);
    expect(said(policy(from(block, {})))).toEqual([
      'error refused spec.ingress[0].from[1]: Required value: must specify a peer',
    ]);
  });
});
