/**
 * Answers where a live cluster did not let its pods be read. Nobody knows then whose an address is, nor which pods stand
 * for a workload and with which labels: nothing that a pod may take part in is certain.
 */

import { type Cluster, workloadId } from '../model/cluster.ts';
import type { ConnectivityReport, DiffReport, ExposureReport } from '../model/report.ts';
import type { EndVerdict, Verdict } from '../model/verdict.ts';
import type { AskedEnd } from './explain/answer.ts';

/** Why the pods of the cluster are not known; `null` if they are. */
export function podsUnread(cluster: Cluster): string | null {
  const found = cluster.missing.find(({ resource, group }) => resource === 'pods' && group === '');
  return found === undefined ? null : `pods could not be read: ${found.reason}`;
}

/** The verdict of a question as far as it is certain without the pods. */
export function withoutPods<V extends Verdict>(verdict: V, ends: readonly AskedEnd[], cluster: Cluster): V {
  const because = podsUnread(cluster);
  if (because === null || ends.every((end) => end.kind === 'node')) return verdict;
  const close = (end: EndVerdict | null): EndVerdict | null =>
    end === null
      ? null
      : {
          ...end,
          verdict: 'undefined',
          decidedBy: null,
          reasons: [],
          missing: [...new Set([because, ...end.missing])],
        };
  return {
    ...verdict,
    verdict: 'undefined',
    undefinedBecause: because,
    egress: close(verdict.egress),
    ingress: close(verdict.ingress),
  };
}

const PAIR_LIMIT = 500_000;

/** The matrix without the pods: every pair in which a workload takes part is unspecified. */
export function matrixWithoutPods(report: ConnectivityReport, cluster: Cluster): ConnectivityReport {
  const because = podsUnread(cluster);
  if (because === null) return report;
  const isWorkload = (peer: string): boolean => peer.endsWith(']');
  const workloads = report.peers.filter(isWorkload);
  const [first] = workloads;
  const ranges = report.peers.filter((peer) => !isWorkload(peer));
  const listed = report.peers.length ** 2 <= PAIR_LIMIT || first === undefined;
  const names = listed ? report.peers : [first, ...ranges];
  const unspecified = names.flatMap((src) =>
    names
      .filter((dst) => (src !== dst || !listed) && (isWorkload(src) || isWorkload(dst)))
      .map((dst) => [src, dst] as const),
  );
  const { classes: _, ...rest } = report;
  const pairs = workloads.length * (workloads.length - 1) + 2 * workloads.length * ranges.length;
  return {
    ...rest,
    allowed: [],
    unspecified,
    unspecifiedBecause: pairs === 0 ? [] : [{ because, pairs }],
    ingressController: [],
    replicas: [],
    ...(listed ? {} : { classes: [{ name: first, members: workloads }] }),
  };
}

const EVERYWHERE = ['0.0.0.0-255.255.255.255', '::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'];

/** Every pair of workloads of these clusters, and of a workload and the outside. */
function everyPair(clusters: readonly Cluster[]): readonly (readonly [string, string])[] {
  const workloads = [...new Set(clusters.flatMap((cluster) => cluster.workloads.map(workloadId)))].sort();
  const peers = [...workloads, ...EVERYWHERE];
  return peers.flatMap((src, i) =>
    peers.filter((dst, j) => src !== dst && Math.min(i, j) < workloads.length).map((dst) => [src, dst] as const),
  );
}

/** What a change does where one side's pods are not known: nothing that could be said. */
export function diffWithoutPods(report: DiffReport, clusters: readonly Cluster[]): DiffReport {
  if (clusters.every((cluster) => podsUnread(cluster) === null)) return report;
  const unspecified = everyPair(clusters);
  return { ...report, changes: [], partialChanges: [], ingressControllerChanges: [], unspecified };
}

/** Who could get in where the pods are not known: nothing that could be said. */
export function exposureWithoutPods(report: ExposureReport, cluster: Cluster): ExposureReport {
  if (podsUnread(cluster) === null) return report;
  return { ...report, entries: [], unprotected: [], unspecified: everyPair([cluster]) };
}
