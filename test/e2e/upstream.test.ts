import { describe, expect, it } from 'vitest';
import { ALL, FEW } from './specs.ts';
import { focusOf, readReport } from './upstream.ts';

const TAIL = '[Feature:NetworkPolicy] [sig-network, Feature:NetworkPolicy]';
const CLASS = 'classname="Kubernetes e2e suite"';

describe('the report of Kubernetes’ own suite', () => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
  <testsuites tests="5"><testsuite name="Kubernetes e2e suite">
    <testcase name="[SynchronizedBeforeSuite]" ${CLASS} status="passed" time="0.02"></testcase>
    <testcase name="[It] [sig-network] Netpol NetworkPolicy between server and client should support a &#39;default-deny-all&#39; policy ${TAIL}" ${CLASS} status="passed" time="31.5"><system-err>x</system-err></testcase>
    <testcase name="[It] [sig-network] Netpol [LinuxOnly] NetworkPolicy between server and client using UDP should enforce policy based on Ports ${TAIL}" ${CLASS} status="failed" time="206.1"><failure message="no" type="failed">Had 24 wrong results &lt;matrix&gt;</failure></testcase>
    <testcase name="[It] [sig-network] Netpol NetworkPolicy between server and client should enforce policy based on Ports ${TAIL}" ${CLASS} status="timedout" time="1"/>
    <testcase name="[It] [sig-network] Netpol NetworkPolicy between server and client should support allow-all policy ${TAIL}" ${CLASS} status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
    <testcase name="[It] [sig-network] DNS should work ${TAIL}" ${CLASS} status="passed" time="1"></testcase>
  </testsuite></testsuites>`;

  it('is read: what passed, what did not, and nothing that did not run', () => {
    expect(readReport(xml)).toEqual([
      {
        name: "NetworkPolicy between server and client should support a 'default-deny-all' policy",
        passed: true,
        seconds: 31.5,
        log: '',
      },
      {
        name: '[LinuxOnly] NetworkPolicy between server and client using UDP should enforce policy based on Ports',
        passed: false,
        seconds: 206.1,
        log: 'Had 24 wrong results <matrix>',
      },
      {
        name: 'NetworkPolicy between server and client should enforce policy based on Ports',
        passed: false,
        seconds: 1,
        log: '',
      },
    ]);
  });

  it('is asked for exactly the named tests', () => {
    const focus = new RegExp(focusOf(['NetworkPolicy should allow (this)', '[LinuxOnly] that']));
    const hits = (name: string): boolean => focus.test(`[sig-network] Netpol ${name} ${TAIL}`);
    expect(hits('NetworkPolicy should allow (this)')).toBe(true);
    expect(hits('[LinuxOnly] that')).toBe(true);
    expect(hits('NetworkPolicy should allow (this) and more')).toBe(false);
    expect(hits('NetworkPolicy should allow this')).toBe(false);
  });

  it('is of a dozen different tests in every run', () => {
    expect([new Set(FEW).size, FEW.length < ALL]).toEqual([12, true]);
  });
});
