import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, stringify } from 'yaml';
import { indexPath, keyPath } from '../../src/manifest/field-path.ts';
import { readManifests } from '../../src/manifest/read.ts';
import { ACCEPTED, HEAD } from './kubectl-cases.ts';

/** What `yaml`, an independent decoder with positions, makes of the same text under YAML 1.1. */
function independently(text: string) {
  const lines = new LineCounter();
  const document = parseDocument(text, { version: '1.1', merge: true, uniqueKeys: false, lineCounter: lines });
  return { document, positionOf: (offset: number) => lines.linePos(offset) };
}

const key = fc.oneof(
  fc.stringMatching(/^[a-z][a-zA-Z]{0,8}$/),
  fc.constantFrom('app.kubernetes.io/name', 'yes', '5', '__proto__', 'a b', '"', '#x', 'ä€😀', 'null', '~', 'true'),
);
const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }).map((value) => (value === 0 ? 0 : value)),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom(
    'yes',
    '0777',
    '1:30',
    '2001-01-01',
    ' x ',
    'a: b',
    '- a',
    'a\nb\n',
    '\ta',
    '{',
    '<<',
    '=',
    '.5',
    '1_0',
  ),
);
const { value: json } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4, depthSize: 'small' }, scalar, tie('list'), tie('map')),
  list: fc.array(tie('value'), { maxLength: 4 }),
  map: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}));
const object = json.map((spec) => ({ apiVersion: 'v1', kind: 'Foo', metadata: { name: 'a' }, spec }));
const style = fc.record({
  version: fc.constant('1.1' as const),
  indent: fc.integer({ min: 2, max: 5 }),
  indentSeq: fc.boolean(),
  collectionStyle: fc.constantFrom('any' as const, 'flow' as const),
  defaultStringType: fc.constantFrom(
    'PLAIN' as const,
    'QUOTE_DOUBLE' as const,
    'QUOTE_SINGLE' as const,
    'BLOCK_LITERAL' as const,
  ),
  flowCollectionPadding: fc.boolean(),
  lineWidth: fc.constantFrom(0, 20, 80),
});

/**
 * Escapes of control characters and surrogates are other in YAML 1.1 than what `yaml` writes; `?` and a leading `:` are indicators.
 */
const isPortable = (text: string): boolean =>
  !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\ufffe\uffff]/u.test(text.replaceAll('\n', '')) &&
  !/\\[uUx/]|\?|(?:^|[\s[{,]):/m.test(text);

describe('the decoder', () => {
  it('agrees with another decoder on texts of every style', () => {
    fc.assert(
      fc.property(object, style, (value, options) => {
        const text = `---\n${stringify(value, options)}`;
        fc.pre(isPortable(text));
        const { objects, diagnostics } = readManifests([{ file: 'f', text }]);
        expect(diagnostics).toEqual([]);
        // Not `value`: the writer has faults of its own (leading spaces in block text).
        expect(objects.map((o) => o.value)).toEqual([independently(text).document.toJS()]);
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it('reads JSON as JSON, with or without line breaks, one value or several', () => {
    fc.assert(
      fc.property(
        fc.array(object, { minLength: 1, maxLength: 3 }),
        fc.constantFrom('', '  ', '\t'),
        (values, indent) => {
          const text = values.map((value) => JSON.stringify(value, null, indent)).join('\n');
          const { objects, diagnostics } = readManifests([{ file: 'f', text }]);
          expect(diagnostics).toEqual([]);
          expect(objects.map((o) => o.value)).toEqual(values);
        },
      ),
      { numRuns: 300, seed: 2 },
    );
  });

  // `yaml` reads 1.1 by the book: sexagesimal numbers, timestamps, sets, merges, and octal only without `o`.
  const BY_THE_BOOK =
    /[0-9]:[0-9]|[0-9]{4}-|!|<<|0[oO]|[._][0-9]*_|_|[?]|[&*]|0[bBxX]|^0[0-9]|[-+.][iI]|\u0085|\u2028|e|E|\d{16}|__proto__|^-0|^\.$|^[-+\d.].*:/;

  it.each(ACCEPTED.filter(([fragment]) => !BY_THE_BOOK.test(fragment.replace(/^[a-z]+: /, '').trimEnd())))(
    'agrees with it on %j',
    (fragment) => {
      const text = HEAD + fragment;
      const { document } = independently(text);
      // Where `yaml` finds an error there is nothing to agree on; kubectl's answer is tested elsewhere.
      if (document.errors.length > 0) return;
      expect(readManifests([{ file: 'f', text }]).objects[0]?.value).toEqual(document.toJS());
    },
  );
});

describe('places', () => {
  /** Where a path is by the rule of the reader, told from the nodes of the other decoder. */
  function* placesOf(node: unknown, path: string): Generator<readonly [string, number]> {
    if (isMap(node)) {
      for (const pair of node.items) {
        const { key: name, value } = pair as Pair<Node, Node | null>;
        if (!isScalar(name)) continue;
        const below = keyPath(path, String(name.value));
        const written = isScalar(value) && value.range != null && value.range[0] !== value.range[1];
        const range = written ? value.range : name.range;
        if (range != null) yield [below, range[0]];
        yield* placesOf(value, below);
      }
    } else if (isSeq(node)) {
      for (const [index, item] of (node.items as Node[]).entries()) {
        const below = indexPath(path, index);
        if (item.range != null && item.range[0] !== item.range[1]) yield [below, item.range[0]];
        yield* placesOf(item, below);
      }
    }
  }

  it.each(['yaml', 'json'])('are those of the other decoder, in %s', (format) => {
    let compared = 0;
    fc.assert(
      fc.property(object, style, (value, options) => {
        const text =
          format === 'json' ? JSON.stringify(value, null, options.indent) : `---\n${stringify(value, options)}`;
        fc.pre(isPortable(text));
        const source = readManifests([{ file: 'f', text }]).objects[0]?.ref.source;
        const { document, positionOf } = independently(text);
        for (const [path, offset] of placesOf(document.contents, '')) {
          const { line, col } = positionOf(offset);
          expect([path, source?.locate(path)]).toEqual([path, { line, column: col }]);
          compared++;
        }
      }),
      { numRuns: 300, seed: 3 },
    );
    expect(compared).toBeGreaterThan(2000);
  });
});
