import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { parserOf } from '../../src/cli/run.ts';
import { cli, folderOf, type Json, remove, SHOP } from './run-cli.ts';
import { WORLD } from './world.ts';

const WIDER = WORLD.replace('- from: [{podSelector: {matchLabels: {app: api}}}]', '- from: [{podSelector: {}}]');
const BROKEN = `${WORLD}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: Bad|<b>, namespace: shop}\nspec: {}\n`;
const FLOWS = [
  { src: 'shop/api', dst: 'shop/db', protocol: 'TCP', port: 5432 },
  { src: 'front/web', dst: 'shop/db', protocol: 'TCP', port: 5432 },
  { src: 'shop/api', dst: 'shop/db' },
  { src: 'shop/x|y', dst: '"<script>\n' },
];

let folder = '';
beforeAll(() => {
  folder = folderOf({
    'before.yaml': WORLD,
    'after.yaml': WIDER,
    'broken.yaml': BROKEN,
    'flows.json': JSON.stringify(FLOWS),
  });
});
afterAll(() => remove(folder));

/** The kind of document of each command, and the command lines that are tried in every format. */
const REPORTS: readonly {
  readonly command: string;
  readonly kind: string;
  readonly keys: readonly string[];
  readonly lines: () => readonly (readonly string[])[];
}[] = [
  {
    command: 'connectivity',
    kind: 'ConnectivityReport',
    keys: ['peers', 'allowed', 'unspecified', 'unspecifiedBecause', 'ingressController', 'replicas'],
    lines: () => [
      ['-f', SHOP],
      ['-f', join(folder, 'broken.yaml')],
    ],
  },
  {
    command: 'exposure',
    kind: 'ExposureReport',
    keys: ['entries', 'unprotected', 'unspecified'],
    lines: () => [
      ['-f', SHOP],
      ['-f', join(folder, 'broken.yaml')],
    ],
  },
  {
    command: 'diff',
    kind: 'DiffReport',
    keys: ['changes', 'partialChanges', 'unspecified', 'ingressControllerChanges'],
    lines: () => [
      ['--from', join(folder, 'before.yaml'), '--to', join(folder, 'after.yaml')],
      ['--from', SHOP, '--to', SHOP],
    ],
  },
  {
    command: 'policies',
    kind: 'PoliciesReport',
    keys: ['workloads', 'selectNothing'],
    lines: () => [
      ['-f', SHOP],
      ['shop/api', '-f', SHOP],
    ],
  },
  {
    command: 'query',
    kind: 'QueryReport',
    keys: ['flows'],
    lines: () => [['-f', join(folder, 'before.yaml'), '--flows', join(folder, 'flows.json')]],
  },
  {
    command: 'explain',
    kind: 'Explanation',
    keys: ['src', 'dst', 'protocol', 'port', 'verdict', 'caveats', 'egress', 'ingress', 'considered', 'fixes'],
    lines: () => [
      ['shop/checkout', 'svc/payments/gateway:8443', '-f', SHOP],
      ['203.0.113.9', 'data/postgres:5432', '-f', SHOP],
    ],
  },
  {
    command: 'validate',
    kind: 'ValidationReport',
    keys: [],
    lines: () => [
      ['-f', SHOP],
      ['-f', join(folder, 'broken.yaml')],
    ],
  },
];

const silent = { write: () => true } as never;

async function formatsOf(name: string): Promise<readonly string[]> {
  const entry = COMMANDS.find((one) => one.name === name);
  if (entry === undefined) throw new Error(`no command ${name}`);
  const { command } = await parserOf(entry, { stdout: silent, stderr: silent });
  return command.options.find((option) => option.long === '--output')?.argChoices ?? [];
}

/** Reads CSV as RFC 4180 has it. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? '';
    if (quoted) {
      if (char !== '"') cell += char;
      else if (text[i + 1] === '"') {
        cell += '"';
        i++;
      } else quoted = false;
    } else if (char === '"') {
      expect(cell).toBe('');
      quoted = true;
    } else if (char === ',' || char === '\n') {
      rows.at(-1)?.push(cell.replace(/\r$/, ''));
      cell = '';
      if (char === '\n') rows.push([]);
    } else cell += char;
  }
  expect(quoted).toBe(false);
  expect(rows.pop()).toEqual([]);
  return rows;
}

/** Every tag is closed in its order, and no `<` or `&` stands alone. */
function expectXml(text: string): void {
  const open: string[] = [];
  const body = text.replace(/<\?xml[^>]*\?>|<!--[\s\S]*?-->|<style>[\s\S]*?<\/style>/g, '');
  for (const [, text2, slash, name, rest, loose] of body.matchAll(/([^<]+)|<(\/?)([A-Za-z][\w:-]*)([^<>]*)>|(<)/g)) {
    expect(loose).toBeUndefined();
    if (text2 !== undefined) expect(text2).not.toMatch(/&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-f]+);)/);
    else if (slash === '/') expect(open.pop()).toBe(name);
    else if (!(rest ?? '').endsWith('/')) open.push(name ?? '');
  }
  expect(open).toEqual([]);
}

const CHECKS: Readonly<Record<string, (text: string) => void>> = {
  text: (text) => expect(text).not.toContain('\u001b'),
  json: (text) => expect(JSON.parse(text)).toBeTypeOf('object'),
  yaml: (text) => expect(load(text)).toBeTypeOf('object'),
  csv: (text) => {
    const [header = [], ...rows] = readCsv(text);
    expect(header.length).toBeGreaterThan(2);
    expect(new Set(header).size).toBe(header.length);
    for (const row of rows) expect(row).toHaveLength(header.length);
  },
  markdown: (text) => {
    const cells = (line: string): number => line.replaceAll('\\|', '').split('|').length;
    let width = 0;
    for (const line of text.split('\n')) {
      const table = line.startsWith('|');
      if (table && width > 0) expect(cells(line)).toBe(width);
      width = table ? cells(line) : 0;
    }
    // What is no code span and no tag of ours is escaped.
    expect(text.replace(/\\.|`[^`\n]*`|<\/?(?:details|summary|b)>/g, '')).not.toContain('<');
  },
  html: (text) => {
    expect(text).toMatch(/^<!doctype html>/i);
    expect(text.trimEnd()).toMatch(/<\/html>$/);
    // One file: nothing is fetched from anywhere.
    expect(text).not.toMatch(/<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?\/\//);
  },
  svg: (text) => {
    expect(text).toMatch(/^(?:<\?xml[^>]*>\s*)?<svg\b[^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expectXml(text);
  },
  dot: (text) => {
    const bare = text.replace(/"(?:[^"\\]|\\[\s\S])*"/g, '""');
    expect(bare).toMatch(/^(?:strict )?digraph\b/);
    expect(bare.split('{').length).toBe(bare.split('}').length);
    expect(bare.trimEnd()).toMatch(/\}$/);
  },
  mermaid: (text) => expect(text).toMatch(/^(?:---[\s\S]*?---\n)?(?:flowchart|graph) (?:LR|TD|TB)\n/),
};

describe.each(REPORTS)('$command', ({ command, kind, keys, lines }) => {
  test('is well formed in every format, twice the same', async () => {
    const formats = await formatsOf(command);
    expect(formats).toEqual(expect.arrayContaining(['text', 'json', 'yaml']));
    for (const line of lines()) {
      for (const format of formats) {
        const args = [command, ...line, '-o', format];
        const first = await cli(args);
        expect(first.out, args.join(' ')).toMatch(/\S/);
        expect(first.out.endsWith('\n'), `${args.join(' ')} ends its last line`).toBe(true);
        expect(CHECKS[format], format).toBeDefined();
        CHECKS[format]?.(first.out);
        expect(await cli(args)).toEqual(first);
      }
    }
  });

  test('as JSON is a document of its kind, as YAML the same document', async () => {
    for (const line of lines()) {
      const { out } = await cli([command, ...line, '-o', 'json']);
      const document = JSON.parse(out) as Json;
      expect(out).toMatch(/^\{\s*"apiVersion": ?"rampart\.dev\/v1alpha1",\s*"kind": ?"[A-Za-z]+"/);
      expect(document.kind).toBe(kind);
      const own = Object.keys(document).slice(2, -1);
      expect(own.filter((key) => key !== 'byPorts' && key !== 'undefinedBecause')).toEqual(keys);
      expect(Object.keys(document).at(-1)).toBe('diagnostics');
      const yaml = await cli([command, ...line, '-o', 'yaml']);
      expect(load(yaml.out)).toEqual(document);
    }
  });
});

describe('a diagnostic in JSON', () => {
  it('has the keys of the contract', async () => {
    const { out, code } = await cli(['validate', '-f', join(folder, 'broken.yaml'), '-o', 'json']);
    const { diagnostics } = JSON.parse(out) as { readonly diagnostics: readonly Json[] };
    expect(code).toBe(3);
    const bad = diagnostics.find((one) => one.object === 'NetworkPolicy/shop/Bad|<b>');
    expect(Object.keys(bad ?? {})).toEqual([
      'code',
      'severity',
      'message',
      'help',
      'object',
      'apiVersion',
      'field',
      'refused',
      'file',
      'line',
      'column',
    ]);
    expect(bad).toMatchObject({
      severity: 'error',
      refused: true,
      field: 'metadata.name',
      apiVersion: 'networking.k8s.io/v1',
      file: join(folder, 'broken.yaml'),
      line: BROKEN.split('\n').findIndex((line) => line.includes('Bad|<b>')) + 1,
    });
  });
});

describe('the list of tried reports', () => {
  it('holds every command that writes tables', async () => {
    const names: string[] = [];
    for (const { name } of COMMANDS) if ((await formatsOf(name)).includes('csv')) names.push(name);
    // What `probe` writes rests on packets; its reports are tried with those, and by golden files.
    expect(names.sort()).toEqual([...REPORTS.map(({ command }) => command), 'probe'].sort());
  });
});
