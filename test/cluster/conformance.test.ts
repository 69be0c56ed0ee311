import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildCluster } from '../../src/cluster/build.ts';
import { indexCluster } from '../../src/cluster/cluster-index.ts';
import { parseEndpoint } from '../../src/cluster/endpoint-text.ts';
import { findEndpoint } from '../../src/cluster/find.ts';
import { workloadId } from '../../src/model/cluster.ts';
import { objectsOf, sharedFolder } from './read-manifests.ts';

const shared = sharedFolder();

interface Case {
  readonly connectivity?: {
    readonly peers: readonly string[];
    readonly ingressController?: readonly {
      readonly dst: string;
      readonly conn: Readonly<Record<string, readonly (readonly [number, number])[]>>;
    }[];
  };
  readonly flows?: readonly { readonly src: string; readonly dst: string }[];
}

const cases =
  shared === null
    ? []
    : readdirSync(join(shared, 'conformance'), { withFileTypes: true })
        .filter((suite) => suite.isDirectory())
        .flatMap((suite) =>
          readdirSync(join(shared, 'conformance', suite.name)).map((name) =>
            join(shared, 'conformance', suite.name, name),
          ),
        )
        .filter((folder) => existsSync(join(folder, 'case.json')));

const read = (folder: string): Case => JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as Case;
const named = cases.map((folder) => ({ folder, name: folder.split('/').slice(-2).join('/'), expected: read(folder) }));
const withPeers = named.filter(({ expected }) => expected.connectivity !== undefined);
const withFlows = named.filter(({ expected }) => expected.flows !== undefined);
const withRoutes = withPeers.filter(({ expected }) => (expected.connectivity?.ingressController ?? []).length > 0);

describe.skipIf(shared === null)('the conformance cases', () => {
  test('are there', () => {
    expect(withPeers.length).toBeGreaterThanOrEqual(58);
    expect(withFlows.length).toBeGreaterThanOrEqual(200);
    expect(withRoutes.length).toBeGreaterThanOrEqual(5);
  });

  test.each(withPeers)('$name: the peers are the workloads', ({ folder, expected }) => {
    const { cluster } = buildCluster(objectsOf(join(folder, 'manifests')));
    const workloads = (expected.connectivity?.peers ?? []).filter((peer) => peer.includes('['));
    expect(cluster.workloads.map(workloadId).sort()).toEqual([...workloads].sort());
  });

  test.each(withFlows)('$name: what flows are between is a pod, a node or outside', ({ folder, expected }) => {
    const index = indexCluster(buildCluster(objectsOf(join(folder, 'manifests'))).cluster);
    for (const name of new Set((expected.flows ?? []).flatMap(({ src, dst }) => [src, dst]))) {
      const parsed = parseEndpoint(name);
      const found = parsed.ok ? findEndpoint(index, parsed.endpoint, { podFirst: true }) : null;
      if (name.includes('/')) {
        expect(found, name).toMatchObject({ kind: 'pods', family: null });
        expect(found?.kind === 'pods' ? found.pods.map((pod) => `${pod.namespace}/${pod.name}`) : [], name).toEqual([
          name,
        ]);
      } else expect(['node', 'external'], name).toContain(found?.kind);
    }
  });

  test.each(withRoutes)('$name: routes lead to every port that a controller may reach', ({ folder, expected }) => {
    const { cluster } = buildCluster(objectsOf(join(folder, 'manifests')));
    const reached = new Map<string, Set<number>>();
    for (const backend of cluster.routes.flatMap((route) => route.backends)) {
      const service = cluster.services.find(
        (one) => one.namespace === backend.namespace && one.name === backend.service,
      );
      for (const { pod, ports } of service?.backends ?? []) {
        const owner = cluster.workloads.find((workload) => pod !== null && workload.pods.includes(pod));
        if (owner === undefined) continue;
        const id = workloadId(owner);
        const known = reached.get(id) ?? new Set<number>();
        reached.set(id, known);
        for (const { service: own, port } of ports) {
          if (backend.port === null || backend.port === own.port || backend.port === own.name) known.add(port);
        }
      }
    }
    // The policies of these cases keep a controller from none of the ports; where they do, the case lists fewer.
    for (const { dst, conn } of expected.connectivity?.ingressController ?? []) {
      const ports = (conn.TCP ?? []).flatMap(([first, last]) =>
        Array.from({ length: last - first + 1 }, (_, i) => first + i),
      );
      expect(
        [...(reached.get(dst) ?? [])].sort((a, b) => a - b),
        dst,
      ).toEqual(ports);
    }
  });

  test('npa/malformed_pod_example.invalid: the pod is refused', () => {
    const folder = join(shared ?? '', 'conformance/npa/malformed_pod_example.invalid/manifests');
    const { cluster, diagnostics } = buildCluster(objectsOf(folder));
    expect(cluster.workloads).toEqual([]);
    expect(diagnostics.map(({ severity, refused, origin }) => [severity, refused, origin?.object.name])).toEqual([
      ['error', true, 'nginx'],
    ]);
  });
});
