import { asObject, stringOf } from '../kinds/validation/json.ts';
import type { JsonObject } from '../manifest/object.ts';
import { groupOf } from '../manifest/scope.ts';
import { BUILT_IN } from './api-server/resources.ts';
import { nameOf, namespaceOf } from './model-json.ts';

/** What a watch of any resource says. */
export interface ObjectChange {
  readonly kind: 'put' | 'removed';
  /** With `apiVersion` and `kind`. */
  readonly object: JsonObject;
}

/** What controllers and kubelets want of the API server. */
export type ApiWrite =
  | { readonly kind: 'create'; readonly object: JsonObject }
  | { readonly kind: 'replace'; readonly object: JsonObject }
  /** Of the object, its status alone. */
  | { readonly kind: 'status'; readonly object: JsonObject }
  | { readonly kind: 'bind'; readonly pod: JsonObject; readonly node: string }
  /** `isFinal`: the kubelet has ended the pod, so nothing is waited for. */
  | { readonly kind: 'delete'; readonly object: JsonObject; readonly isFinal: boolean };

/** A write as a request to an API server. */
export interface WriteRequest {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body: JsonObject;
  readonly contentType: string;
}

/** The request that carries a write out. */
export function requestOf(write: ApiWrite): WriteRequest {
  const json = 'application/json';
  switch (write.kind) {
    case 'create':
      return { method: 'POST', path: collectionOf(write.object), body: write.object, contentType: json };
    case 'replace':
      return { method: 'PUT', path: pathOf(write.object), body: write.object, contentType: json };
    case 'status': {
      const body = { status: write.object.status ?? {} };
      return {
        method: 'PATCH',
        path: `${pathOf(write.object)}/status`,
        body,
        contentType: 'application/merge-patch+json',
      };
    }
    case 'bind': {
      const { pod, node } = write;
      const metadata = { name: nameOf(pod), namespace: namespaceOf(pod) };
      const body = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata,
        target: { apiVersion: 'v1', kind: 'Node', name: node },
      };
      return { method: 'POST', path: `${pathOf(pod)}/binding`, body, contentType: json };
    }
    case 'delete': {
      const preconditions = { uid: stringOf(asObject(write.object.metadata).uid) };
      const grace: JsonObject = write.isFinal ? { gracePeriodSeconds: 0 } : {};
      const body: JsonObject = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions, ...grace };
      return { method: 'DELETE', path: pathOf(write.object), body, contentType: json };
    }
  }
}

/** The path under which an object of a built-in kind is served. */
export function pathOf(object: JsonObject): string {
  return `${collectionOf(object)}/${encodeURIComponent(nameOf(object))}`;
}

function collectionOf(object: JsonObject): string {
  const apiVersion = stringOf(object.apiVersion);
  const kind = stringOf(object.kind);
  const resource = BUILT_IN.find((one) => one.kind === kind && one.group === groupOf(apiVersion));
  const root = groupOf(apiVersion) === '' ? `/api/${apiVersion}` : `/apis/${apiVersion}`;
  const plural = resource?.plural ?? `${kind.toLowerCase()}s`;
  const namespace = namespaceOf(object);
  return namespace === '' ? `${root}/${plural}` : `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}
