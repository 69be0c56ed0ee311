import { describe, expect, it } from 'vitest';
import { indexPath, joinPath, keyPath, parseFieldPath } from '../../src/manifest/field-path.ts';
import { readManifests } from '../../src/manifest/read.ts';

describe('field paths', () => {
  it.each([
    ['', []],
    ['spec', ['spec']],
    ['spec.ingress[0].ports[1].port', ['spec', 'ingress', '0', 'ports', '1', 'port']],
    ['metadata.labels[app.kubernetes.io/name]', ['metadata', 'labels', 'app.kubernetes.io/name']],
    ['metadata.annotations[a[b].c].x', ['metadata', 'annotations', 'a[b', 'c]', 'x']],
    ['items[3][0]', ['items', '3', '0']],
    ['a[x]y]', ['a', 'x]y']],
    ['a[b', ['a', '[b']],
    ['.spec..x', ['spec', 'x']],
  ])('%j', (path, steps) => {
    expect(parseFieldPath(path)).toEqual(steps);
  });

  it('are built in the form in which they are read', () => {
    const path = indexPath(keyPath(keyPath(keyPath('', 'spec'), 'app.kubernetes.io/name'), 'x'), 2);
    expect(path).toBe('spec[app.kubernetes.io/name].x[2]');
    expect(parseFieldPath(path)).toEqual(['spec', 'app.kubernetes.io/name', 'x', '2']);
    expect(joinPath('items[3]', 'spec.x')).toBe('items[3].spec.x');
    expect(joinPath('items[3]', '[0]')).toBe('items[3][0]');
    expect(joinPath('items[3]', '')).toBe('items[3]');
    expect(joinPath('', 'spec')).toBe('spec');
  });
});

describe('locate', () => {
  const text = `# a comment
apiVersion: v1
kind: Foo
metadata:
  name: a
  labels: {app.kubernetes.io/name: web, "tier": 'x'}
spec:
  empty:
  list:
    - port: 80
      protocol: TCP
    -
      port: "81"
    - [1, {two: 2}]
    - &item text
    - *item
  folded: >-
    some
    text
  literal: | # with a comment
    x
  tagged: !!str 5
  anchored: &map
    inner: 1
  copy: *map
  merged:
    <<: *map
    own: 2
  flow: [
  a,
    {b:
      c}
  ]
  yes: bool key
  0x10: number key
  twice: 1
  twice: 2
  ? explicit
  : value
`;
  const source = readManifests([{ file: 'f.yaml', text }]).objects[0]?.ref.source;

  it.each([
    ['', 2, 1],
    ['kind', 3, 7],
    ['metadata', 4, 1],
    ['metadata.name', 5, 9],
    ['metadata.labels', 6, 3],
    ['metadata.labels[app.kubernetes.io/name]', 6, 36],
    ['metadata.labels.app.kubernetes.io/name', 6, 36],
    ['metadata.labels.tier', 6, 49],
    ['spec.empty', 8, 3],
    ['spec.list', 9, 3],
    ['spec.list[0]', 10, 7],
    ['spec.list[0].port', 10, 13],
    ['spec.list[0].protocol', 11, 17],
    ['spec.list[1]', 13, 7],
    ['spec.list[1].port', 13, 13],
    ['spec.list[2]', 14, 7],
    ['spec.list[2][1].two', 14, 17],
    ['spec.list[3]', 15, 7],
    ['spec.list[4]', 16, 7],
    ['spec.folded', 17, 11],
    ['spec.literal', 20, 12],
    ['spec.tagged', 22, 11],
    ['spec.anchored', 23, 3],
    ['spec.anchored.inner', 24, 12],
    ['spec.copy', 25, 9],
    ['spec.copy.inner', 24, 12],
    ['spec.merged.inner', 24, 12],
    ['spec.merged.own', 28, 10],
    ['spec.flow', 29, 3],
    ['spec.flow[0]', 30, 3],
    ['spec.flow[1].b', 32, 7],
    ['spec.true', 34, 8],
    ['spec.16', 35, 9],
    ['spec.twice', 37, 10],
    ['spec.explicit', 39, 5],
  ])('finds %j', (path, line, column) => {
    expect(source?.locate(path)).toEqual({ line, column });
  });

  it.each([
    ['nowhere', '', 2, 1],
    ['metadata.namespace', 'metadata', 4, 1],
    ['metadata.name.x.y[3]', 'metadata.name', 5, 9],
    ['spec.list[9].port', 'spec.list', 9, 3],
    ['spec.list[x]', 'spec.list', 9, 3],
    ['spec.list[0].x', 'spec.list[0]', 10, 7],
    ['spec.list[-1]', 'spec.list', 9, 3],
    ['metadata.constructor', 'metadata', 4, 1],
  ])('gives for %j its nearest parent %j', (path, _, line, column) => {
    expect(source?.locate(path)).toEqual({ line, column });
  });
});
