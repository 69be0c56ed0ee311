import { buildCluster } from '../cluster/build.ts';
import { assemble, type Profile } from '../kinds/assemble.ts';
import type { TierSlot } from '../kinds/kind.ts';
import { readPolicies } from '../kinds/registry.ts';
import { dropDuplicates } from '../manifest/duplicates.ts';
import type { KubeObject } from '../manifest/object.ts';
import type { Cluster, Missing } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { PolicyProgram } from '../model/program.ts';

/** Everything that the engine needs of a set of objects. */
export interface Input {
  readonly cluster: Cluster;
  readonly program: PolicyProgram;
  readonly diagnostics: readonly Diagnostic[];
}

export interface InputOptions {
  readonly profile?: Profile;
  /** Resources of a live cluster that could not be read. */
  readonly missing?: readonly Missing[];
  /** The objects come out of an API server, so none of them can have been refused. */
  readonly stored?: boolean;
}

/** The tiers that lack policies when a resource could not be read. */
const TIERS_OF: Readonly<Record<string, readonly TierSlot[]>> = {
  'networkpolicies.networking.k8s.io': ['networkpolicy'],
  'adminnetworkpolicies.policy.networking.k8s.io': ['admin'],
  'baselineadminnetworkpolicies.policy.networking.k8s.io': ['baseline'],
  'clusternetworkpolicies.policy.networking.k8s.io': ['admin', 'baseline'],
};

/**
 * Gives objects their meaning: the cluster, and the program that governs it. Total: whatever cannot be understood is
 * said in `diagnostics`, and can only reduce what is allowed.
 */
export function inputOf(objects: readonly KubeObject[], options: InputOptions = {}): Input {
  const missing = options.missing ?? [];
  const unique = dropDuplicates(objects);
  const policies = readPolicies(unique.objects, { stored: options.stored === true });
  const unread: Partial<Record<TierSlot, string>> = { ...policies.unread };
  for (const { resource, group, reason } of missing) {
    for (const slot of TIERS_OF[`${resource}.${group}`] ?? [])
      unread[slot] ??= `${resource} could not be read: ${reason}`;
  }
  const { program, diagnostics } = assemble(policies.fragments, { profile: options.profile ?? 'kubernetes', unread });
  // Namespaces of policies are part of the cluster, too, so all objects are given; policies make no endpoints.
  const built = buildCluster(unique.objects, { missing });
  return {
    cluster: built.cluster,
    program,
    diagnostics: [...unique.diagnostics, ...policies.diagnostics, ...diagnostics, ...built.diagnostics],
  };
}
