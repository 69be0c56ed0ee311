/** Writes the content of a table as text that `nft -f` loads. */
import { invariant } from '../../base/invariant.ts';
import type { ChainContent, Elements, SetDeclaration, TableContent } from './table.ts';

/**
 * Elements per command in interval sets with concatenated keys. nft 1.0.6 stores the first key after a full netlink message (about 1090
 * elements of one command) with its bytes swapped, if a field is in host byte order as `classid` is.
 */
export const INTERVAL_BATCH = 500;

/**
 * The whole table as one block: comment, counters, sets and maps with their elements, chains; behind it, what may not
 * stand in one command. The same content gives the same text. Loaded into a kernel that has a table of this name, it adds.
 */
export function renderTable(content: TableContent): string {
  const parts: string[] = [`table ${content.family} ${content.name} {\n`];
  const behind: string[] = [];
  if (content.comment !== null) parts.push(`\tcomment ${quote(content.comment)}\n\n`);
  for (const counter of content.counters) parts.push(`\tcounter ${counter} {\n\t}\n\n`);
  for (const { declaration, elements } of content.sets.values()) {
    const batches = batchesOf(declaration, elements);
    parts.push(renderSet(declaration, batches[0] ?? elements), '\n');
    const command = `add element ${content.family} ${content.name} ${declaration.name}`;
    for (const batch of batches.slice(1)) behind.push(`${command} { ${renderElements(batch)} }\n`);
  }
  for (const [name, chain] of content.chains) parts.push(renderChain(name, chain), '\n');
  parts.push('}\n', ...behind);
  return parts.join('');
}

function batchesOf(declaration: SetDeclaration, elements: Elements): readonly Elements[] {
  const concatenated = declaration.type.split(' : ')[0]?.includes(' . ') ?? false;
  if (!declaration.interval || !concatenated || elements.size <= INTERVAL_BATCH) return [elements];
  const entries = [...elements];
  return Array.from(
    { length: Math.ceil(entries.length / INTERVAL_BATCH) },
    (_, i) => new Map(entries.slice(i * INTERVAL_BATCH, (i + 1) * INTERVAL_BATCH)),
  );
}

/** One set or map with its elements, as it stands in a table's block. */
export function renderSet(declaration: SetDeclaration, elements: Elements): string {
  const { kind, name, type, interval } = declaration;
  const flags = interval ? '\t\tflags interval\n' : '';
  const members = elements.size === 0 ? '' : `\t\telements = { ${renderElements(elements)} }\n`;
  return `\t${kind} ${name} {\n\t\ttype ${type.replaceAll('; ', '\n\t\t')}\n${flags}${members}\t}\n`;
}

/** The elements without their braces, one per line: a single long line makes nft slow when it reports an error. */
export function renderElements(elements: Elements): string {
  const parts: string[] = [];
  for (const [key, value] of elements) parts.push(value === '' ? key : `${key} : ${value}`);
  return parts.join(',\n\t\t\t');
}

/** One chain with its rules, as it stands in a table's block. */
export function renderChain(name: string, chain: ChainContent): string {
  const lines = [...(chain.hook === null ? [] : [chain.hook]), ...chain.rules];
  return `\tchain ${name} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}\n`;
}

function quote(text: string): string {
  invariant(!/["\n]/.test(text), `nft has no way to write the comment ${JSON.stringify(text)}`);
  return `"${text}"`;
}
