import { execFileSync, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import * as jsYaml from 'js-yaml';
import { describe, expect, test } from 'vitest';
import * as yamlPackage from 'yaml';
import { SAMPLES } from '../../test/golden/samples.ts';
import type { ConnectivityReport, DiffReport } from '../model/report.ts';
import { questionPorts } from './questions.ts';
import { FORMATS, findFormat, render, renderChunks } from './registry.ts';
import type { Report } from './report.ts';
import { countConnectivity } from './rows.ts';

const PLAIN = { colour: false };
const all = Object.entries(SAMPLES);

const anyName = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 });
const evil = fc.constantFrom(
  '</script>',
  '"',
  '\\',
  '\n',
  '\u001b[31m',
  '\u2028',
  '`',
  '|',
  ']]>',
  '&lt;',
  '#',
  '%',
  ';',
  '-->',
  '@x',
  '$(id)',
  "'",
  '\ud800',
);
const piece = fc.array(fc.oneof(anyName, evil), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''));
const peer = fc.tuple(piece, piece).map(([namespace, name]) => `${namespace.replaceAll('/', '')}x/${name}[Pod]`);

const anyReport: fc.Arbitrary<ConnectivityReport> = fc
  .uniqueArray(peer, { minLength: 2, maxLength: 6 })
  .chain((peers) =>
    fc
      .uniqueArray(fc.tuple(fc.constantFrom(...peers), fc.constantFrom(...peers), fc.nat(2)), {
        selector: ([a, b]) => JSON.stringify([a, b]),
        maxLength: 12,
      })
      .map((triples) => {
        const pairs = triples.filter(([src, dst]) => src !== dst);
        return {
          kind: 'ConnectivityReport',
          peers,
          allowed: pairs
            .filter(([, , state]) => state < 2)
            .map(([src, dst, state]) => ({
              src,
              dst,
              conn: state === 0 ? 'all' : { TCP: [[80, 80]], named: [{ protocol: 'UDP', port: src }] },
            })),
          unspecified: pairs.filter(([, , state]) => state === 2).map(([src, dst]): [string, string] => [src, dst]),
          unspecifiedBecause: [{ because: peers.join(' '), pairs: 1 }],
          ingressController: [],
          replicas: [],
          diagnostics: [{ code: 'X', severity: 'error', message: peers.join(''), origin: null }],
        };
      }),
  );

/** RFC 4180, read by its grammar. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let field = '';
    if (text[at] === '"') {
      at++;
      for (;;) {
        if (at >= text.length) throw new Error('open quote');
        if (text[at] === '"' && text[at + 1] === '"') {
          field += '"';
          at += 2;
        } else if (text[at] === '"') {
          at++;
          break;
        } else field += text[at++];
      }
    } else {
      while (at < text.length && text[at] !== ',' && text[at] !== '\r') {
        if (text[at] === '"' || text[at] === '\n') throw new Error('bare quote or line feed');
        field += text[at++];
      }
    }
    row.push(field);
    if (text[at] === ',') at++;
    else if (text.startsWith('\r\n', at)) {
      at += 2;
      rows.push(row);
      row = [];
    } else throw new Error(`unexpected ${JSON.stringify(text[at])}`);
  }
  return rows;
}

describe('json', () => {
  test('starts with version and kind, ends with diagnostics, and holds the report', () => {
    const { connectivity } = SAMPLES;
    const document: Record<string, unknown> = JSON.parse(render(connectivity as Report, 'json', PLAIN));
    expect(Object.keys(document)).toEqual([
      'apiVersion',
      'kind',
      'peers',
      'allowed',
      'unspecified',
      'unspecifiedBecause',
      'ingressController',
      'replicas',
      'diagnostics',
    ]);
    const report = connectivity as ConnectivityReport;
    expect(document.apiVersion).toBe('rampart.dev/v1alpha1');
    expect(document.allowed).toEqual(JSON.parse(JSON.stringify(report.allowed)));
    expect(document.unspecified).toEqual(report.unspecified);
    expect(document.diagnostics).toEqual([
      {
        code: 'RP012',
        severity: 'warning',
        message: 'selector `app=wbe` in `spec.podSelector` selects no workload',
        help: 'did you mean `app=web`?',
        object: 'NetworkPolicy/shop/web',
        apiVersion: 'networking.k8s.io/v1',
        field: 'spec.podSelector',
        refused: false,
        file: 'policies/web.yaml',
        line: 7,
        column: 5,
      },
    ]);
  });

  test('an answer repeats the question verbatim and adds both ends', () => {
    const document = JSON.parse(render(SAMPLES.query as Report, 'json', PLAIN));
    expect(document.flows[2]).toEqual({
      src: 'shop/api',
      dst: 'shop/db',
      protocol: 'TCP',
      port: 5432,
      note: 'the usual',
      verdict: 'allowed',
      caveats: ['pods of shop/db are alike'],
      egress: {
        verdict: 'allowed',
        decidedBy: null,
        reasons: [
          {
            kind: 'default',
            policy: null,
            rule: null,
            tier: null,
            action: null,
            text: 'no policy isolates shop/web for egress',
            origin: null,
          },
        ],
      },
      ingress: { verdict: 'allowed', decidedBy: 'NetworkPolicy/shop/db#ingress[1]', reasons: [] },
    });
    expect(document.flows[1].ingress).toBeNull();
    expect(document.flows[1].undefinedBecause).toContain('network plugin');
  });

  test('a question cannot take the place of the document', () => {
    const base = SAMPLES.explanation;
    if (base?.kind !== 'Explanation') throw new Error('no sample');
    const question = JSON.parse('{"kind":"Evil","verdict":"allowed","fixes":[1],"__proto__":{"x":1},"src":"a"}');
    const document = JSON.parse(render({ ...base, question }, 'json', PLAIN));
    expect(document.kind).toBe('Explanation');
    expect(document.verdict).toBe('denied');
    expect(document.fixes).toHaveLength(1);
    expect(Object.getOwnPropertyDescriptor(document, '__proto__')?.value).toEqual({ x: 1 });
  });

  test('a million entries come in small chunks', () => {
    const conn = { TCP: [[443, 443]] } as const;
    const peers = Array.from({ length: 1000 }, (_, i) => `ns-${i % 20}/workload-${i}[Deployment]`);
    const allowed = peers.flatMap((src) => peers.map((dst) => ({ src, dst, conn })));
    let entries = 0;
    let longest = 0;
    for (const chunk of renderChunks({ ...(SAMPLES.hostile as ConnectivityReport), peers, allowed }, 'json', PLAIN)) {
      entries += chunk.split('{"src":').length - 1;
      longest = Math.max(longest, chunk.length);
    }
    expect(entries).toBe(1_000_000);
    expect(longest).toBeLessThan(100_000);
  });
});

describe('yaml', () => {
  test.each(all)('two readers read %s as the JSON document', (_, report) => {
    const document: unknown = JSON.parse(render(report, 'json', PLAIN));
    const text = render(report, 'yaml', PLAIN);
    expect(yamlPackage.parse(text)).toEqual(document);
    expect(jsYaml.load(text)).toEqual(document);
  });

  test('also with hostile names', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        const text = render(report, 'yaml', PLAIN);
        const document: unknown = JSON.parse(render(report, 'json', PLAIN));
        expect(yamlPackage.parse(text)).toEqual(document);
        expect(jsYaml.load(text)).toEqual(document);
      }),
    );
  });

  test('words that older readers turn into something else are quoted', () => {
    const words = [
      'yes',
      'no',
      'on',
      'off',
      'null',
      '~',
      '1',
      '1e3',
      '0x1f',
      '2020-01-01',
      '.inf',
      '',
      ' a',
      '-',
      'y',
      'a: b',
      '012',
    ];
    const base = SAMPLES.policies;
    if (base?.kind !== 'PoliciesReport') throw new Error('no sample');
    const text = render({ ...base, selectNothing: words }, 'yaml', PLAIN);
    expect(yamlPackage.parse(text, { version: '1.1' }).selectNothing).toEqual(words);
    expect(yamlPackage.parse(text, { version: '1.2' }).selectNothing).toEqual(words);
  });
});

describe('csv', () => {
  test('is RFC 4180 with one row per pair whatever the names are', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        const rows = readCsv(render(report, 'csv', PLAIN));
        expect(rows).toHaveLength(1 + report.allowed.length + report.unspecified.length);
        expect(new Set(rows.map((row) => row.length))).toEqual(new Set([5]));
        for (const row of rows) for (const field of row) expect(field).not.toMatch(/^[=+@-]/);
      }),
    );
  });
});

describe('text', () => {
  test('no name can write a control character', () => {
    fc.assert(
      fc.property(anyReport, fc.constantFrom('text', 'markdown', 'csv', 'dot', 'mermaid'), (report, format) => {
        expect(render(report, format, PLAIN).replaceAll(/\r?\n/g, '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }),
    );
  });

  test.each(all)('colours of %s change nothing but colour', (_, report) => {
    const coloured = render(report, 'text', { colour: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours themselves
    expect(coloured.replaceAll(/\u001b\[\d+m/g, '')).toBe(render(report, 'text', PLAIN));
    expect(coloured).toContain('\u001b[');
  });

  test('lines keep to the terminal where a break is possible', () => {
    for (const line of render(SAMPLES.connectivity as Report, 'text', { colour: false, width: 70 }).split('\n')) {
      if (line.startsWith('  ')) expect(line.length).toBeLessThanOrEqual(70);
    }
  });

  test('classes stand for all of their members', () => {
    const a = ['a/1[Pod]', 'a/2[Pod]', 'a/3[Pod]'];
    const b = ['b/1[Pod]', 'b/2[Pod]'];
    const report: ConnectivityReport = {
      ...(SAMPLES.hostile as ConnectivityReport),
      peers: [...a, ...b],
      classes: [
        { name: 'a/1[Pod]', members: a },
        { name: 'b/1[Pod]', members: b },
      ],
      allowed: [
        { src: 'a/1[Pod]', dst: 'b/1[Pod]', conn: 'all' },
        { src: 'b/1[Pod]', dst: 'b/1[Pod]', conn: { TCP: [[1, 1]] } },
      ],
    };
    const text = render(report, 'text', PLAIN);
    expect(text).toContain('  a/*  nothing  none');
    expect(text).toContain('  b/{1,2}  a/*      all');
    expect(text).toContain('  b/{1,2}  b/{1,2}  TCP 1');
    // 3*2 from a to b, 2*1 inside of b; 5*4 pairs in all.
    expect(text).toContain('20 pairs: 8 allowed (6 on every port), 12 denied');
  });

  test('ranges stand beside classes, and a pair that is open in part counts once, as unspecified', () => {
    const range = '0.0.0.0-255.255.255.255';
    const report: ConnectivityReport = {
      ...(SAMPLES.hostile as ConnectivityReport),
      peers: ['a/1[Pod]', 'a/2[Pod]', range],
      classes: [{ name: 'a/1[Pod]', members: ['a/1[Pod]', 'a/2[Pod]'] }],
      allowed: [{ src: range, dst: 'a/1[Pod]', conn: { TCP: [[80, 80]] } }],
      unspecified: [[range, 'a/1[Pod]']],
    };
    const text = render(report, 'text', PLAIN);
    expect(text).toContain('a/{1,2}  everything outside the cluster  TCP 80');
    expect(text).toContain('a/{1,2}  everything outside the cluster  unspecified');
    expect(text).toContain('6 pairs: 0 allowed, 4 denied, 2 unspecified');
    const data =
      /<script type="application\/json" id="data">(.*)<\/script>/.exec(render(report, 'html', PLAIN))?.[1] ?? '';
    const page = JSON.parse(data);
    // Two peers (the class, then the range); only the range reaches the class.
    expect(page.rows).toEqual([
      [0, 2],
      [2, 1, 0, 1],
    ]);
    expect(page.conns).toMatchObject([{ text: 'TCP 80, the rest unspecified', state: 'open' }]);
    expect(render(report, 'svg', PLAIN)).toContain('everything outside the cluster');
    expect(render(report, 'dot', PLAIN)).toContain('label="1 +1 alike"');
  });
});

describe('markdown', () => {
  test('a long diff is folded, its figures are not', () => {
    const base = SAMPLES.diff as DiffReport;
    const changes = Array.from({ length: 30 }, (_, i) => ({
      type: 'added' as const,
      src: `a/s${i}[Pod]`,
      dst: `b/d${i}[Pod]`,
      before: {},
      after: 'all' as const,
    }));
    const text = render({ ...base, changes, partialChanges: [] }, 'markdown', PLAIN);
    expect(text.indexOf('**30** opened')).toBeLessThan(text.indexOf('<details>'));
    expect(text).toContain('<b>Between workloads</b> (30 rows)');
  });

  test('no difference is said in words', () => {
    const text = render(
      {
        ...(SAMPLES.diff as DiffReport),
        changes: [],
        partialChanges: [],
        unspecified: [],
        ingressControllerChanges: [],
      },
      'markdown',
      PLAIN,
    );
    expect(text).toContain('No difference in connectivity.');
  });
});

describe('dot', () => {
  const missing = spawnSync('dot', ['-V']).error !== undefined;
  if (missing) console.warn('skipped: graphviz is not installed');
  const draw = (report: Report): string =>
    execFileSync('dot', ['-Tsvg'], {
      input: render(report, 'dot', PLAIN),
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    });

  test.skipIf(missing)('graphviz draws every name as it stands', () => {
    const svg = draw(SAMPLES.hostile as Report);
    expect(svg).toContain('y`z|w\\</text>');
    expect(svg).toContain('x&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;</text>');
    expect(svg).toContain('c\\u001b[31m</text>');
  });

  test.skipIf(missing)('graphviz accepts any names', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        const svg = draw(report);
        const edges = svg.split('class="edge"').length - 1;
        expect(edges).toBeGreaterThan(report.allowed.length > 0 ? 0 : -1);
      }),
      { numRuns: 10 },
    );
  });
});

describe('formats', () => {
  test('render the same text twice', () => {
    for (const [, report] of all) {
      for (const { name } of FORMATS) {
        if (findFormat(name, report.kind) === null) continue;
        expect(render(report, name, PLAIN)).toBe(render(report, name, PLAIN));
      }
    }
  });
});

describe('a report of some workloads', () => {
  // `shop/web` was asked for: shop/api, which only it reaches, and db are listed for its sake alone.
  const cut: ConnectivityReport = {
    kind: 'ConnectivityReport',
    peers: ['shop/api[Deployment]', 'shop/db[Deployment]', 'shop/web[Deployment]', '0.0.0.0-255.255.255.255'],
    allowed: [
      { src: 'shop/web[Deployment]', dst: 'shop/api[Deployment]', conn: 'all' },
      { src: 'shop/web[Deployment]', dst: 'shop/db[Deployment]', conn: { TCP: [[5432, 5432]] } },
    ],
    unspecified: [],
    unspecifiedBecause: [],
    ingressController: [],
    shown: ['shop/web[Deployment]'],
    replicas: [],
    diagnostics: [],
  };

  test('says of others neither that nothing reaches them nor that they are denied', () => {
    const text = render({ ...cut, allowed: cut.allowed.slice(0, 1) }, 'text', PLAIN);
    expect(text).toMatch(/shop\/web +nothing +none/);
    expect(text).not.toContain('shop/db');
    const markdown = render(cut, 'markdown', PLAIN);
    expect(markdown).toContain('**2** pairs of the workload shown allowed (1 on every port); all else is denied.');
    expect(markdown).toContain('| `nothing` | `shop/web` | `none` |');
    expect(markdown.match(/`nothing`/g)).toHaveLength(1);
  });

  test('counts its pairs and names it in documents', () => {
    // web with api, db and one range, there and back.
    expect(countConnectivity(cut)).toMatchObject({ workloads: 3, shown: 1, pairs: 6, allowed: 2, denied: 4 });
    const inClasses: ConnectivityReport = {
      ...cut,
      allowed: [{ src: 'shop/api[Deployment]', dst: 'shop/api[Deployment]', conn: 'all' }],
      classes: [{ name: 'shop/api[Deployment]', members: cut.peers.slice(0, 3) }],
    };
    // Of the six pairs of the class, the two between api and db are not shown.
    expect(countConnectivity(inClasses).allowed).toBe(4);
    expect(JSON.parse(render(cut, 'json', PLAIN))).toMatchObject({ shown: ['shop/web[Deployment]'] });
    expect(yamlPackage.parse(render(cut, 'yaml', PLAIN))).toMatchObject({ shown: ['shop/web[Deployment]'] });
  });
});

test('a number without a protocol is asked for TCP, a name for its own', () => {
  expect(questionPorts({ src: 'a', dst: 'b', port: 6379 })).toBe('TCP 6379');
  expect(questionPorts({ src: 'a', dst: 'b', port: 'redis' })).toBe('redis');
  expect(questionPorts({ src: 'a', dst: 'b', protocol: 'UDP', port: 53 })).toBe('UDP 53');
  expect(questionPorts({ src: 'a', dst: 'b' })).toBe('every port');
});
