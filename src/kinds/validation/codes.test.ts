import { expect, it } from 'vitest';
import { VALIDATION_CODES } from './codes.ts';

it('gives every code once, in order, within RP100 to RP199', () => {
  const codes = VALIDATION_CODES.map(({ code }) => code);
  expect(codes).toEqual([...new Set(codes)].sort());
  expect(codes.every((code) => /^RP1\d\d$/.test(code))).toBe(true);
});
