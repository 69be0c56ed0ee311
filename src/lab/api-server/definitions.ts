import { asObject, get, stringOf } from '../../kinds/validation/json.ts';
import type { JsonObject } from '../../manifest/object.ts';
import { type Core, timestamp } from './core.ts';
import { definedResource, resourceKey } from './resources.ts';

/** Serves what a stored CustomResourceDefinition describes, and says so in its status. */
export function define(core: Core, definition: JsonObject): void {
  const resource = definedResource(definition);
  if (resource === null) return;
  core.registry.add(resource);
  if (Object.hasOwn(asObject(definition.status), 'conditions')) return;
  const spec = asObject(get(definition, 'spec'));
  const condition = (type: string, reason: string, message: string): JsonObject => ({
    type,
    status: 'True',
    reason,
    message,
    lastTransitionTime: timestamp(core),
  });
  const conditions = [
    condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
    condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
  ];
  const status = { conditions, acceptedNames: asObject(spec.names), storedVersions: [resource.versions[0] ?? ''] };
  core.store.put('customresourcedefinitions.apiextensions.k8s.io', '', stringOf(asObject(definition.metadata).name), {
    ...definition,
    status,
  });
}

/** Stops serving what a CustomResourceDefinition described; its objects go, and watches of them end. */
export function undefine(core: Core, definition: JsonObject): void {
  const resource = definedResource(definition);
  if (resource === null) return;
  const key = resourceKey(resource);
  for (const object of core.store.list(key, null)) {
    const metadata = asObject(object.metadata);
    core.store.remove(key, stringOf(metadata.namespace), stringOf(metadata.name));
  }
  core.registry.remove(key);
  for (const tell of [...core.unserved]) tell(key);
}
