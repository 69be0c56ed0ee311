import { run } from './run.ts';

// Ctrl-C is left to the system, since a handler would wait for the end of a computation: the process ends at once. Files
// are written whole or not at all, and what waits for another program ends that one by handlers of its own.
const { signal } = new AbortController();

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  signal,
});
