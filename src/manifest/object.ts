import type { Diagnostic } from '../model/diagnostic.ts';
import type { ObjectRef } from '../model/origin.ts';

/** Plain JSON as a decoder leaves it. Objects have own properties only; read them with `Object.hasOwn` in mind. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** One Kubernetes object as it was read, before any meaning is given to it. */
export interface KubeObject {
  /** Namespaced kinds without `metadata.namespace` carry `default` (or the namespace given by the user). */
  readonly ref: ObjectRef;
  readonly value: JsonObject;
}

/** What reading gives: every object that could be decoded, and a diagnostic for everything that could not. */
export interface Reading {
  readonly objects: readonly KubeObject[];
  readonly diagnostics: readonly Diagnostic[];
}
