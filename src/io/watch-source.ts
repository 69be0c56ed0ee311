import type { WatchedResource } from './watch-event.ts';
import type { Reduce, Reducers } from './watch-reduce.ts';

/** Where a resource is, and what is asked for. */
export interface Source {
  readonly resource: WatchedResource;
  /** `''` is the core group. */
  readonly group: string;
  readonly version: string;
  readonly path: string;
  /** What a list, and what a watch should consist of. */
  readonly accept: { readonly list: string; readonly watch: string };
  readonly fieldSelector: string | null;
  /** Part of every API server: what is not served then is a fault. */
  readonly builtIn: boolean;
  readonly reduce: Reduce;
}

/** Only what every object has; a server that cannot do that gives all of it. */
export const METADATA_ONLY: Source['accept'] = {
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json',
  watch: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json',
};

const WHOLE: Source['accept'] = { list: 'application/json', watch: 'application/json' };

const POLICY_GROUP = 'policy.networking.k8s.io';

interface Row {
  readonly group: string;
  readonly version: string;
  readonly builtIn: boolean;
  readonly accept?: Source['accept'];
  readonly reduce: (reducers: Reducers) => Reduce;
}

const ROWS: Readonly<Record<WatchedResource, Row>> = {
  pods: { group: '', version: 'v1', builtIn: true, reduce: (r) => r.pod },
  namespaces: { group: '', version: 'v1', builtIn: true, accept: METADATA_ONLY, reduce: (r) => r.namespace },
  nodes: { group: '', version: 'v1', builtIn: true, reduce: (r) => r.node },
  networkpolicies: {
    group: 'networking.k8s.io',
    version: 'v1',
    builtIn: true,
    reduce: (r) => r.policy('networking.k8s.io/v1', 'NetworkPolicy'),
  },
  clusternetworkpolicies: {
    group: POLICY_GROUP,
    version: 'v1alpha2',
    builtIn: false,
    reduce: (r) => r.policy(`${POLICY_GROUP}/v1alpha2`, 'ClusterNetworkPolicy'),
  },
  adminnetworkpolicies: {
    group: POLICY_GROUP,
    version: 'v1alpha1',
    builtIn: false,
    reduce: (r) => r.policy(`${POLICY_GROUP}/v1alpha1`, 'AdminNetworkPolicy'),
  },
  baselineadminnetworkpolicies: {
    group: POLICY_GROUP,
    version: 'v1alpha1',
    builtIn: false,
    reduce: (r) => r.policy(`${POLICY_GROUP}/v1alpha1`, 'BaselineAdminNetworkPolicy'),
  },
};

/** All that can be followed. */
export const WATCHED_RESOURCES: readonly WatchedResource[] = Object.keys(ROWS) as WatchedResource[];

/** Where `resource` is; `fieldSelector` narrows it down. */
export function sourceOf(resource: WatchedResource, reducers: Reducers, fieldSelector: string | null): Source {
  const { group, version, builtIn, accept, reduce } = ROWS[resource];
  return {
    resource,
    group,
    version,
    builtIn,
    fieldSelector,
    path: `${group === '' ? `/api/${version}` : `/apis/${group}/${version}`}/${resource}`,
    accept: accept ?? WHOLE,
    reduce: reduce(reducers),
  };
}
