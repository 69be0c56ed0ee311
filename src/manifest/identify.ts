import type { Diagnostic } from '../model/diagnostic.ts';
import type { ObjectRef } from '../model/origin.ts';
import { atPlace, MANIFEST_DIAGNOSTICS, type ManifestDiagnostic } from './diagnostics.ts';
import { type LocatedDocument, sourceAt } from './document.ts';
import { indexPath, joinPath } from './field-path.ts';
import type { Json, JsonObject, KubeObject } from './object.ts';
import { type DeclaredScopes, declaredScope, groupOf, scopeOf } from './scope.ts';

/** An object that has all that identifies it, before its scope is known. */
export interface Candidate {
  readonly document: LocatedDocument;
  readonly prefix: string;
  readonly value: JsonObject;
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly isGenerated: boolean;
  readonly namespace: string | null;
  /** Paths in the document of keys that occur twice inside of this object. */
  readonly duplicates: readonly string[];
}

/** Where in a document an object of a list stands; every object that has a list of `items` is one. */
const ITEM_PREFIX = /^items\[\d+\](?:\.items\[\d+\])*/;

const DUPLICATE_KEY = {
  message: 'the key occurs twice; the last value counts',
  help: 'remove one of the two; tools disagree on which one counts',
} as const;

/** The kind and version that a list lends to items that state neither. */
interface ListType {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Finds the objects of a decoded document, those inside of lists included; tells what is no object. */
export function candidatesOf(
  document: LocatedDocument,
  value: Json,
  duplicates: readonly string[],
  diagnostics: Diagnostic[],
): readonly Candidate[] {
  const found: Candidate[] = [];
  const duplicatesAt = new Map<string, string[]>();
  for (const path of duplicates) {
    const prefix = ITEM_PREFIX.exec(path)?.[0] ?? '';
    const group = duplicatesAt.get(prefix);
    if (group === undefined) duplicatesAt.set(prefix, [path]);
    else group.push(path);
  }
  const report = (what: ManifestDiagnostic, path: string, message: string, help: string): void => {
    diagnostics.push(atPlace(what, { file: document.file, ...document.locate(path) }, message, help));
  };

  const visit = (node: Json, prefix: string, list: ListType | null): void => {
    if (!isObject(node)) {
      const article = Array.isArray(node)
        ? 'a list'
        : node === null
          ? '`null`'
          : `the ${typeof node} \`${shorten(String(node))}\``;
      report(
        prefix === '' ? 'notObject' : 'items',
        prefix,
        `${prefix === '' ? 'the document' : `\`${prefix}\``} is ${article}, not an object`,
        Array.isArray(node) && prefix === ''
          ? 'give several objects as documents divided by `---`, or as `items` of a `List`'
          : 'an object begins with `apiVersion`, `kind` and `metadata`',
      );
      return;
    }
    const fail = (what: ManifestDiagnostic, field: string, message: string, help: string): void =>
      report(what, joinPath(prefix, field), message, help);

    const lent = list !== null && !isText(own(node, 'kind')) && !isText(own(node, 'apiVersion')) ? list : null;
    const apiVersion = lent?.apiVersion ?? own(node, 'apiVersion');
    const kind = lent?.kind ?? own(node, 'kind');
    if (kind === undefined || kind === null || kind === '') {
      fail('kind', 'kind', 'kind not set', 'name the kind, such as `kind: NetworkPolicy`');
      return;
    }
    if (typeof kind !== 'string') {
      fail(
        'kind',
        'kind',
        `kind isn't string type: \`${shorten(JSON.stringify(kind))}\``,
        'name the kind, such as `kind: NetworkPolicy`',
      );
      return;
    }
    if (apiVersion === undefined || apiVersion === null || apiVersion === '') {
      fail(
        'apiVersion',
        'apiVersion',
        'apiVersion not set',
        'name the version, such as `apiVersion: networking.k8s.io/v1`',
      );
      return;
    }
    if (typeof apiVersion !== 'string') {
      fail(
        'apiVersion',
        'apiVersion',
        `apiVersion isn't string type: \`${shorten(JSON.stringify(apiVersion))}\``,
        'name the version, such as `apiVersion: networking.k8s.io/v1`',
      );
      return;
    }
    if (apiVersion.split('/').length > 2) {
      fail(
        'apiVersion',
        'apiVersion',
        `unexpected GroupVersion string: \`${apiVersion}\``,
        'write `group/version`, or `v1` for the core group',
      );
      return;
    }

    const items = own(node, 'items');
    if (Array.isArray(items)) {
      if (!kind.endsWith('List')) {
        fail(
          'notList',
          'items',
          `a \`${kind}\` with \`items\` is read as a list; the object itself is left out`,
          'remove `items`, or use a list kind',
        );
      }
      const type = { apiVersion, kind: kind.endsWith('List') ? kind.slice(0, -4) : kind };
      const itemsPath = joinPath(prefix, 'items');
      (items as readonly Json[]).forEach((item, index) => {
        visit(item, indexPath(itemsPath, index), type.kind === '' ? null : type);
      });
      return;
    }
    if (kind === 'List' || (kind.endsWith('List') && items !== undefined)) {
      if (items !== undefined && items !== null) {
        fail(
          'items',
          'items',
          `\`items\` of a \`${kind}\` is no list`,
          'give the objects as `items: [...]`, one entry each',
        );
      }
      return;
    }

    const metadata = own(node, 'metadata');
    if (metadata !== undefined && metadata !== null && !isObject(metadata)) {
      fail(
        'metadata',
        'metadata',
        `cannot unmarshal ${typeName(metadata)} into metadata`,
        '`metadata` is a mapping with `name`',
      );
      return;
    }
    const name = isObject(metadata) ? own(metadata, 'name') : undefined;
    const generated = isObject(metadata) ? own(metadata, 'generateName') : undefined;
    const namespace = isObject(metadata) ? own(metadata, 'namespace') : undefined;
    if (name !== undefined && name !== null && typeof name !== 'string') {
      fail(
        'name',
        'metadata.name',
        `cannot unmarshal ${typeName(name)} into metadata.name of type string`,
        'quote it, so that it is text',
      );
      return;
    }
    if (namespace !== undefined && namespace !== null && typeof namespace !== 'string') {
      fail(
        'namespace',
        'metadata.namespace',
        `cannot unmarshal ${typeName(namespace)} into metadata.namespace of type string`,
        'quote it, so that it is text',
      );
      return;
    }
    const isGenerated = !name && typeof generated === 'string' && generated !== '';
    if (!name && !isGenerated) {
      fail(
        'name',
        'metadata.name',
        'Required value: name or generateName is required',
        'give the object a `metadata.name`',
      );
      return;
    }
    found.push({
      document,
      prefix,
      value: lent === null ? node : { ...node, apiVersion, kind },
      apiVersion,
      kind,
      name: isGenerated ? `${generated as string}*` : (name as string),
      isGenerated,
      namespace: namespace || null,
      duplicates: duplicatesAt.get(prefix) ?? [],
    });
    duplicatesAt.delete(prefix);
  };

  visit(value, '', null);
  // What is left stands in a list itself, or in what is no object.
  for (const path of [...duplicatesAt.values()].flat()) {
    diagnostics.push({
      code: MANIFEST_DIAGNOSTICS.duplicateKey.code,
      severity: 'error',
      ...DUPLICATE_KEY,
      origin: null,
      at: { file: document.file, ...document.locate(path) },
    });
  }
  return found;
}

/** Gives every candidate its place in the cluster and tells what is odd about it. */
export function identify(
  candidates: readonly Candidate[],
  defaultNamespace: string,
  diagnostics: Diagnostic[],
): readonly KubeObject[] {
  const declared = scopesIn(candidates);
  return candidates.map((candidate) => {
    const { apiVersion, kind, name, value, document, prefix } = candidate;
    const scope = scopeOf(apiVersion, kind, declared);
    const namespace =
      scope === 'cluster' ? null : (candidate.namespace ?? (scope === 'namespaced' ? defaultNamespace : null));
    const ref: ObjectRef = { apiVersion, kind, namespace, name, source: sourceAt(document, prefix) };
    for (const path of candidate.duplicates) {
      const field = prefix === '' ? path : path.slice(prefix.length).replace(/^\./, '');
      diagnostics.push({
        code: MANIFEST_DIAGNOSTICS.duplicateKey.code,
        severity: 'error',
        ...DUPLICATE_KEY,
        origin: { object: ref, field },
      });
    }
    if (candidate.isGenerated) {
      diagnostics.push({
        code: MANIFEST_DIAGNOSTICS.generatedName.code,
        severity: 'info',
        message: 'the server will choose the name; the object counts as a new one',
        origin: { object: ref, field: 'metadata.generateName' },
      });
    }
    return { ref, value };
  });
}

function scopesIn(candidates: readonly Candidate[]): DeclaredScopes {
  const scopes = new Map<string, 'cluster' | 'namespaced'>();
  for (const { apiVersion, kind, value } of candidates) {
    if (kind !== 'CustomResourceDefinition' || groupOf(apiVersion) !== 'apiextensions.k8s.io') continue;
    const scope = declaredScope(value);
    if (scope !== null) scopes.set(...scope);
  }
  return scopes;
}

function isObject(value: Json | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isText(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== '';
}

function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Go's name for the JSON type of a value. */
function typeName(value: Json): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function shorten(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}
