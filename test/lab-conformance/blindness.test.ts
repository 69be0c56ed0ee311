/** That the comparison is not blind: what is not enforced, or enforced by somebody else, is seen. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planLab } from '../../src/lab/model-plan.ts';
import { type LabSession, upLab } from '../../src/lab/session.ts';
import { readManifests } from '../../src/manifest/read.ts';
import { downAll, missingLab, newName, output } from '../lab/labs.ts';
import { type ExpectedFlow, lookAt, sendFlows } from './flows.ts';

const why = missingLab();
if (why !== null) console.log(`skipped: what the comparison sees (${why})`);

const MANIFESTS = `
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x, labels: {app: a}}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: x, labels: {app: b}}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: x}
spec: {podSelector: {matchLabels: {app: a}}, policyTypes: [Ingress]}
`;

function flow(src: string, dst: string, protocol: string, allowed: boolean): ExpectedFlow {
  return { question: { src, dst, protocol, port: 80 }, allowed };
}

describe.skipIf(why !== null)('what the comparison sees', () => {
  let lab: LabSession;

  beforeAll(async () => {
    const plan = planLab(readManifests([{ file: 'x.yaml', text: MANIFESTS }]).objects, { dns: false });
    lab = await upLab(plan, { name: newName(), lifetime: 'caller', agents: false });
  });
  afterAll(async () => {
    lab?.close();
    await downAll();
  });

  test('policies that nobody enforces', async () => {
    const { problems } = await sendFlows(
      lab,
      await lookAt(lab),
      [flow('x/b', 'x/a', 'TCP', false), flow('x/b', 'x/a', 'UDP', false), flow('x/a', 'x/b', 'TCP', true)],
      900,
    );
    expect(problems.map((text) => text.split('\n')[0])).toEqual([
      'x/b -> x/a TCP 80: expected denied, seen allowed (answered)',
      'x/b -> x/a UDP 80: expected denied, seen allowed (answered)',
    ]);
  });

  test('an expectation that the engine does not share', async () => {
    const { problems } = await sendFlows(lab, await lookAt(lab), [flow('x/b', 'x/a', 'TCP', true)], 900);
    expect(problems).toEqual(['x/b -> x/a TCP 80: the engine says denied, expected allowed']);
  });

  test('silence for which no node says that policies are the reason, and a way through the kernel that ends elsewhere', async () => {
    const view = await lookAt(lab);
    for (const { name } of (await lab.status()).nodes) {
      const table = 'table inet other { chain c { type filter hook forward priority 0; th dport 80 drop; }; }';
      await output(lab, `node:${name}`, 'nft', table);
    }
    const { problems } = await sendFlows(
      lab,
      view,
      [flow('x/b', 'x/a', 'UDP', false), flow('x/a', 'x/b', 'TCP', true)],
      900,
    );
    expect(problems[0]).toBe('x/b -> x/a UDP 80: silent, but no node says that it denied it');
    expect(problems[1]).toMatch(/^x\/a -> x\/b TCP 80: expected allowed, seen denied \(no answer in 900 ms\)\n/);
    expect(problems[1]).toContain('dropped by table inet other');
    expect(problems).toHaveLength(2);
  });
});
