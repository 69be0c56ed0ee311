/** What one answer says about many flows, against asking the reference evaluator about each of them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerQuestion } from '../../src/engine/explain/answer.ts';
import { explainPrepared } from '../../src/engine/explain/explain.ts';
import { proposeFix } from '../../src/engine/explain/fix.ts';
import { nearMiss } from '../../src/engine/explain/near-miss.ts';
import { prepareExplain } from '../../src/engine/explain/prepare.ts';
import { endsOf, isGoverned } from '../../src/engine/explain/trace.ts';
import { factsOf, matchEndpoint, matchTraffic } from '../../src/engine/match.ts';
import { familiesOf, referenceVerdict } from '../../src/engine/reference.ts';
import type { Pod } from '../../src/model/cluster.ts';
import type { Flow } from '../../src/model/flow.ts';
import { DIRECTIONS, type Rule } from '../../src/model/program.ts';
import type { VerdictKind } from '../../src/model/verdict.ts';
import { cidr, world } from './generators.ts';

function common(kinds: readonly VerdictKind[]): VerdictKind {
  const [first] = kinds;
  return first !== undefined && kinds.every((kind) => kind === first) ? first : 'undefined';
}

describe('answers about many flows', () => {
  test('S9.1: pods grouped by what policies see of them answer as each of them', () => {
    let grouped = 0;
    fc.assert(
      fc.property(world, ({ cluster, program, pods, flow }) => {
        const facts = factsOf(cluster);
        // Copies under other names, some with the labels or addresses of another pod: enough pairs that classes are asked.
        const copies = pods.flatMap((pod, index): Pod[] => {
          const other = pods[(index + 1) % pods.length] ?? pod;
          return [
            { ...pod, name: `${pod.name}-same` },
            { ...pod, name: `${pod.name}-labels`, labels: other.labels },
            { ...pod, name: `${pod.name}-addresses`, addresses: other.addresses },
            { ...pod, name: `${pod.name}-ports`, ports: other.ports },
          ];
        });
        const port = flow.port ?? 80;
        const answer = answerQuestion(
          prepareExplain(program, facts),
          {
            source: { kind: 'pods', pods: copies, family: flow.family },
            destination: { kind: 'pods', pods: copies, family: null },
            protocol: 'TCP',
            port,
            direction: null,
          },
          { reasons: 'deciding' },
        );
        if (copies.length ** 2 > 64) grouped++;
        const each = copies.flatMap((source) =>
          copies
            .filter((destination) => source !== destination || source.template)
            .map((destination) => {
              const asked: Flow = {
                source: { kind: 'pod', pod: source },
                destination: { kind: 'pod', pod: destination },
                protocol: 'TCP',
                port,
                family: flow.family,
                viaService: false,
              };
              return referenceVerdict(program, asked, facts);
            }),
        );
        expect(answer.verdict).toBe(common(each));
      }),
      { numRuns: 1500, seed: 4 },
    );
    expect(grouped).toBeGreaterThan(100);
  });

  test('S2.13: the port lines hold for every port in them', () => {
    let telling = 0;
    fc.assert(
      fc.property(world, fc.integer({ min: 1, max: 65535 }), ({ cluster, program, flow }, random) => {
        if (flow.source.kind !== 'pod' || flow.destination.kind !== 'pod') return;
        const facts = factsOf(cluster);
        const { ports } = answerQuestion(prepareExplain(program, facts), {
          source: { kind: 'pods', pods: [flow.source.pod], family: flow.family },
          destination: { kind: 'pods', pods: [flow.destination.pod], family: null },
          protocol: 'TCP',
          port: null,
          direction: null,
        });
        expect(ports?.reduce((sum, line) => sum + line.last - line.first + 1, 0)).toBe(65535);
        if (new Set(ports?.map((line) => line.verdict)).size > 1) telling++;
        for (const port of [1, 53, 79, 80, 81, 8080, 8081, 65535, random]) {
          const line = ports?.find((one) => one.first <= port && port <= one.last);
          const asked: Flow = { ...flow, protocol: 'TCP', port, viaService: false };
          expect(line?.verdict).toBe(referenceVerdict(program, asked, facts));
        }
      }),
      { numRuns: 6000, seed: 5 },
    );
    expect(telling).toBeGreaterThan(100);
  });

  test('S2.11: the answer about a block is that of each of its addresses', () => {
    fc.assert(
      fc.property(
        world,
        fc.constantFrom('10.0.0.0/29', '203.0.112.0/23', 'fd00::/125'),
        ({ cluster, program, flow }, text) => {
          if (flow.destination.kind !== 'pod') return;
          const { destination } = flow;
          const facts = factsOf(cluster);
          const block = cidr(text);
          const answer = answerQuestion(prepareExplain(program, facts), {
            source: { kind: 'range', cidr: block },
            destination: { kind: 'pods', pods: [destination.pod], family: null },
            protocol: 'TCP',
            port: 80,
            direction: null,
          });
          const each: VerdictKind[] = [];
          for (let value = block.first; value <= block.last; value++) {
            const source = { kind: 'external', address: { family: block.family, value } } as const;
            const asked: Flow = {
              source,
              destination,
              protocol: 'TCP',
              port: 80,
              family: block.family,
              viaService: false,
            };
            each.push(referenceVerdict(program, asked, facts));
          }
          expect(answer.verdict).toBe(common(each));
        },
      ),
      { numRuns: 500, seed: 6 },
    );
  });
});

describe('near misses and fixes', () => {
  test('S2.7: a near miss fails on its peers or on its traffic, never on both, and its edit makes the rule match', () => {
    let tried = 0;
    fc.assert(
      fc.property(world, ({ cluster, program, flow }) => {
        const facts = factsOf(cluster);
        for (const direction of DIRECTIONS) {
          const { own, peer } = endsOf(direction, flow);
          if (!isGoverned(own)) continue;
          const namespace = cluster.namespaces.get(own.pod.namespace) ?? null;
          for (const family of familiesOf(flow, facts)) {
            const matches = ({ match }: Pick<Rule, 'match'>): readonly [boolean, boolean] => [
              match.peers.some((one) => matchEndpoint(one, peer, family, namespace, facts) !== 'no'),
              match.traffic === 'any' || match.traffic.some((one) => matchTraffic(one, flow)),
            ];
            for (const policy of program.tiers.flatMap((tier) => tier.policies)) {
              for (const rule of policy.rules.filter((one) => one.direction === direction)) {
                const miss = nearMiss({ policy, rule, own: own.pod, peer, flow, family, facts });
                const [peers, traffic] = matches(rule);
                if (peers && traffic) expect(miss).toBeNull();
                if (miss === null || miss.kind === 'not-understood') continue;
                expect(peers !== traffic).toBe(true);
                if (miss.edit === null) continue;
                tried++;
                const { match } = rule;
                const edited =
                  miss.edit.kind === 'add-peer'
                    ? { peers: [...match.peers, miss.edit.peer], traffic: match.traffic }
                    : {
                        peers: match.peers,
                        traffic: [...(match.traffic === 'any' ? [] : match.traffic), miss.edit.traffic],
                      };
                expect(matches({ match: edited })).toEqual([true, true]);
              }
            }
          }
        }
      }),
      { numRuns: 1500, seed: 7 },
    );
    expect(tried).toBeGreaterThan(500);
  });

  test('S1.2: what is proposed for a denied flow allows it by the reference evaluator', () => {
    let proposed = 0;
    fc.assert(
      fc.property(world, ({ cluster, program, flow }) => {
        const facts = factsOf(cluster);
        const prepared = prepareExplain(program, facts);
        const fix = proposeFix(prepared, flow);
        if (fix.kind === 'none') {
          expect(fix.because).not.toBe('');
          return;
        }
        proposed++;
        expect(explainPrepared(prepared, flow).verdict).toBe('denied');
        expect(referenceVerdict(fix.program, flow, facts)).toBe('allowed');
        expect(fix.steps.length).toBeGreaterThan(0);
      }),
      { numRuns: 3000, seed: 8 },
    );
    expect(proposed).toBeGreaterThan(150);
  });
});
