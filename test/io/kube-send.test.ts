import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IoError } from '../../src/io/io-error.ts';
import { type KubeClient, openClient } from '../../src/io/kube-client.ts';
import { connect } from '../../src/io/kubeconfig.ts';
import { type ScriptedApi, startScriptedApi, status } from './scripted-api.ts';

let dir = '';
let api: ScriptedApi;
let client: KubeClient;
let waits: number[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rampart-send-'));
  api = await startScriptedApi();
  client = openClient(await connect({ server: api.server }), { timeoutMs: 2000, wait: noted });
  waits = [];
});
afterEach(async () => {
  client.close();
  await api.close();
  rmSync(dir, { recursive: true, force: true });
});

async function noted(ms: number): Promise<void> {
  waits.push(ms);
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

const POST = 'POST /api/v1/namespaces';

describe('send', () => {
  it('sends JSON of a type and gives the answer, whatever it is', async () => {
    const sent = client.send('PATCH', '/x?y=1', { ä: [1] }, 'application/merge-patch+json');
    const asked = await api.next('PATCH /x');
    expect([asked.body, asked.headers['content-type'], asked.query.get('y')]).toEqual([
      '{"ä":[1]}',
      'application/merge-patch+json',
      '1',
    ]);
    expect(asked.headers['content-length']).toBe('10');
    asked.reply(409, status(409, 'Conflict', 'changed'));
    expect(await sent).toMatchObject({ status: 409, body: { message: 'changed' } });
    const gone = client.send('DELETE', '/x');
    const second = await api.next('DELETE /x');
    expect([second.body, second.headers['content-type']]).toEqual(['', undefined]);
    second.reply(200, 'no JSON');
    expect(await gone).toEqual({ status: 200, body: null });
  });

  it('repeats only what the server has surely not done', async () => {
    const sent = client.send('POST', '/api/v1/namespaces', {});
    (await api.next(POST)).reply(429, {});
    (await api.next(POST)).reply(503, {}, { 'Retry-After': '3' });
    (await api.next(POST)).reply(500, status(500, 'InternalError', 'half done'));
    expect(await sent).toMatchObject({ status: 500 });
    expect(waits).toEqual([200, 3000]);
    const lost = failure(client.send('POST', '/api/v1/namespaces', {}));
    (await api.next(POST)).drop();
    expect((await lost).code).toBe('unreachable');
    const slow = failure(client.send('POST', '/api/v1/namespaces', {}));
    await api.next(POST);
    expect((await slow).code).toBe('timeout');
    expect(api.asked.filter((name) => name === POST)).toHaveLength(5);
  });

  it('can be broken off', async () => {
    const controller = new AbortController();
    const sent = failure(client.send('POST', '/api/v1/namespaces', {}, undefined, controller.signal));
    await api.next(POST);
    controller.abort();
    expect((await sent).code).toBe('interrupted');
    expect((await failure(client.send('POST', '/y', {}, undefined, controller.signal))).code).toBe('interrupted');
    const other = failure(client.get('/z'));
    await api.next('list /z');
    client.close();
    expect((await other).code).toBe('interrupted');
    expect((await failure(client.get('/z'))).code).toBe('interrupted');
  });
});

describe('stream', () => {
  it('fails where the connection breaks off, and not where the server ends the answer', async () => {
    const lines: string[] = [];
    const whole = client.stream('/s', (line) => {
      lines.push(line);
    });
    const first = (await api.next('list /s')).open();
    first.raw('a\n\nb\r\nlast');
    first.end();
    expect(await whole).toEqual({ status: 200, body: null });
    expect(lines).toEqual(['a', 'b\r', 'last']);
    const half = failure(client.stream('/s', () => undefined));
    const second = (await api.next('list /s')).open();
    second.raw('a\n');
    second.drop();
    expect((await half).code).toBe('unreachable');
    const cut = failure(client.stream('/s', () => undefined));
    const third = (await api.next('list /s')).open({ 'Content-Encoding': 'gzip' });
    third.raw(gzipSync('hello\n').subarray(0, 20));
    third.end();
    expect((await cut).code).toBe('unreachable');
  });

  it('reads no more than what is taken', async () => {
    // Far more than sockets hold: 64 MB of lines.
    const pour = async (name: string): Promise<() => number> => {
      const stream = (await api.next(name)).open();
      for (let i = 0; i < 64; i++) stream.raw(`${'x'.repeat(1023)}\n`.repeat(1024));
      return () => stream.pending();
    };
    const slow = { idleMs: 60_000 };
    const stuck = client.stream('/stuck', () => new Promise<void>(() => undefined), undefined, slow);
    const untaken = await pour('list /stuck');
    const free = client.stream('/free', () => undefined, undefined, slow);
    const taken = await pour('list /free');
    await expect.poll(taken, { timeout: 30_000 }).toBe(0);
    expect(untaken()).toBeGreaterThan(48 * 1024 * 1024);
    client.close();
    expect((await failure(free)).code).toBe('interrupted');
    void stuck.catch(() => undefined);
  });
});

describe('a server on a socket of this machine', () => {
  it('is `unix:///PATH`', async () => {
    const path = join(dir, 'api server.sock');
    const local = await startScriptedApi(path);
    try {
      const own = openClient(await connect({ server: `unix://${encodeURI(path)}` }));
      const got = own.get('/version');
      (await local.next('list /version')).reply(200, { gitVersion: 'v1' });
      expect(await got).toEqual({ status: 200, body: { gitVersion: 'v1' } });
      own.close();
    } finally {
      await local.close();
    }
    const nobody = openClient(await connect({ server: `unix://${join(dir, 'none.sock')}` }));
    expect((await failure(nobody.get('/version'))).code).toBe('unreachable');
  });

  it('can be in a kubeconfig', async () => {
    const path = join(dir, 'a.sock');
    const local = await startScriptedApi(path);
    const file = join(dir, 'config');
    writeFileSync(
      file,
      JSON.stringify({
        'current-context': 'c',
        clusters: [{ name: 'c', cluster: { server: `unix://${path}` } }],
        contexts: [{ name: 'c', context: { cluster: 'c' } }],
      }),
    );
    try {
      const own = openClient(await connect({ kubeconfig: file }));
      const got = own.get('/version');
      (await local.next('list /version')).reply(200, {});
      expect((await got).status).toBe(200);
      own.close();
    } finally {
      await local.close();
    }
  });

  it.each(['https://a', 'unix://host/path', 'unix:///', '10.0.0.1:80', 'ftp://a'])('refuses %s', async (server) => {
    expect((await failure(connect({ server }))).code).toBe('kubeconfig');
  });
});

describe('inside of a cluster', () => {
  async function signedIn(env: NodeJS.ProcessEnv): Promise<{ server: string; request: RequestOptions }> {
    const connection = await connect({ serviceAccount: dir }, env);
    const request: RequestOptions = {};
    await connection.signIn(request);
    return { server: connection.server, request };
  }

  it('takes the service account, reading the token whenever it is needed', async () => {
    writeFileSync(join(dir, 'ca.crt'), 'the authority');
    writeFileSync(join(dir, 'token'), 'one\n');
    const env = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '6443' };
    const connection = await connect({ serviceAccount: dir }, env);
    expect(connection.server).toBe('https://10.0.0.1:6443');
    for (const token of ['one', 'two']) {
      writeFileSync(join(dir, 'token'), token);
      const request: RequestOptions = {};
      await connection.signIn(request);
      expect(request.headers).toEqual({ Authorization: `Bearer ${token}` });
      expect(String(request.ca)).toBe('the authority');
    }
    rmSync(join(dir, 'token'));
    const lost = await failure(openClient(connection).get('/version'));
    expect([lost.code, lost.message.includes('ENOENT')]).toEqual(['unauthorized', true]);
  });

  it('knows IPv6, the usual port, and proxies that the environment names', async () => {
    writeFileSync(join(dir, 'ca.crt'), 'the authority');
    writeFileSync(join(dir, 'token'), 'one');
    expect((await signedIn({ KUBERNETES_SERVICE_HOST: 'fd00::1' })).server).toBe('https://[fd00::1]:443');
    const env = { KUBERNETES_SERVICE_HOST: '10.0.0.1', HTTPS_PROXY: 'http://127.0.0.1:9' };
    const proxied = await connect({ serviceAccount: dir }, env);
    expect(proxied.proxied).toBe(true);
    expect((await failure(openClient(proxied).get('/version'))).code).toBe('unreachable');
    expect((await connect({ serviceAccount: dir }, { ...env, NO_PROXY: '10.0.0.0/8' })).proxied).toBe(false);
    expect((await failure(connect({ serviceAccount: join(dir, 'no') }, env))).code).toBe('kubeconfig');
  });
});

describe('credentials that are refused', () => {
  it('are read again, once for all requests that they were refused for', async () => {
    const file = join(dir, 'config');
    let reads = 0;
    const write = (token: string): void =>
      writeFileSync(
        file,
        JSON.stringify({
          'current-context': 'c',
          clusters: [{ name: 'c', cluster: { server: api.server } }],
          users: [{ name: 'u', user: { token } }],
          contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
        }),
      );
    write('old');
    const connection = await connect({ kubeconfig: file });
    const own = openClient({
      ...connection,
      renew: () => {
        reads++;
        return connect({ kubeconfig: file });
      },
    });
    const posted = own.send('POST', '/p', { a: 1 });
    const got = own.get('/g');
    const streamed = own.stream('/s', () => undefined);
    const refused = [await api.next('POST /p'), await api.next('list /g'), await api.next('list /s')];
    expect(refused.map((one) => one.headers.authorization)).toEqual(['Bearer old', 'Bearer old', 'Bearer old']);
    write('new');
    for (const one of refused) one.reply(401, status(401, 'Unauthorized', 'Unauthorized'));
    const again = [await api.next('POST /p'), await api.next('list /g'), await api.next('list /s')];
    expect(again.map((one) => one.headers.authorization)).toEqual(['Bearer new', 'Bearer new', 'Bearer new']);
    expect(again[0]?.body).toBe('{"a":1}');
    for (const one of again) one.reply(200, {});
    expect([(await posted).status, (await got).status, (await streamed).status]).toEqual([200, 200, 200]);
    expect(reads).toBe(1);
    const last = failure(own.send('POST', '/p', {}));
    (await api.next('POST /p')).reply(401, {});
    (await api.next('POST /p')).reply(401, {});
    expect((await last).code).toBe('unauthorized');
    own.close();
  });
});
