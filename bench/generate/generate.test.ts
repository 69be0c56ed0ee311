import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { JsonObject } from '../../src/manifest/object.ts';
import { type ClusterOptions, generateCluster, generateFiles, SIZES } from '../generate.ts';
import { toYamlStream } from './yaml.ts';

const count = (objects: readonly JsonObject[], kind: RegExp): number =>
  objects.filter((object) => kind.test(String(object.kind))).length;

describe('generated clusters', () => {
  it.each([
    ['S', 1024, 580],
    ['M', 3004, 1640],
    ['L', 9904, 5300],
  ] as const)('size %s has %i pods and %i policies', (size, pods, policies) => {
    for (const extra of [{ barePods: true }, { kinds: ['np', 'cnp', 'anp'] }] satisfies ClusterOptions[]) {
      const objects = generateCluster({ ...SIZES[size], ...extra });
      expect(count(objects, /^Pod$/)).toBe(pods);
      expect(count(objects, /NetworkPolicy$/)).toBe(policies);
    }
  });

  it('reaches 100,000 pods and 10,000 policies, each name and address once', () => {
    const objects = generateCluster({ pods: 100_000, policies: 10_000 });
    expect(count(objects, /^Pod$/)).toBe(100_000);
    expect(count(objects, /^NetworkPolicy$/)).toBe(10_000);
    const names = new Set<string>();
    const addresses = new Set<string>();
    for (const object of objects) {
      const { namespace, name } = object.metadata as { namespace?: string; name: string };
      names.add(`${object.kind}/${namespace ?? ''}/${name}`);
      const ips = (object.status as { podIPs?: readonly { ip: string }[] } | undefined)?.podIPs ?? [];
      for (const { ip } of ips) addresses.add(ip);
    }
    expect(names.size).toBe(objects.length);
    expect(addresses.size).toBe(200_000);
  });

  it('depends on options and seed alone', () => {
    const options = { pods: 200, policies: 90 };
    expect(generateCluster({ ...options, seed: 7 })).toStrictEqual(generateCluster({ ...options, seed: 7 }));
    expect(generateCluster({ ...options, seed: 7 })).not.toStrictEqual(generateCluster({ ...options, seed: 8 }));
  });

  it('has no policies when open and no controllers when pods are bare', () => {
    const objects = generateCluster({ pods: 100, open: true, barePods: true });
    expect(count(objects, /Policy$|Deployment|ReplicaSet/)).toBe(0);
    expect(count(objects, /^Pod$/)).toBe(100);
  });

  it('writes YAML that a full parser reads back unchanged', () => {
    for (const objects of generateFiles({ pods: 90, policies: 60, kinds: ['np', 'cnp', 'anp'] }).values()) {
      const documents = parseAllDocuments(toYamlStream(objects));
      expect(documents.map((document) => document.toJS())).toStrictEqual(objects);
    }
    const odd = [
      { a: ['on', '', '1', null, [1, [true]], { b: [] }, {}], 'x: y': '- "q" # no\n', n: [{ c: { d: 'e' } }] },
    ];
    expect(parseAllDocuments(toYamlStream(odd)).map((document) => document.toJS())).toStrictEqual(odd);
  });
});
