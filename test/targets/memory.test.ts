import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { Pod } from '../../src/model/cluster.ts';
import { DEFAULT_LAYOUT } from '../../src/targets/nftables/layout.ts';
import { NodeCompiler } from '../../src/targets/nftables/node-compiler.ts';
import { read } from '../properties/world.ts';

const META = { apiVersion: 'v1' };
const OBJECTS = [
  { ...META, kind: 'Namespace', metadata: { name: 'shop' } },
  {
    ...META,
    kind: 'Node',
    metadata: { name: 'a' },
    status: { addresses: [{ type: 'InternalIP', address: '10.9.0.1' }] },
  },
  ...['db', 'web-1', 'web-2'].map((name, i) => ({
    ...META,
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels: { app: name.slice(0, 3) } },
    spec: { nodeName: 'a', containers: [{ name: 'c' }] },
    status: { phase: 'Running', podIP: `10.9.1.${i + 1}`, podIPs: [{ ip: `10.9.1.${i + 1}` }] },
  })),
];

// The first pod of a class is its example for as long as the class is there.
test('nothing keeps a pod that is gone: an agent sees many of them go', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const compiler = new NodeCompiler({ node: 'a', layout: DEFAULT_LAYOUT });
  const watched = ((): readonly WeakRef<Pod>[] => {
    const { cluster, program } = read(OBJECTS);
    compiler.load(cluster, program);
    const pods = cluster.workloads.flatMap(({ pods }) => pods);
    compiler.settle();
    const gone = pods.find(({ name }) => name === 'web-2');
    if (gone === undefined) throw new Error('no such pod');
    compiler.replacePod(gone, null);
    compiler.settle();
    return pods.sort((a, b) => a.name.localeCompare(b.name)).map((pod) => new WeakRef(pod));
  })();
  // What a reference was made of lives on until the end of the job.
  await new Promise((resolve) => setTimeout(resolve, 0));
  collect();
  expect(watched.map((pod) => pod.deref()?.name)).toEqual(['db', 'web-1', undefined]);
});
