import { describe, expect, it } from 'vitest';
import { formatCidr, formatIp, parseCidr } from '../base/ip.ts';
import type { JsonObject } from '../manifest/object.ts';
import type { Pod } from '../model/cluster.ts';
import { type AgentState, agentState, type Batch } from './state.ts';

interface PodSpec {
  readonly name: string;
  readonly namespace?: string;
  readonly ip?: string;
  readonly ips?: readonly string[];
  readonly node?: string | null;
  readonly uid?: string;
  readonly created?: string;
  readonly phase?: string;
  readonly labels?: JsonObject;
  readonly hostNetwork?: boolean;
  readonly deleting?: boolean;
}

function pod(spec: PodSpec): JsonObject {
  const { name, namespace = 'a', node = 'n1', uid = `u-${name}`, created = '2026-01-01T00:00:00Z' } = spec;
  const ips = spec.ips ?? (spec.ip === undefined ? [] : [spec.ip]);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid,
      creationTimestamp: created,
      labels: spec.labels ?? {},
      ...(spec.deleting === true ? { deletionTimestamp: '2026-01-01T01:00:00Z' } : {}),
    },
    spec: { ...(node === null ? {} : { nodeName: node }), hostNetwork: spec.hostNetwork ?? false, containers: [] },
    status: { phase: spec.phase ?? 'Running', podIPs: ips.map((ip) => ({ ip })) },
  };
}

function namespace(name: string, labels: JsonObject = {}): JsonObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

function node(
  name: string,
  more: { labels?: JsonObject; address?: string; podCIDRs?: string[]; beat?: string } = {},
): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: more.labels ?? {} },
    spec: { podCIDRs: more.podCIDRs ?? [] },
    status: {
      addresses: [{ type: 'InternalIP', address: more.address ?? '192.168.0.1' }],
      conditions: [{ type: 'Ready', lastHeartbeatTime: more.beat ?? 'x' }],
    },
  };
}

function policy(name: string, port: number, more: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: 'a', uid: `u-${name}`, ...more },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ ports: [{ port }] }] },
  };
}

function cnp(name: string, tier: string): JsonObject {
  return {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name },
    spec: {
      tier,
      priority: 10,
      subject: { namespaces: {} },
      ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }],
    },
  };
}

/** A state that has listed what is given, and given out everything. */
function begun(
  lists: Partial<Record<'pods' | 'namespaces' | 'nodes' | 'networkpolicies', readonly JsonObject[]>> = {},
): {
  readonly state: AgentState;
  readonly first: Batch;
} {
  const state = agentState({ node: 'n1' });
  for (const resource of ['pods', 'namespaces', 'nodes', 'networkpolicies'] as const) {
    state.take({ kind: 'listed', resource, objects: lists[resource] ?? [] });
  }
  for (const resource of ['clusternetworkpolicies', 'adminnetworkpolicies', 'baselineadminnetworkpolicies'] as const) {
    state.take({ kind: 'absent', resource });
  }
  return { state, first: state.drain() };
}

const put = (
  state: AgentState,
  resource: 'pods' | 'namespaces' | 'nodes' | 'networkpolicies' | 'clusternetworkpolicies',
  object: JsonObject,
): boolean => state.take({ kind: 'put', resource, object });

const show = (of: Pod | null): string =>
  of === null ? '-' : `${of.namespace}/${of.name} ${of.addresses.map(formatIp).join(',')}`;
const changes = (batch: Batch): string[] => batch.pods.map(({ before, after }) => `${show(before)} → ${show(after)}`);

describe('pods', () => {
  it('are given out first as a whole, then by what has changed', () => {
    const { state, first } = begun({ pods: [pod({ name: 'web', ip: '10.0.0.1' })], namespaces: [namespace('a')] });
    expect(first.reload).toEqual(['first']);
    expect(state.snapshot().cluster.workloads.map(({ pods }) => pods.map(show))).toEqual([['a/web 10.0.0.1']]);
    put(state, 'pods', pod({ name: 'db', ip: '10.0.0.2' }));
    const batch = state.drain();
    expect(batch.reload).toEqual([]);
    expect(changes(batch)).toEqual(['- → a/db 10.0.0.2']);
    expect(state.pending()).toBe(false);
  });

  it('without an address, a node, or with the network of their node, do not count', () => {
    const { state } = begun({ namespaces: [namespace('a')] });
    put(state, 'pods', pod({ name: 'early' }));
    put(state, 'pods', pod({ name: 'unscheduled', node: null, ip: '10.0.0.9' }));
    put(state, 'pods', pod({ name: 'host', hostNetwork: true, ip: '192.168.0.1' }));
    put(state, 'pods', pod({ name: 'far', node: 'n2' }));
    expect(state.pending() ? changes(state.drain()) : []).toEqual([]);
    put(state, 'pods', pod({ name: 'early', ip: '10.0.0.3' }));
    put(state, 'pods', pod({ name: 'far', node: 'n2', ip: '10.0.1.3' }));
    expect(changes(state.drain())).toEqual(['- → a/early 10.0.0.3', '- → a/far 10.0.1.3']);
  });

  it('lose their address when they have finished, and keep it while they terminate', () => {
    const { state } = begun({
      pods: [pod({ name: 'job', ip: '10.0.0.1' }), pod({ name: 'web', ip: '10.0.0.2' })],
      namespaces: [namespace('a')],
    });
    put(state, 'pods', pod({ name: 'job', ip: '10.0.0.1', phase: 'Succeeded' }));
    expect(put(state, 'pods', pod({ name: 'web', ip: '10.0.0.2', deleting: true }))).toBe(true);
    expect(changes(state.drain())).toEqual(['a/job 10.0.0.1 → -']);
    put(state, 'pods', pod({ name: 'web', ip: '10.0.0.2', phase: 'Failed', deleting: true }));
    expect(changes(state.drain())).toEqual(['a/web 10.0.0.2 → -']);
  });

  it('are not removed by the end of an earlier one of their name', () => {
    const { state } = begun({ pods: [pod({ name: 'web', ip: '10.0.0.1', uid: 'old' })] });
    put(state, 'pods', pod({ name: 'web', ip: '10.0.0.2', uid: 'new' }));
    state.take({ kind: 'removed', resource: 'pods', object: pod({ name: 'web', ip: '10.0.0.1', uid: 'old' }) });
    expect(changes(state.drain())).toEqual(['a/web 10.0.0.1 → -', '- → a/web 10.0.0.2']);
    state.take({ kind: 'removed', resource: 'pods', object: pod({ name: 'web', ip: '10.0.0.2', uid: 'new' }) });
    expect(changes(state.drain())).toEqual(['a/web 10.0.0.2 → -']);
  });

  it('that change in nothing that matters cost nothing', () => {
    const { state } = begun({
      pods: [pod({ name: 'web', ip: '10.0.0.1', labels: { app: 'web' } })],
      namespaces: [namespace('a')],
    });
    const again = pod({ name: 'web', ip: '10.0.0.1', labels: { app: 'web' } });
    const ready = {
      ...again,
      status: { ...(again.status as JsonObject), conditions: [{ type: 'Ready', status: 'True' }] },
    };
    expect(put(state, 'pods', ready)).toBe(false);
    expect(put(state, 'pods', pod({ name: 'web', ip: '10.0.0.1', labels: { app: 'other' } }))).toBe(true);
  });

  it('that come and go between two batches leave no trace', () => {
    const { state } = begun({ namespaces: [namespace('a')] });
    put(state, 'pods', pod({ name: 'web', ip: '10.0.0.1' }));
    state.take({ kind: 'removed', resource: 'pods', object: pod({ name: 'web' }) });
    expect(changes(state.drain())).toEqual([]);
  });

  it('of a new list replace all others', () => {
    const { state } = begun({
      pods: [pod({ name: 'a', ip: '10.0.0.1' }), pod({ name: 'b', ip: '10.0.0.2' })],
      namespaces: [namespace('a')],
    });
    state.take({
      kind: 'listed',
      resource: 'pods',
      objects: [pod({ name: 'b', ip: '10.0.0.2' }), pod({ name: 'c', ip: '10.0.0.1' })],
    });
    expect(changes(state.drain())).toEqual(['a/a 10.0.0.1 → -', '- → a/c 10.0.0.1']);
  });

  it('of the same name but another uid are other pods', () => {
    const { state } = begun({ pods: [pod({ name: 'db-0', ip: '10.0.0.1', uid: 'u1' })], namespaces: [namespace('a')] });
    put(state, 'pods', pod({ name: 'db-0', uid: 'u2' }));
    expect(changes(state.drain())).toEqual(['a/db-0 10.0.0.1 → -']);
    put(state, 'pods', pod({ name: 'db-0', ip: '10.0.0.7', uid: 'u2' }));
    expect(changes(state.drain())).toEqual(['- → a/db-0 10.0.0.7']);
  });
});

describe('an address that two pods have', () => {
  const old = pod({ name: 'old', ip: '10.0.0.1', created: '2026-01-01T00:00:00Z' });
  const young = pod({ name: 'young', namespace: 'b', ip: '10.0.0.1', created: '2026-01-02T00:00:00Z' });

  it('belongs to the newer one, in whichever order they are seen', () => {
    for (const order of [
      [old, young],
      [young, old],
    ]) {
      const { state } = begun({ pods: order, namespaces: [namespace('a'), namespace('b')] });
      expect(state.snapshot().cluster.workloads.flatMap(({ pods }) => pods.map(show))).toEqual(['b/young 10.0.0.1']);
    }
  });

  it('passes on before anybody else has it, and comes back', () => {
    const { state } = begun({ pods: [old], namespaces: [namespace('a'), namespace('b')] });
    put(state, 'pods', young);
    expect(changes(state.drain())).toEqual(['a/old 10.0.0.1 → -', '- → b/young 10.0.0.1']);
    state.take({ kind: 'removed', resource: 'pods', object: young });
    expect(changes(state.drain())).toEqual(['b/young 10.0.0.1 → -', '- → a/old 10.0.0.1']);
  });

  it('of equal age belongs to the one with the greater uid', () => {
    const one = pod({ name: 'one', ip: '10.0.0.1', uid: 'a' });
    const two = pod({ name: 'two', ip: '10.0.0.1', uid: 'b' });
    const { state } = begun({ pods: [two, one], namespaces: [namespace('a')] });
    expect(state.snapshot().cluster.workloads.flatMap(({ pods }) => pods.map(show))).toEqual(['a/two 10.0.0.1']);
  });

  it('is lost alone; the other family stays', () => {
    const { state } = begun({
      pods: [pod({ name: 'old', ips: ['10.0.0.1', 'fd00::1'] })],
      namespaces: [namespace('a'), namespace('b')],
    });
    put(state, 'pods', young);
    expect(changes(state.drain())).toEqual(['a/old 10.0.0.1,fd00::1 → -', '- → a/old fd00::1', '- → b/young 10.0.0.1']);
  });

  it('is never with both while two pods swap theirs', () => {
    const { state } = begun({
      pods: [pod({ name: 'x', ip: '10.0.0.1' }), pod({ name: 'y', ip: '10.0.0.2' })],
      namespaces: [namespace('a')],
    });
    put(state, 'pods', pod({ name: 'x', ip: '10.0.0.2' }));
    put(state, 'pods', pod({ name: 'y', ip: '10.0.0.1' }));
    const all = changes(state.drain());
    expect(all.slice(0, 2).sort()).toEqual(['a/x 10.0.0.1 → -', 'a/y 10.0.0.2 → -']);
    expect(all.slice(2).sort()).toEqual(['- → a/x 10.0.0.2', '- → a/y 10.0.0.1']);
  });
});

describe('namespaces', () => {
  it('without pods are made known without compiling everything anew', () => {
    const { state } = begun();
    put(state, 'namespaces', namespace('new', { team: 'x' }));
    put(state, 'pods', pod({ name: 'web', namespace: 'new', ip: '10.0.0.1' }));
    const batch = state.drain();
    expect(batch.reload).toEqual([]);
    expect(batch.namespaces.map(({ name, labels }) => [name, labels?.get('team')])).toEqual([['new', 'x']]);
    expect(changes(batch)).toEqual(['- → new/web 10.0.0.1']);
  });

  it('may come after their pods', () => {
    const { state } = begun();
    put(state, 'pods', pod({ name: 'web', namespace: 'late', ip: '10.0.0.1' }));
    const first = state.drain();
    // Not even that it has none: a policy may choose it by labels that are on their way.
    expect(first.namespaces.map(({ name, labels }) => [name, labels])).toEqual([['late', null]]);
    put(state, 'namespaces', namespace('late', { team: 'x' }));
    expect(state.drain().reload).toEqual(['namespaces']);
    expect(state.snapshot().cluster.namespaces.get('late')?.labels?.get('team')).toBe('x');
  });

  it('that are gone are forgotten with the last of their pods', () => {
    const { state } = begun();
    const late = pod({ name: 'web', namespace: 'late', ip: '10.0.0.1' });
    for (const listed of [true, false]) {
      if (listed) put(state, 'namespaces', namespace('late', { team: 'x' }));
      put(state, 'pods', late);
      state.drain();
      if (listed) state.take({ kind: 'removed', resource: 'namespaces', object: namespace('late') });
      state.drain();
      expect(state.snapshot().cluster.namespaces.get('late')?.labels).toBeNull();
      state.take({ kind: 'removed', resource: 'pods', object: late });
      state.drain();
      expect(state.counts().namespaces).toBe(0);
    }
  });

  it('that go with their last pod, in whichever order, mean no new compilation', () => {
    const last = pod({ name: 'web', ip: '10.0.0.1' });
    for (const first of ['namespaces', 'pods'] as const) {
      const { state } = begun({ namespaces: [namespace('a', { team: 'x' })], pods: [last] });
      for (const resource of [first, first === 'pods' ? 'namespaces' : 'pods'] as const) {
        state.take({ kind: 'removed', resource, object: resource === 'pods' ? last : namespace('a') });
      }
      expect([state.drain().reload, state.counts().namespaces]).toEqual([[], 0]);
      // One that is made anew meanwhile is there.
      put(state, 'namespaces', namespace('a', { team: 'y' }));
      state.take({ kind: 'removed', resource: 'namespaces', object: namespace('a') });
      put(state, 'namespaces', namespace('a', { team: 'z' }));
      state.drain();
      expect(state.snapshot().cluster.namespaces.get('a')?.labels?.get('team')).toBe('z');
    }
  });

  it('whose labels change mean a new compilation only where pods are, or once there are some', () => {
    const { state } = begun({
      namespaces: [namespace('a'), namespace('b')],
      pods: [pod({ name: 'web', ip: '10.0.0.1' })],
    });
    put(state, 'namespaces', namespace('b', { team: 'x' }));
    expect(state.drain().reload).toEqual([]);
    put(state, 'namespaces', namespace('a', { team: 'x' }));
    expect(state.drain().reload).toEqual(['namespaces']);
    expect(put(state, 'namespaces', namespace('a', { team: 'x' }))).toBe(false);
    state.take({ kind: 'removed', resource: 'pods', object: pod({ name: 'web' }) });
    state.drain();
    // Pods were in it since everything was compiled last, so its labels may be in use.
    put(state, 'namespaces', namespace('a', { team: 'y' }));
    expect(state.drain().reload).toEqual([]);
    put(state, 'pods', pod({ name: 'web', ip: '10.0.0.1' }));
    expect(state.drain().reload).toEqual(['namespaces']);
  });

  it('that cannot be decoded have unknown labels', () => {
    const { state, first } = begun({ namespaces: [namespace('a', { app: 5 })] });
    expect(state.snapshot().cluster.namespaces.get('a')?.labels).toBeNull();
    expect(first.notices.map(({ diagnostics }) => diagnostics.map(({ message }) => message))).toEqual([
      ['cannot be decoded: must be a string, is `5`'],
    ]);
  });
});

describe('nodes', () => {
  it('are gone once they are not listed, and not when they cannot be decoded', () => {
    const state = agentState({ node: 'n1' });
    const gone = (): string[] => ['n1', 'n2', 'n3'].filter((name) => state.nodeIsGone(name));
    expect(gone()).toEqual([]);
    const odd: JsonObject = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n2' }, spec: { podCIDRs: 5 } };
    state.take({ kind: 'listed', resource: 'nodes', objects: [node('n1'), odd] });
    expect([state.counts().nodes, gone()]).toEqual([1, ['n3']]);
    put(state, 'nodes', node('n3'));
    put(state, 'nodes', { ...odd, metadata: { name: 'n3' } });
    expect(gone()).toEqual([]);
    state.take({ kind: 'removed', resource: 'nodes', object: odd });
    expect(gone()).toEqual(['n2']);
    state.take({ kind: 'unreadable', resource: 'nodes', reason: 'no' });
    expect(gone()).toEqual([]);
    state.take({ kind: 'listed', resource: 'nodes', objects: [] });
    expect(gone()).toEqual(['n1', 'n2', 'n3']);
    state.take({ kind: 'absent', resource: 'nodes' });
    expect(gone()).toEqual([]);
  });

  it('cost nothing with every heartbeat', () => {
    const { state } = begun({ nodes: [node('n1', { beat: '1' }), node('n2', { address: '192.168.0.2' })] });
    expect(put(state, 'nodes', node('n1', { beat: '2' }))).toBe(false);
    expect(put(state, 'nodes', node('n2', { address: '192.168.0.3' }))).toBe(true);
    expect(state.drain().reload).toEqual(['nodes']);
    put(state, 'nodes', node('n1', { labels: { zone: 'x' } }));
    expect(state.drain().reload).toEqual(['nodes']);
  });

  it('say where the addresses of this node come from', () => {
    const { state } = begun({ nodes: [node('n1')] });
    put(state, 'nodes', node('n1', { podCIDRs: ['10.1.0.0/24', 'fd00:1::/64'] }));
    const batch = state.drain();
    expect(batch.podRanges?.map(formatCidr)).toEqual(['10.1.0.0/24', 'fd00:1::/64']);
    expect(batch.reload).toEqual([]);
    put(state, 'nodes', node('n2', { address: '192.168.0.9', podCIDRs: ['10.2.0.0/24'] }));
    expect(state.drain().podRanges).toBeNull();
    const range = parseCidr('10.9.0.0/16');
    const given = agentState({ node: 'n1', podRanges: range === null ? [] : [range] });
    given.take({ kind: 'listed', resource: 'nodes', objects: [node('n1', { podCIDRs: ['10.1.0.0/24'] })] });
    expect(given.drain().podRanges?.map(formatCidr)).toEqual(['10.9.0.0/16']);
  });
});

describe('policies', () => {
  const ids = (batch: Batch): string[] =>
    batch.policies.map(({ tier, before, after }) => `${tier} ${before?.id ?? '-'} → ${after?.id ?? '-'}`);

  it('change one by one, and only in what they say', () => {
    const { state } = begun({ networkpolicies: [policy('p', 80)] });
    expect(put(state, 'networkpolicies', policy('p', 80, { resourceVersion: '7', labels: { x: 'y' } }))).toBe(false);
    put(state, 'networkpolicies', policy('p', 81));
    put(state, 'networkpolicies', policy('q', 80));
    expect(ids(state.drain())).toEqual([
      'networkpolicy NetworkPolicy/a/p → NetworkPolicy/a/p',
      'networkpolicy - → NetworkPolicy/a/q',
    ]);
    state.take({ kind: 'removed', resource: 'networkpolicies', object: policy('p', 81) });
    expect(ids(state.drain())).toEqual(['networkpolicy NetworkPolicy/a/p → -']);
    state.take({ kind: 'listed', resource: 'networkpolicies', objects: [] });
    expect(ids(state.drain())).toEqual(['networkpolicy NetworkPolicy/a/q → -']);
  });

  it('are not removed by the end of an earlier one of their name, though it said the same', () => {
    const { state } = begun({ networkpolicies: [policy('p', 80, { uid: 'old' })] });
    put(state, 'networkpolicies', policy('p', 80, { uid: 'new' }));
    expect(state.policyObject('NetworkPolicy/a/p')?.uid).toBe('new');
    state.take({ kind: 'removed', resource: 'networkpolicies', object: policy('p', 80, { uid: 'old' }) });
    state.drain();
    expect(state.policyIds()).toEqual(['NetworkPolicy/a/p']);
    state.take({ kind: 'removed', resource: 'networkpolicies', object: policy('p', 80, { uid: 'new' }) });
    state.drain();
    expect(state.policyIds()).toEqual([]);
  });

  it('are known by the nodes that say to fail there, and by nothing else of their status', () => {
    const { state } = begun();
    const marked = (): string[] => [...state.markedPolicies()].map(([id, { marks }]) => `${id} ${marks.join()}`);
    const withTypes = (...types: readonly (string | number)[]): JsonObject => ({
      ...cnp('guard', 'Admin'),
      status: { conditions: types.map((type) => ({ type })) },
    });
    put(
      state,
      'clusternetworkpolicies',
      withTypes('Accepted', 'rampart.dev/enforced.n1', 5, 'rampart.dev/enforced.n2.x'),
    );
    state.drain();
    expect(marked()).toEqual(['ClusterNetworkPolicy/guard n1,n2.x']);
    expect(put(state, 'clusternetworkpolicies', withTypes('rampart.dev/enforced.n2.x'))).toBe(false);
    expect(marked()).toEqual(['ClusterNetworkPolicy/guard n2.x']);
    put(state, 'clusternetworkpolicies', { ...cnp('guard', 'Admin'), status: { conditions: 'x' } });
    expect(marked()).toEqual([]);
    put(state, 'clusternetworkpolicies', withTypes('rampart.dev/enforced.n1'));
    state.take({ kind: 'removed', resource: 'clusternetworkpolicies', object: cnp('guard', 'Admin') });
    expect(marked()).toEqual([]);
  });

  it('move between tiers', () => {
    const { state } = begun();
    state.take({ kind: 'listed', resource: 'clusternetworkpolicies', objects: [cnp('c', 'Admin')] });
    expect(ids(state.drain())).toEqual(['admin - → ClusterNetworkPolicy/c']);
    put(state, 'clusternetworkpolicies', cnp('c', 'Baseline'));
    expect(ids(state.drain())).toEqual(['admin ClusterNetworkPolicy/c → -', 'baseline - → ClusterNetworkPolicy/c']);
    state.take({ kind: 'absent', resource: 'clusternetworkpolicies' });
    expect(ids(state.drain())).toEqual(['baseline ClusterNetworkPolicy/c → -']);
  });

  it('that are not understood are said, located, until they are mended', () => {
    const { state, first } = begun({
      networkpolicies: [
        { ...policy('p', 80), spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 'oops' } }] }] } },
        policy('q', 80),
      ],
    });
    const said = first.notices.flatMap(({ diagnostics }) => diagnostics.map(({ origin }) => origin?.field));
    expect(said).toEqual(['spec.ingress[0].from[0].ipBlock.cidr']);
    expect(state.snapshot().program.tiers[1]?.policies.map(({ id }) => id)).toEqual([
      'NetworkPolicy/a/p',
      'NetworkPolicy/a/q',
    ]);
    put(state, 'networkpolicies', policy('p', 80));
    expect(state.drain().notices.map(({ object, diagnostics }) => [object.name, diagnostics.length])).toEqual([
      ['p', 0],
    ]);
  });

  it('that may not be read close their tier from the beginning, and are kept as they were later on', () => {
    const state = agentState({ node: 'n1' });
    // Its definition may come later than the agent: that there were none tells nothing about those that come with it.
    state.take({ kind: 'absent', resource: 'clusternetworkpolicies' });
    state.drain();
    state.take({ kind: 'unreadable', resource: 'clusternetworkpolicies', reason: 'forbidden' });
    state.take({ kind: 'listed', resource: 'networkpolicies', objects: [policy('p', 80)] });
    expect(state.drain().reload).toEqual(['unread']);
    const why = (): (string | null)[] => state.snapshot().program.tiers.map(({ unread }) => unread);
    expect(why()).toEqual([
      'clusternetworkpolicies could not be read: forbidden',
      null,
      'clusternetworkpolicies could not be read: forbidden',
    ]);
    state.take({ kind: 'listed', resource: 'clusternetworkpolicies', objects: [cnp('c', 'Admin')] });
    expect(state.drain().reload).toEqual(['unread']);
    expect(why()).toEqual([null, null, null]);
    expect(state.take({ kind: 'unreadable', resource: 'clusternetworkpolicies', reason: 'forbidden' })).toBe(false);
    expect(state.standing('clusternetworkpolicies')).toEqual({ kind: 'unreadable', reason: 'forbidden', known: true });
    expect(state.snapshot().program.tiers[0]?.policies).toHaveLength(1);
  });
});

describe('what cannot be decoded', () => {
  const broken = {
    ...pod({ name: 'bad', ip: '10.0.0.4' }),
    metadata: { name: 'bad', namespace: 'a', labels: { app: 5 } },
  };

  it('closes a pod where it can be seen to stand', () => {
    const { state, first } = begun({
      pods: [broken, pod({ name: 'good', ip: '10.0.0.1' })],
      namespaces: [namespace('a')],
    });
    expect(first.notices.map(({ object }) => object.name)).toEqual(['bad']);
    const [admin] = state.snapshot().program.tiers;
    expect(
      admin?.policies.map(({ id, rules }) => [id, rules.map(({ direction, action }) => `${direction} ${action}`)]),
    ).toEqual([['Undecodable/pods', ['ingress deny', 'egress deny']]]);
    put(state, 'pods', pod({ name: 'bad', ip: '10.0.0.4', uid: '' }));
    const mended = state.drain();
    expect(mended.policies.map(({ before, after }) => [before?.id, after])).toEqual([['Undecodable/pods', null]]);
    expect(state.snapshot().program.tiers[0]?.policies).toEqual([]);
  });

  it('closes a pod here that does not say where it is', () => {
    const { state } = begun({ namespaces: [namespace('a')] });
    put(state, 'pods', { ...pod({ name: 'lost', ip: '10.0.0.4' }), spec: 'nowhere' });
    const batch = state.drain();
    expect(changes(batch)).toEqual(['- → a/lost 10.0.0.4']);
    expect(batch.pods[0]?.after?.node).toBe('n1');
    expect(batch.policies.map(({ after }) => after?.id)).toEqual(['Undecodable/pods']);
  });

  it('as a policy, because Rampart is wrong, isolates whatever it might select', () => {
    const { state } = begun();
    // Not JSON, so nothing that a reader is prepared for.
    const spec = Object.defineProperty({}, 'podSelector', {
      enumerable: true,
      get: () => {
        throw new Error('oh');
      },
      configurable: true,
    }) as JsonObject;
    const bad = { ...policy('p', 80), spec };
    // The digest must be had all the same.
    Object.defineProperty(spec, 'toJSON', { value: () => ({}) });
    put(state, 'networkpolicies', bad);
    const [change] = state.drain().policies;
    expect(change).toMatchObject({
      tier: 'networkpolicy',
      after: { subject: { namespaces: { kind: 'named', name: 'a' } }, isolates: ['ingress', 'egress'], rules: [] },
    });
  });

  it('never throws, whatever it is', () => {
    const { state } = begun();
    for (const odd of [
      {},
      { metadata: null },
      { metadata: { name: 5 } },
      { metadata: { name: '__proto__', namespace: 'constructor' } },
    ]) {
      for (const resource of ['pods', 'namespaces', 'nodes', 'networkpolicies', 'clusternetworkpolicies'] as const) {
        state.take({ kind: 'put', resource, object: odd });
        state.take({ kind: 'removed', resource, object: odd });
        state.take({ kind: 'listed', resource, objects: [odd] });
        state.drain();
        state.snapshot();
      }
    }
  });
});
