import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type KubeClient, openClient } from '../../src/io/kube-client.ts';
import { connect } from '../../src/io/kubeconfig.ts';
import { type Follower, type FollowOptions, follow } from '../../src/io/watch.ts';
import type { WatchEvent, WatchedResource } from '../../src/io/watch-event.ts';
import { bookmark, listOf, pod, type ScriptedApi, startScriptedApi, status } from './scripted-api.ts';

const PODS = '/api/v1/pods';
const CNP = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';
const GROUP = '/apis/policy.networking.k8s.io';
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

let api: ScriptedApi;
let client: KubeClient;
let follower: Follower | null = null;
let events: WatchEvent[] = [];
let arrived: (() => void)[] = [];

beforeEach(async () => {
  api = await startScriptedApi();
  client = openClient(await connect({ server: api.server }), { timeoutMs: 3000 });
  events = [];
  arrived = [];
});
afterEach(async () => {
  await follower?.stop();
  follower = null;
  client.close();
  await api.close();
});

const QUICK = {
  firstBackoffMs: 5,
  longestBackoffMs: 50,
  forbiddenMs: 50,
  absentMs: 20,
  absentWatchedMs: 60_000,
  confirmMs: 5,
  settledMs: 60_000,
};

function start(resources: readonly WatchedResource[], options: FollowOptions = {}): Follower {
  follower = follow(client, { resources, ...options, timing: { ...QUICK, ...options.timing } }, (event) => {
    events.push(event);
    for (const wake of arrived.splice(0)) wake();
  });
  return follower;
}

/** The next events, in short. */
async function told(count: number): Promise<readonly string[]> {
  const until = Date.now() + 5000;
  while (events.length < count) {
    if (Date.now() > until) throw new Error(`only ${events.map(short).join(', ')}`);
    await new Promise<void>((wake) => {
      const timer = setTimeout(wake, 200);
      arrived.push(() => {
        clearTimeout(timer);
        wake();
      });
    });
  }
  return events.splice(0).map(short);
}

function short(event: WatchEvent): string {
  const one = (object: unknown): string => {
    const { metadata } = object as { metadata: { name: string; resourceVersion: string } };
    return `${metadata.name}@${metadata.resourceVersion}`;
  };
  switch (event.kind) {
    case 'listed':
      return `listed ${event.objects.map(one).join(' ')}`.trimEnd();
    case 'put':
    case 'removed':
      return `${event.kind} ${one(event.object)}`;
    case 'absent':
      return 'absent';
    case 'unreadable':
      return `unreadable: ${event.reason}`;
  }
}

const put = (name: string, version: number | string): object => ({ type: 'MODIFIED', object: pod(name, version) });

describe('following pods', () => {
  it('lists from the cache of the server, watches from there, and delivers changes', async () => {
    const { ready } = start(['pods'], { fieldSelectors: { pods: 'spec.nodeName=a,status.phase!=Failed' } });
    const list = await api.next(`list ${PODS}`);
    expect(Object.fromEntries(list.query)).toEqual({
      limit: '500',
      resourceVersion: '0',
      fieldSelector: 'spec.nodeName=a,status.phase!=Failed',
    });
    expect(list.headers['user-agent']).toMatch(/^rampart\/\d+\.\d+\.\d+$/);
    list.reply(200, listOf(10, pod('a', 3), pod('b', 7)));
    await ready;
    const watch = await api.next(`watch ${PODS}`);
    expect(Object.fromEntries(watch.query)).toMatchObject({
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: '10',
      fieldSelector: 'spec.nodeName=a,status.phase!=Failed',
    });
    const seconds = Number(watch.query.get('timeoutSeconds'));
    expect(seconds >= 300 && seconds <= 600).toBe(true);
    const stream = watch.open();
    stream.send({ type: 'ADDED', object: pod('c', 11) }, put('a', 12), { type: 'DELETED', object: pod('b', 13) });
    expect(await told(4)).toEqual(['listed a@3 b@7', 'put c@11', 'put a@12', 'removed b@13']);
    expect(follower?.statistics()).toMatchObject([
      { resource: 'pods', state: 'listed', watching: true, objects: 2, lists: 1, events: 3, watches: 1, failures: 0 },
    ]);
  });

  it('goes on from the last bookmark when the server ends the watch, or the connection breaks', async () => {
    start(['pods']);
    (await api.next(`list ${PODS}`)).reply(200, listOf(10));
    const first = (await api.next(`watch ${PODS}`)).open();
    first.send(put('a', 12), bookmark(40));
    await told(2);
    first.end();
    const second = await api.next(`watch ${PODS}`);
    expect(second.query.get('resourceVersion')).toBe('40');
    const stream = second.open();
    stream.send(put('a', 41));
    await told(1);
    stream.drop();
    const third = await api.next(`watch ${PODS}`);
    expect(third.query.get('resourceVersion')).toBe('41');
    third.drop();
    expect((await api.next(`watch ${PODS}`)).query.get('resourceVersion')).toBe('41');
    expect(api.asked.filter((name) => name.startsWith('list'))).toHaveLength(1);
    expect(follower?.statistics()[0]).toMatchObject({ bookmarks: 1, failures: 2, lists: 1 });
  });

  it.each([
    [
      'the answer is 410',
      (watch: Awaited<ReturnType<ScriptedApi['next']>>) => watch.reply(410, status(410, 'Expired', 'x')),
    ],
    [
      'an ERROR says 410',
      (watch: Awaited<ReturnType<ScriptedApi['next']>>) =>
        watch.open().send({ type: 'ERROR', object: status(410, 'Expired', 'too old resource version: 10 (900)') }),
    ],
  ])('lists again where versions are gone: %s', async (_name, expire) => {
    start(['pods']);
    (await api.next(`list ${PODS}`)).reply(200, listOf(10, pod('a', 3)));
    expire(await api.next(`watch ${PODS}`));
    const again = await api.next(`list ${PODS}`);
    // Never older than what is known: another server of the cluster may lag behind.
    expect(Object.fromEntries(again.query)).toEqual({ resourceVersion: '10', resourceVersionMatch: 'NotOlderThan' });
    again.reply(200, listOf(900, pod('b', 800)));
    expect((await api.next(`watch ${PODS}`)).query.get('resourceVersion')).toBe('900');
    expect(await told(2)).toEqual(['listed a@3', 'listed b@800']);
    expect(follower?.statistics()[0]?.relists).toEqual({
      expired: 1,
      forbidden: 0,
      missing: 0,
      failing: 0,
      restored: 0,
    });
  });

  it('asks for the present where the server has not come to the known version', async () => {
    start(['pods']);
    (await api.next(`list ${PODS}`)).reply(200, listOf(1000));
    (await api.next(`watch ${PODS}`)).reply(410, status(410, 'Expired', 'x'));
    const tooLarge = status(504, 'Timeout', 'Too large resource version: 1000, current: 7', {
      details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
    });
    (await api.next(`list ${PODS}`)).reply(504, tooLarge, { 'Retry-After': '1' });
    const present = await api.next(`list ${PODS}`);
    expect(Object.fromEntries(present.query)).toEqual({ limit: '500' });
    present.reply(200, listOf(8, pod('a', 2)));
    const watch = await api.next(`watch ${PODS}`);
    expect(watch.query.get('resourceVersion')).toBe('8');
    watch.open().send(put('a', 9));
    expect(await told(3)).toEqual(['listed', 'listed a@2', 'put a@9']);
  });

  it('notices a server that was restored from a backup', async () => {
    start(['pods']);
    (await api.next(`list ${PODS}`)).reply(200, listOf(1000, pod('a', 900)));
    (await api.next(`watch ${PODS}`)).drop();
    (await api.next(`watch ${PODS}`)).drop();
    const silent = (await api.next(`watch ${PODS}`)).open();
    const question = await api.next(`list ${PODS}`);
    expect(Object.fromEntries(question.query)).toEqual({ limit: '1' });
    question.reply(200, listOf(500));
    await silent.gone;
    const again = await api.next(`list ${PODS}`);
    expect(Object.fromEntries(again.query)).toEqual({ limit: '500' });
    again.reply(200, listOf(500, pod('b', 400)));
    expect(await told(2)).toEqual(['listed a@900', 'listed b@400']);
    expect((await api.next(`watch ${PODS}`)).query.get('resourceVersion')).toBe('500');
    expect(follower?.statistics()[0]?.relists.restored).toBe(1);
  });

  it('reads pages, and begins again when they expire', async () => {
    start(['pods'], { pageSize: 2 });
    const page = (token: string, ...items: object[]): object => ({
      metadata: { resourceVersion: '10', continue: token },
      items,
    });
    (await api.next(`list ${PODS}`)).reply(200, page('t/1', pod('a', 1), pod('b', 2)));
    const second = await api.next(`list ${PODS}`);
    expect(Object.fromEntries(second.query)).toEqual({ limit: '2', continue: 't/1' });
    second.reply(410, status(410, 'Expired', 'the token is too old'));
    const fresh = await api.next(`list ${PODS}`);
    expect(Object.fromEntries(fresh.query)).toEqual({ limit: '2' });
    fresh.reply(200, page('t/2', pod('a', 1), pod('b', 2)));
    (await api.next(`list ${PODS}`)).reply(200, page('', pod('c', 3)));
    expect(await told(1)).toEqual(['listed a@1 b@2 c@3']);
  });

  it('drops repeated, late and resurrecting changes, and compares no versions that are not numbers', async () => {
    start(['pods']);
    (await api.next(`list ${PODS}`)).reply(200, listOf(100, pod('a', 90), pod('z', 'opaque-1')));
    const stream = (await api.next(`watch ${PODS}`)).open();
    stream.send(
      put('a', 90),
      put('a', 101),
      put('a', 99),
      { type: 'DELETED', object: pod('a', 95) },
      { type: 'DELETED', object: pod('a', 103) },
      put('a', 102),
      { type: 'DELETED', object: pod('never', 104) },
      put('z', 'opaque-2'),
      put('z', 'opaque-1'),
      put('a', 105),
    );
    expect(await told(6)).toEqual([
      'listed a@90 z@opaque-1',
      'put a@101',
      'removed a@103',
      'put z@opaque-2',
      'put z@opaque-1',
      'put a@105',
    ]);
    expect(follower?.statistics()[0]).toMatchObject({ dropped: 5, objects: 2 });
  });

  it('understands lines in pieces, characters cut in two, and compressed answers', async () => {
    const { gzipSync, createGzip, constants } = await import('node:zlib');
    start(['pods']);
    const list = JSON.stringify(listOf(10, pod('ä"]}{', 3)));
    const whole = (await api.next(`list ${PODS}`)).open({ 'Content-Encoding': 'gzip' });
    whole.raw(gzipSync(list));
    whole.end();
    const half = Buffer.from(`${JSON.stringify(put('ü', 11))}\n`);
    const cut = half.indexOf('ü') + 1;
    const plain = (await api.next(`watch ${PODS}`)).open();
    plain.raw(half.subarray(0, cut));
    await new Promise((wait) => setTimeout(wait, 20));
    plain.raw(half.subarray(cut, half.length - 1));
    await new Promise((wait) => setTimeout(wait, 20));
    plain.raw(
      Buffer.concat([half.subarray(half.length - 1), Buffer.from('\n'), Buffer.from(JSON.stringify(put('b', 12)))]),
    );
    plain.end();
    expect(await told(3)).toEqual(['listed ä"]}{@3', 'put ü@11', 'put b@12']);
    const packed = (await api.next(`watch ${PODS}`)).open({ 'Content-Encoding': 'gzip' });
    const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
    gzip.on('data', (chunk: Buffer) => packed.raw(chunk));
    gzip.write(`${JSON.stringify(put('c', 13))}\n`);
    // Delivered although the stream has not ended.
    expect(await told(1)).toEqual(['put c@13']);
    gzip.destroy();
  });

  it.each([
    '{"type":"ADDED","obj\n',
    '<html>\n',
    '{"type":"ADDED"}\n',
    '{"type":"WHAT","object":{}}\n',
    '[]\n',
    '{"type":"MODIFIED","object":{"metadata":{}}}\n',
  ])('is not led astray by %j: goes on before it, and lists again where it stays', async (garbage) => {
    start(['pods']);
    (await api.next(`list ${PODS}`)).reply(200, listOf(10));
    const stream = (await api.next(`watch ${PODS}`)).open();
    stream.send(put('a', 11));
    stream.raw(garbage);
    stream.send(put('b', 12));
    await stream.gone;
    for (let i = 0; i < 2; i++) {
      const again = await api.next(`watch ${PODS}`);
      expect(again.query.get('resourceVersion')).toBe('11');
      again.open().raw(garbage);
    }
    (await api.next(`list ${PODS}`)).reply(200, listOf(12, pod('b', 12)));
    expect(await told(3)).toEqual(['listed', 'put a@11', 'listed b@12']);
  });

  it.each([
    ['half of it', '{"kind":"PodList","metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"a"}}'],
    ['no list', '{"kind":"Status"}'],
    ['an item without a name', '{"metadata":{"resourceVersion":"5"},"items":[{"metadata":{}}]}'],
    ['an item that is none', '{"metadata":{"resourceVersion":"5"},"items":[7]}'],
    ['an escaped key', '{"metadata":{"resourceVersion":"5"},"\\u0069tems":[{"metadata":{"name":"a"}}]}'],
    ['no version', '{"metadata":{},"items":[]}'],
    ['HTML', '<html></html>'],
  ])('takes no list for an empty one that is broken: %s', async (_name, text) => {
    start(['pods'], { timing: { unreadableAfterMs: 60_000 } });
    (await api.next(`list ${PODS}`)).reply(200, text);
    (await api.next(`list ${PODS}`)).reply(200, listOf(6, pod('a', 1)));
    expect(await told(1)).toEqual(['listed a@1']);
  });

  it('waits as long as the server asks for', async () => {
    start(['pods']);
    let at = Date.now();
    (await api.next(`list ${PODS}`)).reply(429, status(429, 'TooManyRequests', 'slow down'), { 'Retry-After': '1' });
    const second = await api.next(`list ${PODS}`);
    expect(Date.now() - at).toBeGreaterThanOrEqual(1000);
    second.reply(200, listOf(10));
    at = Date.now();
    (await api.next(`watch ${PODS}`)).reply(503, status(503, 'ServiceUnavailable', 'later'), { 'Retry-After': '1' });
    const watch = await api.next(`watch ${PODS}`);
    expect(Date.now() - at).toBeGreaterThanOrEqual(1000);
    expect(watch.query.get('resourceVersion')).toBe('10');
  });

  it('leaves a watch that is silent for too long', async () => {
    start(['pods'], { timing: { watchSeconds: 0.05, marginMs: 100 } });
    (await api.next(`list ${PODS}`)).reply(200, listOf(10));
    const silent = await api.next(`watch ${PODS}`);
    expect(silent.query.get('timeoutSeconds')).toBe('1');
    const at = Date.now();
    const stream = silent.open();
    await stream.gone;
    const after = Date.now() - at;
    expect(after >= 1000 && after < 2500).toBe(true);
    expect((await api.next(`watch ${PODS}`)).query.get('resourceVersion')).toBe('10');
  });

  it('leaves a server that takes the question and never begins to answer', async () => {
    start(['pods'], { timing: { headMs: 150 } });
    (await api.next(`list ${PODS}`)).reply(200, listOf(10));
    await api.next(`watch ${PODS}`);
    const at = Date.now();
    const stream = (await api.next(`watch ${PODS}`)).open();
    expect(Date.now() - at).toBeLessThan(2500);
    expect(follower?.statistics()[0]).toMatchObject({
      failures: 1,
      lastFailure: 'the server does not begin to answer',
    });
    // One that has begun may be silent for longer.
    await new Promise((resolve) => setTimeout(resolve, 400));
    stream.send(put('a', 11));
    expect(await told(2)).toEqual(['listed', 'put a@11']);
  });

  it('leaves it sooner where bookmarks use to come', async () => {
    start(['pods'], { timing: { quietMs: 150 } });
    (await api.next(`list ${PODS}`)).reply(200, listOf(10));
    const first = (await api.next(`watch ${PODS}`)).open();
    first.send(bookmark(11), bookmark(12));
    first.end();
    const second = (await api.next(`watch ${PODS}`)).open();
    await second.gone;
    expect((await api.next(`watch ${PODS}`)).query.get('resourceVersion')).toBe('12');
  });

  it('backs off, and begins anew after a good watch', async () => {
    const waits: number[] = [];
    let last = Date.now();
    start(['pods'], { timing: { firstBackoffMs: 40, longestBackoffMs: 160, settledMs: 300 }, random: () => 1 });
    (await api.next(`list ${PODS}`)).reply(200, listOf(10));
    for (let i = 0; i < 5; i++) {
      const watch = await api.next(`watch ${PODS}`);
      waits.push(Date.now() - last);
      last = Date.now();
      watch.drop();
    }
    const expected = [0, 40, 80, 160, 160];
    for (const [i, wait] of waits.entries()) if (i > 0) expect(wait).toBeGreaterThanOrEqual((expected[i] ?? 0) - 2);
    const good = (await api.next(`watch ${PODS}`)).open();
    await new Promise((wait) => setTimeout(wait, 320));
    last = Date.now();
    good.drop();
    await api.next(`watch ${PODS}`);
    expect(Date.now() - last).toBeLessThan(150);
  });

  it('waits for its receiver, and ends when that fails', async () => {
    let release: () => void = () => undefined;
    const order: string[] = [];
    follower = follow(client, { resources: ['pods'], timing: QUICK }, async (event) => {
      order.push(short(event));
      if (event.kind === 'put')
        await new Promise<void>((go) => {
          release = go;
        });
      if (event.kind === 'removed') throw new Error('the receiver is broken');
    });
    (await api.next(`list ${PODS}`)).reply(200, listOf(10));
    const stream = (await api.next(`watch ${PODS}`)).open();
    stream.send(put('a', 11), { type: 'DELETED', object: pod('a', 12) });
    await expect.poll(() => order).toEqual(['listed', 'put a@11']);
    await new Promise((wait) => setTimeout(wait, 50));
    expect(order).toHaveLength(2);
    release();
    await expect(follower.done).rejects.toThrow('the receiver is broken');
    await stream.gone;
  });

  it('stops at once, whatever it is doing', async () => {
    const one = start(['pods', 'nodes']);
    (await api.next(`list ${PODS}`)).reply(429, {}, { 'Retry-After': '30' });
    await api.next('list /api/v1/nodes');
    const at = Date.now();
    await one.stop();
    await one.done;
    expect(Date.now() - at).toBeLessThan(500);
    await expect(one.ready).rejects.toThrow('stopped before everything was known');
  });
});

describe('what cannot be read', () => {
  it('is said, with the reason, and recovers', async () => {
    const { ready } = start(['pods']);
    const no = status(403, 'Forbidden', 'pods is forbidden: User "u" cannot list resource "pods"');
    (await api.next(`list ${PODS}`)).reply(403, no);
    await ready;
    expect(await told(1)).toEqual(['unreadable: pods is forbidden: User "u" cannot list resource "pods"']);
    (await api.next(`list ${PODS}`)).reply(403, no);
    (await api.next(`list ${PODS}`)).reply(200, listOf(5, pod('a', 1)));
    (await api.next(`watch ${PODS}`)).open().send(put('a', 6));
    // Said once, not once per attempt.
    expect(await told(2)).toEqual(['listed a@1', 'put a@6']);
  });

  it('is said where a list keeps failing that never worked, but not while the server does not answer', async () => {
    start(['pods'], { timing: { unreadableAfterMs: 30 } });
    for (let i = 0; i < 5; i++) (await api.next(`list ${PODS}`)).drop();
    expect(events).toEqual([]);
    const at = Date.now();
    while (Date.now() - at < 5000 && events.length === 0)
      (await api.next(`list ${PODS}`)).reply(500, status(500, 'InternalError', 'conversion webhook failed'));
    expect(await told(1)).toEqual(['unreadable: conversion webhook failed']);
  });

  it('does not forget what was read when a list fails later', async () => {
    start(['pods'], { timing: { unreadableAfterMs: 20 } });
    (await api.next(`list ${PODS}`)).reply(200, listOf(10, pod('a', 1)));
    (await api.next(`watch ${PODS}`)).reply(410, status(410, 'Expired', 'x'));
    for (let i = 0; i < 6; i++) (await api.next(`list ${PODS}`)).reply(500, status(500, 'InternalError', 'x'));
    (await api.next(`list ${PODS}`)).reply(200, listOf(20, pod('b', 15)));
    expect(await told(2)).toEqual(['listed a@1', 'listed b@15']);
  });

  it('is a built-in resource that is not served', async () => {
    start(['networkpolicies']);
    (await api.next('list /apis/networking.k8s.io/v1/networkpolicies')).reply(404, status(404, 'NotFound', 'x'));
    expect(await told(1)).toEqual(['unreadable: the server does not serve it']);
  });

  it('is a policy that is served in unknown versions only', async () => {
    start(['clusternetworkpolicies']);
    (await api.next(`list ${CNP}`)).reply(404, status(404, 'NotFound', 'x'));
    (await api.next(`list ${GROUP}`)).reply(200, { versions: [{ version: 'v1' }, { version: 'v1alpha2' }] });
    (await api.next(`list ${GROUP}/v1`)).reply(200, { resources: [{ name: 'clusternetworkpolicies' }] });
    (await api.next(`list ${GROUP}/v1alpha2`)).reply(200, { resources: [{ name: 'other' }] });
    expect(await told(1)).toEqual(['unreadable: it is served as v1 only, which this version of Rampart does not read']);
  });

  it('is a resource that is there and forbidden; one that is not there is absent, forbidden or not', async () => {
    start(['clusternetworkpolicies']);
    (await api.next(`list ${CNP}`)).reply(403, status(403, 'Forbidden', 'no'));
    (await api.next(`list ${GROUP}`)).reply(200, { versions: [{ version: 'v1alpha2' }] });
    (await api.next(`list ${GROUP}/v1alpha2`)).reply(200, { resources: [{ name: 'clusternetworkpolicies' }] });
    expect(await told(1)).toEqual(['unreadable: no']);
    (await api.next(`list ${CNP}`)).reply(403, status(403, 'Forbidden', 'no'));
    (await api.next(`list ${GROUP}`)).reply(404, status(404, 'NotFound', 'x'));
    expect(await told(1)).toEqual(['absent']);
  });
});

describe('a resource of a definition', () => {
  it('is absent until the definition comes, then listed at once', async () => {
    const { ready } = start(['clusternetworkpolicies']);
    (await api.next(`list ${CNP}`)).reply(404, '404 page not found');
    (await api.next(`list ${GROUP}`)).reply(404, '404 page not found');
    await ready;
    const watch = await api.next(`watch ${CRDS}`);
    expect(watch.query.get('fieldSelector')).toBe('metadata.name=clusternetworkpolicies.policy.networking.k8s.io');
    expect(watch.headers.accept).toContain('as=PartialObjectMetadata');
    const stream = watch.open();
    stream.send({ type: 'ADDED', object: { metadata: { name: 'x', resourceVersion: '4' } } });
    // Known, but not served yet.
    (await api.next(`list ${GROUP}`)).reply(404, {});
    (await api.next(`list ${GROUP}`)).reply(200, { versions: [{ version: 'v1alpha2' }] });
    (await api.next(`list ${GROUP}/v1alpha2`)).reply(200, { resources: [{ name: 'clusternetworkpolicies' }] });
    (await api.next(`list ${CNP}`)).reply(200, listOf(7, { metadata: { name: 'p', resourceVersion: '6' } }));
    await api.next(`watch ${CNP}`);
    await stream.gone;
    expect(await told(2)).toEqual(['absent', 'listed p@6']);
  });

  it('is looked for from time to time where definitions may not be watched', async () => {
    start(['clusternetworkpolicies']);
    (await api.next(`list ${CNP}`)).reply(404, {});
    (await api.next(`list ${GROUP}`)).reply(404, {});
    (await api.next(`watch ${CRDS}`)).reply(403, status(403, 'Forbidden', 'no'));
    for (let i = 0; i < 3; i++) (await api.next(`list ${GROUP}`)).reply(404, {});
    (await api.next(`list ${GROUP}`)).reply(200, { versions: [{ version: 'v1alpha2' }] });
    (await api.next(`list ${GROUP}/v1alpha2`)).reply(200, { resources: [{ name: 'clusternetworkpolicies' }] });
    (await api.next(`list ${CNP}`)).reply(200, listOf(7));
    expect(await told(2)).toEqual(['absent', 'listed']);
  });

  it('becomes absent when its definition goes, and is not believed gone at once while objects are known', async () => {
    start(['clusternetworkpolicies']);
    (await api.next(`list ${CNP}`)).reply(200, listOf(7, { metadata: { name: 'p', resourceVersion: '6' } }));
    (await api.next(`watch ${CNP}`)).reply(404, {});
    (await api.next(`list ${CNP}`)).reply(404, {});
    (await api.next(`list ${GROUP}`)).reply(404, {});
    // Asked once more, and it was a server that had just begun.
    (await api.next(`list ${GROUP}`)).reply(200, { versions: [{ version: 'v1alpha2' }] });
    (await api.next(`list ${GROUP}/v1alpha2`)).reply(200, { resources: [{ name: 'clusternetworkpolicies' }] });
    (await api.next(`list ${CNP}`)).reply(200, listOf(9, { metadata: { name: 'p', resourceVersion: '6' } }));
    const stream = (await api.next(`watch ${CNP}`)).open();
    stream.send({ type: 'DELETED', object: { metadata: { name: 'p', resourceVersion: '10' } } });
    expect(await told(3)).toEqual(['listed p@6', 'listed p@6', 'removed p@10']);
    stream.end();
    (await api.next(`watch ${CNP}`)).reply(404, {});
    (await api.next(`list ${CNP}`)).reply(404, {});
    (await api.next(`list ${GROUP}`)).reply(404, {});
    expect(await told(1)).toEqual(['absent']);
  });
});
