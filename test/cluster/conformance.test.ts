import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildCluster } from '../../src/cluster/build.ts';
import { workloadId } from '../../src/model/cluster.ts';
import { objectsOf, sharedFolder } from './read-manifests.ts';

const shared = sharedFolder();

interface Case {
  readonly connectivity?: { readonly peers: readonly string[] };
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

const withPeers = cases.flatMap((folder) => {
  const { connectivity } = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as Case;
  return connectivity === undefined
    ? []
    : [{ folder, name: folder.split('/').slice(-2).join('/'), peers: connectivity.peers }];
});

describe.skipIf(shared === null)('workloads of the conformance cases', () => {
  test('there are cases', () => {
    expect(withPeers.length).toBeGreaterThanOrEqual(58);
  });

  test.each(withPeers)('$name', ({ folder, peers }) => {
    const { cluster } = buildCluster(objectsOf(join(folder, 'manifests')));
    const expected = peers.filter((peer) => peer.includes('[')).sort();
    expect(cluster.workloads.map(workloadId).sort()).toEqual(expected);
  });
});
