/** Reads the text of a rule once, so that many packets can be sent through it. */
import { invariant } from '../../base/invariant.ts';
import { accept, type Expression, next, type Passage, readExpression, type Words } from './expression.ts';
import { boundsOf, type Element, exactLookup, intervalLookup, type Lookup } from './lookup.ts';
import { parseElements } from './parse.ts';
import type { TableContent } from './table.ts';
import { CLASS, type DataType, INTERFACE, MARK, type Value } from './value.ts';

/** What a rule, or an element of a map, does with a packet. */
export type Ruling =
  | { readonly kind: 'accept' | 'drop' | 'return' }
  | { readonly kind: 'reject'; readonly with: string }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

/** What rules leave behind beside their ruling. */
export interface Traces {
  /** Names of counters, in the order in which they were reached. */
  readonly counters: string[];
  readonly logs: { readonly prefix: string; readonly group: number | null }[];
  /** Elements that the rule at hand met. */
  elements: Element[];
  /** Whether rate limits are used up. */
  readonly limited: boolean;
}

/** `'next'`: the statement is through; `'break'`: the rule ends without effect. */
type Step = (passage: Passage, traces: Traces) => Ruling | 'next' | 'break';

export interface Rule {
  readonly text: string;
  readonly run: Step;
}

/** Compiles a rule against the sets and maps of its table. Throws an invariant error for what our rules never contain. */
export function compileRule(text: string, content: TableContent): Rule {
  const words: Words = { rule: text, list: split(text), at: 0 };
  const steps: Step[] = [];
  while (words.at < words.list.length) steps.push(readStatement(words, content));
  return {
    text,
    run: (passage, traces) => {
      for (const step of steps) {
        const result = step(passage, traces);
        if (result !== 'next') return result;
      }
      return 'next';
    },
  };
}

/** Words, strings, and the contents of braces as one word. */
const split = (text: string): readonly string[] => text.match(/"[^"]*"|\{[^}]*\}|[^\s{}]+/g) ?? [];

function readStatement(words: Words, content: TableContent): Step {
  const first = words.list[words.at] ?? '';
  const plain = readRuling(words);
  if (plain !== null) return () => plain;
  switch (first) {
    case 'reject': {
      words.at++;
      const how = accept(words, 'with') ? words.list.slice(words.at, words.at + 2).join(' ') : 'icmpx 1';
      if (how !== 'icmpx 1' || words.at < words.list.length) words.at += 2;
      const ruling: Ruling = { kind: 'reject', with: how };
      return () => ruling;
    }
    case 'counter':
      return readCounter(words);
    case 'log':
      return readLog(words);
    case 'limit':
      return readLimit(words);
    case 'comment':
      words.at += 2;
      return () => 'next';
    default:
      return words.list[words.at + 2] === 'set' ? readAssignment(words, content) : readMatch(words, content);
  }
}

/** `null` if the next word is none. */
function readRuling(words: Words): Ruling | null {
  const word = words.list[words.at];
  switch (word) {
    case 'accept':
    case 'drop':
    case 'return':
      words.at++;
      return { kind: word };
    case 'jump':
    case 'goto':
      words.at++;
      return { kind: word, chain: next(words) };
    default:
      return null;
  }
}

const unquoted = (text: string): string => text.replaceAll('"', '');

function readCounter(words: Words): Step {
  words.at++;
  if (accept(words, 'packets')) words.at += 3;
  if (!accept(words, 'name')) return () => 'next';
  const name = unquoted(next(words));
  return (_, traces) => {
    traces.counters.push(name);
    return 'next';
  };
}

const LOG_OPTIONS = ['prefix', 'group', 'snaplen', 'queue-threshold', 'level', 'flags'];

function readLog(words: Words): Step {
  words.at++;
  let prefix = '';
  let group: number | null = null;
  while (LOG_OPTIONS.includes(words.list[words.at] ?? '')) {
    const option = next(words);
    const value = unquoted(next(words));
    if (option === 'prefix') prefix = value;
    if (option === 'group') group = Number(value);
  }
  return (_, traces) => {
    traces.logs.push({ prefix, group });
    return 'next';
  };
}

/** `limit rate [over] N/unit [burst N packets]`. */
function readLimit(words: Words): Step {
  invariant(accept(words, 'limit', 'rate'), `\`limit rate\` expected in the rule \`${words.rule}\``);
  const over = accept(words, 'over');
  next(words);
  if (accept(words, 'burst')) words.at += 2;
  return (_, traces) => (traces.limited === over ? 'next' : 'break');
}

function readAssignment(words: Words, content: TableContent): Step {
  const target = `${next(words)} ${next(words)}`;
  next(words);
  const type = target === 'meta priority' ? CLASS : MARK;
  const value = readAssigned(words, content, type);
  return (passage, traces) => {
    const result = value(passage, traces);
    if (result === null) return 'break';
    switch (target) {
      case 'meta priority':
        passage.priority = result;
        return 'next';
      case 'meta mark':
        passage.mark = result;
        return 'next';
      case 'ct mark':
        passage.connectionMark = result;
        return 'next';
      default:
        return invariant(false, `\`${target} set\` of the rule \`${words.rule}\` is not known`) as never;
    }
  };
}

/** A constant, an expression, or `expression map @name`. */
function readAssigned(
  words: Words,
  content: TableContent,
  type: DataType,
): (passage: Passage, traces: Traces) => number | null {
  const constant = type.parse(words.list[words.at] ?? '');
  if (constant !== null) {
    words.at++;
    return () => Number(constant);
  }
  const expression = readExpression(words);
  if (!accept(words, 'map')) return (passage) => numberOf(expression.read(passage)?.[0] ?? null);
  const lookup = readSet(words, content, expression, type.name);
  return (passage, traces) => {
    const values = expression.read(passage);
    const element = values === null ? null : lookup(values);
    if (element === null) return null;
    traces.elements.push(element);
    return numberOf(type.parse(element.value));
  };
}

const numberOf = (value: Value | null): number | null => (value === null ? null : Number(value));

const OPERATORS = ['==', '!=', '!', '<', '>', '<=', '>='];

function readMatch(words: Words, content: TableContent): Step {
  const expression = readExpression(words);
  if (accept(words, 'vmap')) {
    const lookup = readSet(words, content, expression, 'verdict');
    const rulings = new Map<string, Ruling | 'next'>();
    return (passage, traces) => {
      const values = expression.read(passage);
      const element = values === null ? null : lookup(values);
      if (element === null) return 'break';
      traces.elements.push(element);
      const known = rulings.get(element.value);
      if (known !== undefined) return known;
      const ruling = rulingOf(element.value, words.rule);
      rulings.set(element.value, ruling);
      return ruling;
    };
  }
  const operator = OPERATORS.includes(words.list[words.at] ?? '') ? next(words) : '';
  const right = words.list[words.at] ?? '';
  if (right.startsWith('@') || right.startsWith('{')) {
    invariant(
      operator === '' || operator === '==' || operator === '!=',
      `\`${operator}\` with a set in \`${words.rule}\``,
    );
    const lookup = readSet(words, content, expression, null);
    return (passage, traces) => {
      const values = expression.read(passage);
      if (values === null) return 'break';
      const element = lookup(values);
      if (element !== null) traces.elements.push(element);
      return (element !== null) === (operator !== '!=') ? 'next' : 'break';
    };
  }
  const [type] = expression.types;
  invariant(type !== undefined && expression.types.length === 1, `a set expected in the rule \`${words.rule}\``);
  const holds = readComparison(words, type, operator);
  return (passage) => {
    const values = expression.read(passage);
    return values !== null && holds(values[0] as Value) ? 'next' : 'break';
  };
}

function readComparison(words: Words, type: DataType, operator: string): (value: Value) => boolean {
  const text = next(words);
  const where = `the rule \`${words.rule}\``;
  if (type.flags) {
    const mask = text.split(',').reduce((sum, flag) => sum | Number(boundsOf(where, type, flag)[0]), 0);
    // `!= a,b` is not the contrary of `a,b`: it compares with both flags at once; `! a,b` is.
    if (operator === '!=' || operator === '==') return (value) => (Number(value) === mask) === (operator === '==');
    return (value) => ((Number(value) & mask) !== 0) === (operator === '');
  }
  invariant(operator !== '!', `\`!\` before something that is no flag in ${where}`);
  const [first, last] = boundsOf(where, type, text);
  switch (operator) {
    case '':
    case '==':
      return (value) => first <= value && value <= last;
    case '!=':
      return (value) => !(first <= value && value <= last);
    case '<':
      return (value) => value < first;
    case '>':
      return (value) => value > first;
    case '<=':
      return (value) => value <= first;
    default:
      return (value) => value >= first;
  }
}

function rulingOf(text: string, rule: string): Ruling | 'next' {
  if (text === 'continue') return 'next';
  const words: Words = { rule, list: text.split(' '), at: 0 };
  const ruling = readRuling(words);
  invariant(ruling !== null && words.at === words.list.length, `\`${text}\`, reached by \`${rule}\`, is no verdict`);
  return ruling;
}

/** `@name` or an anonymous set. `value` is the type of a map's values, `null` for a set. */
function readSet(words: Words, content: TableContent, expression: Expression, value: string | null): Lookup {
  const word = next(words);
  const keys = expression.types.map(({ name }) => name).join(' . ');
  const type = value === null ? keys : `${keys} : ${value}`;
  if (word.startsWith('{')) {
    return intervalLookup(word, expression.types, parseElements(type, word.slice(1, -1)));
  }
  const name = word.slice(1);
  const set = content.sets.get(name);
  invariant(set !== undefined, `the rule \`${words.rule}\` asks a set that is not there`);
  const declared = set.declaration.type.split('; ')[0];
  invariant(declared === type, `the rule \`${words.rule}\` asks for \`${type}\`; \`${name}\` has \`${declared}\``);
  const known = expression.types.every((each) => each !== INTERFACE);
  invariant(known, `the rule \`${words.rule}\` looks for interfaces in \`${name}\``);
  return (set.declaration.interval ? intervalLookup : exactLookup)(name, expression.types, set.elements);
}
