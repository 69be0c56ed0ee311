import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadAll } from 'js-yaml';
import { isObject } from '../../src/cluster/decode.ts';
import type { Json, KubeObject } from '../../src/manifest/object.ts';

/** The folder of reference material, or `null` (said once) where there is none. */
export function sharedFolder(): string | null {
  const checkout = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
  const folder = process.env.RAMPART_SHARED ?? join(checkout, '..', 'shared');
  if (existsSync(folder)) return folder;
  console.log(`skipped: no reference material at ${folder}`);
  return null;
}

const CLUSTER_SCOPED: ReadonlySet<string> = new Set([
  'Namespace',
  'Node',
  'AdminNetworkPolicy',
  'BaselineAdminNetworkPolicy',
  'ClusterNetworkPolicy',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'APIService',
]);

/** A plain reader of manifests, independent of the product's own. */
export function objectsOf(folder: string): KubeObject[] {
  const out: KubeObject[] = [];
  for (const file of filesOf(folder)) {
    let documents: Json[];
    try {
      documents = loadAll(readFileSync(file, 'utf8')) as Json[];
    } catch {
      continue;
    }
    for (const document of documents) addObjects(document, file, out);
  }
  return out;
}

/** The objects of a text with YAML documents, as if they were in a file `test.yaml`. */
export function objectsIn(text: string): KubeObject[] {
  const out: KubeObject[] = [];
  for (const document of loadAll(text) as Json[]) addObjects(document, 'test.yaml', out);
  return out;
}

function filesOf(folder: string): string[] {
  if (statSync(folder).isFile()) return /\.(ya?ml|json)$/.test(folder) ? [folder] : [];
  return readdirSync(folder)
    .sort()
    .flatMap((name) => filesOf(join(folder, name)));
}

function addObjects(json: Json | undefined, file: string, out: KubeObject[]): void {
  if (!isObject(json)) return;
  if (Array.isArray(json.items)) {
    // The items of a typed list (`PodList`) need not repeat what they are.
    const kind = String(json.kind ?? '').replace(/List$/, '');
    const type = kind === '' ? {} : { apiVersion: json.apiVersion ?? 'v1', kind };
    for (const item of json.items) if (isObject(item)) addObjects({ ...type, ...item }, file, out);
    return;
  }
  const metadata = isObject(json.metadata) ? json.metadata : {};
  const kind = String(json.kind ?? '');
  out.push({
    ref: {
      apiVersion: String(json.apiVersion ?? ''),
      kind,
      namespace: CLUSTER_SCOPED.has(kind) ? null : String(metadata.namespace ?? 'default'),
      name: String(metadata.name ?? ''),
      source: { file, locate: () => ({ line: 1, column: 1 }) },
    },
    value: json,
  });
}
