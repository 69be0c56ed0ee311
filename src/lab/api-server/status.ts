import type { JsonObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { resourceKey, type ServedResource } from './resources.ts';

/** A request that was refused; `body` is the `Status` that the client gets. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: JsonObject;
  readonly retryAfter: number | null;

  constructor(
    status: number,
    reason: string,
    message: string,
    details: JsonObject = {},
    retryAfter: number | null = null,
  ) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
    this.body = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      details: retryAfter === null ? details : { ...details, retryAfterSeconds: retryAfter },
      code: status,
    };
  }
}

function about(resource: ServedResource, name: string): JsonObject {
  const group: JsonObject = resource.group === '' ? {} : { group: resource.group };
  return { ...named(name), ...group, kind: resource.plural };
}

export function notFound(resource: ServedResource, name: string): Refusal {
  return new Refusal(404, 'NotFound', `${resourceKey(resource)} "${name}" not found`, about(resource, name));
}

// Servers leave out what is empty.
function named(name: string): JsonObject {
  return name === '' ? {} : { name };
}

/** No such path. */
export function noSuchPath(): Refusal {
  return new Refusal(404, 'NotFound', 'the server could not find the requested resource');
}

export function alreadyExists(resource: ServedResource, name: string): Refusal {
  const message = `${resourceKey(resource)} "${name}" already exists`;
  return new Refusal(409, 'AlreadyExists', message, about(resource, name));
}

const STALE = 'the object has been modified; please apply your changes to the latest version and try again';

export function conflict(resource: ServedResource, name: string, why: string = STALE): Refusal {
  const message = `Operation cannot be fulfilled on ${resourceKey(resource)} "${name}": ${why}`;
  return new Refusal(409, 'Conflict', message, about(resource, name));
}

export function badRequest(message: string): Refusal {
  return new Refusal(400, 'BadRequest', message);
}

export function forbiddenHere(resource: ServedResource, name: string, why: string): Refusal {
  const subject = name === '' ? resourceKey(resource) : `${resourceKey(resource)} "${name}"`;
  return new Refusal(403, 'Forbidden', `${subject} is forbidden: ${why}`, about(resource, name));
}

export function expired(message: string): Refusal {
  return new Refusal(410, 'Expired', message);
}

/** One fault of an object that is otherwise well-formed. */
export interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['RP100', 'FieldValueRequired'],
  ['RP102', 'FieldValueNotSupported'],
  ['RP103', 'FieldValueForbidden'],
  ['RP104', 'FieldValueTooLong'],
  ['RP105', 'FieldValueTooMany'],
  ['RP106', 'FieldValueDuplicate'],
  ['RP107', 'FieldValueTypeInvalid'],
]);

export function causeOf(code: string, field: string, message: string): Cause {
  // What is wrong with the object as a whole has no path, which Go prints so.
  return { reason: REASONS.get(code) ?? 'FieldValueInvalid', message, field: field === '' ? '<nil>' : field };
}

export function causesOf(diagnostics: readonly Diagnostic[]): readonly Cause[] {
  return diagnostics.map(({ code, message, origin }) => causeOf(code, origin?.field ?? '', message));
}

/** 422 with every cause, as servers word it. */
export function invalidObject(resource: ServedResource, name: string, causes: readonly Cause[]): Refusal {
  return invalidKind(resource.group, resource.kind, name, causes);
}

/** 422 about something that need not be a resource. */
export function invalidKind(group: string, kind: string, name: string, causes: readonly Cause[]): Refusal {
  const texts = causes.map(({ field, message }) => `${field}: ${message}`);
  const subject = group === '' ? kind : `${kind}.${group}`;
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const of: JsonObject = group === '' ? {} : { group };
  const details: JsonObject = {
    ...named(name),
    ...of,
    ...(kind === '' ? {} : { kind }),
    causes: causes.map((cause) => ({ ...cause })),
  };
  return new Refusal(422, 'Invalid', `${subject} "${name}" is invalid: ${list}`, details);
}
