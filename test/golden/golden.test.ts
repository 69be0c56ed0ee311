import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FORMATS, findFormat, formatsFor, render } from '../../src/report/registry.ts';
import { SAMPLES } from './samples.ts';

const folder = import.meta.dirname;
const goldens = readdirSync(folder).filter((file) => file.endsWith('.golden'));

/** `format.sample.golden`, with `-colour`, `-narrow` or `-verbose` after the sample's name. */
function renderFor(file: string): string {
  const [format = '', variant = ''] = file.split('.');
  const [sample = '', option] = variant.split('-');
  const report = SAMPLES[sample];
  if (report === undefined) throw new Error(`no sample ${sample}`);
  const text = render(report, format, {
    colour: option === 'colour',
    ...(option === 'narrow' ? { width: 60 } : {}),
    verbose: option === 'verbose',
  });
  // Style sheet and script of the page are source files of their own; here is what a report adds to them.
  return text
    .replace(/<style>[\s\S]*?<\/style>/, '<style/>')
    .replace(/<script>'use strict'[\s\S]*?<\/script>/, '<script/>');
}

describe('reviewed renderings', () => {
  test.each(goldens)('%s', (file) => {
    expect(renderFor(file)).toBe(readFileSync(join(folder, file), 'utf8'));
  });

  test('every format has one', () => {
    const covered = new Set(goldens.map((file) => file.split('.')[0]));
    expect(FORMATS.map((format) => format.name).filter((name) => !covered.has(name))).toEqual([]);
  });
});

describe('registry', () => {
  test('lists every file of its folder', () => {
    const files = readdirSync(join(folder, '../../src/report/formats'))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => file.slice(0, -3));
    expect(FORMATS.map((format) => format.name).sort()).toEqual(files.sort());
  });

  test('every report has text, json and yaml', () => {
    for (const sample of Object.values(SAMPLES)) {
      expect(formatsFor(sample.kind)).toEqual(expect.arrayContaining(['text', 'json', 'yaml']));
    }
  });

  test('a format that does not render a report says so', () => {
    const sample = SAMPLES.validation;
    if (sample === undefined) throw new Error('no sample');
    expect(findFormat('dot', sample.kind)).toBeNull();
    expect(findFormat('constructor', sample.kind)).toBeNull();
    expect(() => render(sample, 'dot', { colour: false })).toThrow('`dot` does not render a ValidationReport');
  });
});
