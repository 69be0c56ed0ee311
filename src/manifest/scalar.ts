/**
 * What a YAML scalar means to Kubernetes tools: the rules of the Go decoder behind `kubectl` (YAML 1.1 words, Go integer
 * literals, timestamps and base 60 stay text), written out so that no library's schema decides.
 */

/** A scalar that has no meaning under its tag; `message` is the Go decoder's. */
export interface ScalarFault {
  readonly fault: string;
}

export type Scalar = string | number | boolean | null;

const WORDS: ReadonlyMap<string, Scalar> = new Map<string, Scalar>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((w) => [w, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((w) => [w, false] as const),
  ...['', '~', 'null', 'Null', 'NULL'].map((w) => [w, null] as const),
  ...['.nan', '.NaN', '.NAN'].map((w) => [w, Number.NaN] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map((w) => [w, Number.POSITIVE_INFINITY] as const),
  ...['-.inf', '-.Inf', '-.INF'].map((w) => [w, Number.NEGATIVE_INFINITY] as const),
]);
const LONGEST_WORD = 5;

const TEXT = 0;
const WORD = 1;
const NUMBER = 2;
const POINT = 3;

/** What the first character of a plain scalar lets it be; all else is text. */
const HINTS: Uint8Array = (() => {
  const hints = new Uint8Array(128);
  for (const char of 'yYnNtTfFoO~') hints[char.charCodeAt(0)] = WORD;
  for (const char of '0123456789+-') hints[char.charCodeAt(0)] = NUMBER;
  hints['.'.charCodeAt(0)] = POINT;
  return hints;
})();

const SMALL_INTEGER = /^(?:0|[1-9][0-9]{0,14})$/;
const INTEGER = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]([0-7]+)|0([0-7]*)|([1-9][0-9]*))$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
/** Go lets underscores stand between digits; only a scalar that starts with a point keeps them until here. */
const POINT_FLOAT = /^\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?$/;

/** The value of a plain scalar without a tag. Infinite and not-a-number values are given as such. */
export function resolvePlain(text: string): Scalar {
  if (text === '') return null;
  const code = text.charCodeAt(0);
  const hint = code < 128 ? HINTS[code] : TEXT;
  if (hint === TEXT) return text;
  if (hint === NUMBER && SMALL_INTEGER.test(text)) return Number(text);
  if (text.length <= LONGEST_WORD) {
    const word = WORDS.get(text);
    if (word !== undefined) return word;
  }
  if (hint === WORD) return text;
  if (hint === POINT) return POINT_FLOAT.test(text) ? finite(Number(text.replaceAll('_', '')), text) : text;
  const plain = text.replaceAll('_', '');
  const integer = parseInteger(plain);
  if (integer !== null) return Number(integer);
  return FLOAT.test(plain) ? finite(Number(plain), text) : text;
}

/** A number out of range is text to Go. */
function finite(value: number, text: string): Scalar {
  return Number.isFinite(value) ? value : text;
}

/** A Go integer literal in the range of int64 or uint64. */
function parseInteger(plain: string): bigint | null {
  const match = INTEGER.exec(plain);
  if (match === null) return null;
  const [, sign, hex, binary, octal, zero, decimal] = match;
  const digits =
    hex !== undefined
      ? `0x${hex}`
      : binary !== undefined
        ? `0b${binary}`
        : octal !== undefined
          ? `0o${octal}`
          : decimal !== undefined
            ? decimal
            : zero === '' || zero === undefined
              ? '0'
              : `0o${zero}`;
  // Longer than any 64-bit number in any base: not worth a big multiplication.
  if (digits.length > 80) return null;
  const value = sign === '-' ? -BigInt(digits) : BigInt(digits);
  if (value < -(1n << 63n)) return null;
  return value < (sign === '' ? 1n << 64n : 1n << 63n) ? value : null;
}

const TAG = 'tag:yaml.org,2002:';

/** The value of a scalar that carries a tag; tags that are not of YAML itself leave it text. */
export function resolveTagged(tag: string, text: string): Scalar | ScalarFault {
  switch (tag) {
    case `${TAG}bool`:
    case `${TAG}int`:
    case `${TAG}float`:
    case `${TAG}null`: {
      const wanted = tag.slice(TAG.length);
      const value = resolvePlain(text);
      const found = scalarType(value, text);
      if (found === wanted || (wanted === 'float' && found === 'int')) return value;
      return { fault: `cannot decode !!${found} \`${text}\` as a !!${wanted}` };
    }
    case `${TAG}timestamp`: {
      const found = scalarType(resolvePlain(text), text);
      if (isTimestamp(text)) return text;
      return { fault: `cannot decode !!${found} \`${text}\` as a !!timestamp` };
    }
    case `${TAG}binary`:
      return decodeBase64(text) ?? { fault: '!!binary value contains invalid base64 data' };
    default:
      return text;
  }
}

function scalarType(value: Scalar, text: string): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'str';
  return Number.isFinite(value) && parseInteger(text.replaceAll('_', '')) !== null ? 'int' : 'float';
}

const TIMESTAMP =
  /^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?:[Tt]|[ ]+)([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.[0-9]+)?[ ]*(?:Z|[-+][0-9]{2}:[0-9]{2})?)?$/;

function isTimestamp(text: string): boolean {
  const match = TIMESTAMP.exec(text);
  if (match === null) return false;
  const [year, month, day, hour, minute, second] = match.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  return day >= 1 && day <= days && hour < 24 && minute < 60 && second < 60;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The text in a base64 scalar; bytes that are no UTF-8 become U+FFFD each, as in Go's JSON. */
function decodeBase64(source: string): string | null {
  const text = source.replace(/[\r\n]/g, '');
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const char of text.replace(/=+$/, '')) {
    held = (held << 6) | BASE64.indexOf(char);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 0xff);
      held &= (1 << bits) - 1;
    }
  }
  return bytesToText(bytes);
}

function bytesToText(bytes: readonly number[]): string {
  let out = '';
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes[i] as number;
    const length =
      lead < 0x80
        ? 1
        : lead >= 0xc2 && lead < 0xe0
          ? 2
          : lead >= 0xe0 && lead < 0xf0
            ? 3
            : lead >= 0xf0 && lead < 0xf5
              ? 4
              : 0;
    const tail = bytes.slice(i + 1, i + length);
    let code = length === 1 ? lead : lead & (0xff >> (length + 1));
    for (const byte of tail) code = (byte & 0xc0) === 0x80 ? (code << 6) | (byte & 0x3f) : Number.NaN;
    const least = [0, 0, 0x80, 0x800, 0x10000][length] ?? 0;
    const valid =
      length > 0 &&
      tail.length === length - 1 &&
      code >= least &&
      code <= 0x10ffff &&
      !(code >= 0xd800 && code <= 0xdfff);
    out += valid ? String.fromCodePoint(code) : '\ufffd';
    i += valid ? length : 1;
  }
  return out;
}

/** The JSON key that a scalar key becomes; `text` is its plain source where it has one. */
export function scalarKey(value: Scalar, text: string): string | ScalarFault {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (value === null) return { fault: 'unsupported map key of type: null' };
  const integer = Number.isFinite(value) ? parseInteger(text.replaceAll('_', '')) : null;
  if (integer === null) return floatKey(value);
  if (integer >= 1n << 63n) return { fault: `unsupported map key of type: uint64, key: \`${text}\`` };
  return String(integer);
}

/** Go prints float keys in 32 bits, shortest form, `%g`. */
function floatKey(value: number): string {
  const narrow = Math.fround(value);
  if (Number.isNaN(narrow)) return '.nan';
  if (!Number.isFinite(narrow)) return narrow > 0 ? '.inf' : '-.inf';
  if (narrow === 0) return Object.is(narrow, -0) ? '-0' : '0';
  let shortest = narrow.toExponential(8);
  for (let digits = 0; digits < 8; digits++) {
    const candidate = narrow.toExponential(digits);
    if (Math.fround(Number(candidate)) === narrow) {
      shortest = candidate;
      break;
    }
  }
  const [mantissa, exponentText] = shortest.split('e') as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6)
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  return String(Number(shortest));
}
