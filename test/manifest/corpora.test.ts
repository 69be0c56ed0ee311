import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dropDuplicates } from '../../src/manifest/duplicates.ts';
import { type ManifestInput, readManifests } from '../../src/manifest/read.ts';
import { objectId } from '../../src/model/origin.ts';

const shared = resolve(process.env.RAMPART_SHARED ?? join(import.meta.dirname, '../../../shared'));

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile() && /\.(?:ya?ml|json)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

const load = (file: string): ManifestInput => ({ file: relative(shared, file), bytes: readFileSync(file) });

const realWorld = filesBelow(join(shared, 'realworld'));
if (realWorld.length === 0) console.log(`no real-world manifests below ${shared}: skipped`);

describe.skipIf(realWorld.length === 0)('manifests that projects ship', () => {
  it('are read without a word', () => {
    const { objects, diagnostics } = readManifests(realWorld.map(load));
    expect(diagnostics).toEqual([]);
    expect(objects.length).toBeGreaterThanOrEqual(realWorld.length);
    expect(objects.some(({ ref }) => ref.kind === 'NetworkPolicy')).toBe(true);
    for (const { ref, value } of objects) {
      const place = ref.source?.locate('metadata.name');
      const line = readFileSync(join(shared, ref.source?.file ?? ''), 'utf8').split('\n')[(place?.line ?? 0) - 1] ?? '';
      expect(line.slice((place?.column ?? 0) - 1).replace(/^["']/, '')).toSatisfy((rest: string) =>
        rest.startsWith(ref.name),
      );
      expect(value.kind).toBe(ref.kind);
    }
  });
});

interface Case {
  readonly invalid?: readonly { readonly object: string | null; readonly why: string }[];
  readonly deviations?: readonly string[];
}

const conformance = existsSync(join(shared, 'conformance'))
  ? readdirSync(join(shared, 'conformance'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap((suite) =>
        readdirSync(join(shared, 'conformance', suite.name)).map((name) =>
          join(shared, 'conformance', suite.name, name),
        ),
      )
      .filter((folder) => existsSync(join(folder, 'case.json')))
  : [];
if (conformance.length === 0) console.log(`no conformance cases below ${shared}: skipped`);

describe.skipIf(conformance.length === 0)('manifests of the conformance cases', () => {
  it('are read without a word but for what is broken on purpose', () => {
    let objects = 0;
    const said = new Map<string, string[]>();
    for (const folder of conformance) {
      const { invalid = [], deviations = [] } = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as Case;
      // One folder is one input; a diff has two of them.
      const files = filesBelow(folder).filter((file) => !file.endsWith('case.json'));
      const folders = new Map<string, string[]>();
      for (const file of files) {
        const key = relative(folder, file).split('/')[0] ?? '';
        folders.set(key, [...(folders.get(key) ?? []), file]);
      }
      for (const [, inputs] of folders) {
        const reading = readManifests(inputs.map(load));
        const { objects: kept, diagnostics } = dropDuplicates(reading.objects);
        objects += kept.length;
        const twice = diagnostics.map(({ origin }) => (origin === null ? '' : objectId(origin.object)));
        if (deviations.includes('duplicate-object')) {
          expect(twice.filter((id) => invalid.some(({ object }) => object === id))).not.toEqual([]);
        } else expect([folder, twice.filter((id) => /Policy\//.test(id))]).toEqual([folder, []]);
        if (reading.diagnostics.length > 0) {
          said.set(
            relative(shared, folder),
            reading.diagnostics.map(({ code, message, at }) => `${code} ${at?.line} ${message}`),
          );
        }
        const isBroken = deviations.includes('parser-level') || invalid.length > 0;
        if (!isBroken) expect([folder, reading.diagnostics]).toEqual([folder, []]);
      }
    }
    console.log([...said].map(([name, messages]) => `${name}: ${messages.join('; ')}`).join('\n'));
    expect(objects).toBeGreaterThan(conformance.length);
  });
});
