import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Answer } from '../io/kube-client.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { ObjectRef } from '../model/origin.ts';
import { type Log, openLog } from './log.ts';
import type { Committed } from './observer.ts';
import type { PolicyObject } from './policy-table.ts';
import { agentState } from './state.ts';
import { policyAnnouncer } from './status.ts';
import { taintRemover } from './taint.ts';

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body: JsonObject;
  readonly type: string | undefined;
}

const QUIET = openLog('error', null, () => undefined);

/** A log of which only the texts of warnings are kept. */
function warnLog(warnings: string[]): Log {
  return openLog('warn', null, (line) => warnings.push((JSON.parse(line) as { readonly msg: string }).msg));
}

function server(
  statuses: number[] = [],
  nodes: (path: string) => Answer = () => ({ status: 200, body: { items: [] } }),
): {
  readonly sent: Sent[];
  readonly asked: string[];
  readonly client: {
    get(path: string): Promise<Answer>;
    send(method: string, path: string, body?: Json, type?: string): Promise<Answer>;
  };
} {
  const sent: Sent[] = [];
  const asked: string[] = [];
  return {
    sent,
    asked,
    client: {
      get: async (path) => {
        asked.push(path);
        return nodes(path);
      },
      send: async (method, path, body, type) => {
        sent.push({ method, path, body: body as JsonObject, type });
        return { status: statuses.shift() ?? 200, body: { message: 'refused' } };
      },
    },
  };
}

const NP: ObjectRef = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  namespace: 'shop',
  name: 'web',
  source: null,
};
const CNP: ObjectRef = {
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  kind: 'ClusterNetworkPolicy',
  namespace: null,
  name: 'guard',
  source: null,
};
const GUARD = 'ClusterNetworkPolicy/guard';
const OBJECTS = new Map<string, PolicyObject>([
  ['NetworkPolicy/shop/web', { ref: NP, uid: 'u1', created: null, marks: [] }],
  [GUARD, { ref: CNP, uid: 'u2', created: null, marks: [] }],
]);

function setMarks(marks: readonly string[]): void {
  OBJECTS.set(GUARD, { ref: CNP, uid: 'u2', created: null, marks });
}

const COMMITTED: Committed = {
  changes: 1,
  tightens: false,
  replaced: false,
  compileMs: 1,
  nftMs: 1,
  latencies: [],
  events: 1,
  sinceCreation: [],
};

function announcer(
  client: ReturnType<typeof server>['client'],
  node = 'n1',
  enabled = true,
  log = QUIET,
  more: { readonly gone?: (node: string) => boolean; readonly random?: () => number } = {},
): ReturnType<typeof policyAnnouncer> {
  return policyAnnouncer({
    client,
    node,
    log,
    enabled,
    find: (id) => OBJECTS.get(id) ?? null,
    marked: () => new Map([...OBJECTS].filter(([, { marks }]) => marks.length > 0)),
    gone: () => false,
    random: () => 0,
    spreadMs: () => 10,
    ...more,
  });
}

const fault: Diagnostic = {
  code: 'RP203',
  severity: 'error',
  message: '`oops` is no block',
  help: 'this peer matches nothing',
  origin: { object: NP, field: 'spec.ingress[0]' },
};

describe('a policy that the kernel refuses', () => {
  it('gets an event of this node', async () => {
    const { sent, client } = server();
    announcer(client).observer.policyFailed('NetworkPolicy/shop/web', 'nft refuses: no');
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]).toMatchObject({ method: 'POST', path: '/api/v1/namespaces/shop/events' });
    expect(sent[0]?.body).toMatchObject({
      kind: 'Event',
      metadata: { namespace: 'shop' },
      involvedObject: {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        namespace: 'shop',
        name: 'web',
        uid: 'u1',
      },
      reason: 'EnforcementFailed',
      type: 'Warning',
      source: { component: 'rampart-agent', host: 'n1' },
      message: expect.stringContaining('nft refuses: no'),
    });
  });

  it('of a kind with a status gets a condition of this node’s own, and loses it again', async () => {
    const { sent, client } = server();
    const { observer } = announcer(client);
    observer.policyFailed('ClusterNetworkPolicy/guard', 'no');
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    expect(sent[0]?.path).toBe('/api/v1/namespaces/default/events');
    expect(sent[1]).toMatchObject({
      method: 'PATCH',
      path: '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/guard/status?fieldManager=rampart-agent-n1&force=true',
      type: 'application/apply-patch+yaml',
      body: {
        apiVersion: 'policy.networking.k8s.io/v1alpha2',
        kind: 'ClusterNetworkPolicy',
        metadata: { name: 'guard' },
        status: { conditions: [{ type: 'rampart.dev/enforced.n1', status: 'False', reason: 'KernelRefused' }] },
      },
    });
    observer.policyHealed('ClusterNetworkPolicy/guard');
    await vi.waitFor(() => expect(sent).toHaveLength(3));
    expect(sent[2]?.body).toMatchObject({ status: { conditions: [] } });
  });

  it('of many nodes bears the conditions of some: each of them is told to every node', async () => {
    const { sent, client } = server();
    setMarks(['n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8', 'n9']);
    announcer(client).observer.policyFailed(GUARD, 'no');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sent.map(({ method }) => method)).toEqual(['POST']);
    setMarks(['n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8']);
    announcer(client).observer.policyFailed(GUARD, 'no');
    await vi.waitFor(() => expect(sent.map(({ method }) => method)).toEqual(['POST', 'POST', 'PATCH']));
    setMarks([]);
  });

  it('loses the condition of an agent that has ended since, as soon as it is enforced', async () => {
    const { sent, client } = server([500, 200]);
    const { observer } = announcer(client);
    setMarks(['n1', 'n2']);
    observer.policyFailed(GUARD, 'no');
    observer.committed(COMMITTED);
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    expect(sent[1]?.body).toMatchObject({ status: { conditions: [{ status: 'False' }] } });
    sent.length = 0;
    const { observer: next } = announcer(server().client, 'n3');
    next.committed(COMMITTED);
    const later = announcer(client).observer;
    for (let i = 0; i < 5; i++) later.committed(COMMITTED);
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]).toMatchObject({ method: 'PATCH', body: { status: { conditions: [] } } });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(sent).toHaveLength(1);
    setMarks([]);
  });

  it('is not healed by an answer that did not come', async () => {
    const { sent, client } = server([500, 200]);
    const { observer } = announcer(client);
    setMarks(['n1']);
    for (const count of [1, 2]) {
      observer.committed(COMMITTED);
      await vi.waitFor(() => expect(sent).toHaveLength(count));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    observer.committed(COMMITTED);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(sent).toHaveLength(2);
    setMarks([]);
  });

  it('loses the condition of an agent that has ended since when it fails first, and is healed then', async () => {
    const { sent, client } = server();
    const { observer } = announcer(client);
    const others = ['n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8'];
    setMarks(['n1', ...others]);
    observer.committed(COMMITTED);
    observer.policyFailed(GUARD, 'no');
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    await new Promise((resolve) => setTimeout(resolve, 30));
    observer.policyHealed(GUARD);
    observer.committed(COMMITTED);
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    expect(sent[1]).toMatchObject({ method: 'PATCH', body: { status: { conditions: [] } } });
    setMarks([]);
  });

  it('is said once not to be sayable, where that is not permitted', async () => {
    const { sent, client } = server([403, 403, 403, 403]);
    const warnings: string[] = [];
    const log = warnLog(warnings);
    const { observer } = announcer(client, 'n1', true, log);
    observer.policyFailed(GUARD, 'no');
    await vi.waitFor(() => expect(warnings).toHaveLength(2));
    observer.policyFailed(GUARD, 'still no');
    observer.policyFailed('NetworkPolicy/shop/web', 'no');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(warnings).toEqual([
      'events may not be written: refused',
      'conditions of ClusterNetworkPolicy may not be written: refused',
    ]);
    expect(sent).toHaveLength(2);
  });

  it('has a manager of its own for every node, however long their names are', async () => {
    const managers = new Set<string>();
    for (const node of [`${'x'.repeat(200)}.a`, `${'x'.repeat(200)}.b`]) {
      const { sent, client } = server();
      announcer(client, node).observer.policyFailed(GUARD, 'no');
      await vi.waitFor(() => expect(sent).toHaveLength(2));
      managers.add(/fieldManager=([^&]*)/.exec(sent[1]?.path ?? '')?.[1] ?? '');
    }
    expect([...managers].map((name) => name.length)).toEqual([128, 128]);
  });

  it('does not flood the API server', async () => {
    const { sent, client } = server();
    const { observer, stop } = announcer(client);
    for (let i = 0; i < 50; i++) {
      OBJECTS.set(`NetworkPolicy/shop/p${i}`, {
        ref: { ...NP, name: `p${i}` },
        uid: `u${i}`,
        created: null,
        marks: [],
      });
      observer.policyFailed(`NetworkPolicy/shop/p${i}`, 'no');
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sent.length).toBe(10);
    stop();
  });
});

describe('conditions of nodes that are gone', () => {
  const MINUTE = 60_000;
  let absent = new Set<string>();
  const gone = (name: string): boolean => absent.has(name);
  beforeEach(() => {
    vi.useFakeTimers();
    absent = new Set(['n7']);
    setMarks(['n7', 'n8']);
  });
  afterEach(() => {
    vi.useRealTimers();
    setMarks([]);
  });

  it('are taken back after five to ten minutes, in the name of their nodes, and no others', async () => {
    for (const [random, ms] of [
      [0, 5 * MINUTE],
      [1, 10 * MINUTE],
    ] as const) {
      const { sent, asked, client } = server();
      const { observer, stop } = announcer(client, 'n1', true, QUIET, { gone, random: () => random });
      observer.committed(COMMITTED);
      await vi.advanceTimersByTimeAsync(ms / 2);
      observer.committed(COMMITTED);
      await vi.advanceTimersByTimeAsync(ms / 2 - 1);
      expect([asked, sent]).toEqual([[], []]);
      await vi.advanceTimersByTimeAsync(1);
      expect(asked).toEqual(['/api/v1/nodes?fieldSelector=metadata.name%3Dn7']);
      expect(sent).toMatchObject([
        {
          method: 'PATCH',
          path: '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/guard/status?fieldManager=rampart-agent-n7&force=true',
          body: { metadata: { name: 'guard' }, status: { conditions: [] } },
        },
      ]);
      // The answer has been given, whether or not it has been told of yet.
      observer.committed(COMMITTED);
      await vi.advanceTimersByTimeAsync(20 * MINUTE);
      expect(sent).toHaveLength(1);
      stop();
    }
  });

  it('are left to the agent that has taken them back meanwhile', async () => {
    const { sent, asked, client } = server();
    announcer(client, 'n1', true, QUIET, { gone }).observer.committed(COMMITTED);
    await vi.advanceTimersByTimeAsync(MINUTE);
    setMarks(['n8']);
    await vi.advanceTimersByTimeAsync(20 * MINUTE);
    expect([asked, sent]).toEqual([[], []]);
  });

  it('stay where the node comes back, and go when it is gone again', async () => {
    const { sent, asked, client } = server();
    const { observer } = announcer(client, 'n1', true, QUIET, { gone });
    observer.committed(COMMITTED);
    await vi.advanceTimersByTimeAsync(MINUTE);
    absent.clear();
    await vi.advanceTimersByTimeAsync(20 * MINUTE);
    observer.committed(COMMITTED);
    await vi.advanceTimersByTimeAsync(20 * MINUTE);
    expect([asked, sent]).toEqual([[], []]);
    absent.add('n7');
    observer.committed(COMMITTED);
    await vi.advanceTimersByTimeAsync(5 * MINUTE);
    expect(sent).toHaveLength(1);
  });

  it.each([
    ['says that the node is there', { status: 200, body: { items: [{ metadata: { name: 'n7' } }] } }],
    ['does not let nodes be read', { status: 403, body: { items: [] } }],
    ['gives no list', { status: 200, body: {} }],
    ['does not answer', null],
  ] as const)('stay where the API server %s; it is asked again later', async (_, first) => {
    const answers: (Answer | null)[] = [first, { status: 200, body: { items: [] } }];
    const { sent, asked, client } = server([], () => {
      const next = answers.shift() ?? null;
      if (next === null) throw new Error('no answer');
      return next;
    });
    const { observer } = announcer(client, 'n1', true, QUIET, { gone });
    observer.committed(COMMITTED);
    await vi.advanceTimersByTimeAsync(20 * MINUTE);
    expect([asked.length, sent]).toEqual([1, []]);
    observer.committed(COMMITTED);
    await vi.advanceTimersByTimeAsync(5 * MINUTE);
    expect([asked.length, sent.length]).toEqual([2, 1]);
  });

  it('stay as long as it is not known which nodes there are', async () => {
    const { sent, asked, client } = server();
    const state = agentState({ node: 'n1' });
    const { observer } = announcer(client, 'n1', true, QUIET, { gone: (name) => state.nodeIsGone(name) });
    const listed = (...names: readonly string[]): void => {
      const objects = names.map((name) => ({ metadata: { name } }));
      state.take({ kind: 'listed', resource: 'nodes', objects });
    };
    const asks = async (): Promise<number> => {
      observer.committed(COMMITTED);
      await vi.advanceTimersByTimeAsync(20 * MINUTE);
      return asked.length + sent.length;
    };
    expect(await asks()).toBe(0);
    state.take({ kind: 'unreadable', resource: 'nodes', reason: 'no' });
    expect(await asks()).toBe(0);
    state.take({ kind: 'absent', resource: 'nodes' });
    expect(await asks()).toBe(0);
    listed('n1', 'n7', 'n8');
    expect(await asks()).toBe(0);
    listed('n1', 'n8');
    state.take({ kind: 'unreadable', resource: 'nodes', reason: 'no' });
    expect(await asks()).toBe(0);
    listed('n1', 'n8');
    expect(await asks()).toBe(2);
    expect(sent[0]?.path).toContain('rampart-agent-n7');
  });

  it('are not counted among those that speak for the rest', async () => {
    const { sent, client } = server();
    setMarks(['n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8', 'n9']);
    announcer(client, 'n1', true, QUIET, { gone }).observer.policyFailed(GUARD, 'no');
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(sent.map(({ method }) => method)).toEqual(['POST', 'PATCH']);
  });

  it('are none of the business of an agent that is to write nothing', async () => {
    const { sent, asked, client } = server();
    announcer(client, 'n1', false, QUIET, { gone }).observer.committed(COMMITTED);
    const ended = announcer(client, 'n1', true, QUIET, { gone });
    ended.observer.committed(COMMITTED);
    ended.stop();
    await vi.advanceTimersByTimeAsync(20 * MINUTE);
    expect([asked, sent]).toEqual([[], []]);
  });
});

describe('a policy that is not understood', () => {
  it('gets one event, by whatever node', async () => {
    const { sent, client } = server([201, 409]);
    announcer(client, 'n1').observer.noticed({ object: NP, diagnostics: [fault] });
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    announcer(client, 'n2').observer.noticed({ object: NP, diagnostics: [fault] });
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    const names = sent.map(({ body }) => (body.metadata as JsonObject).name);
    expect(names[0]).toBe(names[1]);
    expect(sent[0]?.body.message).toBe('spec.ingress[0]: `oops` is no block; this peer matches nothing');
  });

  it('is left alone where that is wanted, or where there is nothing to say', async () => {
    const { sent, client } = server();
    announcer(client, 'n1', false).observer.noticed({ object: NP, diagnostics: [fault] });
    announcer(client).observer.noticed({ object: NP, diagnostics: [] });
    announcer(client).observer.noticed({ object: NP, diagnostics: [{ ...fault, severity: 'warning' }] });
    announcer(client).observer.policyFailed('NetworkPolicy/shop/gone', 'x');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sent).toEqual([]);
  });
});

describe('the taint', () => {
  const node = (keys: readonly string[]): JsonObject => ({
    metadata: { name: 'n1' },
    spec: { taints: keys.map((key) => ({ key, effect: 'NoSchedule' })) },
  });

  it('goes once the node is ready, and whenever it comes back', async () => {
    const { sent, client } = server();
    const taint = taintRemover(client, 'n1', 'rampart.dev/agent-not-ready', QUIET);
    taint.seen(node(['other', 'rampart.dev/agent-not-ready']));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(sent).toEqual([]);
    taint.ready();
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]).toEqual({
      method: 'PATCH',
      path: '/api/v1/nodes/n1',
      type: 'application/json-patch+json',
      body: [
        { op: 'test', path: '/spec/taints/1/key', value: 'rampart.dev/agent-not-ready' },
        { op: 'remove', path: '/spec/taints/1' },
      ],
    });
    taint.seen(node(['other']));
    taint.ready();
    taint.seen(node(['rampart.dev/agent-not-ready']));
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    taint.stop();
  });

  it('is tried again with the next word of the node when it could not be removed', async () => {
    const { sent, client } = server([422, 200]);
    const taint = taintRemover(client, 'n1', 'k', QUIET);
    taint.ready();
    taint.seen(node(['x', 'k']));
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    taint.seen(node(['k']));
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    expect(sent.at(1)).toMatchObject({ body: [{ op: 'test' }, { op: 'remove', path: '/spec/taints/0' }] });
    taint.stop();
  });

  it('that may not be taken off is tried again more and more seldom, and said once', async () => {
    vi.useFakeTimers();
    try {
      const { sent, client } = server(new Array<number>(200).fill(403));
      const warnings: string[] = [];
      const log = warnLog(warnings);
      const taint = taintRemover(client, 'n1', 'k', log, () => 1);
      taint.ready();
      taint.seen(node(['k']));
      await vi.advanceTimersByTimeAsync(600_000);
      // 1 + 2 + 4 + … + 32 s, then once in a minute.
      expect(sent).toHaveLength(1 + 6 + 8);
      expect(warnings).toEqual(['the taint cannot be taken off the node: refused']);
      taint.stop();
    } finally {
      vi.useRealTimers();
    }
  });

  it('that somebody puts back while it is taken off is taken off again', async () => {
    vi.useFakeTimers();
    try {
      const { sent, client } = server();
      const taint = taintRemover(client, 'n1', 'k', QUIET);
      taint.ready();
      taint.seen(node(['k']));
      taint.seen(node(['x', 'k']));
      await vi.advanceTimersByTimeAsync(5000);
      expect(sent.map(({ body }) => body)).toMatchObject([
        [{ op: 'test' }, { op: 'remove', path: '/spec/taints/0' }],
        [{ op: 'test' }, { op: 'remove', path: '/spec/taints/1' }],
      ]);
      taint.stop();
    } finally {
      vi.useRealTimers();
    }
  });
});
