// Faults that take long: an API server that is away for five minutes, ten minutes of churn (`RAMPART_SOAK_MINUTES`).
// @ts-check
import { spawnSync } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
// The project's own Node runs everything.
const path = [join(top, 'node_modules/.bin'), process.env.PATH].join(delimiter);
const { status } = spawnSync(
  join(top, 'node_modules/.bin/vitest'),
  ['run', 'test/faults/soak.test.ts', 'test/faults/api-server.test.ts', '-t', 'for a long time|is away stops nothing'],
  { cwd: top, stdio: 'inherit', env: { ...process.env, PATH: path, RAMPART_SOAK: '1' } },
);
process.exitCode = status ?? 1;
