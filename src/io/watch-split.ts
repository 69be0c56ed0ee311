import type { Json, JsonObject } from '../manifest/object.ts';

/** Takes a Kubernetes list apart while it arrives, so that it is never in memory as a whole. */
export interface ListSplitter {
  /** Throws where the text cannot be a list. */
  push(chunk: Buffer): void;
  /** What is around the items; throws if the list is not complete. */
  end(): JsonObject;
}

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN = 123;
const CLOSE = 125;
const KEY = Buffer.from('items');

/** `onItem` gets each element of the top object's `items`. */
export function splitList(onItem: (item: JsonObject) => void): ListSplitter {
  /** Around the items, between two items, in an item. */
  let mode: 'around' | 'between' | 'item' = 'around';
  let depth = 0;
  let inString = false;
  let escaped = false;
  /** How many characters of the key match; -1 after one that does not. */
  let matched = -1;
  let atItems = false;
  const around: Buffer[] = [];
  let item: Buffer[] = [];

  function finish(last: Buffer): void {
    const bytes = item.length === 0 ? last : Buffer.concat([...item, last]);
    item = [];
    onItem(JSON.parse(bytes.toString('utf8')) as JsonObject);
  }

  function push(chunk: Buffer): void {
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk[i] as number;
      if (inString) {
        if (escaped) escaped = false;
        else if (c === BACKSLASH) escaped = true;
        else if (c === QUOTE) {
          inString = false;
          continue;
        }
        if (depth === 1) matched = matched >= 0 && c === KEY[matched] ? matched + 1 : -1;
        continue;
      }
      switch (c) {
        case QUOTE:
          if (mode === 'between') throw new SyntaxError('an item of the list is no object');
          inString = true;
          matched = 0;
          break;
        case COLON:
          if (depth === 1) atItems = matched === KEY.length;
          break;
        case COMMA:
          if (depth === 1) atItems = false;
          break;
        case OPEN:
        case OPEN_LIST:
          if (mode === 'between') {
            if (c === OPEN_LIST) throw new SyntaxError('an item of the list is no object');
            mode = 'item';
            from = i;
          } else if (mode === 'around' && depth === 1 && atItems && c === OPEN_LIST) {
            mode = 'between';
            around.push(chunk.subarray(from, i + 1));
          }
          depth++;
          break;
        case CLOSE:
        case CLOSE_LIST:
          depth--;
          if (depth < 0) throw new SyntaxError('more is closed than was opened');
          if (mode === 'item' && depth === 2) {
            mode = 'between';
            finish(chunk.subarray(from, i + 1));
          } else if (mode === 'between') {
            mode = 'around';
            atItems = false;
            from = i;
          }
          break;
        default:
          // Numbers and words; space is 32 and below.
          if (mode === 'between' && c > 32) throw new SyntaxError('an item of the list is no object');
      }
    }
    if (mode === 'around') around.push(chunk.subarray(from));
    else if (mode === 'item') item.push(chunk.subarray(from));
  }

  function end(): JsonObject {
    if (mode !== 'around' || depth !== 0) throw new SyntaxError('the list breaks off');
    const list = JSON.parse(Buffer.concat(around).toString('utf8')) as Json;
    if (typeof list !== 'object' || list === null || Array.isArray(list) || !Object.hasOwn(list, 'items'))
      throw new SyntaxError('this is no list');
    const items = (list as JsonObject).items;
    // An empty list may be `null`. Items that are left here were not recognised as such.
    if (items !== null && !(Array.isArray(items) && items.length === 0)) throw new SyntaxError('this is no list');
    return list as JsonObject;
  }

  return { push, end };
}
