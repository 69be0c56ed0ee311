import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kube, missingKube, startKube } from '../apiserver/kube.ts';
import { readText } from '../support/source-files.ts';
import { helm, objectsOf, type Rendered, render } from './helm.ts';

const why = missingKube();
if (why !== null) console.log(`skipped: manifests are tried on a real API server, and ${why}`);

const PLURALS: Readonly<Record<string, string>> = {
  NetworkPolicy: 'networkpolicies',
  ServiceAccount: 'serviceaccounts',
  ConfigMap: 'configmaps',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  DaemonSet: 'daemonsets',
  Service: 'services',
  ResourceQuota: 'resourcequotas',
  Namespace: 'namespaces',
};

/** Where objects of this kind are created, unknown fields refused and nothing kept. */
function pathOf({ apiVersion, kind, metadata }: Rendered): string {
  const plural = PLURALS[kind];
  if (plural === undefined) throw new Error(`no path for ${kind}`);
  const group = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
  const space = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${group}${space}/${plural}?dryRun=All&fieldValidation=Strict`;
}

describe.skipIf(why !== null)('a real API server', () => {
  let kube: Kube | null = null;
  beforeAll(async () => {
    kube = await startKube({ name: 'depl', port: 17_720 });
    const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
    await kube.send('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'rampart-system', labels },
    });
  });
  afterAll(async () => {
    await kube?.down();
  });

  const refused = async (objects: readonly Rendered[]): Promise<readonly string[]> => {
    const answers = await Promise.all(
      objects.map(async (object) => {
        const answer = await kube?.send('POST', pathOf(object), object);
        const fine = answer !== undefined && answer.status === 201 && answer.warnings.length === 0;
        return fine ? [] : [`${object.kind}/${object.metadata.name}: ${JSON.stringify(answer)}`];
      }),
    );
    return answers.flat();
  };

  it('takes the kustomize form', async () => {
    const files = ['base/namespace.yaml', 'base/agent.yaml', 'cleanup/agent.yaml'];
    const objects = files.flatMap((file) => objectsOf(readText(`deploy/kustomize/${file}`)));
    const fresh = objects.filter(({ kind }) => kind !== 'Namespace');
    expect(fresh.length).toBe(7);
    expect(await refused(fresh)).toEqual([]);
  });

  it.skipIf(helm === null).each([
    ['as it is', []],
    [
      'with every switch turned',
      ['init.hostSettings=false', 'cniCache.enabled=false', 'taint.enabled=true', 'resourceQuota.enabled=true'],
    ],
    [
      'without an init container',
      ['init.enabled=false', 'apiServer.host=10.0.0.1', 'image.digest=sha256:'.concat('0'.repeat(64))],
    ],
    ['for monitoring', ['serviceMonitor.enabled=true', 'dashboard.enabled=true']],
    ['to clean up', ['cleanup=true']],
  ] as const)('takes the chart %s', async (_, settings) => {
    const objects = render(...settings).filter(({ apiVersion }) => !apiVersion.startsWith('monitoring.coreos.com/'));
    expect(objects.length).toBeGreaterThan(4);
    expect(await refused(objects)).toEqual([]);
  });

  it('would say what it does not know', async () => {
    const [object] = objectsOf(
      'apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: x, namespace: rampart-system}\nspec: {selectr: {}}\n',
    );
    expect(object === undefined ? [] : await refused([object])).toHaveLength(1);
  });
});
