import { expect, test } from 'vitest';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { exposure } from '../../src/engine/exposure.ts';
import { inputOf } from '../../src/input/input.ts';
import { readManifests } from '../../src/manifest/read.ts';

/** Two pods of one ReplicaSet with different labels; a policy isolates one of them. */
const TWINS = ['a', 'b']
  .map(
    (name) => `
apiVersion: v1
kind: Pod
metadata:
  name: twin-${name}
  namespace: x
  labels: {app: twin, which: ${name}}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: twin, uid: u, controller: true}]
spec: {containers: [{name: c, image: i}]}
`,
  )
  .join('---');
const POLICY = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-a, namespace: x}
spec: {podSelector: {matchLabels: {which: a}}, policyTypes: [Ingress]}
`;

test('S2.3 a pod that is open shows, though its twin is isolated', () => {
  const { cluster, program } = inputOf(readManifests([{ file: 'twins.yaml', text: `${TWINS}---${POLICY}` }]).objects);
  const report = exposure(new CompiledProgram(program, cluster), cluster);
  const ingress = report.entries.filter((entry) => entry.direction === 'ingress');
  expect(ingress).toContainEqual({
    workload: 'x/twin[ReplicaSet]',
    direction: 'ingress',
    peer: { entireCluster: true },
    conn: {},
    varies: true,
    some: 'all',
  });
  expect(report.unprotected).toEqual([{ workload: 'x/twin[ReplicaSet]', direction: 'egress' }]);
});
