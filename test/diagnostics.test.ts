import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { SHELL_CODES } from '../src/cli/codes.ts';
import { CLUSTER_CODES } from '../src/cluster/codes.ts';
import { UNREAD_CODE } from '../src/io/kube.ts';
import { KIND_CODES } from '../src/kinds/codes.ts';
import { VALIDATION_CODES } from '../src/kinds/validation/codes.ts';
import { LAB_CODES } from '../src/lab/model-codes.ts';
import { MANIFEST_DIAGNOSTICS } from '../src/manifest/diagnostics.ts';

interface Entry {
  readonly code: string;
  readonly title: string;
}

const AREAS: readonly { readonly area: string; readonly entries: readonly Entry[] }[] = [
  { area: 'Reading files', entries: Object.values(MANIFEST_DIAGNOSTICS) },
  { area: 'What an API server would say', entries: Object.values(VALIDATION_CODES) },
  { area: 'What becomes of policies that are not understood', entries: Object.values(KIND_CODES) },
  { area: 'The cluster around the policies', entries: Object.values(CLUSTER_CODES) },
  { area: 'Labs', entries: Object.values(LAB_CODES) },
  { area: 'Questions and live clusters', entries: [...Object.values(SHELL_CODES), UNREAD_CODE] },
];

const PAGE = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'diagnostics.md');

function page(): string {
  const tables = AREAS.map(({ area, entries }) => {
    const rows = [...entries]
      .sort((a, b) => (a.code < b.code ? -1 : 1))
      .map(({ code, title }) => `| ${code} | ${title} |`);
    return `## ${area}\n\n| code | what it says |\n|---|---|\n${rows.join('\n')}\n`;
  });
  return `# Diagnostics\n\nEvery message about your input has a code. A code keeps its meaning for ever and is never used for another one.\n\n${tables.join('\n')}`;
}

test('every code is used once', () => {
  const codes = AREAS.flatMap(({ entries }) => entries.map(({ code }) => code));
  expect(codes.filter((code, i) => codes.indexOf(code) !== i)).toEqual([]);
  expect(codes.every((code) => /^RP\d{3}$/.test(code))).toBe(true);
});

test('docs/diagnostics.md is the registry (RAMPART_WRITE_DOCS=1 writes it)', () => {
  if (process.env.RAMPART_WRITE_DOCS === '1') writeFileSync(PAGE, page());
  expect(existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '').toBe(page());
});
