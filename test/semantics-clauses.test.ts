/** Every clause of `docs/semantics.md` is cited in the title of at least one test; every citation has its clause. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Clauses that no test cites yet. This list only shrinks: remove a clause in the commit that tests it. */
const NOT_YET_CITED: readonly string[] = [];

const CLAUSE = /\bS\d+\.\d+\b/g;

function filesUnder(folder: string, wanted: RegExp): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

const CLAUSES: readonly string[] = [
  ...readFileSync(join(ROOT, 'docs/semantics.md'), 'utf8').matchAll(/^- \*\*(S\d+\.\d+)\*\* /gm),
].map(([, id]) => id as string);

const TEST_FILES = ['src', 'test'].flatMap((folder) => filesUnder(join(ROOT, folder), /\.test\.ts$/));

/** The first string behind each `test`, `it` or `describe`, with or without a table before it. */
function titlesIn(text: string): readonly string[] {
  const calls = text.matchAll(/\b(?:test|it|describe)(?:\.\w+)*\s*\(\s*(['"`])((?:(?!\1)[^\\]|\\.)*)\1/gs);
  // A table may be long; its title follows the bracket that closes it.
  const tables = text.matchAll(/[\])]\s*,?\s*\)\s*\(\s*(['"`])((?:(?!\1)[^\\]|\\.)*)\1/gs);
  const named = text.matchAll(/\b(?:test|it|describe)\.each\(\w+\)\(\s*(['"`])((?:(?!\1)[^\\]|\\.)*)\1/gs);
  return [...calls, ...tables, ...named].map((match) => match[2] as string);
}

const cited = new Set(
  TEST_FILES.flatMap((file) => titlesIn(readFileSync(file, 'utf8')).flatMap((t) => t.match(CLAUSE) ?? [])),
);

test('clauses have one number each, and sections count up', () => {
  expect(CLAUSES.length).toBeGreaterThan(50);
  expect(new Set(CLAUSES).size).toBe(CLAUSES.length);
  const order = CLAUSES.map((id) => id.slice(1).split('.').map(Number) as [number, number]);
  expect([...order].sort((a, b) => a[0] - b[0] || a[1] - b[1])).toEqual(order);
});

test('every clause is cited in the title of a test', () => {
  expect(CLAUSES.filter((id) => !cited.has(id) && !NOT_YET_CITED.includes(id))).toEqual([]);
});

test('the list of clauses without test only shrinks', () => {
  expect(NOT_YET_CITED.filter((id) => cited.has(id) || !CLAUSES.includes(id))).toEqual([]);
});

test('every citation, in code and tests, is of a clause that exists', () => {
  const known = new Set([...CLAUSES, ...CLAUSES.map((id) => id.slice(0, id.indexOf('.')))]);
  const wrong = ['src', 'test', 'docs'].flatMap((folder) =>
    filesUnder(join(ROOT, folder), /\.(ts|md)$/).flatMap((file) =>
      (readFileSync(file, 'utf8').match(CLAUSE) ?? [])
        .filter((id) => !known.has(id))
        .map((id) => `${relative(ROOT, file)}: ${id}`),
    ),
  );
  expect(wrong).toEqual([]);
});
