import type { DnsZone } from './dns-zone.ts';

/** What the program in a pod is told: one JSON object a line, on its standard input; answers likewise, in any order. */
export type PodRequest =
  /** Listens on these and on nothing else. `addresses` is `null` for all that the pod has. */
  | {
      readonly id: number;
      readonly kind: 'listen';
      readonly listeners: readonly Listener[];
      readonly addresses: readonly string[] | null;
    }
  /** Many attempts at once, at most `parallel` at a time; one answer when all have ended. */
  | { readonly id: number; readonly kind: 'connect'; readonly parallel: number; readonly attempts: readonly Attempt[] }
  /** What to answer on port 53 from now on. */
  | { readonly id: number; readonly kind: 'zone'; readonly zone: DnsZone };

export interface Listener {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
}

export interface Attempt {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  /** An address; names are looked up by whoever asks. */
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** The address to ask from, where the asker has several (`outside`); else the system chooses. */
  readonly from?: string;
}

export type PodAnswer =
  | {
      readonly id: number;
      readonly kind: 'listening';
      readonly failed: readonly (Listener & { readonly why: string })[];
    }
  | { readonly id: number; readonly kind: 'connected'; readonly outcomes: readonly Outcome[] }
  | { readonly id: number; readonly kind: 'zone-taken' };

export interface Outcome {
  /** `allowed`: an answer of the other program came back. `denied`: nothing came, or a refusal by policy (reset, ICMP prohibited). `error`: neither can be said. */
  readonly observed: 'allowed' | 'denied' | 'error';
  /** `answered`, `no answer in 1000 ms`, `ECONNREFUSED`, … */
  readonly detail: string;
  readonly ms: number;
  /** Name of the pod that answered; every listener sends its own as the first line. */
  readonly peer: string | null;
}
