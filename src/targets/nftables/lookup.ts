/** Membership in the sets and maps of a table, exact ones and those of intervals. */
import { invariant } from '../../base/invariant.ts';
import type { Elements } from './table.ts';
import type { DataType, Value } from './value.ts';

/** An element that a packet's key met. */
export interface Element {
  readonly set: string;
  readonly key: string;
  /** `''` in a set. */
  readonly value: string;
}

/** The element that holds a key, or `null`. */
export type Lookup = (key: readonly Value[]) => Element | null;

/** Lookups in a set whose keys are written in canonical text, so that they can be compared as texts. */
export function exactLookup(set: string, types: readonly DataType[], elements: Elements): Lookup {
  return (values) => {
    const key = keyText(types, values);
    const value = elements.get(key);
    if (value !== undefined) return { set, key, value };
    const rest = elements.get('*');
    return rest === undefined ? null : { set, key: '*', value: rest };
  };
}

/** Ranges of the last field that share the other fields, in order. */
interface Lane {
  readonly first: Value[];
  readonly last: Value[];
  readonly elements: Element[];
}

/** Lookups in a set whose last field may be a range. */
export function intervalLookup(set: string, types: readonly DataType[], elements: Elements): Lookup {
  const lanes = lanesOf(set, types, elements);
  const others = types.slice(0, -1);
  return (values) => {
    const lane = lanes.get(keyText(others, values));
    if (lane === undefined) return null;
    const at = lastNotAfter(lane.first, values[others.length] as Value);
    return at >= 0 && (values[others.length] as Value) <= (lane.last[at] as Value)
      ? (lane.elements[at] as Element)
      : null;
  };
}

function keyText(types: readonly DataType[], values: readonly Value[]): string {
  let key = '';
  for (let i = 0; i < types.length; i++) {
    if (i > 0) key += ' . ';
    key += (types[i] as DataType).format(values[i] as Value);
  }
  return key;
}

function lanesOf(set: string, types: readonly DataType[], elements: Elements): ReadonlyMap<string, Lane> {
  const entries = new Map<string, { first: Value; last: Value; element: Element }[]>();
  for (const [key, value] of elements) {
    const fields = key.split(' . ');
    invariant(fields.length === types.length, `the key \`${key}\` of \`${set}\` has ${fields.length} fields`);
    const bounds = fields.map((field, i) => boundsOf(set, types[i] as DataType, field));
    const [first, last] = bounds.pop() as readonly [Value, Value];
    const single = bounds.every(([low, high]) => low === high);
    invariant(single, `the key \`${key}\` of \`${set}\` has a range before its last field`);
    const lane = keyText(
      types.slice(0, -1),
      bounds.map(([low]) => low),
    );
    const list = entries.get(lane) ?? [];
    if (list.length === 0) entries.set(lane, list);
    list.push({ first, last, element: { set, key, value } });
  }
  const lanes = new Map<string, Lane>();
  for (const [name, list] of entries) {
    list.sort((a, b) => (a.first < b.first ? -1 : 1));
    for (let i = 1; i < list.length; i++) {
      const [before, here] = [list[i - 1], list[i]];
      invariant(
        before === undefined || here === undefined || before.last < here.first,
        `\`${before?.element.key}\` and \`${here?.element.key}\` of \`${set}\` overlap`,
      );
    }
    lanes.set(name, {
      first: list.map(({ first }) => first),
      last: list.map(({ last }) => last),
      elements: list.map(({ element }) => element),
    });
  }
  return lanes;
}

/** A single value, `first-last`, or `address/prefix` (which anonymous sets and comparisons in rules have). */
export function boundsOf(where: string, type: DataType, text: string): readonly [Value, Value] {
  const constant = (part: string): Value => {
    const value = type.parse(part);
    invariant(value !== null, `\`${part}\` in ${where} is no ${type.name}`);
    return value;
  };
  const slash = text.indexOf('/');
  if (slash > 0) {
    const host = type.bits - Number(text.slice(slash + 1));
    const first = constant(text.slice(0, slash));
    if (typeof first === 'bigint') return [first, first + (1n << BigInt(host)) - 1n];
    return [first, Number(first) + 2 ** host - 1];
  }
  const dash = type.name === 'ifname' ? -1 : text.indexOf('-');
  if (dash <= 0 || type.parse(text) !== null) return [constant(text), constant(text)];
  return [constant(text.slice(0, dash)), constant(text.slice(dash + 1))];
}

/** Index of the last value that is not after `value`; -1 if all are. */
function lastNotAfter(values: readonly Value[], value: Value): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] as Value) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
