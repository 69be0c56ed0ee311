/** Content of a table with its numbers replaced by what they stand for. Two histories that mean the same look the same. */
import { byText } from '../../base/order.ts';
import { MAX_IDENTITY, POD_IDENTITY, parsePriority } from './encode.ts';
import { markText, stampedMark } from './layout.ts';
import type { Elements, TableContent } from './table.ts';

/** Names of numbers; those of the generation are texts. */
interface Names {
  readonly identity: (number: number) => string;
  readonly subject: (number: number) => string;
  /** The mark of the generation; `null` where no chain gives one. */
  readonly generation: number | null;
}

/**
 * The content as sorted lines. A peer identity is named by the first of the addresses that have it, a subject by the first
 * address that leads to it (lines beginning with `peer` and `subject` list all of them), the generation by that word.
 */
export function canonicalLines(content: TableContent): readonly string[] {
  const peers = peersOf(content);
  const subjects = subjectsOf(content);
  const names: Names = {
    identity: (number) => identityName(number, peers.get(number)),
    subject: (number) => (number === 0 ? '-' : `subject[${subjects.get(number)?.[0] ?? 'nobody'}]`),
    generation: stampedMark(content.chains.get('stamp')),
  };
  const lines = [
    `table ${content.family} ${content.name} ${content.comment}`,
    ...content.counters.map((name) => `counter ${name}`),
  ];
  for (const [number, addresses] of peers) lines.push(`${names.identity(number)}: ${addresses.join(', ')}`);
  for (const [number, locals] of subjects) lines.push(`${names.subject(number)}: ${locals.join(', ')}`);
  for (const [name, { declaration, elements }] of content.sets) {
    const { kind, type, interval } = declaration;
    lines.push(`${kind} ${name} ${type}${interval ? ' interval' : ''}`);
    for (const [key, value] of elements) lines.push(elementLine(name, type, key, value, names));
  }
  for (const [name, { hook, rules }] of content.chains) {
    const chain = chainName(name, names);
    lines.push(`chain ${chain}${hook === null ? '' : ` ${hook}`}`);
    for (const [i, rule] of rules.entries()) lines.push(`chain ${chain} ${i}: ${ruleText(name, rule, names)}`);
  }
  return lines.sort(byText);
}

/** Lines of which one content has more than the other: `+` what `after` has, `-` what `before` has. Empty if they mean the same. */
export function canonicalDifference(before: TableContent, after: TableContent): readonly string[] {
  const counts = new Map<string, number>();
  for (const line of canonicalLines(before)) counts.set(line, (counts.get(line) ?? 0) - 1);
  for (const line of canonicalLines(after)) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].flatMap(([line, count]) => (count === 0 ? [] : [`${count > 0 ? '+' : '-'} ${line}`])).sort(byText);
}

/** Numbers with a meaning of their own, whatever came before. */
const FIXED: ReadonlySet<number> = new Set([
  1,
  POD_IDENTITY - 1,
  POD_IDENTITY,
  POD_IDENTITY + 1,
  POD_IDENTITY + 2,
  MAX_IDENTITY,
]);

function identityName(number: number, addresses: readonly string[] | undefined): string {
  if (number === 0) return 'anybody';
  return FIXED.has(number) ? `peer#${number}` : `peer[${addresses?.[0] ?? 'nobody'}]`;
}

const IDENTITY_MAPS = ['id4', 'id6', 'ext4', 'ext6'];

function peersOf(content: TableContent): ReadonlyMap<number, readonly string[]> {
  const peers = new Map<number, string[]>();
  for (const map of IDENTITY_MAPS) {
    for (const [address, priority] of elementsOf(content, map)) {
      const { identity } = parsePriority(priority);
      const list = peers.get(identity) ?? [];
      if (list.length === 0) peers.set(identity, list);
      list.push(`${map} ${address}`);
    }
  }
  for (const list of peers.values()) list.sort(byText);
  return peers;
}

const DISPATCH_MAPS = ['in', 'eg', 'own', 'self'].flatMap((mode) => [`${mode}4`, `${mode}6`]);
const SUBJECT_CHAIN = /\b([spq])_(\d+)\b/g;

function subjectsOf(content: TableContent): ReadonlyMap<number, readonly string[]> {
  const subjects = new Map<number, string[]>();
  for (const map of DISPATCH_MAPS) {
    for (const [address, verdict] of elementsOf(content, map)) {
      for (const [, , number] of verdict.matchAll(SUBJECT_CHAIN)) {
        const list = subjects.get(Number(number)) ?? [];
        if (list.length === 0) subjects.set(Number(number), list);
        list.push(`${map} ${address}`);
      }
    }
  }
  for (const list of subjects.values()) list.sort(byText);
  return subjects;
}

const elementsOf = (content: TableContent, map: string): Elements => content.sets.get(map)?.elements ?? new Map();

function elementLine(map: string, type: string, key: string, value: string, names: Names): string {
  const [keyType = '', valueType] = type.split(' : ');
  const fields = key.split(' . ');
  if (keyType.startsWith('classid')) fields[0] = priorityName(fields[0] ?? '', names);
  const known = fields.join(' . ');
  if (valueType === undefined) return `${map} ${known}`;
  return `${map} ${known} : ${valueType === 'classid' ? priorityName(value, names) : chainName(value, names)}`;
}

function priorityName(text: string, names: Names): string {
  const { identity, subject } = parsePriority(text);
  return `${names.identity(identity)}/${names.subject(subject)}`;
}

/** Names of chains in a text: `s_17` and the like have a subject's number. */
function chainName(text: string, names: Names): string {
  return text.replace(SUBJECT_CHAIN, (_, kind: string, number: string) => `${kind} ${names.subject(Number(number))}`);
}

function ruleText(chain: string, rule: string, names: Names): string {
  const { generation } = names;
  if (generation !== null && rule.startsWith('ct mark ')) {
    const stamp = /^ct mark set ct mark & (0x[0-9a-f]{8}) \| 0x[0-9a-f]{8}$/.exec(rule);
    // The mask holds the bits of the mark itself, too.
    if (stamp !== null) {
      return `ct mark set ct mark & ${markText((Number(stamp[1]) & ~generation) >>> 0)} | generation`;
    }
    return rule.replaceAll(markText(generation), 'generation');
  }
  const said = chainName(rule, names);
  if (!/^[spq]_\d+$/.test(chain)) return said;
  return said.replace(/(?<=^meta priority set |\| )[0-9a-f]{1,4}:[0-9a-f]{1,4}$/, (text) => priorityName(text, names));
}
