import { describe, expect, it } from 'vitest';
import { byteLength, goJson, goNumber, goQuote, isInteger, runeCount } from './go-text.ts';

// Every right-hand side was printed by a Go program.
describe('text as Go prints it', () => {
  it.each([
    ['web', '"web"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['tab\tnl\n', '"tab\\tnl\\n"'],
    ['\u0007\u0000\u007f', '"\\a\\x00\\x7f"'],
    ['Ünï 世界 🙂', '"Ünï 世界 🙂"'],
    ['\u200b\u00a0\u2028', '"\\u200b\\u00a0\\u2028"'],
    ['\u{e0001}', '"\\U000e0001"'],
    ['<&>', '"<&>"'],
  ])('quotes %j', (text, quoted) => {
    expect(goQuote(text)).toBe(quoted);
  });

  it.each([
    [80, '80'],
    [-1, '-1'],
    [5_000_000_000, '5000000000'],
    [1.5, '1.5'],
    [1e20, '1e+20'],
    [1e-7, '1e-07'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [123456.5, '123456.5'],
    [1234567.5, '1.2345675e+06'],
    [-2.5e30, '-2.5e+30'],
    [0.1, '0.1'],
  ])('prints the number %d', (value, text) => {
    expect(goNumber(value)).toBe(text);
  });

  it('marshals with sorted keys and escaped HTML', () => {
    expect(goJson({ b: '<&>', a: [1, null, true, 'x\u2028'] })).toBe(
      '{"a":[1,null,true,"x\\u2028"],"b":"\\u003c\\u0026\\u003e"}',
    );
  });

  it('counts bytes and code points', () => {
    expect([byteLength('aü世🙂'), runeCount('aü世🙂')]).toEqual([10, 4]);
  });

  it('takes whole numbers of 64 bits for integers', () => {
    expect([0, -1, 2 ** 62, 2 ** 63, 1.5, Number.NaN].map(isInteger)).toEqual([true, true, true, false, false, false]);
  });
});
