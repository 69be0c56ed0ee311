import type { KubeObject } from '../manifest/object.ts';
import { perType } from '../manifest/per-type.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { lowerAdminNetworkPolicy, lowerBaselineAdminNetworkPolicy } from './admin-network-policy/lower.ts';
import { validateAdminNetworkPolicy, validateBaselineAdminNetworkPolicy } from './admin-network-policy/validate.ts';
import { lowerClusterNetworkPolicy } from './cluster-network-policy/lower.ts';
import { validateClusterNetworkPolicy } from './cluster-network-policy/validate.ts';
import { isForeign, reportForeign, type Unread, unreadVersions } from './foreign.ts';
import type { Fragment, PolicyKind } from './kind.ts';
import { lowerNetworkPolicy } from './network-policy/lower.ts';
import { validateNetworkPolicy } from './network-policy/validate.ts';

/** Every policy kind that has effect under the profile `kubernetes`. */
export const POLICY_KINDS: readonly PolicyKind[] = [
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    plural: 'networkpolicies',
    namespaced: true,
    validate: validateNetworkPolicy,
    lower: lowerNetworkPolicy,
  },
  {
    apiVersion: 'policy.networking.k8s.io/v1alpha1',
    kind: 'AdminNetworkPolicy',
    plural: 'adminnetworkpolicies',
    namespaced: false,
    validate: validateAdminNetworkPolicy,
    lower: lowerAdminNetworkPolicy,
  },
  {
    apiVersion: 'policy.networking.k8s.io/v1alpha1',
    kind: 'BaselineAdminNetworkPolicy',
    plural: 'baselineadminnetworkpolicies',
    namespaced: false,
    validate: validateBaselineAdminNetworkPolicy,
    lower: lowerBaselineAdminNetworkPolicy,
  },
  {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    plural: 'clusternetworkpolicies',
    namespaced: false,
    validate: validateClusterNetworkPolicy,
    lower: lowerClusterNetworkPolicy,
  },
];

/** The entry of the registry for an `apiVersion` and `kind`, or `null`. */
export function kindOf(apiVersion: string, kind: string): PolicyKind | null {
  return POLICY_KINDS.find((entry) => entry.apiVersion === apiVersion && entry.kind === kind) ?? null;
}

/** What the policies among a number of objects come to. */
export interface PolicyReading {
  /** In the order of the objects. */
  readonly fragments: readonly Fragment[];
  readonly diagnostics: readonly Diagnostic[];
  /** Slots that hold policies in versions that Rampart does not know; hand it to `assemble`. */
  readonly unread: Unread;
  /** The objects that are no policies of any engine. */
  readonly rest: readonly KubeObject[];
}

export interface PolicyOptions {
  /** The objects come out of an API server (a live cluster, a snapshot of one): none of them can have been refused. */
  readonly stored?: boolean;
}

/**
 * Lowers every policy among the objects; nothing is thrown. One that an API server would refuse is left out, unless it is
 * stored in one all the same (older rules, another schema): then it counts, and what cannot be understood fails closed.
 */
export function readPolicies(objects: readonly KubeObject[], options: PolicyOptions = {}): PolicyReading {
  const fragments: Fragment[] = [];
  const diagnostics: Diagnostic[] = [];
  const foreign: KubeObject[] = [];
  const rest: KubeObject[] = [];
  const readerOf = perType(
    (type): PolicyKind | 'foreign' | 'rest' =>
      kindOf(type.apiVersion, type.kind) ?? (isForeign(type) ? 'foreign' : 'rest'),
  );
  for (const object of objects) {
    const kind = readerOf(object.ref);
    if (kind === 'foreign' || kind === 'rest') {
      (kind === 'foreign' ? foreign : rest).push(object);
      continue;
    }
    const complaints = options.stored === true ? kind.validate(object).map(unrefused) : kind.validate(object);
    if (complaints.some((complaint) => complaint.refused === true)) {
      diagnostics.push(...complaints);
      continue;
    }
    const lowered = kind.lower(object);
    fragments.push(lowered.fragment);
    diagnostics.push(...mergeDiagnostics(complaints, lowered.diagnostics));
  }
  const versions = unreadVersions(rest);
  diagnostics.push(...versions.diagnostics, ...reportForeign(foreign));
  return { fragments, diagnostics, unread: versions.unread, rest: versions.rest };
}

function unrefused(complaint: Diagnostic): Diagnostic {
  const { refused: _, ...rest } = complaint;
  return rest;
}

/**
 * Where the server's text and lowering speak of the same field, the server's words stay and gain the help, which says
 * what becomes of the field.
 */
function mergeDiagnostics(complaints: readonly Diagnostic[], lowering: readonly Diagnostic[]): readonly Diagnostic[] {
  if (complaints.length === 0) return lowering;
  const said = new Set(complaints.map(({ origin }) => origin?.field));
  const effects = new Map<string | undefined, string>();
  for (const { origin, help } of lowering) if (help !== undefined) effects.set(origin?.field, help);
  const merged = complaints.map((complaint) => {
    const effect = effects.get(complaint.origin?.field);
    if (effect === undefined) return complaint;
    const { help } = complaint;
    return { ...complaint, help: help === undefined || effect.startsWith(help) ? effect : `${help}; ${effect}` };
  });
  return [...merged, ...lowering.filter(({ origin }) => !said.has(origin?.field))];
}
