import { type FSWatcher, unwatchFile, watch, watchFile } from 'node:fs';
import { dirname } from 'node:path';

/** Editors, and kubelets with a ConfigMap, take several steps. */
const SETTLED_MS = 200;

/**
 * Calls back when the file may have changed, until the answer is called. The folder is watched: a file of a ConfigMap
 * changes by a link beside it. Where the system has no watches left, the file is looked at every `pollMs`.
 */
export function followFile(path: string, then: () => void, pollMs = 10_000): () => void {
  let soon: NodeJS.Timeout | null = null;
  let watcher: FSWatcher | null = null;
  let polling = false;
  const changed = (): void => {
    soon ??= setTimeout(() => {
      soon = null;
      then();
    }, SETTLED_MS);
  };
  const poll = (): void => {
    watcher?.close();
    watcher = null;
    if (polling) return;
    polling = true;
    watchFile(path, { persistent: false, interval: pollMs }, changed);
  };
  try {
    watcher = watch(dirname(path), { persistent: false }, changed);
    watcher.on('error', poll);
  } catch {
    poll();
  }
  return () => {
    watcher?.close();
    if (polling) unwatchFile(path, changed);
    if (soon !== null) clearTimeout(soon);
  };
}
