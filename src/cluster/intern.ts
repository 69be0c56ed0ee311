import { byText } from '../base/order.ts';
import type { JsonObject } from '../manifest/object.ts';
import type { ContainerPort } from '../model/cluster.ts';
import type { Labels } from '../model/selector.ts';
import { type Decoding, wrong } from './decode.ts';

/** Shares equal label sets and equal port lists of one cluster: equal ones are the same object. */
export interface Interner {
  /** Label sets by the JSON text of how they were written. */
  readonly written: Map<string, Labels>;
  readonly sets: Map<string, Labels>;
  readonly ports: Map<string, readonly ContainerPort[]>;
}

export const NO_LABELS: Labels = new Map();

export function interner(): Interner {
  return { written: new Map(), sets: new Map(), ports: new Map() };
}

/** The labels of a JSON object; a value that is no string is a fault. */
export function internLabels(shared: Interner, of: Decoding, json: JsonObject, path: string): Labels {
  const text = JSON.stringify(json);
  const known = shared.written.get(text);
  if (known !== undefined) return known;
  const entries: [string, string][] = [];
  let clean = true;
  for (const key of Object.keys(json)) {
    const value = json[key];
    if (typeof value === 'string') entries.push([key, value]);
    else if (value === null) entries.push([key, '']);
    else {
      clean = false;
      wrong(of, value, 'a string', path, key);
    }
  }
  const labels = internEntries(shared, entries);
  if (clean) shared.written.set(text, labels);
  return labels;
}

/** The shared label set of these pairs; of equal keys the last counts. */
export function internEntries(shared: Interner, entries: Iterable<readonly [string, string]>): Labels {
  const labels = new Map(entries);
  if (labels.size === 0) return NO_LABELS;
  const key = JSON.stringify([...labels].sort((a, b) => byText(a[0], b[0])));
  const known = shared.sets.get(key);
  if (known !== undefined) return known;
  shared.sets.set(key, labels);
  return labels;
}

/** The shared list of these ports. */
export function internPorts(shared: Interner, ports: readonly ContainerPort[]): readonly ContainerPort[] {
  let key = '';
  // The length tells where a name ends, whatever is in it.
  for (const { name, port, protocol, hostPort } of ports)
    key += `${port} ${protocol} ${hostPort} ${name?.length} ${name} `;
  const known = shared.ports.get(key);
  if (known !== undefined) return known;
  shared.ports.set(key, ports);
  return ports;
}
