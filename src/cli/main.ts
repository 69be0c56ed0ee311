import { reasonOf } from '../io/io-error.ts';
import { EXIT } from './exit-code.ts';
import { run } from './run.ts';

// Ctrl-C is left to the system, since a handler would wait for the end of a computation: the process ends at once. Files
// are written whole or not at all, and what waits for another program ends that one by handlers of its own.
const { signal } = new AbortController();

// A reader that has seen enough, such as `head`, is no failure; a full disk is one, but no reason for an agent to end.
let lost: Error | null = null;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') lost ??= error;
});
// The last write may fail after the command has ended.
process.on('exit', (code) => {
  if (lost === null || code === EXIT.failed) return;
  process.stderr.write(`rampart: cannot write the answer: ${reasonOf(lost)}\n`);
  process.exitCode = EXIT.failed;
});

process.exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  signal,
});
