import { asObject, get, isObject, items, stringOf } from '../../kinds/validation/json.ts';
import type { Json, JsonObject } from '../../manifest/object.ts';
import { badRequest, Refusal } from './status.ts';

/** JSON merge patch (RFC 7396). */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const out = new Map(Object.entries(asObject(target)));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) out.delete(key);
    else out.set(key, mergePatch(out.get(key), value));
  }
  return Object.fromEntries(out);
}

/** JSON patch (RFC 6902). */
export function jsonPatch(target: JsonObject, patch: Json): JsonObject {
  if (!Array.isArray(patch)) throw badRequest('error decoding patch: a JSON patch is a list of operations');
  let document: Json = structuredClone(target) as Json;
  for (const step of items(patch).map(asObject)) document = applyStep(document, step);
  if (!isObject(document)) throw refusedPatch('the result is no object');
  return document;
}

function refusedPatch(why: string): Refusal {
  return new Refusal(422, 'Invalid', `the server rejected our request due to an error in our request: ${why}`);
}

type Mutable = { [key: string]: Json } | Json[];

function applyStep(document: Json, step: JsonObject): Json {
  const path = pointer(stringOf(step.path));
  const value = step.value ?? null;
  switch (step.op) {
    case 'add':
      return change(document, path, value, 'add');
    case 'replace':
      read(document, path);
      return change(document, path, value, 'replace');
    case 'remove':
      read(document, path);
      return change(document, path, value, 'remove');
    case 'test':
      if (!sameJson(read(document, path), value)) throw refusedPatch(`testing value ${stringOf(step.path)} failed`);
      return document;
    case 'copy':
      return change(document, path, structuredClone(read(document, pointer(stringOf(step.from)))) as Json, 'add');
    case 'move': {
      const from = pointer(stringOf(step.from));
      const moved = read(document, from);
      return change(change(document, from, null, 'remove'), path, moved, 'add');
    }
    default:
      throw badRequest(`error decoding patch: unknown operation \`${stringOf(step.op)}\``);
  }
}

function pointer(text: string): string[] {
  if (text === '') return [];
  return text
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function read(document: Json, path: readonly string[]): Json {
  let at: Json | undefined = document;
  for (const step of path) {
    at = Array.isArray(at) ? (at as readonly Json[])[Number(step)] : get(asObject(at), step);
    if (at === undefined) throw refusedPatch(`the path /${path.join('/')} does not exist`);
  }
  return at;
}

/** Writes into a document that nobody else holds. */
function change(document: Json, path: readonly string[], value: Json, how: 'add' | 'replace' | 'remove'): Json {
  const key = path.at(-1);
  if (key === undefined) return value;
  const parent = read(document, path.slice(0, -1)) as Mutable;
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : Number(key);
    if (!Number.isInteger(index) || index < 0 || index > parent.length) throw refusedPatch(`invalid index ${key}`);
    if (how === 'add') parent.splice(index, 0, value);
    else if (how === 'remove') parent.splice(index, 1);
    else parent[index] = value;
  } else if (how === 'remove') delete parent[key];
  else Object.defineProperty(parent, key, { value, writable: true, enumerable: true, configurable: true });
  return document;
}

/** Equal as JSON, whatever the order of the keys. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    const [x, y] = [items(a), items(b)];
    return x.length === y.length && x.every((item, i) => sameJson(item, y[i]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  );
}

/** How two lists in the same place become one: by these fields of their items, as sets, or the later one replaces. */
type ListRule = readonly string[] | 'set' | 'replace';

const BY_NAME = ['name'];
const RULES: ReadonlyMap<string, ListRule> = new Map<string, ListRule>([
  ['containers', BY_NAME],
  ['initContainers', BY_NAME],
  ['ephemeralContainers', BY_NAME],
  ['env', BY_NAME],
  ['volumes', BY_NAME],
  ['imagePullSecrets', BY_NAME],
  ['volumeMounts', ['mountPath']],
  ['volumeDevices', ['devicePath']],
  ['hostAliases', ['ip']],
  ['podIPs', ['ip']],
  ['hostIPs', ['ip']],
  ['conditions', ['type']],
  ['ownerReferences', ['uid']],
  ['topologySpreadConstraints', ['topologyKey', 'whenUnsatisfiable']],
  ['finalizers', 'set'],
  ['podCIDRs', 'set'],
]);

/** The rule of the list at a path of field names; `ports` is a list of several kinds. */
function ruleOf(kind: string, path: readonly string[]): ListRule {
  const field = path.at(-1) ?? '';
  const parent = path.at(-2) ?? '';
  if (field === 'ports') {
    if (parent === 'containers' || parent === 'initContainers') return ['containerPort', 'protocol'];
    return kind === 'Service' && parent === 'spec' ? ['port', 'protocol'] : 'replace';
  }
  if (field === 'addresses') return kind === 'Node' ? ['type'] : 'replace';
  return RULES.get(field) ?? 'replace';
}

// TCP is what an absent protocol means in every keyed list.
function keyOf(item: Json, fields: readonly string[]): string {
  const object = asObject(item);
  return JSON.stringify(fields.map((field) => get(object, field) ?? (field === 'protocol' ? 'TCP' : null)));
}

/** Strategic merge patch of a built-in kind. */
export function strategicMerge(kind: string, target: JsonObject, patch: JsonObject): JsonObject {
  return strategicObject(kind, [], target, patch);
}

function strategicObject(kind: string, path: readonly string[], target: JsonObject, patch: JsonObject): JsonObject {
  if (patch.$patch === 'replace') return withoutDirectives(patch);
  const retained = items(patch.$retainKeys).map(stringOf);
  const out = new Map(Object.entries(target).filter(([key]) => retained.length === 0 || retained.includes(key)));
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$deleteFromPrimitiveList/')) {
      const field = key.slice('$deleteFromPrimitiveList/'.length);
      out.set(
        field,
        items(out.get(field)).filter((item) => !items(value).some((gone) => sameJson(gone, item))),
      );
    }
    if (key.startsWith('$')) continue;
    const at = [...path, key];
    const own = out.get(key);
    if (value === null) out.delete(key);
    else if (Array.isArray(value)) {
      out.set(key, strategicList(kind, at, items(own), items(value), items(patch[`$setElementOrder/${key}`])));
    } else if (isObject(value)) {
      if (value.$patch === 'delete') out.delete(key);
      else out.set(key, strategicObject(kind, at, asObject(own), value));
    } else out.set(key, value);
  }
  return Object.fromEntries(out);
}

function withoutDirectives(patch: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(patch).filter(([key]) => !key.startsWith('$')));
}

function strategicList(
  kind: string,
  path: readonly string[],
  target: readonly Json[],
  patch: readonly Json[],
  order: readonly Json[],
): readonly Json[] {
  const rule = ruleOf(kind, path);
  if (rule === 'replace') return patch;
  if (rule === 'set') return [...target, ...patch.filter((item) => !target.some((own) => sameJson(own, item)))];
  // Strategic merge knows one key of each list, which is not enough for a port with two protocols.
  const first = rule.slice(0, 1);
  const isUnique = (list: readonly Json[]): boolean =>
    new Set(list.map((item) => keyOf(item, first))).size === list.length;
  const fields = isUnique(target) && isUnique(patch) ? first : rule;
  if (patch.some((item) => asObject(item).$patch === 'replace')) {
    return patch.filter((item) => asObject(item).$patch !== 'replace');
  }
  const out = new Map(target.map((item) => [keyOf(item, fields), item]));
  const wanted = (order.length > 0 ? order : patch).map((item) => keyOf(item, fields));
  const serverOrder = [...out.keys()];
  for (const item of patch) {
    const key = keyOf(item, fields);
    const object = asObject(item);
    if (object.$patch === 'delete') out.delete(key);
    else out.set(key, strategicObject(kind, path, asObject(out.get(key)), object));
  }
  const inPatch = [...new Set(wanted)].filter((key) => out.has(key));
  const others = [...out.keys()].filter((key) => !inPatch.includes(key));
  return inOrder(others, inPatch, serverOrder).flatMap((key) => out.get(key) ?? []);
}

/** Items of the patch in its order; another item stands before them where the server's list had it so. */
function inOrder(
  others: readonly string[],
  inPatch: readonly string[],
  serverOrder: readonly string[],
): readonly string[] {
  const result: string[] = [];
  const rest = [...others];
  for (const key of inPatch) {
    const place = serverOrder.indexOf(key);
    while (
      place >= 0 &&
      rest[0] !== undefined &&
      serverOrder.includes(rest[0]) &&
      serverOrder.indexOf(rest[0]) < place
    ) {
      result.push(rest.shift() ?? '');
    }
    result.push(key);
  }
  return [...result, ...rest];
}

/**
 * Server-side apply: `config` over `live`, without what the same manager applied before (`last`) and does not any more.
 * Fields have no owners here, so there are no conflicts between managers.
 */
export function applyPatch(kind: string, live: JsonObject, config: JsonObject, last: JsonObject): JsonObject {
  return applyObject(kind, [], live, config, last);
}

function applyObject(
  kind: string,
  path: readonly string[],
  live: JsonObject,
  config: JsonObject,
  last: JsonObject,
): JsonObject {
  const out = new Map(Object.entries(live));
  for (const [key, value] of Object.entries(last)) {
    if (Object.hasOwn(config, key)) continue;
    const kept = withdrawn(kind, [...path, key], out.get(key), value);
    if (kept === undefined) out.delete(key);
    else out.set(key, kept);
  }
  for (const [key, value] of Object.entries(config)) {
    const at = [...path, key];
    const before = get(last, key);
    if (Array.isArray(value)) out.set(key, applyList(kind, at, items(out.get(key)), items(value), items(before)));
    else if (isObject(value)) out.set(key, applyObject(kind, at, asObject(out.get(key)), value, asObject(before)));
    else out.set(key, value);
  }
  return Object.fromEntries(out);
}

/** What is left of a value when a manager withdraws its part of it. */
function withdrawn(kind: string, path: readonly string[], live: Json | undefined, last: Json): Json | undefined {
  if (isObject(live) && isObject(last)) {
    const rest = applyObject(kind, path, live, {}, last);
    return Object.keys(rest).length === 0 ? undefined : rest;
  }
  if (Array.isArray(live) && Array.isArray(last)) {
    const rest = applyList(kind, path, items(live), [], items(last));
    return rest.length === 0 ? undefined : rest;
  }
  return undefined;
}

function applyList(
  kind: string,
  path: readonly string[],
  live: readonly Json[],
  config: readonly Json[],
  last: readonly Json[],
): readonly Json[] {
  const rule = ruleOf(kind, path);
  if (rule === 'replace') return config;
  const key = (item: Json): string => (rule === 'set' ? JSON.stringify(item) : keyOf(item, rule));
  const before = new Map(last.map((item) => [key(item), item]));
  const wanted = new Set(config.map(key));
  const out = new Map(
    live.filter((item) => wanted.has(key(item)) || !before.has(key(item))).map((item) => [key(item), item]),
  );
  for (const item of config) {
    const id = key(item);
    const own = out.get(id);
    out.set(id, isObject(item) ? applyObject(kind, path, asObject(own), item, asObject(before.get(id))) : item);
  }
  return [...out.values()];
}
