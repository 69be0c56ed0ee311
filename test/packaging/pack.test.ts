import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as source from '../../src/index.ts';
import { staticImportsOf, TOP } from '../support/source-files.ts';

const scratch = mkdtempSync(join(tmpdir(), 'rampart-pack-'));
const prefix = join(scratch, 'prefix');
const installed = join(prefix, 'lib/node_modules/rampart');
const manifest = JSON.parse(readFileSync(join(TOP, 'package.json'), 'utf8')) as { readonly version: string };
let tarball = '';

/** Without the settings that `npm test` hands down, so that npm behaves as it does for a user. */
const userEnvironment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  return execFileSync(command, args, {
    cwd,
    env: { ...userEnvironment, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  }).toString();
}

function filesOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

beforeAll(() => {
  run('npm', ['pack', '--pack-destination', scratch], TOP);
  const name = readdirSync(scratch).find((file) => file.endsWith('.tgz'));
  expect(name).toBeDefined();
  tarball = join(scratch, name ?? '');
  mkdirSync(prefix);
  // Offline and with an empty cache: the tarball has to hold everything that it needs.
  run(
    'npm',
    ['install', '--global', '--offline', '--cache', join(scratch, 'cache'), '--prefix', prefix, tarball],
    scratch,
  );
}, 180_000);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('the package', () => {
  it('holds the command line, the library, examples and documents, and nothing of the workshop', () => {
    const files = filesOf(installed).filter((file) => !file.startsWith('node_modules/'));
    for (const wanted of [
      'LICENSE',
      'dist/cli/rampart.js',
      'dist/cli/LICENSES.txt',
      'dist/src/index.js',
      'dist/src/index.d.ts',
      'examples/shop/README.md',
      'docs/glossary.md',
    ]) {
      expect(files).toContain(wanted);
    }
    const unwanted =
      /\.map$|\.test\.|\.tsbuildinfo$|(?<!\.d)\.ts$|^(test|bench|scripts|src|\.ci)\/|^dist\/src\/(cli|io)\//;
    expect('dist/src/base/ip.test.js').toMatch(unwanted);
    expect('dist/src/base/ip.ts').toMatch(unwanted);
    expect('dist/src/base/ip.d.ts').not.toMatch(unwanted);
    // The examples of the library are meant to be read.
    const shipped = files.filter((file) => !file.startsWith('examples/library/'));
    expect(shipped.filter((file) => unwanted.test(file))).toEqual([]);
  });

  it('is small enough to be fetched everywhere', () => {
    expect(statSync(tarball).size).toBeLessThan(4 * 2 ** 20);
  });

  it('brings `js-yaml` along and no other package but what that needs', () => {
    const packages = readdirSync(join(installed, 'node_modules')).filter((name) => !name.startsWith('.'));
    expect(packages.sort()).toEqual(['argparse', 'js-yaml']);
  });
});

describe('the bundle', () => {
  const folder = (): string => join(installed, 'dist/cli');
  const chunk = (name: RegExp): string => readdirSync(folder()).find((file) => name.test(file)) ?? '';

  /** The text of a chunk and of all that is loaded with it. */
  function loadedWith(file: string, seen: Set<string> = new Set()): string {
    if (seen.has(file)) return '';
    seen.add(file);
    const text = readFileSync(join(folder(), file), 'utf8');
    const others = staticImportsOf(text).filter((specifier) => specifier.startsWith('./'));
    return [text, ...others.map((specifier) => loadedWith(specifier.slice(2), seen))].join('\n');
  }

  it('loads no command before it is asked for', () => {
    const start = loadedWith(chunk(/^main-/));
    expect(start).toContain('explain');
    expect(start).not.toMatch(/class Yaml|YAMLException|KubeConfig/);
  });

  it('loads the client of the Kubernetes API for live clusters alone', () => {
    expect(
      readdirSync(folder()).some((file) => /class KubeConfig\b/.test(readFileSync(join(folder(), file), 'utf8'))),
    ).toBe(true);
    for (const command of ['explain', 'connectivity', 'exposure', 'diff', 'query', 'validate']) {
      // A module of the engine may have given its name to a chunk as well.
      const texts = readdirSync(folder())
        .filter((file) => file.startsWith(`${command}-`))
        .map((file) => loadedWith(file));
      expect(texts.some((text) => text.includes('YAMLException'))).toBe(true);
      expect(texts.filter((text) => /class KubeConfig\b/.test(text))).toEqual([]);
    }
  });
});

describe('the installed command', () => {
  it.each(['rampart', 'kubectl-rampart'])('%s runs from an empty folder', (name) => {
    const empty = mkdtempSync(join(scratch, 'empty-'));
    expect(run(join(prefix, 'bin', name), ['--version'], empty)).toContain(manifest.version);
  });

  it('shows the bundled example from an empty folder', () => {
    const empty = mkdtempSync(join(scratch, 'empty-'));
    const text = run(join(prefix, 'bin/rampart'), ['demo', '--color', 'never'], empty);
    expect(text).toContain('examples/shop/payments/policies.yaml:');
    expect(text).toContain('port: 8443');
  });

  it('is found as a plugin of kubectl', (context) => {
    if (spawnSync('kubectl', ['version', '--client']).error !== undefined) context.skip('kubectl is not on the PATH');
    const path = [join(prefix, 'bin'), process.env.PATH].join(delimiter);
    expect(run('kubectl', ['rampart', '--version'], scratch, { PATH: path })).toContain(manifest.version);
  });

  it('runs on the oldest Node that is supported, where the system has it', (context) => {
    const old = ['/usr/bin/node', '/usr/local/bin/node'].find(
      (node) => existsSync(node) && /^v2[0-3]\./.test(run(node, ['--version'], scratch)),
    );
    if (old === undefined) return context.skip('the system has no Node older than the pinned one');
    expect(run(old, [join(installed, 'dist/cli/rampart.js'), '--version'], scratch)).toContain(manifest.version);
  });

  it('writes its compile cache to the cache folder of the user', () => {
    const cache = join(scratch, 'user-cache');
    const environment = { XDG_CACHE_HOME: cache, NODE_COMPILE_CACHE: undefined };
    run(process.execPath, [join(installed, 'dist/cli/rampart.js'), '--version'], scratch, environment);
    expect(filesOf(join(cache, 'rampart/compile')).length).toBeGreaterThan(0);
  });
});

describe('the installed library', () => {
  it('can be imported, and its types hold under the strictest settings', () => {
    const project = join(scratch, 'project');
    mkdirSync(join(project, 'node_modules'), { recursive: true });
    writeFileSync(join(project, 'package.json'), '{"type":"module","private":true}');
    run('npm', ['install', '--offline', '--cache', join(scratch, 'cache'), '--no-save', tarball], project);
    const script = "import('rampart').then((library) => console.log(JSON.stringify(Object.keys(library).sort())))";
    const names: unknown = JSON.parse(run(process.execPath, ['-e', script], project));
    expect(names).toEqual(Object.keys(source).sort());
    writeFileSync(
      join(project, 'use.ts'),
      `import type { Cluster } from 'rampart';
import * as rampart from 'rampart';
export const podsOf = (cluster: Cluster): number => cluster.workloads.flatMap((workload) => workload.pods).length;
export const names: readonly string[] = Object.keys(rampart);
`,
    );
    const options = [
      '--strict',
      '--noEmit',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--types',
      '',
      '--lib',
      'es2023',
    ];
    const tsc = join(TOP, 'node_modules/typescript/bin/tsc');
    expect(run(process.execPath, [tsc, ...options, 'use.ts'], project)).toBe('');
    // The check has teeth: a wrong use is refused.
    writeFileSync(
      join(project, 'misuse.ts'),
      `import type { Cluster } from 'rampart';\nexport const one = (cluster: Cluster): string => cluster.workloads;\n`,
    );
    expect(() => run(process.execPath, [tsc, ...options, 'misuse.ts'], project)).toThrow();
  });
});
