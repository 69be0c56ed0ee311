/** Reads what `nft -nn list table` prints, and what `render.ts` writes, into the content of a table. */
import { BITS, type Family, formatAddress, parseCidr } from '../../base/ip.ts';
import type { ChainContent, Elements, SetDeclaration, TableContent } from './table.ts';

/** Why a text is not the content of one of our tables; `line` counts from 1. */
export interface TableFault {
  readonly error: string;
  readonly line: number;
}

/**
 * Reads the listing of one table. What can be written in several ways is normalised: blocks of addresses are
 * `first-last`, counts of packets are left out, attributes of elements (comments, timeouts) too. Statements of a set
 * besides `flags interval` are kept behind its type, so that a set which somebody made differently differs.
 * Whatever the text is, nothing is thrown: an object that our tables never hold is a fault.
 */
export function parseTable(text: string): TableContent | TableFault {
  const scan: Scan = { text, at: 0 };
  try {
    return readTable(scan);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { error: error.message, line: lineOf(text, scan.at) };
  }
}

/** A text being read, and how far. */
interface Scan {
  readonly text: string;
  at: number;
}

class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

function lineOf(text: string, end: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

function readTable(scan: Scan): TableContent {
  skipBlank(scan);
  const head = readHead(scan);
  const words = head.split(' ');
  if (words[0] !== 'table' || scan.text[scan.at - 1] !== '{')
    throw new Unreadable(`\`table\` expected, not \`${short(head)}\``);
  const [, family, name] = words;
  if (words.length !== 3 || name === undefined)
    throw new Unreadable(`table with family and name expected: \`${short(head)}\``);
  if (family !== 'inet') throw new Unreadable(`a table of family \`inet\` expected, not \`${family}\``);
  const counters: string[] = [];
  const sets = new Map<string, ParsedSet>();
  const chains = new Map<string, ChainContent>();
  let comment: string | null = null;
  while (!atEnd(scan)) {
    const statement = readHead(scan);
    const [kind, object, more] = statement.split(' ');
    if (scan.text[scan.at - 1] !== '{') {
      const said = /^comment "([^"]*)"$/.exec(statement)?.[1];
      if (said === undefined) throw new Unreadable(`the table has \`${short(statement)}\`, which is not ours`);
      comment = said;
    } else if (object === undefined || more !== undefined) {
      throw new Unreadable(`object with a name expected: \`${short(statement)}\``);
    } else if (kind === 'counter') {
      counters.push(object);
      while (!atEnd(scan)) readStatement(scan);
    } else if (kind === 'chain') {
      if (chains.has(object)) throw new Unreadable(`chain \`${object}\` is there twice`);
      chains.set(object, readChain(scan));
    } else if (kind === 'set' || kind === 'map') {
      if (sets.has(object)) throw new Unreadable(`set \`${object}\` is there twice`);
      sets.set(object, readSet(scan, kind, object));
    } else throw new Unreadable(`the table has \`${short(statement)}\`, which is not ours`);
  }
  for (skipBlank(scan); scan.at < scan.text.length; skipBlank(scan)) readMore(scan, name, sets);
  return { family: 'inet', name, comment, counters, sets, chains };
}

/** `add element inet TABLE SET { … }`, which render.ts writes behind the block. */
function readMore(scan: Scan, table: string, sets: ReadonlyMap<string, ParsedSet>): void {
  const start = scan.at;
  const words = readHead(scan).split(' ');
  const set = sets.get(words[4] ?? '');
  if (set === undefined || words.slice(0, 4).join(' ') !== `add element inet ${table}` || words.length !== 5) {
    scan.at = start;
    throw new Unreadable('one table expected, there is more');
  }
  for (const [key, value] of readElements(scan, set.declaration.type)) set.elements.set(key, value);
}

const short = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text);

/** Skips blanks, ends of statements and comments. */
function skipBlank(scan: Scan): void {
  const { text } = scan;
  for (; scan.at < text.length; scan.at++) {
    const code = text.charCodeAt(scan.at);
    if (code === 35) {
      const end = text.indexOf('\n', scan.at);
      scan.at = end < 0 ? text.length : end;
    } else if (code !== 32 && code !== 9 && code !== 10 && code !== 13 && code !== 59) return;
  }
}

/** Whether the block ends here; then its brace is read. */
function atEnd(scan: Scan): boolean {
  skipBlank(scan);
  if (scan.at >= scan.text.length) throw new Unreadable('the text ends within a block');
  if (scan.text[scan.at] !== '}') return false;
  scan.at++;
  return true;
}

/** Up to a brace that opens (which is read), or the end of a statement. */
function readHead(scan: Scan): string {
  const start = scan.at;
  const { text } = scan;
  for (; scan.at < text.length; scan.at++) {
    const char = text[scan.at];
    if (char === '"') skipString(scan);
    else if (char === '{') return oneLine(text.slice(start, scan.at++));
    else if (char === '\n' || char === ';' || char === '}' || char === '#') break;
  }
  return oneLine(text.slice(start, scan.at));
}

/** Up to the end of a statement: a line's, a semicolon, or the brace that ends the block. Braces inside belong to it. */
function readStatement(scan: Scan): string {
  const start = scan.at;
  const { text } = scan;
  let depth = 0;
  for (; scan.at < text.length; scan.at++) {
    const code = text.charCodeAt(scan.at);
    if (code === 34) skipString(scan);
    else if (code === 123) depth++;
    else if (code === 125 && --depth < 0) break;
    else if (depth === 0 && (code === 10 || code === 59 || code === 35)) break;
  }
  if (depth > 0) throw new Unreadable('a brace is not closed');
  return oneLine(text.slice(start, scan.at));
}

function skipString(scan: Scan): void {
  const end = scan.text.indexOf('"', scan.at + 1);
  if (end < 0) throw new Unreadable('a string is not closed');
  scan.at = end;
}

/** With one blank between words; strings stay as they are. */
const oneLine = (text: string): string =>
  text.replace(/"[^"]*"|\s+/g, (part) => (part.startsWith('"') ? part : ' ')).trim();

function readChain(scan: Scan): ChainContent {
  const rules: string[] = [];
  let hook: string | null = null;
  let policy = 'accept';
  while (!atEnd(scan)) {
    const statement = readStatement(scan);
    if (statement.startsWith('type ')) hook = statement;
    else if (hook !== null && /^policy [a-z]+$/.test(statement)) policy = statement.slice(7);
    // A chain's own comment; that of a rule stands behind its statements.
    else if (!/^comment "[^"]*"$/.test(statement)) rules.push(normaliseRule(statement));
  }
  return { hook: hook === null ? null : `${hook}; policy ${policy};`, rules };
}

/** A rule without what differs from one listing to the next: blanks and the counts of anonymous counters. */
export function normaliseRule(rule: string): string {
  return rule.includes('counter packets ') ? rule.replace(/\bcounter packets \d+ bytes \d+/g, 'counter') : rule;
}

interface ParsedSet {
  readonly declaration: SetDeclaration;
  readonly elements: Map<string, string>;
}

function readSet(scan: Scan, kind: 'set' | 'map', name: string): ParsedSet {
  const more: string[] = [];
  let type: string | null = null;
  let interval = false;
  let elements = new Map<string, string>();
  while (!atEnd(scan)) {
    if (scan.text.startsWith('elements', scan.at)) {
      if (type === null) throw new Unreadable(`elements of \`${name}\` before its type`);
      readHead(scan);
      if (scan.text[scan.at - 1] !== '{') throw new Unreadable(`elements of \`${name}\` expected`);
      elements = readElements(scan, type);
      continue;
    }
    const statement = readStatement(scan);
    if (statement.startsWith('type ')) type = statement.slice(5);
    else if (statement === 'flags interval') interval = true;
    else more.push(statement);
  }
  if (type === null) throw new Unreadable(`\`${name}\` has no type`);
  return { declaration: { name, kind, type: [type, ...more].join('; '), interval }, elements };
}

/** The elements of an anonymous set or map of a rule: what stands between its braces. */
export function parseElements(type: string, text: string): Elements {
  return readElements({ text: `${text}}`, at: 0 }, type);
}

type Normalise = (text: string) => string;

function readElements(scan: Scan, type: string): Map<string, string> {
  const elements = new Map<string, string>();
  const { text } = scan;
  const [keyType = '', valueType] = type.split(' : ');
  const fields = keyType.split(' . ').map((field) => NORMALISE.get(field));
  const value = valueType === undefined ? undefined : NORMALISE.get(valueType);
  const take = (part: string): void => {
    let entry = part.trim();
    if (entry === '') return;
    if (entry.includes(' comment "')) entry = entry.replace(/ comment "[^"]*"/, '');
    if (valueType === undefined) {
      elements.set(keyOf(fields, entry), '');
      return;
    }
    const colon = entry.indexOf(' : ');
    if (colon < 0) throw new Unreadable(`an element of a map without value: \`${short(entry)}\``);
    const raw = entry.slice(colon + 3).trim();
    elements.set(keyOf(fields, entry.slice(0, colon)), value === undefined ? raw : value(raw));
  };
  const close = text.indexOf('}', scan.at);
  if (close < 0) throw new Unreadable('the elements do not end');
  const quote = text.indexOf('"', scan.at);
  if (quote < 0 || quote > close) {
    for (let comma = text.indexOf(',', scan.at); comma >= 0 && comma < close; comma = text.indexOf(',', scan.at)) {
      take(text.slice(scan.at, comma));
      scan.at = comma + 1;
    }
    take(text.slice(scan.at, close));
    scan.at = close + 1;
    return elements;
  }
  for (let start = scan.at; ; scan.at++) {
    const char = text[scan.at];
    if (char === undefined) throw new Unreadable('the elements do not end');
    if (char === '"') skipString(scan);
    if (char !== ',' && char !== '}') continue;
    take(text.slice(start, scan.at));
    start = scan.at + 1;
    if (char === ',') continue;
    scan.at++;
    return elements;
  }
}

function keyOf(fields: readonly (Normalise | undefined)[], text: string): string {
  if (fields.length === 1) {
    const [normalise] = fields;
    const bare = withoutAttributes(text);
    return normalise === undefined ? bare : normalise(bare);
  }
  const parts = text.split(' . ');
  const last = parts.length - 1;
  for (let i = 0; i <= last; i++) {
    const raw = parts[i] as string;
    const bare = i === last ? withoutAttributes(raw) : raw;
    parts[i] = fields[i]?.(bare) ?? bare;
  }
  return parts.join(' . ');
}

/** Timeouts, expirations and counters of an element stand behind its key. */
function withoutAttributes(text: string): string {
  const blank = text.indexOf(' ');
  return blank < 0 ? text : text.slice(0, blank);
}

const PROTOCOLS: ReadonlyMap<string, string> = new Map([
  ['icmp', '1'],
  ['tcp', '6'],
  ['udp', '17'],
  ['ipv6-icmp', '58'],
  ['icmpv6', '58'],
  ['sctp', '132'],
]);

/** How values of a type are brought into one form; types that are not here have only one. */
const NORMALISE: ReadonlyMap<string, Normalise> = new Map([
  ['ipv4_addr', (text) => normaliseAddress(4, text)],
  ['ipv6_addr', (text) => normaliseAddress(6, text)],
  ['classid', (text) => (text === '0:0' ? 'none' : text === 'ffff:ffff' ? 'root' : text)],
  ['inet_proto', (text) => PROTOCOLS.get(text) ?? text],
  ['inet_service', normaliseRange],
  ['mark', normaliseMark],
]);

/** A mark as nft writes it: `0x` and eight digits. */
export function normaliseMark(text: string): string {
  return /^(0x[0-9a-f]{1,8}|[0-9]{1,10})$/.test(text) ? `0x${Number(text).toString(16).padStart(8, '0')}` : text;
}

function normaliseRange(text: string): string {
  const dash = text.indexOf('-');
  return dash >= 0 && text.slice(0, dash) === text.slice(dash + 1) ? text.slice(0, dash) : text;
}

function normaliseAddress(family: Family, text: string): string {
  const slash = text.indexOf('/');
  if (slash >= 0) {
    const address = undotted(family, text.slice(0, slash));
    const cidr = parseCidr(`${address}${text.slice(slash)}`);
    if (cidr === null) throw new Unreadable(`not a block of addresses: \`${short(text)}\``);
    // A block of mapped addresses is read as one of IPv4; as a key it is one of IPv6.
    const mapped = family === 6 && cidr.family === 4 ? 0xffff00000000n : 0n;
    const first = formatAddress(family, mapped + cidr.first);
    return Number(text.slice(slash + 1)) === BITS[family]
      ? first
      : `${first}-${formatAddress(family, mapped + cidr.last)}`;
  }
  const dash = text.indexOf('-');
  if (dash < 0) return undotted(family, text);
  return normaliseRange(`${undotted(family, text.slice(0, dash))}-${undotted(family, text.slice(dash + 1))}`);
}

/** The C library writes some IPv6 addresses with the last 32 bits as IPv4: `::ffff:10.0.0.1`. */
function undotted(family: Family, text: string): string {
  if (family === 4 || !text.includes('.')) return text;
  const cut = text.lastIndexOf(':') + 1;
  const [a = 0, b = 0, c = 0, d = 0] = text
    .slice(cut)
    .split('.')
    .map((octet) => Number(octet));
  return `${text.slice(0, cut)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}
