import { unreachable } from '../base/invariant.ts';
import { by, byNumber, byText, inTurn, type Order } from '../base/order.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Policy, PolicyProgram, Tier } from '../model/program.ts';
import { KIND_CODES } from './codes.ts';
import type { Unread } from './foreign.ts';
import type { Fragment, TierSlot } from './kind.ts';

/** Which engine's reading of the kinds combines them. */
export type Profile = 'kubernetes';

export const PROFILES: readonly Profile[] = ['kubernetes'];

/** The kind settles ties between objects of one name, so that the order is total. */
const INSIDE_TIER: Order<Policy> = inTurn(
  by((policy) => policy.rank, byNumber),
  by((policy) => policy.origin.object.namespace ?? '', byText),
  by((policy) => policy.origin.object.name, byText),
  by((policy) => policy.id, byText),
);

type TierPlan = Pick<Tier, 'whenIsolated' | 'spares'> & { readonly slot: TierSlot };

/** The tiers of each profile in evaluation order (S5.2). */
const TIERS: Readonly<Record<Profile, readonly TierPlan[]>> = {
  kubernetes: [
    { slot: 'admin', whenIsolated: 'pass', spares: [] },
    // S11, AMB-3 and AMB-11: NetworkPolicy cuts a pod off neither from its own node nor from itself.
    { slot: 'networkpolicy', whenIsolated: 'deny', spares: ['own-node', 'hairpin'] },
    { slot: 'baseline', whenIsolated: 'pass', spares: [] },
  ],
};

/** Sorts fragments into the tiers of a profile. The order of the fragments does not matter. */
export function assemble(
  fragments: readonly Fragment[],
  options: { readonly profile: Profile; readonly unread?: Unread },
): { readonly program: PolicyProgram; readonly diagnostics: readonly Diagnostic[] } {
  const tiers = TIERS[options.profile].map(
    ({ slot, whenIsolated, spares }): Tier => ({
      name: slot,
      plane: 'network',
      whenIsolated,
      spares,
      policies: fragments
        .filter((fragment) => fragment.slot === slot)
        .map((fragment) => fragment.policy)
        .sort(INSIDE_TIER),
      unread: options.unread?.[slot] ?? null,
    }),
  );
  return { program: { tiers }, diagnostics: checkProfile(options.profile, tiers) };
}

function checkProfile(profile: Profile, tiers: readonly Tier[]): readonly Diagnostic[] {
  switch (profile) {
    case 'kubernetes':
      return checkGenerations(tiers);
    default:
      return unreachable(profile);
  }
}

/** S11, AMB-9: no specification says how the two generations of cluster-wide policies order among each other. */
function checkGenerations(tiers: readonly Tier[]): readonly Diagnostic[] {
  const policies = tiers.flatMap((tier) => tier.policies);
  const old = policies.find((policy) => policy.origin.object.kind.endsWith('AdminNetworkPolicy'));
  const recent = policies.find((policy) => policy.origin.object.kind === 'ClusterNetworkPolicy');
  if (old === undefined || recent === undefined) return [];
  const { code, severity } = KIND_CODES['mixed-generations'];
  return [
    {
      code,
      severity,
      message: `\`${old.id}\` and \`${recent.id}\` are used together, and no specification says which of them comes first`,
      help: 'evaluated in one order of priorities, baseline admin policies last; move all to `ClusterNetworkPolicy`',
      origin: old.origin,
    },
  ];
}
