import { describe, expect, it } from 'vitest';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { connectivity } from '../../src/engine/connectivity/connectivity.ts';
import { unspecifiedBecause } from '../../src/engine/connectivity/unspecified.ts';
import { prepareExplain } from '../../src/engine/explain/prepare.ts';
import { factsOf } from '../../src/engine/match.ts';
import { inputOf } from '../../src/input/input.ts';
import { readManifests } from '../../src/manifest/read.ts';
import { cli, json } from './run-cli.ts';

const deployment = (name: string): string => `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: a}
spec: {selector: {matchLabels: {app: ${name}}}, template: {metadata: {labels: {app: ${name}}}, spec: {containers: []}}}
`;
/** Without addresses nobody knows whether a block covers a pod, and equal priorities leave the order open. */
const OPEN = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: block, namespace: a}
spec:
  podSelector: {matchLabels: {app: guarded}}
  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]
${['one', 'two', 'guarded', 'contested'].map(deployment).join('')}---
apiVersion: v1
kind: Namespace
metadata: {name: a, labels: {team: a}}
${['Allow', 'Deny']
  .map(
    (action) => `---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: ${action.toLowerCase()}}
spec:
  priority: 7
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: contested}}}}
  ingress: [{name: r, action: ${action}, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: one}}}}]}]
`,
  )
  .join('')}`;

function parts(text: string) {
  const input = inputOf(readManifests([{ file: 'a.yaml', bytes: new TextEncoder().encode(text) }]).objects);
  const program = new CompiledProgram(input.program, input.cluster);
  return { program, cluster: input.cluster, prepared: prepareExplain(input.program, factsOf(input.cluster)) };
}

const BLOCK = 'the address of the source is not known: `spec.ingress[0].from[0]` of `block` may or may not cover it';
const TIE =
  'policies `AdminNetworkPolicy/allow` and `AdminNetworkPolicy/deny` of tier `admin` have the same priority 7 and disagree, and the API does not say which of them comes first';

describe('what is behind unspecified pairs', () => {
  it('is told once for all pairs that share it, with their number', async () => {
    const report = await json(['connectivity', '-f', '-'], { stdin: OPEN });
    // one, two and contested → guarded; one → contested.
    expect(report.unspecified).toEqual([
      ['a/contested[Deployment]', 'a/guarded[Deployment]'],
      ['a/one[Deployment]', 'a/contested[Deployment]'],
      ['a/one[Deployment]', 'a/guarded[Deployment]'],
      ['a/two[Deployment]', 'a/guarded[Deployment]'],
    ]);
    expect(report.unspecifiedBecause).toEqual([
      { because: BLOCK, pairs: 3 },
      { because: TIE, pairs: 1 },
    ]);
    const { out } = await cli(['connectivity', '-f', '-'], { stdin: OPEN });
    expect(out).toContain(`unspecified because\n  3 pairs  ${BLOCK}\n  1 pair   ${TIE}\n`);
  });

  it('is that of the pairs shown', async () => {
    const report = await json(['connectivity', '-f', '-', '-l', 'app=two'], { stdin: OPEN });
    expect(report.unspecifiedBecause).toEqual([{ because: BLOCK, pairs: 1 }]);
  });

  it('is the same for classes of pairs', () => {
    const { program, cluster, prepared } = parts(OPEN + deployment('three') + deployment('four'));
    const listed = connectivity(program, cluster);
    const classes = connectivity(program, cluster, { pairLimit: 0 });
    expect(classes.classes).toBeDefined();
    expect(unspecifiedBecause(prepared, program, cluster, classes)).toEqual(
      unspecifiedBecause(prepared, program, cluster, listed),
    );
    expect(unspecifiedBecause(prepared, program, cluster, listed)[0]).toEqual({ because: BLOCK, pairs: 5 });
  });

  it('is not looked into without end', () => {
    const { program, cluster, prepared } = parts(OPEN);
    const report = connectivity(program, cluster);
    const some = unspecifiedBecause(prepared, program, cluster, report, { questionLimit: 1 });
    expect(some.map(({ pairs }) => pairs).reduce((a, b) => a + b)).toBe(4);
    expect(some.some(({ because }) => because.startsWith('not looked into'))).toBe(true);
  });

  it('is nothing where nothing is unspecified', async () => {
    const { program, cluster, prepared } = parts(deployment('one') + deployment('two'));
    const report = connectivity(program, cluster);
    expect(report.unspecified).toEqual([]);
    expect(unspecifiedBecause(prepared, program, cluster, report)).toEqual([]);
  });
});
