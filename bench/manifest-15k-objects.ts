/**
 * Reads 15,306 network policies (about 6.5 MB) from YAML, from one JSON list and from JSON values in a row, and locates one
 * field in each object. Run with `node bench/manifest-15k-objects.ts`.
 */
import { dropDuplicates } from '../src/manifest/duplicates.ts';
import type { Reading } from '../src/manifest/object.ts';
import { readManifests } from '../src/manifest/read.ts';

const OBJECTS = 15_306;
const RUNS = 5;

function policy(index: number): string {
  return `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-${index}
  namespace: ns-${index % 300}
  labels:
    app.kubernetes.io/name: app-${index}
    app.kubernetes.io/part-of: shop
spec:
  podSelector:
    matchLabels:
      app: app-${index}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: app-${index + 1}
      ports:
        - protocol: TCP
          port: ${1000 + (index % 9000)}
`;
}

function measure(name: string, text: string): Reading {
  const bytes = new TextEncoder().encode(text);
  const times: number[] = [];
  let reading: Reading = { objects: [], diagnostics: [] };
  for (let run = 0; run < RUNS; run++) {
    const begin = performance.now();
    reading = readManifests([{ file: name, bytes }]);
    times.push(performance.now() - begin);
  }
  if (reading.objects.length !== OBJECTS || reading.diagnostics.length > 0) throw new Error(`${name}: wrong reading`);
  report(`${name} (${(bytes.length / 1e6).toFixed(1)} MB)`, times);
  return reading;
}

function report(name: string, times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? Number.NaN;
  console.log(`${name}: first ${times[0]?.toFixed(0)} ms, median ${median.toFixed(0)} ms`);
}

const documents = Array.from({ length: OBJECTS }, (_, index) => policy(index));
const { objects } = measure('yaml', documents.join('---\n'));
const values = objects.map(({ value }) => value);
measure('json list', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: values }, null, 2));
measure('json values', values.map((value) => JSON.stringify(value)).join('\n'));

const begin = performance.now();
let lines = 0;
for (const { ref } of objects) lines += ref.source?.locate('spec.ingress[0].ports[0].port').line ?? 0;
if (lines === 0) throw new Error('nothing was located');
report('locate one field in each', [performance.now() - begin]);

const before = performance.now();
if (dropDuplicates(objects).objects.length !== OBJECTS) throw new Error('duplicates where there are none');
report('drop duplicates', [performance.now() - before]);
