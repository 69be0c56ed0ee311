/** Exposure promises: every pod of a row's class, present or future, gets at least the row's ports on the workload's side. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FAMILIES, parseIp } from '../../src/base/ip.ts';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { exposure } from '../../src/engine/exposure.ts';
import type { MatchFacts } from '../../src/engine/match.ts';
import { familiesOf, referenceEnd } from '../../src/engine/reference.ts';
import { type ContainerPort, type Pod, workloadId } from '../../src/model/cluster.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import type { ExposureEntry, ExposurePeer, LabelSelectorText } from '../../src/model/report.ts';
import type { Labels } from '../../src/model/selector.ts';
import { rangeOf } from './expanded.ts';
import { clusters, NAMESPACES, type PodPlan, PROTOCOLS, podOf, podPlan } from './generators.ts';
import { read } from './world.ts';

const RUNS = Number(process.env.RAMPART_PROPERTY_RUNS ?? 150);

/** Kubernetes' own reading of a label selector, written anew: the report is held against it, not against the engine. */
function chosen(selector: LabelSelectorText, labels: Labels, subject: Labels): boolean {
  const pairs = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels.get(key) === value);
  const expressions = selector.matchExpressions ?? [];
  const own = expressions.every(({ key, operator, values = [] }) => {
    const value = labels.get(key);
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      case 'SameAsSubject':
        return value !== undefined && value === subject.get(key);
      case 'DifferentFromSubject':
        return value !== undefined && subject.has(key);
      default:
        throw new Error(`unknown operator ${operator}`);
    }
  });
  // Of the keys that must differ, one is enough (S3.12).
  const differing = expressions.filter(({ operator }) => operator === 'DifferentFromSubject');
  const differs = differing.length === 0 || differing.some(({ key }) => labels.get(key) !== subject.get(key));
  return pairs && own && differs;
}

function isMember(peer: ExposurePeer, pod: Pod, facts: MatchFacts, subject: Labels): boolean {
  if ('range' in peer) return false;
  if ('entireCluster' in peer) return true;
  const labels = facts.cluster.namespaces.get(pod.namespace)?.labels ?? new Map();
  if (peer.namespace !== undefined && peer.namespace !== pod.namespace) return false;
  if (peer.namespaceSelector !== undefined && !chosen(peer.namespaceSelector, labels, subject)) return false;
  return peer.podSelector === undefined || chosen(peer.podSelector, pod.labels, new Map());
}

/** Flows that a row promises between the workload's pod and a peer. */
function* promised(entry: ExposureEntry, own: Endpoint, peer: Endpoint): Generator<Flow> {
  const [source, destination] = entry.direction === 'egress' ? [own, peer] : [peer, own];
  const flow = { source, destination, family: null, viaService: false } as const;
  const { conn } = entry;
  for (const protocol of PROTOCOLS) {
    const intervals = conn === 'all' ? [[1, 65535] as const] : (conn[protocol] ?? []);
    for (const [first, last] of intervals) {
      for (const port of new Set([first, last, (first + last) >> 1])) yield { ...flow, protocol, port };
    }
  }
  if (conn === 'all' || destination.kind !== 'pod') return;
  for (const { protocol, port } of conn.named ?? []) {
    const meant = (one: ContainerPort): boolean =>
      one.name === port && (protocol === null || one.protocol === protocol);
    for (const one of destination.pod.ports.filter(meant)) yield { ...flow, protocol: one.protocol, port: one.port };
  }
}

describe('exposure', () => {
  test('grants at least what it says, to every pod that is or may come, and to every address of a range', () => {
    const asked = { pods: 0, ranges: 0, named: 0 };
    fc.assert(
      fc.property(
        fc.noBias(clusters),
        fc.noBias(fc.array(podPlan, { minLength: 6, maxLength: 6 })),
        (objects, plans) => {
          const input = read(objects);
          const program = new CompiledProgram(input.program, input.cluster);
          const { facts } = program;
          const report = exposure(program, input.cluster);
          const peers = [...podsOf(input.cluster.workloads), ...future(plans)];
          const wrong: string[] = [];
          for (const entry of report.entries) {
            const workload = input.cluster.workloads.find((one) => workloadId(one) === entry.workload);
            if (workload === undefined) throw new Error(`no workload ${entry.workload}`);
            const subject = input.cluster.namespaces.get(workload.namespace)?.labels ?? new Map();
            const rows = report.entries.filter(
              (one) =>
                one.workload === entry.workload && one.direction === entry.direction && !('entireCluster' in one.peer),
            );
            // The row of the entire cluster is about the pods that no other row is about.
            const meant = (pod: Pod): boolean =>
              isMember(entry.peer, pod, facts, subject) &&
              (!('entireCluster' in entry.peer) || !rows.some(({ peer }) => isMember(peer, pod, facts, subject)));
            const ends: Endpoint[] = peers
              .filter((pod) => !pod.hostNetwork && !workload.pods.includes(pod) && meant(pod))
              .map((pod) => ({ kind: 'pod', pod }));
            if ('range' in entry.peer) ends.push(...edges(entry.peer.range, input));
            for (const pod of workload.pods) {
              for (const end of ends) {
                for (const flow of promised(entry, { kind: 'pod', pod }, end)) {
                  asked[end.kind === 'pod' ? 'pods' : 'ranges']++;
                  if (entry.conn !== 'all' && entry.conn.named !== undefined) asked.named++;
                  for (const family of familiesOf(flow, facts)) {
                    const outcome = referenceEnd(input.program, entry.direction, flow, family, facts);
                    if (!outcome.allow || outcome.deny) {
                      const who =
                        end.kind === 'pod' ? `${end.pod.namespace}/${end.pod.name}` : JSON.stringify(entry.peer);
                      wrong.push(`${JSON.stringify(entry)}: ${who} ${flow.protocol} ${flow.port}`);
                    }
                  }
                }
              }
            }
          }
          expect(wrong.slice(0, 3)).toEqual([]);
        },
      ),
      { numRuns: RUNS, seed: 31 },
    );
    expect(Math.min(asked.pods, asked.ranges)).toBeGreaterThan(RUNS * 50);
    expect(asked.named).toBeGreaterThan(0);
  });

  test('every row of a workload that is unprotected says everything', () => {
    fc.assert(
      fc.property(fc.noBias(clusters), (objects) => {
        const input = read(objects);
        const report = exposure(new CompiledProgram(input.program, input.cluster), input.cluster);
        const open = new Set(report.unprotected.map(({ workload, direction }) => `${workload} ${direction}`));
        for (const entry of report.entries) {
          if (!open.has(`${entry.workload} ${entry.direction}`)) continue;
          // Where nothing protects, everyone has everything, and no row says less.
          expect(entry.conn).toBe('all');
        }
      }),
      { numRuns: RUNS, seed: 32 },
    );
  });
});

function podsOf(workloads: readonly { readonly pods: readonly Pod[] }[]): readonly Pod[] {
  return workloads.flatMap(({ pods }) => pods);
}

/** Pods that the cluster does not have, in its namespaces. */
function future(plans: readonly PodPlan[]): readonly Pod[] {
  const namespaces = NAMESPACES.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }));
  const pods = plans.map((plan, i) => podOf({ ...plan, owner: null, hostNetwork: false }, 60 + i));
  return podsOf(read([...namespaces, ...pods]).cluster.workloads);
}

function edges(text: string, input: ReturnType<typeof read>): readonly Endpoint[] {
  const range = rangeOf(text);
  if (range === null) throw new Error(`no range: ${text}`);
  const taken = new Set(
    [...podsOf(input.cluster.workloads), ...input.cluster.nodes].flatMap(({ addresses }) =>
      addresses.map(({ family, value }) => `${family}/${value}`),
    ),
  );
  const probes = ['203.0.113.7', '10.1.0.200', '8.8.8.8', '2001:db8::1', 'fd00::ffff'].map(parseIp);
  const inside = probes.flatMap((ip) =>
    ip !== null && ip.family === range.family && range.first <= ip.value && ip.value <= range.last ? [ip.value] : [],
  );
  return FAMILIES.filter((family) => family === range.family).flatMap((family) =>
    [range.first, range.last, ...inside]
      .filter((value) => !taken.has(`${family}/${value}`))
      .map((value): Endpoint => ({ kind: 'external', address: { family, value } })),
  );
}
