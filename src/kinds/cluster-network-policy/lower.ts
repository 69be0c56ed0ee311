import type { KubeObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { type ClusterDialect, lowerClusterScoped } from '../cluster-scoped.ts';
import type { Fragment } from '../kind.ts';
import { decodePlace, decodeProtocol } from './decode.ts';

const DIALECT: ClusterDialect = {
  fields: ['tier', 'priority'],
  actions: new Map([
    ['Accept', 'allow'],
    ['Deny', 'deny'],
    ['Pass', 'pass'],
  ]),
  place: decodePlace,
  egressPeers: ['nodes', 'networks', 'domainNames'],
  namespaceSelectorRequired: false,
  nestedSelectors: false,
  trafficField: 'protocols',
  emptyTrafficIsAny: false,
  traffic: decodeProtocol,
};

/** Lowers a `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy (S4). */
export function lowerClusterNetworkPolicy(object: KubeObject): {
  readonly fragment: Fragment;
  readonly diagnostics: readonly Diagnostic[];
} {
  return lowerClusterScoped(object, DIALECT);
}
