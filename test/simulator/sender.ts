/** Sends packets as told, line by line; runs in the namespace on one side of the router. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { Shot } from './router.ts';

/** What stands behind two words, a length and a checksum: the rest of an SCTP header with an INIT chunk; others do not mind. */
const PAYLOAD = Buffer.from('00000000' + '01000014' + '00000001' + '00010000' + '00010001' + '00000001', 'hex');

async function datagram({ source, destination, words: [from, to] }: Shot): Promise<void> {
  const socket = createSocket(source.includes(':') ? 'udp6' : 'udp4');
  // Refusals come back as errors of the socket.
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.bind(from, source, resolve));
  await new Promise((resolve) => socket.send(PAYLOAD, to, destination, resolve));
  socket.close();
}

/** The first packet of a connection that is given up before there is a second. */
async function segment({ source, destination, words: [from, to] }: Shot): Promise<void> {
  const socket = connect({ host: destination, port: to, localAddress: source, localPort: from });
  socket.on('error', () => {});
  await new Promise((resolve) => setTimeout(resolve, 15));
  socket.destroy();
}

const lines = createInterface({ input: process.stdin });
console.log('ready');
lines.on('line', async (line) => {
  const shots = JSON.parse(line) as readonly Shot[];
  await Promise.all(shots.map((shot) => (shot.protocol === 6 ? segment(shot) : datagram(shot))));
  console.log('sent');
});
await once(lines, 'close');
