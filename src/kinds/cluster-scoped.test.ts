import { describe, expect, test } from 'vitest';
import {
  adminNetworkPolicy,
  baselineAdminNetworkPolicy,
  clusterNetworkPolicy,
  complaints,
  type Lowered,
  lowerYaml,
  onlyPeer,
  onlyRule,
} from '../../test/kinds/sample.ts';
import { parseCidr } from '../base/ip.ts';
import { type EndpointMatch, MATCH_ANYTHING, MATCH_NOTHING } from '../model/match.ts';
import { EVERYTHING } from '../model/selector.ts';

const ALL_PODS: EndpointMatch = {
  kind: 'pods',
  namespaces: { kind: 'labelled', labels: EVERYTHING },
  pods: EVERYTHING,
};
const RED = { kind: 'in', key: 'team', values: ['red'], asLabel: true };
const WEB = { kind: 'in', key: 'app', values: ['web'], asLabel: true };

/** The three kinds with their words, so that what they share is tested for each. */
const KINDS = [
  {
    kind: 'AdminNetworkPolicy',
    lower: (spec: string): Lowered =>
      lowerYaml(adminNetworkPolicy(`{ priority: 5, subject: { namespaces: {} }, ${spec} }`)),
    allow: 'Allow',
    ports: 'ports: [{ portNumber: { port: 80 } }]',
    bad: 'ports: [{ portNumber: { port: 0 } }]',
  },
  {
    kind: 'BaselineAdminNetworkPolicy',
    lower: (spec: string): Lowered => lowerYaml(baselineAdminNetworkPolicy(`{ subject: { namespaces: {} }, ${spec} }`)),
    allow: 'Allow',
    ports: 'ports: [{ portNumber: { port: 80 } }]',
    bad: 'ports: [{ portNumber: { port: 0 } }]',
  },
  {
    kind: 'ClusterNetworkPolicy',
    lower: (spec: string): Lowered =>
      lowerYaml(clusterNetworkPolicy(`{ tier: Admin, priority: 5, subject: { namespaces: {} }, ${spec} }`)),
    allow: 'Accept',
    ports: 'protocols: [{ tcp: { destinationPort: { number: 80 } } }]',
    bad: 'protocols: [{ tcp: { destinationPort: { number: 0 } } }]',
  },
] as const;

describe.each(KINDS)('$kind', ({ kind, lower, allow, ports, bad }) => {
  const peer = (text: string): EndpointMatch => {
    const { policy, diagnostics } = lower(`egress: [{ action: Deny, to: [${text}] }]`);
    expect(diagnostics).toEqual([]);
    return onlyPeer(policy);
  };

  test(`S3.14 ${kind} isolates nothing`, () =>
    expect(lower('ingress: []').policy).toMatchObject({ isolates: [], rules: [], subject: ALL_PODS }));

  test(`S3.2 ${kind} keeps its rules in their order, with name and origin`, () => {
    const any = '[{ namespaces: {} }]';
    const { policy } = lower(
      `egress: [{ action: Deny, to: ${any} }], ingress: [{ name: first, action: ${allow}, from: ${any} }, { action: Deny, from: ${any}, ${ports} }]`,
    );
    const all = [ALL_PODS];
    const port80 = [{ kind: 'ports', protocol: 'TCP', first: 80, last: 80 }];
    expect(policy.rules.map(({ origin, ...rule }) => ({ ...rule, origin: origin.field }))).toEqual([
      {
        direction: 'ingress',
        index: 0,
        name: 'first',
        action: 'allow',
        log: false,
        match: { peers: all, traffic: 'any' },
        origin: 'spec.ingress[0]',
      },
      {
        direction: 'ingress',
        index: 1,
        name: null,
        action: 'deny',
        log: false,
        match: { peers: all, traffic: port80 },
        origin: 'spec.ingress[1]',
      },
      {
        direction: 'egress',
        index: 0,
        name: null,
        action: 'deny',
        log: false,
        match: { peers: all, traffic: 'any' },
        origin: 'spec.egress[0]',
      },
    ]);
  });

  test(`S3.8 ${kind} has pods and whole namespaces as peers`, () => {
    expect(peer('{ namespaces: {} }')).toEqual(ALL_PODS);
    expect(peer('{ namespaces: { matchLabels: { team: red } } }')).toEqual({
      kind: 'pods',
      namespaces: { kind: 'labelled', labels: RED },
      pods: EVERYTHING,
    });
    expect(
      peer(
        '{ pods: { namespaceSelector: { matchLabels: { team: red } }, podSelector: { matchLabels: { app: web } } } }',
      ),
    ).toEqual({ kind: 'pods', namespaces: { kind: 'labelled', labels: RED }, pods: WEB });
  });

  test(`S3.9 ${kind} has nodes as peers of egress`, () =>
    expect(peer('{ nodes: { matchLabels: { team: red } } }')).toEqual({ kind: 'nodes', nodes: RED }));

  test(`S3.10 ${kind} has networks as peers of egress, each for itself`, () => {
    const { policy } = lower('egress: [{ action: Deny, to: [{ networks: ["10.0.0.0/8", "2001:db8::/32"] }] }]');
    expect(onlyRule(policy).match.peers).toEqual([
      { kind: 'addresses', cidr: parseCidr('10.0.0.0/8'), except: [] },
      { kind: 'addresses', cidr: parseCidr('2001:db8::/32'), except: [] },
    ]);
  });

  test.each(['nodes: {}', 'networks: [10.0.0.0/8]', 'domainNames: [a.example]'])(
    `S4.5 ${kind} does not know the peer %s in ingress`,
    (text) => {
      const { policy } = lower(`ingress: [{ action: Deny, from: [{ ${text} }] }]`);
      expect(onlyRule(policy)).toMatchObject({ action: 'deny', match: MATCH_ANYTHING });
    },
  );

  test(`S3.12 ${kind} evaluates withdrawn peers with a warning`, () => {
    const { policy, diagnostics } = lower(
      `ingress: [{ action: Deny, from: [{ namespaces: { sameLabels: [team] } }, { namespaces: { notSameLabels: [team, app.example/x] } }, { namespaces: { sameLabels: [] } }, { pods: { namespaces: { sameLabels: [team] }, podSelector: { matchLabels: { app: web } } } }] }]`,
    );
    expect(onlyRule(policy).match.peers).toEqual([
      { kind: 'pods', namespaces: { kind: 'same-labels', keys: ['team'] }, pods: EVERYTHING },
      { kind: 'pods', namespaces: { kind: 'different-labels', keys: ['team', 'app.example/x'] }, pods: EVERYTHING },
      { kind: 'pods', namespaces: { kind: 'same-labels', keys: [] }, pods: EVERYTHING },
      { kind: 'pods', namespaces: { kind: 'same-labels', keys: ['team'] }, pods: WEB },
    ]);
    expect(diagnostics.map(({ severity, origin }) => `${severity} ${origin?.field}`)).toEqual([
      'warning spec.ingress[0].from[0].namespaces.sameLabels',
      'warning spec.ingress[0].from[1].namespaces.notSameLabels',
      'warning spec.ingress[0].from[2].namespaces.sameLabels',
      'warning spec.ingress[0].from[3].pods.namespaces.sameLabels',
    ]);
  });

  const to = 'to: [{ namespaces: {} }]';
  test.each([
    ['to: [{ namespaces: {} }, { futurePeer: {} }]', 'to[1].futurePeer: unknown field `futurePeer`'],
    ['to: [{ namespaces: {} }, {}]', 'to[1]: must have exactly one of '],
    ['to: [{ namespaces: }]', 'to[0]: must have exactly one of '],
    ['to: [{ namespaces: {}, pods: { namespaceSelector: {}, podSelector: {} } }]', 'to[0]: must have exactly one of '],
    ['to: [{ namespaces: {}, future: 1 }]', 'to[0].future: unknown field `future`'],
    ['to: [namespaces]', 'to[0]: must be an object, not `namespaces`'],
    ['to: []', 'to: must be a list of at least one peer, not an empty list'],
    ['to: {}', 'to: must be a list of at least one peer, not an object'],
    ['from: [{ namespaces: {} }]', 'from: unknown field `from`'],
    [
      'to: [{ namespaces: { matchExpressions: [{ key: a, operator: Is }] } }]',
      'to[0].namespaces.matchExpressions[0].operator: `Is` is not',
    ],
    [
      'to: [{ namespaces: { sameLabels: [team], matchLabels: {} } }]',
      'to[0].namespaces.matchLabels: unknown field `matchLabels`',
    ],
    ['to: [{ namespaces: { sameLabels: [1] } }]', 'to[0].namespaces.sameLabels[0]: must be a string, not `1`'],
    [
      'to: [{ pods: { podSelector: {}, namespaceSelector: {}, namespaces: {} } }]',
      'to[0].pods.namespaceSelector: unknown field',
    ],
    ['to: [{ pods: { namespaceSelector: {} } }]', 'to[0].pods.podSelector: is required'],
    ['to: [{ networks: [10.0.0.0/8, 10.0.0.0] }]', 'to[0].networks[1]: `10.0.0.0` is not an address block'],
    ['to: [{ networks: [] }]', 'to[0].networks: must be a list of at least one entry'],
    ['to: [{ nodes: [] }]', 'to[0].nodes: a label selector must be an object, not a list'],
    [`${to}, ${bad}`, '`0` is not a port number from 1 to 65535'],
    [`${to}, condition: x`, 'condition: unknown field `condition`'],
    [`${to}, name: [x]`, 'name: must be a string, not a list'],
  ])(`S3.4 ${kind} closes the whole rule with %s`, (rule, message) => {
    const { policy, diagnostics } = lower(
      `egress: [{ action: ${allow}, ${rule} }, { action: Deny, ${rule} }, { action: Deny, ${to} }]`,
    );
    expect(policy.rules.map((each) => [each.action, each.match])).toEqual([
      ['allow', MATCH_NOTHING],
      ['deny', MATCH_ANYTHING],
      ['deny', { peers: [ALL_PODS], traffic: 'any' }],
    ]);
    const first = diagnostics.find(({ origin }) => origin?.field.startsWith('spec.egress[0]'));
    const second = diagnostics.find(({ origin }) => origin?.field.startsWith('spec.egress[1]'));
    expect(complaints(first === undefined ? [] : [first])[0]).toContain(message);
    expect(first?.help).toContain('this rule matches nothing');
    expect(second?.help).toContain('this rule denies everything for its subject');
  });

  test.each(['Log', '', 'allow', '[Deny]', '{ toString: 1 }'])(
    `S3.4 ${kind} denies everything under the action %s`,
    (action) => {
      const { policy, diagnostics } = lower(`ingress: [{ action: ${action}, from: [{ namespaces: {} }] }]`);
      expect(onlyRule(policy)).toMatchObject({ action: 'deny', match: MATCH_ANYTHING });
      expect(diagnostics.map(({ code }) => code)).toEqual(['RP208']);
    },
  );

  test(`S3.4 ${kind} denies everything with a rule that is no object`, () => {
    const { policy } = lower('ingress: [Deny]');
    expect(onlyRule(policy)).toMatchObject({
      action: 'deny',
      match: MATCH_ANYTHING,
      origin: { field: 'spec.ingress[0]' },
    });
  });

  test(`S3.16 ${kind} denies a direction whose rules are no list`, () => {
    const { policy, diagnostics } = lower('ingress: { action: Deny }');
    expect(onlyRule(policy)).toMatchObject({ direction: 'ingress', action: 'deny', match: MATCH_ANYTHING });
    expect(complaints(diagnostics)).toEqual(['spec.ingress: must be a list, not an object']);
  });

  test(`S3.16 ${kind} denies what no rule decides, next to a misspelt list`, () => {
    const rule = `{ action: ${allow}, from: [{ namespaces: {} }] }`;
    const { policy, diagnostics } = lower(`ingress: [${rule}], egres: []`);
    expect(
      policy.rules.map((each) => [each.direction, each.index, each.action, each.match, each.origin.field]),
    ).toEqual([
      ['ingress', 0, 'allow', { peers: [ALL_PODS], traffic: 'any' }, 'spec.ingress[0]'],
      ['ingress', 1, 'deny', MATCH_ANYTHING, 'spec.egres'],
      ['egress', 0, 'deny', MATCH_ANYTHING, 'spec.egres'],
    ]);
    expect(diagnostics[0]?.help).toBe(
      'did you mean `egress`?; what no rule of the policy decides is denied for its subject',
    );
  });
});

describe('AdminNetworkPolicy', () => {
  const ports = (text: string): Lowered =>
    lowerYaml(
      adminNetworkPolicy(
        `{ priority: 0, subject: { namespaces: {} }, ingress: [{ action: Deny, from: [{ namespaces: {} }], ports: ${text} }] }`,
      ),
    );

  test('S3.2 priority is the rank in the admin tier', () => {
    const { slot, policy } = lowerYaml(adminNetworkPolicy('{ priority: 1000, subject: { namespaces: {} } }'));
    expect([slot, policy.rank, policy.id]).toEqual(['admin', 1000, 'AdminNetworkPolicy/lead']);
  });

  test('S3.18 subjects', () => {
    const subject = (text: string): EndpointMatch =>
      lowerYaml(adminNetworkPolicy(`{ priority: 0, subject: ${text} }`)).policy.subject;
    expect(subject('{ namespaces: { matchLabels: { team: red } } }')).toEqual({
      kind: 'pods',
      namespaces: { kind: 'labelled', labels: RED },
      pods: EVERYTHING,
    });
    expect(subject('{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: web } } } }')).toEqual({
      kind: 'pods',
      namespaces: { kind: 'labelled', labels: EVERYTHING },
      pods: WEB,
    });
  });

  test('S3.1 the first shape wraps its selectors', () => {
    const { policy, diagnostics } = lowerYaml(
      adminNetworkPolicy(
        '{ priority: 0, subject: { namespaces: {} }, ingress: [{ action: Allow, from: [{ namespaces: { namespaceSelector: { matchLabels: { team: red } } } }, { pods: { namespaces: { namespaceSelector: {} }, podSelector: {} } }] }] }',
      ),
    );
    expect(onlyRule(policy).match.peers).toEqual([
      { kind: 'pods', namespaces: { kind: 'labelled', labels: RED }, pods: EVERYTHING },
      ALL_PODS,
    ]);
    expect(diagnostics).toEqual([]);
  });

  test('S3.13 ports', () => {
    const { policy, diagnostics } = ports(
      '[{ portNumber: { port: 80 } }, { portNumber: { protocol: UDP, port: 53 } }, { portRange: { start: 1, end: 9 } }, { portRange: { protocol: SCTP, start: 7, end: 7 } }]',
    );
    expect(onlyRule(policy).match.traffic).toEqual([
      { kind: 'ports', protocol: 'TCP', first: 80, last: 80 },
      { kind: 'ports', protocol: 'UDP', first: 53, last: 53 },
      { kind: 'ports', protocol: 'TCP', first: 1, last: 9 },
      { kind: 'ports', protocol: 'SCTP', first: 7, last: 7 },
    ]);
    expect(diagnostics).toEqual([]);
  });

  test('S3.13 no list and an empty list mean all traffic', () => {
    expect(onlyRule(ports('').policy).match.traffic).toBe('any');
    expect(onlyRule(ports('[]').policy).match.traffic).toBe('any');
  });

  test('S3.13 and S11.15 an inverted range matches nothing, also under Deny', () => {
    const { policy, diagnostics } = ports('[{ portRange: { start: 90, end: 80 } }]');
    expect(onlyRule(policy)).toMatchObject({ action: 'deny', match: { peers: [ALL_PODS], traffic: [] } });
    expect(diagnostics).toMatchObject([{ code: 'RP210', severity: 'error', help: 'this entry matches nothing' }]);
    expect(
      onlyRule(ports('[{ portRange: { start: 90, end: 80 } }, { namedPort: a }]').policy).match.traffic,
    ).toHaveLength(1);
  });

  test('S3.11 a named port brings its protocol', () =>
    expect(onlyRule(ports('[{ namedPort: http }]').policy).match.traffic).toEqual([
      { kind: 'named-port', protocol: null, name: 'http' },
    ]));

  test.each([
    '[{}]',
    '[{ portNumber: { port: 80 }, namedPort: http }]',
    '[{ portNumber: 80 }]',
    '[{ portNumber: { port: "80" } }]',
    '[{ portNumber: { protocol: ICMP, port: 80 } }]',
    '[{ portNumber: { port: 80, ports: 81 } }]',
    '[{ portRange: { start: 80 } }]',
    '[{ portRange: { start: 80, end: 65536 } }]',
    '[{ namedPort: 80 }]',
    '[{ namedPort: "" }]',
    '[80]',
    '{}',
  ])('S3.4 ports that are not understood close the whole rule: %s', (text) => {
    const { policy, diagnostics } = ports(text);
    expect(onlyRule(policy)).toMatchObject({ action: 'deny', match: MATCH_ANYTHING });
    expect(diagnostics).toHaveLength(1);
  });

  test('S3.4 a closed Pass rule denies', () => {
    const { policy } = lowerYaml(
      adminNetworkPolicy('{ priority: 0, subject: { namespaces: {} }, egress: [{ action: Pass, to: [{ x: 1 }] }] }'),
    );
    expect(onlyRule(policy)).toMatchObject({ action: 'deny', match: MATCH_ANYTHING });
  });

  const names = (action: string, list: string): Lowered =>
    lowerYaml(
      adminNetworkPolicy(
        `{ priority: 0, subject: { namespaces: {} }, egress: [{ action: ${action}, to: [{ namespaces: {} }, { domainNames: ${list} }] }] }`,
      ),
    );

  test('S4.6 domain names are compared in lower case and without final dot', () =>
    expect(onlyRule(names('Allow', '["API.Example.com.", "*.example.org"]').policy).match.peers).toEqual([
      ALL_PODS,
      { kind: 'domains', names: ['api.example.com', '*.example.org'] },
    ]));

  test.each(['["a.*.example"]', '["*"]', '["*.com"]', '["-a.example"]', '["a..example"]', '[1]', '[]', 'a.example'])(
    'S3.4 domain names that are not understood close the whole rule: %s',
    (list) => {
      const { policy, diagnostics } = names('Allow', list);
      expect(onlyRule(policy)).toMatchObject({ action: 'allow', match: MATCH_NOTHING });
      expect(diagnostics).toHaveLength(1);
    },
  );

  test.each(['Deny', 'Pass'])('S3.15 and S11.16 domain names under %s deny everything', (action) => {
    const { policy, diagnostics } = names(action, '[a.example]');
    expect(onlyRule(policy)).toMatchObject({ action: 'deny', match: MATCH_ANYTHING });
    expect(diagnostics).toMatchObject([{ code: 'RP211', severity: 'error' }]);
  });

  test.each([
    ['subject: {}', ALL_PODS, 7],
    ['subject: { namespaces: {}, pods: { namespaceSelector: {}, podSelector: {} } }', ALL_PODS, 7],
    ['subject: { namespaces: { sameLabels: [team] } }', ALL_PODS, 7],
    ['subject: { namespaces: { matchLabels: { team: 1 } } }', ALL_PODS, 7],
    ['subject: { pods: { podSelector: {} } }', ALL_PODS, 7],
    ['subject: [x]', ALL_PODS, 7],
    ['subject:', ALL_PODS, 7],
  ])('S3.17 with `%s` the policy opens nothing and applies to every pod', (subject, expected, rank) => {
    const { policy, diagnostics } = lowerYaml(
      adminNetworkPolicy(
        `{ priority: 7, ${subject}, egress: [{ action: Allow, to: [{ namespaces: {} }] }, { action: Pass, to: [{ nodes: {} }] }, { action: Deny, to: [{ networks: [10.0.0.0/8] }] }] }`,
      ),
    );
    expect([policy.subject, policy.rank]).toEqual([expected, rank]);
    expect(policy.rules.map((each) => [each.action, each.match])).toEqual([
      ['allow', MATCH_NOTHING],
      ['deny', { peers: [{ kind: 'nodes', nodes: EVERYTHING }], traffic: 'any' }],
      [
        'deny',
        {
          peers: [{ kind: 'addresses', cidr: parseCidr('10.0.0.0/8'), except: [] }],
          traffic: 'any',
          fields: { peers: ['to[0].networks[0]'], traffic: [] },
        },
      ],
    ]);
    expect(diagnostics[0]).toMatchObject({ severity: 'error' });
  });

  test('S3.10 and S3.13 peers and ports know the fields that they stand in, however many they make', () => {
    const { policy } = lowerYaml(
      adminNetworkPolicy(
        `{ priority: 7, subject: { namespaces: {} }, egress: [{ action: Deny, to: [{ networks: [10.0.0.0/8, 11.0.0.0/8] }, { namespaces: {} }],
           ports: [{ portRange: { start: 9, end: 8 } }, { portNumber: { port: 80 } }] }] }`,
      ),
    );
    expect(onlyRule(policy).match.fields).toEqual({
      peers: ['to[0].networks[0]', 'to[0].networks[1]', 'to[1]'],
      traffic: ['ports[1]'],
    });
  });

  test.each(['', '-1', '1001', '1.5', '"1"'])(
    'S3.17 with priority `%s` the policy opens nothing and comes first',
    (priority) => {
      const { policy, slot } = lowerYaml(
        adminNetworkPolicy(
          `{ priority: ${priority}, subject: { namespaces: {} }, ingress: [{ action: Allow, from: [{ namespaces: {} }] }] }`,
        ),
      );
      expect([slot, policy.rank, onlyRule(policy).match]).toEqual(['admin', 0, MATCH_NOTHING]);
    },
  );

  test('S3.16 a spec that is no object denies every pod both ways', () => {
    const { policy } = lowerYaml(
      'apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: { name: a }\nspec: x',
    );
    expect(policy.subject).toEqual(ALL_PODS);
    expect(policy.rules.map((each) => [each.direction, each.action, each.match])).toEqual([
      ['ingress', 'deny', MATCH_ANYTHING],
      ['egress', 'deny', MATCH_ANYTHING],
    ]);
  });
});

describe('BaselineAdminNetworkPolicy', () => {
  const rule = (text: string): Lowered =>
    lowerYaml(baselineAdminNetworkPolicy(`{ subject: { namespaces: {} }, egress: [${text}] }`));

  test('S3.7 has the baseline tier, no priority, no Pass and no domain names', () => {
    expect(rule('').slot).toBe('baseline');
    expect(onlyRule(rule('{ action: Pass, to: [{ namespaces: {} }] }').policy)).toMatchObject({
      action: 'deny',
      match: MATCH_ANYTHING,
    });
    expect(onlyRule(rule('{ action: Allow, to: [{ domainNames: [a.example] }] }').policy).match).toEqual(MATCH_NOTHING);
    const { policy, diagnostics } = lowerYaml(
      baselineAdminNetworkPolicy('{ priority: 1, subject: { namespaces: {} } }'),
    );
    expect(complaints(diagnostics)).toEqual(['spec.priority: unknown field `priority`']);
    expect(policy.rules).toHaveLength(2);
  });
});

describe('ClusterNetworkPolicy', () => {
  const rule = (text: string): Lowered =>
    lowerYaml(clusterNetworkPolicy(`{ tier: Baseline, priority: 3, subject: { namespaces: {} }, ingress: [${text}] }`));
  const protocols = (text: string): Lowered => rule(`{ action: Deny, from: [{ namespaces: {} }], protocols: ${text} }`);

  test('S4.1 tier and priority say where it stands', () => {
    expect([rule('').slot, rule('').policy.rank]).toEqual(['baseline', 3]);
    const admin = lowerYaml(clusterNetworkPolicy('{ tier: Admin, priority: 0, subject: { namespaces: {} } }'));
    expect([admin.slot, admin.policy.rank]).toEqual(['admin', 0]);
  });

  test.each(['tier: NetworkPolicy, priority: 1', 'priority: 1', 'tier: Baseline'])(
    'S3.17 with `%s` alone the policy opens nothing and stands first in the admin tier',
    (place) => {
      const { slot, policy } = lowerYaml(
        clusterNetworkPolicy(
          `{ ${place}, subject: { namespaces: {} }, ingress: [{ action: Accept, from: [{ namespaces: {} }] }] }`,
        ),
      );
      expect([slot, policy.rank, onlyRule(policy).match]).toEqual(['admin', 0, MATCH_NOTHING]);
    },
  );

  test('S4.7 Accept, Deny and Pass', () => {
    const { policy } = rule(
      ['Accept', 'Deny', 'Pass'].map((word) => `{ action: ${word}, from: [{ namespaces: {} }] }`).join(', '),
    );
    expect(policy.rules.map((each) => each.action)).toEqual(['allow', 'deny', 'pass']);
  });

  test('S4.3 protocols', () => {
    const { policy, diagnostics } = protocols(
      '[{ tcp: { destinationPort: { number: 80 } } }, { udp: { destinationPort: { range: { start: 1, end: 9 } } } }, { sctp: { destinationPort: { number: 7 } } }, { destinationNamedPort: http }]',
    );
    expect(onlyRule(policy).match.traffic).toEqual([
      { kind: 'ports', protocol: 'TCP', first: 80, last: 80 },
      { kind: 'ports', protocol: 'UDP', first: 1, last: 9 },
      { kind: 'ports', protocol: 'SCTP', first: 7, last: 7 },
      { kind: 'named-port', protocol: null, name: 'http' },
    ]);
    expect(diagnostics).toEqual([]);
    expect(onlyRule(protocols('').policy).match.traffic).toBe('any');
  });

  test.each([
    '[]',
    '[{}]',
    '[{ icmp: {} }]',
    '[{ tcp: {} }]',
    '[{ tcp: }]',
    '[{ tcp: { destinationPort: 80 } }]',
    '[{ tcp: { destinationPort: {} } }]',
    '[{ tcp: { destinationPort: { number: 80, range: { start: 1, end: 2 } } } }]',
    '[{ tcp: { destinationPort: { range: 80 } } }]',
    '[{ tcp: { destinationPort: { range: { start: 1, end: 2, step: 1 } } } }]',
    '[{ tcp: { destinationPort: { number: 80 }, sourcePort: 1 } }]',
    '[{ tcp: { destinationPort: { number: 80 } }, udp: { destinationPort: { number: 80 } } }]',
  ])('S3.4 protocols that are not understood close the whole rule: %s', (text) => {
    const { policy, diagnostics } = protocols(text);
    expect(onlyRule(policy)).toMatchObject({ action: 'deny', match: MATCH_ANYTHING });
    expect(diagnostics).toHaveLength(1);
  });

  test('S4.4 pods without namespaceSelector are those of every namespace', () => {
    const { policy } = rule('{ action: Deny, from: [{ pods: { podSelector: { matchLabels: { app: web } } } }] }');
    expect(onlyPeer(policy)).toEqual({ kind: 'pods', namespaces: { kind: 'labelled', labels: EVERYTHING }, pods: WEB });
  });

  test('S3.1 it never had the first shape, in which a selector is wrapped', () => {
    const { policy } = rule('{ action: Deny, from: [{ namespaces: { namespaceSelector: {} } }] }');
    expect(onlyRule(policy)).toMatchObject({ action: 'deny', match: MATCH_ANYTHING });
  });
});
