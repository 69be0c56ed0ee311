import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Listening, listenOn } from './listen.ts';

let listening: Listening | null = null;
afterEach(() => {
  listening?.close();
  listening = null;
});

/** A port that is free just now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function listen(): Promise<number> {
  const port = await freePort();
  const listeners = [{ protocol: 'TCP', port }] as const;
  listening = await listenOn({ name: 'shop/api', listeners, addresses: ['127.0.0.1'], dns: () => null });
  expect(listening.failed).toEqual([]);
  return port;
}

/** All that is answered until `enough` has come, or the other side ends. */
function talk(port: number, words: string, enough: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => {
      if (words !== '') socket.write(words);
    });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (enough !== '' && text.includes(enough)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

describe('what listens in a pod', () => {
  it('tells its name to whoever says nothing, and to whoever says something, which comes back', async () => {
    const port = await listen();
    expect(await talk(port, '', '\n')).toBe('shop/api\n');
    expect(await talk(port, 'hello there\n', 'there\n')).toBe('shop/api\nhello there\n');
  });

  it('answers HTTP with its name', async () => {
    const port = await listen();
    const got = await fetch(`http://127.0.0.1:${port}/any/path`);
    expect([got.status, await got.text()]).toEqual([200, 'shop/api\n']);
    const posted = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'x'.repeat(200_000) });
    expect([posted.status, await posted.text()]).toEqual([200, 'shop/api\n']);
    const head = await talk(port, 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', '');
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(head).not.toContain('shop/api');
  });
});
