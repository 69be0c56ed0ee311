import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  filesBelow,
  importsOf,
  readText,
  resolveImport,
  staticImportsOf,
  TOP,
  trackedFiles,
} from './support/source-files.ts';

/** Which folders of src/ a folder may import, itself aside. `index.ts` and `cli` are free within their world. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: ['base'],
  manifest: ['base', 'model'],
  kinds: ['base', 'model', 'manifest'],
  cluster: ['base', 'model', 'manifest'],
  input: ['base', 'model', 'manifest', 'kinds', 'cluster'],
  engine: ['base', 'model'],
  report: ['base', 'model', 'engine'],
  'index.ts': ['base', 'model', 'manifest', 'kinds', 'cluster', 'input', 'engine', 'report'],
  targets: ['base', 'model', 'engine'],
  io: ['base', 'model', 'manifest'],
  agent: ['base', 'model', 'manifest', 'kinds', 'cluster', 'engine', 'targets', 'io'],
  lab: ['base', 'model', 'manifest', 'kinds', 'cluster', 'input', 'engine', 'targets', 'report', 'io', 'agent'],
  cli: [
    'base',
    'model',
    'manifest',
    'kinds',
    'cluster',
    'input',
    'engine',
    'report',
    'targets',
    'io',
    'agent',
    'lab',
    'index.ts',
  ],
};

const PURE = ['base', 'model', 'manifest', 'kinds', 'cluster', 'input', 'engine', 'targets', 'report', 'index.ts'];

/** Packages by folder; what is not here is imported nowhere. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  manifest: ['js-yaml', 'yaml'],
  io: ['@kubernetes/client-node', 'js-yaml', 'yaml'],
  cli: ['commander', 'js-yaml'],
  agent: ['pino', 'prom-client'],
  lab: ['dns-packet'],
};

/** Each registry, and the files of which it has to list every one. */
const REGISTRIES = [
  { registry: 'src/report/registry.ts', entries: /^src\/report\/formats\/[^/]+\.ts$/ },
  { registry: 'src/cli/commands.ts', entries: /^src\/cli\/commands\/[^/]+\.ts$/ },
  { registry: 'src/kinds/registry.ts', entries: /^src\/kinds\/[^/]+\/lower\.ts$/ },
];

const isTest = (path: string): boolean => path.endsWith('.test.ts');
const SOURCES = filesBelow('src').filter((path) => path.endsWith('.ts'));
const PRODUCT = SOURCES.filter((path) => !isTest(path));
const CODE = [...SOURCES, ...['test', 'bench', 'scripts'].flatMap(filesBelow)].filter((path) =>
  /\.(ts|mjs)$/.test(path),
);

const folderOf = (path: string): string => path.split('/')[1] ?? '';

describe('the import reader', () => {
  it('sees every form of import and nothing else', () => {
    const text = [
      "import { a } from './a.ts';",
      'import {\n  type B,\n  c,\n} from "../b/c.ts";',
      "import type { D } from './d.ts';",
      "export { e } from './e.ts';",
      "import './f.ts';",
      "const g = await import('./g.ts');",
      "// import { no } from './comment.ts';",
      "/* import './block.ts' */",
      "const text = 'taken from here';",
      'export const h = 1;',
    ].join('\n');
    expect(staticImportsOf(text)).not.toContain('./g.ts');
    expect([...importsOf(text)].sort()).toEqual(['../b/c.ts', './a.ts', './d.ts', './e.ts', './f.ts', './g.ts']);
  });
});

describe('imports', () => {
  it('go in the allowed directions only', () => {
    const wrong = PRODUCT.flatMap((file) => {
      const folder = folderOf(file);
      const allowed = ALLOWED[folder];
      if (allowed === undefined) return [`${file}: the folder has no row in the table`];
      return importsOf(readText(file))
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => resolveImport(file, specifier))
        .filter(
          (target) => target !== 'package.json' && folderOf(target) !== folder && !allowed.includes(folderOf(target)),
        )
        .map((target) => `${file} imports ${target}`);
    });
    expect(PRODUCT.length).toBeGreaterThan(50);
    expect(wrong).toEqual([]);
  });

  it('of product code never lead to tests', () => {
    const wrong = PRODUCT.flatMap((file) =>
      importsOf(readText(file))
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => resolveImport(file, specifier))
        .filter((target) => !target.startsWith('src/') || isTest(target))
        .map((target) => `${file} imports ${target}`),
    );
    expect(wrong.filter((line) => !line.endsWith(' imports package.json'))).toEqual([]);
  });

  it('of packages and of Node stay where they belong', () => {
    const wrong = PRODUCT.flatMap((file) => {
      const folder = folderOf(file);
      return importsOf(readText(file))
        .filter((specifier) => !specifier.startsWith('.'))
        .filter((specifier) =>
          specifier.startsWith('node:')
            ? PURE.includes(folder)
            : !PACKAGES[folder]?.some((allowed) => specifier === allowed || specifier.startsWith(`${allowed}/`)),
        )
        .map((specifier) => `${file} imports ${specifier}`);
    });
    expect(wrong).toEqual([]);
  });

  it('name the file with its extension', () => {
    const wrong = CODE.filter((path) => path.endsWith('.ts')).flatMap((file) =>
      importsOf(readText(file))
        .filter((specifier) => specifier.startsWith('.') && !/\.(ts|mjs|json)$/.test(specifier))
        .map((specifier) => `${file} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it('never go round in a circle', () => {
    // An import() is carried out when all modules are there, so it may lead back.
    const edges = new Map(
      PRODUCT.map((file) => [
        file,
        staticImportsOf(readText(file))
          .filter((specifier) => specifier.startsWith('.'))
          .map((specifier) => resolveImport(file, specifier)),
      ]),
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) circles.push([...trail.slice(trail.indexOf(file)), file].join(' → '));
      else if (!done.has(file)) {
        for (const next of edges.get(file) ?? []) visit(next, [...trail, file]);
        done.add(file);
      }
    };
    for (const file of edges.keys()) visit(file, []);
    expect(circles).toEqual([]);
  });
});

describe('files', () => {
  it('have at most 600 lines, or say on their first line why they are longer', () => {
    const long = CODE.filter((file) => {
      const lines = readText(file).split('\n');
      return lines.length > 601 && !/^\/\/ long: \S/.test(lines[0] ?? '');
    });
    expect(long).toEqual([]);
  });

  it('have names that say what is in them', () => {
    const vague = /(^|\/)(util|utils|helper|helpers|common|misc|types|lib|frontend|backend)(\/|\.[a-z.]+$)/;
    expect('src/base/util.ts').toMatch(vague);
    expect('src/lib/ip.ts').toMatch(vague);
    expect((trackedFiles() ?? CODE).filter((path) => vague.test(path))).toEqual([]);
  });

  it.each(REGISTRIES)('of a registry are all listed in $registry', ({ registry, entries }) => {
    const files = PRODUCT.filter((path) => entries.test(path));
    expect(files.length).toBeGreaterThan(0);
    const listed = importsOf(readText(registry)).map((specifier) => resolveImport(registry, specifier));
    expect(files.filter((path) => !listed.includes(path))).toEqual([]);
  });

  it('of the licence are as they should be', () => {
    const licence = readText('LICENSE');
    expect(licence).toContain('Apache License');
    expect(licence).toContain('Version 2.0, January 2004');
    expect(licence.split('\n').length).toBeGreaterThan(190);
    const { license } = JSON.parse(readText('package.json')) as { readonly license: string };
    expect(license).toBe('Apache-2.0');
  });
});

describe('the package', () => {
  interface Manifest {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly devDependencies: Readonly<Record<string, string>>;
    readonly allowScripts: Readonly<Record<string, boolean>>;
  }
  const manifest = JSON.parse(readText('package.json')) as Manifest;
  const lock = JSON.parse(readText('package-lock.json')) as {
    readonly packages: Readonly<Record<string, { readonly version?: string; readonly hasInstallScript?: boolean }>>;
  };

  it('pins its dependencies exactly, as the lock file has them', () => {
    const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(wanted.length).toBeGreaterThan(5);
    expect(wanted.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    expect(wanted.filter(([name, version]) => lock.packages[`node_modules/${name}`]?.version !== version)).toEqual([]);
  });

  it('locks without naming a host', () => {
    expect(readText('package-lock.json')).not.toMatch(/"resolved"|https?:\/\/[^"]*\.tgz/);
  });

  it('locks the optional packages of every platform, without which `npm ci` refuses', () => {
    const missing = Object.entries(lock.packages).flatMap(([path, entry]) =>
      Object.keys((entry as { readonly optionalDependencies?: Record<string, string> }).optionalDependencies ?? {})
        .filter((name) => lock.packages[`node_modules/${name}`] === undefined)
        .filter((name) => lock.packages[`${path}/node_modules/${name}`] === undefined),
    );
    expect(missing).toEqual([]);
  });

  it('lets run the install scripts of no package but the pinned Node', () => {
    expect(manifest.allowScripts).toEqual({ node: true });
  });
});

describe('tracked text', () => {
  it('says nothing of the machine it was written on', () => {
    const files = trackedFiles();
    if (files === null) return;
    // Spelled in parts, since this file is tracked as well.
    const telling = new RegExp(`/(?:wor${'k'}|far${'m'})/|develope${'r'} session|thi${'s'} session`, 'i');
    expect(`cd /wo${'rk'}/main`).toMatch(telling);
    const found = files
      .filter((path) => path !== 'package-lock.json' && !/\.(png|tgz|woff2)$/.test(path))
      .flatMap((path) =>
        readText(path)
          .split('\n')
          .flatMap((line, index) => (telling.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 100)}`] : [])),
      );
    expect(found).toEqual([]);
  });

  it('names in documents only files that exist', () => {
    const documents = (trackedFiles() ?? []).filter((path) => path.endsWith('.md'));
    const dead = documents.flatMap((path) =>
      [...readText(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !existsSync(join(TOP, path.slice(0, path.length - basename(path).length), target)))
        .map((target) => `${path} → ${target}`),
    );
    expect(dead).toEqual([]);
  });
});
