import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { dice } from '../manifest/mutations.ts';
import { clusters } from './generators.ts';
import { apply, differences, type Edited, edited, editOf } from './incremental.ts';
import { read } from './world.ts';

const RUNS = Number(process.env.RAMPART_PROPERTY_RUNS ?? 150);

describe('a compiled program after edits', () => {
  test('says what one compiled from scratch says', () => {
    const done = { policies: 0, pods: 0 };
    fc.assert(
      fc.property(
        fc.noBias(clusters),
        clusters,
        fc.nat(),
        fc.integer({ min: 1, max: 12 }),
        (first, second, salt, edits) => {
          const { program, cluster } = read(first);
          const pool = read(second);
          const roll = dice(salt);
          const compiled = new CompiledProgram(program, cluster);
          let now: Edited = { program, cluster };
          for (let i = 0; i < edits; i++) {
            const edit = editOf(now, pool, roll);
            apply(compiled, edit);
            now = edited(now, edit);
            done[edit.kind === 'policy' ? 'policies' : 'pods']++;
            if (i === edits - 1 || roll(4) === 0) expect(differences(compiled, now, salt + i)).toEqual([]);
          }
        },
      ),
      { numRuns: RUNS, seed: 4 },
    );
    expect(Math.min(done.policies, done.pods)).toBeGreaterThan(RUNS);
  });

  test('replacing a policy of a large cluster compiles only the subjects that it selects', () => {
    const namespaces = Array.from({ length: 20 }, (_, i) => `ns-${i}`);
    const policy = (namespace: string, app: string, port: number): Record<string, unknown> => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: `allow-${app}`, namespace },
      spec: {
        podSelector: { matchLabels: { app } },
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ podSelector: {} }], ports: [{ port }] }],
      },
    });
    // 2,000 pods: in each of 20 namespaces ten applications of ten pods.
    const apps = Array.from({ length: 10 }, (_, i) => `app-${i}`);
    const objects = namespaces.flatMap((namespace, n) => [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
      ...apps.flatMap((app, a) => [
        policy(namespace, app, 80),
        ...Array.from({ length: 10 }, (_, i) => ({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: `${app}-${i}`, namespace, labels: { app } },
          spec: { containers: [{ name: 'c', image: 'i' }] },
          status: { phase: 'Running', podIPs: [{ ip: `10.${n}.${a}.${i}` }] },
        })),
      ]),
    ]);
    const before = read(objects);
    const after = read(
      objects.map((object) => {
        const { name, namespace } = object.metadata as { readonly name: string; readonly namespace?: string };
        return namespace === 'ns-7' && name === 'allow-app-3' ? policy('ns-7', 'app-3', 8080) : object;
      }),
    );
    const of = (input: typeof before) =>
      input.program.tiers.flatMap(({ policies }) => policies).find(({ id }) => id === 'NetworkPolicy/ns-7/allow-app-3');
    const compiled = new CompiledProgram(before.program, before.cluster);
    expect(before.cluster.workloads.flatMap(({ pods }) => pods)).toHaveLength(2000);
    // One class per application and namespace, and one for each address family outside.
    expect(compiled.work).toMatchObject({ classes: 202, policies: 200 });
    const work = { ...compiled.work };
    compiled.replacePolicy('networkpolicy', of(before) ?? null, of(after) ?? null);
    expect(compiled.work).toMatchObject({ classes: work.classes, policies: work.policies + 1 });
    expect(differences(compiled, after, 1)).toEqual([]);
    // Ten pods of one class, two directions.
    expect(compiled.work.subjectPrograms - work.subjectPrograms).toBe(2);
  });

  test('many policies of one pod cost one reading of them, and leave nothing behind of what was read before', async () => {
    const pod = (name: string): Record<string, unknown> => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'a', labels: { app: name } },
      spec: { containers: [{ name: 'c', image: 'i' }] },
      status: { phase: 'Running', podIPs: [{ ip: name === 'busy' ? '10.0.0.1' : '10.0.0.2' }] },
    });
    const policies = Array.from({ length: 400 }, (_, i) => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: `p${i}`, namespace: 'a' },
      spec: { podSelector: { matchLabels: { app: 'busy' } }, ingress: [{ ports: [{ port: 1000 + i }] }] },
    }));
    const objects = [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } }, pod('busy'), pod('idle')];
    const { program, cluster } = read(objects);
    const compiled = new CompiledProgram(program, cluster);
    const added = read([...objects, ...policies]).program.tiers.flatMap((tier) => tier.policies);
    expect(added).toHaveLength(400);
    const [busy, idle] = cluster.workloads.flatMap(({ pods }) =>
      pods.map((of) => compiled.classOf({ kind: 'pod', pod: of })),
    );
    if (busy === undefined || idle === undefined) throw new Error('no pods');
    const { subjectPrograms } = compiled.work;
    for (const policy of added) compiled.replacePolicy('networkpolicy', null, policy);
    expect(compiled.work.subjectPrograms).toBe(subjectPrograms);
    for (const policy of added) compiled.replacePolicy('networkpolicy', policy, null);
    // Asked after each of them, half a million entries are made on the way.
    const kept = compiled.subject(idle, 'ingress');
    const old: WeakRef<object>[] = [];
    for (const policy of added) {
      compiled.replacePolicy('networkpolicy', null, policy);
      for (const direction of ['ingress', 'egress'] as const) old.push(new WeakRef(compiled.subject(busy, direction)));
    }
    // What is held weakly lives as long as the present turn.
    await new Promise((resolve) => setTimeout(resolve, 0));
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    expect(old.filter((each) => each.deref() !== undefined).length).toBeLessThan(300);
    expect(compiled.subject(idle, 'ingress')).toBe(kept);
  });
});
