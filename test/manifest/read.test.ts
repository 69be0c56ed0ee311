import { describe, expect, it } from 'vitest';
import { dropDuplicates } from '../../src/manifest/duplicates.ts';
import { type ReadOptions, readManifests } from '../../src/manifest/read.ts';
import { objectId } from '../../src/model/origin.ts';

const read = (text: string, options?: ReadOptions) => readManifests([{ file: 'f.yaml', text }], options);
const ids = (text: string, options?: ReadOptions) => read(text, options).objects.map(({ ref }) => objectId(ref));
const bytes = (input: readonly number[]) => readManifests([{ file: 'f.yaml', bytes: new Uint8Array(input) }]);
const utf8 = (text: string) => [...new TextEncoder().encode(text)];

const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n`;
const json = (name: string) => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });

/** Code, line and column of each diagnostic, wherever it keeps them. */
function places(text: string, options?: ReadOptions): string[] {
  return read(text, options).diagnostics.map(({ code, at, origin }) => {
    const place = at ?? origin?.object.source?.locate(origin.field);
    return `${code} ${place?.line}:${place?.column}`;
  });
}

describe('documents', () => {
  it('reads several documents and ignores empty ones and comments', () => {
    const text = `---\n# only a comment\n---\n${configMap('a')}---   # comment\n\n---\nnull\n---\n~\n---\n${configMap('b')}---\n`;
    expect(ids(text)).toEqual(['ConfigMap/default/a', 'ConfigMap/default/b']);
    expect(read(text).diagnostics).toEqual([]);
    expect(read('').objects).toEqual([]);
    expect(read('\n\n# x').diagnostics).toEqual([]);
  });

  it('reads on behind a broken document, with right lines on both sides', () => {
    const text = `${configMap('a')}---\nfoo: [1\n---\n${configMap('b')}---\n  a: 1\n b: 2\n---\nkind: 5\napiVersion: v1\n`;
    expect(ids(text)).toEqual(['ConfigMap/default/a', 'ConfigMap/default/b']);
    expect(places(text)).toEqual(['RP003 7:1', 'RP003 14:2', 'RP011 16:7']);
  });

  it('keeps files apart', () => {
    const { objects, diagnostics } = readManifests([
      { file: 'a.yaml', text: `${configMap('a')}---\n{` },
      { file: 'b.json', text: json('b') },
      { file: '-', bytes: new Uint8Array(utf8(configMap('c'))) },
    ]);
    expect(objects.map(({ ref }) => ref.source?.file)).toEqual(['a.yaml', 'b.json', '-']);
    expect(diagnostics.map(({ at }) => at?.file)).toEqual(['a.yaml']);
  });

  it('refuses a separator with text behind it and leaves that document out', () => {
    const text = `${configMap('a')}--- {}\n${configMap('b')}---\n${configMap('c')}`;
    expect(ids(text)).toEqual(['ConfigMap/default/a', 'ConfigMap/default/c']);
    expect(places(text)).toEqual(['RP004 5:1']);
  });

  it('reads nothing behind a document end marker, and says so', () => {
    const text = `${configMap('a')}...\n# fine\n...\n---\n${configMap('b')}...\n${configMap('c')}`;
    expect(ids(text)).toEqual(['ConfigMap/default/a', 'ConfigMap/default/b']);
    expect(places(text)).toEqual(['RP016 14:1']);
    expect(read(text).diagnostics[0]).toMatchObject({ severity: 'warning' });
  });

  it.each([
    ['CRLF', `${configMap('a')}---\n${configMap('b')}`.replaceAll('\n', '\r\n')],
    ['lone CR inside of a document', `${configMap('a').replaceAll('\n', '\r')}\n---\n${configMap('b')}`],
    ['a byte order mark', `\ufeff${configMap('a')}---\n${configMap('b')}`],
    ['a byte order mark before a separator', `\ufeff---\n${configMap('a')}---\n${configMap('b')}`],
  ])('reads %s', (_, text) => {
    expect(ids(text)).toEqual(['ConfigMap/default/a', 'ConfigMap/default/b']);
    expect(read(text).diagnostics).toEqual([]);
  });

  it('counts lines and columns in CRLF files as editors do', () => {
    const { objects } = read(`---\r\n${configMap('a').replaceAll('\n', '\r\n')}`);
    expect(objects[0]?.ref.source?.locate('metadata.name')).toEqual({ line: 5, column: 9 });
  });

  it.each(['le', 'be'] as const)('reads UTF-16%s with a byte order mark', (order) => {
    const units = [...`\ufeff${configMap('ä')}`].map((char) => char.charCodeAt(0));
    const { objects } = bytes(
      units.flatMap((unit) => (order === 'le' ? [unit & 255, unit >> 8] : [unit >> 8, unit & 255])),
    );
    expect(objects.map(({ ref }) => ref.name)).toEqual(['ä']);
  });

  it.each([
    ['a stray byte', [0xff]],
    ['an overlong form', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
    ['a cut sequence', [0xe2, 0x82]],
  ])('locates what is not UTF-8: %s', (_, fault) => {
    const { objects, diagnostics } = bytes([...utf8(`${configMap('a')}# ü€😀 `), ...fault, 10]);
    expect(objects).toEqual([]);
    // The emoji is two UTF-16 units.
    expect(diagnostics).toMatchObject([{ code: 'RP002', at: { file: 'f.yaml', line: 5, column: 8 }, refused: true }]);
  });

  it('refuses control characters where they stand, comments included', () => {
    expect(places(`${configMap('a')}---\n# \u0007\n${configMap('b')}`)).toEqual(['RP003 6:3']);
    expect(places(`a: \0\n`)).toEqual(['RP003 1:4']);
  });

  it('ends a comment at a Unicode line break, as Kubernetes tools do', () => {
    const { objects } = read(`${configMap('a')}data:\n  x: "1" # \u2028  z: "2"\n`);
    expect(objects[0]?.value.data).toEqual({ x: '1', z: '2' });
    expect(objects[0]?.ref.source?.locate('data.z')).toEqual({ line: 6, column: 18 });
  });

  it('refuses what is larger than the limits, with a way out', () => {
    expect(read(configMap('a'), { maxBytes: 10 }).diagnostics).toMatchObject([{ code: 'RP001', severity: 'error' }]);
    expect(ids(`${configMap('a')}---\n${configMap('long-name')}`, { maxDocumentLength: 55 })).toHaveLength(1);
    expect(places(`${configMap('a')}---\n${configMap('long-name')}`, { maxDocumentLength: 55 })).toEqual(['RP001 6:1']);
  });
});

describe('nesting and aliases', () => {
  const nested = (depth: number) => `${configMap('a')}x: ${'['.repeat(depth)}${']'.repeat(depth)}\n`;

  it('refuses absurd nesting in YAML and JSON without using up the stack', () => {
    expect(read(nested(100)).diagnostics).toEqual([]);
    expect(places(nested(100_000))).toEqual(['RP005 5:259']);
    const deep = `{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(places(deep)).toEqual(['RP005 1:1']);
    expect(places(`a:\n${Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i + 1)}a:`).join('\n')}`)).toHaveLength(
      1,
    );
  });

  it('shares aliases and bounds what they expand to', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`,
    );
    const bomb = `${configMap('a')}l0: &l0 [x, x, x, x, x, x, x, x, x]\n${levels.join('\n')}\n`;
    const { objects, diagnostics } = read(bomb);
    expect(objects).toEqual([]);
    expect(diagnostics).toMatchObject([{ code: 'RP006', message: 'document contains excessive aliasing' }]);
    expect(ids(`${configMap('a')}x: &x [1, 2]\ny: [*x, *x, *x]\n`)).toHaveLength(1);
  });

  it('refuses cycles and unknown anchors', () => {
    expect(places(`${configMap('a')}x: &x\n  - *x\n`)).toEqual(['RP006 6:5']);
    expect(places(`${configMap('a')}x: *y\n`)).toEqual(['RP006 5:4']);
  });

  it('does not carry anchors from one document into the next', () => {
    expect(places(`${configMap('a')}x: &x 1\n---\n${configMap('b')}y: *x\n`)).toEqual(['RP006 11:4']);
  });
});

describe('JSON', () => {
  it('reads one value, several, and several between separators', () => {
    expect(ids(json('a'))).toEqual(['ConfigMap/default/a']);
    expect(ids(`${json('a')}${json('b')}\n \n${json('c')}`)).toHaveLength(3);
    expect(ids(`${json('a')}\n---\n${json('b')}\n`)).toHaveLength(2);
  });

  it('says where a broken value among others is broken', () => {
    const text = `${json('a')}\n{"apiVersion": "v1",\n "kind": }\n${json('b')}`;
    expect(ids(text)).toEqual(['ConfigMap/default/a', 'ConfigMap/default/b']);
    expect(places(text)).toEqual(['RP011 3:2']);
    expect(places(`${json('a')}\n{"a": "b" "c": 1}\n`)).toEqual(['RP003 2:11']);
    expect(places(`${json('a')}\n{"a": `)).toEqual(['RP003 2:7']);
  });

  it('warns of YAML that kubectl would take for JSON', () => {
    const text = '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}';
    expect(ids(text)).toEqual(['ConfigMap/default/a']);
    expect(read(text).diagnostics).toMatchObject([{ code: 'RP003', severity: 'warning' }]);
  });

  it('locates fields, on one line and on many', () => {
    const value = { apiVersion: 'v1', kind: 'List', items: [JSON.parse(json('a')), JSON.parse(json('b'))] };
    const [, second] = read(`\n${JSON.stringify(value, null, 2)}`).objects;
    expect(second?.ref.source?.locate('metadata.name')).toEqual({ line: 17, column: 17 });
    const [, b] = read(`${json('a')} ${json('b')}`).objects;
    expect(b?.ref.source?.locate('kind')).toEqual({
      line: 1,
      column: json('a').length + 2 + '{"apiVersion":"v1","kind":'.length,
    });
  });

  it('finds keys that occur twice', () => {
    const text = '{"apiVersion":"v1","kind":"A","metadata":{"name":"a","labels":{"x/y":"1","x/y":"2"}}}';
    const { objects, diagnostics } = read(text);
    expect(objects[0]?.value.metadata).toMatchObject({ labels: { 'x/y': '2' } });
    expect(diagnostics).toMatchObject([
      { code: 'RP008', severity: 'error', origin: { field: 'metadata.labels[x/y]', object: { name: 'a' } } },
    ]);
    expect(diagnostics[0]?.refused).toBeUndefined();
  });

  it('refuses a number that is none in Go', () => {
    expect(places('{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"x":1e400}')).toEqual(['RP007 1:59']);
  });

  it('keeps keys that mean something to JavaScript', () => {
    const text = '{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"__proto__":{"kind":"B"},"constructor":1}';
    for (const input of [text, `# yaml\n${text}`]) {
      const { objects, diagnostics } = read(input);
      expect(diagnostics).toEqual([]);
      expect(Object.keys(objects[0]?.value ?? {})).toContain('__proto__');
      expect(Object.getPrototypeOf(objects[0]?.value)).toBe(Object.prototype);
    }
  });
});

describe('keys that occur twice', () => {
  it('are errors, and the last counts, as with kubectl', () => {
    const text = `${configMap('a')}spec:\n  list:\n    - {}\n    - a: 1\n      b: 2\n      a: 3\n`;
    const { objects, diagnostics } = read(text);
    expect(objects[0]?.value.spec).toEqual({ list: [{}, { a: 3, b: 2 }] });
    expect(diagnostics).toMatchObject([{ code: 'RP008', origin: { field: 'spec.list[1].a' } }]);
    expect(places(text)).toEqual(['RP008 10:10']);
  });

  it('are told of the object of a list that has them', () => {
    const text =
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n  metadata: {name: a}\n  x: 1\n  x: 2\n';
    expect(read(text).diagnostics).toMatchObject([{ code: 'RP008', origin: { field: 'x', object: { name: 'a' } } }]);
    expect(places(text)).toEqual(['RP008 8:6']);
  });

  it('are told of a list itself', () => {
    const text = `apiVersion: v1\nkind: List\nkind: List\nitems: [${json('a')}]\n`;
    expect(ids(text)).toEqual(['ConfigMap/default/a']);
    expect(places(text)).toEqual(['RP008 3:7']);
  });

  it('may come from a merge', () => {
    expect(read(`${configMap('a')}x: &x {a: 1}\ny:\n  <<: *x\n  a: 2\n`).diagnostics).toEqual([]);
    expect(places(`${configMap('a')}x: &x {a: 1}\ny:\n  <<: *x\n  a: 2\n  a: 3\n`)).toEqual(['RP008 9:6']);
  });
});

describe('lists', () => {
  it('are flattened, however deep', () => {
    const text = `apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - ${json('a')}\n- ${json('b')}\n`;
    expect(ids(text)).toEqual(['ConfigMap/default/a', 'ConfigMap/default/b']);
    const [a] = read(text).objects;
    expect(a?.ref.source?.locate('kind')).toEqual({ line: 7, column: 31 });
  });

  it('of a kind lend it to items that state neither kind nor version', () => {
    const text =
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicyList\nitems:\n- metadata: {name: a, namespace: x}\n';
    const [a] = read(text).objects;
    expect(a?.ref).toMatchObject({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'x' });
    expect(a?.value).toEqual({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'a', namespace: 'x' },
    });
    expect(places(text.replace('- metadata', '- kind: NetworkPolicy\n  metadata'))).toEqual(['RP010 4:3']);
    expect(places('apiVersion: v1\nkind: List\nitems:\n- metadata: {name: a}\n')).toEqual(['RP011 4:3']);
  });

  it('may be empty', () => {
    for (const items of ['', 'items: []', 'items: null', 'items:']) {
      expect(read(`apiVersion: v1\nkind: List\n${items}\n`)).toEqual({ objects: [], diagnostics: [] });
    }
  });

  it.each([
    ['items: 5', ['RP015 3:8']],
    ['items: {}', ['RP015 3:1']],
    [`items: [5, null, [], ${json('a')}]`, ['RP015 3:9', 'RP015 3:12', 'RP015 3:18']],
  ])('with bad items: %s', (items, expected) => {
    expect(places(`apiVersion: v1\nkind: List\n${items}\n`)).toEqual(expected);
  });

  it('are what kubectl makes of any object with items', () => {
    const text = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelector: {}}\nitems:\n- ${json('b')}\n`;
    expect(ids(text)).toEqual(['ConfigMap/default/b']);
    expect(places(text)).toEqual(['RP019 5:1']);
  });
});

describe('what is no object', () => {
  it.each([
    ['hello\n', 'RP009 1:1'],
    ['\n- a\n', 'RP009 2:1'],
    ['[1]', 'RP009 1:1'],
    ['""', 'RP009 1:1'],
    ['kind: X\nmetadata: {name: a}\n', 'RP010 1:1'],
    ['apiVersion: 1\nkind: X\n', 'RP010 1:13'],
    ['apiVersion: ""\nkind: X\n', 'RP010 1:13'],
    ['apiVersion: a/b/c\nkind: X\n', 'RP010 1:13'],
    ['apiVersion: v1\n', 'RP011 1:1'],
    ['apiVersion: v1\nkind: [X]\n', 'RP011 2:1'],
    ['apiVersion: v1\nkind: yes\n', 'RP011 2:7'],
    ['apiVersion: v1\nkind: X\n', 'RP013 1:1'],
    ['apiVersion: v1\nkind: X\nmetadata:\n', 'RP013 3:1'],
    ['apiVersion: v1\nkind: X\nmetadata: []\n', 'RP012 3:1'],
    ['apiVersion: v1\nkind: X\nmetadata: x\n', 'RP012 3:11'],
    ['apiVersion: v1\nkind: X\nmetadata:\n  labels: {}\n', 'RP013 3:1'],
    ['apiVersion: v1\nkind: X\nmetadata:\n  name: 12\n', 'RP013 4:9'],
    ['apiVersion: v1\nkind: X\nmetadata:\n  name: ""\n', 'RP013 4:9'],
    ['apiVersion: v1\nkind: X\nmetadata:\n  name: a\n  namespace: 5\n', 'RP014 5:14'],
  ])('%j', (text, place) => {
    const { objects, diagnostics } = read(text);
    expect(objects).toEqual([]);
    expect(places(text)).toEqual([place]);
    expect(diagnostics).toMatchObject([{ severity: 'error', refused: true, origin: null }]);
    expect(diagnostics[0]?.help).toBeTruthy();
    expect(ids(`${text}\n---\n${configMap('a')}`.replace(/^\[1\]/, '# list\n[1]'))).toEqual(['ConfigMap/default/a']);
  });
});

describe('names and namespaces', () => {
  const object = (apiVersion: string, kind: string, namespace = '') =>
    `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a${namespace}}\n`;

  it.each([
    ['v1', 'Pod', 'Pod/default/a'],
    ['networking.k8s.io/v1', 'NetworkPolicy', 'NetworkPolicy/default/a'],
    ['v1', 'Namespace', 'Namespace/a'],
    ['v1', 'Node', 'Node/a'],
    ['policy.networking.k8s.io/v1alpha1', 'AdminNetworkPolicy', 'AdminNetworkPolicy/a'],
    ['policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicy', 'ClusterNetworkPolicy/a'],
    ['projectcalico.org/v3', 'GlobalNetworkPolicy', 'GlobalNetworkPolicy/a'],
    ['crd.projectcalico.org/v1', 'NetworkPolicy', 'NetworkPolicy/default/a'],
    ['cilium.io/v2', 'CiliumClusterwideNetworkPolicy', 'CiliumClusterwideNetworkPolicy/a'],
    ['cilium.io/v2', 'CiliumNetworkPolicy', 'CiliumNetworkPolicy/default/a'],
    ['rbac.authorization.k8s.io/v1', 'ClusterRole', 'ClusterRole/a'],
    ['example.com/v1', 'Namespace', 'Namespace/a'],
    ['example.com/v1', 'Unknown', 'Unknown/a'],
  ])('%s %s', (apiVersion, kind, id) => {
    expect(ids(object(apiVersion, kind))).toEqual([id]);
  });

  it('takes the given default, ignores the namespace of what has none, and reads an empty one as absent', () => {
    expect(ids(object('v1', 'Pod'), { defaultNamespace: 'x' })).toEqual(['Pod/x/a']);
    expect(ids(object('v1', 'Pod', ', namespace: ""'))).toEqual(['Pod/default/a']);
    expect(ids(object('v1', 'Pod', ', namespace: z'), { defaultNamespace: 'x' })).toEqual(['Pod/z/a']);
    expect(ids(object('v1', 'Node', ', namespace: z'))).toEqual(['Node/a']);
    expect(ids(object('example.com/v1', 'Unknown', ', namespace: z'))).toEqual(['Unknown/z/a']);
  });

  it('believes the definitions in the input, wherever they stand', () => {
    const definition = (scope: string) =>
      `apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: us.example.com}\nspec: {group: example.com, scope: ${scope}, names: {kind: Unknown}}\n`;
    expect(ids(`${object('example.com/v1', 'Unknown')}---\n${definition('Namespaced')}`)[0]).toBe('Unknown/default/a');
    expect(ids(`${definition('Cluster')}---\n${object('example.com/v1', 'Unknown', ', namespace: z')}`)[1]).toBe(
      'Unknown/a',
    );
  });

  it('keeps an object whose name the server makes', () => {
    const text = 'apiVersion: v1\nkind: Pod\nmetadata:\n  generateName: a-\n';
    const reading = read(`${text}---\n${text}`);
    expect(reading.objects.map(({ ref }) => ref.name)).toEqual(['a-*', 'a-*']);
    expect(reading.diagnostics).toMatchObject([{ code: 'RP018', severity: 'info' }, { code: 'RP018' }]);
    expect(dropDuplicates(reading.objects)).toEqual({ objects: reading.objects, diagnostics: [] });
  });
});

describe('objects given twice', () => {
  it('count once, the last; each earlier one is an error', () => {
    const policy = (version: string, name: string) =>
      `apiVersion: networking.k8s.io/${version}\nkind: NetworkPolicy\nmetadata: {name: ${name}}\n`;
    const text = [policy('v1', 'a'), policy('v1', 'b'), policy('v1beta1', 'a'), policy('v1', 'a')].join('---\n');
    const { objects } = read(text);
    const { objects: kept, diagnostics } = dropDuplicates(objects);
    expect(kept).toEqual([objects[1], objects[3]]);
    expect(diagnostics.map(({ code, severity, origin }) => [code, severity, origin?.object])).toEqual([
      ['RP017', 'error', objects[0]?.ref],
      ['RP017', 'error', objects[2]?.ref],
    ]);
    expect(diagnostics[0]?.message).toBe(
      '`NetworkPolicy/default/a` is given again in `f.yaml:15`; the last one counts',
    );
    expect(diagnostics.every(({ refused }) => refused === undefined)).toBe(true);
  });

  it('are told apart by group, kind, namespace and name; namespaces themselves are no exception', () => {
    const text = [
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n',
      'apiVersion: v1\nkind: Node\nmetadata: {name: a}\n',
      'apiVersion: example.com/v1\nkind: Node\nmetadata: {name: a}\n',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: x}\n',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: default}\n',
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: y}}\n',
    ].join('---\n');
    const { objects } = read(text);
    const { objects: kept, diagnostics } = dropDuplicates(objects);
    expect(kept).toEqual([1, 2, 4, 5, 6].map((index) => objects[index]));
    expect(diagnostics.map(({ origin }) => origin && objectId(origin.object))).toEqual([
      'Namespace/a',
      'Pod/default/a',
    ]);
  });
});
