import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildCluster } from '../../src/cluster/build.ts';
import { isObject } from '../../src/cluster/decode.ts';
import { workloadId } from '../../src/model/cluster.ts';
import type { Labels } from '../../src/model/selector.ts';
import { objectsOf, sharedFolder } from './read-manifests.ts';

const shared = sharedFolder();
const project = (name: string): ReturnType<typeof objectsOf> => objectsOf(join(shared ?? '', 'realworld', name));

/** `matchLabels` alone: what the policies of these projects use. */
function carriesAll(labels: Labels, wanted: unknown): boolean {
  const given = isObject(wanted as never) ? Object.entries(wanted as object) : [];
  return given.every(([key, value]) => labels.get(key) === value);
}

describe.skipIf(shared === null)('manifests that other projects ship', () => {
  test('kube-prometheus: every policy and every Service selects pods, also those that only the operator makes', () => {
    const objects = project('kube-prometheus');
    const { cluster, diagnostics } = buildCluster(objects);
    expect(diagnostics).toEqual([]);
    expect(cluster.workloads.map(workloadId)).toEqual([
      'monitoring/blackbox-exporter[Deployment]',
      'monitoring/grafana[Deployment]',
      'monitoring/k8s[Prometheus]',
      'monitoring/kube-state-metrics[Deployment]',
      'monitoring/main[Alertmanager]',
      'monitoring/node-exporter[DaemonSet]',
      'monitoring/prometheus-adapter[Deployment]',
      'monitoring/prometheus-operator[Deployment]',
    ]);
    const pods = cluster.workloads.flatMap((workload) => workload.pods);
    const policies = objects.filter(({ ref }) => ref.kind === 'NetworkPolicy');
    expect(policies).toHaveLength(8);
    for (const { value, ref } of policies) {
      const { podSelector } = value.spec as never as { podSelector: { matchLabels: object } };
      expect(
        pods.filter((pod) => carriesAll(pod.labels, podSelector.matchLabels)),
        ref.name,
      ).toHaveLength(1);
    }
    for (const service of cluster.services) {
      const [backend] = service.backends;
      expect(backend?.ports.length, service.name).toBe(service.ports.length);
    }
    const prometheus = cluster.services.find(({ name }) => name === 'prometheus-k8s');
    expect(prometheus?.backends[0]?.ports.map(({ service, port }) => [service.name, port])).toEqual([
      ['web', 9090],
      ['reloader-web', 8080],
    ]);
  });

  test('argo-cd', () => {
    const { cluster, diagnostics } = buildCluster(project('argo-cd'));
    expect(diagnostics).toEqual([]);
    expect(cluster.workloads.map(workloadId)).toEqual([
      'default/argocd-application-controller[StatefulSet]',
      'default/argocd-applicationset-controller[Deployment]',
      'default/argocd-dex-server[Deployment]',
      'default/argocd-notifications-controller[Deployment]',
      'default/argocd-redis[Deployment]',
      'default/argocd-repo-server[Deployment]',
      'default/argocd-server[Deployment]',
    ]);
    expect(cluster.services.filter((service) => service.backends.length !== 1)).toEqual([]);
  });

  test.each([
    ['online-boutique', 12],
    ['sock-shop', 14],
    ['recipes', 0],
  ])('%s has %i workloads, all of its Services lead somewhere, nothing is to be said', (name, count) => {
    const { cluster, diagnostics } = buildCluster(project(name));
    expect(diagnostics).toEqual([]);
    expect(cluster.workloads).toHaveLength(count);
    expect(cluster.services.filter((service) => service.backends.length === 0).map((service) => service.name)).toEqual(
      [],
    );
  });
});
