import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { whoReaches } from '../../examples/library/who-reaches-the-database.ts';
import * as library from '../../src/index.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const SHOP = join(ROOT, 'examples', 'shop');

/** Names that users import: a change here is a change of the public contract. */
const NAMES = [
  'CompiledProgram',
  'DEFAULT_PAIR_LIMIT',
  'FORMATS',
  'POLICY_KINDS',
  'PROFILES',
  'TrafficTable',
  'answerQuestion',
  'assemble',
  'buildCluster',
  'connectivity',
  'diff',
  'dropDuplicates',
  'explainFlow',
  'explainPrepared',
  'exposure',
  'factsOf',
  'findEndpoint',
  'findFormat',
  'flowOf',
  'formatCidr',
  'formatIp',
  'formatRange',
  'formatSelector',
  'formatsFor',
  'indexCluster',
  'inputOf',
  'kindOf',
  'objectId',
  'parseCidr',
  'parseEndpoint',
  'parseIp',
  'policiesFor',
  'policiesOverview',
  'prepareExplain',
  'proposeFix',
  'readManifests',
  'readPolicies',
  'referenceVerdict',
  'render',
  'renderChunks',
  'selects',
  'verdict',
  'workloadId',
];

function manifestsIn(folder: string): { file: string; text: string }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => ({ file: name, text: readFileSync(join(folder, name), 'utf8') }));
}

describe('the library', () => {
  test('exports exactly the documented names', () => {
    expect(Object.keys(library).sort()).toEqual(NAMES);
  });

  test('documents every export', () => {
    const guide = join(ROOT, 'docs', 'guide', 'library.md');
    expect(existsSync(guide)).toBe(true);
    const text = readFileSync(guide, 'utf8');
    expect(NAMES.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test('the example answers with the library alone', () => {
    const answer = whoReaches(manifestsIn(SHOP), 'data/postgres', 'shop/frontend', 5432);
    expect(answer.reached).toEqual(['monitoring/prometheus[StatefulSet]', 'shop/api[Deployment]']);
    expect(answer.verdict).toBe('denied');
    expect(answer.because).toContain('NetworkPolicy/shop/default-deny');
  });
});
