import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { cli, folderOf, type Json, json, remove, SHOP } from './run-cli.ts';
import { WORLD } from './world.ts';

const BAD_PORT = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: bad, namespace: shop}
spec: {podSelector: {}, ingress: [{ports: [{port: 70000}]}]}
`;
/** Selects no workload of the world: nothing but a notice or a warning can be said of it. */
const FOREIGN = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: other-engine, namespace: shop}
spec: {endpointSelector: {}}
`;

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = folderOf({
    'world.yaml': WORLD,
    'good/world.yaml': WORLD,
    'good/broken.yaml': 'kind: [unclosed\n  a: b: c',
    'good/README.md': '# not a manifest',
    'invalid/bad.yaml': BAD_PORT,
    'foreign/all.yaml': `${WORLD}---${FOREIGN}`,
    'kustomized/kustomization.yaml': 'resources: [world.yaml]\nnamePrefix: pre-\n',
    'kustomized/world.yaml': WORLD,
    'void.yaml': '---\n',
    'list.json': JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'x' }, spec: { containers: [] } },
        {
          apiVersion: 'v1',
          kind: 'PodList',
          items: [{ metadata: { name: 'b', namespace: 'x' }, spec: { containers: [] } }],
        },
      ],
    }),
  });
  mkdirSync(at('empty'));
});
afterAll(() => remove(folder));

describe('the command line', () => {
  it('shows what there is, and that nothing was asked', async () => {
    const bare = await cli([]);
    const help = await cli(['--help']);
    expect([bare.code, help.code, help.err]).toEqual([64, 0, '']);
    for (const { name, summary } of COMMANDS) expect(help.out).toContain(`  ${name.padEnd(14)}${summary}`);
    expect(await cli(['help'])).toEqual(help);
    expect(await cli(['-h'])).toEqual(help);
  });

  it('has help for every command', async () => {
    for (const { name, summary } of COMMANDS) {
      const { code, out, err } = await cli([name, '--help']);
      expect([name, code, err]).toEqual([name, 0, '']);
      expect(out).toContain(`Usage: rampart ${name}`);
      expect(out.replaceAll(/\s+/g, ' ')).toContain(summary);
      expect(await cli(['help', name])).toEqual({ code, out, err });
    }
  });

  it('has no line in its help that is too long for a terminal of 120 columns', async () => {
    for (const { name } of COMMANDS) {
      const { out } = await cli([name, '--help']);
      expect(out.split('\n').filter((line) => line.length > 120)).toEqual([]);
    }
  });

  it.each([
    [['conectivity'], 'unknown command `conectivity`', 'did you mean `rampart connectivity`?'],
    [['conn'], 'unknown command `conn`', 'did you mean `rampart connectivity`?'],
    [['frobnicate'], 'unknown command `frobnicate`', 'see `rampart --help`'],
    [['help', 'explian'], 'unknown command `explian`', 'did you mean `rampart explain`?'],
    [['-f', 'x', 'validate'], 'the command comes before options such as `-f`', 'see `rampart --help`'],
    [['validate', '--fielname', 'x'], 'unknown option `--fielname`', 'did you mean `--filename`?'],
    [['validate', '--zzz'], 'unknown option `--zzz`', 'see `rampart validate --help`'],
    [['validate', '-o', 'pdf'], 'argument `pdf` is invalid; allowed choices are text, json', 'see `rampart validate'],
    [['validate', 'operand'], 'too many arguments', 'see `rampart validate --help`'],
    [['explain', 'a/b'], 'missing required argument `destination`', 'see `rampart explain --help`'],
    [['query', '-f', SHOP], 'required option `--flows <file>` not specified', 'see `rampart query --help`'],
    [['diff', '--from', SHOP], 'required option `--to <side>` not specified', 'see `rampart diff --help`'],
    [['diff', '--from', '', '--to', SHOP], 'a side is empty', 'name a path'],
    [['diff', '--from', '-', '--to', '-'], 'both sides are stdin', 'write one of them to a file first'],
    [['validate', '-f', ''], 'a path is empty', 'name a file'],
    [['validate', '-f'], 'argument missing', 'see `rampart validate --help`'],
    [['validate', '-f', SHOP, '--fail-on', 'x'], 'argument `x` is invalid', 'see `rampart validate --help`'],
    [['validate', '-f', SHOP, '--color', 'blue'], 'argument `blue` is invalid', 'see `rampart validate --help`'],
    [['validate', '-f', SHOP, '--context', 'c'], 'manifests and a live cluster cannot be read together', 'leave out'],
    [['validate', '-f', SHOP, '--values', 'v'], '--values belongs to --helm', 'name the chart'],
    [['exposure', '-f', SHOP, '-n', 'shpo'], 'no namespace `shpo` in the input', 'did you mean `shop`?'],
    [['exposure', '-f', SHOP, '-n', 'zzzzzz'], 'no namespace `zzzzzz` in the input', 'there are: data, ingress-nginx'],
    [['exposure', '-f', SHOP, '-n', 'shop', '-A'], '-n and -A exclude each other', 'leave out one'],
    [['exposure', '-f', SHOP, '-l', 'a=(b'], 'cannot read the selector `a=(b`', 'write it as for kubectl'],
    [['connectivity', '-f', SHOP, '--pair-limit', 'many'], 'argument `many` is invalid', 'see `rampart connectivity'],
    [['completion', 'tcsh'], 'value `tcsh` is invalid', 'see `rampart completion --help`'],
  ])('refuses %j', async (args, message, help) => {
    const { code, out, err } = await cli(args);
    expect([code, out]).toEqual([64, '']);
    expect(err).toMatch(/^rampart: .*\n {2}help: .*\n$/);
    expect(err.split('\n')[0]).toContain(message);
    expect(err.split('\n')[1]).toContain(help);
  });
});

describe('input', () => {
  const peers = async (args: readonly string[], stdin = ''): Promise<readonly unknown[]> => {
    const report = await json(['connectivity', ...args], { stdin });
    return (report.peers as readonly string[]).filter((peer) => peer.includes('['));
  };
  const OF_WORLD = ['front/web[Deployment]', 'shop/api[Pod]', 'shop/db[Pod]'];

  it('is a file, a folder, stdin, or several of them', async () => {
    expect(await peers(['-f', at('world.yaml')])).toEqual(OF_WORLD);
    expect(await peers(['-f', '-'], WORLD)).toEqual(OF_WORLD);
    expect(await peers(['-f', at('world.yaml'), '-f', at('list.json')])).toEqual([...OF_WORLD, 'x/a[Pod]', 'x/b[Pod]']);
    expect(await peers(['-f', '-', '-f', at('list.json')], WORLD)).toEqual([...OF_WORLD, 'x/a[Pod]', 'x/b[Pod]']);
  });

  it('named twice is read once', async () => {
    symlinkSync(at('world.yaml'), at('linked.yaml'));
    const args = ['-f', at('world.yaml'), '-f', at('linked.yaml'), '-f', at('world.yaml')];
    const { code, err } = await cli(['connectivity', ...args]);
    expect([code, err]).toEqual([0, '']);
    expect(await cli(['connectivity', '-f', '-', '-f', '-'], { stdin: WORLD })).toMatchObject({ code: 0, err: '' });
  });

  it('holds List kinds', async () => {
    expect(await peers(['-f', at('list.json')])).toEqual(['x/a[Pod]', 'x/b[Pod]']);
  });

  it('is rendered by kubectl kustomize', async () => {
    expect(await peers(['-k', at('kustomized')])).toEqual([
      'front/pre-web[Deployment]',
      'shop/pre-api[Pod]',
      'shop/pre-db[Pod]',
    ]);
    const none = await cli(['connectivity', '-k', at('empty')]);
    expect(none.code).toBe(1);
    expect(none.err).toContain('kustomization');
  });

  it('of a chart needs helm, and says so', async () => {
    const path = process.env.PATH;
    process.env.PATH = at('empty');
    try {
      const { code, err } = await cli(['validate', '--helm', SHOP]);
      expect([code, err.split('\n')[0]]).toEqual([1, 'rampart: `helm` is not on the PATH']);
      expect(err).toContain('helm template CHART | rampart');
    } finally {
      process.env.PATH = path;
    }
  });

  it.each([
    ['does-not-exist', 'does not exist'],
    ['worlt.yaml', 'does not exist\n  help: did you mean'],
    ['empty', 'no manifest in'],
    ['void.yaml', 'the input holds no object'],
    ['good/README.md/x', 'good/README.md/x'],
  ])('that is not there fails: %s', async (name, message) => {
    const { code, out, err } = await cli(['connectivity', '-f', at(name)]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(message);
  });

  it('that is empty on stdin fails: what was before the pipe did', async () => {
    expect(await cli(['validate', '-f', '-'])).toMatchObject({ code: 1, out: '' });
  });

  it('that is broken beside good files is said, and the rest is answered', async () => {
    const { code, out, err } = await cli(['connectivity', '-f', at('good'), '-o', 'json']);
    expect(code).toBe(3);
    expect(err).toMatch(/^.*good\/broken\.yaml:\d+:\d+ \w+ error: /);
    const report = JSON.parse(out) as Json;
    expect(report.peers).toEqual(expect.arrayContaining(OF_WORLD));
    expect(report.diagnostics).toHaveLength(1);
  });

  it('of another engine is reported once, and ignored', async () => {
    const { code, err } = await cli(['connectivity', '-f', at('foreign'), '-v']);
    expect(code).toBe(0);
    expect(err.match(/CiliumNetworkPolicy/g)).not.toBeNull();
    const plain = await json(['connectivity', '-f', at('world.yaml')]);
    const both = await json(['connectivity', '-f', at('foreign')]);
    expect(both.allowed).toEqual(plain.allowed);
  });
});

describe('--fail-on', () => {
  it.each([
    ['invalid', [], 3],
    ['invalid', ['--fail-on', 'never'], 0],
    ['invalid', ['--fail-on', 'warning'], 3],
    ['foreign', [], 0],
    ['foreign', ['--fail-on', 'info'], 3],
    ['world.yaml', ['--fail-on', 'info'], 0],
  ])('of %s with %j', async (name, options, code) => {
    expect((await cli(['validate', '-f', at(name), ...options])).code).toBe(code);
    expect((await cli(['connectivity', '-f', at(name), ...options])).code).toBe(code);
  });

  it('gives way to failures and beats answers', async () => {
    const denied = ['front/web', 'shop/db:5432', '-f', at('world.yaml')];
    expect((await cli(['explain', ...denied])).code).toBe(2);
    expect((await cli(['explain', ...denied, '-f', at('invalid')])).code).toBe(3);
    expect((await cli(['explain', ...denied, '-f', at('invalid'), '--fail-on', 'never'])).code).toBe(2);
  });
});

describe('diagnostics', () => {
  it('go to stderr, not with --quiet, in JSON also into the document', async () => {
    const args = ['connectivity', '-f', at('world.yaml'), '-f', at('invalid')];
    const loud = await cli(args);
    expect(loud.err).toContain('bad.yaml:5:51 ');
    expect(loud.out).not.toContain('bad.yaml');
    const quiet = await cli([...args, '--quiet']);
    expect(quiet).toEqual({ ...loud, err: '' });
    const asJson = await cli([...args, '--quiet', '-o', 'json']);
    expect([asJson.err, (JSON.parse(asJson.out) as Json).diagnostics]).toMatchObject([
      '',
      [{ object: 'NetworkPolicy/shop/bad', field: 'spec.ingress[0].ports[0].port', severity: 'error' }],
    ]);
  });

  it('of validate are the answer', async () => {
    const { out, err } = await cli(['validate', '-f', at('invalid')]);
    expect(out).toContain('1 error');
    expect(err).toBe('');
  });

  it('are not shown by the hundred, unless asked for', async () => {
    const many = Array.from({ length: 50 }, (_, i) => BAD_PORT.replace('name: bad', `name: bad-${i}`)).join('---');
    const few = await cli(['connectivity', '-f', '-'], { stdin: WORLD + many.replace(/^/, '---') });
    expect(few.err.match(/ error: /g)).toHaveLength(20);
    expect(few.err).toContain('… and 30 more; --verbose shows all');
    const all = await cli(['connectivity', '-f', '-', '-v'], { stdin: WORLD + many.replace(/^/, '---') });
    expect(all.err.match(/ error: /g)).toHaveLength(50);
  });

  it('with --verbose name the files that were not read', async () => {
    const { err } = await cli(['connectivity', '-f', at('good'), '-v']);
    expect(err).toContain(`not read: ${at('good/README.md')} (name does not end in .yaml, .yml or .json)`);
  });
});

describe('--out', () => {
  it('writes the answer whole, and says so', async () => {
    const target = at('report.json');
    const { code, out, err } = await cli(['connectivity', '-f', SHOP, '-o', 'json', '--out', target]);
    expect([code, out, err]).toEqual([0, '', `wrote ${target}\n`]);
    expect(readFileSync(target, 'utf8')).toBe((await cli(['connectivity', '-f', SHOP, '-o', 'json'])).out);
    expect((await cli(['connectivity', '-f', SHOP, '-q', '--out', target])).err).toBe('');
  });

  it('keeps the old file when the answer fails', async () => {
    const target = at('kept.txt');
    writeFileSync(target, 'old');
    expect((await cli(['connectivity', '-f', at('nowhere'), '--out', target])).code).toBe(1);
    expect(readFileSync(target, 'utf8')).toBe('old');
  });

  it('into a folder that is not there fails', async () => {
    const { code, err } = await cli(['connectivity', '-f', SHOP, '--out', at('no/such/report')]);
    expect(code).toBe(1);
    expect(err).toContain('the folder does not exist');
    expect(existsSync(at('no'))).toBe(false);
    expect((await cli(['connectivity', '-f', SHOP, '--out', at('empty')])).code).toBe(1);
    expect(statSync(at('empty')).isDirectory()).toBe(true);
  });

  it('has no colours of the terminal', async () => {
    await cli(['connectivity', '-f', SHOP, '--out', at('plain.txt')], { columns: 100 });
    expect(readFileSync(at('plain.txt'), 'utf8')).not.toContain('\u001b');
  });
});

describe('colours', () => {
  const args = ['connectivity', '-f', SHOP];
  const coloured = async (
    options: readonly string[],
    around: { readonly columns?: number; readonly env?: NodeJS.ProcessEnv },
  ): Promise<boolean> => (await cli([...args, ...options], around)).out.includes('\u001b[');

  it.each([
    ['on a terminal', [], { columns: 120 }, true],
    ['into a pipe', [], {}, false],
    ['with NO_COLOR', [], { columns: 120, env: { NO_COLOR: '1' } }, false],
    ['with an empty NO_COLOR', [], { columns: 120, env: { NO_COLOR: '' } }, true],
    ['on a dumb terminal', [], { columns: 120, env: { TERM: 'dumb' } }, false],
    ['--color never', ['--color', 'never'], { columns: 120 }, false],
    ['--color always', ['--color', 'always'], {}, true],
    ['--color always against NO_COLOR', ['--color', 'always'], { env: { NO_COLOR: '1' } }, true],
    ['in JSON', ['-o', 'json', '--color', 'always'], { columns: 120 }, false],
  ])('%s', async (_, options, around, expected) => {
    expect(await coloured(options, around)).toBe(expected);
  });

  it('change nothing but colour', async () => {
    const plain = await cli(args);
    const always = await cli([...args, '--color', 'always']);
    const esc = String.fromCharCode(27);
    expect(always.out.replaceAll(new RegExp(`${esc}\\[\\d+m`, 'g'), '')).toBe(plain.out);
  });
});

describe('the terminal', () => {
  it('is as wide as lines are, where words can be broken', async () => {
    const { out } = await cli(['connectivity', '-f', SHOP, '--color', 'never'], { columns: 100 });
    expect(out.split('\n').filter((line) => line.length > 100)).toEqual([]);
    const story = await cli(['explain', 'shop/checkout', 'payments/gateway:8443', '-f', SHOP], { columns: 100 });
    const lines = story.out.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g'), '').split('\n');
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
  });
});

describe('what is shown', () => {
  interface Row {
    readonly src: string;
    readonly dst: string;
  }
  const rows = async (options: readonly string[]): Promise<readonly Row[]> =>
    (await json(['connectivity', '-f', SHOP, ...options])).allowed as readonly Row[];

  it('-n shows the pairs of a namespace, as they are in the whole', async () => {
    const all = await rows([]);
    const some = await rows(['-n', 'payments']);
    const touches = ({ src, dst }: Row): boolean => src.startsWith('payments/') || dst.startsWith('payments/');
    expect(some).toEqual(all.filter(touches));
    expect(some.length).toBeGreaterThan(1);
    expect(await rows(['-A'])).toEqual(all);
  });

  it('-n says of no other workload that nothing reaches it, and of no part that it is all', async () => {
    const { out } = await cli(['connectivity', '-f', SHOP, '-n', 'data']);
    // Prometheus is reached by nothing, and api by others than data: both are not shown.
    expect(out).not.toContain('nothing');
    expect(out).not.toMatch(/every workload|shop\/\*/);
    expect(out).toContain('kube-system/coredns  data/{postgres,redis}  TCP 53 UDP 53');
    expect(out).toContain('2 of 11 workloads shown: 6 allowed, all else denied');
    const lonely = await cli(['connectivity', '-f', SHOP, '-n', 'monitoring']);
    expect(lonely.out).toContain('  monitoring/prometheus  nothing ');
  });

  it('-n finds a workload in the middle of a class', async () => {
    const labels = ['a', 'b', 'c'].map(
      (name) => `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: ns-${name}}
spec: {selector: {matchLabels: {x: z}}, template: {metadata: {labels: {x: z}}, spec: {containers: []}}}
`,
    );
    const args = ['connectivity', '-f', '-', '--pair-limit', '1', '-n', 'ns-b', '-o', 'json'];
    const { out } = await cli(args, { stdin: labels.join('') });
    const report = JSON.parse(out) as { readonly allowed: readonly Row[]; readonly classes: readonly Json[] };
    expect(report.classes).toMatchObject([
      { members: ['ns-a/a[Deployment]', 'ns-b/b[Deployment]', 'ns-c/c[Deployment]'] },
    ]);
    expect(report.allowed).toContainEqual({ src: 'ns-a/a[Deployment]', dst: 'ns-a/a[Deployment]', conn: 'all' });
  });

  it.each([
    ['app=cart', ['shop/cart']],
    ['app in (cart, catalog)', ['shop/cart', 'shop/catalog']],
    ['app==cart,app!=cart', []],
    ['tier=db', ['data/postgres']],
    ['k8s-app', ['kube-system/coredns']],
    [
      'app,app notin (cart,catalog,checkout,api,frontend,gateway),!tier',
      ['ingress-nginx/controller', 'kube-system/coredns', 'monitoring/prometheus'],
    ],
  ])('-l %s shows the workloads with these labels', async (selector, names) => {
    const report = await json(['policies', '-f', SHOP, '-l', selector]);
    const shown = (report.workloads as readonly { readonly workload: string }[]).map(({ workload }) =>
      workload.replace(/\[.*/, ''),
    );
    expect(shown).toEqual(names);
  });

  it('-l that matches nothing says so', async () => {
    const { code, out, err } = await cli(['connectivity', '-f', SHOP, '-l', 'app=cat']);
    expect([code, err]).toEqual([0, 'rampart: no workload matches `-l app=cat`\n']);
    expect(out).toContain('no workloads');
  });

  it('holds for exposure and diff as well', async () => {
    const exposure = await json(['exposure', '-f', SHOP, '-n', 'data']);
    const workloads = (exposure.entries as readonly { readonly workload: string }[]).map(({ workload }) => workload);
    expect(new Set(workloads)).toEqual(new Set(['data/postgres[StatefulSet]', 'data/redis[StatefulSet]']));
    const sides = ['--from', join(SHOP, 'shop'), '--to', SHOP, '-n', 'monitoring'];
    const changes = (await json(['diff', ...sides])).changes as readonly Row[];
    expect(changes.length).toBeGreaterThan(0);
    expect(changes.filter(({ src, dst }) => !`${src} ${dst}`.includes('monitoring/'))).toEqual([]);
  });
});

describe('version', () => {
  it('is told to people and to scripts', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
    expect(await cli(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
    expect(await cli(['version'])).toEqual({ code: 0, out: `rampart ${version}\n`, err: '' });
    const facts = await json(['version']);
    expect(facts).toEqual({ version, node: process.version, commit: null });
  });
});
