/** A place in a text: `line` and `column` count from 1, in UTF-16 code units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/**
 * Where an object was read from. `locate` finds the text of a field path such as `spec.ingress[0].ports[1].port`
 * (or the nearest existing parent); it is costly, so it is called only for what a report points at.
 */
export interface Source {
  /** As the user named it: a path, `-` for standard input, `git:REV:path`. */
  readonly file: string;
  locate(field: string): Position;
}

/** A Kubernetes object by name, with the text it came from (`null` for an object of a live cluster). */
export interface ObjectRef {
  readonly apiVersion: string;
  readonly kind: string;
  /** `null` for cluster-scoped objects. */
  readonly namespace: string | null;
  readonly name: string;
  readonly source: Source | null;
}

/** What something in the IR was made from: an object and a field path in it (`''` for the whole object). */
export interface Origin {
  readonly object: ObjectRef;
  readonly field: string;
}

/** `Kind/namespace/name`, or `Kind/name` for cluster-scoped objects. */
export function objectId(ref: Pick<ObjectRef, 'kind' | 'namespace' | 'name'>): string {
  return ref.namespace === null ? `${ref.kind}/${ref.name}` : `${ref.kind}/${ref.namespace}/${ref.name}`;
}
