import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IoError } from './io-error.ts';
import { type ClusterReading, type ReadClusterOptions, readFrom } from './kube.ts';
import { connect } from './kubeconfig.ts';

/** Answers one request; `undefined` leaves it to the defaults: an empty cluster without custom resources. */
type Answerer = (path: string, query: URLSearchParams, request: IncomingMessage) => Reply | undefined;
type Reply =
  | { readonly status?: number; readonly body?: unknown; readonly headers?: Record<string, string> }
  | ((response: ServerResponse) => void);

let dir = '';
let server: Server | null = null;
let seen: string[] = [];
let waits: number[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rampart-kube-'));
  seen = [];
  waits = [];
});
afterEach(async () => {
  rmSync(dir, { recursive: true, force: true });
  server?.closeAllConnections();
  await new Promise((done) => (server === null ? done(null) : server.close(done)));
  server = null;
});

async function serve(answer: Answerer): Promise<number> {
  server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    seen.push(`${request.method} ${url.pathname}${url.search}`);
    const reply = answer(url.pathname, url.searchParams, request) ?? usual(url.pathname);
    if (typeof reply === 'function') {
      reply(response);
      return;
    }
    response.writeHead(reply.status ?? 200, { 'Content-Type': 'application/json', ...reply.headers });
    response.end(JSON.stringify(reply.body ?? {}));
  });
  const listening = server;
  await new Promise<void>((done) => listening.listen(0, '127.0.0.1', done));
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function usual(path: string): Reply {
  if (path === '/version') return { body: { gitVersion: 'v1.30.0' } };
  if (path === '/apis') return { body: { kind: 'APIGroupDiscoveryList', items: [] } };
  return { body: { kind: 'List', metadata: {}, items: [] } };
}

function kubeconfig(
  port: number,
  cluster: Record<string, unknown> = {},
  user: Record<string, unknown> = { token: 't' },
): string {
  const file = join(dir, 'config');
  const config = {
    'current-context': 'ctx',
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}`, ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'ctx', context: { cluster: 'c', user: 'u' } }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function read(answer: Answerer, options: ReadClusterOptions = {}): Promise<ClusterReading> {
  const port = await serve(answer);
  return readFrom(await connect({ kubeconfig: kubeconfig(port) }), {
    wait: async (ms) => {
      waits.push(ms);
    },
    ...options,
  });
}

async function failure(promise: Promise<unknown>): Promise<IoError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof IoError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

const pod = (name: string): unknown => ({ metadata: { name, namespace: 'n' }, spec: {}, status: {} });
const PODS = '/api/v1/pods';

function podNames(reading: ClusterReading): string[] {
  return reading.objects.filter((o) => o.ref.kind === 'Pod').map((o) => o.ref.name);
}

describe('readCluster', () => {
  it('only ever asks, and only for lists', async () => {
    await read(() => undefined);
    expect(seen.every((line) => line.startsWith('GET '))).toBe(true);
    expect(seen).not.toContain(expect.stringContaining('secrets'));
    expect(seen).toContain('GET /api/v1/pods?limit=500');
  });

  it('waits as long as the server asks for, and no longer than bearable', async () => {
    let asked = 0;
    const reading = await read((path) => {
      if (path !== PODS) return undefined;
      asked++;
      if (asked === 1) return { status: 429, headers: { 'Retry-After': '7' } };
      if (asked === 2) return { status: 503, headers: { 'Retry-After': '86400' } };
      if (asked === 3) return { status: 500 };
      return { body: { items: [pod('a')] } };
    });
    expect(podNames(reading)).toEqual(['a']);
    expect(waits).toEqual([7000, 30_000, 800]);
    expect(reading.missing).toEqual([]);
  });

  it('gives up on one resource that keeps failing and names it', async () => {
    const reading = await read((path) =>
      path === PODS ? { status: 500, body: { kind: 'Status', message: 'etcd is on fire' } } : undefined,
    );
    expect(reading.missing).toEqual([{ resource: 'pods', group: '', reason: 'etcd is on fire' }]);
    expect(seen.filter((line) => line.includes(PODS)).length).toBe(5);
    expect(reading.diagnostics[0]).toMatchObject({ code: 'RP801', severity: 'warning' });
    expect(reading.diagnostics[0]?.message).toBe('`pods` could not be read: etcd is on fire');
  });

  it('begins a list again when its pages have expired, and asks for all at once the third time', async () => {
    const reading = await read((path, query) => {
      if (path !== PODS) return undefined;
      if (query.get('continue') !== null) return { status: 410, body: { kind: 'Status', reason: 'Expired' } };
      if (query.get('limit') === null) return { body: { items: [pod('a'), pod('b'), pod('c')] } };
      return { body: { metadata: { continue: 'x y' }, items: [pod('a'), pod('old')] } };
    });
    expect(podNames(reading)).toEqual(['a', 'b', 'c']);
    expect(seen.filter((line) => line.includes(PODS))).toEqual([
      'GET /api/v1/pods?limit=500',
      'GET /api/v1/pods?limit=500&continue=x%20y',
      'GET /api/v1/pods?limit=500',
      'GET /api/v1/pods?limit=500&continue=x%20y',
      'GET /api/v1/pods',
    ]);
  });

  it('never takes half an answer for a whole one', async () => {
    const whole = JSON.stringify({ items: [pod('a')], metadata: {} });
    let asked = 0;
    const reading = await read((path) => {
      if (path !== PODS) return undefined;
      asked++;
      // With a length, without one, and cut in JSON that is valid up to there.
      if (asked === 1) {
        return (response) => {
          response.writeHead(200, { 'Content-Length': String(whole.length) });
          response.write(whole.slice(0, 20));
          setTimeout(() => response.destroy(), 20);
        };
      }
      if (asked === 2) {
        return (response) => {
          response.writeHead(200);
          response.write(whole);
          setTimeout(() => response.destroy(), 20);
        };
      }
      return { body: { items: [pod('a'), pod('b')] } };
    });
    expect(podNames(reading)).toEqual(['a', 'b']);
  });

  it('takes an answer that is no list for a failure', async () => {
    const reading = await read((path) => (path === PODS ? { body: { kind: 'Status', status: 'Success' } } : undefined));
    expect(reading.missing.map((m) => m.resource)).toEqual(['pods']);
  });

  it('names a resource that does not answer in time', async () => {
    const reading = await read((path) => (path === PODS ? () => undefined : undefined), { timeoutMs: 200 });
    expect(reading.missing).toEqual([{ resource: 'pods', group: '', reason: 'no answer in time' }]);
  });

  it('reads compressed answers', async () => {
    const reading = await read((path) =>
      path === PODS
        ? (response) => {
            response.writeHead(200, { 'Content-Encoding': 'gzip' });
            response.end(gzipSync(JSON.stringify({ items: [pod('a')] })));
          }
        : undefined,
    );
    expect(podNames(reading)).toEqual(['a']);
  });

  it('asks group by group where the server is old, and misses what it cannot ask about', async () => {
    const group = (name: string, ...versions: string[]): unknown => ({
      name,
      versions: versions.map((version) => ({ version, groupVersion: `${name}/${version}` })),
      preferredVersion: { version: versions.at(-1) },
    });
    const reading = await read((path) => {
      switch (path) {
        case '/apis':
          return {
            body: {
              kind: 'APIGroupList',
              groups: [
                group('gateway.networking.k8s.io', 'v1beta1', 'v1'),
                group('route.openshift.io', 'v1'),
                group('metrics.k8s.io', 'v1beta1'),
              ],
            },
          };
        case '/apis/gateway.networking.k8s.io/v1':
        case '/apis/gateway.networking.k8s.io/v1beta1':
          return { body: { resources: [{ name: 'httproutes' }, { name: 'httproutes/status' }] } };
        case '/apis/gateway.networking.k8s.io/v1/httproutes':
          return { body: { items: [{ metadata: { name: 'r', namespace: 'n' }, spec: {} }] } };
        case '/apis/route.openshift.io/v1':
        case '/apis/route.openshift.io/v1/routes':
          return { status: 503, body: { message: 'service unavailable' } };
        default:
          return undefined;
      }
    });
    expect(reading.objects.map((o) => `${o.ref.apiVersion}/${o.ref.kind}`)).toEqual([
      'gateway.networking.k8s.io/v1/HTTPRoute',
    ]);
    expect(reading.missing).toEqual([
      { resource: 'routes', group: 'route.openshift.io', reason: 'service unavailable' },
    ]);
  });

  it('lets nothing look absent where it may not discover', async () => {
    const reading = await read((path) => {
      if (path === '/apis') return { status: 403, body: { message: 'no discovery for you' } };
      if (path.startsWith('/apis/policy.networking.k8s.io/v1alpha1/')) return { status: 404 };
      if (path.endsWith('/clusternetworkpolicies')) return { status: 403, body: { message: 'no list for you' } };
      return undefined;
    });
    const reasons = new Map(reading.missing.map((m) => [`${m.resource}.${m.group}`, m.reason]));
    expect(reasons.get('clusternetworkpolicies.policy.networking.k8s.io')).toBe('forbidden: no list for you');
    expect(reasons.has('adminnetworkpolicies.policy.networking.k8s.io')).toBe(false);
    expect(reasons.get('httproutes.gateway.networking.k8s.io')).toBe('no discovery for you');
  });

  it('reads Calico by its API server, else from its storage, never twice', async () => {
    const both = (path: string): Reply | undefined => {
      if (path === '/apis')
        return { body: { items: [aggregated('projectcalico.org', 'v3'), aggregated('crd.projectcalico.org', 'v1')] } };
      if (path.endsWith('/networkpolicies')) return { body: { items: [pod(path.split('/')[2] ?? '')] } };
      return undefined;
    };
    const reading = await read(both);
    expect(names(reading)).toEqual(['networking.k8s.io', 'projectcalico.org']);
    server?.closeAllConnections();
    await new Promise((done) => server?.close(done));
    const stale = await read((path) => {
      const calico = { ...aggregated('projectcalico.org', 'v3', 'Stale'), resources: [] };
      return path === '/apis' ? { body: { items: [calico, aggregated('crd.projectcalico.org', 'v1')] } } : both(path);
    });
    expect(names(stale)).toEqual(['networking.k8s.io', 'crd.projectcalico.org']);
    expect(stale.missing).toEqual([]);
  });

  it('fails where what answers is not Kubernetes', async () => {
    for (const answer of [
      () => ({ body: { hello: 'world' } }),
      () => ({ status: 404 }),
      () => (response: ServerResponse) => response.end('<html>'),
    ] as Answerer[]) {
      expect((await failure(read(answer))).code).toBe('protocol');
      server?.closeAllConnections();
      await new Promise((done) => server?.close(done));
    }
  });

  it('fails where the credentials run out half-way', async () => {
    const error = await failure(read((path) => (path === PODS ? { status: 401 } : undefined)));
    expect([error.code, error.help]).toEqual([
      'unauthorized',
      'they may have expired: sign in again, or choose another context with --context',
    ]);
  });

  it('stops when told to', async () => {
    const controller = new AbortController();
    const reading = failure(
      read((path) => (path === PODS ? () => controller.abort() : undefined), { signal: controller.signal }),
    );
    expect((await reading).code).toBe('interrupted');
  });

  it('signs in with token file, password, exec plugin and impersonation', async () => {
    const headers: IncomingMessage['headers'][] = [];
    const port = await serve((_path, _query, request) => {
      headers.push(request.headers);
      return undefined;
    });
    writeFileSync(join(dir, 'token'), 'from-file');
    const plugin = `console.log(JSON.stringify({status: {token: 'exec-' + JSON.parse(process.env.KUBERNETES_EXEC_INFO).kind}}))`;
    const cases: [Record<string, unknown>, Record<string, unknown>][] = [
      [{ tokenFile: 'token' }, { authorization: 'Bearer from-file' }],
      [{ username: 'me', password: 'p:w' }, { authorization: `Basic ${Buffer.from('me:p:w').toString('base64')}` }],
      [
        { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', plugin] } },
        { authorization: 'Bearer exec-ExecCredential' },
      ],
      [
        { token: 't', as: 'jane', 'as-groups': ['devs'], 'as-user-extra': { scopes: ['view'] } },
        {
          authorization: 'Bearer t',
          'impersonate-user': 'jane',
          'impersonate-group': 'devs',
          'impersonate-extra-scopes': 'view',
        },
      ],
    ];
    for (const [user, expected] of cases) {
      headers.length = 0;
      await readFrom(await connect({ kubeconfig: kubeconfig(port, {}, user) }));
      expect(headers.length).toBeGreaterThan(10);
      for (const seenHeaders of headers) expect(seenHeaders).toMatchObject(expected);
    }
    const broken = { exec: { command: 'no-such-plugin' } };
    const error = await failure(connect({ kubeconfig: kubeconfig(port, {}, broken) }).then((c) => readFrom(c)));
    expect([error.code, error.message.includes('no-such-plugin')]).toEqual(['unauthorized', true]);
  });

  it('goes through the proxy of the cluster', async () => {
    const port = await serve(() => undefined);
    const tunnels: string[] = [];
    const proxy = createServer();
    proxy.on('connect', (request: IncomingMessage, near: Duplex) => {
      tunnels.push(request.url ?? '');
      const far = dial(port, '127.0.0.1', () => {
        near.write('HTTP/1.1 200 OK\r\n\r\n');
        near.pipe(far).pipe(near);
      });
      for (const socket of [near, far]) socket.on('error', () => undefined);
    });
    await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
    const address = proxy.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const file = kubeconfig(port, { 'proxy-url': `http://127.0.0.1:${address.port}` });
    try {
      expect((await readFrom(await connect({ kubeconfig: file }))).serverVersion).toBe('v1.30.0');
      expect(tunnels.length).toBeGreaterThan(0);
      expect(new Set(tunnels)).toEqual(new Set([`127.0.0.1:${port}`]));
    } finally {
      proxy.closeAllConnections();
      await new Promise((done) => proxy.close(done));
    }
  });
});

function aggregated(name: string, version: string, freshness = 'Current'): unknown & object {
  const resources = freshness === 'Stale' ? [] : [{ resource: 'networkpolicies' }];
  return { metadata: { name }, versions: [{ version, freshness, resources }] };
}

function names(reading: ClusterReading): string[] {
  return reading.objects.map((o) => o.ref.name);
}
