import type { Diagnostic } from './diagnostic.ts';

/** Ports by protocol, closed intervals; `all` is every port of TCP, UDP and SCTP; an absent protocol is denied. */
export type Conn =
  | 'all'
  | {
      readonly TCP?: readonly (readonly [number, number])[];
      readonly UDP?: readonly (readonly [number, number])[];
      readonly SCTP?: readonly (readonly [number, number])[];
      /** Ports known by name only (no pod to look them up on). */
      readonly named?: readonly { readonly protocol: 'TCP' | 'UDP' | 'SCTP' | null; readonly port: string }[];
    };

export interface ConnectivityEntry {
  readonly src: string;
  readonly dst: string;
  readonly conn: Conn;
  /** The pods of a workload differ: `conn` is what all have, `some` what at least one has. */
  readonly varies?: true;
  readonly some?: Conn;
}

/** All pairs. Peers are workloads `namespace/name[Kind]` and address ranges `first-last`. */
export interface ConnectivityReport {
  readonly kind: 'ConnectivityReport';
  readonly peers: readonly string[];
  readonly allowed: readonly ConnectivityEntry[];
  readonly unspecified: readonly (readonly [string, string])[];
  /** Why pairs are unspecified: a missing fact, with the pairs it concerns. */
  readonly unspecifiedBecause: readonly { readonly because: string; readonly pairs: number }[];
  readonly ingressController: readonly { readonly dst: string; readonly conn: Conn }[];
  /** Present when only pairs of these workloads are listed, the others being left out and not denied. */
  readonly shown?: readonly string[];
  /** What pods of one workload may say to each other. */
  readonly replicas: readonly { readonly workload: string; readonly conn: Conn }[];
  /**
   * Present when single pairs would be too many: then `src` and `dst` of `allowed` and `unspecified` name a class by its
   * first member, and hold for every pair of different members.
   */
  readonly classes?: readonly { readonly name: string; readonly members: readonly string[] }[];
  readonly diagnostics: readonly Diagnostic[];
}

/** A class of peers by the selectors that policies name; exactly one form of namespace and of pods. */
export type ExposurePeer =
  | { readonly entireCluster: true }
  | { readonly range: string }
  | {
      readonly namespace?: string;
      readonly namespaceSelector?: LabelSelectorText;
      readonly allNamespaces?: true;
      readonly podSelector?: LabelSelectorText;
      readonly allPods?: true;
    };

/** A Kubernetes LabelSelector as it is written. */
export interface LabelSelectorText {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

export interface ExposureEntry {
  readonly workload: string;
  readonly direction: 'ingress' | 'egress';
  readonly peer: ExposurePeer;
  readonly conn: Conn;
  /** The pods of the workload differ: `conn` is what all grant, `some` what at least one does. */
  readonly varies?: true;
  readonly some?: Conn;
}

export interface ExposureReport {
  readonly kind: 'ExposureReport';
  readonly entries: readonly ExposureEntry[];
  readonly unprotected: readonly { readonly workload: string; readonly direction: 'ingress' | 'egress' }[];
  readonly unspecified: readonly (readonly [string, string])[];
  readonly diagnostics: readonly Diagnostic[];
}

export interface DiffChange {
  readonly type: 'added' | 'removed' | 'changed';
  readonly src: string;
  readonly dst: string;
  readonly before: Conn;
  readonly after: Conn;
  /** The pods of a workload differ: `before` and `after` are what all have, these what at least one has. */
  readonly varies?: true;
  readonly someBefore?: Conn;
  readonly someAfter?: Conn;
  /** Workloads that exist on one side only. */
  readonly workloads?: string;
}

export interface DiffReport {
  readonly kind: 'DiffReport';
  readonly changes: readonly DiffChange[];
  /** Changes that only some pods of a workload see: `before` and `after` are what at least one has. */
  readonly partialChanges: readonly DiffChange[];
  readonly unspecified: readonly (readonly [string, string])[];
  readonly ingressControllerChanges: readonly DiffChange[];
  readonly diagnostics: readonly Diagnostic[];
}
