/** Origins of reasons lead to fields that the objects have; proposed manifests do what is said of them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { explainPrepared } from '../../src/engine/explain/explain.ts';
import { proposeFix } from '../../src/engine/explain/fix.ts';
import { prepareExplain } from '../../src/engine/explain/prepare.ts';
import { factsOf } from '../../src/engine/match.ts';
import { referenceVerdict } from '../../src/engine/reference.ts';
import { inputOf } from '../../src/input/input.ts';
import { parseFieldPath } from '../../src/manifest/field-path.ts';
import { readManifests } from '../../src/manifest/read.ts';
import type { Flow } from '../../src/model/flow.ts';
import { objectId } from '../../src/model/origin.ts';
import { PORTS, worlds } from '../properties/generators.ts';
import { endpointsOf, objectsOf } from '../properties/world.ts';

/** Fields that have a default, so that a text may speak of them where they are not written. */
const DEFAULTED = new Set(['podSelector', 'policyTypes', 'protocol']);

function isThere(value: unknown, path: string): boolean {
  const steps = parseFieldPath(path);
  let at: unknown = value;
  for (const [index, step] of steps.entries()) {
    const inside = typeof at === 'object' && at !== null && Object.hasOwn(at, step);
    if (!inside) return index === steps.length - 1 && DEFAULTED.has(step) && typeof at === 'object' && at !== null;
    at = (at as Readonly<Record<string, unknown>>)[step];
  }
  return true;
}

const asked = fc.record({
  world: worlds,
  source: fc.nat(),
  destination: fc.nat(),
  port: fc.constantFrom(...PORTS),
  protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
});

describe('reasons and objects', () => {
  test('S2.7, S3.10, S4.3: every origin is a field of its object', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(asked, ({ world, source, destination, port, protocol }) => {
        const objects = objectsOf(world.objects);
        const byId = new Map(objects.map((object) => [objectId(object.ref), object.value]));
        const input = inputOf(objects, { missing: world.missing });
        const all = endpointsOf(input);
        const from = all[source % all.length];
        const to = all[destination % all.length];
        if (from === undefined || to === undefined) return;
        const flow: Flow = { source: from, destination: to, protocol, port, family: null, viaService: false };
        const verdict = explainPrepared(prepareExplain(input.program, factsOf(input.cluster)), flow);
        for (const end of [verdict.egress, verdict.ingress]) {
          for (const reason of end?.reasons ?? []) {
            if (reason.origin === null || reason.policy === null) continue;
            const value = byId.get(reason.policy);
            expect(value).toBeDefined();
            const { field } = reason.origin;
            expect(isThere(value, field) ? '' : `${reason.policy} ${field}`).toBe('');
            seen.add(field.replace(/\[\d+\]/g, '[]'));
            // What a reason says of a rule lies inside of that rule, unless the policy does not select the pod.
            const own =
              reason.rule === null || field.startsWith(reason.rule) || /^spec\.(podSelector|subject)$/.test(field);
            expect(own).toBe(true);
          }
        }
      }),
      { numRuns: 3000, seed: 11 },
    );
    // Every way of writing a part has come up.
    for (const end of [
      '.ports[].port',
      '.ports[].protocol',
      '.ipBlock.cidr',
      '.namespaceSelector',
      '.portNumber.port',
    ]) {
      expect([...seen].some((field) => field.endsWith(end))).toBe(true);
    }
    expect([...seen].some((field) => field.includes('.protocols[].'))).toBe(true);
  });

  test('S2.6: the manifest of a new policy, written beside the others, allows the flow', () => {
    let tried = 0;
    fc.assert(
      fc.property(asked, ({ world, source, destination, port, protocol }) => {
        const objects = objectsOf(world.objects);
        const input = inputOf(objects, { missing: world.missing });
        const all = endpointsOf(input);
        const from = all[source % all.length];
        const to = all[destination % all.length];
        if (from === undefined || to === undefined) return;
        const flow: Flow = { source: from, destination: to, protocol, port, family: null, viaService: false };
        const facts = factsOf(input.cluster);
        const fix = proposeFix(prepareExplain(input.program, facts), flow);
        if (fix.kind === 'none' || fix.steps.some((step) => step.yaml === null)) return;
        tried++;
        const text = fix.steps.map((step) => step.yaml).join('---\n');
        const reading = readManifests([{ file: 'fix.yaml', text }]);
        const errors = (from: readonly { readonly severity: string; readonly message: string }[]): readonly string[] =>
          from.filter((one) => one.severity === 'error').map((one) => one.message);
        expect(errors(reading.diagnostics)).toEqual([]);
        expect(reading.objects.map((object) => objectId(object.ref))).toEqual(fix.steps.map((step) => step.policy));
        const fixed = inputOf([...objects, ...reading.objects], { missing: world.missing });
        expect(errors(fixed.diagnostics)).toEqual(errors(input.diagnostics));
        expect(referenceVerdict(fixed.program, flow, facts)).toBe('allowed');
      }),
      { numRuns: 3000, seed: 12 },
    );
    expect(tried).toBeGreaterThan(100);
  });
});
