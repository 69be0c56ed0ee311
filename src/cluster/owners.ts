import type { JsonObject, KubeObject } from '../manifest/object.ts';
import { type Decoding, decoding, element, flagAt, listAt, objectAt, textAt } from './decode.ts';
import { groupOf } from './kinds.ts';
import { getByThree, type ObjectIndex } from './object-index.ts';

/** The controller that an object names in its metadata. */
export interface OwnerRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Position in `metadata.ownerReferences`. */
  readonly index: number;
}

/** The top-most controller of a pod; `object` is `null` where it is not in the input. */
export interface TopOwner {
  readonly kind: string;
  readonly name: string;
  readonly object: KubeObject | null;
}

/** The owner with `controller: true`; a Node (of a static pod) is no controller. */
export function controllerOf(of: Decoding, value: JsonObject): OwnerRef | null {
  const metadata = objectAt(of, value.metadata, 'metadata', '');
  const owners = listAt(of, metadata.ownerReferences, 'ownerReferences', 'metadata');
  for (let i = 0; i < owners.length; i++) {
    const at = `metadata.ownerReferences[${i}]`;
    const owner = element(of, owners, i, at);
    if (flagAt(of, owner.controller, 'controller', at) !== true) continue;
    const kind = textAt(of, owner.kind, 'kind', at);
    const name = textAt(of, owner.name, 'name', at);
    const apiVersion = textAt(of, owner.apiVersion, 'apiVersion', at) ?? '';
    if (kind === null || name === null || (kind === 'Node' && groupOf(apiVersion) === '')) return null;
    return { apiVersion, kind, name, index: i };
  }
  return null;
}

/** Chains of owners are short; a longer one is a loop. */
const LONGEST_CHAIN = 16;

/**
 * Whether an owner is of a kind whose pods are alike. Others (the custom resource that an operator turns into several
 * Deployments, say) are no workloads, unless they own pods directly.
 */
export function makesPods(index: ObjectIndex, owner: OwnerRef): boolean {
  const { treatment } = index.typeOf(owner);
  return treatment === 'controller' || treatment === 'cronjob' || treatment === 'operated';
}

/** Follows the owners of a pod, or of a controller, upwards as far as they make pods and the input knows them. */
export function topOwner(index: ObjectIndex, namespace: string, owner: OwnerRef): TopOwner {
  let at: OwnerRef = owner;
  let object: KubeObject | null = null;
  for (let i = 0; i < LONGEST_CHAIN; i++) {
    const type = index.typeOf(at).name;
    object =
      getByThree(index.objects, type, namespace, at.name) ?? getByThree(index.objects, type, '', at.name) ?? null;
    if (object === null) break;
    const next = controllerOf(decoding(object, []), object.value);
    if (next === null || !makesPods(index, next)) break;
    at = next;
  }
  return { kind: at.kind, name: at.name, object };
}
