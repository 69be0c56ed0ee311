import { afterAll, describe, expect, test } from 'vitest';
import { indexCluster } from '../../src/cluster/cluster-index.ts';
import { parseEndpoint } from '../../src/cluster/endpoint-text.ts';
import { findEndpoint } from '../../src/cluster/find.ts';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { flowOf, verdict } from '../../src/engine/compiled/evaluate.ts';
import { TrafficTable } from '../../src/engine/compiled/traffic.ts';
import { connectivity } from '../../src/engine/connectivity/connectivity.ts';
import { diff } from '../../src/engine/diff.ts';
import { exposure } from '../../src/engine/exposure.ts';
import { factsOf } from '../../src/engine/match.ts';
import { referenceVerdict } from '../../src/engine/reference.ts';
import type { Endpoint } from '../../src/model/flow.ts';
import { objectId } from '../../src/model/origin.ts';
import { type Case, casesOf, hasVectors, inputOfCase, readCase, SUITES } from './case.ts';
import {
  compareChanges,
  compareConnectivity,
  compareControllers,
  compareExposure,
  compareUnprotected,
} from './compare.ts';

const tally = new Map<string, { agree: number; differ: number }>();

function count(what: string, agrees: boolean): void {
  const entry = tally.get(what) ?? { agree: 0, differ: 0 };
  if (agrees) entry.agree++;
  else entry.differ++;
  tally.set(what, entry);
}

afterAll(() => {
  for (const [what, { agree, differ }] of tally) console.log(`conformance ${what}: ${agree} agree, ${differ} differ`);
});

describe.runIf(hasVectors())('conformance', () => {
  for (const suite of SUITES) {
    describe(suite, () => {
      test.each(casesOf(suite))('%s', (name) => {
        const id = `${suite}/${name}`;
        const vector = readCase(id);
        const problems = [...checkCase(id, vector)];
        expect(problems.slice(0, 10)).toEqual([]);
      });
    });
  }
});

function* checkCase(id: string, vector: Case): Generator<string> {
  const suite = id.split('/')[0] as string;
  const input = inputOfCase(id);
  const errors = input.diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  if (vector.invalid !== undefined) {
    for (const { object, why } of vector.invalid) {
      const found = errors.some((error) =>
        object === 'file' ? error.origin === null : error.origin !== null && objectId(error.origin.object) === object,
      );
      count(`${suite} invalid`, found);
      if (!found) yield `${object} is not reported (${why})`;
    }
    return;
  }
  // Fields that no schema knows are errors that leave the object in; some sources give a Service twice.
  if (!vector.tags.includes('fail-closed')) {
    for (const error of errors) {
      if (error.origin?.object.kind !== 'Service') yield `unexpected error: ${error.code} ${error.message}`;
    }
  }
  const traffic = new TrafficTable();
  const program = new CompiledProgram(input.program, input.cluster, { traffic });
  if (vector.flows !== undefined) {
    const facts = factsOf(input.cluster);
    const index = indexCluster(input.cluster);
    const endpoint = (text: string): Endpoint => {
      const parsed = parseEndpoint(text);
      if (!parsed.ok) throw new Error(parsed.message);
      const found = findEndpoint(index, parsed.endpoint, { podFirst: true });
      switch (found.kind) {
        case 'pods':
          return { kind: 'pod', pod: found.pods[0] as never };
        case 'node':
          return { kind: 'node', node: found.node, address: found.address };
        case 'external':
          return { kind: 'external', address: found.address };
        default:
          throw new Error(`${text} is ${found.kind}`);
      }
    };
    for (const { src, dst, protocol, port, allowed } of vector.flows) {
      const flow = flowOf(endpoint(src), endpoint(dst), protocol, port);
      const expected = allowed ? 'allowed' : 'denied';
      const compiled = verdict(program, flow);
      const reference = referenceVerdict(input.program, flow, facts);
      count(`${suite} flows`, compiled === expected && reference === expected);
      if (compiled !== expected || reference !== expected) {
        yield `${src} -> ${dst} ${protocol} ${port}: expected ${expected}, compiled ${compiled}, reference ${reference}`;
      }
    }
  }
  if (vector.connectivity !== undefined) {
    const report = connectivity(program, input.cluster);
    const problems = compareConnectivity(vector.connectivity, report, input.cluster);
    count(`${suite} connectivity`, problems.length === 0);
    yield* problems;
    if (vector.connectivity.ingressController !== undefined) {
      const differences = compareControllers(vector.connectivity.ingressController, report.ingressController);
      count(`${suite} ingress controller`, differences.length === 0);
      yield* differences;
    }
  }
  if (vector.exposure !== undefined) {
    const report = exposure(program, input.cluster);
    const problems = [
      ...compareExposure(vector.exposure.entries, report.entries, input.cluster),
      ...compareUnprotected(vector.exposure.unprotected, report.unprotected),
    ];
    count(`${suite} exposure`, problems.length === 0);
    yield* problems;
  }
  if (vector.diff !== undefined) {
    const against = inputOfCase(vector.diff.against);
    const before = {
      program: new CompiledProgram(against.program, against.cluster, { traffic }),
      cluster: against.cluster,
    };
    const report = diff(before, { program, cluster: input.cluster });
    const problems = compareChanges(vector.diff, report);
    count(`${suite} diff`, problems.length === 0);
    yield* problems;
  }
}
