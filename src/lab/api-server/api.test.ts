import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asObject, items } from '../../kinds/validation/json.ts';
import type { JsonObject } from '../../manifest/object.ts';
import { type Api, type ApiOptions, apiServer } from './api.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const METADATA = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json';

let number = 0;
const make = (options: Partial<ApiOptions> = {}): Api =>
  apiServer({
    now: () => Date.UTC(2026, 0, 1),
    uid: () => `00000000-0000-4000-8000-${String(++number).padStart(12, '0')}`,
    ...options,
  });

function ask(
  api: Api,
  method: string,
  target: string,
  body?: unknown,
  contentType = 'application/json',
  accept = 'application/json',
) {
  const answer = api.handle({
    method,
    target,
    accept,
    contentType,
    body: body === undefined ? '' : JSON.stringify(body),
  });
  if (answer.kind !== 'json') throw new Error('a watch');
  return answer;
}

const get = (api: Api, target: string, accept?: string): JsonObject =>
  ask(api, 'GET', target, undefined, undefined, accept).body;
const map = (name: string, data: JsonObject = {}, labels: JsonObject = {}): JsonObject => ({
  metadata: { name, labels },
  data,
});
const put = (api: Api, name: string, data: JsonObject = {}, labels: JsonObject = {}): void => {
  const created = ask(api, 'POST', MAPS, map(name, data, labels));
  if (created.status === 409) ask(api, 'PUT', `${MAPS}/${name}`, map(name, data, labels));
};
const namesOf = (list: JsonObject): unknown[] => items(list.items).map((one) => asObject(asObject(one).metadata).name);

interface Watching {
  readonly events: string[];
  readonly objects: JsonObject[];
  readonly ended: () => boolean;
  readonly stop: () => void;
}

function watch(api: Api, target: string, accept = 'application/json'): Watching {
  const answer = api.handle({ method: 'GET', target, accept, contentType: '', body: '' });
  if (answer.kind !== 'watch') throw new Error(JSON.stringify(answer.body));
  const events: string[] = [];
  const objects: JsonObject[] = [];
  let isOver = false;
  const stop = answer.start({
    write: (line) => {
      expect(line.endsWith('\n')).toBe(true);
      const { type, object } = JSON.parse(line);
      events.push(`${type} ${object.metadata?.name ?? object.code ?? ''}`.trim());
      objects.push(object);
    },
    end: () => {
      isOver = true;
    },
  });
  return { events, objects, ended: () => isOver, stop };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('lists', () => {
  it('in parts show the state at the time of the first part', () => {
    const api = make();
    for (const name of ['a', 'b', 'c', 'd', 'e']) put(api, name);
    const first = get(api, `${MAPS}?limit=2`);
    expect(namesOf(first)).toEqual(['a', 'b']);
    expect(first.metadata).toMatchObject({ remainingItemCount: 3 });
    ask(api, 'DELETE', `${MAPS}/c`);
    ask(api, 'DELETE', `${MAPS}/e`);
    put(api, 'd', { changed: 'yes' });
    put(api, 'bb');
    const token = encodeURIComponent(String(asObject(first.metadata).continue));
    const second = get(api, `${MAPS}?limit=2&continue=${token}`);
    expect(namesOf(second)).toEqual(['c', 'd']);
    expect(asObject(items(second.items)[1]).data).toEqual({});
    const last = get(api, `${MAPS}?limit=2&continue=${encodeURIComponent(String(asObject(second.metadata).continue))}`);
    expect(namesOf(last)).toEqual(['e']);
    expect(asObject(last.metadata).continue).toBe(undefined);
    expect(asObject(last.metadata).resourceVersion).toBe(asObject(first.metadata).resourceVersion);
    expect(namesOf(get(api, MAPS))).toEqual(['a', 'b', 'bb', 'd']);
  });

  it('cannot go on once their state is forgotten', () => {
    const api = make();
    for (const name of ['a', 'b', 'c']) put(api, name);
    const token = encodeURIComponent(String(asObject(get(api, `${MAPS}?limit=1`).metadata).continue));
    put(api, 'd');
    api.store.compact();
    expect(ask(api, 'GET', `${MAPS}?limit=1&continue=${token}`)).toMatchObject({
      status: 410,
      body: { reason: 'Expired' },
    });
  });

  it('show metadata alone where that is asked for', () => {
    const api = make();
    put(api, 'a', { secret: 'x' }, { l: '1' });
    const list = get(api, MAPS, METADATA);
    expect(list.kind).toBe('PartialObjectMetadataList');
    expect(items(list.items)[0]).toMatchObject({
      kind: 'PartialObjectMetadata',
      metadata: { name: 'a', labels: { l: '1' } },
    });
    expect(JSON.stringify(list)).not.toContain('secret');
    expect(ask(api, 'GET', MAPS, undefined, '', 'application/vnd.kubernetes.protobuf').status).toBe(406);
  });

  it('have namespaces with their name as a label, whatever is written', () => {
    const api = make();
    ask(api, 'POST', '/api/v1/namespaces', {
      metadata: { name: 'n', labels: { 'kubernetes.io/metadata.name': 'other' } },
    });
    expect(namesOf(get(api, '/api/v1/namespaces?labelSelector=kubernetes.io/metadata.name%3Dn'))).toEqual(['n']);
  });
});

describe('watches', () => {
  it('begin after a version, or with what there is, and say what comes into a selection and leaves it', () => {
    const api = make();
    put(api, 'a', {}, { tier: 'x' });
    const { resourceVersion } = asObject(get(api, MAPS).metadata);
    const selective = watch(api, `${MAPS}?watch=1&resourceVersion=${resourceVersion}&labelSelector=tier%3Dx`);
    const whole = watch(api, '/api/v1/configmaps?watch=true');
    put(api, 'b', {}, { tier: 'y' });
    put(api, 'b', {}, { tier: 'x' });
    put(api, 'b', { v: '2' }, { tier: 'x' });
    put(api, 'b', { v: '3' }, { tier: 'y' });
    ask(api, 'DELETE', `${MAPS}/b`);
    ask(api, 'DELETE', `${MAPS}/a`);
    expect(selective.events).toEqual(['ADDED b', 'MODIFIED b', 'DELETED b', 'DELETED a']);
    // What leaves is shown as it was, with the version of the change.
    expect(selective.objects[2]).toMatchObject({ data: { v: '2' } });
    expect(Number(asObject(selective.objects[2]?.metadata).resourceVersion)).toBeGreaterThan(
      Number(asObject(selective.objects[1]?.metadata).resourceVersion),
    );
    expect(whole.events).toEqual([
      'ADDED a',
      'ADDED b',
      'MODIFIED b',
      'MODIFIED b',
      'MODIFIED b',
      'DELETED b',
      'DELETED a',
    ]);
    selective.stop();
    put(api, 'c', {}, { tier: 'x' });
    expect(selective.events).toHaveLength(4);
    whole.stop();
  });

  it('take up what was missed, each change once', () => {
    const api = make();
    put(api, 'a');
    const { resourceVersion } = asObject(get(api, MAPS).metadata);
    put(api, 'a', { v: '1' });
    put(api, 'b');
    const late = watch(api, `${MAPS}?watch=1&resourceVersion=${resourceVersion}`);
    put(api, 'c');
    expect(late.events).toEqual(['MODIFIED a', 'ADDED b', 'ADDED c']);
    late.stop();
  });

  it('say that a version is too old: after a compaction, when the history is full, or when told to', () => {
    const api = make({ history: 4 });
    put(api, 'a');
    const { resourceVersion } = asObject(get(api, MAPS).metadata);
    for (let i = 0; i < 20; i++) put(api, 'a', { v: String(i) });
    const old = watch(api, `${MAPS}?watch=1&resourceVersion=${resourceVersion}`);
    expect(old.events).toEqual(['ERROR 410']);
    expect(old.objects[0]).toMatchObject({ kind: 'Status', reason: 'Expired', code: 410 });
    expect(old.ended()).toBe(true);
    const now = asObject(get(api, MAPS).metadata).resourceVersion;
    api.faults.expiredWatches = 1;
    expect(watch(api, `${MAPS}?watch=1&resourceVersion=${now}`).events).toEqual(['ERROR 410']);
    const fine = watch(api, `${MAPS}?watch=1&resourceVersion=${now}`);
    expect(fine.events).toEqual([]);
    fine.stop();
  });

  it('send bookmarks to who wants them, and end in time', () => {
    const api = make({ bookmarkMs: 1000 });
    const { resourceVersion } = asObject(get(api, MAPS).metadata);
    const path = `${MAPS}?watch=1&resourceVersion=${resourceVersion}&timeoutSeconds=3`;
    const marked = watch(api, `${path}&allowWatchBookmarks=true`);
    const plain = watch(api, path);
    ask(api, 'POST', PODS, { metadata: { name: 'p' }, spec: { containers: [{ name: 'c' }] } });
    vi.advanceTimersByTime(1500);
    expect(marked.events).toEqual(['BOOKMARK']);
    expect(Number(asObject(marked.objects[0]?.metadata).resourceVersion)).toBeGreaterThan(Number(resourceVersion));
    expect(marked.objects[0]).toMatchObject({ kind: 'ConfigMap', apiVersion: 'v1' });
    vi.advanceTimersByTime(2000);
    expect([marked.ended(), plain.ended()]).toEqual([true, true]);
    expect(plain.events).toEqual([]);
    expect(marked.events.every((event) => event === 'BOOKMARK')).toBe(true);
  });

  it('mark the end of the first events for clients that list by watching', () => {
    const api = make();
    put(api, 'a');
    const one = watch(
      api,
      `${MAPS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&resourceVersion=`,
    );
    expect(one.events).toEqual(['ADDED a', 'BOOKMARK']);
    expect(asObject(one.objects[1]?.metadata).annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
    one.stop();
  });

  it('hear of changes in their order, also of those that a listener makes', () => {
    const api = make();
    const first = api.store.subscribe((event) => {
      if (event.type === 'ADDED' && event.name === 'a') put(api, 'b');
    });
    const heard = watch(api, `${MAPS}?watch=1`);
    put(api, 'a');
    expect(heard.events).toEqual(['ADDED a', 'ADDED b']);
    first();
    heard.stop();
  });

  it('go wrong as they are told to', () => {
    const api = make();
    const one = watch(api, `${MAPS}?watch=1`);
    api.faults.repeatEvents = true;
    put(api, 'a');
    api.faults.repeatEvents = false;
    api.faults.swapEvents = true;
    put(api, 'b');
    put(api, 'c');
    api.faults.swapEvents = false;
    api.faults.delayMs = 50;
    put(api, 'd');
    expect(one.events).toEqual(['ADDED a', 'ADDED a', 'ADDED c', 'ADDED b']);
    vi.advanceTimersByTime(60);
    expect(one.events.at(-1)).toBe('ADDED d');
    api.faults.delayMs = 0;
    api.faults.silentWatches = true;
    put(api, 'e');
    expect(one.events).toHaveLength(5);
    api.faults.silentWatches = false;
    one.stop();
    api.faults.forbidden = ['configmaps'];
    expect(ask(api, 'GET', MAPS).status).toBe(403);
    api.faults.forbidden = [];
    api.faults.answer = { status: 503, retryAfter: 2 };
    expect(ask(api, 'GET', MAPS)).toMatchObject({ status: 503, headers: [['retry-after', '2']] });
  });
});

describe('patches', () => {
  const deployment = {
    metadata: { name: 'd' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: {
        metadata: { labels: { a: 'b' } },
        spec: {
          containers: [
            {
              name: 'one',
              image: 'i',
              env: [
                { name: 'X', value: '1' },
                { name: 'Y', value: '2' },
              ],
              ports: [
                { containerPort: 53, protocol: 'UDP' },
                { containerPort: 53, protocol: 'TCP' },
              ],
            },
            { name: 'two', image: 'j' },
          ],
        },
      },
    },
  };
  const PATH = '/apis/apps/v1/namespaces/default/deployments';
  const patched = (patch: JsonObject): JsonObject => {
    const api = make();
    ask(api, 'POST', PATH, deployment);
    const answer = ask(
      api,
      'PATCH',
      `${PATH}/d`,
      { spec: { template: { spec: patch } } },
      'application/strategic-merge-patch+json',
    );
    return asObject(asObject(asObject(answer.body.spec).template).spec);
  };
  const names = (list: unknown): unknown[] => items(list as JsonObject['x']).map((one) => asObject(one).name);

  it('merge lists by their keys, in the order of the patch', () => {
    const spec = patched({
      containers: [
        { name: 'three', image: 'k' },
        { name: 'one', env: [{ name: 'Y', value: '3' }] },
      ],
    });
    expect(names(spec.containers)).toEqual(['three', 'one', 'two']);
    const one = asObject(items(spec.containers)[1]);
    expect(one).toMatchObject({
      image: 'i',
      env: [
        { name: 'X', value: '1' },
        { name: 'Y', value: '3' },
      ],
    });
    expect(items(one.ports)).toHaveLength(2);
  });

  it('follow the directives of kubectl', () => {
    expect(names(patched({ containers: [{ name: 'one', $patch: 'delete' }] }).containers)).toEqual(['two']);
    expect(names(patched({ containers: [{ $patch: 'replace' }, { name: 'new', image: 'n' }] }).containers)).toEqual([
      'new',
    ]);
    expect(
      names(
        patched({
          $setElementOrder: {},
          '$setElementOrder/containers': [{ name: 'two' }, { name: 'one' }],
          containers: [{ name: 'one', image: 'z' }],
        }).containers,
      ),
    ).toEqual(['two', 'one']);
    const env = asObject(
      items(patched({ containers: [{ name: 'one', env: [{ name: 'X', $patch: 'delete' }] }] }).containers)[0],
    ).env;
    expect(env).toEqual([{ name: 'Y', value: '2' }]);
  });

  it('of server-side apply take back what their manager does not apply any more, and nothing else', () => {
    const api = make();
    const apply = (manager: string, data: JsonObject, labels: JsonObject) =>
      ask(
        api,
        'PATCH',
        `${MAPS}/a?fieldManager=${manager}`,
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', labels }, data },
        'application/apply-patch+yaml',
      );
    expect(apply('x', { one: '1', two: '2' }, { l: 'x' }).status).toBe(201);
    expect(apply('y', { three: '3' }, {}).body.data).toEqual({ one: '1', two: '2', three: '3' });
    const last = apply('x', { one: '9' }, {}).body;
    expect(last.data).toEqual({ one: '9', three: '3' });
    expect(asObject(last.metadata).labels ?? {}).toEqual({});
  });

  it('never touch prototypes', () => {
    const api = make();
    put(api, 'a');
    const body = '{"data":{"__proto__":"x"}}';
    const answer = api.handle({
      method: 'PATCH',
      target: `${MAPS}/a`,
      accept: '',
      contentType: 'application/merge-patch+json',
      body,
    });
    expect(answer.kind === 'json' ? JSON.stringify(answer.body.data) : '').toBe('{"__proto__":"x"}');
    const again = api.handle({
      method: 'PATCH',
      target: `${MAPS}/a`,
      accept: '',
      contentType: 'application/json-patch+json',
      body: '[{"op":"add","path":"/data/__proto__","value":"y"}]',
    });
    expect(again.kind === 'json' ? JSON.stringify(again.body.data) : '').toBe('{"__proto__":"y"}');
    expect(({} as Record<string, unknown>).x).toBe(undefined);
  });
});

describe('deletion', () => {
  it('of pods waits for their kubelet where it is told to', () => {
    const api = make({ podDeletion: 'graceful' });
    ask(api, 'POST', PODS, { metadata: { name: 'p' }, spec: { nodeName: 'n', containers: [{ name: 'c' }] } });
    ask(api, 'DELETE', `${PODS}/p`);
    const marked = asObject(get(api, `${PODS}/p`).metadata);
    expect(marked).toMatchObject({ deletionGracePeriodSeconds: 30 });
    ask(api, 'DELETE', `${PODS}/p`);
    expect(asObject(get(api, `${PODS}/p`).metadata).resourceVersion).toBe(marked.resourceVersion);
    ask(api, 'DELETE', `${PODS}/p?gracePeriodSeconds=0`);
    expect(ask(api, 'GET', `${PODS}/p`).status).toBe(404);
  });

  it('of a namespace takes what is in it, and waits for what is held', () => {
    const api = make();
    ask(api, 'POST', '/api/v1/namespaces', { metadata: { name: 'n' } });
    ask(api, 'POST', '/api/v1/namespaces/n/configmaps', { metadata: { name: 'held', finalizers: ['example.com/x'] } });
    ask(api, 'POST', '/api/v1/namespaces/n/configmaps', { metadata: { name: 'free' } });
    expect(asObject(ask(api, 'DELETE', '/api/v1/namespaces/n').body.status).phase).toBe('Terminating');
    expect(namesOf(get(api, '/api/v1/namespaces/n/configmaps'))).toEqual(['held']);
    expect(ask(api, 'POST', '/api/v1/namespaces/n/configmaps', { metadata: { name: 'late' } }).status).toBe(403);
    ask(
      api,
      'PATCH',
      '/api/v1/namespaces/n/configmaps/held',
      { metadata: { finalizers: null } },
      'application/merge-patch+json',
    );
    expect(ask(api, 'GET', '/api/v1/namespaces/n').status).toBe(404);
  });

  it('of a definition ends the watches of its objects, and the objects', () => {
    const api = make({ policyKinds: false });
    const PATH = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';
    expect(ask(api, 'GET', PATH).status).toBe(404);
    const names = { plural: 'clusternetworkpolicies', singular: 'clusternetworkpolicy', kind: 'ClusterNetworkPolicy' };
    const versions = [{ name: 'v1alpha2', served: true, storage: true, subresources: { status: {} } }];
    const definition = {
      metadata: { name: 'clusternetworkpolicies.policy.networking.k8s.io' },
      spec: { group: 'policy.networking.k8s.io', scope: 'Cluster', names, versions },
    };
    const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    ask(api, 'POST', CRDS, definition);
    expect(get(api, `${CRDS}/${definition.metadata.name}`).status).toMatchObject({
      conditions: [{ type: 'NamesAccepted' }, { type: 'Established', status: 'True' }],
    });
    expect(
      ask(api, 'POST', PATH, {
        metadata: { name: 'c' },
        spec: { tier: 'Admin', priority: 1, subject: { namespaces: {} } },
      }).status,
    ).toBe(201);
    expect(ask(api, 'POST', PATH, { metadata: { name: 'c2' }, spec: { tier: 'Admin', priority: 1 } }).status).toBe(422);
    const one = watch(api, `${PATH}?watch=1`);
    ask(api, 'DELETE', `${CRDS}/${definition.metadata.name}`);
    expect(one.events).toEqual(['ADDED c', 'DELETED c']);
    expect(one.ended()).toBe(true);
    expect(ask(api, 'GET', PATH).status).toBe(404);
  });
});

describe('any request', () => {
  const keys = fc.constantFrom(
    'metadata',
    'name',
    'namespace',
    'labels',
    'spec',
    'status',
    'ports',
    'port',
    'selector',
    'clusterIPs',
    'template',
    'containers',
    'finalizers',
    'ownerReferences',
    '$patch',
    '__proto__',
    'op',
    'path',
    'value',
    'versions',
    'names',
  );
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, 0, -1, 80, '', 'a', '/spec', 'add', 'remove', 'None', '10.0.0.1', 'delete'),
      fc.array(tie('value'), { maxLength: 3 }),
      tie('object'),
    ),
    object: fc
      .uniqueArray(fc.tuple(keys, tie('value')), { selector: ([key]) => key, maxLength: 5 })
      .map((entries) => Object.fromEntries(entries)),
  }));
  const paths = ['pods', 'services', 'configmaps', 'events'].flatMap((plural) => [
    `/api/v1/namespaces/default/${plural}`,
    `/api/v1/namespaces/default/${plural}/a`,
  ]);
  const more = [
    '/apis/apps/v1/namespaces/default/deployments',
    '/apis/apps/v1/namespaces/default/deployments/a/scale',
    '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies',
    '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/a',
    '/api/v1/namespaces',
    '/api/v1/namespaces/a',
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a',
    '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies',
    '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/a/status',
    '/api/v1/namespaces/default/pods/a/binding',
    '/apis/batch/v1/namespaces/default/jobs',
    '/%',
    '/api/v1/namespaces/default/pods/a/status?dryRun=All',
  ];
  const types = [
    'application/json',
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/strategic-merge-patch+json',
    'application/apply-patch+yaml',
    '',
  ];

  it('is answered: nothing that a client sends is our fault', () => {
    const request = fc.record({
      method: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE'),
      target: fc
        .constantFrom(...paths, ...more)
        .map((path) => `${path}${path.includes('?') ? '&' : '?'}fieldManager=m`),
      contentType: fc.constantFrom(...types),
      body: json.value.map((value) => JSON.stringify(value)),
      named: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 12 }), (requests) => {
        const api = make();
        for (const { method, target, contentType, body, named } of requests) {
          // Objects with a name come further.
          const value = JSON.parse(body);
          const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
          const sent =
            named && isObject ? JSON.stringify({ ...value, metadata: { name: 'a', ...value.metadata } }) : body;
          const answer = api.handle({ method, target, accept: '', contentType, body: sent });
          if (answer.kind === 'json') expect(answer.status).toBeLessThan(500);
        }
      }),
      { numRuns: 1500, seed: 20260101 },
    );
  });
});

describe('seeding', () => {
  it('takes objects as they are: identity, status, kinds that nobody knows, and policies that would be refused', () => {
    const api = make();
    api.seed([
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p', namespace: 'default', uid: 'u1' },
        spec: {},
        status: { phase: 'Running', podIP: '10.0.0.1' },
      },
      { apiVersion: 'example.com/v1', kind: 'Policy', metadata: { name: 'odd', namespace: 'default' }, spec: { a: 1 } },
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'old', namespace: 'default' },
        spec: { ingress: 'all' },
      },
    ]);
    expect(get(api, `${PODS}/p`)).toMatchObject({
      metadata: { uid: 'u1' },
      status: { phase: 'Running', podIP: '10.0.0.1' },
    });
    expect(get(api, '/apis/example.com/v1/namespaces/default/policies/odd').spec).toEqual({ a: 1 });
    expect(asObject(get(api, '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/old').spec).ingress).toBe(
      'all',
    );
  });
});
