import { describe, expect, it } from 'vitest';
import { dropDuplicates } from '../../src/manifest/duplicates.ts';
import { readManifests } from '../../src/manifest/read.ts';
import { mutations } from './mutations.ts';

const COUNT = Number(process.env.RAMPART_FUZZ_MUTATIONS ?? 2000);

describe('damaged manifests', () => {
  it(
    `are read or refused, never more: ${COUNT} of them`,
    () => {
      let objects = 0;
      let refused = 0;
      let slowest = { index: -1, milliseconds: 0 };
      for (const { index, text } of mutations(1, COUNT)) {
        const begin = performance.now();
        const reading = readManifests([{ file: 'f.yaml', text }]);
        const kept = dropDuplicates(reading.objects);
        const lines = text.split('\n');
        const seen = (position: { line: number; column: number } | undefined): void => {
          if (position === undefined) return;
          const length = lines[position.line - 1]?.length;
          if (length === undefined || position.column < 1 || position.column > length + 2) {
            throw new Error(`mutation ${index}: ${JSON.stringify(position)} is outside of the text\n${text}`);
          }
        };
        for (const { code, message, at, origin } of [...reading.diagnostics, ...kept.diagnostics]) {
          if (!/^RP0(0[1-9]|1[0-9])$/.test(code) || message === '')
            throw new Error(`mutation ${index}: ${code} ${message}`);
          if (at?.line !== undefined && at.column !== undefined) seen({ line: at.line, column: at.column });
          seen(origin?.object.source?.locate(origin.field));
        }
        for (const { ref, value } of reading.objects) {
          if (!ref.name || !ref.kind || !ref.apiVersion || ref.namespace === '')
            throw new Error(`mutation ${index}: ${text}`);
          seen(ref.source?.locate('spec.ingress[0].ports[0].port'));
          // What is read is JSON: it survives being written as such.
          expect(JSON.parse(JSON.stringify(value))).toEqual(value);
        }
        objects += reading.objects.length;
        refused += reading.diagnostics.filter((d) => d.refused).length;
        const milliseconds = performance.now() - begin;
        if (milliseconds > slowest.milliseconds) slowest = { index, milliseconds };
      }
      console.log(
        `${COUNT} mutations: ${objects} objects, ${refused} refused, slowest ${slowest.milliseconds.toFixed(0)} ms`,
      );
      // Both outcomes must be common, or the damage is too great or too small to find anything.
      expect(objects).toBeGreaterThan(COUNT * 0.5);
      expect(refused).toBeGreaterThan(COUNT * 0.1);
      // A watchdog for hangs, not a benchmark: ordinary is a millisecond.
      expect(slowest.milliseconds).toBeLessThan(5000);
    },
    Math.max(60_000, COUNT * 20),
  );

  it('are the same in every run', () => {
    const texts = [...mutations(7, 50)].map(({ text }) => text);
    expect([...mutations(7, 50)].map(({ text }) => text)).toEqual(texts);
    expect(new Set(texts).size).toBeGreaterThan(45);
    expect([...mutations(8, 50)].map(({ text }) => text)).not.toEqual(texts);
  });
});
