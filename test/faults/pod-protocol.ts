/** What a pod of a fault test is asked, one JSON text per line; every question gets one answer with its id. */
export type Question =
  | { readonly kind: 'load'; readonly target: string; readonly tcpPerSecond: number; readonly udpPerSecond: number }
  | { readonly kind: 'unload' }
  | {
      readonly kind: 'stream';
      readonly name: string;
      readonly protocol: Protocol;
      readonly target: string;
      readonly everyMs: number;
      /** The end of the one who asks. */
      readonly port?: number;
      /** After so many messages he only listens. */
      readonly most?: number;
    }
  /** Sends from the echoing port, unasked, until the pod ends. */
  | { readonly kind: 'push'; readonly target: string; readonly port: number; readonly everyMs: number }
  | { readonly kind: 'streams' }
  | { readonly kind: 'end-streams' }
  | {
      readonly kind: 'try';
      readonly protocol: Protocol;
      readonly target: string;
      readonly port: number;
      readonly timeoutMs: number;
      /** The address to ask from. */
      readonly from?: string;
    }
  | { readonly kind: 'received' }
  | { readonly kind: 'kernel' };

export type Protocol = 'tcp' | 'udp';

/** What a generator of connections has done. */
export interface LoadReport {
  readonly seconds: number;
  readonly tcpTried: number;
  readonly tcpOpened: number;
  readonly tcpFailed: number;
  /** Attempts that were still waiting when the load ended. */
  readonly tcpWaiting: number;
  readonly tcpSlowestMs: number;
  /** Datagrams that the kernel took, each the first of its flow. */
  readonly udpSent: number;
}

/** How a stream of numbered messages stands, as the one who asked for echoes sees it. */
export interface StreamReport {
  readonly name: string;
  readonly sent: number;
  readonly echoed: number;
  /** Numbers below the highest echoed one that never came back. */
  readonly missing: number;
  readonly longestGapMs: number;
  /** `monotonic()` when the last echo came. */
  readonly lastEchoAt: number;
  readonly ended: string | null;
}

/** What the answering side has got of one stream. */
export interface ReceivedReport {
  readonly from: string;
  readonly count: number;
  readonly highest: number;
  /** `monotonic()` of the sender at the last message that came. */
  readonly lastSentAt: number;
}

/** Of the pod's own network namespace. */
export interface KernelReport {
  readonly retransmitted: number;
  /** What was sent again though it had arrived: a machine under load acknowledges late. */
  readonly needlessly: number;
}

/** Milliseconds on a clock that all processes of the machine share. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Accepts and waits for the other to end it. */
export const CONNECT_PORT = 8080;
/** Echoes, TCP and UDP. */
export const ECHO_PORT = 9001;
/** Destinations of datagrams that are counted and dropped on arrival. */
export const FLOW_PORTS: { readonly first: number; readonly last: number } = { first: 10_000, last: 59_999 };
