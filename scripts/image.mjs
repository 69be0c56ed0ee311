// Makes what deploy/Dockerfile makes, where there is no container engine: a root file system, and an archive of it
// for a test cluster's nodes. `node scripts/image.mjs NAME:TAG` prints the archive's path.
// @ts-check
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
const cache = process.env.RAMPART_IMAGE_CACHE ?? join(homedir(), '.cache/rampart-image');

/** Debian's names of the releases that the Dockerfile may rest on. */
const SUITES = new Map([['12', 'bookworm']]);

/**
 * What the last stage of a Dockerfile asks for.
 *
 * @typedef {object} ImagePlan
 * @property {string} suite of Debian
 * @property {readonly string[]} packages
 * @property {readonly { readonly from: string, readonly to: string }[]} copies out of the stage `build`
 * @property {readonly { readonly to: string, readonly at: string }[]} links
 * @property {string} program
 */

/**
 * Reads the last stage; an instruction that this script would have to leave out is an error.
 *
 * @param {string} text
 * @returns {ImagePlan}
 */
export function readDockerfile(text) {
  const lines = text
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const last = lines.findLastIndex((line) => line.startsWith('FROM '));
  const release = /^FROM debian:(\d+)\.\d+-slim$/.exec(lines[last] ?? '')?.[1];
  const suite = SUITES.get(release ?? '');
  if (suite === undefined) throw new Error(`no Debian that this script knows: ${lines[last]}`);
  /** @type {string[]} */
  const packages = [];
  /** @type {{ from: string, to: string }[]} */
  const copies = [];
  /** @type {{ to: string, at: string }[]} */
  const links = [];
  let program = '';
  for (const line of lines.slice(last + 1)) {
    const installs =
      /^RUN apt-get update && apt-get install -y --no-install-recommends ([a-z0-9.+ -]+) && rm -rf [\w/* ]+$/.exec(
        line,
      );
    const copy = /^COPY --from=build (\/\S+) (\/\S+)$/.exec(line);
    const link = /^RUN ln -s (\/[\w./-]+) (\/[\w./-]+)$/.exec(line);
    const entry = /^ENTRYPOINT \["([^"]+)"\]$/.exec(line);
    if (installs !== null) packages.push(...(installs[1] ?? '').split(' ').filter((name) => name !== ''));
    else if (copy !== null) copies.push({ from: copy[1] ?? '', to: copy[2] ?? '' });
    else if (link !== null) links.push({ to: link[1] ?? '', at: link[2] ?? '' });
    else if (entry !== null) program = entry[1] ?? '';
    else if (!/^(ENV|USER|CMD) /.test(line))
      throw new Error(`an instruction that this script cannot carry out: ${line}`);
  }
  if (program === '') throw new Error('there is no ENTRYPOINT of one program');
  return { suite, packages, copies, links, program };
}

/**
 * Why no image can be made here; `null` if one can.
 *
 * @returns {string | null}
 */
export function missingForImage() {
  if (process.getuid?.() !== 0) return 'making a root file system needs root';
  if (!inPath('mmdebstrap')) return 'mmdebstrap is not installed (apt-get install mmdebstrap)';
  if (!existsSync(pinnedNode)) return `the pinned Node.js is not at ${pinnedNode}: run \`npm ci\``;
  return null;
}

/** @param {string} program */
function inPath(program) {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)));
}

const pinnedNode = join(top, 'node_modules/node/bin/node');

/** @param {readonly string[]} parts */
function hashOf(...parts) {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16);
}

/**
 * The Debian part as a tar archive, made once per list of packages.
 *
 * @param {ImagePlan} plan
 */
function debianBase(plan) {
  const excluded = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*'];
  const base = join(cache, `debian-${hashOf(plan.suite, ...plan.packages, ...excluded)}.tar`);
  if (existsSync(base)) return base;
  mkdirSync(cache, { recursive: true });
  const draft = `${base}.${process.pid}`;
  const options = excluded.map((path) => `--dpkgopt=path-exclude=${path}`);
  const include = `--include=${plan.packages.join(',')}`;
  const format = '--format=tar';
  execFileSync('mmdebstrap', ['--quiet', '--variant=minbase', include, format, ...options, plan.suite, draft], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  renameSync(draft, base);
  return base;
}

/**
 * The image as an archive that `ctr images import` takes.
 *
 * @param {string} name with its tag
 * @param {string} kube the program that packs it
 */
export function makeImage(name, kube) {
  const dockerfile = readFileSync(join(top, 'deploy/Dockerfile'), 'utf8');
  const plan = readDockerfile(dockerfile);
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'work-'));
  try {
    const bundle = join(scratch, 'bundle');
    const bundling = [join(top, 'scripts/bundle.mjs'), join(top, 'src/cli/main.ts'), bundle];
    execFileSync(pinnedNode, bundling, { stdio: ['ignore', 'inherit', 'inherit'] });
    // Where the paths of the stage `build` are found here.
    const built = new Map([
      ['/usr/local/bin/node', pinnedNode],
      ['/src/dist/cli', bundle],
    ]);
    const home = join(cache, 'kube');
    const archive = join(home, 'images', `${name.replaceAll(/[/:]/g, '_')}.tar`);
    // The names of chunks hold the hash of their content.
    const names = readdirSync(bundle).sort().join();
    const node = statSync(pinnedNode);
    const stamp = `${basename(archive)}.${hashOf(dockerfile, names, readFileSync(join(bundle, 'rampart.js'), 'utf8'), `${node.size} ${node.mtimeMs}`)}`;
    if (existsSync(archive) && existsSync(join(home, stamp))) return archive;

    const root = join(scratch, 'root');
    mkdirSync(root);
    execFileSync('tar', ['-C', root, '--exclude=./dev/*', '-xf', debianBase(plan)]);
    for (const { from, to } of plan.copies) {
      const source = built.get(from);
      if (source === undefined) throw new Error(`the stage \`build\` has no ${from} that this script knows`);
      mkdirSync(dirname(join(root, to)), { recursive: true });
      cpSync(source, join(root, to), { recursive: true, dereference: true });
    }
    for (const { to, at } of plan.links) symlinkSync(to, join(root, at));
    // A folder of its own for the packer: what lies in the cluster's own folder, every new node of anybody loads.
    mkdirSync(home, { recursive: true });
    execFileSync(kube, ['image', name, root, plan.program], {
      env: { ...process.env, RAMPART_KUBE_DIR: home, RAMPART_KUBE_NAME: 'none' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    for (const other of readdirSync(home)) if (other.startsWith(`${basename(archive)}.`)) rmSync(join(home, other));
    writeFileSync(join(home, stamp), '');
    return archive;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const shared = process.env.RAMPART_SHARED ?? resolve(top, '../shared');
  const missing = missingForImage();
  if (missing === null) {
    console.log(makeImage(process.argv[2] ?? 'localhost/rampart:dev', join(shared, 'tools/kube/kube')));
  } else {
    console.error(missing);
    process.exitCode = 1;
  }
}
