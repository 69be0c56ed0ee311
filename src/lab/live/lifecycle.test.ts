import { describe, expect, test } from 'vitest';
import type { Answer, KubeClient } from '../../io/kube-client.ts';
import type { JsonObject } from '../../manifest/object.ts';
import { awaitPods, create, findLeftovers, removeAll } from './lifecycle.ts';

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Answers by path; whatever is not scripted is not there. */
function server(script: Readonly<Record<string, Answer | readonly Answer[]>>) {
  const sent: Sent[] = [];
  const times = new Map<string, number>();
  const answer = (key: string): Answer => {
    const found = script[key] ?? { status: 404, body: { message: 'not found' } };
    if (!Array.isArray(found)) return found as Answer;
    const n = times.get(key) ?? 0;
    times.set(key, n + 1);
    return (found as readonly Answer[])[Math.min(n, found.length - 1)] ?? { status: 404, body: null };
  };
  const client = {
    get: async (path: string) => answer(`GET ${path}`),
    send: async (method: string, path: string, body: unknown) => {
      sent.push({ method, path, body });
      return answer(`${method} ${path}`);
    },
  } as unknown as KubeClient;
  return { client, sent };
}

const made = (name: string, namespace: string | null, run = 'r1', until?: string): JsonObject => ({
  metadata: {
    name,
    ...(namespace === null ? {} : { namespace }),
    labels: { 'rampart.dev/probe': run },
    ...(until === undefined ? {} : { annotations: { 'rampart.dev/probe-until': until } }),
  },
});
const list = (...items: readonly JsonObject[]): Answer => ({ status: 200, body: { items } });

describe('what is left of probes', () => {
  const ALL = 'labelSelector=rampart.dev%2Fprobe';

  test('is found in every namespace, with the run and its time', async () => {
    const { client } = server({
      [`GET /api/v1/pods?${ALL}`]: list(made('rampart-probe-r1-1', 'shop', 'r1', '2026-01-01T00:00:00Z')),
      [`GET /api/v1/configmaps?${ALL}`]: list(made('rampart-probe-r1', 'shop')),
      [`GET /api/v1/namespaces?${ALL}`]: list(made('rampart-probe-r2', null, 'r2')),
      [`GET /apis/networking.k8s.io/v1/networkpolicies?${ALL}`]: { status: 403, body: { message: 'forbidden' } },
    });
    expect(await findLeftovers(client, null)).toEqual([
      {
        kind: 'pod',
        namespace: 'shop',
        name: 'rampart-probe-r1-1',
        run: 'r1',
        until: new Date('2026-01-01T00:00:00Z'),
      },
      { kind: 'configmap', namespace: 'shop', name: 'rampart-probe-r1', run: 'r1', until: null },
      { kind: 'namespace', namespace: null, name: 'rampart-probe-r2', run: 'r2', until: null },
    ]);
  });

  test('is nothing that has only the label: whoever set it keeps the object', async () => {
    const { client } = server({ [`GET /api/v1/namespaces?${ALL}`]: list(made('production', null)) });
    expect(await findLeftovers(client, null)).toEqual([]);
  });

  test('is removed at once, what is in a namespace with it; what is gone already is fine, what cannot be is said', async () => {
    const { client, sent } = server({
      'DELETE /api/v1/namespaces/rampart-probe-r2': { status: 200, body: {} },
      'DELETE /api/v1/namespaces/shop/pods/rampart-probe-r1-1': { status: 404, body: {} },
      'DELETE /api/v1/namespaces/shop/configmaps/rampart-probe-r1': { status: 403, body: { message: 'no' } },
    });
    const one = { run: 'r', until: null } as const;
    const failed = await removeAll(client, [
      { ...one, kind: 'pod', namespace: 'rampart-probe-r2', name: 'rampart-probe-r2-1' },
      { ...one, kind: 'pod', namespace: 'shop', name: 'rampart-probe-r1-1' },
      { ...one, kind: 'configmap', namespace: 'shop', name: 'rampart-probe-r1' },
      { ...one, kind: 'namespace', namespace: null, name: 'rampart-probe-r2' },
    ]);
    expect(failed).toEqual(['configmap shop/rampart-probe-r1: no']);
    expect(sent.map(({ path, body }) => [path.split('/').at(-1), body])).toEqual([
      ['rampart-probe-r1-1', { gracePeriodSeconds: 0 }],
      ['rampart-probe-r1', { propagationPolicy: 'Background' }],
      ['rampart-probe-r2', { propagationPolicy: 'Background' }],
    ]);
  });
});

describe('a pod', () => {
  const POD: JsonObject = { spec: { securityContext: { runAsUser: 65532, runAsNonRoot: true } } };

  test('is made without a user of its own where OpenShift gives it one', async () => {
    const path = '/api/v1/namespaces/shop/pods';
    const refused = { status: 403, body: { message: 'unable to validate against any security context constraint: …' } };
    const { client, sent } = server({ [`POST ${path}`]: [refused, { status: 201, body: { kind: 'Pod' } }] });
    expect(await create(client, path, POD)).toEqual({ kind: 'Pod' });
    expect(sent[1]?.body).toEqual({ spec: { securityContext: { runAsNonRoot: true } } });
  });

  test('that is refused is an error with the server’s words and the rights that are needed', async () => {
    const path = '/api/v1/namespaces/shop/pods';
    const { client } = server({ [`POST ${path}`]: { status: 403, body: { message: 'pods is forbidden' } } });
    await expect(create(client, path, POD)).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('pods is forbidden'),
      help: expect.stringContaining('pods/exec'),
    });
  });

  const PATH = 'GET /api/v1/namespaces/shop/pods?labelSelector=rampart.dev%2Fprobe%3Dr1';
  const wait = (timeoutMs: number, ...answers: readonly Answer[]) =>
    awaitPods(server({ [PATH]: answers }).client, 'r1', [{ namespace: 'shop', name: 'p' }], {
      timeoutMs,
      signal: new AbortController().signal,
    });
  const pod = (status: JsonObject): Answer => list({ metadata: { name: 'p' }, spec: { nodeName: 'n1' }, status });
  const container = (state: JsonObject): JsonObject => ({
    phase: 'Pending',
    podIPs: [{ ip: '10.1.0.1' }],
    containerStatuses: [{ state }],
  });

  test('is waited for until its container runs, ready or not', async () => {
    const [first] = await wait(5000, pod({}), pod(container({ running: {} })));
    expect(first).toEqual({ name: 'p', namespace: 'shop', node: 'n1', addresses: ['10.1.0.1'], failed: null });
  });

  test.each([
    [
      'an image that is not there',
      pod(container({ waiting: { reason: 'ErrImagePull', message: 'not found' } })),
      'ErrImagePull: not found',
    ],
    ['a program that ends', pod(container({ terminated: { reason: 'Error' } })), 'it ended: Error'],
    ['a pod that is evicted', pod({ phase: 'Failed', message: 'evicted' }), 'it ended: evicted'],
    ['a pod that somebody deletes', list(), 'it was deleted'],
  ])('is given up at once for %s', async (_, answer, why) => {
    const begun = performance.now();
    expect((await wait(5000, answer))[0]?.failed).toBe(why);
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  test('is given up when the time is over, with what it waits for', async () => {
    const conditions = [{ type: 'PodScheduled', status: 'False', message: '0/2 nodes are available' }];
    const [first] = await wait(10, pod({ phase: 'Pending', conditions }));
    expect(first?.failed).toBe('not running after 0.01 s: 0/2 nodes are available');
  });
});
