import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** The folder of the checkout. */
export const TOP: string = join(import.meta.dirname, '../..');

/** Every file below a folder of the checkout, as paths from the top, sorted. */
export function filesBelow(folder: string): readonly string[] {
  const root = join(TOP, folder);
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(TOP, join(entry.parentPath, entry.name)))
    .sort();
}

/** What git tracks, or `null` outside of a repository. */
export function trackedFiles(): readonly string[] | null {
  try {
    const listed = execFileSync('git', ['ls-files', '-z'], { cwd: TOP, stdio: ['ignore', 'pipe', 'ignore'] });
    return listed
      .toString()
      .split('\0')
      .filter((path) => path !== '' && existsSync(join(TOP, path)));
  } catch {
    return null;
  }
}

export function readText(path: string): string {
  return readFileSync(join(TOP, path), 'utf8');
}

/** The module specifiers of a TypeScript text that are loaded with it: imports and re-exports. */
export function staticImportsOf(text: string): readonly string[] {
  return specifiers(text, [
    /^\s*(?:import|export)\b[^;'"`]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
  ]);
}

/** All module specifiers of a TypeScript text, those included that are loaded later by `import()`. */
export function importsOf(text: string): readonly string[] {
  return [...staticImportsOf(text), ...specifiers(text, [/\bimport\(\s*['"]([^'"]+)['"]/g])];
}

function specifiers(text: string, forms: readonly RegExp[]): readonly string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  return forms.flatMap((form) => [...code.matchAll(form)].map((match) => match[1] ?? ''));
}

/** Where a relative specifier of that file leads, as a path from the top. */
export function resolveImport(file: string, specifier: string): string {
  return join(dirname(file), specifier);
}
