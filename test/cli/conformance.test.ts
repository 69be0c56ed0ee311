/** What scripts get from the command line agrees with the conformance vectors, too. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ConnectivityReport, DiffReport, ExposureReport } from '../../src/model/report.ts';
import { type Case, CONFORMANCE, casesOf, hasVectors, inputOfCase, readCase, SUITES } from '../conformance/case.ts';
import {
  compareChanges,
  compareConnectivity,
  compareControllers,
  compareExposure,
  compareUnprotected,
} from '../conformance/compare.ts';
import { cli } from './run-cli.ts';

const manifests = (id: string): string => join(CONFORMANCE, id, 'manifests');

async function report<T>(args: readonly string[], stdin = ''): Promise<T> {
  const { out, err } = await cli([...args, '-q', '-o', 'json'], { stdin });
  if (out === '') throw new Error(err);
  return JSON.parse(out) as T;
}

async function* problemsOf(id: string, vector: Case): AsyncGenerator<string> {
  const { cluster } = inputOfCase(id);
  const input = ['-f', manifests(id)];
  if (vector.flows !== undefined) {
    const questions = vector.flows.map(({ allowed: _, ...question }) => question);
    const { flows } = await report<{ flows: readonly { verdict: string }[] }>(
      ['query', ...input, '--flows', '-'],
      JSON.stringify(questions),
    );
    for (const [i, { allowed, ...flow }] of vector.flows.entries()) {
      const verdict = flows[i]?.verdict;
      if (verdict !== (allowed ? 'allowed' : 'denied')) yield `${JSON.stringify(flow)}: ${verdict}`;
    }
  }
  if (vector.connectivity !== undefined) {
    const actual = await report<ConnectivityReport>(['connectivity', ...input]);
    yield* compareConnectivity(vector.connectivity, actual, cluster);
    if (vector.connectivity.ingressController !== undefined) {
      yield* compareControllers(vector.connectivity.ingressController, actual.ingressController);
    }
  }
  if (vector.exposure !== undefined) {
    const actual = await report<ExposureReport>(['exposure', ...input]);
    yield* compareExposure(vector.exposure.entries, actual.entries, cluster);
    yield* compareUnprotected(vector.exposure.unprotected, actual.unprotected);
  }
  if (vector.diff !== undefined) {
    const sides = ['--from', manifests(vector.diff.against), '--to', manifests(id)];
    yield* compareChanges(vector.diff, await report<DiffReport>(['diff', ...sides]));
  }
  for (const { object } of vector.invalid ?? []) {
    const { out, code } = await cli(['validate', ...input, '-o', 'json']);
    const { diagnostics } = JSON.parse(out) as {
      diagnostics: readonly { object: string | null; severity: string }[];
    };
    const errors = diagnostics.filter(({ severity }) => severity === 'error');
    const found = errors.some((error) => (object === 'file' ? error.object === null : error.object === object));
    if (!found || code !== 3) yield `${object}: not reported, exit code ${code}`;
  }
}

/** Every vector but the many of flows alone, of which every sixth is replayed: the engine's own tests have them all. */
function replayed(suite: string): readonly string[] {
  return casesOf(suite).filter((name, i) => {
    const vector = readCase(`${suite}/${name}`);
    const others = ['connectivity', 'exposure', 'diff', 'invalid'].some((key) => key in vector);
    return others || (vector.flows !== undefined && i % 6 === 0);
  });
}

describe.runIf(hasVectors())('the command line on conformance vectors', () => {
  for (const suite of SUITES) {
    test.each(replayed(suite))(`${suite}/%s`, async (name) => {
      const id = `${suite}/${name}`;
      const vector = readCase(id);
      const problems: string[] = [];
      for await (const problem of problemsOf(id, vector)) problems.push(problem);
      expect(problems.slice(0, 10)).toEqual([]);
    });
  }
});
