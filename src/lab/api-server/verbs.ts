import { asObject, get, items, stringOf } from '../../kinds/validation/json.ts';
import type { Json, JsonObject } from '../../manifest/object.ts';
import { admit, type FieldValidation } from './admission.ts';
import { type Core, timestamp } from './core.ts';
import { withDefaults } from './defaults.ts';
import { define, undefine } from './definitions.ts';
import { sameJson } from './patch.ts';
import { resourceKey, type ServedResource } from './resources.ts';
import { alreadyExists, badRequest, causeOf, conflict, forbiddenHere, invalidKind, notFound } from './status.ts';

/** Which object of which resource a request is about. */
export interface Place {
  readonly resource: ServedResource;
  readonly apiVersion: string;
  /** `''` for cluster-scoped ones. */
  readonly namespace: string;
}

export interface WriteOptions {
  readonly fields: FieldValidation;
  readonly dryRun: boolean;
}

export interface Written {
  readonly object: JsonObject;
  readonly warnings: readonly string[];
}

const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** Creates an object; throws a {@link Refusal} as a server answers. */
export function create(core: Core, place: Place, body: JsonObject, options: WriteOptions): Written {
  const { resource, namespace, apiVersion } = place;
  const key = resourceKey(resource);
  checkBody(place, body);
  const named = withName(core, body);
  const name = stringOf(asObject(named.metadata).name);
  if (resource.namespaced) checkNamespace(core, resource, namespace, name);
  const metadata: JsonObject = {
    ...asObject(named.metadata),
    ...(resource.namespaced ? { namespace } : {}),
    uid: core.uid(),
    creationTimestamp: timestamp(core),
    ...(hasGeneration(resource) ? { generation: 1 } : {}),
  };
  const fresh = withoutKeys(
    { ...named, apiVersion, kind: resource.kind, metadata: withoutKeys(metadata, SERVER_FIELDS) },
    resource.hasStatus ? ['status'] : [],
  );
  const admitted = admit(resource, apiVersion, fresh, options.fields);
  if (core.store.get(key, namespace, name) !== undefined) throw alreadyExists(resource, name);
  let object = withDefaults(resource.kind, admitted.object);
  if (isService(resource)) object = core.services.assign(resource, object, null);
  if (options.dryRun) {
    if (isService(resource)) core.services.release(object);
    return { object, warnings: admitted.warnings };
  }
  const stored = core.store.put(key, namespace, name, object);
  if (isDefinition(resource)) define(core, stored);
  return { object: stored, warnings: admitted.warnings };
}

// A client cannot set these.
const SERVER_FIELDS = [
  'resourceVersion',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
  'managedFields',
];

function checkBody({ resource, apiVersion, namespace }: Place, body: JsonObject): void {
  const said = stringOf(body.apiVersion);
  const kind = stringOf(body.kind);
  if (said !== '' && said !== apiVersion) {
    throw badRequest(`the API version in the data (${said}) does not match the expected API version (${apiVersion})`);
  }
  if (kind !== '' && kind !== resource.kind) {
    throw badRequest(`the kind in the data (${kind}) does not match the expected kind (${resource.kind})`);
  }
  const own = stringOf(asObject(body.metadata).namespace);
  if (resource.namespaced && own !== '' && own !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

function withName(core: Core, body: JsonObject): JsonObject {
  const metadata = asObject(body.metadata);
  const prefix = stringOf(metadata.generateName);
  if (stringOf(metadata.name) !== '' || prefix === '') return { ...body, metadata };
  const digits = core.uid().replace(/[^0-9a-f]/g, '');
  let suffix = '';
  for (let i = 0; i < 5; i++) {
    suffix += SUFFIX_LETTERS[Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16) % SUFFIX_LETTERS.length] ?? 'x';
  }
  return { ...body, metadata: { ...metadata, name: `${prefix}${suffix}` } };
}

function checkNamespace(core: Core, resource: ServedResource, namespace: string, name: string): void {
  const home = core.store.get('namespaces', '', namespace);
  const namespaces = core.registry.byKind('v1', 'Namespace');
  if (home === undefined && namespaces !== undefined) throw notFound(namespaces, namespace);
  if (Object.hasOwn(asObject(home?.metadata), 'deletionTimestamp')) {
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    throw forbiddenHere(resource, name, why);
  }
}

function hasGeneration({ kind, group, hasStatus, builtIn }: ServedResource): boolean {
  return group === ''
    ? kind === 'ReplicationController'
    : hasStatus || !builtIn || kind === 'NetworkPolicy' || kind === 'Ingress';
}

function isService(resource: ServedResource): boolean {
  return resource.group === '' && resource.plural === 'services';
}

function isDefinition(resource: ServedResource): boolean {
  return resource.plural === 'customresourcedefinitions';
}

function withoutKeys(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

/** The object, or a refusal with 404. */
export function existing(core: Core, { resource, namespace }: Place, name: string): JsonObject {
  const found = core.store.get(resourceKey(resource), namespace, name);
  if (found === undefined) throw notFound(resource, name);
  return found;
}

/** Replaces an object, or its status alone; what a client cannot change stays as it is. */
export function update(
  core: Core,
  place: Place,
  name: string,
  body: JsonObject,
  subresource: 'status' | null,
  options: WriteOptions,
): Written {
  const { resource } = place;
  checkBody(place, body);
  const before = existing(core, place, name);
  const metadata = asObject(body.metadata);
  const own = asObject(before.metadata);
  if (stringOf(metadata.name) !== '' && metadata.name !== name) {
    throw badRequest(
      `the name of the object (${stringOf(metadata.name)}) does not match the name on the URL (${name})`,
    );
  }
  const version = stringOf(metadata.resourceVersion);
  if (version !== '' && version !== own.resourceVersion) throw conflict(resource, name);
  if (stringOf(metadata.uid) !== '' && metadata.uid !== own.uid) throw conflict(resource, name);
  if (version === '' && !resource.builtIn) {
    const message = 'Invalid value: 0: must be specified for an update';
    throw invalidKind(resource.group, resource.plural, name, [causeOf('RP101', 'metadata.resourceVersion', message)]);
  }
  return replace(core, place, name, body, subresource, options);
}

/** Puts `next` in the place of an object, as {@link update} does, whatever version it was made from. */
export function replace(
  core: Core,
  place: Place,
  name: string,
  next: JsonObject,
  subresource: 'status' | null,
  options: WriteOptions,
): Written {
  const { resource, namespace, apiVersion } = place;
  const key = resourceKey(resource);
  const before = existing(core, place, name);
  const body = subresource === 'status' ? withStatusOf(resource, before, next) : withOldStatus(resource, before, next);
  const framed: JsonObject = {
    ...body,
    apiVersion,
    kind: resource.kind,
    metadata: keptMetadata(before, asObject(body.metadata)),
  };
  const admitted =
    subresource === 'status' ? { object: framed, warnings: [] } : admit(resource, apiVersion, framed, options.fields);
  let object = withDefaults(resource.kind, admitted.object);
  if (isService(resource) && subresource === null && !options.dryRun)
    object = core.services.assign(resource, object, before);
  const { warnings } = admitted;
  const content = (of: JsonObject): JsonObject => withoutKeys(of, ['metadata', 'status', 'apiVersion']);
  const old = asObject(before.metadata);
  if (hasGeneration(resource) && !sameJson(content(before), content(object))) {
    const generation = typeof old.generation === 'number' ? old.generation + 1 : 1;
    object = { ...object, metadata: { ...asObject(object.metadata), generation } };
  }
  if (sameJson({ ...object, apiVersion: before.apiVersion ?? null }, withoutRevision(before)) || options.dryRun) {
    return {
      object: options.dryRun
        ? { ...object, metadata: { ...asObject(object.metadata), ...revisionOf(before) } }
        : before,
      warnings,
    };
  }
  const metadata = asObject(object.metadata);
  const isHeld = items(metadata.finalizers).length > 0 || isPositive(metadata.deletionGracePeriodSeconds);
  if (Object.hasOwn(metadata, 'deletionTimestamp') && !isHeld) {
    return { object: takeAway(core, resource, namespace, name, object) ?? object, warnings };
  }
  const stored = core.store.put(key, namespace, name, object);
  if (isDefinition(resource) && subresource === null) define(core, stored);
  return { object: stored, warnings };
}

function isPositive(value: Json | undefined): boolean {
  return typeof value === 'number' && value > 0;
}

function withoutRevision(object: JsonObject): JsonObject {
  return { ...object, metadata: withoutKeys(asObject(object.metadata), ['resourceVersion']) };
}

function revisionOf(object: JsonObject): JsonObject {
  return { resourceVersion: get(asObject(object.metadata), 'resourceVersion') ?? null };
}

const LASTING = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
];

function keptMetadata(before: JsonObject, next: JsonObject): JsonObject {
  const own = asObject(before.metadata);
  const kept = LASTING.flatMap((key): [string, Json][] => {
    const value = get(own, key);
    return value === undefined ? [] : [[key, value]];
  });
  const rest = withoutKeys(next, [...LASTING, 'resourceVersion', 'managedFields', 'selfLink']);
  return { ...rest, ...Object.fromEntries(kept) };
}

function withStatusOf(resource: ServedResource, before: JsonObject, next: JsonObject): JsonObject {
  const status = get(next, 'status');
  // Labels and annotations may change with a built-in status, not with one of a custom resource.
  const metadata = resource.builtIn ? asObject(next.metadata) : asObject(before.metadata);
  const owners = get(asObject(before.metadata), 'ownerReferences');
  const owned: JsonObject = owners === undefined ? {} : { ownerReferences: owners };
  return { ...before, metadata: { ...metadata, ...owned }, ...(status === undefined ? {} : { status }) };
}

function withOldStatus(resource: ServedResource, before: JsonObject, next: JsonObject): JsonObject {
  if (!resource.hasStatus) return next;
  const status = get(before, 'status');
  return status === undefined ? withoutKeys(next, ['status']) : { ...next, status };
}

export interface DeleteOptions {
  readonly gracePeriodSeconds: number | null;
  readonly preconditions: { readonly uid: string | null; readonly resourceVersion: string | null };
  readonly dryRun: boolean;
}

function checkPreconditions(
  resource: ServedResource,
  name: string,
  metadata: JsonObject,
  { uid, resourceVersion }: DeleteOptions['preconditions'],
): void {
  const differs = (what: string, wanted: string, own: string): string =>
    `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${own}). The object might have been`;
  // Of preconditions servers speak by kind.
  const named = { ...resource, plural: resource.kind };
  if (uid !== null && uid !== metadata.uid) {
    throw conflict(named, name, `${differs('UID', uid, stringOf(metadata.uid))} deleted and then recreated`);
  }
  if (resourceVersion !== null && resourceVersion !== metadata.resourceVersion) {
    const own = stringOf(metadata.resourceVersion);
    throw conflict(named, name, `${differs('ResourceVersion', resourceVersion, own)} modified`);
  }
}

/** Deletes an object, or begins to: with finalizers, and pods that are held for their kubelet, stay for a while. */
export function remove(
  core: Core,
  place: Place,
  name: string,
  options: DeleteOptions,
): { readonly object: JsonObject; readonly isGone: boolean } {
  const { resource, namespace } = place;
  const before = existing(core, place, name);
  const metadata = asObject(before.metadata);
  checkPreconditions(resource, name, metadata, options.preconditions);
  if (options.dryRun) return { object: before, isGone: true };
  const isPod = resource.group === '' && resource.plural === 'pods';
  const spec = asObject(before.spec);
  const wanted =
    options.gracePeriodSeconds ??
    (typeof spec.terminationGracePeriodSeconds === 'number' ? spec.terminationGracePeriodSeconds : 30);
  const phase = asObject(before.status).phase;
  const isRunning = stringOf(spec.nodeName) !== '' && phase !== 'Succeeded' && phase !== 'Failed';
  const grace = core.podDeletion === 'graceful' && isPod && isRunning ? wanted : 0;
  const isNamespace = resource.group === '' && resource.plural === 'namespaces';
  const isHeld = items(metadata.finalizers).length > 0 || grace > 0;
  if (!isHeld && !isPod && !isNamespace && !isDefinition(resource)) {
    return { object: takeAway(core, resource, namespace, name) ?? before, isGone: true };
  }
  const earlier = metadata.deletionGracePeriodSeconds;
  const isMarked = Object.hasOwn(metadata, 'deletionTimestamp') && typeof earlier === 'number' && earlier <= grace;
  const marked = isMarked
    ? before
    : core.store.put(resourceKey(resource), namespace, name, {
        ...before,
        metadata: { ...metadata, deletionTimestamp: timestamp(core), deletionGracePeriodSeconds: grace },
        ...(isNamespace ? { status: { ...asObject(before.status), phase: 'Terminating' } } : {}),
      });
  // A pod that nothing holds is marked all the same before it goes.
  if (isPod && !isHeld) return { object: takeAway(core, resource, namespace, name) ?? marked, isGone: true };
  if (isNamespace) emptyNamespace(core, name);
  if (isDefinition(resource) && items(metadata.finalizers).length === 0) {
    undefine(core, before);
    takeAway(core, resource, namespace, name);
  }
  return { object: marked, isGone: false };
}

function takeAway(
  core: Core,
  resource: ServedResource,
  namespace: string,
  name: string,
  as?: JsonObject,
): JsonObject | null {
  const last = core.store.remove(resourceKey(resource), namespace, name, as);
  if (last === null) return null;
  if (isService(resource)) core.services.release(last);
  for (const key of core.applied.keys()) {
    if (key.startsWith(`${resourceKey(resource)} ${namespace}/${name} `)) core.applied.delete(key);
  }
  if (namespace !== '') endNamespace(core, namespace);
  return last;
}

function emptyNamespace(core: Core, name: string): void {
  for (const { resource: key, object } of core.store.inNamespace(name)) {
    const resource = core.registry.all().find((one) => resourceKey(one) === key);
    if (resource === undefined || core.store.get(key, name, nameOf(object)) === undefined) continue;
    const [version = 'v1'] = resource.versions;
    const apiVersion = resource.group === '' ? version : `${resource.group}/${version}`;
    remove(core, { resource, apiVersion, namespace: name }, nameOf(object), NOW);
  }
  endNamespace(core, name);
}

const NOW: DeleteOptions = {
  gracePeriodSeconds: null,
  preconditions: { uid: null, resourceVersion: null },
  dryRun: false,
};

function nameOf(object: JsonObject): string {
  return stringOf(asObject(object.metadata).name);
}

/** A namespace that is being deleted goes with the last object in it. */
function endNamespace(core: Core, name: string): void {
  const home = core.store.get('namespaces', '', name);
  const metadata = asObject(home?.metadata);
  if (!Object.hasOwn(metadata, 'deletionTimestamp') || items(metadata.finalizers).length > 0) return;
  if (core.store.inNamespace(name).length === 0) core.store.remove('namespaces', '', name);
}

/** An object as a server seeds it: with the identity, version and status that it comes with. */
export function seed(core: Core, place: Place, object: JsonObject): JsonObject {
  const { resource, namespace, apiVersion } = place;
  const metadata = asObject(object.metadata);
  const name = stringOf(metadata.name);
  const key = resourceKey(resource);
  const before = core.store.get(key, namespace, name) ?? null;
  const complete: JsonObject = {
    ...object,
    apiVersion,
    kind: resource.kind,
    metadata: {
      ...withoutKeys(metadata, ['resourceVersion', 'managedFields']),
      ...(resource.namespaced ? { namespace } : {}),
      uid: stringOf(metadata.uid) || core.uid(),
      creationTimestamp: stringOf(metadata.creationTimestamp) || timestamp(core),
      ...(hasGeneration(resource)
        ? { generation: typeof metadata.generation === 'number' ? metadata.generation : 1 }
        : {}),
    },
  };
  let stored = withDefaults(resource.kind, complete);
  if (isService(resource)) stored = core.services.assign(resource, stored, before);
  const put = core.store.put(key, namespace, name, stored);
  if (isDefinition(resource)) define(core, put);
  return put;
}
