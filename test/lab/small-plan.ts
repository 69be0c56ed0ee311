import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabPlan } from '../../src/lab/model.ts';
import { planLab } from '../../src/lab/model-plan.ts';
import { readManifests } from '../../src/manifest/read.ts';

/** The plan of `small.yaml`, with one address outside of each family; `more` are further manifests. */
export function smallPlan(more = ''): LabPlan {
  const texts = [readFileSync(join(import.meta.dirname, 'small.yaml'), 'utf8'), more];
  const inputs = texts.map((text, i) => ({ file: `small-${i}.yaml`, bytes: new TextEncoder().encode(text) }));
  return planLab(readManifests(inputs).objects, { addresses: ['203.0.113.7', '2001:db8:7::7'] });
}
