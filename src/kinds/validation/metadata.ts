import type { Json, JsonObject } from '../../manifest/object.ts';
import { at, type FieldError, invalid, required, tooLong } from './field-error.ts';
import { byteLength, goJson } from './go-text.ts';
import { asObject, items, stringOf } from './json.ts';
import { dnsLabel, dnsSubdomain, dnsSubdomainPrefix, qualifiedName } from './names.ts';
import { list, type ObjectSchema, object, STRING } from './schema.ts';
import { labelErrors } from './selector.ts';

/** `ObjectMeta` of `meta/v1`. */
export const METADATA: ObjectSchema = object({
  name: STRING,
  generateName: STRING,
  namespace: STRING,
  selfLink: STRING,
  uid: STRING,
  resourceVersion: STRING,
  generation: { kind: 'integer', bits: 64 },
  creationTimestamp: { kind: 'time' },
  deletionTimestamp: { kind: 'time' },
  deletionGracePeriodSeconds: { kind: 'integer', bits: 64 },
  labels: { kind: 'map', values: STRING },
  annotations: { kind: 'map', values: STRING },
  ownerReferences: list(
    object({
      apiVersion: STRING,
      kind: STRING,
      name: STRING,
      uid: STRING,
      controller: { kind: 'boolean' },
      blockOwnerDeletion: { kind: 'boolean' },
    }),
  ),
  finalizers: list(STRING),
  managedFields: list(
    object({
      manager: STRING,
      operation: STRING,
      apiVersion: STRING,
      time: { kind: 'time' },
      fieldsType: STRING,
      fieldsV1: { kind: 'any' },
      subresource: STRING,
    }),
  ),
});

const STANDARD_FINALIZERS: readonly string[] = ['kubernetes', 'orphan', 'foregroundDeletion'];
const ANNOTATION_BYTES = 256 * 1024;

/** What the server says of the metadata of an object that is to be created. */
export function metadataErrors(
  metadata: JsonObject,
  options: { readonly namespaced: boolean; readonly builtIn: boolean },
): FieldError[] {
  return [
    ...nameErrors(metadata, options.namespaced),
    ...labelErrors(asObject(metadata.labels), 'metadata.labels'),
    ...annotationErrors(asObject(metadata.annotations)),
    ...ownerErrors(metadata),
    ...finalizerErrors(metadata, options.builtIn),
  ];
}

function nameErrors(metadata: JsonObject, namespaced: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const name = stringOf(metadata.name);
  const prefix = stringOf(metadata.generateName);
  const namespace = stringOf(metadata.namespace);
  if (prefix !== '') {
    const field = 'metadata.generateName';
    for (const message of dnsSubdomainPrefix(prefix)) errors.push(invalid(field, prefix, message));
  }
  if (name !== '') {
    for (const message of dnsSubdomain(name)) errors.push(invalid('metadata.name', name, message));
  } else if (prefix === '') errors.push(required('metadata.name', 'name or generateName is required'));
  if (namespaced && namespace !== '') {
    for (const message of dnsLabel(namespace)) errors.push(invalid('metadata.namespace', namespace, message));
  }
  return errors;
}

function annotationErrors(annotations: JsonObject): FieldError[] {
  const field = 'metadata.annotations';
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    for (const message of qualifiedName(key.toLowerCase())) errors.push(invalid(field, key, message));
    bytes += byteLength(key) + byteLength(stringOf(value));
  }
  if (bytes > ANNOTATION_BYTES) errors.push(tooLong(field, ANNOTATION_BYTES));
  return errors;
}

function ownerErrors(metadata: JsonObject): FieldError[] {
  const field = 'metadata.ownerReferences';
  const errors: FieldError[] = [];
  // The server drops repeated owners before it looks.
  const distinct = new Map(
    items(metadata.ownerReferences).map((owner) => [ownerText(asObject(owner)), asObject(owner)]),
  );
  const owners = [...distinct.values()];
  let controller = '';
  for (const owner of owners) {
    const apiVersion = stringOf(owner.apiVersion);
    const slashes = apiVersion.split('/');
    const version = slashes.length > 2 ? '' : (slashes.at(-1) ?? '');
    if (version === '') errors.push(invalid(`${field}.apiVersion`, apiVersion, 'version must not be empty'));
    for (const key of ['kind', 'name', 'uid']) {
      if (stringOf(owner[key]) === '') errors.push(invalid(`${field}.${key}`, '', 'must not be empty'));
    }
    if (apiVersion === 'v1' && owner.kind === 'Event') {
      errors.push(badOwner(ownerText(owner), '/v1, Kind=Event is disallowed from being an owner'));
    }
    if (owner.controller === true) {
      const current = `${stringOf(owner.kind)}/${stringOf(owner.name)}`;
      if (controller === '') controller = current;
      else {
        const found = `Found "true" in references for ${controller} and ${current}`;
        const text = `Only one reference can have Controller set to true. ${found}`;
        errors.push(badOwner(`[${owners.map(ownerText).join(',')}]`, text));
      }
    }
  }
  return errors;
}

function badOwner(shown: string, detail: string): FieldError {
  return { code: 'RP101', field: 'metadata.ownerReferences', message: `Invalid value: ${shown}: ${detail}` };
}

// Go prints the fields of a struct in their order, not sorted as those of a map.
function ownerText(owner: JsonObject): string {
  const fields = ['apiVersion', 'kind', 'name', 'uid'].map((key): [string, Json] => [key, stringOf(owner[key])]);
  for (const key of ['controller', 'blockOwnerDeletion']) {
    const flag = owner[key];
    if (typeof flag === 'boolean') fields.push([key, flag]);
  }
  return `{${fields.map(([key, value]) => `${goJson(key)}:${goJson(value)}`).join(',')}}`;
}

function finalizerErrors(metadata: JsonObject, builtIn: boolean): FieldError[] {
  const field = 'metadata.finalizers';
  const errors: FieldError[] = [];
  const finalizers = items(metadata.finalizers).map(stringOf);
  for (const name of finalizers) {
    for (const message of qualifiedName(name)) errors.push(invalid(field, name, message));
  }
  if (finalizers.includes('foregroundDeletion') && finalizers.includes('orphan')) {
    const text = 'finalizer orphan and foregroundDeletion cannot be both set';
    errors.push(invalid(field, finalizers, text));
  }
  if (builtIn) {
    finalizers.forEach((name, i) => {
      if (!name.includes('/') && !STANDARD_FINALIZERS.includes(name)) {
        const text = 'name is neither a standard finalizer name nor is it fully qualified';
        errors.push(invalid(at(field, i), name, text));
      }
    });
  }
  return errors;
}
