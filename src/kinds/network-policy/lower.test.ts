import { describe, expect, test } from 'vitest';
import { complaints, lowerYaml, matches, networkPolicy, onlyPeer, onlyRule } from '../../../test/kinds/sample.ts';
import { parseCidr } from '../../base/ip.ts';
import { type EndpointMatch, MATCH_NOTHING } from '../../model/match.ts';
import { EVERYTHING } from '../../model/selector.ts';

const lower = (spec: string): ReturnType<typeof lowerYaml> => lowerYaml(networkPolicy(spec));
const WEB = { kind: 'in', key: 'app', values: ['web'], asLabel: true };

/** The directions that a policy isolates, and those in which it has rules. */
function types(spec: string): { readonly isolates: string; readonly ruled: string } {
  const { policy } = lower(spec);
  return {
    isolates: policy.isolates.join(' '),
    ruled: [...new Set(policy.rules.map((rule) => rule.direction))].join(' '),
  };
}

describe('subject', () => {
  test('S2.1 the pods of the own namespace that podSelector selects', () => {
    const { policy, slot, diagnostics } = lower('podSelector: { matchLabels: { app: web } }');
    expect(policy.subject).toEqual({ kind: 'pods', namespaces: { kind: 'named', name: 'shop' }, pods: WEB });
    expect([slot, policy.id, policy.rank, diagnostics]).toEqual(['networkpolicy', 'NetworkPolicy/shop/web', 0, []]);
  });

  test.each(['{}', 'podSelector: {}', 'podSelector:', 'policyTypes: [Egress]'])('S2.1 all pods with `%s`', (spec) =>
    expect(lower(spec).policy.subject).toMatchObject({ pods: EVERYTHING }),
  );

  test('S1.7 an object whose spec is null is one without spec', () => {
    const { policy, diagnostics } = lowerYaml(
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: a }\nspec: null',
    );
    expect(policy).toMatchObject({ subject: { pods: EVERYTHING }, isolates: ['ingress'], rules: [] });
    expect(diagnostics).toEqual([]);
  });
});

describe('policyTypes', () => {
  test.each([
    ['podSelector: {}', 'ingress', ''],
    ['policyTypes: []', 'ingress', ''],
    ['policyTypes:', 'ingress', ''],
    ['egress: []', 'ingress', ''],
    ['ingress: [{}]', 'ingress', 'ingress'],
    ['egress: [{}]', 'ingress egress', 'egress'],
    ['{ ingress: [{}], egress: [{}] }', 'ingress egress', 'ingress egress'],
  ])('S2.3 %s isolates %s', (spec, isolates, ruled) => expect(types(spec)).toEqual({ isolates, ruled }));

  test.each([
    ['{ policyTypes: [Egress], ingress: [{}] }', 'egress', ''],
    ['{ policyTypes: [Ingress], egress: [{}] }', 'ingress', ''],
    ['{ policyTypes: [Egress] }', 'egress', ''],
    ['{ policyTypes: [Egress, Ingress], ingress: [{}] }', 'ingress egress', 'ingress'],
    ['{ policyTypes: [Ingress, Ingress] }', 'ingress', ''],
  ])('S2.4 %s isolates %s', (spec, isolates, ruled) => expect(types(spec)).toEqual({ isolates, ruled }));
});

describe('rules', () => {
  test.each(['{}', '{ from: [], ports: [] }', '{ from: , ports: }'])('S2.7 the rule %s allows everything', (rule) =>
    expect(onlyRule(lower(`ingress: [${rule}]`).policy)).toMatchObject({
      action: 'allow',
      match: { peers: [{ kind: 'anything' }], traffic: 'any' },
    }),
  );

  test('S2.7 no rules allow nothing', () => {
    const { policy } = lower('{ policyTypes: [Ingress, Egress], ingress: [] }');
    expect(policy).toMatchObject({ isolates: ['ingress', 'egress'], rules: [] });
  });

  test('S2.6 rules keep their place and say where they come from', () => {
    const { policy } = lower('{ ingress: [{}, { ports: [{ port: 80 }] }], egress: [{}] }');
    expect(policy.rules.map((rule) => [rule.direction, rule.index, rule.origin.field, rule.action])).toEqual([
      ['ingress', 0, 'spec.ingress[0]', 'allow'],
      ['ingress', 1, 'spec.ingress[1]', 'allow'],
      ['egress', 0, 'spec.egress[0]', 'allow'],
    ]);
  });
});

describe('peers', () => {
  const peer = (text: string): ReturnType<typeof onlyPeer> => onlyPeer(lower(`ingress: [{ from: [${text}] }]`).policy);

  test('S2.8 podSelector alone stays in the own namespace', () => {
    const own = { kind: 'named', name: 'shop' };
    expect(peer('{ podSelector: { matchLabels: { app: web } } }')).toEqual({
      kind: 'pods',
      namespaces: own,
      pods: WEB,
    });
    expect(peer('{ podSelector: {}, namespaceSelector: }')).toEqual({
      kind: 'pods',
      namespaces: own,
      pods: EVERYTHING,
    });
  });

  test('S2.9 namespaceSelector alone takes every pod of its namespaces', () => {
    expect(peer('{ namespaceSelector: {} }')).toEqual({
      kind: 'pods',
      namespaces: { kind: 'labelled', labels: EVERYTHING },
      pods: EVERYTHING,
    });
  });

  test('S2.10 one entry with both is a conjunction, two entries are alternatives', () => {
    const pods = 'podSelector: { matchLabels: { app: web } }';
    const namespaces = 'namespaceSelector: { matchLabels: { app: web } }';
    expect(peer(`{ ${pods}, ${namespaces} }`)).toEqual({
      kind: 'pods',
      namespaces: { kind: 'labelled', labels: WEB },
      pods: WEB,
    });
    const { policy } = lower(`egress: [{ to: [{ ${pods} }, { ${namespaces} }] }]`);
    expect(onlyRule(policy).match.peers).toEqual([
      { kind: 'pods', namespaces: { kind: 'named', name: 'shop' }, pods: WEB },
      { kind: 'pods', namespaces: { kind: 'labelled', labels: WEB }, pods: EVERYTHING },
    ]);
  });

  test('S1.4 blocks are read as the API server reads them', () => {
    const block = (cidr: string): EndpointMatch => peer(`{ ipBlock: { cidr: "${cidr}" } }`);
    expect(block('10.1.2.3/8')).toMatchObject({
      cidr: { family: 4, first: 0x0a000000n, last: 0x0affffffn, prefix: 8 },
    });
    expect(block('010.000.000.000/08')).toEqual(block('10.0.0.0/8'));
    expect(block('::ffff:10.0.0.0/104')).toEqual(block('10.0.0.0/8'));
    expect(block('0.0.0.0/0')).toMatchObject({ cidr: { family: 4, prefix: 0 } });
    expect(block('::/0')).toMatchObject({ cidr: { family: 6, first: 0n, last: (1n << 128n) - 1n, prefix: 0 } });
  });

  test('S2.11 an ipBlock with its holes', () => {
    expect(peer('{ ipBlock: { cidr: 10.1.2.3/8, except: [10.1.0.0/16, 10.2.0.0/16] } }')).toEqual({
      kind: 'addresses',
      cidr: parseCidr('10.0.0.0/8'),
      except: [parseCidr('10.1.0.0/16'), parseCidr('10.2.0.0/16')],
    });
    expect(peer('{ ipBlock: { cidr: "2001:db8::/32" } }')).toEqual({
      kind: 'addresses',
      cidr: parseCidr('2001:db8::/32'),
      except: [],
    });
  });

  test.each([
    ['{}', 'spec.ingress[0].from[0]: must specify a peer'],
    ['{ podSelector: }', 'spec.ingress[0].from[0]: must specify a peer'],
    ['web', 'spec.ingress[0].from[0]: a peer must be an object, not `web`'],
    [
      '{ podSelector: {}, serviceAccount: x }',
      'spec.ingress[0].from[0].serviceAccount: unknown field `serviceAccount`',
    ],
    [
      '{ podSelector: {}, ipBlock: { cidr: 10.0.0.0/8 } }',
      'spec.ingress[0].from[0]: may not specify both ipBlock and another peer',
    ],
    ['{ ipBlock: 10.0.0.0/8 }', 'spec.ingress[0].from[0].ipBlock: must be an object, not `10.0.0.0/8`'],
    ['{ ipBlock: {} }', 'spec.ingress[0].from[0].ipBlock.cidr: nothing is not an address block'],
    ['{ ipBlock: { cidr: 10.0.0.0 } }', 'spec.ingress[0].from[0].ipBlock.cidr: `10.0.0.0` is not an address block'],
    [
      '{ ipBlock: { cidr: 10.0.0.0/8, except: [10.1.0.0/33] } }',
      'spec.ingress[0].from[0].ipBlock.except[0]: `10.1.0.0/33` is not an address block',
    ],
    [
      '{ ipBlock: { cidr: 10.0.0.0/8, except: 10.1.0.0/16 } }',
      'spec.ingress[0].from[0].ipBlock.except: must be a list, not `10.1.0.0/16`',
    ],
    [
      '{ ipBlock: { cidr: 10.0.0.0/8, excepts: [10.1.0.0/16] } }',
      'spec.ingress[0].from[0].ipBlock.excepts: unknown field `excepts`',
    ],
    ['{ podSelector: { app: web } }', 'spec.ingress[0].from[0].podSelector.app: unknown field `app`'],
    [
      '{ namespaceSelector: {}, podSelector: { matchLabels: { app: 1 } } }',
      'spec.ingress[0].from[0].podSelector.matchLabels: `1` is not a valid value for label `app`',
    ],
  ])('S2.15 the peer %s matches nothing, and its neighbour is kept', (text, message) => {
    const { policy, diagnostics } = lower(`ingress: [{ from: [${text}, { podSelector: {} }] }]`);
    expect(onlyRule(policy).match.peers.map((each) => each.kind)).toEqual(['nothing', 'pods']);
    expect(complaints(diagnostics)).toEqual([message]);
    expect(diagnostics[0]).toMatchObject({ severity: 'error' });
    expect(diagnostics[0]?.help).toContain('this peer matches nothing');
  });
});

describe('ports', () => {
  const traffic = (ports: string): unknown => onlyRule(lower(`ingress: [{ ports: ${ports} }]`).policy).match.traffic;
  const tcp = (first: number, last = first): unknown => ({ kind: 'ports', protocol: 'TCP', first, last });

  test('S2.12 protocol and port by default', () => {
    expect(traffic('[{ port: 80 }]')).toEqual([tcp(80)]);
    expect(traffic('[{}]')).toEqual([tcp(1, 65535)]);
    expect(traffic('[{ protocol: UDP }, { protocol: SCTP, port: 7 }]')).toEqual([
      { kind: 'ports', protocol: 'UDP', first: 1, last: 65535 },
      { kind: 'ports', protocol: 'SCTP', first: 7, last: 7 },
    ]);
  });

  test('S2.13 endPort is included', () => {
    expect(traffic('[{ port: 80, endPort: 90 }, { port: 1, endPort: 1 }]')).toEqual([tcp(80, 90), tcp(1)]);
  });

  test('S2.14 a named port carries its protocol', () => {
    expect(traffic('[{ port: http }, { port: dns, protocol: UDP }]')).toEqual([
      { kind: 'named-port', protocol: 'TCP', name: 'http' },
      { kind: 'named-port', protocol: 'UDP', name: 'dns' },
    ]);
  });

  test.each([
    ['{ port: 0 }', 'port: `0` is neither a port number from 1 to 65535 nor a name'],
    ['{ port: 65536 }', 'port: `65536` is neither a port number from 1 to 65535 nor a name'],
    ['{ port: 80.5 }', 'port: `80.5` is neither a port number from 1 to 65535 nor a name'],
    ['{ port: .nan }', 'port: `NaN` is neither a port number from 1 to 65535 nor a name'],
    ['{ port: "" }', 'port: `` is neither a port number from 1 to 65535 nor a name'],
    ['{ port: [80] }', 'port: a list is neither a port number from 1 to 65535 nor a name'],
    ['{ protocol: tcp }', 'protocol: `tcp` is not one of `TCP`, `UDP`, `SCTP`'],
    ['{ protocol: ICMP }', 'protocol: `ICMP` is not one of `TCP`, `UDP`, `SCTP`'],
    ['{ port: 90, endPort: 80 }', 'endPort: `80` is not a port number from 90 to 65535'],
    ['{ port: 90, endPort: 65536 }', 'endPort: `65536` is not a port number from 90 to 65535'],
    ['{ port: http, endPort: 80 }', 'endPort: `endPort` needs a number in `port`'],
    ['{ endPort: 80 }', 'endPort: `endPort` needs a number in `port`'],
    ['{ port: 80, ports: 81 }', 'ports: unknown field `ports`'],
  ])('S2.15 the port %s matches nothing, and its neighbour is kept', (text, message) => {
    const { policy, diagnostics } = lower(`egress: [{ ports: [${text}, { port: 443 }] }]`);
    expect(onlyRule(policy).match.traffic).toEqual([tcp(443)]);
    expect(complaints(diagnostics)).toEqual([`spec.egress[0].ports[0].${message}`]);
  });

  test('S2.15 a list of ports of which none is understood is not a list without condition', () =>
    expect(traffic('[{ port: 0 }]')).toEqual([]));
});

describe('what is not understood', () => {
  test.each([
    ['{ form: [] }', 'spec.ingress[0].form: unknown field `form`'],
    ['{ to: [] }', 'spec.ingress[0].to: unknown field `to`'],
    ['[]', 'spec.ingress[0]: a rule must be an object, not a list'],
    ['', 'spec.ingress[0]: a rule must be an object, not `null`'],
    ['{ from: {} }', 'spec.ingress[0].from: must be a list, not an object'],
    ['{ ports: 80 }', 'spec.ingress[0].ports: must be a list, not `80`'],
  ])('S2.15 the rule %s matches nothing, and its neighbour is kept', (text, message) => {
    const { policy, diagnostics } = lower(`ingress:\n  - ${text}\n  - {}`);
    expect(matches(policy)).toEqual([MATCH_NOTHING, { peers: [{ kind: 'anything' }], traffic: 'any' }]);
    expect(complaints(diagnostics)).toEqual([message]);
    expect(diagnostics[0]?.help).toContain('this rule allows nothing');
  });

  test('S2.15 rules that are no list allow nothing', () => {
    const { policy, diagnostics } = lower('{ ingress: {}, egress: x }');
    expect(policy).toMatchObject({ isolates: ['ingress', 'egress'], rules: [] });
    expect(complaints(diagnostics)).toEqual([
      'spec.ingress: must be a list, not an object',
      'spec.egress: must be a list, not `x`',
    ]);
  });

  test.each([
    '{ matchLabels: { app: [web] } }',
    '[]',
    '{ app: web }',
    '{ matchExpressions: [{ key: a, operator: Is }] }',
  ])('S2.15 with the podSelector %s all pods are isolated and nothing is allowed', (selector) => {
    const { policy, diagnostics } = lower(`{ podSelector: ${selector}, ingress: [{}] }`);
    expect(policy.subject).toMatchObject({ pods: EVERYTHING });
    expect(policy.isolates).toEqual(['ingress']);
    expect(matches(policy)).toEqual([MATCH_NOTHING]);
    expect(diagnostics).toHaveLength(1);
  });

  test.each([
    ['policyTypes: Egress', 'spec.policyTypes: must be a list, not `Egress`', ''],
    ['policyTypes: [egress]', 'spec.policyTypes[0]: `egress` is not one of `Ingress`, `Egress`', ''],
    ['policyTypes: [Ingress, All]', 'spec.policyTypes[1]: `All` is not one of `Ingress`, `Egress`', 'ingress'],
  ])('S2.15 with %s both directions are isolated', (text, message, ruled) => {
    const spec = `{ ${text}, ingress: [{}], egress: [{}] }`;
    expect(types(spec)).toEqual({ isolates: 'ingress egress', ruled });
    expect(complaints(lower(spec).diagnostics)).toEqual([message]);
  });

  test.each([
    ['{ podSelector: {}, ingress: [{}], egres: [{}] }', 'ingress', 'did you mean `egress`?'],
    ['{ podSelector: {}, ingress: [{}], policyType: [Egress] }', 'ingress', 'did you mean `policyTypes`?'],
    ['{ podSelector: {}, policyTypes: [Ingress], ingress: [{}], egress: [{}], tier: x }', 'ingress', undefined],
  ])('S2.16 %s isolates both directions', (spec, ruled, hint) => {
    const { policy, diagnostics } = lower(spec);
    expect(types(spec)).toEqual({ isolates: 'ingress egress', ruled });
    expect(onlyRule(policy).match.traffic).toBe('any');
    const effect = 'the policy isolates its pods in both directions';
    expect(diagnostics.map(({ help }) => help)).toEqual([hint === undefined ? effect : `${hint}; ${effect}`]);
  });

  test('S2.16 a misspelt podSelector does not open the namespace', () => {
    const { policy, diagnostics } = lower('{ podSelecter: { matchLabels: { app: web } }, ingress: [{}] }');
    expect(policy).toMatchObject({ subject: { pods: EVERYTHING }, isolates: ['ingress', 'egress'] });
    expect(matches(policy)).toEqual([MATCH_NOTHING]);
    expect(complaints(diagnostics)).toEqual([
      'spec.podSelecter: unknown field `podSelecter`',
      'spec: no `podSelector`, next to a field that is not known',
    ]);
  });

  test('S2.16 a misspelt spec does not open the namespace', () => {
    const { policy } = lowerYaml(
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: a }\nsepc: { egress: [{}] }',
    );
    expect(policy).toMatchObject({ subject: { pods: EVERYTHING }, isolates: ['ingress', 'egress'], rules: [] });
  });

  test('S1.9 a spec that is no object isolates the namespace', () => {
    const { policy, diagnostics } = lowerYaml(
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: a }\nspec: [{}]',
    );
    expect(policy).toMatchObject({ subject: { pods: EVERYTHING }, isolates: ['ingress', 'egress'], rules: [] });
    expect(complaints(diagnostics)).toEqual(['spec: must be an object, not a list']);
  });
});
