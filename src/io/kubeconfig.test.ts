import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IoError } from './io-error.ts';
import { type Connection, connect, proxyFor } from './kubeconfig.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rampart-kubeconfig-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(name: string, value: unknown): string {
  const file = join(dir, name);
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  return file;
}

function config(name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    'current-context': name,
    clusters: [{ name, cluster: { server: `https://${name}.example.com` } }],
    users: [{ name, user: { token: `token-${name}` } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    ...more,
  };
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

async function authorization(connection: Connection): Promise<unknown> {
  const request: RequestOptions = {};
  await connection.signIn(request);
  return (request.headers as Record<string, unknown> | undefined)?.Authorization;
}

describe('connect', () => {
  it('merges the files of KUBECONFIG as kubectl does: the first of a name counts, absent files are none', async () => {
    const a = put('a', config('a'));
    const b = put('b', {
      ...config('b'),
      users: [{ name: 'a', user: { token: 'late' } }, ...(config('b').users as unknown[])],
    });
    const env = { KUBECONFIG: [join(dir, 'absent'), a, b].join(delimiter) };
    const first = await connect({}, env);
    expect([first.context, first.server, await authorization(first)]).toEqual([
      'a',
      'https://a.example.com',
      'Bearer token-a',
    ]);
    expect((await connect({ context: 'b' }, env)).server).toBe('https://b.example.com');
  });

  it('falls back to ~/.kube/config, and says what to do where there is none', async () => {
    const error = await failure(connect({}, { HOME: dir }));
    expect([error.code, error.message]).toEqual(['kubeconfig', 'no cluster to read: there is no kubeconfig']);
    expect(error.help).toContain('-f PATH');
    const gone = await failure(connect({}, { KUBECONFIG: join(dir, 'gone') }));
    expect(gone.message).toBe(`KUBECONFIG names \`${dir}/gone\`, which does not exist`);
    put('config.yaml', config('a'));
    const mistyped = await failure(connect({ kubeconfig: join(dir, 'confg.yaml') }));
    expect([mistyped.code, mistyped.help]).toEqual(['not-found', `did you mean \`${dir}/config.yaml\`?`]);
  });

  it.each([
    ['not YAML', '{', 'is no kubeconfig'],
    ['a list', '[]', 'neither clusters nor contexts'],
    ['empty', '', 'the input is empty'],
    ['a manifest', 'apiVersion: v1\nkind: Pod\n', 'neither clusters nor contexts'],
  ])('refuses a file that is %s', async (_name, text, says) => {
    const error = await failure(connect({ kubeconfig: put('x', text) }));
    expect(error.code).toBe('kubeconfig');
    expect(error.message).toContain(says);
  });

  it('says which part of a context is missing', async () => {
    const contexts = [{ name: 'a', context: { cluster: 'other', user: 'a' } }];
    expect((await failure(connect({ kubeconfig: put('x', config('a', { contexts })) }))).message).toBe(
      'context `a` names no cluster with a server address',
    );
    const users = [{ name: 'b', user: {} }];
    expect((await failure(connect({ kubeconfig: put('x', config('a', { users })) }))).message).toBe(
      'context `a` names the user `a`, which the kubeconfig does not have',
    );
    const none = await failure(connect({ kubeconfig: put('x', config('a', { 'current-context': '' })) }));
    expect([none.code, none.help]).toEqual(['unknown-context', 'choose one with --context: `a`']);
    const wrong = await failure(connect({ kubeconfig: put('x', config('production')), context: 'prodution' }));
    expect([wrong.code, wrong.help]).toEqual(['unknown-context', 'did you mean `production`?']);
  });

  it('keeps the certificate authority of a context without a user', async () => {
    const ca = Buffer.from('the ca').toString('base64');
    const clusters = [{ name: 'a', cluster: { server: 'https://a', 'certificate-authority-data': ca } }];
    const contexts = [{ name: 'a', context: { cluster: 'a' } }];
    const connection = await connect({ kubeconfig: put('x', config('a', { clusters, contexts, users: [] })) });
    const options: RequestOptions = {};
    await connection.signIn(options);
    expect(String(options.ca)).toBe('the ca');
  });
});

describe('proxyFor', () => {
  const env = {
    HTTPS_PROXY: 'proxy.example.com:3128',
    NO_PROXY: 'internal.example.com,.corp,10.0.0.0/8,other.com:6443',
  };
  it.each([
    ['https://api.example.org', 'http://proxy.example.com:3128'],
    ['http://api.example.org', null],
    ['https://internal.example.com', null],
    ['https://api.internal.example.com', null],
    ['https://notinternal.example.com', 'http://proxy.example.com:3128'],
    ['https://a.corp:6443', null],
    ['https://corp', 'http://proxy.example.com:3128'],
    ['https://10.1.2.3:6443', null],
    ['https://11.1.2.3', 'http://proxy.example.com:3128'],
    ['https://other.com:6443', null],
    ['https://other.com', 'http://proxy.example.com:3128'],
    ['https://localhost:6443', null],
    ['https://127.0.0.1:6443', null],
    ['https://[::1]:6443', null],
  ])('%s: %s', (url, expected) => {
    expect(proxyFor(new URL(url), env)).toBe(expected);
  });
});
