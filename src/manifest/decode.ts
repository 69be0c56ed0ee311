import { COLLECTION_STYLE, EVENT_ID, type Event, getScalarValue, SCALAR_STYLE, type ScalarEvent } from 'js-yaml';
import { DocumentError } from './diagnostics.ts';
import { indexPath, keyPath } from './field-path.ts';
import type { Json } from './object.ts';
import { parseDocument } from './parse.ts';
import { resolvePlain, resolveTagged, type Scalar, scalarKey } from './scalar.ts';

/** What one YAML document says, and the fields whose key occurs twice (the last one counts). */
export interface Decoded {
  readonly value: Json;
  readonly duplicates: readonly string[];
  /** Nodes visited, those behind aliases once for each alias. */
  readonly work: number;
}

interface Container {
  readonly object: Record<string, Json> | null;
  readonly list: Json[] | null;
  readonly start: number;
  readonly isFlow: boolean;
  readonly anchor: string | null;
  /** `work` when it was opened. */
  readonly before: number;
  key: string | null;
  keyOffset: number;
  isMerge: boolean;
  /** Keys that a merge put there: they may be given again without being duplicates. */
  merged: Set<string> | null;
}

interface Anchor {
  readonly value: Json;
  /** The source of a plain scalar, for keys. */
  readonly text: string;
  readonly size: number;
}

const OPEN: Anchor = { value: null, text: '', size: 0 };

/** Decodes the first document of a text; throws {@link DocumentError}. */
export function decodeDocument(text: string, maxDepth: number): Decoded {
  const parsed = parseDocument(text, maxDepth);
  try {
    return buildValue(parsed.text, parsed.events);
  } catch (error) {
    if (!(error instanceof DocumentError) || parsed.text === text) throw error;
    throw new DocumentError(error.what, parsed.originalOffset(error.offset), error.message, error.help);
  }
}

function buildValue(text: string, events: readonly Event[]): Decoded {
  const anchors = new Map<string, Anchor>();
  const duplicates: string[] = [];
  const stack: Container[] = [];
  let top: Container | null = null;
  let root: Json = null;
  let tags: ReadonlyMap<string, string> | null = null;
  let work = 0;
  let aliased = 0;

  const tagOf = (start: number, end: number): string => fullTag(text.slice(start, end), tags);

  const pathTo = (key: string): string => {
    let path = '';
    for (const frame of stack) {
      if (frame === top) break;
      path = frame.list === null ? keyPath(path, frame.key ?? '') : indexPath(path, frame.list.length);
    }
    return keyPath(path, key);
  };

  const put = (value: Json): void => {
    if (top === null) root = value;
    else if (top.list !== null) top.list.push(value);
    else if (top.isMerge) {
      top.isMerge = false;
      merge(top, value);
    } else {
      const { object, key } = top as { object: Record<string, Json>; key: string };
      if (Object.hasOwn(object, key)) {
        if (top.merged?.delete(key) !== true) duplicates.push(pathTo(key));
      }
      assign(object, key, value);
      top.key = null;
    }
  };

  /** The mapping whose next key is expected; `null` where none is. */
  const keyHolder = (): Container | null =>
    top !== null && top.list === null && top.key === null && !top.isMerge ? top : null;
  const atKey = (): boolean => keyHolder() !== null;

  const putKey = (value: Scalar, source: string, offset: number): void => {
    const key = scalarKey(value, source);
    if (typeof key !== 'string') throw new DocumentError('value', offset, key.fault, 'quote the key');
    const container = top as Container;
    container.key = key;
    container.keyOffset = offset;
  };

  const merge = (into: Container, value: Json): void => {
    // Go's order: a later merge overrides an earlier key, and of a list the first mapping that has the key wins.
    const sources = Array.isArray(value) ? [...(value as readonly Json[])].reverse() : [value];
    for (const source of sources) {
      if (source === null || typeof source !== 'object' || Array.isArray(source)) {
        throw new DocumentError(
          'value',
          into.keyOffset,
          'map merge requires map or sequence of maps as the value',
          'quote the key if `<<` is meant as text',
        );
      }
      const keys = Object.keys(source);
      work += keys.length;
      into.merged ??= new Set();
      for (const key of keys) {
        if (!Object.hasOwn(into.object as object, key)) into.merged.add(key);
        assign(into.object as Record<string, Json>, key, (source as Record<string, Json>)[key] as Json);
      }
    }
  };

  const open = (container: Container): void => {
    if (container.anchor !== null) anchors.set(container.anchor, OPEN);
    stack.push(container);
    top = container;
  };

  for (let index = 0; index < events.length; index++) {
    const event = events[index] as Event;
    switch (event.type) {
      case EVENT_ID.DOCUMENT:
        if (event.directives.length > 0) tags = declaredTags(event.directives);
        break;
      case EVENT_ID.SCALAR: {
        work++;
        const source = getScalarValue(text, event);
        const plain = event.style === SCALAR_STYLE.PLAIN;
        const tagged = event.tagStart >= 0;
        if (event.style === SCALAR_STYLE.DOUBLE_QUOTED && !event.fast) checkEscapes(text, event);
        if ((top as Container | null)?.isFlow === true) checkFlowScalar(text, event, source, atKey());
        let value: Scalar;
        let isMergeKey = false;
        if (tagged) {
          const tag = tagOf(event.tagStart, event.tagEnd);
          const resolved = resolveTagged(tag, source);
          if (resolved !== null && typeof resolved === 'object') {
            throw new DocumentError('value', event.tagStart, resolved.fault, 'remove the tag or correct the value');
          }
          value = resolved;
          isMergeKey = source === '<<' && tag === 'tag:yaml.org,2002:merge';
        } else {
          value = plain ? resolvePlain(source) : source;
          isMergeKey = plain && source === '<<';
        }
        if (event.anchorStart >= 0) {
          anchors.set(anchorName(text, event.anchorStart, event.anchorEnd), { value, text: source, size: 1 });
        }
        const holder = keyHolder();
        if (holder !== null) {
          if (isMergeKey) {
            holder.isMerge = true;
            holder.keyOffset = event.valueStart;
          } else putKey(value, source, Math.max(scalarStart(event), holder.start));
        } else put(checkedNumber(value, source, event));
        break;
      }
      case EVENT_ID.MAPPING:
      case EVENT_ID.SEQUENCE: {
        work++;
        if (atKey()) throw complexKey(event.start);
        if (event.tagStart >= 0) tagOf(event.tagStart, event.tagEnd);
        const isMap = event.type === EVENT_ID.MAPPING;
        open({
          object: isMap ? {} : null,
          list: isMap ? null : [],
          start: event.start,
          isFlow: event.style === COLLECTION_STYLE.FLOW,
          anchor: event.anchorStart < 0 ? null : anchorName(text, event.anchorStart, event.anchorEnd),
          before: work - 1,
          key: null,
          keyOffset: event.start,
          isMerge: false,
          merged: null,
        });
        break;
      }
      case EVENT_ID.ALIAS: {
        const name = anchorName(text, event.anchorStart, event.anchorEnd);
        const anchor = anchors.get(name);
        const offset = event.anchorStart - 1;
        if (anchor === undefined) {
          throw new DocumentError(
            'alias',
            offset,
            `unknown anchor \`${name}\` referenced`,
            `define it before as \`&${name}\``,
          );
        }
        if (anchor === OPEN) {
          throw new DocumentError('alias', offset, `anchor \`${name}\` value contains itself`, 'write the value out');
        }
        work += 1 + anchor.size;
        aliased += anchor.size;
        if (isExcessive(aliased, work)) {
          throw new DocumentError('alias', offset, 'document contains excessive aliasing', 'write the values out');
        }
        const { value } = anchor;
        if (atKey()) {
          if (value !== null && typeof value === 'object') throw complexKey(offset);
          putKey(value, anchor.text, offset);
        } else if (top !== null && (top as Container).isMerge && (value === null || Array.isArray(value))) {
          throw new DocumentError(
            'value',
            offset,
            'map merge requires map or sequence of maps as the value',
            'merge mappings only',
          );
        } else put(typeof value === 'number' ? checkedAlias(value, offset) : value);
        break;
      }
      case EVENT_ID.POP: {
        const closed = stack.pop();
        if (closed === undefined) {
          // Only the first document of the text is read, as kubectl does.
          return { value: root, duplicates, work };
        }
        top = stack.at(-1) ?? null;
        const value = (closed.list ?? closed.object) as Json;
        if (closed.anchor !== null) {
          anchors.set(closed.anchor, { value, text: '', size: work - closed.before });
        }
        put(value);
        break;
      }
    }
  }
  return { value: root, duplicates, work };
}

/** The Go decoder's bound on aliases: beyond 100 of them, the share of nodes that come from aliases is limited. */
function isExcessive(aliased: number, work: number): boolean {
  if (aliased <= 100 || work <= 1000) return false;
  const share = Math.min(1, Math.max(0, (work - 400_000) / 3_600_000));
  return aliased / work > 0.99 - share * 0.89;
}

function assign(object: Record<string, Json>, key: string, value: Json): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else object[key] = value;
}

function complexKey(offset: number): DocumentError {
  return new DocumentError(
    'value',
    offset,
    'invalid map key',
    'keys are text; quote the key if it holds brackets or braces',
  );
}

function checkedNumber(value: Scalar, source: string, event: ScalarEvent): Scalar {
  if (typeof value !== 'number') return value;
  if (!Number.isFinite(value)) {
    throw new DocumentError(
      'value',
      scalarStart(event),
      `unsupported value: \`${source}\``,
      'JSON has no such number; quote it if text is meant',
    );
  }
  return value === 0 ? 0 : value;
}

function checkedAlias(value: number, offset: number): number {
  if (!Number.isFinite(value)) {
    throw new DocumentError('value', offset, 'unsupported value', 'JSON has no such number; quote it if text is meant');
  }
  return value;
}

/** YAML 1.1 knows neither `\/` nor surrogates written as escapes. */
function checkEscapes(text: string, event: ScalarEvent): void {
  for (let i = text.indexOf('\\', event.valueStart); i >= 0 && i < event.valueEnd; i = text.indexOf('\\', i + 2)) {
    const next = text[i + 1];
    if (next === '/')
      throw new DocumentError('syntax', i, 'found unknown escape character', 'write `/` without a backslash');
    const digits = next === 'u' ? 4 : next === 'U' ? 8 : 0;
    if (digits > 0) {
      const code = Number.parseInt(text.slice(i + 2, i + 2 + digits), 16);
      if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
        throw new DocumentError(
          'syntax',
          i,
          'found invalid Unicode character escape code',
          'write the character itself, or `\\U` and eight digits',
        );
      }
    }
  }
}

/**
 * Inside of brackets and braces YAML 1.1 allows less than the parser does: `?` and a leading `:` are indicators, a colon
 * needs a space behind it, and a key stands on one line.
 */
function checkFlowScalar(text: string, event: ScalarEvent, source: string, isKey: boolean): void {
  if (event.valueStart < 0) return;
  const fail = (offset: number, message: string, help: string): never => {
    throw new DocumentError('syntax', offset, message, help);
  };
  if (event.style === SCALAR_STYLE.PLAIN) {
    const quote = 'quote the text; inside of brackets and braces it is read as an indicator';
    if (source.includes('?'))
      fail(event.valueStart + Math.max(0, source.indexOf('?')), 'found `?` in plain text', quote);
    if (source.startsWith(':')) fail(event.valueStart, 'found `:` at the beginning of plain text', quote);
    if (text[event.valueEnd] === ':' && /[,[\]{}]/.test(text[event.valueEnd + 1] ?? '')) {
      fail(
        event.valueEnd,
        'found `:` without a space behind it',
        'put a space behind the colon, or quote the text with it',
      );
    }
  }
  if (!isKey) return;
  const start = scalarStart(event);
  let end = event.style === SCALAR_STYLE.PLAIN ? event.valueEnd : event.valueEnd + 1;
  while (/\s/.test(text[end] ?? '')) end++;
  if (text[end] !== ':' || !/[\r\n]/.test(text.slice(start, end))) return;
  if (!/\?\s*$/.test(text.slice(Math.max(0, start - 200), start))) {
    fail(start, 'a key must stand on one line with its colon', 'join the lines of the key');
  }
}

/** YAML 1.1 has letters, digits, `-` and `_` in the names of anchors, and few characters behind them. */
function anchorName(text: string, start: number, end: number): string {
  const name = text.slice(start, end);
  if (!/^[A-Za-z0-9_-]+$/.test(name) || !/^(?:$|[\s?:,\]}%@`])/.test(text.slice(end, end + 1))) {
    const message = `\`${name}\` is no name of an anchor`;
    throw new DocumentError('syntax', start, message, 'name it with letters, digits, `-` and `_`');
  }
  return name;
}

/** Where the text of a scalar begins, its quote included. */
export function scalarStart(event: ScalarEvent): number {
  if (event.tagStart >= 0 || event.anchorStart >= 0) {
    return Math.min(
      event.tagStart >= 0 ? event.tagStart : Number.POSITIVE_INFINITY,
      event.anchorStart >= 0 ? event.anchorStart - 1 : Number.POSITIVE_INFINITY,
    );
  }
  if (event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED)
    return event.valueStart - 1;
  return event.valueStart;
}

function declaredTags(
  directives: readonly { readonly kind: string; readonly handle?: string; readonly prefix?: string }[],
): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const { handle, prefix } of directives)
    if (handle !== undefined && prefix !== undefined) tags.set(handle, prefix);
  return tags;
}

function fullTag(raw: string, declared: ReadonlyMap<string, string> | null): string {
  if (raw.startsWith('!<')) return raw.slice(2, -1);
  const second = raw.indexOf('!', 1);
  const handle = raw.slice(0, second + 1) || '!';
  const prefix = declared?.get(handle) ?? (handle === '!!' ? 'tag:yaml.org,2002:' : handle);
  return prefix + raw.slice(handle.length);
}
