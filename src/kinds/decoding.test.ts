import { describe, expect, test } from 'vitest';
import { objectOf } from '../../test/kinds/sample.ts';
import type { JsonObject } from '../manifest/object.ts';
import { get, startDecoding, unknownFields } from './decoding.ts';

describe('decoding', () => {
  test('S1.7 null is absent, and what an object inherits is not its own', () => {
    expect(get({ a: null, b: 0 }, 'a')).toBeUndefined();
    expect(get({ a: null, b: 0 }, 'b')).toBe(0);
    expect(get(Object.create({ a: 1 }) as JsonObject, 'a')).toBeUndefined();
    expect(get({}, 'constructor')).toBeUndefined();
  });

  test('S1.9 unknown fields are all reported, with the field that was perhaps meant', () => {
    const decoding = startDecoding(objectOf({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' }));
    const json = JSON.parse('{"egres": [], "__proto__": 1, "ingress": []}') as JsonObject;
    expect(unknownFields(decoding, json, ['ingress', 'egress'], 'spec')).toEqual(['egres', '__proto__']);
    expect(decoding.diagnostics.map(({ message, help, origin }) => [message, help, origin?.field])).toEqual([
      ['unknown field `egres`', 'did you mean `egress`?', 'spec.egres'],
      ['unknown field `__proto__`', undefined, 'spec.__proto__'],
    ]);
  });
});
