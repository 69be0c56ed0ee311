import type { CounterValue, Kernel, KernelFault } from '../../src/io/kernel.ts';
import { parseElements, parseTable } from '../../src/targets/nftables/parse.ts';
import { renderTable } from '../../src/targets/nftables/render.ts';
import type { ChainContent, SetDeclaration, TableContent } from '../../src/targets/nftables/table.ts';

interface FakeSet {
  readonly declaration: SetDeclaration;
  readonly elements: Map<string, string>;
}

interface FakeTable {
  readonly name: string;
  comment: string | null;
  counters: string[];
  readonly sets: Map<string, FakeSet>;
  readonly chains: Map<string, { hook: string | null; rules: string[] }>;
}

/** What the next runs of nft do instead of what they should. */
export type Accident =
  | { readonly kind: 'refused'; readonly message: string }
  /** It crashes before it has done anything. */
  | { readonly kind: 'broken' }
  /** It crashes after it has done everything. */
  | { readonly kind: 'broken-after' };

/** A kernel with the rules of nftables that matter to transactions, for one network namespace. */
export interface FakeNft extends Kernel {
  readonly tables: Map<string, FakeTable>;
  readonly table: string;
  /** Runs that have carried something out, with their text. */
  readonly applied: string[];
  readonly calls: { apply: number; check: number; list: number };
  readonly accidents: Accident[];
  /** Content that this kernel does not take, whatever nft thinks of it; says why. */
  refuses: (content: TableContent) => string | null;
  /** Waits before each run. */
  delay: () => Promise<void>;
  content(): TableContent | null;
}

class Refusal extends Error {
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const ABSENT = 'No such file or directory';
const EXISTS = 'File exists';
const BUSY = 'Device or resource busy';

/** An empty kernel that knows one table of ours by name, and any number of others. */
export function fakeNft(table: string): FakeNft {
  const fake: FakeNft = {
    tables: new Map(),
    table,
    applied: [],
    calls: { apply: 0, check: 0, list: 0 },
    accidents: [],
    refuses: () => null,
    delay: () => Promise.resolve(),
    content: () => contentOf(fake.tables.get(table)),
    async apply(text) {
      fake.calls.apply++;
      return run(fake, text, true);
    },
    async check(text) {
      fake.calls.check++;
      return run(fake, text, false);
    },
    async list() {
      fake.calls.list++;
      await fake.delay();
      const accident = fake.accidents[0];
      if (accident !== undefined && accident.kind !== 'refused') {
        fake.accidents.shift();
        return { kind: 'broken', message: 'nft was ended by SIGSEGV', signal: 'SIGSEGV' };
      }
      const content = fake.content();
      return { text: content === null ? null : renderTable(content) };
    },
    async counters(): Promise<ReadonlyMap<string, CounterValue> | null> {
      const found = fake.tables.get(table);
      return found === undefined ? null : new Map(found.counters.map((name) => [name, { packets: 1, bytes: 60 }]));
    },
  };
  return fake;
}

async function run(fake: FakeNft, text: string, forReal: boolean): Promise<KernelFault | null> {
  await fake.delay();
  const accident = forReal ? fake.accidents.shift() : undefined;
  if (accident?.kind === 'broken') return { kind: 'broken', message: 'nft was ended by SIGSEGV', signal: 'SIGSEGV' };
  if (accident?.kind === 'refused') return { kind: 'refused', message: accident.message, line: 1, excerpt: null };
  const trial = copyTables(fake.tables);
  try {
    carryOut(trial, text);
    checkReferences(trial);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { kind: 'refused', message: error.message, line: error.line, excerpt: null };
  }
  const content = contentOf(trial.get(fake.table));
  const objection = content === null ? null : fake.refuses(content);
  if (objection !== null) return { kind: 'refused', message: objection, line: null, excerpt: null };
  if (!forReal) return null;
  fake.tables.clear();
  for (const [name, table] of trial) fake.tables.set(name, table);
  fake.applied.push(text);
  if (accident?.kind === 'broken-after') return { kind: 'broken', message: 'nft was killed', signal: 'SIGKILL' };
  return null;
}

function copyTables(tables: ReadonlyMap<string, FakeTable>): Map<string, FakeTable> {
  return new Map(
    [...tables].map(([name, table]) => [
      name,
      {
        ...table,
        counters: [...table.counters],
        sets: new Map(
          [...table.sets].map(([set, { declaration, elements }]) => [
            set,
            { declaration, elements: new Map(elements) },
          ]),
        ),
        chains: new Map([...table.chains].map(([chain, { hook, rules }]) => [chain, { hook, rules: [...rules] }])),
      },
    ]),
  );
}

function contentOf(table: FakeTable | undefined): TableContent | null {
  if (table === undefined) return null;
  const { name, comment, counters, sets } = table;
  const chains = new Map<string, ChainContent>(table.chains);
  return { family: 'inet', name, comment, counters, sets, chains };
}

/** Statements of a transaction with the lines they begin in; blocks and lists of elements go over many lines. */
function* statements(text: string): Generator<{ readonly line: number; readonly text: string }> {
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const first = lines[i] as string;
    if (first.trim() === '') continue;
    const line = i + 1;
    const part = [first];
    const isBlock = /^table inet \S+ \{$/.test(first);
    const isOpen = (): boolean =>
      isBlock ? lines[i] !== '}' : first.includes(' element ') && !(lines[i] as string).trimEnd().endsWith('}');
    while (isOpen()) {
      i++;
      if (i >= lines.length) throw new Refusal(line, 'syntax error, unexpected end of file');
      part.push(lines[i] as string);
    }
    yield { line, text: part.join('\n') };
  }
}

function carryOut(tables: Map<string, FakeTable>, text: string): void {
  for (const statement of statements(text)) {
    const { line } = statement;
    if (statement.text.startsWith('table ')) {
      addBlock(tables, statement.text, line);
      continue;
    }
    const words = statement.text.split(/\s+/);
    const [verb, what, family, name = '', object = ''] = words;
    if (family !== 'inet') throw new Refusal(line, `syntax error in \`${statement.text.slice(0, 60)}\``);
    const table = tables.get(name);
    if (what === 'table') {
      if (verb === 'add')
        tables.set(name, table ?? { name, comment: null, counters: [], sets: new Map(), chains: new Map() });
      else if (verb !== 'delete' || !tables.delete(name)) throw new Refusal(line, ABSENT);
      continue;
    }
    if (table === undefined) throw new Refusal(line, ABSENT);
    const rest = statement.text.slice(statement.text.indexOf(` ${object}`) + object.length + 2);
    change(table, `${verb} ${what}`, object, rest, line);
  }
}

function change(table: FakeTable, command: string, object: string, rest: string, line: number): void {
  const chain = table.chains.get(object);
  switch (command) {
    case 'add counter':
      if (!table.counters.includes(object)) table.counters.push(object);
      return;
    case 'add chain':
      if (chain === undefined) table.chains.set(object, { hook: null, rules: [] });
      return;
    case 'flush chain':
      if (chain === undefined) throw new Refusal(line, ABSENT);
      chain.rules.length = 0;
      return;
    case 'delete chain':
      if (chain === undefined) throw new Refusal(line, ABSENT);
      if (chain.rules.length > 0 || isReferred(table, object)) throw new Refusal(line, BUSY);
      table.chains.delete(object);
      return;
    case 'add rule':
      if (chain === undefined) throw new Refusal(line, ABSENT);
      chain.rules.push(rest);
      return;
    case 'add element':
    case 'delete element': {
      const set = table.sets.get(object);
      if (set === undefined) throw new Refusal(line, ABSENT);
      changeElements(set, command === 'add element', rest, line);
      return;
    }
    default:
      throw new Refusal(line, `syntax error in \`${command}\``);
  }
}

function changeElements(set: FakeSet, isAdding: boolean, rest: string, line: number): void {
  const { declaration, elements } = set;
  const inside = rest.trim().replace(/^\{/, '').replace(/\}$/, '');
  const [keyType = ''] = declaration.type.split(' : ');
  if (!isAdding) {
    // Values may be left out when elements are deleted.
    for (const key of parseElements(keyType, inside.replace(/ : (?:goto|jump) \S+?(?=,|\s|$)/g, '')).keys()) {
      if (!elements.delete(key)) throw new Refusal(line, ABSENT);
    }
    return;
  }
  for (const [key, value] of parseElements(declaration.type, inside)) {
    const before = elements.get(key);
    if (before !== undefined && before !== value) throw new Refusal(line, EXISTS);
    if (before === undefined && declaration.interval && overlaps(elements, key)) throw new Refusal(line, EXISTS);
    elements.set(key, value);
  }
}

/** Whether an interval of the set meets this one: same fields before the last, ranges with a common point in it. */
function overlaps(elements: ReadonlyMap<string, string>, key: string): boolean {
  const one = boundsOf(key);
  for (const other of elements.keys()) {
    const two = boundsOf(other);
    if (one.before === two.before && one.first <= two.last && two.first <= one.last) return true;
  }
  return false;
}

function boundsOf(key: string): { readonly before: string; readonly first: bigint; readonly last: bigint } {
  const fields = key.split(' . ');
  const last = fields.pop() ?? '';
  const [from = '', to = from] = last.split('-');
  return { before: fields.join(' . '), first: point(from), last: point(to) };
}

function point(text: string): bigint {
  if (/^\d+$/.test(text)) return BigInt(text);
  if (/^[\d.]+$/.test(text)) return text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = text.includes('::') ? [...groups(head), ...Array(missing).fill('0'), ...groups(tail)] : groups(text);
  return all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function addBlock(tables: Map<string, FakeTable>, text: string, line: number): void {
  const block = parseTable(text);
  if ('error' in block) throw new Refusal(line + block.line - 1, block.error);
  if (block.name.length === 0) throw new Refusal(line, 'syntax error');
  const table = tables.get(block.name) ?? {
    name: block.name,
    comment: null,
    counters: [],
    sets: new Map<string, FakeSet>(),
    chains: new Map<string, { hook: string | null; rules: string[] }>(),
  };
  table.comment ??= block.comment;
  table.counters = [...new Set([...table.counters, ...block.counters])];
  for (const [name, { declaration, elements }] of block.sets) {
    const set = table.sets.get(name) ?? { declaration, elements: new Map<string, string>() };
    table.sets.set(name, set);
    for (const [key, value] of elements) {
      if ((set.elements.get(key) ?? value) !== value) throw new Refusal(line, EXISTS);
      if (declaration.interval && !set.elements.has(key) && overlaps(set.elements, key))
        throw new Refusal(line, EXISTS);
      set.elements.set(key, value);
    }
  }
  for (const [name, { hook, rules }] of block.chains) {
    const chain = table.chains.get(name) ?? { hook, rules: [] };
    chain.rules.push(...rules);
    table.chains.set(name, chain);
  }
  tables.set(block.name, table);
}

const TARGET = /\b(?:goto|jump) ([A-Za-z_][A-Za-z0-9_]*)/g;

function targetsIn(table: FakeTable): string[] {
  const texts = [
    ...[...table.chains.values()].flatMap(({ rules }) => rules),
    ...[...table.sets.values()].flatMap(({ elements }) => [...elements.values()]),
  ];
  return texts.flatMap((text) => [...text.matchAll(TARGET)].map(([, name = '']) => name));
}

function isReferred(table: FakeTable, chain: string): boolean {
  return targetsIn(table).includes(chain);
}

/** Whatever a rule or an element names must be there. */
function checkReferences(tables: ReadonlyMap<string, FakeTable>): void {
  for (const table of tables.values()) {
    for (const name of targetsIn(table)) {
      if (!table.chains.has(name)) throw new Refusal(0, `${ABSENT}: chain ${name}`);
    }
    for (const { rules } of table.chains.values()) {
      for (const rule of rules) {
        for (const [, set = ''] of rule.matchAll(/@(\w+)/g)) {
          if (!table.sets.has(set)) throw new Refusal(0, `${ABSENT}: set ${set}`);
        }
        for (const [, counter = ''] of rule.matchAll(/counter name "(\w+)"/g)) {
          if (!table.counters.includes(counter)) throw new Refusal(0, `${ABSENT}: counter ${counter}`);
        }
      }
    }
  }
}
