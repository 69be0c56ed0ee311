/** From bytes to typed objects. */
import type { JsonObject } from '../src/manifest/object.ts';
import { readManifests } from '../src/manifest/read.ts';
import { toYamlStream } from './generate/yaml.ts';
import { generateCluster } from './generate.ts';
import { type BenchCase, type Measurement, runAlone, timed } from './suite/measure.ts';

const OBJECTS = 15_306;

export const benchCase: BenchCase = {
  name: 'read-15k-objects',
  title: 'Bytes → typed objects with their places',
  runs: 7,
  isolation: 'process-each',
  measure({ runs, tiny }): readonly Measurement[] {
    const objects = tiny ? manyObjects(60) : manyObjects(OBJECTS);
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    return [
      measured('YAML stream', toYamlStream(objects), objects.length, runs, 900),
      measured('JSON list', JSON.stringify(list, null, 2), objects.length, runs, 300),
    ];
  },
};

/** Of all kinds, the namespaces one after the other. */
function manyObjects(count: number): readonly JsonObject[] {
  const objects = generateCluster({
    pods: Math.ceil(count * 0.17),
    policies: Math.ceil(count * 0.75),
    barePods: true,
  });
  if (objects.length < count) throw new Error(`the generated cluster has ${objects.length} objects only`);
  return objects.slice(0, count);
}

function measured(job: string, text: string, count: number, runs: number, target: number): Measurement {
  const bytes = new TextEncoder().encode(text);
  const samples = Array.from({ length: runs }, () => {
    const { ms, value } = timed(() => readManifests([{ file: 'cluster', bytes }]));
    if (value.objects.length !== count || value.diagnostics.length > 0) throw new Error(`${job}: wrongly read`);
    return ms;
  });
  const note = `${count.toLocaleString('en')} objects, ${(bytes.length / 1e6).toFixed(1)} MB`;
  return { job, unit: 'ms', samples, target, note };
}

if (import.meta.main) await runAlone(benchCase, import.meta.url);
