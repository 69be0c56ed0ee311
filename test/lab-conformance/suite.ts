/** Vectors as packets between pods of labs, past agents and the kernel. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KubeClient, openClient } from '../../src/io/kube-client.ts';
import { planLab } from '../../src/lab/model-plan.ts';
import type { LabWorld } from '../../src/lab/probe-lab.ts';
import { type LabSession, type UpOptions, upLab } from '../../src/lab/session.ts';
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
  type VectorCase,
} from './vectors.ts';

/** Declares the tests of a suite: a lab for each group of cases, a test for each case, and one for how many flows there were. */
export function suiteInLabs(
  suite: string,
  choose: (cases: readonly VectorCase[]) => readonly VectorCase[],
  /** As counted in the vectors' own text. */
  expected: { readonly flows: number; readonly skipped: number },
  { cni = 'ptp', deny = 'drop' }: Pick<UpOptions, 'cni' | 'deny'> = {},
): void {
  const title = `${suite} (${cni}, ${deny})`;
  const why = missingLab();
  if (why !== null) console.log(`skipped: ${title} in labs (${why})`);
  const able = why === null && hasVectors();
  const tally = new Map<string, number>();
  const count = (what: string, more: number): void => {
    tally.set(what, (tally.get(what) ?? 0) + more);
  };
  let slowest = { id: '', seconds: 0 };
  const changed = (id: string, seconds: number): void => {
    if (seconds > slowest.seconds) slowest = { id, seconds };
  };

  afterAll(async () => {
    if (tally.size === 0) return;
    const lines = [...tally].map(([what, many]) => `  ${what}: ${Math.round(many * 10) / 10}`);
    const last = `  slowest change: ${slowest.seconds.toFixed(1)} s (${slowest.id})`;
    console.log([`${title} in labs:`, ...lines, last].join('\n'));
    await downAll();
  });

  describe.runIf(able)(`the kernel does what ${title} expects`, () => {
    const groups = able ? groupCases(choose(flowCases(suite))) : [];
    describe.each(groups.map((group) => [group.first.id, group] as const))('lab of %s', (_, group) => {
      inOneLab(group, { cni, deny }, count, changed);
    });
    test('there were as many flows as there are', () => {
      expect([tally.get('flows'), tally.get('flows skipped (SCTP)')]).toEqual([expected.flows, expected.skipped]);
    });
  });
}

/** Longer than a change may take and what disagrees is asked again. */
const CASE_MS = 120_000;

/** One lab, changed from case to case by its API server. */
function inOneLab(
  group: CaseGroup,
  options: Pick<UpOptions, 'cni' | 'deny'>,
  count: (what: string, more: number) => void,
  changed: (id: string, seconds: number) => void,
): void {
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
    lab = await upLab(seeded, { name: newName(), lifetime: 'caller', ...options });
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

  test.each(group.cases.map((one) => [one.id, one] as const))(
    '%s',
    async (_, one) => {
      const begun = performance.now();
      const next = labObjects(one, ports);
      await changeLab(lab, client, held, next).catch((error: unknown) => {
        throw new Error(`the lab did not change; its agents said last:\n${lastWords(lab)}`, { cause: error });
      });
      held = next;
      const then = performance.now();
      const seconds = (then - begun) / 1000;
      changed(one.id, seconds);
      const view = await lookAt(lab);
      const asked = one.flows.filter(({ protocol }) => protocol !== 'SCTP');
      const end = (text: string): string => (one.hasBlocks ? inFamily4(text, view.world) : text);
      const expected = asked.map(({ src, dst, protocol, port, allowed }) => ({
        question: { src: end(src), dst: end(dst), protocol, port },
        allowed,
      }));
      count('seconds of changing', seconds);
      count('seconds of reading back', (performance.now() - then) / 1000);
      const sent = await sendFlows(lab, view, expected);
      count('flows', asked.length);
      count('flows skipped (SCTP)', one.flows.length - asked.length);
      count('connections', sent.attempts);
      count('connections denied, and said so by the kernel', sent.denials.recorded);
      count('flows asked again', sent.askedAgain);
      count('of these, denials not said at first', sent.unsaidAtFirst);
      count('seconds of sending', sent.seconds);
      expect(sent.problems.slice(0, 10)).toEqual([]);
    },
    CASE_MS,
  );
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
