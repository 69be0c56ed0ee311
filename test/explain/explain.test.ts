import { describe, expect, test } from 'vitest';
import { explainFlow, explainPrepared } from '../../src/engine/explain/explain.ts';
import type { Match } from '../../src/model/match.ts';
import type { PolicyProgram } from '../../src/model/program.ts';
import type { Reason } from '../../src/model/verdict.ts';
import { clusterPolicy, documents, manifestWorld, namespace, nearMisses, networkPolicy, node, pod } from './world.ts';

const BASE = documents(
  namespace('shop', { team: 'a' }),
  namespace('ops', { team: 'b' }),
  namespace('dev', { team: 'c' }),
  node('n1', '172.16.0.1', { zone: 'east' }),
  node('n2', '172.16.0.2', { zone: 'west' }),
  pod('shop/web', {
    labels: { app: 'web' },
    ip: '10.0.0.10',
    node: 'n1',
    ports: [{ name: 'http', containerPort: 80 }],
  }),
  pod('shop/db', { labels: { app: 'db' }, ip: '10.0.0.11', node: 'n2', ports: [{ name: 'pg', containerPort: 5432 }] }),
  pod('ops/admin', { labels: { app: 'admin' }, ip: '10.0.1.10', node: 'n1' }),
  pod('ops/typo', { labels: { app: 'adnin' }, ip: '10.0.1.11', node: 'n1' }),
  pod('dev/tool', { labels: { app: 'tool' }, ip: '10.0.2.10', node: 'n2' }),
  pod('shop/agent', { labels: { app: 'web' }, host: true, ip: '172.16.0.1', node: 'n1' }),
  networkPolicy(
    'shop/db',
    `{podSelector: {matchLabels: {app: db}}, ingress: [
      {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]},
      {from: [{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: admin}}}],
       ports: [{port: 5432}, {port: 9187, endPort: 9190}]}]}`,
  ),
  networkPolicy('shop/db-egress', '{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}'),
  networkPolicy(
    'shop/web',
    `{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress],
      ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.64/26, 203.0.113.128/25]}}], ports: [{port: http}]}],
      egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]}`,
  ),
  clusterPolicy(
    'guard',
    `{tier: Admin, priority: 5, subject: {namespaces: {}}, ingress: [
      {name: no-dev, action: Deny, from: [{namespaces: {matchLabels: {team: c}}}]},
      {name: ops, action: Pass, from: [{namespaces: {matchLabels: {team: b}}}]}]}`,
  ),
);
const world = manifestWorld(BASE);

function kinds(reasons: readonly Reason[] | undefined): readonly string[] {
  return (reasons ?? []).map((reason) => reason.kind);
}

describe('what decides', () => {
  test('S1.2: both ends allow, each by its rule', () => {
    const answer = world.ask('shop/web', 'shop/db', 5432);
    expect(answer.verdict).toBe('allowed');
    expect(answer.egress?.decidedBy).toBe('NetworkPolicy/shop/web#egress[0]');
    expect(answer.ingress?.decidedBy).toBe('NetworkPolicy/shop/db#ingress[0]');
    expect(answer.egress?.reasons[0]).toMatchObject({
      kind: 'rule',
      policy: 'NetworkPolicy/shop/web',
      rule: 'spec.egress[0]',
      tier: 'networkpolicy',
      action: 'allow',
      origin: { field: 'spec.egress[0]', object: { name: 'web' } },
    });
  });

  test('S5.3: without a matching rule, isolation decides and is named by its policies', () => {
    const answer = world.ask('shop/web', 'shop/db', 5433);
    expect(answer.verdict).toBe('denied');
    expect(answer.egress).toMatchObject({ verdict: 'denied', decidedBy: 'NetworkPolicy/shop/web' });
    expect(answer.ingress).toMatchObject({ verdict: 'denied', decidedBy: 'NetworkPolicy/shop/db' });
    expect(answer.ingress?.reasons[0]).toMatchObject({ kind: 'isolation', action: 'deny' });
  });

  test('S2.6: several isolating policies are named together, sorted, with a reason each', () => {
    const more = manifestWorld(documents(BASE, networkPolicy('shop/a-all', '{podSelector: {}}')));
    const { ingress } = more.ask('ops/typo', 'shop/db', 5432);
    expect(ingress?.decidedBy).toBe('NetworkPolicy/shop/a-all,NetworkPolicy/shop/db');
    const isolation = ingress?.reasons.filter((reason) => reason.kind === 'isolation' && reason.action === 'deny');
    expect(isolation?.map((reason) => reason.policy)).toEqual(['NetworkPolicy/shop/a-all', 'NetworkPolicy/shop/db']);
    expect(isolation?.[0]?.text).toContain('NetworkPolicy/shop/a-all');
    expect(isolation?.[0]?.text).toContain('NetworkPolicy/shop/db');
  });

  test('S3.2, S5.4: an admin rule decides first, and carries its own name', () => {
    const { ingress } = world.ask('dev/tool', 'shop/db', 5432);
    expect(ingress).toMatchObject({ verdict: 'denied', decidedBy: 'ClusterNetworkPolicy/guard#ingress[0]' });
    expect(ingress?.reasons[0]?.text).toContain('no-dev');
    // Tiers behind the one that decides are not asked.
    expect(ingress?.reasons.filter((reason) => reason.tier === 'networkpolicy')).toEqual([]);
  });

  test('S3.5, S4.7: a pass is told, and the next tier decides', () => {
    const { ingress } = world.ask('ops/admin', 'shop/db', 9188);
    expect(ingress?.decidedBy).toBe('NetworkPolicy/shop/db#ingress[1]');
    expect(ingress?.reasons.find((reason) => reason.action === 'pass')).toMatchObject({
      kind: 'rule',
      policy: 'ClusterNetworkPolicy/guard',
      rule: 'spec.ingress[1]',
      tier: 'admin',
    });
  });

  test('S2.5, S3.14: nothing isolates, so the default allows and nothing is named', () => {
    const { ingress, egress } = world.ask('ops/admin', 'ops/typo', 80);
    expect(egress).toMatchObject({ verdict: 'allowed', decidedBy: null });
    expect(ingress).toMatchObject({ verdict: 'allowed', decidedBy: null });
    expect(egress?.reasons[0]?.kind).toBe('default');
    // The tier has policies, none of which selects pods of `ops`.
    expect(egress?.reasons.some((reason) => reason.tier === 'networkpolicy' && reason.policy === null)).toBe(true);
  });

  test('S7.6: an end that no policy governs allows, without a policy', () => {
    const { egress } = world.ask('203.0.113.7', 'shop/web', 80);
    expect(egress).toMatchObject({ verdict: 'allowed', decidedBy: null });
    expect(kinds(egress?.reasons)).toEqual(['default']);
    expect(kinds(world.ask('node/n2', 'shop/web', 80).egress?.reasons)).toEqual(['node']);
  });

  test('S7.1: the own node is admitted by no policy, another node is judged', () => {
    expect(world.ask('node/n1', 'shop/web', 9999).ingress).toMatchObject({
      verdict: 'allowed',
      decidedBy: null,
      reasons: [{ kind: 'node' }],
    });
    expect(world.ask('node/n2', 'shop/web', 9999).ingress).toMatchObject({
      verdict: 'denied',
      decidedBy: 'NetworkPolicy/shop/web',
    });
  });

  test('S7.2: a pod reaches itself', () => {
    const answer = world.ask('shop/web', 'shop/web', 9999);
    expect(answer).toMatchObject({ verdict: 'allowed', egress: { decidedBy: null, reasons: [{ kind: 'self' }] } });
  });

  test('S2.13: one direction alone, the other end is null', () => {
    const answer = world.ask('shop/web', 'shop/db', 5433, { direction: 'ingress' });
    expect(answer.egress).toBeNull();
    expect(answer).toMatchObject({ verdict: 'denied', ingress: { decidedBy: 'NetworkPolicy/shop/db' } });
    expect(world.ask('dev/tool', 'shop/db', 5432, { direction: 'egress' }).verdict).toBe('allowed');
  });

  test('S2.4: a policy of the other type is told to have no effect', () => {
    const { ingress } = world.ask('dev/tool', 'shop/web', 80, { direction: 'ingress' });
    expect(ingress?.decidedBy).toBe('ClusterNetworkPolicy/guard#ingress[0]');
    const told = world.ask('ops/typo', 'shop/db', 1, { direction: 'ingress' }).ingress?.reasons;
    expect(told?.find((reason) => reason.policy === 'NetworkPolicy/shop/db-egress')).toMatchObject({
      origin: { field: 'spec.policyTypes' },
    });
  });
});

describe('near misses', () => {
  function missesTo(
    source: string,
    destination: string,
    port: number | null,
    protocol: 'TCP' | 'UDP' | 'ICMP' = 'TCP',
  ) {
    return world.ask(source, destination, port, { protocol, direction: 'ingress' }).ingress?.reasons;
  }

  test('S2.13: another port', () => {
    const reasons = missesTo('shop/web', 'shop/db', 5433);
    expect(nearMisses(reasons)).toEqual(['NetworkPolicy/shop/db spec.ingress[0].ports[0].port']);
    const miss = reasons?.find((reason) => reason.kind === 'near-miss');
    expect(miss?.fix).toBe('add `port: 5433` to `spec.ingress[0].ports`');
    expect(miss?.text).toContain('port 5433 ≠ 5432');
  });

  test('S2.13: the nearest entry of several', () => {
    expect(nearMisses(missesTo('ops/admin', 'shop/db', 9191))).toEqual([
      'NetworkPolicy/shop/db spec.ingress[1].ports[1].port',
    ]);
  });

  test('S2.12: another protocol', () => {
    const reasons = missesTo('shop/web', 'shop/db', 5432, 'UDP');
    expect(nearMisses(reasons)).toEqual(['NetworkPolicy/shop/db spec.ingress[0].ports[0].protocol']);
    expect(reasons?.find((reason) => reason.kind === 'near-miss')?.fix).toBe(
      'add `{protocol: UDP, port: 5432}` to `spec.ingress[0].ports`',
    );
  });

  test('S2.10: one label of the peer', () => {
    const reasons = missesTo('ops/typo', 'shop/db', 5432);
    // Rule 0 means pods of the policy's own namespace with another label: two things, so it is no near miss.
    expect(nearMisses(reasons)).toEqual(['NetworkPolicy/shop/db spec.ingress[1].from[0].podSelector']);
    const miss = reasons?.find((reason) => reason.kind === 'near-miss');
    expect(miss?.text).toContain('app=adnin');
    expect(miss?.text).toContain('app=admin');
    expect(miss?.fix).toBe(
      'add `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}, podSelector: {matchLabels: {app: adnin}}}` to `spec.ingress[1].from`',
    );
  });

  test('S2.8, S2.9: only the namespace', () => {
    const wrong = manifestWorld(
      documents(
        BASE,
        pod('ops/web', { labels: { app: 'web' }, ip: '10.0.1.20' }),
        pod('shop/admin', { labels: { app: 'admin' }, ip: '10.0.0.20' }),
      ),
    );
    const named = wrong.ask('ops/web', 'shop/db', 5432, { direction: 'ingress' }).ingress?.reasons;
    // The label alone is what the other rule, for pods of `ops`, is missing.
    expect(nearMisses(named)).toEqual([
      'NetworkPolicy/shop/db spec.ingress[0].from[0]',
      'NetworkPolicy/shop/db spec.ingress[1].from[0].podSelector',
    ]);
    const labelled = wrong.ask('shop/admin', 'shop/db', 5432, { direction: 'ingress' }).ingress?.reasons;
    expect(nearMisses(labelled)[0]).toBe('NetworkPolicy/shop/db spec.ingress[1].from[0].namespaceSelector');
  });

  test('S2.11: a hole of the block, and an address outside of it', () => {
    expect(nearMisses(missesTo('203.0.113.200', 'shop/web', 80))).toEqual([
      'NetworkPolicy/shop/web spec.ingress[0].from[0].ipBlock.except[1]',
    ]);
    expect(nearMisses(missesTo('198.51.100.1', 'shop/web', 80))).toEqual([
      'NetworkPolicy/shop/web spec.ingress[0].from[0].ipBlock.cidr',
    ]);
  });

  test('S2.14: a named port of another number, and one that the pod does not declare', () => {
    const other = missesTo('203.0.113.7', 'shop/web', 8080);
    expect(nearMisses(other)).toEqual(['NetworkPolicy/shop/web spec.ingress[0].ports[0].port']);
    expect(other?.find((reason) => reason.kind === 'near-miss')?.text).toContain('TCP 80');
    const bare = manifestWorld(documents(BASE, pod('shop/web2', { labels: { app: 'web' }, ip: '10.0.0.12' })));
    const none = bare.ask('203.0.113.7', 'shop/web2', 80, { direction: 'ingress' }).ingress?.reasons;
    expect(none?.find((reason) => reason.kind === 'near-miss')?.text).toContain('not declared');
  });

  test('S7.7: ICMP meets rules with ports', () => {
    const answer = world.ask('shop/web', 'shop/db', null, { protocol: 'ICMP', direction: 'ingress' });
    expect(answer.ingress).toMatchObject({ verdict: 'denied', decidedBy: 'NetworkPolicy/shop/db' });
    expect(nearMisses(answer.ingress?.reasons)).toEqual(['NetworkPolicy/shop/db spec.ingress[0].ports[0]']);
    expect(answer.caveats.some((text) => text.includes('S11.4'))).toBe(true);
  });

  test('S7.5: labels that would match belong to a host-network pod', () => {
    const { ingress } = world.ask('shop/agent', 'shop/db', 5432);
    expect(ingress).toMatchObject({ verdict: 'denied', decidedBy: 'NetworkPolicy/shop/db' });
    expect(nearMisses(ingress?.reasons)).toEqual(['NetworkPolicy/shop/db spec.ingress[0].from[0]']);
    expect(ingress?.caveats.some((text) => text.includes('S11.12'))).toBe(true);
  });

  test('S2.1: a policy that misses the pod by a misspelt label comes first; one for another workload is not told', () => {
    const typo = manifestWorld(
      documents(
        namespace('a'),
        pod('a/to', { labels: { app: 'frontend' }, ip: '10.0.0.1' }),
        pod('a/from', { labels: { app: 'from' }, ip: '10.0.0.2' }),
        networkPolicy('a/deny', '{podSelector: {}}'),
        networkPolicy('a/allow', '{podSelector: {matchLabels: {app: fronted}}, ingress: [{ports: [{port: 80}]}]}'),
        networkPolicy('a/else', '{podSelector: {matchLabels: {app: backend}}, ingress: [{ports: [{port: 80}]}]}'),
      ),
    );
    const reasons = typo.ask('a/from', 'a/to', 80).ingress?.reasons;
    expect(nearMisses(reasons)).toEqual(['NetworkPolicy/a/allow spec.podSelector']);
    // On another port its rule would not help either.
    expect(nearMisses(typo.ask('a/from', 'a/to', 81).ingress?.reasons)).toEqual([]);
  });

  test('S2.7: nearer misses come first', () => {
    const many = manifestWorld(
      documents(
        namespace('a'),
        pod('a/to', { labels: { app: 'to' }, ip: '10.0.0.1' }),
        pod('a/from', { labels: { app: 'from' }, ip: '10.0.0.2' }),
        networkPolicy(
          'a/p',
          `{podSelector: {}, ingress: [
            {from: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 80}]},
            {from: [{podSelector: {matchLabels: {app: other}}}], ports: [{port: 80}]},
            {from: [{podSelector: {matchLabels: {app: from}}}], ports: [{port: 81}]}]}`,
        ),
      ),
    );
    expect(nearMisses(many.ask('a/from', 'a/to', 80).ingress?.reasons)).toEqual([
      'NetworkPolicy/a/p spec.ingress[2].ports[0].port',
      'NetworkPolicy/a/p spec.ingress[1].from[0].podSelector',
      'NetworkPolicy/a/p spec.ingress[0].from[0].ipBlock.cidr',
    ]);
  });

  test('S4.3: fields of a ClusterNetworkPolicy are those of its own shape', () => {
    const cnp = manifestWorld(
      documents(
        namespace('a', { team: 'a' }),
        pod('a/to', { labels: { app: 'to' }, ip: '10.0.0.1' }),
        pod('a/from', { labels: { app: 'from' }, ip: '10.0.0.2' }),
        clusterPolicy(
          'c',
          `{tier: Baseline, priority: 1, subject: {namespaces: {}}, ingress: [
            {action: Accept, from: [{pods: {podSelector: {matchLabels: {app: form}}}}], protocols: [{tcp: {destinationPort: {number: 80}}}]},
            {action: Accept, from: [{namespaces: {}}], protocols: [{udp: {destinationPort: {number: 80}}}, {tcp: {destinationPort: {range: {start: 90, end: 99}}}}]},
            {action: Deny, from: [{namespaces: {}}]}]}`,
        ),
      ),
    );
    const { ingress } = cnp.ask('a/from', 'a/to', 80);
    expect(ingress?.decidedBy).toBe('ClusterNetworkPolicy/c#ingress[2]');
    const misses = ingress?.reasons.filter((reason) => reason.kind === 'near-miss');
    expect(misses?.map((reason) => reason.origin?.field)).toEqual([
      'spec.ingress[1].protocols[0].udp',
      'spec.ingress[0].from[0].pods.podSelector',
    ]);
    expect(misses?.[0]?.fix).toBe('add `{tcp: {destinationPort: {number: 80}}}` to `spec.ingress[1].protocols`');
  });
});

describe('fields of the exact part', () => {
  const networks = documents(
    namespace('a'),
    pod('a/from', { labels: { app: 'from' }, ip: '10.0.0.2' }),
    clusterPolicy(
      'c',
      `{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [
        {action: Accept, to: [{networks: ["192.0.2.0/24", "198.51.100.0/24"]}]},
        {action: Deny, to: [{networks: ["0.0.0.0/0"]}]}]}`,
    ),
  );

  test('S3.1: fields of an AdminNetworkPolicy are those of its own shape', () => {
    const anp = manifestWorld(
      documents(
        namespace('a'),
        pod('a/to', { labels: { app: 'to' }, ip: '10.0.0.1' }),
        pod('a/from', { labels: { app: 'from' }, ip: '10.0.0.2' }),
        `{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: x}, spec: {priority: 1, subject: {namespaces: {}}, ingress: [
          {action: Allow, from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 443}}]},
          {action: Allow, from: [{namespaces: {}}], ports: [{portRange: {protocol: UDP, start: 70, end: 90}}]},
          {action: Deny, from: [{namespaces: {}}]}]}}`,
      ),
    );
    const { ingress } = anp.ask('a/from', 'a/to', 80);
    expect(ingress?.decidedBy).toBe('AdminNetworkPolicy/x#ingress[2]');
    expect(nearMisses(ingress?.reasons)).toEqual([
      'AdminNetworkPolicy/x spec.ingress[1].ports[0].portRange.protocol',
      'AdminNetworkPolicy/x spec.ingress[0].ports[0].portNumber.port',
    ]);
    expect(ingress?.reasons.find((reason) => reason.kind === 'near-miss')?.fix).toBe(
      'add `{portNumber: {protocol: TCP, port: 80}}` to `spec.ingress[1].ports`',
    );
  });

  test('S3.10: several blocks of one entry share the path of the list, unless lowering says where each stands', () => {
    const plain = manifestWorld(networks);
    const flow = plain.flow('a/from', '198.51.101.1', 80);
    const fieldsOf = (program: PolicyProgram): readonly string[] =>
      (explainFlow(program, plain.prepared.facts, flow).egress?.reasons ?? [])
        .filter((reason) => reason.kind === 'near-miss')
        .map((reason) => reason.origin?.field ?? '');
    const { program } = plain.prepared;
    const without = mapMatches(program, ({ peers, traffic }) => ({ peers, traffic }));
    expect(fieldsOf(without)).toEqual(['spec.egress[0].to']);
    const peers = ['to[0].networks[0]', 'to[0].networks[1]'];
    const told = mapMatches(program, (match) =>
      match.peers.length === 2 ? { ...match, fields: { peers, traffic: [] } } : match,
    );
    // 198.51.101.1 is one bit outside of the second block.
    expect(fieldsOf(told)).toEqual(['spec.egress[0].to[0].networks[1]']);
  });
});

function mapMatches(program: PolicyProgram, change: (match: Match) => Match): PolicyProgram {
  return {
    tiers: program.tiers.map((tier) => ({
      ...tier,
      policies: tier.policies.map((policy) => ({
        ...policy,
        rules: policy.rules.map((rule) => ({ ...rule, match: change(rule.match) })),
      })),
    })),
  };
}

describe('choices that a verdict rests on', () => {
  function caveats(text: string, source: string, destination: string, port: number | null = 80): string {
    return manifestWorld(documents(BASE, text)).ask(source, destination, port).caveats.join('\n');
  }

  test('S11.3, S7.3: egress to the own node in spite of isolation', () => {
    const answer = world.ask('shop/web', 'node/n1', 10250);
    expect(answer).toMatchObject({ verdict: 'allowed', egress: { decidedBy: null } });
    expect(answer.egress?.reasons[0]?.kind).toBe('node');
    expect(answer.caveats.join()).toContain('S11.3');
    expect(world.ask('shop/web', 'node/n2', 10250).verdict).toBe('denied');
  });

  test('S2.11: a block that matches the address of a pod', () => {
    const policy = networkPolicy('dev/p', '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/16}}]}]}');
    const open = `{apiVersion: v1, kind: Pod, metadata: {namespace: dev, name: x}, spec: {containers: [{name: c, image: c}]}, status: {podIPs: [{ip: 10.0.2.2}]}}`;
    expect(caveats(documents(policy, open), 'ops/admin', 'dev/x')).toContain('S2.11');
  });

  test('S11.1: a pod that NetworkPolicy isolates for the other direction only', () => {
    const policy = clusterPolicy(
      'late',
      '{tier: Baseline, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}',
    );
    const only = networkPolicy('ops/out', '{podSelector: {}, policyTypes: [Egress], egress: [{}]}');
    const answer = manifestWorld(documents(BASE, policy, only)).ask('shop/db', 'ops/admin', 80, {
      direction: 'ingress',
    });
    expect(answer.ingress?.decidedBy).toBe('ClusterNetworkPolicy/late#ingress[0]');
    expect(answer.caveats.join()).toContain('S11.1)');
  });

  test('S11.2, S3.6: equal priorities that agree are a caveat, that disagree leave it undefined', () => {
    const rule = (name: string, action: string): string =>
      clusterPolicy(
        name,
        `{tier: Admin, priority: 9, subject: {namespaces: {}}, egress: [{action: ${action}, to: [{namespaces: {}}]}]}`,
      );
    const agree = manifestWorld(documents(BASE, rule('p', 'Deny'), rule('q', 'Deny'))).ask('ops/admin', 'ops/typo', 80);
    expect(agree).toMatchObject({ verdict: 'denied', egress: { decidedBy: 'ClusterNetworkPolicy/p#egress[0]' } });
    expect(agree.caveats.join()).toContain('S11.2');
    const differ = manifestWorld(documents(BASE, rule('p', 'Deny'), rule('q', 'Accept'))).ask(
      'ops/admin',
      'ops/typo',
      80,
    );
    expect(differ).toMatchObject({ verdict: 'undefined', egress: { decidedBy: null } });
    for (const word of ['ClusterNetworkPolicy/p', 'ClusterNetworkPolicy/q', 'priority 9']) {
      expect(differ.undefinedBecause).toContain(word);
    }
  });

  test('S11.5: a named port towards an address', () => {
    const policy = networkPolicy(
      'dev/p',
      '{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: http}]}]}',
    );
    const answer = manifestWorld(documents(BASE, policy)).ask('dev/tool', '203.0.113.7', 80);
    expect(answer).toMatchObject({ verdict: 'denied', egress: { decidedBy: 'NetworkPolicy/dev/p' } });
    expect(answer.caveats.join()).toContain('S11.5');
    expect(nearMisses(answer.egress?.reasons)).toEqual(['NetworkPolicy/dev/p spec.egress[0].ports[0].port']);
  });

  test('S11.17, S3.9: nodes by all their addresses', () => {
    const policy = clusterPolicy(
      'nodes',
      '{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {matchLabels: {zone: west}}}]}]}',
    );
    const answer = manifestWorld(documents(BASE, policy)).ask('ops/admin', 'node/n2', 80);
    expect(answer.egress?.decidedBy).toBe('ClusterNetworkPolicy/nodes#egress[0]');
    expect(answer.caveats.join()).toContain('S11.17');
  });

  test('S11.4: ICMP rests on a choice under NetworkPolicy only', () => {
    const open = networkPolicy('dev/p', '{podSelector: {}, ingress: [{}]}');
    const asked = manifestWorld(documents(BASE, open));
    const allowed = asked.ask('ops/admin', 'dev/tool', null, { protocol: 'ICMP' });
    expect(allowed).toMatchObject({ verdict: 'allowed', ingress: { decidedBy: 'NetworkPolicy/dev/p#ingress[0]' } });
    expect(allowed.caveats.join()).toContain('S11.4');
    const denied = asked.ask('dev/tool', 'ops/admin', null, { protocol: 'ICMP' });
    expect(denied.ingress?.decidedBy).toBe('ClusterNetworkPolicy/guard#ingress[0]');
    expect(denied.caveats.join()).not.toContain('S11.4');
  });

  test('S11.21: two container ports of one name', () => {
    const twice = pod('dev/twice', {
      labels: { app: 'twice' },
      ip: '10.0.2.9',
      ports: [
        { name: 'http', containerPort: 80 },
        { name: 'http', containerPort: 81 },
      ],
    });
    const policy = networkPolicy(
      'dev/p',
      '{podSelector: {matchLabels: {app: twice}}, ingress: [{ports: [{port: http}]}]}',
    );
    expect(caveats(documents(twice, policy), 'ops/admin', 'dev/twice', 81)).toContain('S11.21');
  });
});

describe('missing facts', () => {
  const template = `{apiVersion: apps/v1, kind: Deployment, metadata: {namespace: shop, name: front}, spec: {selector: {matchLabels: {app: front}},
    template: {metadata: {labels: {app: front}}, spec: {containers: [{name: c, image: c}]}}}}`;

  test('S9.2: the address of pods that do not run yet', () => {
    const policy = networkPolicy(
      'dev/p',
      '{podSelector: {}, ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/16}}]}]}',
    );
    const answer = manifestWorld(documents(BASE, template, policy)).ask('shop/front', 'dev/tool', 80);
    expect(answer).toMatchObject({ verdict: 'undefined', ingress: { verdict: 'undefined', decidedBy: null } });
    expect(answer.egress?.verdict).toBe('allowed');
    expect(answer.undefinedBecause).toContain('shop/front');
    expect(answer.undefinedBecause).toContain('spec.ingress[0].from[1]');
  });

  test('S9.1: where pods that do not run yet are placed', () => {
    const policy = networkPolicy('shop/front', '{podSelector: {matchLabels: {app: front}}, policyTypes: [Ingress]}');
    const answer = manifestWorld(documents(BASE, template, policy)).ask('node/n1', 'shop/front', 80);
    expect(answer.verdict).toBe('undefined');
    expect(answer.undefinedBecause).toContain('not placed on a node');
  });

  test('S9.3: policies and nodes that could not be read', () => {
    const missing = [{ resource: 'networkpolicies', group: 'networking.k8s.io', reason: 'forbidden' }];
    const answer = manifestWorld(BASE, { missing }).ask('ops/admin', 'ops/typo', 80);
    expect(answer.verdict).toBe('undefined');
    expect(answer.undefinedBecause).toContain('networkpolicies');
    expect(answer.undefinedBecause).toContain('forbidden');
    const nodes = [{ resource: 'nodes', group: '', reason: 'forbidden' }];
    const outside = manifestWorld(BASE, { missing: nodes }).ask('198.51.100.1', 'shop/web', 80);
    expect(outside.undefinedBecause).toContain('nodes could not be listed');
  });

  test('S4.6: whether a name stands for an address', () => {
    const policy = clusterPolicy(
      'dns',
      `{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [
        {action: Accept, to: [{domainNames: ["example.com"]}]}, {action: Deny, to: [{networks: ["0.0.0.0/0"]}]}]}`,
    );
    const asked = manifestWorld(documents(BASE, policy));
    const answer = asked.ask('ops/admin', '203.0.113.7', 443);
    expect(answer.verdict).toBe('undefined');
    expect(answer.undefinedBecause).toContain('example.com');
    expect(answer.undefinedBecause).toContain('203.0.113.7');
    expect(asked.ask('ops/admin', 'fqdn:example.com', 443)).toMatchObject({
      verdict: 'allowed',
      egress: { decidedBy: 'ClusterNetworkPolicy/dns#egress[0]' },
    });
  });

  test('S8.1: families that differ, and none in common', () => {
    const dual = manifestWorld(
      documents(
        namespace('a'),
        pod('a/six', { labels: { app: 'six' }, ip: ['10.0.0.1', 'fd00::1'] }),
        pod('a/two', { labels: { app: 'two' }, ip: ['10.0.0.2', 'fd00::2'] }),
        pod('a/old', { labels: { app: 'old' }, ip: ['10.0.0.3'] }),
        pod('a/new', { labels: { app: 'new' }, ip: ['fd00::4'] }),
        networkPolicy(
          'a/p',
          '{podSelector: {matchLabels: {app: two}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/24}}]}]}',
        ),
      ),
    );
    const answer = dual.ask('a/six', 'a/two', 80);
    expect(answer.verdict).toBe('undefined');
    expect(answer.undefinedBecause).toBe('differs by address family: IPv4 allowed, IPv6 denied');
    expect(dual.ask('a/six', 'fd00::2', 80)).toMatchObject({
      verdict: 'denied',
      ingress: { decidedBy: 'NetworkPolicy/a/p' },
    });
    expect(dual.ask('10.0.0.1', 'a/two', 80).verdict).toBe('allowed');
    const none = dual.ask('a/old', 'a/new', 80);
    expect(none.verdict).toBe('undefined');
    expect(none.undefinedBecause).toContain('no common address family');
  });
});

test('S9.1: explaining only the deciding reason gives the same verdict and decider', () => {
  for (const [source, destination, port] of [
    ['shop/web', 'shop/db', 5432],
    ['ops/typo', 'shop/db', 5432],
    ['dev/tool', 'shop/db', 1],
  ] as const) {
    const flow = world.flow(source, destination, port);
    const full = explainPrepared(world.prepared, flow);
    const brief = explainPrepared(world.prepared, flow, { reasons: 'deciding' });
    expect(brief.verdict).toBe(full.verdict);
    expect(brief.ingress?.decidedBy).toBe(full.ingress?.decidedBy);
    expect(brief.ingress?.reasons.length).toBeLessThanOrEqual(full.ingress?.reasons.length ?? 0);
    expect(brief.ingress?.reasons[0]).toEqual(full.ingress?.reasons[0]);
  }
});
