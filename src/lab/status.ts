import type { Listener } from './pod-protocol.ts';

/** What a lab is and how it does. */
export interface LabStatus {
  readonly name: string;
  readonly folder: string;
  /** Of the lab's first process, as the machine sees it. */
  readonly pid: number;
  readonly since: string;
  readonly cni: 'ptp' | 'bridge';
  readonly deny: 'drop' | 'reject';
  /** `embedded`, or the address of the real API server. */
  readonly apiserver: string;
  readonly nodes: readonly LabNodeStatus[];
  readonly pods: readonly LabPodStatus[];
  readonly outside: readonly string[];
  /** Why denied packets are not recorded; `null` if they are, or nobody denies. */
  readonly unrecorded: string | null;
}

export interface LabNodeStatus {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly podCidrs: readonly string[];
  readonly agent: {
    /** `none`: asked for without agents. */
    readonly state: 'none' | 'starting' | 'ready' | 'failed';
    readonly detail: string;
    readonly restarts: number;
  };
}

export interface LabPodStatus {
  readonly id: string;
  /** Name of its top-most controller, or its own. */
  readonly workload: string;
  readonly node: string;
  readonly addresses: readonly string[];
  readonly hostNetwork: boolean;
  readonly state: 'starting' | 'running' | 'failed';
  readonly detail: string;
  readonly listening: readonly Listener[];
  /** Ports that nothing listens on, and why: SCTP, which Node and most kernels lack, or a port that is taken on its node. */
  readonly silent: readonly (Listener & { readonly why: string })[];
}
