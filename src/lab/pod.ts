import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { attemptAll, type DenyMode } from './pod/attempt.ts';
import { type Answer, type Listening, listenOn } from './pod/listen.ts';
import type { PodAnswer, PodRequest } from './pod-protocol.ts';

/** The file that node runs in a pod: `node FILE NAME drop|reject`. It ends when its standard input does. */
export const POD_PROGRAM: string = fileURLToPath(import.meta.url);

function main(name: string, deny: DenyMode): void {
  let listening: Listening | null = null;
  let dns: Answer | null = null;

  const answer = async (request: PodRequest): Promise<PodAnswer> => {
    switch (request.kind) {
      case 'listen':
        listening?.close();
        listening = await listenOn({
          name,
          listeners: request.listeners,
          addresses: request.addresses,
          dns: () => dns,
        });
        return { id: request.id, kind: 'listening', failed: listening.failed };
      case 'connect':
        return {
          id: request.id,
          kind: 'connected',
          outcomes: await attemptAll(request.attempts, request.parallel, deny),
        };
      case 'zone': {
        // Only the pods that answer for names need a codec.
        const { dnsAnswer } = await import('./dns.ts');
        dns = dnsAnswer(request.zone);
        return { id: request.id, kind: 'zone-taken' };
      }
    }
  };

  createInterface({ input: process.stdin })
    .on('line', (line) => {
      void answer(JSON.parse(line) as PodRequest).then((said) => process.stdout.write(`${JSON.stringify(said)}\n`));
    })
    .on('close', () => process.exit(0));
}

if (process.argv[1] === POD_PROGRAM) main(process.argv[2] ?? '', process.argv[3] === 'reject' ? 'reject' : 'drop');
