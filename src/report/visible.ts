/** Controls, format marks that hide or reorder text, and separators that break lines. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The text with every invisible character written out as `\u001b`, so that no name can move a cursor or reorder a line. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (mark) => `\\u${(mark.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
}
