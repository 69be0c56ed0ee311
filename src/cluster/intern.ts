import { by, byText } from '../base/order.ts';
import type { JsonObject } from '../manifest/object.ts';
import type { ContainerPort } from '../model/cluster.ts';
import { PORT_PROTOCOLS } from '../model/match.ts';
import type { Labels } from '../model/selector.ts';
import { type Decoding, wrong } from './decode.ts';

/** Shares equal label sets and equal port lists of one cluster: equal ones are the same object. */
export interface Interner {
  readonly labels: LabelNode;
  readonly ports: PortNode;
}

/** Ports in their order, as a tree of the same sort. */
interface PortNode {
  /** By the numbers and the protocol, then the name. */
  readonly next: Map<number, Map<string | null, PortNode>>;
  ports: readonly ContainerPort[] | null;
}

/**
 * Labels in the order in which they were written, as a tree that has one step for each: looking a set up in it costs half
 * of what making a key of the set costs, and leaves nothing behind.
 */
interface LabelNode {
  readonly before: LabelNode | null;
  readonly key: string;
  readonly value: string;
  /** By key, then value. */
  next: Map<string, Map<string, LabelNode>> | null;
  /** The same object at every node to which the same labels lead; `null` until it is asked for. */
  labels: Labels | null;
}

const byKey = by((node: LabelNode) => node.key, byText);

export const NO_LABELS: Labels = new Map();

export function interner(): Interner {
  return {
    labels: { before: null, key: '', value: '', next: null, labels: NO_LABELS },
    ports: { next: new Map(), ports: null },
  };
}

/** The labels of a JSON object; a value that is no string is a fault. */
export function internLabels(shared: Interner, of: Decoding, json: JsonObject, path: string): Labels {
  let node = shared.labels;
  for (const key of Object.keys(json)) {
    const value = json[key];
    if (typeof value === 'string') node = step(node, key, value);
    else if (value === null) node = step(node, key, '');
    else wrong(of, value, 'a string', path, key);
  }
  return node.labels ?? labelsAt(shared, node);
}

/** The shared label set of these pairs; of equal keys the last counts. */
export function internEntries(shared: Interner, entries: Iterable<readonly [string, string]>): Labels {
  let node = shared.labels;
  for (const [key, value] of new Map(entries)) node = step(node, key, value);
  return node.labels ?? labelsAt(shared, node);
}

function step(from: LabelNode, key: string, value: string): LabelNode {
  from.next ??= new Map();
  let values = from.next.get(key);
  if (values === undefined) {
    values = new Map();
    from.next.set(key, values);
  }
  let node = values.get(value);
  if (node === undefined) {
    node = { before: from, key, value, next: null, labels: null };
    values.set(value, node);
  }
  return node;
}

/** The labels that lead to a node, shared with the node to which they lead in the order of their keys. */
function labelsAt(shared: Interner, node: LabelNode): Labels {
  const written: LabelNode[] = [];
  let inOrder = true;
  for (let at = node; at.before !== null; at = at.before) {
    if (at.key < at.before.key) inOrder = false;
    written.push(at);
  }
  let sorted = node;
  if (!inOrder) {
    sorted = shared.labels;
    for (const { key, value } of written.toSorted(byKey)) sorted = step(sorted, key, value);
  }
  if (sorted.labels === null) {
    const labels = new Map<string, string>();
    for (const { key, value } of written.reverse()) labels.set(key, value);
    sorted.labels = labels;
  }
  node.labels = sorted.labels;
  return sorted.labels;
}

/** The shared list of these ports. */
export function internPorts(shared: Interner, ports: readonly ContainerPort[]): readonly ContainerPort[] {
  let node = shared.ports;
  for (const { name, port, protocol, hostPort } of ports) {
    const number = ((hostPort ?? 0) * 65536 + port) * PORT_PROTOCOLS.length + PORT_PROTOCOLS.indexOf(protocol);
    let names = node.next.get(number);
    if (names === undefined) {
      names = new Map();
      node.next.set(number, names);
    }
    let next = names.get(name);
    if (next === undefined) {
      next = { next: new Map(), ports: null };
      names.set(name, next);
    }
    node = next;
  }
  node.ports ??= ports;
  return node.ports;
}
