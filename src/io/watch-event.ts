import type { JsonObject } from '../manifest/object.ts';

/** The resources that an agent follows. */
export type WatchedResource =
  | 'pods'
  | 'namespaces'
  | 'nodes'
  | 'networkpolicies'
  | 'clusternetworkpolicies'
  | 'adminnetworkpolicies'
  | 'baselineadminnetworkpolicies';

/** What a watch says. Objects are reduced to the fields that matter (`io/watch.ts`), with `apiVersion` and `kind`. */
export type WatchEvent =
  /** The whole list, after a first or a renewed listing: whatever is not in it is gone. */
  | { readonly kind: 'listed'; readonly resource: WatchedResource; readonly objects: readonly JsonObject[] }
  | { readonly kind: 'put'; readonly resource: WatchedResource; readonly object: JsonObject }
  | { readonly kind: 'removed'; readonly resource: WatchedResource; readonly object: JsonObject }
  /** The server does not serve the resource (any more): as good as an empty list, and looked for again. */
  | { readonly kind: 'absent'; readonly resource: WatchedResource }
  /** The server serves it and does not let us read it: policies may exist that are not known. */
  | { readonly kind: 'unreadable'; readonly resource: WatchedResource; readonly reason: string };
