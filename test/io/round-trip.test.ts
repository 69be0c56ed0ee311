import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inputOf } from '../../src/input/input.ts';
import { readPaths } from '../../src/io/files.ts';
import { readSnapshotMeta, snapshot } from '../../src/io/snapshot.ts';
import { dropDuplicates } from '../../src/manifest/duplicates.ts';
import type { KubeObject } from '../../src/manifest/object.ts';
import { readManifests } from '../../src/manifest/read.ts';
import { meaning } from './meaning.ts';

const SHARED = process.env.RAMPART_SHARED ?? resolve(import.meta.dirname, '../../../shared');
const there = existsSync(SHARED);
if (!there) console.log(`skipped: no reference material at ${SHARED}`);

/** Folders that hold one cluster each. */
const FOLDERS: readonly string[] = there
  ? ['k8s-e2e', 'cyclonus', 'npa', 'cnp-docs']
      .flatMap((suite) =>
        readdirSync(join(SHARED, 'conformance', suite)).map((name) => join('conformance', suite, name, 'manifests')),
      )
      .concat(readdirSync(join(SHARED, 'realworld')).map((name) => join('realworld', name)))
      .filter((folder) => existsSync(join(SHARED, folder)) && !folder.endsWith('.md'))
  : [];

describe.skipIf(!there)('a snapshot', () => {
  it('has the manifests of many clusters to be tried on', () => {
    expect(FOLDERS.length).toBeGreaterThan(100);
  });

  it.each(FOLDERS)('of %s reads back as an equal cluster under equal policies', async (folder) => {
    const objects = readManifests(await readPaths([join(SHARED, folder)])).objects;
    // An object that is given twice counts once; which one, is a matter of its place in the input.
    const unique: readonly KubeObject[] = dropDuplicates(objects).objects;
    const missing = [{ resource: 'pods', group: '', reason: 'a reason' }];
    const text = snapshot(unique, { context: 'c', serverVersion: null, time: null, missing, cni: null });
    const again = readManifests([{ file: 'snapshot.yaml', text }]);
    expect(again.diagnostics).toEqual([]);
    expect(meaning(inputOf(again.objects))).toBe(meaning(inputOf(unique)));
    // A snapshot of a snapshot is the same text.
    const meta = readSnapshotMeta(again.objects);
    expect(meta?.missing).toEqual(missing);
    if (meta !== null) expect(snapshot(again.objects, meta)).toBe(text);
  });
});
