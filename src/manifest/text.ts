import type { Position } from '../model/origin.ts';

// Part of every JavaScript runtime, but of no language library that the pure world is compiled against.
declare const TextDecoder: new (
  label: string,
  options: { readonly fatal?: boolean; readonly ignoreBOM?: boolean },
) => { decode(bytes: Uint8Array): string };

/** Text without its byte order mark, or the first byte that is no text. */
export type DecodedText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'invalid'; readonly encoding: string; readonly valid: string };

/** Decodes UTF-8, or UTF-16 that starts with a byte order mark; `valid` of an invalid file is the text before the fault. */
export function decodeText(bytes: Uint8Array): DecodedText {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  const decode = (part: Uint8Array): string | null => {
    try {
      return new TextDecoder(encoding, { fatal: true }).decode(part);
    } catch {
      return null;
    }
  };
  const text = decode(bytes);
  if (text !== null) return { kind: 'text', text };
  if (encoding !== 'utf-8') return { kind: 'invalid', encoding, valid: '' };
  const fault = firstInvalidUtf8(bytes);
  return { kind: 'invalid', encoding, valid: decode(bytes.subarray(0, fault)) ?? '' };
}

/** The offset of the first byte that no well-formed UTF-8 sequence covers (RFC 3629, section 4). */
function firstInvalidUtf8(bytes: Uint8Array): number {
  let i = 0;
  while (i < bytes.length) {
    const lead = bytes[i] as number;
    if (lead < 0x80) {
      i++;
      continue;
    }
    const length =
      lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
    if (length === 0) return i;
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    for (let k = 1; k < length; k++) {
      const next = bytes[i + k] ?? 0;
      if (k === 1 ? next < low || next > high : next < 0x80 || next > 0xbf) return i;
    }
    i += length;
  }
  return bytes.length;
}

/** The text of a file without a leading byte order mark. */
export function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** The text of one file, with positions on demand. */
export interface FileText {
  readonly file: string;
  readonly text: string;
  /** Lines end at `\n` alone, as in the tools that print them. */
  positionOf(offset: number): Position;
}

/** Wraps the text of a file; the table of lines is made when the first position is asked for. */
export function fileText(file: string, text: string): FileText {
  let starts: number[] | null = null;
  const lineStarts = (): readonly number[] => {
    if (starts === null) {
      starts = [0];
      for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) starts.push(i + 1);
    }
    return starts;
  };
  return {
    file,
    text,
    positionOf(offset) {
      const table = lineStarts();
      let low = 0;
      let high = table.length;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if ((table[middle] as number) <= offset) low = middle;
        else high = middle;
      }
      return { line: low + 1, column: Math.max(0, Math.min(offset, text.length) - (table[low] as number)) + 1 };
    },
  };
}
