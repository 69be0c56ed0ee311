import { expect, test } from 'vitest';
import { perType } from '../../src/manifest/per-type.ts';

test('an answer is asked for once for each apiVersion and kind, in whatever order objects come', () => {
  const asked: string[] = [];
  const answer = perType(({ apiVersion, kind }) => {
    asked.push(`${apiVersion} ${kind}`);
    return kind === 'Secret' ? null : `${kind}!`;
  });
  const types = [
    { apiVersion: 'v1', kind: 'Pod' },
    { apiVersion: 'v1', kind: 'Secret' },
    { apiVersion: 'v2', kind: 'Pod' },
    { apiVersion: 'constructor', kind: '__proto__' },
  ];
  const answers = [...types, ...types.toReversed(), ...types].map((type) => answer({ ...type }));
  expect(asked).toEqual(['v1 Pod', 'v1 Secret', 'v2 Pod', 'constructor __proto__']);
  const once = ['Pod!', null, 'Pod!', '__proto__!'];
  expect(answers).toEqual([...once, ...once.toReversed(), ...once]);
});
