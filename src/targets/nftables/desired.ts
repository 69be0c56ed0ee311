import {
  COUNTERS,
  generationChains,
  generationMark,
  LAYOUT_VERSION,
  type LayoutOptions,
  markText,
  SETS,
  stampedMark,
  staticChains,
} from './layout.ts';
import { aheadText, type Journal, transactionText } from './plan.ts';
import type { ChainContent, SetDeclaration, TableContent } from './table.ts';

/** What `nft -f -` is given. */
export interface Transaction {
  /** Goes in by a transaction of its own before; changes nothing that a packet could meet. Often empty. */
  readonly ahead: string;
  readonly text: string;
  /** Something that was allowed may no longer be: live connections are judged again. */
  readonly tightens: boolean;
  /** Elements and chains that change. */
  readonly changes: number;
}

interface WantedSet {
  readonly declaration: SetDeclaration;
  readonly elements: Map<string, string>;
}

/**
 * The wanted content of the table, with a journal of what the kernel has instead. The kernel's content is never kept as
 * such: it is the wanted content with the journal undone.
 */
export class DesiredTable {
  readonly options: LayoutOptions;
  readonly #sets: ReadonlyMap<string, WantedSet>;
  readonly #chains = new Map<string, ChainContent>();
  /** Set → key → what the kernel has: a value, or `null` for nothing. */
  readonly #elementJournal = new Map<string, Map<string, string | null>>();
  readonly #chainJournal = new Map<string, ChainContent | null>();
  #exists = false;
  /** The kernel's table cannot be taken over; it is replaced as a whole. */
  #foreign = false;
  #generation = 0;
  #hasWritten = false;
  #tightens: string | null = null;
  /** The last transaction has a new generation. */
  #bumped = false;
  /** The kernel had something else than it should: what happened in between is not known. */
  #doubted = false;
  /** What the kernel had when it was first looked at: numbers are taken over from it. */
  #found: TableContent | null = null;

  /** Connections outlive tables: where `generation` is not what an earlier table began with, none of theirs passes for judged. */
  constructor(options: LayoutOptions, generation = 0) {
    this.options = options;
    this.#generation = generation;
    this.#sets = new Map(
      SETS.map((declaration) => [declaration.name, { declaration, elements: new Map<string, string>() }]),
    );
    for (const [name, chain] of staticChains(options)) this.setChain(name, chain);
    for (const family of [4, 6]) this.set(`id${family}`, '*', 'none');
    this.#writeGeneration();
  }

  /** What is wanted, whole. The maps are live: whoever keeps the answer copies them. */
  content(): TableContent {
    return {
      family: 'inet',
      name: this.options.table,
      comment: commentOf(this.options),
      counters: COUNTERS,
      sets: this.#sets,
      chains: this.#chains,
    };
  }

  elements(set: string): ReadonlyMap<string, string> {
    return this.#wanted(set);
  }

  get generation(): number {
    return this.#generation;
  }

  /** The table that was there at first, until it is forgotten. */
  get found(): TableContent | null {
    return this.#found;
  }

  forgetFound(): void {
    this.#found = null;
  }

  /** Why live connections are to be judged again, if they are. */
  get tightening(): string | null {
    return this.#tightens;
  }

  /** Wants an element, or with `null` its absence. Returns whether that is a change. */
  set(set: string, key: string, value: string | null): boolean {
    const wanted = this.#wanted(set);
    const before = wanted.get(key) ?? null;
    if (before === value) return false;
    if (value === null) wanted.delete(key);
    else wanted.set(key, value);
    let journal = this.#elementJournal.get(set);
    if (journal === undefined) {
      journal = new Map();
      this.#elementJournal.set(set, journal);
    }
    note(journal, key, before, value, same);
    return true;
  }

  /** Wants a chain, or with `null` its absence. */
  setChain(name: string, chain: ChainContent | null): boolean {
    const before = this.#chains.get(name) ?? null;
    if (sameChain(before, chain)) return false;
    if (chain === null) this.#chains.delete(name);
    else this.#chains.set(name, chain);
    note(this.#chainJournal, name, before, chain, sameChain);
    return true;
  }

  /** From the next transaction on, every live connection is judged again. */
  tighten(reason: string): void {
    // A table that is not there has nothing to cut; one that was just found is compared as a whole.
    if (this.#exists && this.#found === null) this.#tightens ??= reason;
  }

  /** Whether the kernel is believed to lack something. */
  pending(): boolean {
    if (!this.#exists || this.#foreign || this.#tightens !== null || this.#chainJournal.size > 0) return true;
    for (const journal of this.#elementJournal.values()) if (journal.size > 0) return true;
    return false;
  }

  /** Brings the kernel from what it is believed to have to what is wanted. */
  transaction(): Transaction {
    if (!this.#exists || this.#foreign) return this.replaceAll();
    if (this.#tightens !== null || (this.#doubted && this.pending())) this.#bump();
    const journal = this.#journal();
    const content = this.content();
    return {
      ahead: aheadText(content, journal),
      text: transactionText(content, journal),
      tightens: this.#bumped,
      changes: sizeOf(journal),
    };
  }

  /** Everything anew in one transaction, whatever table of ours there is. */
  replaceAll(): Transaction {
    this.#bump();
    const journal: Journal = { exists: false, elements: new Map(), chains: new Map() };
    let changes = this.#chains.size;
    for (const { elements } of this.#sets.values()) changes += elements.size;
    return { ahead: '', text: transactionText(this.content(), journal), tightens: true, changes };
  }

  /** The last transaction is in the kernel. */
  commit(): void {
    this.#exists = true;
    this.#hasWritten = true;
    this.#foreign = false;
    this.#bumped = false;
    this.#doubted = false;
    this.#elementJournal.clear();
    this.#chainJournal.clear();
  }

  /**
   * The kernel has `actual` (`null`: no table). The journal becomes the difference; what differs is named. A table of
   * another layout or with other options is replaced as a whole.
   */
  rebase(actual: TableContent | null): { readonly drift: readonly string[] } {
    this.#elementJournal.clear();
    this.#chainJournal.clear();
    // A new generation that may not have arrived is needed still.
    if (this.#bumped) this.tighten('unfinished');
    this.#bumped = false;
    const first = this.#sets.get('in4')?.elements.size === 0 && this.#sets.get('eg4')?.elements.size === 0;
    if (actual === null) {
      const drift = this.#exists ? ['the table is gone'] : [];
      this.#exists = false;
      this.#foreign = false;
      return { drift };
    }
    this.#exists = true;
    const wrong = this.#incompatible(actual);
    this.#foreign = wrong !== null;
    // Also where the rest cannot be taken over: connections have that generation, or an older one. What has written before
    // knows better than a table that somebody may have put back.
    if (!this.#hasWritten) this.#adoptGeneration(actual);
    if (wrong !== null) return { drift: [wrong] };
    if (first) this.#found = actual;
    const drift: string[] = [];
    for (const [name, { elements }] of this.#sets) this.#compareSet(name, elements, actual, drift);
    for (const name of new Set([...this.#chains.keys(), ...actual.chains.keys()])) {
      const wanted = this.#chains.get(name) ?? null;
      const found = actual.chains.get(name) ?? null;
      if (sameChain(wanted, found)) continue;
      this.#chainJournal.set(name, found);
      drift.push(`chain ${name} ${found === null ? 'is missing' : wanted === null ? 'is not ours' : 'was changed'}`);
    }
    this.#doubted = drift.length > 0;
    return { drift };
  }

  #compareSet(name: string, elements: ReadonlyMap<string, string>, actual: TableContent, drift: string[]): void {
    const found = actual.sets.get(name)?.elements ?? new Map<string, string>();
    const journal = new Map<string, string | null>();
    for (const [key, value] of elements) {
      const other = found.get(key) ?? null;
      if (other !== value) journal.set(key, other);
    }
    for (const [key, value] of found) if (!elements.has(key)) journal.set(key, value);
    if (journal.size === 0) return;
    this.#elementJournal.set(name, journal);
    const [first] = journal.keys();
    drift.push(`${name}: ${journal.size} element${journal.size === 1 ? '' : 's'} differ, among them ${first}`);
  }

  /** Sets are declared once and for all, and hooks cannot be changed: such a table is not taken over. */
  #incompatible(actual: TableContent): string | null {
    if (actual.comment !== commentOf(this.options))
      return `the table is of another version: ${actual.comment ?? 'no comment'}`;
    for (const [name, { declaration }] of this.#sets) {
      const found = actual.sets.get(name)?.declaration;
      if (found === undefined) return `${declaration.kind} ${name} is missing`;
      if (
        found.kind !== declaration.kind ||
        found.type !== declaration.type ||
        found.interval !== declaration.interval
      ) {
        return `${declaration.kind} ${name} is declared otherwise`;
      }
    }
    for (const name of actual.sets.keys()) if (!this.#sets.has(name)) return `set ${name} is not ours`;
    for (const counter of COUNTERS) if (!actual.counters.includes(counter)) return `counter ${counter} is missing`;
    for (const [name, { hook }] of actual.chains) {
      const wanted = this.#chains.get(name);
      if (hook !== (wanted?.hook ?? null)) return `chain ${name} has another hook`;
    }
    for (const [name, { hook }] of this.#chains) {
      if (hook !== null && !actual.chains.has(name)) return `base chain ${name} is missing`;
    }
    return null;
  }

  /** A restart goes on with the generation that connections have. */
  #adoptGeneration(actual: TableContent): void {
    const { generationMask: mask } = this.options;
    const value = stampedMark(actual.chains.get('stamp'));
    if (value === null) return;
    const shift = 31 - Math.clz32(mask & -mask);
    const number = ((value & mask) >>> shift) - 1;
    if (number < 0 || generationMark(mask, number) !== value) return;
    this.#generation = number;
    this.#writeGeneration();
    // What the kernel has there is compared with that.
    this.#chainJournal.clear();
  }

  #bump(): void {
    if (!this.#bumped) {
      this.#generation++;
      this.#writeGeneration();
    }
    this.#tightens = null;
    this.#bumped = true;
  }

  #writeGeneration(): void {
    const mark = generationMark(this.options.generationMask, this.#generation);
    for (const [name, chain] of generationChains(this.options, mark)) this.setChain(name, chain);
  }

  #wanted(set: string): Map<string, string> {
    const wanted = this.#sets.get(set);
    if (wanted === undefined) throw new Error(`no set ${set}`);
    return wanted.elements;
  }

  #journal(): Journal {
    return { exists: true, elements: this.#elementJournal, chains: this.#chainJournal };
  }
}

function sizeOf(journal: Journal): number {
  let size = journal.chains.size;
  for (const elements of journal.elements.values()) size += elements.size;
  return size;
}

function note<V>(
  journal: Map<string, V | null>,
  key: string,
  before: V | null,
  after: V | null,
  equal: (a: V | null, b: V | null) => boolean,
): void {
  const inKernel = journal.has(key) ? (journal.get(key) ?? null) : before;
  if (equal(inKernel, after)) journal.delete(key);
  else journal.set(key, inKernel);
}

function same(a: string | null, b: string | null): boolean {
  return a === b;
}

function sameChain(a: ChainContent | null, b: ChainContent | null): boolean {
  if (a === null || b === null) return a === b;
  return a.hook === b.hook && a.rules.length === b.rules.length && a.rules.every((rule, i) => rule === b.rules[i]);
}

/** The table says what it is, so that another version does not take it for its own. */
function commentOf(options: LayoutOptions): string {
  return `rampart layout ${LAYOUT_VERSION}, ct mark ${markText(options.generationMask)}`;
}
