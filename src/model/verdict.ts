import type { Origin } from './origin.ts';
import type { Direction, Plane } from './program.ts';

export type VerdictKind = 'allowed' | 'denied' | 'undefined';

/** Why an end's verdict is what it is; the first of a list decides, the others explain. */
export interface Reason {
  readonly kind: 'rule' | 'isolation' | 'default' | 'node' | 'self' | 'near-miss';
  /** `Kind/namespace/name`; `null` where no policy is involved. */
  readonly policy: string | null;
  /** Field path in the policy, e.g. `spec.ingress[0]`. */
  readonly rule: string | null;
  readonly tier: string | null;
  readonly action: 'allow' | 'deny' | 'pass' | null;
  readonly text: string;
  readonly origin: Origin | null;
  /** The smallest change after which the rule would apply; of near misses only. */
  readonly fix?: string;
}

/** The verdict of one end of a flow. */
export interface EndVerdict {
  readonly direction: Direction;
  readonly verdict: VerdictKind;
  readonly decidedBy: string | null;
  readonly plane: Plane;
  readonly reasons: readonly Reason[];
  /** Missing facts, only for `undefined`. */
  readonly missing: readonly string[];
  /** Choices and assumptions that the verdict rests on. */
  readonly caveats: readonly string[];
}

/** The verdict of a flow: both ends together. */
export interface Verdict {
  readonly verdict: VerdictKind;
  readonly undefinedBecause: string | null;
  readonly caveats: readonly string[];
  readonly egress: EndVerdict | null;
  readonly ingress: EndVerdict | null;
}
