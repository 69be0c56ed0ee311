import { suggest } from '../../base/suggest.ts';
import type { Json, JsonObject, KubeObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { diagnosticsOf, type FieldError, invalid, withCode } from './field-error.ts';
import { asObject } from './json.ts';
import { METADATA, metadataErrors } from './metadata.ts';
import { object, propertyOf, type Schema } from './schema.ts';
import { hasRules, ruleErrors, schemaErrors, setErrors, settle } from './structural.ts';
import { decodeTyped } from './typed.ts';

/** A custom resource definition, as far as it judges objects. All policy kinds of custom resources are cluster-scoped. */
export interface CustomResource {
  readonly spec: Schema;
  /** A rule about the name of the object. */
  readonly name?: { readonly message: string; readonly only: string };
}

/** What a server with that definition says of an object. */
export interface Judgement {
  /** The server refuses the object if there is one. */
  readonly errors: readonly FieldError[];
  readonly unknown: readonly FieldError[];
  /** `spec` without unknown fields and nulls, with defaults. */
  readonly spec: Json;
}

const STATUS: Schema = object({
  conditions: {
    kind: 'list',
    items: object({
      type: { kind: 'string' },
      status: { kind: 'string' },
      observedGeneration: { kind: 'integer' },
      lastTransitionTime: { kind: 'time' },
      reason: { kind: 'string' },
      message: { kind: 'string' },
    }),
  },
});

const NOT_CHECKED =
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

/** Judges a custom resource as the server does on creation: prune, default, then schema, sets and rules across fields. */
export function judge(resource: KubeObject, definition: CustomResource): Judgement {
  const { value } = resource;
  const metadata = decodeTyped(own(value, 'metadata') ?? {}, METADATA, 'metadata');
  if (metadata.errors.length > 0) return { errors: metadata.errors, unknown: [], spec: {} };

  const schema = object({ spec: definition.spec, status: STATUS }, { required: ['spec'] });
  const body = Object.fromEntries(Object.entries(value).filter(([key]) => !META_FIELDS.has(key)));
  const settled = settle(body, schema, '');
  // On creation the server drops the status before it looks.
  const rest = Object.fromEntries(Object.entries(asObject(settled.value)).filter(([key]) => key !== 'status'));

  const named = asObject(metadata.value);
  const errors = [
    ...metadataErrors(named, { namespaced: false, builtIn: false }),
    ...withoutEmptied(schemaErrors(rest, schema, ''), settled.pruned),
    ...setErrors(rest, schema, ''),
  ];
  if (definition.name !== undefined || hasRules(schema)) {
    if (errors.some((error) => BLOCKING.has(error.code))) {
      errors.push(withCode(invalid('', null, NOT_CHECKED), 'RP109'));
    } else {
      if (definition.name !== undefined && named.name !== definition.name.only) {
        errors.push(invalid('', 'object', definition.name.message));
      }
      errors.push(...ruleErrors(rest, schema, ''));
    }
  }
  const unknown = [...metadata.unknown, ...settled.unknown];
  return {
    errors,
    unknown: unknown.map((path) => unknownField(path, path.startsWith('metadata.') ? null : schema)),
    spec: own(rest, 'spec') ?? {},
  };
}

const META_FIELDS: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

// INVARIANT: exactly the error types after which the server does not evaluate rules across fields.
const BLOCKING: ReadonlySet<string> = new Set(['RP100', 'RP102', 'RP104', 'RP105', 'RP107']);

/**
 * A subject, peer or port of a kind that this version does not know is empty once it is pruned. A server of this version
 * refuses it; here the object stays in and that part fails closed (S3.4, S3.17), for the server that holds it knows it.
 */
function withoutEmptied(errors: readonly FieldError[], pruned: ReadonlySet<string>): FieldError[] {
  const emptied = (error: FieldError): boolean =>
    pruned.has(error.field) && error.message.endsWith('at least 1 properties');
  return errors.filter((error) => !emptied(error));
}

/** The complaint about a field that the API does not know, with the field that was perhaps meant. */
export function unknownField(path: string, schema: Schema | null): FieldError {
  const error: FieldError = { code: 'RP108', field: path, message: `unknown field "${path}"` };
  const [name, known] = schema === null ? ['', []] : neighbours(path, schema);
  const near = suggest(name, known, 1)[0];
  return near === undefined ? error : { ...error, help: `did you mean \`${near}\`?` };
}

/** Unknown fields are errors that refuse nothing; in a status, which no policy is read from, they are warnings. */
export function unknownDiagnostics(object: KubeObject, unknown: readonly FieldError[]): Diagnostic[] {
  const idle = unknown.filter(({ field }) => field === 'status' || field.startsWith('status.'));
  return [
    ...diagnosticsOf(
      object,
      unknown.filter((error) => !idle.includes(error)),
      'error',
      'kept',
    ),
    ...diagnosticsOf(object, idle, 'warning', 'kept'),
  ];
}

function neighbours(path: string, schema: Schema): [string, readonly string[]] {
  let place: Schema | null = schema;
  const steps = path.split('.');
  const name = steps.pop() ?? '';
  for (const step of steps) {
    place = propertyOf(place, step.replace(/(\[\d+\])+$/, ''));
    for (let depth = step.split('[').length - 1; depth > 0; depth--)
      place = place?.kind === 'list' ? place.items : null;
  }
  return [name, place?.kind === 'object' ? Object.keys(place.fields) : []];
}

function own(value: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
