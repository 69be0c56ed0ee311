import { parsePriority, priorityText } from './encode.ts';
import { INTERVAL_BATCH, renderTable } from './render.ts';
import type { ChainContent, SetDeclaration, TableContent } from './table.ts';

/** What the kernel has where it differs from what is wanted; `null` for what it lacks. */
export interface Journal {
  readonly exists: boolean;
  /** Set → key → value in the kernel. */
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, string | null>>;
  readonly chains: ReadonlyMap<string, ChainContent | null>;
}

/** Elements per command: a line that nft parses at once. */
const BATCH = 4096;

/**
 * The difference as one transaction. Chains come first, since elements name them; an interval that goes must be gone
 * before one that overlaps it comes; a value changes by removal and addition; what is named no longer is deleted last.
 */
export function transactionText(wanted: TableContent, journal: Journal): string {
  const table = `${wanted.family} ${wanted.name}`;
  if (!journal.exists) return `add table ${table}\ndelete table ${table}\n${renderTable(wanted)}`;
  const out: string[] = [];
  const gone: string[] = [];
  for (const [name, found] of journal.chains) {
    const chain = wanted.chains.get(name);
    if (chain === undefined) {
      gone.push(name);
      continue;
    }
    if (found === null) out.push(`add chain ${table} ${name}`);
  }
  for (const [name, found] of journal.chains) {
    const chain = wanted.chains.get(name);
    if (chain === undefined) continue;
    if (found !== null) out.push(`flush chain ${table} ${name}`);
    for (const rule of chain.rules) out.push(`add rule ${table} ${name} ${rule}`);
  }
  const additions: string[] = [];
  const removals: string[] = [];
  for (const [name, changes] of journal.elements) {
    const set = wanted.sets.get(name);
    if (set === undefined) continue;
    if (isFlushed(set.declaration, changes)) {
      out.push(`flush ${set.declaration.kind} ${table} ${name}`);
      const all = [...set.elements].map(([key, value]) => (value === '' ? key : `${key} : ${value}`));
      push(additions, `add element ${table} ${name}`, all, INTERVAL_BATCH);
      continue;
    }
    const first: string[] = [];
    const last: string[] = [];
    const added: string[] = [];
    for (const [key, found] of changes) {
      const value = set.elements.get(key);
      if (found !== null) (value !== undefined || set.declaration.interval ? first : last).push(key);
      if (value !== undefined) added.push(value === '' ? key : `${key} : ${value}`);
    }
    const batch = set.declaration.interval ? INTERVAL_BATCH : BATCH;
    push(out, `delete element ${table} ${name}`, first, batch);
    push(additions, `add element ${table} ${name}`, added, batch);
    push(removals, `delete element ${table} ${name}`, last, batch);
  }
  out.push(...additions, ...removals);
  for (const name of gone) out.push(`flush chain ${table} ${name}`);
  for (const name of gone) out.push(`delete chain ${table} ${name}`);
  return out.length === 0 ? '' : `${out.join('\n')}\n`;
}

const IDENTITIES = ['id4', 'id6', 'ext4', 'ext6'];

/**
 * What goes into the kernel by a transaction of its own before the difference, or nothing. New elements of interval sets with
 * several fields are seen a moment after everything else of their transaction. Those that nothing leads to yet, because their
 * identity or their subject is new, mean nothing before: they come first, so that whoever gets a new number misses no range.
 */
export function aheadText(wanted: TableContent, journal: Journal): string {
  if (!journal.exists) return '';
  const table = `${wanted.family} ${wanted.name}`;
  const added = new Map<string, string[]>();
  const identities = new Set<string>();
  for (const [name, changes] of journal.elements) {
    const set = wanted.sets.get(name);
    if (set === undefined || !set.declaration.interval || !set.declaration.type.startsWith('classid . ')) continue;
    const keys = [...changes].flatMap(([key, found]) => (found === null && set.elements.has(key) ? [key] : []));
    if (keys.length === 0) continue;
    added.set(name, keys);
    for (const key of keys) identities.add(priorityText(numbersOf(key).identity, 0));
  }
  if (added.size === 0) return '';
  const used = identitiesIn(wanted, journal, identities);
  const out: string[] = [];
  for (const [name, keys] of added) {
    const leaving = new Set(
      [...(journal.elements.get(name) ?? [])].flatMap(([key, found]) => (found === null ? [] : [withoutPorts(key)])),
    );
    const early = keys.filter((key) => {
      // What is still there may overlap with it.
      if (leaving.has(withoutPorts(key))) return false;
      const { identity, subject } = numbersOf(key);
      const chain = `s_${subject}`;
      const isSubjectNew = journal.chains.has(chain) ? journal.chains.get(chain) === null : !wanted.chains.has(chain);
      return isSubjectNew || !used.has(priorityText(identity, 0));
    });
    push(out, `add element ${table} ${name}`, early, INTERVAL_BATCH);
  }
  return out.length === 0 ? '' : `${out.join('\n')}\n`;
}

function numbersOf(key: string): ReturnType<typeof parsePriority> {
  return parsePriority(key.slice(0, key.indexOf(' ')));
}

function withoutPorts(key: string): string {
  return key.slice(0, key.lastIndexOf(' . '));
}

/** Which of some identities an address has in the kernel; anybody's is that of `*`. */
function identitiesIn(wanted: TableContent, journal: Journal, among: ReadonlySet<string>): ReadonlySet<string> {
  const used = new Set<string>();
  for (const name of IDENTITIES) {
    const changes = journal.elements.get(name);
    for (const [key, value] of wanted.sets.get(name)?.elements ?? []) {
      if (among.has(value) && changes?.has(key) !== true) used.add(value);
    }
    for (const value of changes?.values() ?? []) if (value !== null && among.has(value)) used.add(value);
  }
  return used;
}

/** nft 1.0.6 takes intervals out one by one, and looks through all of them each time: 7,000 take half a minute. */
const MOST_INTERVALS_OUT = 200;

function isFlushed({ interval, type }: SetDeclaration, changes: ReadonlyMap<string, string | null>): boolean {
  if (!interval || type.includes(' . ') || changes.size <= MOST_INTERVALS_OUT) return false;
  let out = 0;
  for (const found of changes.values()) if (found !== null) out++;
  return out > MOST_INTERVALS_OUT;
}

function push(out: string[], command: string, elements: readonly string[], batch: number): void {
  for (let i = 0; i < elements.length; i += batch) {
    out.push(`${command} { ${elements.slice(i, i + batch).join(', ')} }`);
  }
}
