import { expect, test } from 'vitest';
import { CompiledProgram } from '../src/engine/compiled/compile.ts';
import { connectivity } from '../src/engine/connectivity/connectivity.ts';
import { unspecifiedBecause } from '../src/engine/connectivity/unspecified.ts';
import { prepareExplain } from '../src/engine/explain/prepare.ts';
import { factsOf } from '../src/engine/match.ts';
import { inputOf } from '../src/input/input.ts';
import { readManifests } from '../src/manifest/read.ts';

function pod(name: string, labels: string, more = ''): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: x, labels: ${labels}${more}}
spec: {containers: [{name: c, image: i}]}
`;
}

function policy(name: string, spec: string): string {
  return `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ${name}, namespace: x}
spec: ${spec}
`;
}

function of(...documents: readonly string[]) {
  const { cluster, program } = inputOf(readManifests([{ file: 'x.yaml', text: documents.join('---') }]).objects);
  const compiled = new CompiledProgram(program, cluster);
  const report = connectivity(compiled, cluster);
  return { report, because: unspecifiedBecause(prepareExplain(program, factsOf(cluster)), compiled, cluster, report) };
}

test('S1.4 blocks that make no difference do not cut the addresses, in whatever order rules come', () => {
  const narrow = '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}';
  const { report } = of(pod('a', '{}'), policy('narrow', narrow), policy('wide', '{podSelector: {}, ingress: [{}]}'));
  expect(report.peers.filter((peer) => peer.includes('.'))).toEqual(['0.0.0.0-255.255.255.255']);
});

test('S9.1 the missing fact is named, also where the pods of a workload differ', () => {
  const owner = ', ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: twin, uid: u, controller: true}]';
  const block =
    '{podSelector: {matchLabels: {w: a}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 80}]}]}';
  const { because } = of(
    pod('twin-a', '{w: a}', owner),
    pod('twin-b', '{w: b}', owner),
    pod('peer', '{}'),
    policy('p', block),
  );
  expect(because).toHaveLength(1);
  expect(because[0]).toMatchObject({ pairs: 1 });
  expect(because[0]?.because).toContain('the address of the source is not known');
});

test('the order of the report is the order of names', () => {
  const { report } = of(pod('b', '{}'), pod('a', '{}'), pod('c', '{}'));
  const workloads = report.peers.filter((peer) => peer.endsWith(']'));
  expect(workloads).toEqual(['x/a[Pod]', 'x/b[Pod]', 'x/c[Pod]']);
  expect(report.allowed.map(({ src }) => src)).toEqual(
    [...report.allowed.map(({ src }) => src)].sort((a, b) => report.peers.indexOf(a) - report.peers.indexOf(b)),
  );
});
