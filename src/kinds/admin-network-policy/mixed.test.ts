import { expect, test } from 'vitest';
import { CompiledProgram } from '../../engine/compiled/compile.ts';
import { flowOf, verdict } from '../../engine/compiled/evaluate.ts';
import { explainFlow } from '../../engine/explain/explain.ts';
import { factsOf } from '../../engine/match.ts';
import { inputOf } from '../../input/input.ts';
import { readManifests } from '../../manifest/read.ts';
import type { Pod } from '../../model/cluster.ts';

const PODS = ['a', 'b']
  .map(
    (name) => `
apiVersion: v1
kind: Namespace
metadata: {name: ${name}, labels: {team: one}}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: ${name}}
spec: {containers: [{name: c, image: i}]}
`,
  )
  .join('---');

test.each([
  ['pods: {podSelector: {}, namespaces: {sameLabels: [team]}}', 'networks: [9.0.0.0/8]'],
  ['namespaces: {sameLabels: [team]}', 'networks: [9.0.0.0/8]'],
  ['pods: {podSelector: {}, namespaces: {sameLabels: [team]}}', 'nodes: {}'],
])('S3.12 a denial of `%s` holds beside a rule of the other shape with `%s`', (old, other) => {
  const text = `${PODS}---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: mixed}
spec:
  priority: 1
  subject: {namespaces: {}}
  egress:
    - {action: Deny, to: [{${old}}]}
    - {action: Allow, to: [{${other}}]}
`;
  const { cluster, program, diagnostics } = inputOf(readManifests([{ file: 'mixed.yaml', text }]).objects);
  const pods = cluster.workloads.flatMap((workload) => workload.pods) as [Pod, Pod];
  const flow = flowOf({ kind: 'pod', pod: pods[0] }, { kind: 'pod', pod: pods[1] }, 'TCP', 80);
  expect(verdict(new CompiledProgram(program, cluster), flow)).toBe('denied');
  expect(diagnostics.length).toBeGreaterThan(0);
});

test('S3.16 what closes a policy with an unknown field is named by the policy, not by a rule that it does not have', () => {
  const text = `${PODS}---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: odd}
spec:
  priority: 1
  subject: {namespaces: {}}
  future: 1
  ingress: [{action: Allow, from: [{namespaces: {matchLabels: {team: two}}}]}]
`;
  const { cluster, program } = inputOf(readManifests([{ file: 'odd.yaml', text }]).objects);
  const pods = cluster.workloads.flatMap((workload) => workload.pods) as [Pod, Pod];
  const flow = flowOf({ kind: 'pod', pod: pods[0] }, { kind: 'pod', pod: pods[1] }, 'TCP', 80);
  const { egress, ingress } = explainFlow(program, factsOf(cluster), flow);
  expect([egress?.decidedBy, ingress?.decidedBy]).toEqual(['AdminNetworkPolicy/odd', 'AdminNetworkPolicy/odd']);
  expect([egress?.verdict, ingress?.verdict]).toEqual(['denied', 'denied']);
});
