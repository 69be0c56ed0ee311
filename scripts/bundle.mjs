// Bundles the command line into dist/cli/. Plain JavaScript, so that Node 20 can build without a compiler.
// @ts-check
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { build } from 'rolldown';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');

// The entry is tiny and loads the rest, because only modules loaded after this call come out of the compile cache.
const ENTRY = `#!/usr/bin/env node
import module from 'node:module';
import { join } from 'node:path';
const { env } = process;
const cache = env.XDG_CACHE_HOME || (env.HOME && join(env.HOME, '.cache'));
if (cache && !env.NODE_COMPILE_CACHE) module.enableCompileCache?.(join(cache, 'rampart', 'compile'));
if (!module.registerHooks) await import('./old-node.js');
await import('./MAIN');
`;

// The Kubernetes client's HTTP library is written for Node 22; this is what it misses in Node 20.
const OLD_NODE = `import worker from 'node:worker_threads';
import zlib from 'node:zlib';
const missing = (name) => () => { throw new Error(name + ' needs a newer Node.js'); };
worker.markAsUncloneable ??= () => {};
zlib.createZstdDecompress ??= missing('zstd');
Promise.withResolvers ??= function () {
  const parts = {};
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};
`;

/** @param {string} source @param {string} folder */
async function bundle(source, folder) {
  const started = new Date();
  const { output } = await build({
    input: { main: source },
    cwd: top,
    platform: 'node',
    write: false,
    logLevel: 'warn',
    transform: {
      target: 'node20',
      define: {
        'process.env.RAMPART_COMMIT': JSON.stringify(commit()),
      },
    },
    output: {
      format: 'esm',
      minify: { mangle: false, compress: true, codegen: { removeWhitespace: false } },
      entryFileNames: '[name]-[hash].js',
      chunkFileNames: '[name]-[hash].js',
    },
  });
  mkdirSync(folder, { recursive: true });
  const written = new Set(['rampart.js', 'old-node.js', 'LICENSES.txt', '.stamp']);
  let main = '';
  for (const chunk of output) {
    written.add(chunk.fileName);
    if (chunk.type === 'chunk' && chunk.isEntry) main = chunk.fileName;
    replaceFile(join(folder, chunk.fileName), chunk.type === 'chunk' ? chunk.code : chunk.source);
  }
  replaceFile(join(folder, 'old-node.js'), OLD_NODE);
  replaceFile(join(folder, 'LICENSES.txt'), licenses(output));
  // The entry comes last: whoever starts in the meantime runs the old bundle or the new one, never a mixture.
  replaceFile(join(folder, 'rampart.js'), ENTRY.replace('MAIN', main), 0o755);
  replaceFile(join(folder, '.stamp'), '');
  utimesSync(join(folder, '.stamp'), started, started);
  // What ends in a number is the draft of another build that is at work.
  for (const name of readdirSync(folder)) {
    if (!written.has(name) && !/\.\d+$/.test(name)) rmSync(join(folder, name), { recursive: true });
  }
  return output;
}

/** @param {string} path @param {string | Uint8Array} content @param {number} [mode] */
function replaceFile(path, content, mode = 0o644) {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, content);
  chmodSync(draft, mode);
  renameSync(draft, path);
}

/**
 * The licences of the packages of which a part is in the bundle.
 *
 * @param {readonly import('rolldown').RolldownOutput['output'][number][]} output
 */
function licenses(output) {
  const folders = new Set();
  for (const chunk of output) {
    for (const id of chunk.type === 'chunk' ? chunk.moduleIds : []) {
      const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id);
      if (folder !== null) folders.add(folder[0]);
    }
  }
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
    const text = files.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n');
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  return texts.join(`\n${'─'.repeat(80)}\n\n`);
}

/** The commit of this checkout, or `null` outside of one. */
function commit() {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: top, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return null;
  }
}

const [source = join(top, 'src/cli/main.ts'), folder = join(top, 'dist/cli')] = process.argv.slice(2);
try {
  await bundle(source, folder);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`bundling ${source} failed: ${process.stderr.isTTY ? message : stripVTControlCharacters(message)}`);
  process.exitCode = 1;
}
