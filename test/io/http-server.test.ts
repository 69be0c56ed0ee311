import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Listening, parseListen, serve } from '../../src/io/http-server.ts';
import { lockNamespace } from '../../src/io/namespace-lock.ts';

const open: Listening[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function start(address: string, answer: (request: Request) => Promise<Response>): Promise<string> {
  const listening = await serve([address], answer);
  open.push(...listening);
  return listening[0]?.address ?? '';
}

describe('an address to listen at', () => {
  it.each([
    [':9790', { port: 9790, host: '::' }],
    ['127.0.0.1:80', { port: 80, host: '127.0.0.1' }],
    ['[::1]:80', { port: 80, host: '::1' }],
    ['localhost:0', { port: 0, host: 'localhost' }],
    ['unix:///run/x.sock', { path: '/run/x.sock' }],
  ])('%s', (text, options) => {
    expect(parseListen(text)).toEqual(options);
  });

  it.each(['', '9790', ':99999', '::1:80', 'unix://x', 'http://x:80', ':80/x'])('is not %s', (text) => {
    expect(parseListen(text)).toBeNull();
  });
});

describe('a server', () => {
  const echo = async (request: Request): Promise<Response> =>
    new Response(`${request.method} ${new URL(request.url).pathname}`, { status: 418, headers: { 'x-y': 'z' } });

  it('answers requests of every kind', async () => {
    const address = await start('127.0.0.1:0', echo);
    const answer = await fetch(`${address}/a?b`);
    expect([answer.status, answer.headers.get('x-y'), await answer.text()]).toEqual([418, 'z', 'GET /a']);
    expect(await (await fetch(address, { method: 'POST', body: 'x'.repeat(100_000) })).text()).toBe('POST /');
  });

  it('answers 500 where its handler throws, and goes on', async () => {
    let calls = 0;
    const address = await start('127.0.0.1:0', async () => {
      if (calls++ === 0) throw new Error('x');
      return new Response('fine');
    });
    expect((await fetch(address)).status).toBe(500);
    expect(await (await fetch(address)).text()).toBe('fine');
  });

  it('answers those who ask while others only hold connections', async () => {
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    const address = await start('127.0.0.1:0', async (request) => {
      if (new URL(request.url).pathname === '/slow') await slow;
      return new Response('fine');
    });
    const { port } = new URL(address);
    const first = fetch(`${address}/slow`);
    const held: Socket[] = [];
    for (let i = 0; i < 300; i++) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      held.push(socket);
      await new Promise((resolve) => socket.once('connect', resolve));
    }
    for (let i = 0; i < 5; i++) {
      const answer = await fetch(address, { headers: { connection: 'close' }, signal: AbortSignal.timeout(3000) });
      expect(await answer.text()).toBe('fine');
    }
    expect(held.filter((socket) => !socket.closed).length).toBeLessThanOrEqual(128);
    // An answer under way is not broken off for them.
    release();
    expect(await (await first).text()).toBe('fine');
    for (const socket of held) socket.destroy();
  });

  it('listens at a socket of the file system, also where one was left behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rampart-http-'));
    folders.push(folder);
    const path = join(folder, 's.sock');
    const leave = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', leave]);
    expect(existsSync(path)).toBe(true);
    await start(`unix://${path}`, echo);
    const body = await new Promise<string>((resolve, reject) => {
      const sent = request({ socketPath: path, path: '/livez' }, (response) => {
        response.setEncoding('utf8');
        response.on('data', resolve);
      });
      sent.on('error', reject);
      sent.end();
    });
    expect(body).toBe('GET /livez');
    await expect(serve([`unix://${path}`], echo)).rejects.toThrow(/cannot listen at/);
  });

  it('says what is wrong with an address that is taken, and leaves no other open', async () => {
    const address = await start('127.0.0.1:0', echo);
    const port = new URL(address).port;
    await expect(serve(['127.0.0.1:0', `127.0.0.1:${port}`], echo)).rejects.toMatchObject({
      name: 'IoError',
      help: expect.stringContaining('--listen'),
    });
  });
});

describe('the lock of a network namespace', () => {
  it('is held by one', async () => {
    const name = `rampart-test-${process.pid}`;
    const lock = await lockNamespace(name);
    await expect(lockNamespace(name)).rejects.toMatchObject({
      name: 'IoError',
      message: expect.stringContaining(name),
    });
    await lock.release();
    await (await lockNamespace(name)).release();
  });

  it('ends with its process', async () => {
    const name = `rampart-test-killed-${process.pid}`;
    const take = `require('net').createServer().listen(${JSON.stringify(`\0${name}`)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', take]).signal).toBe('SIGKILL');
    await (await lockNamespace(name)).release();
  });
});
