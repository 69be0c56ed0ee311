import type { Origin } from './origin.ts';

export type Severity = 'error' | 'warning' | 'info';

/** A located message about the user's input. The work goes on; what is affected is closed. */
export interface Diagnostic {
  /** Stable, e.g. `RP012`; never reused for something else. The registry is `docs/diagnostics.md`. */
  readonly code: string;
  readonly severity: Severity;
  /** Lower case, no final stop; the API server's own text where it has one. */
  readonly message: string;
  /** A way out, if there is one. */
  readonly help?: string;
  /** An API server would have refused the object: it is left out and everything else counts. */
  readonly refused?: boolean;
  /** The object and field that it is about; `null` for a file that holds no object. */
  readonly origin: Origin | null;
  /** Where it is, if there is no object (yet): a file that cannot be read or decoded. */
  readonly at?: { readonly file: string; readonly line?: number; readonly column?: number };
}
