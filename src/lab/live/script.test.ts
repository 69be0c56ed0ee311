import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Attempt } from '../pod-protocol.ts';
import { clientOf, commandFor, readOutcomes } from './script.ts';

function find(program: string): string | null {
  const found = spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' });
  return found.status === 0 ? found.stdout.trim() : null;
}

/** What is found may be a script that starts it. */
function pythonItself(): string | null {
  const found = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' });
  return found.status === 0 ? found.stdout.trim() : null;
}

const namespaces = spawnSync('unshare', ['--net', 'sh', '-c', 'ip link set lo up && nft list tables']).status === 0;
if (!namespaces) console.log('skipped: clients of the probe script, since no network namespace can be made here');

/** Not every build of busybox has a nc that speaks UDP. */
const speaksUdp = /-[a-zA-Z0-9]*u/.test(spawnSync('busybox', ['nc', '-h'], { encoding: 'utf8' }).stderr ?? '');

/** What each client needs beside the plain tools that the script uses. */
const CLIENTS: readonly {
  readonly client: string;
  readonly links: readonly (readonly [string, string | null])[];
  readonly udp: boolean;
}[] = [
  { client: 'nc', links: [['nc', find('busybox')]], udp: speaksUdp },
  {
    client: 'bash',
    links: [
      ['bash', find('bash')],
      ['timeout', find('timeout')],
    ],
    udp: true,
  },
  { client: 'python3', links: [['python3', pythonItself()]], udp: true },
  { client: 'curl', links: [['curl', find('curl')]], udp: false },
  { client: 'wget', links: [['wget', find('wget')]], udp: false },
];
const TOOLS = ['sh', 'tr', 'cut', 'head', 'od', 'sleep', 'grep', 'true'];

/** A server on TCP and UDP 80, nothing on 81, and 82 is dropped. */
const SCENE = `
ip link set lo up
nft -f - <<'T'
table inet t {
 chain in {
  type filter hook input priority 0;
  tcp dport 82 drop
  udp dport 82 drop
 }
}
T
"$NODE" "$SERVER" & server=$!
while ! [ -e "$READY" ]; do sleep 0.05; done
PATH=$TOOLS "$@"
kill $server
`;
const SERVER = `
const { createServer } = require('node:net');
const { createSocket } = require('node:dgram');
const { writeFileSync } = require('node:fs');
createServer((socket) => socket.destroy()).listen(80, '::', () => {
  const socket = createSocket('udp6');
  socket.on('message', (_, from) => socket.send('hi', from.port, from.address));
  socket.bind(80, () => writeFileSync(process.env.READY, ''));
});
setTimeout(() => process.exit(0), 30000);
`;

const attempts: readonly Attempt[] = ['127.0.0.1', '::1'].flatMap((host) =>
  (['TCP', 'UDP'] as const).flatMap((protocol) =>
    [80, 81, 82].map((port) => ({ protocol, host, port, timeoutMs: 1000 })),
  ),
);

describe.skipIf(!namespaces)('the script', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rampart-script-'));
    writeFileSync(join(folder, 'server.cjs'), SERVER);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function run(client: string, links: readonly (readonly [string, string | null])[]): string {
    const tools = mkdtempSync(join(folder, 'tools-'));
    for (const tool of TOOLS) symlinkSync(find(tool) ?? '', join(tools, tool));
    for (const [name, target] of links) symlinkSync(target ?? '', join(tools, name));
    const ready = join(tools, 'ready');
    return execFileSync('unshare', ['--net', 'sh', '-c', SCENE, 'scene', ...commandFor(attempts)], {
      encoding: 'utf8',
      timeout: 30_000,
      env: {
        ...process.env,
        NODE: process.execPath,
        SERVER: join(folder, 'server.cjs'),
        READY: ready,
        TOOLS: tools,
        CLIENT: client,
      },
    });
  }

  for (const { client, links, udp } of CLIENTS) {
    const missing = links.find(([, target]) => target === null);
    if (missing !== undefined) console.log(`skipped: the probe script with ${client}, which is not installed`);
    test.skipIf(missing !== undefined)(`tells open, refused and silent ports apart with ${client}`, () => {
      const stdout = run(client, links);
      expect(clientOf(stdout)).toBe(client);
      const seen = readOutcomes(stdout, attempts).map(({ observed, quiet, detail }, i) => {
        const { host, protocol, port } = attempts[i] ?? { host: '', protocol: '', port: 0 };
        return `${host} ${protocol} ${port} ${observed}${quiet === true ? ' quiet' : ''}${observed === 'error' && quiet !== true ? ` ${detail}` : ''}`;
      });
      const none = 'error no client for UDP';
      expect(seen).toEqual(
        ['127.0.0.1', '::1'].flatMap((host) => [
          `${host} TCP 80 allowed`,
          `${host} TCP 81 error quiet`,
          `${host} TCP 82 denied`,
          `${host} UDP 80 ${udp ? 'allowed' : none}`,
          `${host} UDP 81 ${udp ? 'error quiet' : none}`,
          `${host} UDP 82 ${udp ? 'error quiet' : none}`,
        ]),
      );
    });
  }

  test('says so where the image has no client', () => {
    const stdout = run('none', []);
    expect(clientOf(stdout)).toBe('none');
    const [first] = readOutcomes(stdout, attempts);
    expect(first).toMatchObject({
      observed: 'error',
      blind: 'the image has none of agnhost, nc, bash, python3, curl, wget',
    });
    expect(first?.quiet).toBeUndefined();
  });
});

describe('outcomes', () => {
  const two = attempts.slice(0, 2);
  test('keep the order of the attempts, whatever the order of the lines', () => {
    const seen = readOutcomes('client nc\n1 timeout no answer\n0 open\n', two);
    expect(seen.map(({ observed }) => observed)).toEqual(['allowed', 'denied']);
  });

  test('that are missing or cannot be read are errors, never a verdict', () => {
    for (const text of ['', 'garbage\n', '7 open\n', '0\n', '00x open']) {
      expect(readOutcomes(text, two).map(({ observed, blind }) => [observed, blind])).toEqual([
        ['error', undefined],
        ['error', undefined],
      ]);
    }
    expect(readOutcomes('0 other strange things\n', two)[0]).toMatchObject({
      observed: 'error',
      detail: 'strange things',
    });
  });

  test('count once: a second line of the same attempt is not believed', () => {
    expect(readOutcomes('0 timeout x\n0 open\n', two)[0]?.observed).toBe('denied');
  });
});
