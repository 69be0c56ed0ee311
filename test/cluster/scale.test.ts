import { expect, test } from 'vitest';
import { buildCluster } from '../../src/cluster/build.ts';
import type { Json, KubeObject } from '../../src/manifest/object.ts';

function object(kind: string, name: string, value: { readonly [key: string]: Json }): KubeObject {
  return { ref: { apiVersion: 'v1', kind, namespace: 'shop', name, source: null }, value };
}

/** One namespace in which no two pods carry the same labels is the worst case of looking up selectors. */
function objectsOf(count: number): KubeObject[] {
  const out: KubeObject[] = [];
  for (let i = 0; i < count; i++) {
    const labels = { app: 'web', tier: i % 2 === 0 ? 'a' : 'b', instance: `web-${i}` };
    out.push(
      object('Pod', `web-${i}`, {
        metadata: { labels },
        spec: {},
        status: { podIP: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` },
      }),
    );
    const selector = { app: 'web', instance: `web-${i}` };
    out.push(object('Service', `web-${i}`, { spec: { selector, ports: [{ port: 80 }] } }));
  }
  return out;
}

test('25,000 pods of as many label sets, each with a Service: no step looks at all pods for each Service', () => {
  const objects = objectsOf(25_000);
  const start = performance.now();
  const { cluster } = buildCluster(objects);
  let backends = 0;
  for (const service of cluster.services) backends += service.backends.length;
  expect(backends).toBe(25_000);
  // 625 million comparisons take longer than this; with the index it is a second on a slow machine.
  expect(performance.now() - start).toBeLessThan(10_000);
});
