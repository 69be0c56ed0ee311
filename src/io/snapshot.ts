import { dump } from 'js-yaml';
import { byText, inTurn, type Order } from '../base/order.ts';
import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';
import type { Missing } from '../model/cluster.ts';
import type { Certainty, Cni } from './cni.ts';
import { prune } from './prune.ts';
import { isListedKind, resourceName } from './resources.ts';

export const SNAPSHOT_API_VERSION = 'rampart.dev/v1alpha1';
export const SNAPSHOT_KIND = 'Snapshot';

/** What a snapshot says of the reading that it was made from. */
export interface SnapshotMeta {
  readonly context: string | null;
  readonly serverVersion: string | null;
  /** When the cluster was read, RFC 3339; `null` leaves it out. */
  readonly time: string | null;
  /** What could not be read: it stays missing for whoever reads the snapshot. */
  readonly missing: readonly Missing[];
  readonly cni: Cni | null;
}

/**
 * A cluster as one reviewable YAML text that `-f` reads back to the same answers: sorted, so that two snapshots can be
 * compared line by line; only kinds that bear on an answer, and of those only the fields that do (no secrets,
 * annotations, environment, commands, volumes, certificates).
 */
export function snapshot(objects: readonly KubeObject[], meta: SnapshotMeta): string {
  const kept = objects.filter((object) => isListedKind(object.ref.apiVersion, object.ref.kind)).sort(byPlace);
  const missing = [...meta.missing].sort(byResource);
  const head = [
    '# A cluster as Rampart reads it. Contains no secrets, annotations, environment, commands or volumes.',
    `# ${kept.length} objects${meta.context === null ? '' : ` of ${oneLine(meta.context)}`}${meta.time === null ? '' : `, ${oneLine(meta.time)}`}`,
    ...missing.map((m) => `# NOT READ: ${oneLine(resourceName(m))}: ${oneLine(m.reason)}`),
    '',
  ];
  const documents = [metaDocument(meta, missing), ...kept.map(documentOf)];
  return `${head.join('\n')}${documents.map(write).join('---\n')}`;
}

/**
 * What the Snapshot documents among the objects say, or `null` if there is none. Of several the resources missing from
 * any are missing; a list of missing resources that cannot be understood is itself something missing.
 */
export function readSnapshotMeta(objects: readonly KubeObject[]): SnapshotMeta | null {
  const found = objects.filter((o) => o.ref.apiVersion === SNAPSHOT_API_VERSION && o.ref.kind === SNAPSHOT_KIND);
  const first = found[0];
  if (first === undefined) return null;
  const missing = new Map<string, Missing>();
  for (const { value } of found) for (const m of missingOf(value)) missing.set(`${m.group}/${m.resource}`, m);
  return {
    context: textAt(first.value, 'context'),
    serverVersion: textAt(first.value, 'serverVersion'),
    time: textAt(first.value, 'time'),
    missing: [...missing.values()].sort(byResource),
    cni: cniOf(own(first.value, 'cni')),
  };
}

const byPlace: Order<KubeObject> = inTurn(
  (a, b) => byText(a.ref.namespace ?? '', b.ref.namespace ?? ''),
  (a, b) => byText(a.ref.kind, b.ref.kind),
  (a, b) => byText(a.ref.name, b.ref.name),
  (a, b) => byText(a.ref.apiVersion, b.ref.apiVersion),
);

const byResource: Order<Missing> = inTurn(
  (a, b) => byText(a.group, b.group),
  (a, b) => byText(a.resource, b.resource),
);

function documentOf({ ref, value }: KubeObject): JsonObject {
  const kept = prune(ref.apiVersion, ref.kind, value);
  const metadata = isObject(own(kept, 'metadata')) ? (own(kept, 'metadata') as JsonObject) : {};
  // The reference counts: it has the namespace that `-n` gave to an object without one.
  const named = { ...metadata, name: ref.name, ...(ref.namespace === null ? {} : { namespace: ref.namespace }) };
  return canonical({ ...kept, metadata: named }) as JsonObject;
}

function cniJson({ name, enforces, supports, evidence }: Cni): JsonObject {
  const { networkPolicy, adminNetworkPolicy, clusterNetworkPolicy } = supports;
  return { name, enforces, supports: { networkPolicy, adminNetworkPolicy, clusterNetworkPolicy }, evidence };
}

function metaDocument(meta: SnapshotMeta, missing: readonly Missing[]): JsonObject {
  return {
    apiVersion: SNAPSHOT_API_VERSION,
    kind: SNAPSHOT_KIND,
    metadata: { name: 'cluster' },
    ...(meta.context === null ? {} : { context: meta.context }),
    ...(meta.serverVersion === null ? {} : { serverVersion: meta.serverVersion }),
    ...(meta.time === null ? {} : { time: meta.time }),
    ...(meta.cni === null ? {} : { cni: cniJson(meta.cni) }),
    missing: missing.map(({ resource, group, reason }) => ({ resource, group, reason })),
  };
}

function write(document: JsonObject): string {
  return dump(document, { noRefs: true, lineWidth: -1 });
}

const FIRST: readonly string[] = ['apiVersion', 'kind', 'metadata', 'name', 'namespace'];

/** Keys in one order; lists keep theirs, since it has a meaning. */
function canonical(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(canonical);
  const from = value as JsonObject;
  const keys = Object.keys(from).sort((a, b) => place(a) - place(b) || byText(a, b));
  return Object.fromEntries(keys.map((key) => [key, canonical(from[key] as Json)]));
}

function place(key: string): number {
  const index = FIRST.indexOf(key);
  return index < 0 ? FIRST.length : index;
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}

const UNREADABLE: Missing = {
  resource: 'unknown',
  group: '',
  reason: 'what this snapshot lists in `missing` cannot be understood',
};

function missingOf(value: JsonObject): readonly Missing[] {
  const list = own(value, 'missing');
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) return [UNREADABLE];
  return (list as readonly Json[]).map((item) => {
    const resource = isObject(item) ? textAt(item, 'resource') : null;
    const group = isObject(item) ? textAt(item, 'group') : null;
    if (!isObject(item) || resource === null || resource === '' || group === null) return UNREADABLE;
    return { resource, group, reason: textAt(item, 'reason') ?? 'not read when the snapshot was made' };
  });
}

function cniOf(value: Json | undefined): Cni | null {
  if (!isObject(value)) return null;
  const supports = own(value, 'supports');
  const certainty = (json: Json | undefined, key: string): Certainty => {
    const said = isObject(json) ? textAt(json, key) : null;
    return said === 'yes' || said === 'no' ? said : 'unknown';
  };
  const evidence = own(value, 'evidence');
  return {
    name: textAt(value, 'name'),
    enforces: certainty(value, 'enforces'),
    supports: {
      networkPolicy: certainty(supports, 'networkPolicy'),
      adminNetworkPolicy: certainty(supports, 'adminNetworkPolicy'),
      clusterNetworkPolicy: certainty(supports, 'clusterNetworkPolicy'),
    },
    evidence: Array.isArray(evidence)
      ? (evidence as readonly Json[]).filter((e): e is string => typeof e === 'string')
      : [],
  };
}

function own(value: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function textAt(value: JsonObject, key: string): string | null {
  const text = own(value, key);
  return typeof text === 'string' ? text : null;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
