import { describe, expect, test } from 'vitest';
import { objectOf } from '../../test/kinds/sample.ts';
import type { Json } from '../manifest/object.ts';
import { type Selector, selects } from '../model/selector.ts';
import { startDecoding } from './decoding.ts';
import { decodeLabelSelector } from './label-selector.ts';

function decode(json: Json): { readonly selector: Selector | null; readonly messages: readonly string[] } {
  const decoding = startDecoding(objectOf({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' }));
  const selector = decodeLabelSelector(decoding, json, 's');
  return { selector, messages: decoding.diagnostics.map(({ origin, message }) => `${origin?.field}: ${message}`) };
}

/** Which of four pods the selector selects: no label, `app=`, `app=web`, `app=db` with `tier=back`. */
function selected(json: Json): string {
  const { selector } = decode(json);
  if (selector === null) return 'not understood';
  const pods = [
    new Map(),
    new Map([['app', '']]),
    new Map([['app', 'web']]),
    new Map([
      ['app', 'db'],
      ['tier', 'back'],
    ]),
  ];
  return pods.map((labels) => (selects(selector, labels) ? '1' : '0')).join('');
}

function expression(key: string, operator: string, ...values: readonly Json[]): Json {
  return { matchExpressions: [{ key, operator, values }] };
}

describe('S1.3 label selectors', () => {
  test.each<[string, Json, string]>([
    ['empty selects everything', {}, '1111'],
    ['empty parts select everything', { matchLabels: {}, matchExpressions: [] }, '1111'],
    ['matchLabels needs the value', { matchLabels: { app: 'web' } }, '0010'],
    ['matchLabels with an empty value', { matchLabels: { app: '' } }, '0100'],
    ['In needs the key', expression('app', 'In', 'web', 'db'), '0011'],
    ['NotIn holds without the key', expression('app', 'NotIn', 'web', 'db'), '1100'],
    ['Exists takes an empty value', expression('app', 'Exists'), '0111'],
    ['DoesNotExist needs absence', expression('app', 'DoesNotExist'), '1000'],
    ['all parts must hold', { matchLabels: { app: 'db' }, ...(expression('tier', 'NotIn', 'back') as object) }, '0000'],
    ['compared exactly', { matchLabels: { app: 'Web' } }, '0000'],
  ])('S1.3 %s', (_, json, pods) => expect(selected(json)).toBe(pods));

  test('S1.3 label keys that JavaScript objects have a meaning for', () => {
    const json = JSON.parse('{"matchLabels": {"constructor": "a", "toString": "b"}}') as Json;
    const { selector } = decode(json);
    const labels = new Map([
      ['constructor', 'a'],
      ['toString', 'b'],
    ]);
    expect(selector !== null && selects(selector, labels)).toBe(true);
    expect(selector !== null && selects(selector, new Map())).toBe(false);
  });
});

describe('S1.6 and S1.9 selectors that are not understood', () => {
  test.each<[string, Json, string]>([
    ['an unknown field', { matchLabel: { app: 'web' } }, 's.matchLabel: unknown field `matchLabel`'],
    ['no object', ['app'], 's: a label selector must be an object, not a list'],
    ['matchLabels of another type', { matchLabels: ['app'] }, 's.matchLabels: must be an object, not a list'],
    ['a number as value', { matchLabels: { app: 1 } }, 's.matchLabels: `1` is not a valid value for label `app`'],
    ['a null as value', { matchLabels: { app: null } }, 's.matchLabels: `null` is not a valid value for label `app`'],
    [
      'an unknown operator',
      expression('a', 'Foo', 'b'),
      's.matchExpressions[0].operator: `Foo` is not a valid selector operator',
    ],
    [
      'In without values',
      expression('a', 'In'),
      's.matchExpressions[0].values: operator `In` needs at least one value',
    ],
    [
      'NotIn without values',
      expression('a', 'NotIn'),
      's.matchExpressions[0].values: operator `NotIn` needs at least one value',
    ],
    [
      'Exists with values',
      expression('a', 'Exists', 'b'),
      's.matchExpressions[0].values: operator `Exists` takes no values',
    ],
    [
      'no operator',
      { matchExpressions: [{ key: 'a' }] },
      's.matchExpressions[0].operator: must be a selector operator, not nothing',
    ],
    [
      'no key',
      { matchExpressions: [{ operator: 'Exists' }] },
      's.matchExpressions[0].key: must be a label key, not nothing',
    ],
    [
      'values of another type',
      { matchExpressions: [{ key: 'a', operator: 'In', values: 'b' }] },
      's.matchExpressions[0].values: must be a list, not `b`',
    ],
    [
      'an unknown field of a requirement',
      { matchExpressions: [{ key: 'a', operator: 'Exists', value: 'b' }] },
      's.matchExpressions[0].value: unknown field `value`',
    ],
    [
      'a value that no label can have',
      expression('a', 'NotIn', 'b', '-c'),
      's.matchExpressions[0].values[1]: `-c` is not a valid value for label `a`',
    ],
    [
      'a key that no label can have',
      expression('a b', 'DoesNotExist'),
      's.matchExpressions[0].key: `a b` is not a valid label key',
    ],
  ])('S1.6 %s', (_, json, message) => expect(decode(json)).toEqual({ selector: null, messages: [message] }));

  test.each(['a', 'A.b_c-9', 'example.com/name', `${'a'.repeat(63)}`, `${'x'.repeat(253)}/n`])(
    'S1.6 %s is a label key',
    (key) => expect(decode(expression(key, 'Exists')).selector).toEqual({ kind: 'exists', key }),
  );
  test.each([
    '',
    '/a',
    'a/',
    'a/b/c',
    '-a',
    'a-',
    `${'a'.repeat(64)}`,
    'Example.com/name',
    `${'x'.repeat(254)}/n`,
    'ä',
  ])('S1.6 %s is no label key', (key) => expect(decode(expression(key, 'Exists')).selector).toBeNull());
});
