import type { Cidr, Family, Ip } from '../../base/ip.ts';
import type { EndpointClass } from '../../engine/compiled/classes.ts';
import { CompiledProgram } from '../../engine/compiled/compile.ts';
import { symbolicEnd } from '../../engine/compiled/evaluate.ts';
import { ALL_TRAFFIC, type TrafficId, TrafficTable } from '../../engine/compiled/traffic.ts';
import type { Cluster, Namespace, Node, Pod } from '../../model/cluster.ts';
import type { Policy, PolicyProgram } from '../../model/program.ts';
import { DesiredTable } from './desired.ts';
import { Identities } from './identities.ts';
import type { LayoutOptions } from './layout.ts';
import { addressText, type OutsideRange, Peers, rangeKey, unitOf } from './peers.ts';
import { denyChain, type Mode, type Slot, Slots } from './slots.ts';
import { directionOf, type PeerMode, SubjectReader } from './subjects.ts';

const PEER_MODES: readonly PeerMode[] = ['ingress', 'egress', 'own'];
/** The maps, but for the family, by which packets find the chains of a mode. */
const DISPATCH: Readonly<Record<Mode, string>> = {
  ingress: 'in',
  egress: 'eg',
  own: 'own',
  self4: 'self',
  self6: 'self',
};
const NAMES: readonly string[] = [...new Set(Object.values(DISPATCH))];

/** What decides about a local pod at present. */
interface Local {
  readonly pod: Pod;
  /** By mode; absent: open. */
  readonly slots: Map<Mode, Slot | 'closed'>;
}

export interface NodeCompilerStats {
  readonly localPods: number;
  readonly subjects: number;
  readonly identities: number;
  readonly elements: number;
}

type Owner = Pod | Node;

/**
 * Keeps the table of one node true to a program and a cluster. Changes are told one by one; `settle` then does the work
 * for all of them, touching what they concern only. The meaning of the table depends on the present state alone.
 */
export class NodeCompiler {
  readonly desired: DesiredTable;
  readonly node: string;
  #program: CompiledProgram | null = null;
  /** Of the cluster that was loaded last: pods come and go after that, and whoever keeps the list of them keeps them all. */
  #namespaces = new Map<string, Namespace>();
  #nodes: readonly Node[] = [];
  /** Kept, so that what slots said can be compared with what they say after a new start. */
  readonly #traffic = new TrafficTable();
  /** What classes of pods may say to themselves, by what decides about it. */
  readonly #selves = new Map<string, TrafficId>();
  readonly #locals = new Map<string, Local>();
  #localPods = new Map<string, Pod>();
  #peers = new Peers();
  readonly #slots: Slots;
  readonly #identities: Identities;
  /** Owners of each address, the last one counts; one alone stands for itself, since nearly all are. */
  readonly #owners = new Map<string, Owner | readonly Owner[]>();
  #closed: ReadonlySet<string> = new Set();
  /** Something that local pods are judged by may have changed: pods of other nodes alone do not count. */
  #localsChanged = true;
  /** Addresses of which the class may have changed. */
  readonly #touched = new Map<string, Ip>();
  #blocks = -1;
  /** After the first settling of what was loaded. */
  #bulk = 0;
  #podRanges: readonly Cidr[] = [];
  /** Work done, for tests. */
  readonly work = { settles: 0, loads: 0, subjectsRead: 0, localsRead: 0 };

  constructor(options: { readonly node: string; readonly layout: LayoutOptions; readonly generation?: number }) {
    this.node = options.node;
    this.desired = new DesiredTable(options.layout, options.generation);
    this.#slots = new Slots(this.desired);
    this.#identities = new Identities(this.desired, this.#slots);
  }

  /** Takes everything anew; numbers are kept as far as they can be. */
  load(cluster: Cluster, program: PolicyProgram): void {
    this.work.loads++;
    this.#bulk = 0;
    this.#localsChanged = true;
    this.#namespaces = new Map(cluster.namespaces);
    this.#nodes = cluster.nodes;
    const own = { ...cluster, namespaces: this.#namespaces };
    this.#program = new CompiledProgram(program, own, { traffic: this.#traffic, ties: 'by-name' });
    this.#selves.clear();
    this.#slots.restart(this.#program);
    this.#identities.restart();
    this.#owners.clear();
    const before = this.#peers;
    this.#peers = new Peers();
    this.#localPods = new Map();
    this.#blocks = -1;
    for (const node of cluster.nodes) for (const ip of node.addresses) this.#own(ip, node);
    for (const { pods } of cluster.workloads) for (const pod of pods) this.#add(pod);
    for (const [address] of before.all()) if (this.#peers.unit(address) === undefined) this.#identities.forget(address);
  }

  /** Makes a namespace known that no pod or policy was in before. */
  addNamespace(namespace: Namespace): void {
    this.#namespaces.set(namespace.name, namespace);
  }

  /** Adds, replaces or removes one pod; its namespace must be known. */
  replacePod(before: Pod | null, after: Pod | null): void {
    const program = this.#loaded();
    program.replacePod(before, after);
    if (before !== null) this.#drop(before);
    if (after !== null) this.#add(after);
  }

  replacePolicy(tier: string, before: Policy | null, after: Policy | null): void {
    this.#localsChanged = true;
    this.#loaded().replacePolicy(tier, before, after);
  }

  /** The ranges from which this node's pods get their addresses, for closed mode. */
  setPodRanges(ranges: readonly Cidr[]): void {
    this.#podRanges = ranges;
    this.#localsChanged = true;
  }

  /** Policies that the kernel refuses: pods of this node that they select are closed in the directions they speak about. */
  close(policies: ReadonlySet<string>): void {
    if (policies.size === this.#closed.size && [...policies].every((id) => this.#closed.has(id))) return;
    this.#closed = new Set(policies);
    this.#localsChanged = true;
  }

  /** Brings `desired` up to date. */
  settle(): void {
    const program = this.#loaded();
    this.work.settles++;
    this.#classify(program);
    if (this.#localsChanged) this.#settleLocals(program);
    this.#identities.settle(program, this.#peers);
    const written = this.#slots.settle(this.#identities);
    if (this.#localsChanged || written) this.#dispatch();
    if (this.#localsChanged) this.#sets();
    this.#localsChanged = false;
    if (this.#bulk === 0) this.#bulk = bulkOf(program);
    this.desired.forgetFound();
  }

  /**
   * Whether most of what is kept is about pods and policies that are gone: the engine takes in, and never forgets. A new
   * compiler that finds the table goes on with the same numbers.
   */
  isOvergrown(): boolean {
    return bulkOf(this.#loaded()) > 2 * this.#bulk + SPARE_BULK;
  }

  stats(): NodeCompilerStats {
    let elements = 0;
    for (const { elements: of } of this.desired.content().sets.values()) elements += of.size;
    return {
      localPods: this.#localPods.size,
      subjects: this.#slots.size,
      identities: this.#identities.size,
      elements,
    };
  }

  #loaded(): CompiledProgram {
    if (this.#program === null) throw new Error('load comes first');
    return this.#program;
  }

  #add(pod: Pod): void {
    if (pod.template) return;
    for (const ip of pod.addresses) this.#own(ip, pod);
    if (pod.node === this.node) this.#localsChanged = true;
    if (pod.node === this.node && !pod.hostNetwork && pod.addresses.length > 0) this.#localPods.set(keyOf(pod), pod);
  }

  #drop(pod: Pod): void {
    if (pod.node === this.node) this.#localsChanged = true;
    for (const ip of pod.addresses) {
      const address = addressText(ip);
      const owners = this.#ownersOf(address).filter((owner) => owner !== pod);
      this.#setOwners(address, owners);
      // A local pod may have the address from now on.
      if (owners.length > 0) this.#localsChanged = true;
      if (owners.length === 0) {
        this.#peers.remove(address);
        this.#identities.forget(address);
      } else {
        this.#touched.set(address, ip);
      }
    }
    if (this.#localPods.get(keyOf(pod)) === pod) this.#localPods.delete(keyOf(pod));
  }

  #own(ip: Ip, owner: Owner): void {
    const address = addressText(ip);
    const owners = this.#ownersOf(address);
    // It may have been a local pod's.
    if (owners.length > 0) this.#localsChanged = true;
    // A host-network pod has its node's address, and the node was here before it.
    const isGuest = 'hostNetwork' in owner && owner.hostNetwork;
    this.#setOwners(address, isGuest ? [owner, ...owners] : [...owners, owner]);
    this.#touched.set(address, ip);
  }

  #ownersOf(address: string): readonly Owner[] {
    const found = this.#owners.get(address) ?? [];
    return 'addresses' in found ? [found] : found;
  }

  #setOwners(address: string, owners: readonly Owner[]): void {
    const [only] = owners;
    if (only === undefined) this.#owners.delete(address);
    else this.#owners.set(address, owners.length === 1 ? only : owners);
  }

  /** Which class each touched address is in; after new blocks, every address. */
  #classify(program: CompiledProgram): void {
    if (program.partition.version !== this.#blocks) {
      this.#blocks = program.partition.version;
      for (const address of this.#owners.keys()) {
        for (const ip of this.#ownersOf(address).at(-1)?.addresses ?? [])
          if (addressText(ip) === address) this.#touched.set(address, ip);
      }
      const ranges = outsideOf(program);
      this.#peers.setOutside(ranges.map(({ unit }) => unit));
      this.#identities.setRanges(ranges);
    }
    for (const [address, ip] of this.#touched) {
      const owner = this.#ownersOf(address).at(-1);
      if (owner === undefined) continue;
      const id =
        'hostNetwork' in owner
          ? program.classOf({ kind: 'pod', pod: owner })
          : program.classOf({ kind: 'node', node: owner, address: ip });
      this.#peers.put(address, unitOf(id, ip.family));
      this.#identities.touch(address);
    }
    this.#touched.clear();
  }

  /** Which slot each mode of each local pod has. */
  #settleLocals(program: CompiledProgram): void {
    this.work.localsRead++;
    this.#slots.begin();
    for (const key of this.#locals.keys()) if (!this.#localPods.has(key)) this.#locals.delete(key);
    for (const [key, pod] of this.#localPods) {
      const before = this.#locals.get(key)?.slots;
      const slots = new Map<Mode, Slot | 'closed'>();
      this.#locals.set(key, { pod, slots });
      const id = program.classOf({ kind: 'pod', pod });
      const own = program.classes.all[id];
      if (own === undefined) continue;
      let governed = false;
      for (const mode of PEER_MODES) {
        const subject = program.subject(id, directionOf(mode));
        if (this.#isClosed(program, id, mode)) {
          slots.set(mode, 'closed');
          governed = true;
          continue;
        }
        if (subject.tiers.length === 0) continue;
        governed = true;
        const named = mode === 'ingress' && subject.named ? `|${own.profile}` : '';
        const slot = this.#slots.want(
          mode,
          `${subject.id}${named}`,
          hint(this.desired, before?.get(mode), mode, pod),
          () => {
            this.work.subjectsRead++;
            return new SubjectReader(program, subject, own, mode);
          },
        );
        slots.set(mode, slot);
      }
      if (!governed) continue;
      for (const family of own.families === 3
        ? ([4, 6] as const)
        : own.families === 2
          ? ([6] as const)
          : ([4] as const)) {
        const answer = this.#selfAnswer(program, own, family);
        if (answer === ALL_TRAFFIC) continue;
        const mode = family === 4 ? 'self4' : 'self6';
        slots.set(mode, this.#slots.wantFixed(mode, answer, hint(this.desired, before?.get(mode), mode, pod)));
      }
    }
    this.#slots.end();
  }

  /** What a class of pods may say to itself through a Service: both ends at once. */
  #selfAnswer(program: CompiledProgram, own: EndpointClass, family: Family): TrafficId {
    const egress = program.subject(own.id, 'egress');
    const ingress = program.subject(own.id, 'ingress');
    const key = `${own.id}|${egress.id}|${ingress.id}|${family}`;
    const known = this.#selves.get(key);
    if (known !== undefined) return known;
    let both: TrafficId = ALL_TRAFFIC;
    for (const direction of ['egress', 'ingress'] as const) {
      const { allow, deny } = symbolicEnd(program, own, direction, own, family, 'no', true);
      both = program.traffic.intersect(both, program.traffic.subtract(allow, deny));
    }
    if (this.#selves.size > 10_000) this.#selves.clear();
    this.#selves.set(key, both);
    return both;
  }

  #isClosed(program: CompiledProgram, id: number, mode: PeerMode): boolean {
    if (this.#closed.size === 0) return false;
    const direction = directionOf(mode);
    return program
      .policiesOf(id)
      .some(
        (policy) =>
          this.#closed.has(policy.id) &&
          (policy.isolates.includes(direction) || policy.rules.some((rule) => rule.direction === direction)),
      );
  }

  /** Which chain each address of each local pod goes to. */
  #dispatch(): void {
    this.#slots.beginChains();
    const wanted = new Map<string, Map<string, string>>();
    for (const name of NAMES) for (const family of [4, 6]) wanted.set(`${name}${family}`, new Map());
    if (this.desired.options.refuseEncapsulation) {
      for (const ip of this.#nodes.flatMap((node) => node.addresses)) {
        wanted.get(`in${ip.family}`)?.set(addressText(ip), `jump to_node${ip.family}`);
      }
    }
    for (const { pod, slots } of this.#locals.values()) {
      for (const ip of pod.addresses) {
        const address = addressText(ip);
        if (this.#ownersOf(address).at(-1) !== pod) continue;
        const put = (mode: Mode, key: string, target: string): unknown =>
          wanted.get(`${DISPATCH[mode]}${ip.family}`)?.set(key, target);
        for (const mode of PEER_MODES) {
          const slot = slots.get(mode);
          if (slot === undefined) continue;
          if (slot === 'closed' || slot.number === null) put(mode, address, `goto ${denyChain(mode)}`);
          else if (!slot.open) put(mode, address, `jump ${this.#slots.chainOf(slot)}`);
        }
        if (slots.size === 0) continue;
        const mode = ip.family === 4 ? 'self4' : 'self6';
        const self = slots.get(mode);
        const target =
          self === undefined
            ? 'self_ok'
            : self === 'closed' || self.number === null
              ? denyChain(mode)
              : this.#slots.chainOf(self);
        put(mode, `${address} . ${address}`, `goto ${target}`);
      }
    }
    for (const [set, elements] of wanted) {
      const present = this.desired.elements(set);
      for (const key of [...present.keys()]) if (!elements.has(key)) this.desired.set(set, key, null);
      for (const [key, value] of elements) {
        if (this.desired.set(set, key, value)) this.desired.tighten(`${set} has changed for ${key}`);
      }
    }
    this.#slots.dropChains();
  }

  /** Sets that are lists of addresses. */
  #sets(): void {
    const known: Record<Family, Set<string>> = { 4: new Set(), 6: new Set() };
    for (const pod of this.#localPods.values()) {
      for (const ip of pod.addresses) known[ip.family].add(addressText(ip));
    }
    const ranges: Record<Family, Set<string>> = { 4: new Set(), 6: new Set() };
    if (this.desired.options.closedUntilKnown) {
      for (const { family, first, last } of this.#podRanges) {
        ranges[family].add(rangeKey(family, first, last));
      }
    }
    for (const family of [4, 6] as const) {
      this.#list(`known${family}`, known[family]);
      if (this.#list(`podcidr${family}`, ranges[family])) this.desired.tighten('pod ranges have changed');
    }
  }

  #list(set: string, keys: ReadonlySet<string>): boolean {
    let added = false;
    for (const key of [...this.desired.elements(set).keys()]) if (!keys.has(key)) this.desired.set(set, key, null);
    for (const key of keys) if (this.desired.set(set, key, '')) added = true;
    return added;
  }
}

/** The address spaces as policies cut them. */
function outsideOf(program: CompiledProgram): readonly OutsideRange[] {
  return ([4, 6] as const).flatMap((family) =>
    program.partition.segments(family).map(({ group, first, last }) => {
      const example = { kind: 'external', address: { family, value: first } } as const;
      return { family, first, last, unit: unitOf(program.classes.externalClass(group, example), family) };
    }),
  );
}

/** Classes, blocks and sets of ports that may be about nobody any more before it is worth while to begin anew. */
const SPARE_BULK = 5000;

function bulkOf(program: CompiledProgram): number {
  return program.classes.all.length + program.partition.version + program.traffic.size;
}

function keyOf(pod: Pod): string {
  return `${pod.namespace}/${pod.name}`;
}

/** The number that this mode of the pod had: before, or in the table that was found. */
function hint(desired: DesiredTable, before: Slot | 'closed' | undefined, mode: Mode, pod: Pod): number | null {
  if (before !== undefined && before !== 'closed') return before.number;
  for (const ip of pod.addresses) {
    if (mode.startsWith('self') && mode !== `self${ip.family}`) continue;
    const address = addressText(ip);
    const key = mode.startsWith('self') ? `${address} . ${address}` : address;
    const target = desired.found?.sets.get(`${DISPATCH[mode]}${ip.family}`)?.elements.get(key);
    const number = /^(?:jump|goto) s_(\d+)$/.exec(target ?? '')?.[1];
    if (number !== undefined) return Number(number);
  }
  return null;
}
