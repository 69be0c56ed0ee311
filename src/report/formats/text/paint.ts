import { visible } from '../../visible.ts';

export type Style = 'allowed' | 'denied' | 'undefined' | 'warning' | 'heading' | 'dim' | 'strong' | 'plain';

const CODES: Readonly<Record<Exclude<Style, 'plain'>, string>> = {
  allowed: '32',
  denied: '31',
  undefined: '33',
  warning: '33',
  heading: '1',
  strong: '1',
  dim: '2',
};

/** Colours text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/** Paints with ANSI codes if `colour`, else not at all. Control characters in the text are written out either way. */
export function painter(colour: boolean): Paint {
  return (style, text) => {
    const safe = visible(text);
    return !colour || style === 'plain' || safe === '' ? safe : `\u001b[${CODES[style]}m${safe}\u001b[0m`;
  };
}
