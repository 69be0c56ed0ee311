import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { makeImage } from '../../scripts/image.mjs';
import { inPath, KUBE, type NodeCluster, until } from './cluster.ts';

const run = promisify(execFile);
/** What an administrator installs from. */
export const CHART: string = join(import.meta.dirname, '../../deploy/chart/rampart');
const DEPLOY = join(import.meta.dirname, '../../deploy');

/** Where Rampart is installed. */
export const NAMESPACE = 'rampart-system';
/** Its DaemonSet, and its ServiceAccount. */
export const AGENT = 'rampart-agent';
const IMAGE = 'localhost/rampart:0.1.0';
/** The registry of an administrator who installs by kustomize. */
const REGISTRY = 'registry.example/rampart';

/** Helm, where it was installed or built before. */
export function findHelm(): string | null {
  if (process.env.RAMPART_E2E_INSTALLER === 'kustomize') return null;
  if (inPath('helm')) return 'helm';
  const built = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'rampart-helm/helm');
  return existsSync(built) ? built : null;
}

/** Rampart on a cluster, as its administrator would install it: by the chart, or without Helm by kustomize. */
export interface Installation {
  /** Path of the image's archive, for nodes that join later. */
  readonly archive: string;
  /** Runs Helm in the namespace; fails when it does. */
  helm(...args: readonly string[]): Promise<void>;
  /** Settings of the chart in the form `key=value`; waits until every node's agent is ready. */
  upgrade(...settings: readonly string[]): Promise<void>;
  /** Makes agents remove what they made on the nodes, then removes Rampart from the cluster. */
  uninstall(): Promise<void>;
}

/** Makes the image from this checkout, gives it to the nodes and installs. */
export async function install(
  cluster: NodeCluster,
  nodes: readonly string[],
  by: 'helm' | 'kustomize' = findHelm() === null ? 'kustomize' : 'helm',
): Promise<Installation> {
  const archive = makeImage(IMAGE, KUBE);
  for (const node of nodes) await cluster.loadImage(node, archive);
  return by === 'helm' ? installByHelm(cluster, archive) : installByKustomize(cluster, nodes, archive);
}

async function rolledOut(cluster: NodeCluster): Promise<void> {
  await cluster.kubectl('-n', NAMESPACE, 'rollout', 'status', `daemonset/${AGENT}`, '--timeout=120s');
}

async function installByHelm(cluster: NodeCluster, archive: string): Promise<Installation> {
  const helm = findHelm();
  if (helm === null) throw new Error('there is no Helm');
  await cluster.kubectl('apply', '-f', join(DEPLOY, 'kustomize/base/namespace.yaml'));
  const invoke = async (...args: readonly string[]): Promise<void> => {
    await run(helm, [...args, '--namespace', NAMESPACE], { env: cluster.env, timeout: 180_000 });
  };
  const upgrade = async (...settings: readonly string[]): Promise<void> => {
    const sets = settings.flatMap((setting) => ['--set', setting]);
    await invoke('upgrade', '--install', '--reset-then-reuse-values', 'rampart', CHART, ...sets);
    await rolledOut(cluster);
  };
  await upgrade();
  return {
    archive,
    helm: invoke,
    upgrade,
    async uninstall() {
      await upgrade('cleanup=true');
      await invoke('uninstall', 'rampart', '--wait');
      const left = await until(
        60,
        () => cluster.kubectl('-n', NAMESPACE, 'get', 'pods', '-o', 'name'),
        (names) => names.trim() === '',
      );
      if (left.trim() !== '') throw new Error(`pods remain: ${left}`);
    },
  };
}

async function needsHelm(): Promise<never> {
  throw new Error('this needs Helm');
}

/** As the guide says it: kustomizations of the administrator's own, which name an image in a registry. */
async function installByKustomize(
  cluster: NodeCluster,
  nodes: readonly string[],
  archive: string,
): Promise<Installation> {
  const [, tag] = IMAGE.split(':');
  for (const node of nodes) {
    const { code, stderr } = await cluster.onNode(
      node,
      ...['ctr', '-n', 'k8s.io', 'images', 'tag', IMAGE, `${REGISTRY}:${tag}`],
    );
    if (code !== 0) throw new Error(stderr);
  }
  const withOwn = async (name: string, work: (folder: string) => Promise<unknown>): Promise<void> => {
    const home = mkdtempSync(join(tmpdir(), 'rampart-kustomize-'));
    try {
      const folder = join(home, name);
      mkdirSync(folder);
      const kustomization = {
        apiVersion: 'kustomize.config.k8s.io/v1beta1',
        kind: 'Kustomization',
        resources: [relative(folder, join(DEPLOY, 'kustomize', name))],
        images: [{ name: 'localhost/rampart', newName: REGISTRY, newTag: tag }],
      };
      writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
      await work(folder);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  };
  await withOwn('base', (folder) => cluster.kubectl('apply', '-k', folder));
  await rolledOut(cluster);
  return {
    archive,
    helm: needsHelm,
    upgrade: needsHelm,
    async uninstall() {
      await withOwn('cleanup', (folder) => cluster.kubectl('apply', '-k', folder));
      await rolledOut(cluster);
      await withOwn('base', (folder) => cluster.kubectl('delete', '-k', folder, '--timeout=120s'));
    },
  };
}
