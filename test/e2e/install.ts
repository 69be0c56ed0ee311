import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeImage } from '../../scripts/image.mjs';
import { inPath, KUBE, type NodeCluster, until } from './cluster.ts';

const run = promisify(execFile);
const DEPLOY = join(import.meta.dirname, '../../deploy');

/** Where Rampart is installed. */
export const NAMESPACE = 'rampart-system';
/** Its DaemonSet, and its ServiceAccount. */
export const AGENT = 'rampart-agent';
const IMAGE = 'localhost/rampart:0.1.0';

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
  /** Settings of the chart in the form `key=value`; waits until every node's agent is ready. */
  upgrade(...settings: readonly string[]): Promise<void>;
  /** Makes agents remove what they made on the nodes, then removes Rampart from the cluster. */
  uninstall(): Promise<void>;
}

/** Makes the image from this checkout, gives it to the nodes and installs. */
export async function install(cluster: NodeCluster, nodes: readonly string[]): Promise<Installation> {
  const archive = makeImage(IMAGE, KUBE);
  for (const node of nodes) await cluster.loadImage(node, archive);
  const helm = findHelm();
  await cluster.kubectl('apply', '-f', join(DEPLOY, 'kustomize/base/namespace.yaml'));
  const rolledOut = async (): Promise<void> => {
    await cluster.kubectl('-n', NAMESPACE, 'rollout', 'status', `daemonset/${AGENT}`, '--timeout=120s');
  };
  const gone = async (): Promise<void> => {
    const pods = ['-n', NAMESPACE, 'get', 'pods', '-o', 'name'];
    const left = await until(
      60,
      () => cluster.kubectl(...pods),
      (names) => names.trim() === '',
    );
    if (left.trim() !== '') throw new Error(`pods remain: ${left}`);
  };

  if (helm !== null) {
    const chart = join(DEPLOY, 'chart/rampart');
    const invoke = (...args: readonly string[]) =>
      run(helm, [...args, '--namespace', NAMESPACE], { env: cluster.env, timeout: 180_000 });
    const upgrade = async (...settings: readonly string[]): Promise<void> => {
      const sets = settings.flatMap((setting) => ['--set', setting]);
      await invoke('upgrade', '--install', '--reset-then-reuse-values', 'rampart', chart, ...sets);
      await rolledOut();
    };
    await upgrade();
    return {
      archive,
      upgrade,
      async uninstall() {
        await upgrade('cleanup=true');
        await invoke('uninstall', 'rampart', '--wait');
        await gone();
      },
    };
  }

  const folder = (name: string): string => join(DEPLOY, 'kustomize', name);
  await cluster.kubectl('apply', '-k', folder('base'));
  await rolledOut();
  return {
    archive,
    upgrade: async () => {
      throw new Error('settings need Helm');
    },
    async uninstall() {
      await cluster.kubectl('apply', '-k', folder('cleanup'));
      await rolledOut();
      await cluster.kubectl('-n', NAMESPACE, 'delete', `daemonset/${AGENT}`);
      await gone();
      await cluster.kubectl('delete', '-k', folder('base'));
    },
  };
}
