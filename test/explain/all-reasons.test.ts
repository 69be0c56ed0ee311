/** The reasons of all pairs at once, against asking about each flow by itself. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import type { Group } from '../../src/engine/connectivity/groups.ts';
import { pairTable } from '../../src/engine/connectivity/pairs.ts';
import { allReasons } from '../../src/engine/explain/all-reasons.ts';
import { explainPrepared } from '../../src/engine/explain/explain.ts';
import { prepareExplain } from '../../src/engine/explain/prepare.ts';
import { factsOf } from '../../src/engine/match.ts';
import { familiesOf, referenceEnd, verdictOf } from '../../src/engine/reference.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import { DIRECTIONS, type PolicyProgram } from '../../src/model/program.ts';
import type { VerdictKind } from '../../src/model/verdict.ts';
import { world } from './generators.ts';

function endpointsOf(group: Group): readonly Endpoint[] {
  if (group.range !== null)
    return [{ kind: 'external', address: { family: group.range.family, value: group.range.first } }];
  return (group.workloads[0]?.pods ?? []).map((pod) => ({ kind: 'pod', pod }));
}

function judge(program: PolicyProgram, cluster: Cluster, direction: 'ingress' | 'egress', flow: Flow): VerdictKind {
  const facts = factsOf(cluster);
  const outcomes = familiesOf(flow, facts).map((family) => referenceEnd(program, direction, flow, family, facts));
  if (outcomes.length === 0) return 'undefined';
  return verdictOf({ allow: outcomes.some((one) => one.allow), deny: outcomes.some((one) => one.deny) });
}

function check(program: PolicyProgram, cluster: Cluster, port: number): number {
  const compiled = new CompiledProgram(program, cluster);
  const { groups } = pairTable(compiled, cluster);
  const prepared = prepareExplain(program, factsOf(cluster));
  const told = allReasons(prepared, compiled, cluster, groups);
  let texts = 0;
  for (const source of groups) {
    for (const destination of groups) {
      if (source === destination) continue;
      const at = (table: readonly number[], own: Group, peer: Group): number =>
        table[own.index * told.classes + peer.index] ?? -1;
      const stories = {
        egress: told.stories[at(told.egress, source, destination)],
        ingress: told.stories[at(told.ingress, destination, source)],
      };
      if (source.range !== null && destination.range !== null) {
        expect(stories).toEqual({ egress: undefined, ingress: undefined });
        continue;
      }
      const pairs = endpointsOf(source).flatMap((from) => endpointsOf(destination).map((to) => ({ from, to })));
      for (const direction of DIRECTIONS) {
        const story = stories[direction] ?? [];
        for (const protocol of ['TCP', 'UDP', 'SCTP'] as const) {
          const spans = story.filter((span) => span.protocol === protocol);
          expect([spans[0]?.first, spans.at(-1)?.last]).toEqual([1, 65535]);
          for (const [n, span] of spans.entries()) if (n > 0) expect(span.first).toBe((spans[n - 1]?.last ?? 0) + 1);
          const span = spans.find(({ first, last }) => first <= port && port <= last);
          const end = told.ends[span?.end ?? -1];
          const flows = pairs.map(
            ({ from, to }): Flow => ({
              source: from,
              destination: to,
              protocol,
              port,
              family: null,
              viaService: false,
            }),
          );
          const verdicts = new Set(flows.map((flow) => judge(program, cluster, direction, flow)));
          expect(end?.verdict).toBe(verdicts.size === 1 ? [...verdicts][0] : 'undefined');
          const [flow] = flows;
          if (flow === undefined || flows.length > 1) continue;
          // The story may have been told about another peer: it has to read the same about this one.
          const own = explainPrepared(prepared, { ...flow, port: span?.first ?? null }, { direction })[direction];
          expect(end?.reasons.map((id) => told.reasons[id]?.text)).toEqual(
            own?.reasons.slice(0, 6).map((reason) => reason.text),
          );
          expect(end?.decidedBy).toBe(own?.decidedBy);
          texts++;
        }
      }
    }
  }
  return texts;
}

describe('the reasons of all pairs', () => {
  test('S1.2: are those of each flow', () => {
    let texts = 0;
    fc.assert(
      fc.property(world, fc.constantFrom(1, 53, 80, 81, 8080, 65535), ({ cluster, program }, port) => {
        texts += check(program, cluster, port);
      }),
      { numRuns: 150 },
    );
    expect(texts).toBeGreaterThan(1000);
  });

  test('S9.1: of workloads whose pods differ, the verdict is what all of them share', () => {
    fc.assert(
      fc.property(world, fc.constantFrom(53, 80, 8080), ({ cluster, program, pods }, port) => {
        const [first, ...rest] = cluster.workloads;
        if (first === undefined) return;
        const joined = { ...first, name: 'joined', kind: 'Deployment', pods: pods.slice(0, 2) };
        check(program, { ...cluster, workloads: [joined, ...rest.slice(1)] }, port);
      }),
      { numRuns: 100 },
    );
  });
});
