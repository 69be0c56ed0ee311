/** The picture of a probe in a terminal. */
import { expect, test } from 'vitest';
import { probeText } from '../../src/report/formats/text/probe.ts';
import type { ProbedFlow, ProbeReport } from '../../src/report/report.ts';

function flow(src: string, dst: string, observed: 'allowed' | 'denied'): ProbedFlow {
  return {
    question: { src, dst, protocol: 'TCP', port: 80 },
    verdict: observed,
    undefinedBecause: null,
    caveats: [],
    egress: null,
    ingress: null,
    observed,
    agrees: true,
    unverifiable: null,
    detail: '',
    attempts: [],
    rounds: 1,
    trace: [],
  };
}

function report(flows: readonly ProbedFlow[]): ProbeReport {
  return {
    kind: 'ProbeReport',
    where: 'lab t',
    via: 'pods',
    flows,
    counts: [],
    disagreedAtFirst: 0,
    disagreements: 0,
    unverifiable: 0,
    skipped: [],
    attempts: 0,
    seconds: 0,
    diagnostics: [],
  };
}

const DESTINATIONS = ['a/1', 'a/2', 'a/3', 'a/4', 'a/5', 'a/6', 'a/7'];
const FLOWS = [...DESTINATIONS.map((dst) => flow('b/x', dst, 'denied')), flow('b/y', 'a/2', 'allowed')];

const picture = (width?: number): string => {
  const lines = [...probeText(report(FLOWS), { colour: false, ...(width === undefined ? {} : { width }) })];
  return lines.slice(0, lines.indexOf('to:')).join('\n');
};

test('is one where it fits', () => {
  const whole = `     1 2 3 4 5 6 7
b/x  ✗ ✗ ✗ ✗ ✗ ✗ ✗
b/y  · ✓ · · · · ·
`;
  expect(picture()).toBe(whole);
  expect(picture(18)).toBe(whole);
});

test('comes in pieces where the terminal is narrower, without rows that have nothing there', () => {
  expect(picture(16)).toBe(`     1 2 3 4 5 6
b/x  ✗ ✗ ✗ ✗ ✗ ✗
b/y  · ✓ · · · ·

     7
b/x  ✗
`);
});
