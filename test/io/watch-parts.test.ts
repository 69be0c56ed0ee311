import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKnown, isOlder } from '../../src/io/watch-known.ts';
import { createReducers, recent } from '../../src/io/watch-reduce.ts';
import { splitList } from '../../src/io/watch-split.ts';
import { createBackoff } from '../../src/io/watch-wait.ts';
import type { JsonObject } from '../../src/manifest/object.ts';

function split(chunks: readonly Buffer[]): { items: JsonObject[]; around: JsonObject } {
  const items: JsonObject[] = [];
  const splitter = splitList((item) => items.push(item));
  for (const chunk of chunks) splitter.push(chunk);
  return { items, around: splitter.end() };
}

/** Cut at the given places. */
function cut(text: string, at: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text);
  const places = [...new Set(at.map((n) => n % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length));
}

describe('splitting a list', () => {
  it('gives what a parser of the whole gives, wherever it is cut, in any order of keys and any layout', () => {
    const json = fc.jsonValue({ maxDepth: 4, noUnicodeString: false });
    const item = fc.dictionary(fc.string({ unit: 'binary' }), json, { maxKeys: 4 });
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 5 }),
        fc.array(fc.tuple(fc.string({ unit: 'binary' }), json), { maxLength: 3 }),
        fc.nat(3),
        fc.constantFrom(undefined, 1, '\t'),
        fc.array(fc.nat(), { maxLength: 40 }),
        (items, others, position, layout, places) => {
          const entries: [string, unknown][] = others.filter(([key]) => key !== 'items');
          entries.splice(position, 0, ['items', items]);
          const text = JSON.stringify(Object.fromEntries(entries), null, layout);
          const whole = JSON.parse(text) as { items: JsonObject[] };
          const { items: found, around } = split(cut(text, places));
          expect(found).toEqual(whole.items);
          expect(around).toEqual({ ...whole, items: [] });
        },
      ),
      { numRuns: 400 },
    );
  });

  it('never takes a part for the whole', () => {
    const text = JSON.stringify({
      metadata: { resourceVersion: '1', items: [{ no: 1 }] },
      items: [{ metadata: { name: 'a"\\' } }, { items: [1, [2]], x: null }],
      kind: 'items',
    });
    expect(split([Buffer.from(text)]).items).toHaveLength(2);
    const bytes = Buffer.from(text);
    for (let end = 0; end < bytes.length; end++) expect(() => split([bytes.subarray(0, end)])).toThrow();
  });

  it.each([
    '',
    '[]',
    '7',
    '{}',
    '{"items":{}}',
    '{"items":[1]}',
    '{"items":["a"]}',
    '{"items":[[]]}',
    '{"items":[{}}}',
    '{"items":[{}]]',
    '}',
  ])('refuses %j', (text) => {
    expect(() => split([Buffer.from(text)])).toThrow(SyntaxError);
  });

  it('knows that an empty list may be null', () => {
    expect(split([Buffer.from('{"items":null}')]).items).toEqual([]);
  });
});

describe('reducing', () => {
  const { pod, policy, node, namespace } = createReducers();

  it('keeps of a pod what enforcement needs, and nothing that may be secret', () => {
    const full = {
      metadata: {
        name: 'a',
        namespace: 'n',
        uid: 'u',
        resourceVersion: '1',
        labels: { ['__proto__']: 'x', constructor: 'y' },
        annotations: { a: 'b' },
        creationTimestamp: 't1',
        deletionTimestamp: 't2',
        ownerReferences: [],
        managedFields: [],
      },
      spec: {
        nodeName: 'w',
        hostNetwork: true,
        volumes: [],
        containers: [{ name: 'c', image: 'i', env: [{ name: 'PASSWORD', value: 'p' }], ports: [{ containerPort: 1 }] }],
        initContainers: [{ name: 'i', restartPolicy: 'Always', ports: [{ containerPort: 2 }], command: ['x'] }],
      },
      status: {
        phase: 'Running',
        podIP: '1.1.1.1',
        podIPs: [{ ip: '1.1.1.1' }],
        hostIP: 'h',
        hostIPs: [{ ip: 'h' }],
        conditions: [],
      },
    };
    // Own keys of any name survive a round trip, as they do in what the server sends.
    const input = JSON.parse(
      JSON.stringify(full).replace('"constructor"', '"__proto__":"x","constructor"'),
    ) as JsonObject;
    const out = pod(input);
    expect(JSON.stringify(out)).toBe(
      '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"1",' +
        '"labels":{"__proto__":"x","constructor":"y"},"creationTimestamp":"t1","deletionTimestamp":"t2"},' +
        '"spec":{"nodeName":"w","hostNetwork":true,"containers":[{"name":"c","ports":[{"containerPort":1}]}],' +
        '"initContainers":[{"name":"i","ports":[{"containerPort":2}],"restartPolicy":"Always"}]},' +
        '"status":{"phase":"Running","podIP":"1.1.1.1","podIPs":[{"ip":"1.1.1.1"}],"hostIP":"h","hostIPs":[{"ip":"h"}]}}',
    );
  });

  it('keeps by what a static pod is known on its node', () => {
    const key = 'kubernetes.io/config.mirror';
    expect(pod({ metadata: { name: 'a', annotations: { [key]: 'x', other: 'y' } } }).metadata).toEqual({
      name: 'a',
      annotations: { [key]: 'x' },
    });
  });

  it('shares what is equal between objects', () => {
    const make = (name: string): JsonObject =>
      JSON.parse(
        `{"metadata":{"name":"${name}","labels":{"app":"web"}},"spec":{"containers":[{"name":"c","ports":[{"containerPort":1}]}]}}`,
      ) as JsonObject;
    const [a, b] = [pod(make('a')), pod(make('b'))] as [JsonObject, JsonObject];
    const part = (object: JsonObject, outer: string, inner: string): unknown => (object[outer] as JsonObject)[inner];
    expect(part(a, 'metadata', 'labels')).toBe(part(b, 'metadata', 'labels'));
    expect(part(a, 'spec', 'containers')).toBe(part(b, 'spec', 'containers'));
  });

  it('never fails, whatever is stored', () => {
    const policies = policy('g/v1', 'K');
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('metadata', 'spec', 'status', 'kind', '__proto__'),
          fc.jsonValue({ maxDepth: 4 }),
        ),
        (value) => {
          const object = JSON.parse(JSON.stringify(value)) as JsonObject;
          expect(pod(object).kind).toBe('Pod');
          expect(node(object).kind).toBe('Node');
          expect(namespace(object).kind).toBe('Namespace');
          expect(policies(object).kind).toBe('K');
        },
      ),
    );
    // Lists of containers that are none are passed on, for the reader to refuse.
    expect(pod({ spec: { containers: [null, 7], initContainers: 'x' } }).spec).toEqual({
      containers: [null, 7],
      initContainers: 'x',
    });
  });

  it('remembers what is used, within bounds', () => {
    const memory = recent<string>(2);
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) memory.put(key, key);
    expect(['a', 'b', 'e', 'f'].map((key) => memory.get(key))).toEqual([undefined, undefined, 'e', 'f']);
  });

  it('remembers what is asked for again', () => {
    const memory = recent<string>(2);
    memory.put('kept', 'kept');
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
      memory.put(key, key);
      expect(memory.get('kept')).toBe('kept');
    }
    expect(memory.get('a')).toBeUndefined();
  });
});

describe('versions', () => {
  it.each([
    ['9', '10', true],
    ['10', '9', false],
    ['10', '10', false],
    ['99999999999999999999', '100000000000000000000', true],
    ['', '1', false],
    ['a', 'b', false],
    ['1', 'b', false],
    ['09', '10', false],
    ['-1', '1', false],
  ])('%s is older than %s: %s', (a, b, expected) => {
    expect(isOlder(a, b)).toBe(expected);
  });

  it('are those of one object, not of one name', () => {
    const known = createKnown();
    const object = (uid: string, resourceVersion: string): JsonObject => ({
      metadata: { name: 'a', uid, resourceVersion },
    });
    known.replace([object('1', '5')]);
    expect(known.take({ type: 'ADDED', object: object('2', '7') })).toBe(true);
    expect(known.take({ type: 'DELETED', object: object('1', '8') })).toBe(true);
    expect(known.take({ type: 'MODIFIED', object: object('1', '6') })).toBe(false);
    expect(known.take({ type: 'MODIFIED', object: object('2', '9') })).toBe(true);
    expect(known.size).toBe(1);
  });
});

describe('waits', () => {
  it('double up to a limit, each between half and all of its step', () => {
    const longest = createBackoff(200, 30_000, () => 1);
    const shortest = createBackoff(200, 30_000, () => 0);
    const steps = [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
    expect(steps.map(() => longest.next())).toEqual(steps);
    expect(steps.map(() => shortest.next())).toEqual(steps.map((step) => step / 2));
    longest.reset();
    expect(longest.next()).toBe(200);
  });
});
