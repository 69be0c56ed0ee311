import { createServer } from 'node:net';
import { IoError, reasonOf, systemCode } from './io-error.ts';

/** Held by one process of a network namespace at a time; the system takes it away with the process. */
export interface NamespaceLock {
  release(): Promise<void>;
}

/**
 * Takes the lock `name`. Abstract sockets belong to a network namespace, have no file, and end with their process.
 * Throws {@link IoError} if another process has it.
 */
export function lockNamespace(name: string): Promise<NamespaceLock> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => {
      if (systemCode(error) !== 'EADDRINUSE') {
        reject(new IoError('unwritable', `cannot take the lock \`${name}\`: ${reasonOf(error)}`, { cause: error }));
        return;
      }
      reject(
        new IoError('unwritable', `another process of this network namespace holds \`${name}\``, {
          help: 'one agent writes one table; end the other one first (`ss -xlp` names it)',
        }),
      );
    });
    server.listen(`\0${name}`, () => {
      server.unref();
      resolve({ release: () => new Promise((done) => server.close(() => done())) });
    });
  });
}
