import type { Severity } from '../model/diagnostic.ts';

/** One kind of diagnostic that building a cluster can give. */
export interface ClusterCode {
  readonly code: string;
  readonly severity: Severity;
  readonly title: string;
}

export type ClusterCodeName =
  | 'undecodable'
  | 'unknown-kind'
  | 'bad-port'
  | 'bad-address'
  | 'no-template'
  | 'ungranted-backend'
  | 'foreign-backend'
  | 'no-such-target-port';

/** Every diagnostic of this folder by name; codes are never reused. */
export const CLUSTER_CODES: Readonly<Record<ClusterCodeName, ClusterCode>> = {
  undecodable: { code: 'RP300', severity: 'error', title: 'an object has a field of another type than its kind' },
  'unknown-kind': { code: 'RP301', severity: 'info', title: 'objects of a kind that Rampart does not know' },
  'bad-port': { code: 'RP302', severity: 'warning', title: 'a port of a pod or Service that cannot exist' },
  'bad-address': { code: 'RP303', severity: 'warning', title: 'an address that cannot be understood' },
  'no-template': { code: 'RP304', severity: 'warning', title: 'a workload without a pod template and without pods' },
  'ungranted-backend': {
    code: 'RP305',
    severity: 'warning',
    title: 'a route to a Service of another namespace that no ReferenceGrant allows',
  },
  'foreign-backend': { code: 'RP306', severity: 'info', title: 'a route to something other than a Service' },
  'no-such-target-port': {
    code: 'RP307',
    severity: 'warning',
    title: 'a Route to a port that its Service does not have',
  },
};
