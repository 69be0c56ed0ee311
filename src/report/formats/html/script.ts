import { MATRIX_SCRIPT } from './matrix-script.ts';
import { VIEWS_SCRIPT } from './views-script.ts';

/**
 * The page's script. It is written as a string since it runs in the reader's browser, not in this program: no build step
 * stands between this text and the page, and the browser tests run it as it is. Data enters the page as text nodes only.
 */
export const PAGE_SCRIPT: string = MATRIX_SCRIPT + VIEWS_SCRIPT;
