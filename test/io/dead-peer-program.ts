import { execFileSync, fork } from 'node:child_process';
import { createServer } from 'node:http';
import { openClient } from '../../src/io/kube-client.ts';
import { connect } from '../../src/io/kubeconfig.ts';

// In a network namespace of its own: a stream whose peer vanishes without a word, since all packets are dropped.
const PORT = 7000;
const DROP = `table inet gone {
  chain c {
    type filter hook input priority 0;
    tcp dport ${PORT} drop;
    tcp sport ${PORT} drop;
  }
}
`;

if (process.argv[2] === 'server') {
  const server = createServer((_request, response) => {
    response.writeHead(200);
    response.write('first\n');
  });
  server.listen(PORT, '127.0.0.1', () => process.send?.('listening'));
} else {
  const child = fork(import.meta.filename, ['server']);
  await new Promise((done) => child.once('message', done));
  const client = openClient(await connect({ server: `http://127.0.0.1:${PORT}` }));
  let gone = 0;
  const vanish = (): void => {
    execFileSync('nft', ['-f', '-'], { input: DROP });
    gone = Date.now();
  };
  try {
    await client.stream('/', vanish, undefined, { idleMs: 60_000 });
    console.log('ended');
  } catch {
    console.log(`noticed ${Date.now() - gone}`);
  }
  client.close();
  child.kill();
}
