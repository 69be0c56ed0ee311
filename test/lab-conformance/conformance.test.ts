/** Every flow of the vectors as packets between pods of labs, past agents and the kernel. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KubeClient, openClient } from '../../src/io/kube-client.ts';
import { planLab } from '../../src/lab/model-plan.ts';
import type { LabWorld } from '../../src/lab/probe-lab.ts';
import { type LabSession, upLab } from '../../src/lab/session.ts';
import type { KubeObject } from '../../src/manifest/object.ts';
import { hasVectors } from '../conformance/case.ts';
import { downAll, missingLab, newName } from '../lab/labs.ts';
import { changeLab } from './change.ts';
import { lookAt, sendFlows } from './flows.ts';
import {
  askedAddresses,
  askedPorts,
  type CaseGroup,
  flowCases,
  groupCases,
  isPolicy,
  labObjects,
  sampleOf,
  type VectorCase,
} from './vectors.ts';

const why = missingLab();
if (why !== null) console.log(`skipped: vectors in labs (${why})`);
const able = why === null && hasVectors();
const ALL = process.env.RAMPART_ALL_CYCLONUS === '1';

const tally = new Map<string, number>();
let slowest = { id: '', seconds: 0 };

function count(what: string, more: number): void {
  tally.set(what, (tally.get(what) ?? 0) + more);
}

afterAll(async () => {
  for (const [what, many] of tally) console.log(`sent ${what}: ${Math.round(many * 10) / 10}`);
  console.log(`slowest change: ${slowest.seconds.toFixed(1)} s (${slowest.id})`);
  await downAll();
});

describe.runIf(able)('the kernel does what vectors expect', () => {
  const suites = new Map([
    ['k8s-e2e', able ? flowCases('k8s-e2e') : []],
    ['cnp-docs', able ? flowCases('cnp-docs') : []],
    ['cyclonus', able ? cyclonus() : []],
  ]);
  for (const [suite, cases] of suites) {
    describe.each(groupCases(cases).map((group) => [group.first.id, group] as const))(`lab of %s`, (_, group) => {
      inOneLab(suite, group);
    });
  }

  test('there were as many as there are', () => {
    // From the vectors' own text: 4752 flows, 216 of them SCTP; 237 flows, 6 of them SCTP.
    expect([tally.get('k8s-e2e flows'), tally.get('k8s-e2e flows skipped (SCTP)')]).toEqual([4752 - 216, 216]);
    expect([tally.get('cnp-docs flows'), tally.get('cnp-docs flows skipped (SCTP)')]).toEqual([237 - 6, 6]);
    // Two of three protocols of 59 628 flows.
    if (ALL) expect(tally.get('cyclonus flows')).toBe(39_752);
    else expect(tally.get('cyclonus flows')).toBeGreaterThan(23 * 288 - 1);
  });
});

function cyclonus(): readonly VectorCase[] {
  const cases = flowCases('cyclonus');
  return ALL ? cases : sampleOf(cases);
}

/** One lab, changed from case to case by its API server. */
function inOneLab(suite: string, group: CaseGroup): void {
  const ports = askedPorts(group);
  let lab: LabSession;
  let client: KubeClient;
  let held: readonly KubeObject[];

  beforeAll(async () => {
    const begun = performance.now();
    held = labObjects(group.first, ports);
    // Ranges are chosen beside the blocks of all cases, and each node is asked by its own address.
    const policies = group.cases.flatMap((one) => one.objects.filter(isPolicy));
    const plan = planLab([...held.filter((object) => !isPolicy(object)), ...named(policies)], {
      nodes: 2,
      addresses: askedAddresses(group),
      dns: false,
    });
    const seeded = { ...plan, objects: plan.objects.filter(({ object }) => !isPolicy(object)) };
    held = held.filter((object) => !isPolicy(object));
    lab = await upLab(seeded, { name: newName(), lifetime: 'caller' });
    client = openClient(await lab.connection());
    await lab.settled();
    count('seconds of bringing labs up', (performance.now() - begun) / 1000);
    count('labs', 1);
  });
  afterAll(async () => {
    client?.close();
    lab?.close();
    await downAll();
  });

  test.each(group.cases.map((one) => [one.id, one] as const))('%s', async (_, one) => {
    const begun = performance.now();
    const next = labObjects(one, ports);
    await changeLab(lab, client, held, next).catch((error: unknown) => {
      throw new Error(`the lab did not change; its agents said last:\n${lastWords(lab)}`, { cause: error });
    });
    held = next;
    const changed = performance.now();
    const seconds = (changed - begun) / 1000;
    if (seconds > slowest.seconds) slowest = { id: one.id, seconds };
    const view = await lookAt(lab);
    const asked = one.flows.filter(({ protocol }) => protocol !== 'SCTP');
    const end = (text: string): string => (one.hasBlocks ? inFamily4(text, view.world) : text);
    const expected = asked.map(({ src, dst, protocol, port, allowed }) => ({
      question: { src: end(src), dst: end(dst), protocol, port },
      allowed,
    }));
    count('seconds of changing', seconds);
    count('seconds of reading back', (performance.now() - changed) / 1000);
    const sent = await sendFlows(lab, view, expected);
    count(`${suite} flows`, asked.length);
    count(`${suite} flows skipped (SCTP)`, one.flows.length - asked.length);
    count(`${suite} connections`, sent.attempts);
    count(`${suite} connections denied, and said so by the kernel`, sent.denials.recorded);
    count('flows asked again', sent.askedAgain);
    count('seconds of sending', sent.seconds);
    expect(sent.problems.slice(0, 10)).toEqual([]);
  });
}

/** What the agents of a lab have logged of late, since their logs go with it. */
function lastWords({ folder }: LabSession): string {
  const logs = readdirSync(join(folder, 'agents')).filter((name) => name.endsWith('.log'));
  return logs
    .map(
      (name) =>
        `${name}:\n${readFileSync(join(folder, 'agents', name), 'utf8')
          .split('\n')
          .slice(-12)
          .join('\n')}`,
    )
    .join('\n');
}

/** A pod by its IPv4 address, for cases whose blocks are of that family. */
function inFamily4(end: string, world: LabWorld): string {
  return world.topology.pods.get(end)?.addresses.find((address) => !address.includes(':')) ?? end;
}

/** Policies of several cases with names of their own, for planning only. */
function named(policies: readonly KubeObject[]): readonly KubeObject[] {
  return policies.map(({ ref, value }, i) => {
    const name = `${ref.name}-${i}`;
    return { ref: { ...ref, name }, value: { ...value, metadata: { ...Object(value.metadata), name } } };
  });
}
