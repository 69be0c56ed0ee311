/** Changes of the input whose effect on every answer is known beforehand. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { verdict } from '../../src/engine/compiled/evaluate.ts';
import { exposure } from '../../src/engine/exposure.ts';
import { familiesOf, isSelf } from '../../src/engine/reference.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import { DIRECTIONS } from '../../src/model/program.ts';
import { dice } from '../manifest/mutations.ts';
import { differing, expand, pointsOf, reportOf, unequal } from './expanded.ts';
import { clusters, npRule } from './generators.ts';
import { isPolicy, NEW_NAMESPACE, newName, renamed, shut, split, widened } from './rewrite.ts';
import { flowsOf, wordFlow } from './sampling.ts';
import { read } from './world.ts';

const RUNS = Number(process.env.RAMPART_PROPERTY_RUNS ?? 150);
const any = fc.noBias(clusters);

describe('metamorphic properties', () => {
  test('the order of documents is irrelevant', () => {
    fc.assert(
      fc.property(any, fc.nat(), (objects, salt) => {
        const roll = dice(salt);
        const shuffled = objects
          .map((object) => ({ object, at: roll(1_000_000) }))
          .sort((a, b) => a.at - b.at)
          .map(({ object }) => object);
        const [a, b] = [read(objects), read(shuffled)];
        expect(reportOf(b)).toEqual(reportOf(a));
        expect(exposure(new CompiledProgram(b.program, b.cluster), b.cluster)).toEqual(
          exposure(new CompiledProgram(a.program, a.cluster), a.cluster),
        );
        const said = (input: typeof a): readonly string[] => input.diagnostics.map(({ message }) => message).sort();
        expect(said(b)).toEqual(said(a));
      }),
      { numRuns: RUNS, seed: 11 },
    );
  });

  test('other names give the same answers under these names', () => {
    const rename = (name: string): string => {
      const [, namespace = '', workload = '', kind = ''] = /^(\w+)\/([\w-]+)(\[.*)$/.exec(name) ?? [];
      return namespace === '' ? name : `${NEW_NAMESPACE[namespace]}/${newName(workload)}${kind}`;
    };
    fc.assert(
      fc.property(any, (objects) => {
        expect(differing(read(objects), read(renamed(objects)), rename)).toEqual([]);
      }),
      { numRuns: RUNS, seed: 12 },
    );
  });

  test('S2.6 a NetworkPolicy may be split into one per rule', () => {
    fc.assert(
      fc.property(any, (objects) => {
        expect(differing(read(objects), read(split(objects)))).toEqual([]);
      }),
      { numRuns: RUNS, seed: 13 },
    );
  });

  test('S2.6 one more rule of a NetworkPolicy denies nothing', () => {
    let opened = 0;
    fc.assert(
      fc.property(any, fc.nat(), npRule('from'), npRule('to'), (objects, index, ingress, egress) => {
        const wider = widened(objects, index, ingress, egress);
        if (wider === null) return;
        const [a, b] = [read(objects), read(wider)];
        const before = new CompiledProgram(a.program, a.cluster);
        const after = new CompiledProgram(b.program, b.cluster);
        for (const flow of flowsOf(a, dice(index), 200)) {
          const old = verdict(before, flow);
          const now = verdict(after, moved(flow, b));
          if (old === 'denied' && now === 'allowed') opened++;
          if ((old === 'allowed' && now !== 'allowed') || (old === 'undefined' && now === 'denied'))
            throw new Error(`${wordFlow(flow)}: ${old}, then ${now}`);
        }
      }),
      { numRuns: RUNS, seed: 14 },
    );
    expect(opened).toBeGreaterThan(RUNS);
  });

  test('classes of workloads expand to the pairs that are listed without them', () => {
    let several = 0;
    fc.assert(
      fc.property(any, (objects) => {
        const input = read(objects);
        const listed = reportOf(input);
        const classes = reportOf(input, 0);
        several += classes.classes?.filter(({ members }) => members.length > 1).length ?? 0;
        const points = pointsOf([listed, classes]);
        expect(unequal(expand(listed, points), expand(classes, points))).toEqual([]);
      }),
      { numRuns: RUNS, seed: 15 },
    );
    expect(several).toBeGreaterThan(RUNS / 10);
  });

  test('S5.4 an admin policy that denies everything closes everything but what no policy is asked about', () => {
    let closed = 0;
    fc.assert(
      fc.property(any, fc.nat(), fc.constantFrom(...DIRECTIONS), (objects, salt, direction) => {
        const input = read(shut(objects, direction));
        const program = new CompiledProgram(input.program, input.cluster);
        for (const flow of flowsOf(input, dice(salt), 200)) {
          const { source, destination } = flow;
          if (familiesOf(flow, program.facts).length === 0 || !governed(source)) continue;
          if (direction === 'ingress' && !governed(destination)) continue;
          // S7.2: a pod's own address, unless it goes through a Service.
          const spared = isSelf(source, destination) && !flow.viaService;
          const wanted = spared ? 'allowed' : 'denied';
          if (verdict(program, flow) !== wanted) throw new Error(`${wordFlow(flow)}: ${verdict(program, flow)}`);
          closed++;
        }
      }),
      { numRuns: RUNS, seed: 16 },
    );
    expect(closed).toBeGreaterThan(RUNS * 20);
  });

  test('S5.2 without policies everything is allowed', () => {
    fc.assert(
      fc.property(any, fc.nat(), (objects, salt) => {
        const input = read(objects.filter((object) => !isPolicy(object)));
        const program = new CompiledProgram(input.program, input.cluster);
        for (const flow of flowsOf(input, dice(salt), 100)) {
          const wanted = familiesOf(flow, program.facts).length === 0 ? 'undefined' : 'allowed';
          if (verdict(program, flow) !== wanted) throw new Error(`${wordFlow(flow)}: ${verdict(program, flow)}`);
        }
      }),
      { numRuns: RUNS, seed: 17 },
    );
  });
});

function governed(endpoint: Endpoint): endpoint is Endpoint & { kind: 'pod' } {
  return endpoint.kind === 'pod' && !endpoint.pod.hostNetwork;
}

/** The same flow between the endpoints of another reading of the same cluster. */
function moved(flow: Flow, to: ReturnType<typeof read>): Flow {
  const end = (endpoint: Endpoint): Endpoint => {
    if (endpoint.kind !== 'pod') return endpoint;
    const pod = to.cluster.workloads
      .flatMap(({ pods }) => pods)
      .find(({ namespace, name }) => namespace === endpoint.pod.namespace && name === endpoint.pod.name);
    if (pod === undefined) throw new Error('the clusters differ');
    return { kind: 'pod', pod };
  };
  return { ...flow, source: end(flow.source), destination: end(flow.destination) };
}
