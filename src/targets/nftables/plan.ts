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
