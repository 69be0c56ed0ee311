import { asObject, get, isObject, items, stringOf } from '../../kinds/validation/json.ts';
import type { Json, JsonObject } from '../../manifest/object.ts';
import { readManifests } from '../../manifest/read.ts';
import { groupOf } from '../../manifest/scope.ts';
import type { FieldValidation } from './admission.ts';
import type { Core } from './core.ts';
import { discovery } from './discovery.ts';
import { type Faults, noFaults } from './faults.ts';
import { readPage } from './pages.ts';
import { applyPatch, jsonPatch, mergePatch, strategicMerge } from './patch.ts';
import { BUILT_IN, guessedResource, POLICY_RESOURCES, registry, resourceKey } from './resources.ts';
import { fieldFilter, labelFilter, type ObjectFilter } from './selectors.ts';
import { serviceAddresses } from './service-addresses.ts';
import { badRequest, causeOf, forbiddenHere, invalidKind, noSuchPath, Refusal } from './status.ts';
import { objectStore, type Store } from './store.ts';
import { bind, readScale, writeScale } from './subresources.ts';
import {
  create,
  type DeleteOptions,
  existing,
  type Place,
  remove,
  seed,
  update,
  type WriteOptions,
  type Written,
} from './verbs.ts';
import { shownList, shownObject, type View, viewOf } from './view.ts';
import { type WatchSink, watch } from './watches.ts';

export interface ApiOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A new UUID each time. */
  readonly uid: () => string;
  /** How many changes are kept for watches that resume; default 10,000. */
  readonly history?: number;
  /** One for each family, the preferred one first; default `10.96.0.0/16` and `fd00:10:96::/112`. */
  readonly serviceRanges?: readonly string[];
  /** Default `immediate`: no kubelet is needed. */
  readonly podDeletion?: 'immediate' | 'graceful';
  /** Whether the admin policy kinds are served without their definitions; default true. */
  readonly policyKinds?: boolean;
  /** Default 60,000. */
  readonly bookmarkMs?: number;
}

export interface ApiRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly accept: string;
  readonly contentType: string;
  readonly body: string;
}

export type ApiAnswer =
  | {
      readonly kind: 'json';
      readonly status: number;
      readonly body: JsonObject;
      readonly headers: readonly (readonly [string, string])[];
    }
  /** `start` begins to write; what it gives back ends it. */
  | { readonly kind: 'watch'; readonly start: (sink: WatchSink) => () => void };

/** A Kubernetes API server without its transport. */
export interface Api {
  readonly store: Store;
  readonly faults: Faults;
  handle(request: ApiRequest): ApiAnswer;
  /** Puts objects in as they are, with their status and addresses; kinds that are not known get a resource. */
  seed(objects: readonly JsonObject[]): void;
}

/** Makes an empty API server with the namespaces that every cluster has. */
export function apiServer(options: ApiOptions): Api {
  const initial = options.policyKinds === false ? BUILT_IN : [...BUILT_IN, ...POLICY_RESOURCES];
  const core: Core = {
    store: objectStore({ history: options.history ?? 10_000 }),
    registry: registry(initial),
    services: serviceAddresses(options.serviceRanges ?? ['10.96.0.0/16', 'fd00:10:96::/112']),
    now: options.now,
    uid: options.uid,
    podDeletion: options.podDeletion ?? 'immediate',
    applied: new Map(),
    unserved: new Set(),
  };
  const faults = noFaults();
  const bookmarkMs = options.bookmarkMs ?? 60_000;
  const seedAll = (objects: readonly JsonObject[]): void => {
    for (const object of objects) seedOne(core, object);
  };
  seedAll(
    ['default', 'kube-node-lease', 'kube-public', 'kube-system'].map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    })),
  );
  return {
    store: core.store,
    faults,
    seed: seedAll,
    handle: (request) => {
      try {
        return answerOf(core, faults, bookmarkMs, request);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        const headers = error.retryAfter === null ? [] : [['retry-after', String(error.retryAfter)] as const];
        return { kind: 'json', status: error.status, body: error.body, headers };
      }
    },
  };
}

function seedOne(core: Core, object: JsonObject): void {
  const apiVersion = stringOf(object.apiVersion);
  const kind = stringOf(object.kind);
  const namespace = stringOf(asObject(object.metadata).namespace);
  let resource = core.registry.byKind(apiVersion, kind);
  if (resource === undefined) {
    const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
    const known = core.registry.all().find((one) => one.kind === kind && one.group === groupOf(apiVersion));
    resource =
      known === undefined
        ? guessedResource(apiVersion, kind, namespace !== '')
        : { ...known, versions: [...known.versions, version] };
    core.registry.add(resource);
  }
  seed(core, { resource, apiVersion, namespace: resource.namespaced ? namespace || 'default' : '' }, object);
}

/** What a path names. */
interface Route {
  readonly place: Place;
  readonly namespace: string | null;
  readonly name: string | null;
  readonly subresource: string | null;
}

function answerOf(core: Core, faults: Faults, bookmarkMs: number, request: ApiRequest): ApiAnswer {
  if (faults.answer !== null) {
    const { status, retryAfter } = faults.answer;
    throw new Refusal(status, 'InternalError', 'the server is told to fail', {}, retryAfter);
  }
  const url = new URL(request.target, 'http://server');
  const path = url.pathname.split('/').slice(1).map(decoded);
  if (path.at(-1) === '') path.pop();
  if (['healthz', 'livez', 'readyz'].includes(path[0] ?? '')) return json(200, { kind: 'Status', status: 'Success' });
  if (request.method === 'GET') {
    const found = discovery(core.registry, path);
    if (found !== null) return json(200, found);
  }
  const route = routeOf(core, path);
  const { resource } = route.place;
  if (faults.forbidden.includes(resourceKey(resource))) {
    throw forbiddenHere(
      resource,
      route.name ?? '',
      `User "nobody" cannot read resource "${resource.plural}" in API group "${resource.group}"`,
    );
  }
  const view = viewOf(request.accept);
  if (view === null)
    throw new Refusal(406, 'NotAcceptable', 'only the following media types are accepted: application/json');
  const context: Context = { core, faults, bookmarkMs, request, query: url.searchParams, route, view };
  if (route.subresource !== null && route.name !== null) return onSubresource(context, route.name, route.subresource);
  switch (request.method) {
    case 'GET':
      return route.name === null ? read(context) : readOne(context, route.name);
    case 'POST':
      if (route.name !== null) break;
      if (resource.namespaced && route.namespace === null) break;
      return written(context, 201, create(core, route.place, bodyOf(request), writeOptions(url.searchParams)));
    case 'PUT':
      if (route.name === null) break;
      return written(
        context,
        200,
        update(core, route.place, route.name, bodyOf(request), null, writeOptions(url.searchParams)),
      );
    case 'PATCH':
      if (route.name === null) break;
      return patched(context, route.name, null);
    case 'DELETE':
      return route.name === null ? removeAll(context) : removeOne(context, route.name);
  }
  throw notAllowed();
}

function notAllowed(): Refusal {
  return new Refusal(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource');
}

interface Context {
  readonly core: Core;
  readonly faults: Faults;
  readonly bookmarkMs: number;
  readonly request: ApiRequest;
  readonly query: URLSearchParams;
  readonly route: Route;
  readonly view: View;
}

function json(status: number, body: JsonObject, headers: readonly (readonly [string, string])[] = []): ApiAnswer {
  return { kind: 'json', status, body, headers };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`invalid URL escape in \`${part}\``);
  }
}

function routeOf(core: Core, path: readonly string[]): Route {
  const [root, ...after] = path;
  const group = root === 'apis' ? (after[0] ?? '') : '';
  const rest = root === 'apis' ? after.slice(1) : after;
  const [version = '', first = '', second, third, ...more] = rest;
  if ((root !== 'api' && root !== 'apis') || (root === 'apis' && group === '')) throw noSuchPath();
  const isInside =
    first === 'namespaces' && second !== undefined && third !== undefined && third !== 'status' && third !== 'finalize';
  const plural = isInside ? third : first;
  const resource = core.registry.byPath(group, version, plural);
  if (resource === undefined || (isInside && !resource.namespaced)) throw noSuchPath();
  const [name = null, subresource = null, ...tooMuch] = isInside ? more : [second ?? null, third ?? null, ...more];
  if (tooMuch.length > 0) throw noSuchPath();
  if (resource.namespaced && !isInside && name !== null) throw noSuchPath();
  const namespace = isInside ? second : null;
  const apiVersion = group === '' ? version : `${group}/${version}`;
  return { place: { resource, apiVersion, namespace: namespace ?? '' }, namespace, name, subresource };
}

function bodyOf({ body, contentType }: ApiRequest): JsonObject {
  const type = contentType.split(';')[0]?.trim() ?? '';
  if (type === 'application/yaml') return yamlObject(body);
  if (type === '' || type === 'application/json') return jsonObject(body);
  const accepted = 'accepted media types include: application/json, application/yaml';
  // kubectl sends it where it makes the object itself, as `kubectl create namespace` does.
  const help =
    type === 'application/vnd.kubernetes.protobuf'
      ? ' (this server reads no protobuf: add `--dry-run=client -o yaml` to the command and pipe it into `kubectl apply -f -`)'
      : '';
  const message = `the body of the request was in an unknown format - ${accepted}${help}`;
  throw new Refusal(415, 'UnsupportedMediaType', message);
}

function jsonObject(text: string): JsonObject {
  const value = parsed(text);
  if (!isObject(value)) throw badRequest('the object provided is unrecognized: it is no JSON object');
  return value;
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw badRequest(`error decoding the body: ${(error as Error).message}`);
  }
}

/** Patches of server-side apply are YAML, of which JSON is a part. */
function yamlObject(text: string): JsonObject {
  if (text.trimStart().startsWith('{')) return jsonObject(text);
  const { objects, diagnostics } = readManifests([{ file: '-', text }]);
  const [first] = objects;
  if (first === undefined || objects.length > 1) {
    throw badRequest(`error decoding YAML: ${diagnostics[0]?.message ?? 'one object is expected'}`);
  }
  return first.value;
}

function writeOptions(query: URLSearchParams): WriteOptions {
  const fields = query.get('fieldValidation') ?? 'Warn';
  if (fields !== 'Ignore' && fields !== 'Warn' && fields !== 'Strict') {
    throw badRequest(`invalid fieldValidation: \`${fields}\``);
  }
  return { fields: fields satisfies FieldValidation, dryRun: query.get('dryRun') === 'All' };
}

function written(context: Context, status: number, result: Written): ApiAnswer {
  const headers = result.warnings.map((text) => ['warning', `299 - ${JSON.stringify(text)}`] as const);
  return json(status, one(context, result.object), headers);
}

function one({ route, view, core }: Context, object: JsonObject): JsonObject {
  const { resource, apiVersion } = route.place;
  if (view !== 'table') return shownObject(object, apiVersion, view);
  const resourceVersion = get(asObject(object.metadata), 'resourceVersion') ?? '';
  return shownList(resource, apiVersion, [object], { resourceVersion }, view, core.now());
}

function filterOf({ query, route }: Context): { readonly filter: ObjectFilter; readonly isSelective: boolean } {
  const labels = query.get('labelSelector') ?? '';
  const fields = query.get('fieldSelector') ?? '';
  const byLabel = labelFilter(labels);
  const byField = fieldFilter(fields, route.place.resource.plural);
  return { filter: (object) => byLabel(object) && byField(object), isSelective: labels !== '' || fields !== '' };
}

function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== 'false' && value !== '0';
}

function read(context: Context): ApiAnswer {
  const { core, faults, query, route, view, bookmarkMs } = context;
  const { resource, apiVersion } = route.place;
  const { filter, isSelective } = filterOf(context);
  if (flag(query, 'watch')) {
    const seconds = Number(query.get('timeoutSeconds') ?? 0);
    return {
      kind: 'watch',
      start: watch(
        core,
        {
          resource,
          apiVersion,
          namespace: route.namespace,
          filter,
          view,
          resourceVersion: query.get('resourceVersion') ?? '',
          bookmarks: flag(query, 'allowWatchBookmarks'),
          sendInitialEvents: flag(query, 'sendInitialEvents'),
          // As real servers do, between half an hour and an hour where the client does not say.
          timeoutMs: (seconds > 0 ? seconds : 2400) * 1000,
          bookmarkMs,
        },
        faults,
      ),
    };
  }
  const page = readPage(core.store, resource, route.namespace, filter, isSelective, query);
  return json(200, shownList(resource, apiVersion, page.objects, page.metadata, view, core.now()));
}

function readOne(context: Context, name: string): ApiAnswer {
  if (flag(context.query, 'watch')) {
    context.query.append('fieldSelector', `metadata.name=${name}`);
    return read(context);
  }
  return json(200, one(context, existing(context.core, context.route.place, name)));
}

function patched(context: Context, name: string, subresource: 'status' | null): ApiAnswer {
  const { core, request, query, route } = context;
  const { place } = route;
  const { resource } = place;
  const options = writeOptions(query);
  const type = request.contentType.split(';')[0]?.trim() ?? '';
  if (type === 'application/apply-patch+yaml') return applied(context, name, subresource, options);
  const before = existing(core, place, name);
  let next: JsonObject;
  switch (type) {
    case 'application/json-patch+json':
      next = jsonPatch(before, parsed(request.body));
      break;
    case 'application/merge-patch+json':
      next = asObject(mergePatch(before, jsonObject(request.body)));
      break;
    case 'application/strategic-merge-patch+json':
      if (!resource.builtIn) throw unsupportedPatch();
      next = strategicMerge(resource.kind, before, jsonObject(request.body));
      break;
    default:
      throw unsupportedPatch();
  }
  // Patches are made of the stored version, whichever one they are sent to.
  const framed = { ...next, apiVersion: place.apiVersion };
  try {
    return written(context, 200, update(core, place, name, framed, subresource, options));
  } catch (error) {
    // What a patch makes of an object cannot be decoded: then servers find fault with the patch.
    if (
      error instanceof Refusal &&
      error.status === 400 &&
      resource.builtIn &&
      error.message.includes(' cannot be handled as a ')
    ) {
      throw invalidKind('', '', '', [causeOf('RP101', 'patch', `Invalid value: ${error.message}`)]);
    }
    throw error;
  }
}

function unsupportedPatch(): Refusal {
  const types = ['application/json-patch+json', 'application/merge-patch+json', 'application/apply-patch+yaml'].join(
    ', ',
  );
  return new Refusal(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${types}`,
  );
}

function applied(context: Context, name: string, subresource: 'status' | null, options: WriteOptions): ApiAnswer {
  const { core, request, query, route } = context;
  const { place } = route;
  const manager = query.get('fieldManager') ?? '';
  if (manager === '') {
    throw invalidKind('meta.k8s.io', 'PatchOptions', '', [
      causeOf('RP100', 'fieldManager', 'Required value: is required for apply patch'),
    ]);
  }
  const config = yamlObject(request.body);
  const key = `${resourceKey(place.resource)} ${place.namespace}/${name} ${subresource ?? ''} ${manager}`;
  const live = core.store.get(resourceKey(place.resource), place.namespace, name);
  let result: Written;
  if (live === undefined) {
    const metadata = { ...asObject(config.metadata), name };
    result = create(core, place, { ...config, metadata }, options);
  } else {
    const next = applyPatch(place.resource.kind, live, config, core.applied.get(key) ?? {});
    result = update(core, place, name, next, subresource, options);
  }
  if (!options.dryRun) core.applied.set(key, config);
  return written(context, live === undefined ? 201 : 200, result);
}

function deleteOptions({ request, query }: Context): DeleteOptions & { readonly isOrphaning: boolean } {
  const body = request.body.trim() === '' ? {} : jsonObject(request.body);
  const grace =
    body.gracePeriodSeconds ?? (query.has('gracePeriodSeconds') ? Number(query.get('gracePeriodSeconds')) : null);
  const preconditions = asObject(body.preconditions);
  return {
    gracePeriodSeconds: typeof grace === 'number' ? grace : null,
    preconditions: {
      uid: stringOf(preconditions.uid) || null,
      resourceVersion: stringOf(preconditions.resourceVersion) || null,
    },
    dryRun: query.get('dryRun') === 'All' || items(body.dryRun).includes('All'),
    isOrphaning: (stringOf(body.propagationPolicy) || query.get('propagationPolicy')) === 'Orphan',
  };
}

// Of these the server answers with the object instead of a status.
const ANSWERED_WHOLE = [
  'namespaces',
  'nodes',
  'pods',
  'services',
  'serviceaccounts',
  'persistentvolumes',
  'persistentvolumeclaims',
];

function removeOne(context: Context, name: string): ApiAnswer {
  const { core, route } = context;
  const { resource } = route.place;
  const options = deleteOptions(context);
  if (options.isOrphaning && !options.dryRun) orphan(core, existing(core, route.place, name));
  const { object, isGone } = remove(core, route.place, name, options);
  if (!isGone || (resource.group === '' && ANSWERED_WHOLE.includes(resource.plural)))
    return json(200, one(context, object));
  const group: JsonObject = resource.group === '' ? {} : { group: resource.group };
  const uid = stringOf(asObject(object.metadata).uid);
  const details: JsonObject = { name, ...group, kind: resource.plural, uid };
  return json(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details });
}

/** Takes an owner off the objects that it owns, so that they stay. */
function orphan(core: Core, owner: JsonObject): void {
  const { uid, namespace } = asObject(owner.metadata);
  for (const { resource, object } of core.store.inNamespace(stringOf(namespace))) {
    const metadata = asObject(object.metadata);
    const owners = items(metadata.ownerReferences);
    const rest = owners.filter((one) => asObject(one).uid !== uid);
    if (rest.length === owners.length) continue;
    core.store.put(resource, stringOf(namespace), stringOf(metadata.name), {
      ...object,
      metadata: { ...metadata, ownerReferences: rest },
    });
  }
}

function removeAll(context: Context): ApiAnswer {
  const { core, route, query, view } = context;
  const { resource, apiVersion } = route.place;
  if (resource.namespaced && route.namespace === null) throw notAllowed();
  const options = deleteOptions(context);
  const { filter, isSelective } = filterOf(context);
  const page = readPage(core.store, resource, route.namespace, filter, isSelective, query);
  const gone = page.objects.map(
    (object) => remove(core, route.place, stringOf(asObject(object.metadata).name), options).object,
  );
  return json(200, shownList(resource, apiVersion, gone, page.metadata, view, core.now()));
}

function onSubresource(context: Context, name: string, subresource: string): ApiAnswer {
  const { core, request, query, route } = context;
  const { place } = route;
  const { resource } = place;
  const { method } = request;
  const options = writeOptions(query);
  if (subresource === 'status' && resource.hasStatus) {
    if (method === 'GET') return json(200, one(context, existing(core, place, name)));
    if (method === 'PUT') return written(context, 200, update(core, place, name, bodyOf(request), 'status', options));
    if (method === 'PATCH') return patched(context, name, 'status');
    throw notAllowed();
  }
  if (subresource === 'scale' && resource.hasScale) {
    const scale = readScale(existing(core, place, name));
    if (method === 'GET') return json(200, scale);
    if (method === 'PUT') return json(200, writeScale(core, place, name, bodyOf(request), options));
    if (method === 'PATCH') {
      const next = asObject(mergePatch(scale, jsonObject(request.body)));
      return json(200, writeScale(core, place, name, next, options));
    }
    throw notAllowed();
  }
  if (resource.plural === 'pods' && resource.group === '' && method === 'POST') {
    if (subresource === 'binding') {
      bind(core, place, name, bodyOf(request));
      return json(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
    }
    if (subresource === 'eviction') {
      remove(core, place, name, {
        gracePeriodSeconds: null,
        preconditions: { uid: null, resourceVersion: null },
        dryRun: options.dryRun,
      });
      return json(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
    }
  }
  throw noSuchPath();
}
