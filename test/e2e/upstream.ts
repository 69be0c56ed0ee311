import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NodeCluster, UPSTREAM } from './cluster.ts';

/** One test of Kubernetes' own suite. */
export interface SpecResult {
  readonly name: string;
  readonly passed: boolean;
  readonly seconds: number;
  /** The end of what it said, where it failed. */
  readonly log: string;
}

/** How the suite's parts are named; what a part holds in common is left out of a test's name. */
const PREFIX = /^\[It\] \[sig-network\] Netpol /;

/** A regular expression for exactly these tests. */
export function focusOf(names: readonly string[]): string {
  const escaped = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return `Netpol (${escaped.join('|')})( \\[|$)`;
}

/** The tests in a JUnit report of the suite, without those that were not to run. */
export function readReport(xml: string): readonly SpecResult[] {
  const results: SpecResult[] = [];
  for (const match of xml.matchAll(/<testcase\s([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const attributes = match[1] ?? '';
    const name = text(/name="([^"]*)"/.exec(attributes)?.[1] ?? '');
    const status = /status="([^"]*)"/.exec(attributes)?.[1];
    if (!PREFIX.test(name) || status === 'skipped' || status === 'pending') continue;
    const log = /<(?:failure|error)[^>]*>([\s\S]*?)<\/(?:failure|error)>/.exec(match[2] ?? '')?.[1] ?? '';
    results.push({
      name: name.replace(PREFIX, '').replace(/( \[[^\]]*\])+$/, ''),
      passed: status === 'passed',
      seconds: Number(/ time="([^"]*)"/.exec(attributes)?.[1] ?? 'NaN'),
      log: text(log).trim().slice(-2000),
    });
  }
  return results;
}

const ENTITIES = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
  ['#39', "'"],
  ['#34', '"'],
  ['#xA', '\n'],
  ['#x9', '\t'],
]);

function text(xml: string): string {
  return xml.replace(/&([#\w]+);/g, (whole, name: string) => ENTITIES.get(name) ?? whole);
}

/** Runs those of Kubernetes' own tests whose names the expression finds. */
export async function runUpstream(cluster: NodeCluster, focus: string): Promise<readonly SpecResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'rampart-upstream-'));
  const report = join(folder, 'report.xml');
  try {
    const child = spawn(UPSTREAM, ['run', focus, `--ginkgo.junit-report=${report}`, '--delete-namespace=true'], {
      env: cluster.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const listen = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-4000);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    await new Promise((done, fail) => {
      child.on('error', fail);
      child.on('close', done);
    });
    let xml: string;
    try {
      xml = readFileSync(report, 'utf8');
    } catch {
      throw new Error(`the suite ended without a report: ${said}`);
    }
    return readReport(xml);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
