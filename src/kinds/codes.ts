import type { Severity } from '../model/diagnostic.ts';

/** One kind of diagnostic that reading policies can give. */
export interface KindCode {
  readonly code: string;
  readonly severity: Severity;
  readonly title: string;
}

export type KindCodeName =
  | 'unknown-field'
  | 'wrong-type'
  | 'bad-selector'
  | 'bad-cidr'
  | 'bad-port'
  | 'bad-peer'
  | 'bad-subject'
  | 'bad-policy-type'
  | 'bad-action'
  | 'bad-rank'
  | 'inverted-range'
  | 'domain-under-deny'
  | 'bad-domain'
  | 'withdrawn-peer'
  | 'mixed-generations'
  | 'not-enforced'
  | 'unknown-version'
  | 'removed-version'
  | 'no-such-kind';

/** Every diagnostic of this folder by name; codes are never reused. */
export const KIND_CODES: Readonly<Record<KindCodeName, KindCode>> = {
  'unknown-field': { code: 'RP200', severity: 'error', title: 'a policy has a field that its kind does not know' },
  'wrong-type': { code: 'RP201', severity: 'error', title: 'a field of a policy is missing or of another type' },
  'bad-selector': { code: 'RP202', severity: 'error', title: 'a label selector cannot be understood' },
  'bad-cidr': { code: 'RP203', severity: 'error', title: 'an address block cannot be understood' },
  'bad-port': { code: 'RP204', severity: 'error', title: 'a port or protocol cannot be understood' },
  'bad-peer': { code: 'RP205', severity: 'error', title: 'a peer names nothing, or several things at once' },
  'bad-subject': { code: 'RP206', severity: 'error', title: 'what a policy applies to cannot be understood' },
  'bad-policy-type': { code: 'RP207', severity: 'error', title: 'an entry of policyTypes cannot be understood' },
  'bad-action': { code: 'RP208', severity: 'error', title: 'the action of a rule is not one of its kind' },
  'bad-rank': { code: 'RP209', severity: 'error', title: 'the tier or priority of a policy cannot be understood' },
  'inverted-range': { code: 'RP210', severity: 'error', title: 'a port range ends before it starts' },
  'domain-under-deny': { code: 'RP211', severity: 'error', title: 'domain names in a rule that does not allow' },
  'bad-domain': { code: 'RP212', severity: 'error', title: 'a domain name cannot be understood' },
  'withdrawn-peer': { code: 'RP213', severity: 'warning', title: 'a peer in a shape that the API has withdrawn' },
  'mixed-generations': {
    code: 'RP214',
    severity: 'error',
    title: 'AdminNetworkPolicy and ClusterNetworkPolicy are used together',
  },
  'not-enforced': { code: 'RP215', severity: 'info', title: 'policies of an engine that this profile does not have' },
  'unknown-version': { code: 'RP216', severity: 'error', title: 'a policy in a version that Rampart does not know' },
  'removed-version': { code: 'RP217', severity: 'error', title: 'a policy in a version that no API server has' },
  'no-such-kind': { code: 'RP219', severity: 'error', title: 'what looks like a policy is of no kind that exists' },
};
