import { describe, expect, it, vi } from 'vitest';
import type { Answer } from '../io/kube-client.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { ObjectRef } from '../model/origin.ts';
import type { Log } from './log.ts';
import { policyAnnouncer } from './status.ts';
import { taintRemover } from './taint.ts';

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body: JsonObject;
  readonly type: string | undefined;
}

const QUIET = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  level: 'info',
} as unknown as Log;

function server(statuses: number[] = []): {
  readonly sent: Sent[];
  readonly client: { send(method: string, path: string, body?: Json, type?: string): Promise<Answer> };
} {
  const sent: Sent[] = [];
  return {
    sent,
    client: {
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
const OBJECTS = new Map([
  ['NetworkPolicy/shop/web', { ref: NP, uid: 'u1', created: null }],
  ['ClusterNetworkPolicy/guard', { ref: CNP, uid: 'u2', created: null }],
]);

function announcer(
  client: ReturnType<typeof server>['client'],
  node = 'n1',
  enabled = true,
): ReturnType<typeof policyAnnouncer> {
  return policyAnnouncer({
    client,
    node,
    log: QUIET,
    enabled,
    find: (id) => OBJECTS.get(id) ?? null,
    random: () => 0,
    spreadMs: 10,
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

  it('does not flood the API server', async () => {
    const { sent, client } = server();
    const { observer, stop } = announcer(client);
    for (let i = 0; i < 50; i++) {
      OBJECTS.set(`NetworkPolicy/shop/p${i}`, { ref: { ...NP, name: `p${i}` }, uid: `u${i}`, created: null });
      observer.policyFailed(`NetworkPolicy/shop/p${i}`, 'no');
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sent.length).toBe(10);
    stop();
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
});
