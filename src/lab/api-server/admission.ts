import { kindOf } from '../../kinds/registry.ts';
import { invalid, required } from '../../kinds/validation/field-error.ts';
import { asObject, get, items, stringOf } from '../../kinds/validation/json.ts';
import { METADATA, metadataErrors } from '../../kinds/validation/metadata.ts';
import { dnsLabel } from '../../kinds/validation/names.ts';
import { decodeTyped } from '../../kinds/validation/typed.ts';
import type { Json, JsonObject, KubeObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { ServedResource } from './resources.ts';
import { badRequest, type Cause, causeOf, causesOf, invalidObject, type Refusal } from './status.ts';

/** What is to be done about fields that the API does not know. */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

export interface Admitted {
  readonly object: JsonObject;
  /** For `Warning` headers. */
  readonly warnings: readonly string[];
}

/** An object as it may be stored; throws a {@link Refusal} in the server's words where it may not. */
export function admit(
  resource: ServedResource,
  apiVersion: string,
  object: JsonObject,
  fields: FieldValidation,
): Admitted {
  const metadata = asObject(object.metadata);
  const name = stringOf(metadata.name);
  const kind = kindOf(apiVersion, resource.kind);
  if (kind !== null)
    return admitPolicy(resource, kind.validate(asKubeObject(apiVersion, resource, object)), object, fields);
  const mistyped = decodeTyped(metadata, METADATA, 'metadata').errors;
  if (mistyped.length > 0)
    throw undecodable(resource, apiVersion, mistyped[0]?.message ?? '', mistyped[0]?.field ?? '');
  const errors = [
    ...(resource.group === 'rbac.authorization.k8s.io' ? [] : metadataErrors(metadata, resource)),
    ...labelNameErrors(resource, name),
  ];
  const causes = [
    ...errors.map((error) => causeOf(error.code, error.field, error.message)),
    ...specCauses(resource, object),
  ];
  if (causes.length > 0) throw invalidObject(resource, name, causes);
  return { object, warnings: [] };
}

function asKubeObject(apiVersion: string, resource: ServedResource, value: JsonObject): KubeObject {
  const metadata = asObject(value.metadata);
  const namespace = resource.namespaced ? stringOf(metadata.namespace) : null;
  return { ref: { apiVersion, kind: resource.kind, namespace, name: stringOf(metadata.name), source: null }, value };
}

function undecodable(resource: ServedResource, apiVersion: string, message: string, field: string): Refusal {
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  return badRequest(
    `${resource.kind} in version "${version}" cannot be handled as a ${resource.kind}: ${field}: ${message}`,
  );
}

function admitPolicy(
  resource: ServedResource,
  diagnostics: readonly Diagnostic[],
  object: JsonObject,
  fields: FieldValidation,
): Admitted {
  const name = stringOf(asObject(object.metadata).name);
  const version = stringOf(object.apiVersion);
  const refused = diagnostics.filter((one) => one.refused === true);
  const [first] = refused;
  // A built-in kind with a value of the wrong type cannot be decoded; a custom resource with one is invalid.
  if (first !== undefined && first.code === 'RP107' && resource.builtIn) {
    throw undecodable(resource, version, first.message, first.origin?.field ?? '');
  }
  const unknown = diagnostics.filter((one) => one.code === 'RP108');
  if (unknown.length > 0 && fields === 'Strict') {
    const said = unknown.map((one) => one.message).join(', ');
    const short = version.slice(version.indexOf('/') + 1);
    throw badRequest(
      resource.builtIn
        ? `${resource.kind} in version "${short}" cannot be handled as a ${resource.kind}: strict decoding error: ${said}`
        : `strict decoding error: ${said}`,
    );
  }
  if (refused.length > 0) throw invalidObject(resource, name, causesOf(refused));
  let pruned = object;
  for (const one of unknown) pruned = without(pruned, pathOf(one.origin?.field ?? ''));
  return { object: pruned, warnings: fields === 'Warn' ? unknown.map((one) => one.message) : [] };
}

/** `spec.egress[0].to` as steps. */
function pathOf(field: string): readonly string[] {
  return field.split('.').flatMap((part) => part.split(/[[\]]+/).filter((step) => step !== ''));
}

function without(value: JsonObject, path: readonly string[]): JsonObject {
  const [step, ...rest] = path;
  if (step === undefined || !Object.hasOwn(value, step)) return value;
  const entries = Object.entries(value);
  if (rest.length === 0) return Object.fromEntries(entries.filter(([key]) => key !== step));
  return Object.fromEntries(entries.map(([key, item]) => [key, key === step ? withoutIn(item, rest) : item]));
}

function withoutIn(value: Json, path: readonly string[]): Json {
  if (!Array.isArray(value)) return without(asObject(value), path);
  const [index, ...rest] = path;
  return items(value).map((item, i) => (String(i) === index ? withoutIn(item, rest) : item));
}

/** Names that become DNS labels may have no dots. */
function labelNameErrors(resource: ServedResource, name: string): ReturnType<typeof metadataErrors> {
  if (resource.group !== '' || name === '') return [];
  if (resource.plural === 'namespaces') return dnsLabel(name).map((text) => invalid('metadata.name', name, text));
  if (resource.plural !== 'services' || /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return [];
  const text =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
  return [invalid('metadata.name', name, text)];
}

/** The faults that are common in manifests; everything else of a spec is taken as it is. */
function specCauses(resource: ServedResource, object: JsonObject): readonly Cause[] {
  const spec = asObject(object.spec);
  const missing = (field: string, detail = ''): Cause => {
    const { code, message } = required(field, detail);
    return causeOf(code, field, message);
  };
  switch (`${resource.group}/${resource.kind}`) {
    case '/Pod':
      return items(spec.containers).length === 0 ? [missing('spec.containers')] : [];
    case '/Service': {
      const needsPorts = spec.type !== 'ExternalName' && spec.clusterIP !== 'None';
      return needsPorts && items(spec.ports).length === 0 ? [missing('spec.ports')] : [];
    }
    case 'apps/Deployment':
    case 'apps/ReplicaSet':
    case 'apps/StatefulSet':
    case 'apps/DaemonSet':
      return templateCauses(spec, missing);
    default:
      return [];
  }
}

function templateCauses(spec: JsonObject, missing: (field: string, detail?: string) => Cause): readonly Cause[] {
  const causes: Cause[] = [];
  const selector = asObject(spec.selector);
  const wanted = asObject(selector.matchLabels);
  if (get(spec, 'selector') === undefined) causes.push(missing('spec.selector'));
  const template = asObject(spec.template);
  const labels = asObject(asObject(template.metadata).labels);
  if (Object.entries(wanted).some(([key, value]) => get(labels, key) !== value) || Object.keys(selector).length === 0) {
    const { code, message } = invalid(
      'spec.template.metadata.labels',
      labels,
      '`selector` does not match template `labels`',
    );
    causes.push(causeOf(code, 'spec.template.metadata.labels', message));
  }
  if (items(asObject(template.spec).containers).length === 0) causes.push(missing('spec.template.spec.containers'));
  return causes;
}
