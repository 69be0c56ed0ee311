import { EVENT_ID, type Event, getScalarValue, SCALAR_STYLE } from 'js-yaml';
import { scalarStart } from './decode.ts';
import { parseFieldPath } from './field-path.ts';
import type { Parsed } from './parse.ts';
import { resolvePlain, scalarKey } from './scalar.ts';

/** Finds the text of field paths in one document. */
export type Locator = (path: string) => number;

interface Found {
  /** Index of the event of the node; where there is none (an empty document), -1. */
  readonly node: number;
  readonly offset: number;
}

/**
 * A locator over the events of a document. A scalar in a mapping is found at its value, everything else in a mapping at
 * its key (a block value begins on a later line), an item of a list at its first character, the document at its first
 * node. A path that leads nowhere gives its nearest parent. Text behind an alias is found where it is written.
 */
export function locator({ text, events, originalOffset }: Parsed): Locator {
  const ends = closingEvents(events);
  const childrenOf = new Map<number, readonly number[]>();

  const children = (node: number): readonly number[] => {
    let list = childrenOf.get(node);
    if (list === undefined) {
      const found: number[] = [];
      const end = ends[node] as number;
      for (let i = node + 1; i < end; i = (ends[i] as number) + 1) found.push(i);
      list = found;
      childrenOf.set(node, list);
    }
    return list;
  };

  const start = (node: number): number => {
    const event = events[node];
    switch (event?.type) {
      case EVENT_ID.SCALAR: {
        const at = scalarStart(event);
        if (event.style !== SCALAR_STYLE.LITERAL_BLOCK && event.style !== SCALAR_STYLE.FOLDED_BLOCK) return at;
        return at === event.valueStart ? blockHeader(text, at) : at;
      }
      case EVENT_ID.MAPPING:
      case EVENT_ID.SEQUENCE:
        return event.start;
      case EVENT_ID.ALIAS:
        return event.anchorStart - 1;
      default:
        return 0;
    }
  };

  /** The node that an alias stands for, by the nearest anchor of its name before it. */
  const target = (node: number): number => {
    let at = node;
    for (let event = events[at]; event?.type === EVENT_ID.ALIAS; event = events[at]) {
      const name = text.slice(event.anchorStart, event.anchorEnd);
      let before = at - 1;
      for (; before > 0; before--) {
        const candidate = events[before];
        if (candidate === undefined || !('tagStart' in candidate) || candidate.anchorStart < 0) continue;
        if (text.slice(candidate.anchorStart, candidate.anchorEnd) === name) break;
      }
      if (before <= 0) return -1;
      at = before;
    }
    return at;
  };

  const keyText = (node: number): string | null => {
    const event = events[target(node)];
    if (event?.type !== EVENT_ID.SCALAR) return null;
    const value = getScalarValue(text, event);
    if (event.style !== SCALAR_STYLE.PLAIN || event.tagStart >= 0) return value;
    const key = scalarKey(resolvePlain(value), value);
    return typeof key === 'string' ? key : null;
  };

  const isMerge = (node: number): boolean => {
    const event = events[node];
    return (
      event?.type === EVENT_ID.SCALAR && event.style === SCALAR_STYLE.PLAIN && getScalarValue(text, event) === '<<'
    );
  };

  const entry = (mapping: number, key: string, depth: number): Found | null => {
    const nodes = children(mapping);
    // The last occurrence counts, so it is the one to show.
    for (let i = nodes.length - 2; i >= 0; i -= 2) {
      const keyNode = nodes[i] as number;
      const valueNode = nodes[i + 1] as number;
      if (isMerge(keyNode)) {
        if (depth > 64) continue;
        const merged = target(valueNode);
        const sources = events[merged]?.type === EVENT_ID.SEQUENCE ? children(merged).map(target) : [merged];
        for (const source of sources) {
          const found = events[source]?.type === EVENT_ID.MAPPING ? entry(source, key, depth + 1) : null;
          if (found !== null) return found;
        }
      } else if (keyText(keyNode) === key) {
        const value = events[valueNode];
        const written = value?.type === EVENT_ID.ALIAS || (value?.type === EVENT_ID.SCALAR && start(valueNode) >= 0);
        return { node: valueNode, offset: written ? start(valueNode) : start(keyNode) };
      }
    }
    return null;
  };

  return (path) => {
    const root = events.findIndex((event) => event.type !== EVENT_ID.DOCUMENT);
    if (root < 0 || events[root]?.type === EVENT_ID.POP) return 0;
    let here: Found = { node: root, offset: Math.max(0, start(root)) };
    const steps = parseFieldPath(path);
    for (let i = 0; i < steps.length; ) {
      const node = target(here.node);
      const event = events[node];
      if (event?.type === EVENT_ID.SEQUENCE) {
        const index = Number(steps[i]);
        const item = Number.isInteger(index) ? children(node)[index] : undefined;
        if (item === undefined) break;
        const at = start(item);
        here = { node: item, offset: at < 0 ? here.offset : at };
        i++;
      } else if (event?.type === EVENT_ID.MAPPING) {
        // A key with dots may have been written without brackets.
        let found: Found | null = null;
        let taken = 1;
        for (; taken <= steps.length - i && found === null; taken++) {
          found = entry(node, steps.slice(i, i + taken).join('.'), 0);
        }
        if (found === null) break;
        here = found;
        i += taken - 1;
      } else break;
    }
    return originalOffset(here.offset);
  };
}

/** For each event the index of the event that closes it (itself for scalars and aliases). */
function closingEvents(events: readonly Event[]): Int32Array {
  const ends = new Int32Array(events.length);
  const open: number[] = [];
  for (let i = 0; i < events.length; i++) {
    const type = (events[i] as Event).type;
    if (type === EVENT_ID.POP) {
      const start = open.pop();
      if (start !== undefined) ends[start] = i;
      ends[i] = i;
    } else if (type === EVENT_ID.SCALAR || type === EVENT_ID.ALIAS) ends[i] = i;
    else open.push(i);
  }
  return ends;
}

/** A block scalar's event begins behind its header (`|` or `>`), which stands on the line before. */
function blockHeader(text: string, valueStart: number): number {
  const lineEnd = valueStart - 1;
  const lineStart = text.lastIndexOf('\n', lineEnd - 1) + 1;
  const header = /[|>][-+0-9]*[ \t]*(?:[ \t]#.*)?\r?$/.exec(text.slice(lineStart, Math.max(lineStart, lineEnd)));
  return header === null ? valueStart : lineStart + header.index;
}
