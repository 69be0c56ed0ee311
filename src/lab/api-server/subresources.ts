import { asObject, get, items, stringOf } from '../../kinds/validation/json.ts';
import type { JsonObject } from '../../manifest/object.ts';
import { type Core, timestamp } from './core.ts';
import { badRequest, conflict } from './status.ts';
import { existing, type Place, replace, type WriteOptions } from './verbs.ts';

/** The `Scale` of a controller. */
export function readScale(object: JsonObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = asObject(object.metadata);
  const spec = asObject(object.spec);
  const labels = asObject(asObject(spec.selector).matchLabels);
  const selector = Object.entries(labels)
    .map(([key, value]) => `${key}=${stringOf(value)}`)
    .join(',');
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name: name ?? '',
      namespace: namespace ?? '',
      uid: uid ?? '',
      resourceVersion: resourceVersion ?? '',
      creationTimestamp: creationTimestamp ?? null,
    },
    spec: { replicas: spec.replicas ?? 0 },
    status: { replicas: asObject(object.status).replicas ?? 0, selector },
  };
}

/** Sets the replicas of a controller from a `Scale`. */
export function writeScale(
  core: Core,
  place: Place,
  name: string,
  scale: JsonObject,
  options: WriteOptions,
): JsonObject {
  const before = existing(core, place, name);
  const version = stringOf(asObject(scale.metadata).resourceVersion);
  if (version !== '' && version !== get(asObject(before.metadata), 'resourceVersion'))
    throw conflict(place.resource, name);
  const replicas = get(asObject(scale.spec), 'replicas') ?? 0;
  if (typeof replicas !== 'number' || replicas < 0)
    throw badRequest('spec.replicas must be greater than or equal to 0');
  const next = { ...before, spec: { ...asObject(before.spec), replicas } };
  return readScale(replace(core, place, name, next, null, options).object);
}

/** Binds a pod to a node, as schedulers do. */
export function bind(core: Core, place: Place, name: string, binding: JsonObject): void {
  const before = existing(core, place, name);
  const node = stringOf(asObject(binding.target).name);
  if (node === '') throw badRequest('target.name: Required value');
  const spec = asObject(before.spec);
  const bound = stringOf(spec.nodeName);
  if (bound !== '') {
    const binding = { ...place.resource, plural: 'pods/binding' };
    throw conflict(binding, name, `pod ${name} is already assigned to node "${bound}"`);
  }
  const status = asObject(before.status);
  const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: timestamp(core) };
  const conditions = [...items(status.conditions).filter((one) => asObject(one).type !== 'PodScheduled'), scheduled];
  core.store.put('pods', place.namespace, name, {
    ...before,
    spec: { ...spec, nodeName: node },
    status: { ...status, conditions },
  });
}
