import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TOP } from '../support/source-files.ts';

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let scratch = '';
let checkout = '';
let npmCalls = '';

const MAIN = "console.log('one', ...process.argv.slice(2));\n";

/** Stands for npm: notes the call and puts the packages of this checkout in place, slowly enough to be raced. */
const NPM = `#!/bin/sh
echo "$*" >>"$NPM_CALLS"
[ -z "\${NPM_FAILS:-}" ] || { echo 'npm error network' >&2; exit 1; }
echo 'a line on stdout'
sleep 0.5
rm -rf node_modules
mkdir node_modules
ln -s "$PACKAGES"/* node_modules/
if [ -n "\${FOREIGN_NODE:-}" ]; then
  rm node_modules/node
  mkdir -p node_modules/node/bin
  printf 'not for this machine' >node_modules/node/bin/node
  chmod +x node_modules/node/bin/node
fi
touch node_modules/.package-lock.json
`;

function start(
  command: string,
  args: readonly string[],
  extra: NodeJS.ProcessEnv = {},
  cwd = scratch,
): Promise<Outcome> {
  const env = {
    ...process.env,
    PATH: [join(scratch, 'bin'), process.env.PATH].join(delimiter),
    PACKAGES: join(TOP, 'node_modules'),
    NPM_CALLS: npmCalls,
    ...extra,
  };
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

const launcher = (): string => join(checkout, 'rampart');
const calls = (): readonly string[] =>
  existsSync(npmCalls) ? readFileSync(npmCalls, 'utf8').split('\n').filter(Boolean) : [];

/** Gives a file a time after every build so far, whatever the clock of the file system can tell apart. */
function makeNewer(file: string): void {
  const later = new Date(Date.now() + 5_000);
  utimesSync(file, later, later);
}

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rampart-start-'));
  checkout = join(scratch, 'a checkout');
  npmCalls = join(scratch, 'npm-calls');
  mkdirSync(join(checkout, 'src/cli'), { recursive: true });
  mkdirSync(join(scratch, 'bin'));
  for (const file of ['rampart', 'package.json', 'package-lock.json', 'scripts/bundle.mjs']) {
    cpSync(join(TOP, file), join(checkout, file));
  }
  writeFileSync(join(checkout, 'src/cli/main.ts'), MAIN);
  writeFileSync(join(scratch, 'bin/npm'), NPM);
  chmodSync(join(scratch, 'bin/npm'), 0o755);
});

afterEach(() => rmSync(scratch, { recursive: true, force: true }));

describe('a first start', () => {
  it('installs and builds, says so on stderr, and leaves stdout to the command', async () => {
    const outcome = await start(launcher(), ['--flag', 'two words']);
    expect(outcome).toMatchObject({ code: 0, stdout: 'one --flag two words\n' });
    expect(outcome.stderr).toContain('installing the dependencies');
    expect(outcome.stderr).toContain('building');
    expect(calls()).toEqual(['ci --include=dev --no-audit --no-fund --loglevel=error']);
    expect(existsSync(join(checkout, '.rampart-lock'))).toBe(false);
  });

  it('by several at once installs and builds once', async () => {
    const outcomes = await Promise.all([1, 2, 3, 4].map((n) => start(launcher(), [String(n)])));
    expect(outcomes.map(({ stdout }) => stdout)).toEqual(['one 1\n', 'one 2\n', 'one 3\n', 'one 4\n']);
    expect(calls()).toHaveLength(1);
    expect(outcomes.filter(({ stderr }) => stderr.includes('rampart: building'))).toHaveLength(1);
    expect(outcomes.filter(({ stderr }) => stderr.includes('another start is setting up'))).toHaveLength(3);
  });

  it('takes over from one that was killed', async () => {
    const gone = await start('sh', ['-c', 'echo $$']);
    writeFileSync(join(checkout, '.rampart-lock'), gone.stdout);
    expect(await start(launcher(), [])).toMatchObject({ code: 0, stdout: 'one\n' });
  });

  it('runs on the Node of the system where the pinned one does not run', async () => {
    expect(await start(launcher(), [], { FOREIGN_NODE: 'yes' })).toMatchObject({ code: 0, stdout: 'one\n' });
    expect(await start(launcher(), [])).toEqual({ code: 0, stdout: 'one\n', stderr: '' });
  });

  it('without npm says what to install', async () => {
    rmSync(join(scratch, 'bin/npm'));
    // The tools that the launcher uses, and nothing else.
    for (const tool of ['sh', 'readlink', 'find', 'cat', 'rm', 'sleep']) {
      const found = (await start('sh', ['-c', `command -v ${tool}`])).stdout.trim();
      symlinkSync(found, join(scratch, 'bin', tool));
    }
    const outcome = await start(launcher(), [], { PATH: join(scratch, 'bin') });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toBe(
      'rampart: npm is missing: install Node.js 20.19 or newer with npm (https://nodejs.org/en/download)\n',
    );
  });

  it('that fails to install says so, and the next one tries again', async () => {
    const outcome = await start(launcher(), [], { NPM_FAILS: 'yes' });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain('npm error network');
    expect(outcome.stderr).toContain('npm ci failed in');
    expect(await start(launcher(), [])).toMatchObject({ code: 0, stdout: 'one\n' });
  });
});

describe('later starts', () => {
  beforeEach(async () => {
    expect(await start(launcher(), [])).toMatchObject({ code: 0 });
    rmSync(npmCalls);
  });

  it('say nothing and do not need npm', async () => {
    expect(await start(launcher(), ['x'])).toEqual({ code: 0, stdout: 'one x\n', stderr: '' });
    expect(calls()).toEqual([]);
  });

  it('work from any folder and through links', async () => {
    symlinkSync(launcher(), join(scratch, 'bin/first'));
    symlinkSync('first', join(scratch, 'bin/second'));
    expect(await start('second', ['x'], {}, '/')).toEqual({ code: 0, stdout: 'one x\n', stderr: '' });
    expect(await start('sh', ['rampart', 'x'], {}, checkout)).toEqual({ code: 0, stdout: 'one x\n', stderr: '' });
  });

  it('build again when a source is newer, and keep the exit code of the command', async () => {
    const source = join(checkout, 'src/cli/main.ts');
    writeFileSync(source, "console.log('changed');\nprocess.exitCode = 3;\n");
    makeNewer(source);
    const outcome = await start(launcher(), []);
    expect(outcome).toMatchObject({ code: 3, stdout: 'changed\n' });
    expect(outcome.stderr).toContain('building');
    expect(calls()).toEqual([]);
  });

  it('do not build for a changed test', async () => {
    const test = join(checkout, 'src/cli/main.test.ts');
    writeFileSync(test, '');
    makeNewer(test);
    utimesSync(join(checkout, 'src/cli'), 0, 0);
    expect(await start(launcher(), [])).toEqual({ code: 0, stdout: 'one\n', stderr: '' });
  });

  it('report a source that does not build', async () => {
    const source = join(checkout, 'src/cli/main.ts');
    writeFileSync(source, 'this is not TypeScript');
    makeNewer(source);
    const outcome = await start(launcher(), []);
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain('main.ts');
    expect(outcome.stderr).toContain('the build failed');
  });

  it('install again when the lock file is newer', async () => {
    makeNewer(join(checkout, 'package-lock.json'));
    expect(await start(launcher(), [])).toMatchObject({ code: 0, stdout: 'one\n' });
    expect(calls()).toHaveLength(1);
  });
});
