// Removes compiled files whose source is gone, so that none of them gets into the package.
// @ts-check
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
const compiled = join(top, 'dist/src');
if (existsSync(compiled)) {
  for (const entry of readdirSync(compiled, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const source = join(top, 'src', relative(compiled, file).replace(/(?:\.d\.ts|\.js)$/, '.ts'));
    if (!existsSync(source)) rmSync(file);
  }
}
