import { FAMILIES, type Family } from '../../base/ip.ts';
import type { ContainerPort, Namespace, Node, Pod } from '../../model/cluster.ts';
import type { Endpoint } from '../../model/flow.ts';
import type { Labels } from '../../model/selector.ts';
import { addressesOf, type MatchFacts, nodeOf } from '../match.ts';
import type { AddressPartition, GroupId } from './address-partition.ts';

/** Endpoints that no policy of the program can tell apart. Pods in one class share namespace, labels, named ports and address groups. */
export interface EndpointClass {
  readonly id: number;
  readonly kind: 'pod' | 'host' | 'node' | 'external' | 'domain';
  /** Of pods. */
  readonly namespace: Namespace | null;
  readonly labels: Labels;
  readonly ports: readonly ContainerPort[];
  /** Number of the set of named ports; equal for classes on which every named port means the same. */
  readonly profile: number;
  /** Of host-network pods and nodes. */
  readonly node: Node | 'unknown' | null;
  /** Of domains. */
  readonly domain: string | null;
  /** Families in which it has, or may have, an address: bit 0 IPv4, bit 1 IPv6. */
  readonly families: number;
  /** Address groups by family; empty: no address of that family. */
  readonly groups: Readonly<Record<Family, readonly GroupId[] | 'unknown'>>;
  /** An endpoint of the class, for reports and reasons. */
  readonly example: Endpoint;
}

/** Flag of classes of pods that have a network of their own. */
export const POD = 4;

const NO_LABELS: Labels = new Map();

/** All classes of a cluster, numbered in order of appearance. Numbers never change; classes are never taken out. */
export class ClassTable {
  readonly all: EndpointClass[] = [];
  /** Families of each class, and {@link POD} for pods: what every flow asks for, close together. */
  readonly flags: number[] = [];
  readonly byNamespace: Map<string, number[]> = new Map();
  /** Classes with exactly one address group in a family. */
  readonly byGroup: Map<GroupId, number[]> = new Map();
  /** Classes whose address is unknown, or in several groups of one family. */
  readonly unsure: number[] = [];
  /** Everything but pods with an address of their own. */
  readonly others: number[] = [];
  readonly #partition: AddressPartition;
  readonly #ids = new Map<string, number>();
  readonly #labels = new Interning<Labels>((labels) =>
    JSON.stringify([...labels].sort((a, b) => (a[0] < b[0] ? -1 : 1))),
  );
  readonly #ports = new Interning<readonly ContainerPort[]>((ports) =>
    ports
      .filter((port) => port.name !== null)
      .map((port) => `${port.name}/${port.protocol}/${port.port}`)
      .sort()
      .join(','),
  );
  readonly #onNew: (added: EndpointClass) => void;
  /** Classes found before, so that flows from outside and from nodes need no key. */
  readonly #externalClasses: (number | undefined)[] = [];
  readonly #nodeClasses = new Map<Node, Map<bigint | undefined, number>>();
  #version = -1;

  constructor(partition: AddressPartition, onNew: (added: EndpointClass) => void) {
    this.#partition = partition;
    this.#onNew = onNew;
  }

  /** The class of an endpoint, made if it is the first of its kind. */
  classOf(endpoint: Endpoint, facts: MatchFacts): number {
    switch (endpoint.kind) {
      case 'pod':
        return endpoint.pod.hostNetwork
          ? this.#hostClass('host', endpoint, facts)
          : this.#podClass(endpoint.pod, facts);
      case 'node': {
        this.#refresh();
        const known = this.#nodeClasses.get(endpoint.node)?.get(endpoint.address?.value);
        if (known !== undefined) return known;
        const made = this.#hostClass('node', endpoint, facts);
        const byAddress = this.#nodeClasses.get(endpoint.node) ?? new Map<bigint | undefined, number>();
        this.#nodeClasses.set(endpoint.node, byAddress.set(endpoint.address?.value, made));
        return made;
      }
      case 'external':
        return this.externalClass(this.#partition.groupOf(endpoint.address), endpoint);
      case 'domain':
        return this.#intern(`d|${endpoint.name}`, (id) => ({
          ...outside(id, endpoint),
          kind: 'domain',
          domain: endpoint.name,
          groups: { 4: 'unknown', 6: 'unknown' },
        }));
    }
  }

  /** The class of the addresses of a group that belong to no pod and no node. */
  externalClass(group: GroupId, example: Endpoint): number {
    const known = this.#externalClasses[group];
    if (known !== undefined) return known;
    const made = this.#intern(`x|${group}`, (id) => {
      const family = this.#partition.familyOf(group);
      return { ...outside(id, example), kind: 'external', groups: { 4: [], 6: [], [family]: [group] } };
    });
    this.#externalClasses[group] = made;
    return made;
  }

  /** A node's addresses may be in other groups since the last block was added. */
  #refresh(): void {
    if (this.#version === this.#partition.version) return;
    this.#version = this.#partition.version;
    this.#nodeClasses.clear();
  }

  #podClass(pod: Pod, facts: MatchFacts): number {
    const groups = this.#groups({ kind: 'pod', pod }, facts);
    const labels = this.#labels.id(pod.labels);
    const profile = this.#ports.id(pod.ports);
    const key = `${pod.namespace}|${labels}|${profile}|${groups[4]}|${groups[6]}`;
    return this.#intern(key, (id) => ({
      id,
      kind: 'pod',
      namespace: facts.cluster.namespaces.get(pod.namespace) ?? null,
      labels: pod.labels,
      ports: pod.ports,
      profile,
      node: null,
      domain: null,
      groups,
      example: { kind: 'pod', pod },
    }));
  }

  #hostClass(kind: 'host' | 'node', endpoint: Endpoint, facts: MatchFacts): number {
    const node = nodeOf(endpoint, facts);
    const groups = this.#groups(endpoint, facts);
    const name = node === null || node === 'unknown' ? '' : node.name;
    return this.#intern(`${kind}|${name}|${groups[4]}|${groups[6]}`, (id) => ({
      ...outside(id, endpoint),
      kind,
      node,
      groups,
    }));
  }

  #groups(endpoint: Endpoint, facts: MatchFacts): EndpointClass['groups'] {
    const inFamily = (family: Family): readonly GroupId[] | 'unknown' => {
      const addresses = addressesOf(endpoint, family, facts);
      if (addresses === 'unknown') return 'unknown';
      if (addresses.length === 1 && addresses[0] !== undefined) return [this.#partition.groupOf(addresses[0])];
      return [...new Set(addresses.map((address) => this.#partition.groupOf(address)))].sort((a, b) => a - b);
    };
    return { 4: inFamily(4), 6: inFamily(6) };
  }

  #intern(key: string, make: (id: number) => Omit<EndpointClass, 'families'>): number {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const made = make(this.all.length);
    const families = (made.groups[4].length > 0 ? 1 : 0) | (made.groups[6].length > 0 ? 2 : 0);
    const added: EndpointClass = { ...made, families };
    this.all.push(added);
    this.flags.push(families | (added.kind === 'pod' ? POD : 0));
    this.#ids.set(key, added.id);
    if (added.kind !== 'pod') this.others.push(added.id);
    else if (added.namespace !== null) append(this.byNamespace, added.namespace.name, added.id);
    for (const family of FAMILIES) {
      const groups = added.groups[family];
      if (groups !== 'unknown' && groups.length <= 1) {
        if (groups[0] !== undefined) append(this.byGroup, groups[0], added.id);
      } else if (this.unsure.at(-1) !== added.id) this.unsure.push(added.id);
    }
    this.#onNew(added);
    return added.id;
  }
}

function append<K>(lists: Map<K, number[]>, key: K, id: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [id]);
  else list.push(id);
}

function outside(id: number, example: Endpoint): Omit<EndpointClass, 'kind' | 'groups' | 'families'> {
  return { id, namespace: null, labels: NO_LABELS, ports: [], profile: 0, node: null, domain: null, example };
}

/** Numbers for values that are equal by key; the same object is looked up without making its key again. */
class Interning<T extends object> {
  readonly #byObject = new WeakMap<T, number>();
  readonly #byKey = new Map<string, number>();
  readonly #key: (value: T) => string;

  constructor(key: (value: T) => string) {
    this.#key = key;
  }

  id(value: T): number {
    const known = this.#byObject.get(value);
    if (known !== undefined) return known;
    const key = this.#key(value);
    let id = this.#byKey.get(key);
    if (id === undefined) {
      id = this.#byKey.size;
      this.#byKey.set(key, id);
    }
    this.#byObject.set(value, id);
    return id;
  }
}
