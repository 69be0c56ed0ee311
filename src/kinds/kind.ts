import type { KubeObject } from '../manifest/object.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Policy } from '../model/program.ts';

/** The slots into which `assemble.ts` sorts policies. */
export type TierSlot = 'admin' | 'networkpolicy' | 'baseline';

/** What one policy object lowers to, before assembly. */
export interface Fragment {
  readonly slot: TierSlot;
  readonly policy: Policy;
}

/** A policy dialect: everything that Rampart knows of one `apiVersion` and `kind`. */
export interface PolicyKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /**
   * What an API server (or the kind's own admission) would say of the object, in its own words and order. An error with
   * `refused: true` means that such an object cannot exist.
   */
  validate(object: KubeObject): readonly Diagnostic[];
  /**
   * Total and fail-closed: what cannot be understood becomes nothing under allow, and a deny of everything under deny
   * or pass, with a diagnostic. Called only for objects that are not refused.
   */
  lower(object: KubeObject): { readonly fragment: Fragment; readonly diagnostics: readonly Diagnostic[] };
}
