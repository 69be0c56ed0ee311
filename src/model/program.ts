import type { EndpointMatch, Match } from './match.ts';
import type { Origin } from './origin.ts';

export type Direction = 'ingress' | 'egress';
export const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];

export type Action = 'allow' | 'deny' | 'pass';

/** Separately enforced stacks of tiers; a flow must pass all of them. */
export type Plane = 'network' | 'mesh';

/** One condition with its action. */
export interface Rule {
  readonly direction: Direction;
  /** Position in the object's own list of that direction: `ingress[index]`. */
  readonly index: number;
  /** The rule's own name, where the kind has one. */
  readonly name: string | null;
  readonly match: Match;
  readonly action: Action;
  readonly log: boolean;
  readonly origin: Origin;
}

/** One user object after lowering. */
export interface Policy {
  /** `Kind/namespace/name` or `Kind/name`; unique in a program. */
  readonly id: string;
  readonly subject: EndpointMatch;
  /** Directions in which a selected endpoint is isolated. */
  readonly isolates: readonly Direction[];
  /** In the object's order; of one direction, the first match decides. */
  readonly rules: readonly Rule[];
  /** Position inside the tier, lower first. Policies of equal rank have no defined order among each other. */
  readonly rank: number;
  readonly origin: Origin;
}

export type Spared = 'own-node' | 'hairpin';

/** An ordered group of policies. */
export interface Tier {
  readonly name: string;
  readonly plane: Plane;
  /** What unmatched traffic of an isolated endpoint meets. */
  readonly whenIsolated: 'deny' | 'pass';
  /** Traffic that `whenIsolated` spares: egress to the pod's own node, a pod's way to itself through a Service (S11). */
  readonly spares: readonly Spared[];
  /** By rank, then namespace and name. */
  readonly policies: readonly Policy[];
  /** Why policies of this tier may be missing (an unreadable resource); `null` if all are known. */
  readonly unread: string | null;
}

/**
 * All tiers of a cluster in evaluation order. One direction at one endpoint, per plane: for each tier take the policies
 * whose subject selects the endpoint; the first rule that matches decides (allow and deny end the plane, pass leads to
 * the next tier); if none matches and a selecting policy isolates the direction, `whenIsolated` applies, else the next
 * tier follows. Past the last tier: allow.
 */
export interface PolicyProgram {
  readonly tiers: readonly Tier[];
}
