import type { KubeObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { type ClusterDialect, decodePriority, lowerClusterScoped } from '../cluster-scoped.ts';
import type { Fragment } from '../kind.ts';
import { decodeAdminPort } from './decode.ts';

const ADMIN: ClusterDialect = {
  fields: ['priority'],
  actions: new Map([
    ['Allow', 'allow'],
    ['Deny', 'deny'],
    ['Pass', 'pass'],
  ]),
  place(decoding, spec) {
    const rank = decodePriority(decoding, spec);
    return rank === null ? null : { slot: 'admin', rank };
  },
  egressPeers: ['nodes', 'networks', 'domainNames'],
  namespaceSelectorRequired: true,
  nestedSelectors: true,
  trafficField: 'ports',
  emptyTrafficIsAny: true,
  traffic: decodeAdminPort,
};

/** S11, AMB-9: behind every ClusterNetworkPolicy of the Baseline tier, whose priorities end at 1000. */
const BASELINE_RANK = 1001;

const BASELINE: ClusterDialect = {
  ...ADMIN,
  fields: [],
  actions: new Map([
    ['Allow', 'allow'],
    ['Deny', 'deny'],
  ]),
  place: () => ({ slot: 'baseline', rank: BASELINE_RANK }),
  egressPeers: ['nodes', 'networks'],
};

/** Lowers a `policy.networking.k8s.io/v1alpha1` AdminNetworkPolicy (S3), in its first or its last shape. */
export function lowerAdminNetworkPolicy(object: KubeObject): {
  readonly fragment: Fragment;
  readonly diagnostics: readonly Diagnostic[];
} {
  return lowerClusterScoped(object, ADMIN);
}

/** Lowers a `policy.networking.k8s.io/v1alpha1` BaselineAdminNetworkPolicy (S3), in its first or its last shape. */
export function lowerBaselineAdminNetworkPolicy(object: KubeObject): {
  readonly fragment: Fragment;
  readonly diagnostics: readonly Diagnostic[];
} {
  return lowerClusterScoped(object, BASELINE);
}
