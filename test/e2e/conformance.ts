import { execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KUBE, type NodeCluster, SUITE_BUILD } from './cluster.ts';

const run = promisify(execFile);
/** The image that the conformance suite's pods want. */
const IMAGE = 'registry.k8s.io/e2e-test-images/agnhost:2.45';

/**
 * Containers of the suite start through bash. On a kernel without SCTP those that serve it would end at once, and their
 * pods never be ready.
 */
const BASH = `#!/bin/sh
if [ ! -e /proc/net/sctp ] && env | grep -q '^SERVE_SCTP_PORT'; then exec /bin/sleep 1000000; fi
exec /bin/sh "$@"
`;

/** One test of the suite, or one of its parts. */
export interface ConformanceResult {
  readonly name: string;
  readonly passed: boolean;
}

/** The lines `--- PASS: TestConformance/A/b (1.0s)` of a Go test run, the whole itself aside. */
export function readResults(output: string): readonly ConformanceResult[] {
  return [...output.matchAll(/^\s*--- (PASS|FAIL): TestConformance\/(\S+) \(/gm)].map((match) => ({
    name: match[2] ?? '',
    passed: match[1] === 'PASS',
  }));
}

async function bashedImage(agnhost: string): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'rampart-conformance-'));
  const root = join(home, 'root');
  mkdirSync(root);
  const layer = join(home, 'layer.tar');
  await run('tar', ['-C', home, '-xf', agnhost, 'layer.tar']);
  await run('tar', ['-C', root, '-xf', layer]);
  rmSync(join(root, 'bin/bash'), { force: true });
  writeFileSync(join(root, 'bin/bash'), BASH);
  chmodSync(join(root, 'bin/bash'), 0o755);
  await run(KUBE, ['image', IMAGE, root, '/agnhost', 'pause'], {
    env: { ...process.env, RAMPART_KUBE_DIR: home, RAMPART_KUBE_NAME: 'none' },
  });
  return home;
}

/** Why the suite cannot be run; `null` after it has been built. */
export async function buildConformance(): Promise<{ readonly folder: string } | { readonly missing: string }> {
  try {
    const { stdout } = await run('sh', [SUITE_BUILD], { timeout: 900_000 });
    return { folder: stdout.trim() };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

export interface ConformanceRun {
  readonly results: readonly ConformanceResult[];
  /** Attempts that were left out because the kernel has no SCTP. */
  readonly leftOut: number;
  readonly output: string;
}

/** Runs the conformance suite of ClusterNetworkPolicy with all its features. */
export async function runConformance(
  cluster: NodeCluster,
  nodes: readonly string[],
  folder: string,
): Promise<ConformanceRun> {
  const home = await bashedImage(cluster.imageOf('localhost_agnhost_2.56'));
  try {
    const archive = join(home, 'images', `${IMAGE.replaceAll(/[/:]/g, '_')}.tar`);
    for (const node of nodes) await cluster.loadImage(node, archive);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  await cluster.kubectl('apply', '--server-side', '-f', join(folder, 'crd'));
  const child = spawn(
    join(folder, 'conformance.test'),
    ['-test.v', '-test.run=^TestConformance$', '-test.skip=^TestConformance$/SCTP', '--all-features', '--debug'],
    {
      cwd: folder,
      env: cluster.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  const listen = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', listen);
  child.stderr.on('data', listen);
  await new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', done);
  });
  return { results: readResults(output), leftOut: output.split('LEFT OUT').length - 1, output };
}
