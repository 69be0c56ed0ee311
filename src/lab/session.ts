import type { Finished } from '../io/child.ts';
import type { LabPlan } from './model.ts';
import type { Attempt, Listener, Outcome } from './pod-protocol.ts';

/**
 * Who can ask and run programs in a lab: a pod as `namespace/name`, a node as `node:NAME`, and `outside`. No name of
 * Kubernetes has a colon, so these never collide.
 */
export type ActorId = string;

export interface UpOptions {
  /** Default `default`; letters, digits and `-`. */
  readonly name?: string;
  /** How pods are joined to their node; default `ptp`, where every packet is routed. */
  readonly cni?: 'ptp' | 'bridge';
  /** What becomes of denied packets; default `drop`. */
  readonly deny?: 'drop' | 'reject';
  /** A kubeconfig: its API server is the control plane instead of the lab's own. */
  readonly apiserver?: string | null;
  /** `false`: nodes get no agent, so that nothing is enforced. Default `true`. */
  readonly agents?: boolean;
  /** `detached` (default) outlives the caller; `caller` ends with it, however the caller ends. */
  readonly lifetime?: 'detached' | 'caller';
  readonly env?: NodeJS.ProcessEnv;
  /** One line on what is being done. */
  readonly onProgress?: (line: string) => void;
  /** Calls it off; what was made is gone when the promise is rejected. */
  readonly signal?: AbortSignal;
}

/** A running lab. */
export interface LabSession {
  readonly name: string;
  /** Where it keeps its state; holds `kubeconfig` (of its API server), `log`, and the logs of the agents. */
  readonly folder: string;
  /** What the lab was made from; objects that were applied since are in the API server. */
  readonly plan: LabPlan;
  status(): Promise<LabStatus>;
  /**
   * Lets a pod, a node or the outside connect, at most `parallel` (default 64) attempts at a time; outcomes are in the
   * order of the attempts. Rejects with {@link IoError} `not-found` for an actor that the lab does not have.
   */
  attempt(
    actor: ActorId,
    attempts: readonly Attempt[],
    options?: { readonly parallel?: number; readonly signal?: AbortSignal },
  ): Promise<readonly Outcome[]>;
  /** Runs a program in the namespaces of the actor, to its end. */
  exec(
    actor: ActorId,
    command: readonly string[],
    options?: { readonly input?: string; readonly signal?: AbortSignal },
  ): Promise<Finished>;
  /** The command line that runs `command` there, for callers that want to start it themselves (`nft monitor`, a shell). */
  enter(actor: ActorId, command: readonly string[]): Promise<readonly string[]>;
  /** Resolves when every agent has enforced all that the API server holds now. */
  settled(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** Lets go of the lab's control socket; the lab goes on unless its lifetime is the caller's. */
  close(): void;
}

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
  readonly node: string;
  readonly addresses: readonly string[];
  readonly hostNetwork: boolean;
  readonly state: 'starting' | 'running' | 'failed';
  readonly detail: string;
  readonly listening: readonly Listener[];
  /** Ports that nothing listens on, and why: SCTP, which Node and most kernels lack, or a port that is taken on its node. */
  readonly silent: readonly (Listener & { readonly why: string })[];
}
