import type { Json, JsonObject } from '../manifest/object.ts';

/** Cuts an object down to what an agent needs; equal parts of different objects become one. */
export type Reduce = (object: JsonObject) => JsonObject;

export interface Reducers {
  readonly pod: Reduce;
  readonly namespace: Reduce;
  readonly node: Reduce;
  /** Everything but what only the server and kubectl need. */
  readonly policy: (apiVersion: string, kind: string) => Reduce;
}

const MIRROR = 'kubernetes.io/config.mirror';

/** Reducers that share what they have seen lately. */
export function createReducers(): Reducers {
  const parts = recent<Json>(8192);
  const words = recent<string>(8192);

  /** The first value that was equal to this one. */
  const share = (value: Json): Json => {
    if (typeof value === 'string') return words.get(value) ?? words.put(value, value);
    if (typeof value !== 'object' || value === null) return value;
    const key = JSON.stringify(value);
    return parts.get(key) ?? parts.put(key, value);
  };

  const metadata = (object: JsonObject): Fields => {
    const from = field(object, 'metadata');
    const out: Fields = {};
    copy(out, from, 'name');
    copyShared(out, from, 'namespace');
    copy(out, from, 'uid');
    copy(out, from, 'resourceVersion');
    copyShared(out, from, 'labels');
    copy(out, from, 'creationTimestamp');
    copy(out, from, 'deletionTimestamp');
    return out;
  };

  const copyShared = (out: Fields, from: JsonObject, name: FieldName): void => {
    const value = own(from, name);
    if (value !== undefined) out[name] = share(value);
  };

  const copyContainers = (out: Fields, from: JsonObject, name: 'containers' | 'initContainers'): void => {
    const value = own(from, name);
    if (!Array.isArray(value)) {
      copy(out, from, name);
      return;
    }
    const kept = (value as readonly Json[]).map((container): Json => {
      if (!isObject(container)) return container;
      const one: Fields = {};
      copy(one, container, 'name');
      copy(one, container, 'ports');
      copy(one, container, 'restartPolicy');
      return one;
    });
    out[name] = share(kept);
  };

  const pod: Reduce = (object) => {
    const spec: Fields = {};
    const fromSpec = field(object, 'spec');
    copyShared(spec, fromSpec, 'nodeName');
    copy(spec, fromSpec, 'hostNetwork');
    copyContainers(spec, fromSpec, 'containers');
    copyContainers(spec, fromSpec, 'initContainers');
    const status: Fields = {};
    const fromStatus = field(object, 'status');
    copyShared(status, fromStatus, 'phase');
    copy(status, fromStatus, 'podIP');
    copy(status, fromStatus, 'podIPs');
    copyShared(status, fromStatus, 'hostIP');
    copyShared(status, fromStatus, 'hostIPs');
    const about = metadata(object);
    const annotations = field(field(object, 'metadata'), 'annotations');
    // A static pod has another uid on its node.
    const mirrored = own(annotations, MIRROR);
    if (typeof mirrored === 'string') about.annotations = { [MIRROR]: mirrored };
    return { apiVersion: 'v1', kind: 'Pod', metadata: about, spec, status };
  };

  const node: Reduce = (object) => {
    const spec: Fields = {};
    const fromSpec = field(object, 'spec');
    copy(spec, fromSpec, 'podCIDR');
    copy(spec, fromSpec, 'podCIDRs');
    copyShared(spec, fromSpec, 'taints');
    const status: Fields = {};
    copy(status, field(object, 'status'), 'addresses');
    return { apiVersion: 'v1', kind: 'Node', metadata: metadata(object), spec, status };
  };

  const namespace: Reduce = (object) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: metadata(object) });

  const policy = (apiVersion: string, kind: string): Reduce => {
    return (object) => {
      const { managedFields: _, annotations, ...rest } = field(object, 'metadata');
      const kept: Record<string, Json> = rest;
      if (isObject(annotations)) {
        const { 'kubectl.kubernetes.io/last-applied-configuration': __, ...others } = annotations;
        kept.annotations = others;
      }
      return { ...object, apiVersion, kind, metadata: kept };
    };
  };

  return { pod, namespace, node, policy };
}

/** A memory of what was seen lately, of bounded size. */
export interface Recent<T> {
  get(key: string): T | undefined;
  put(key: string, value: T): T;
}

/** Remembers at least the last `size` values, and at most twice as many. */
export function recent<T>(size: number): Recent<T> {
  let young = new Map<string, T>();
  let old = new Map<string, T>();
  const put = (key: string, value: T): T => {
    if (young.size >= size) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
    return value;
  };
  return {
    get(key) {
      const found = young.get(key);
      if (found !== undefined) return found;
      const older = old.get(key);
      return older === undefined ? undefined : put(key, older);
    },
    put,
  };
}

type FieldName =
  | 'name'
  | 'namespace'
  | 'uid'
  | 'resourceVersion'
  | 'labels'
  | 'creationTimestamp'
  | 'deletionTimestamp'
  | 'ports'
  | 'restartPolicy'
  | 'nodeName'
  | 'hostNetwork'
  | 'containers'
  | 'initContainers'
  | 'phase'
  | 'podIP'
  | 'podIPs'
  | 'hostIP'
  | 'hostIPs'
  | 'podCIDR'
  | 'podCIDRs'
  | 'taints'
  | 'addresses';
type Fields = { [name in FieldName]?: Json } & Record<string, Json>;

function copy(out: Fields, from: JsonObject, name: FieldName): void {
  const value = own(from, name);
  if (value !== undefined) out[name] = value;
}

function own(from: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(from, name) ? from[name] : undefined;
}

const NOTHING: JsonObject = {};

function field(object: JsonObject, name: string): JsonObject {
  const value = own(object, name);
  return isObject(value) ? value : NOTHING;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
