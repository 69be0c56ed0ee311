import { type Family, type Ip, sameIp } from '../base/ip.ts';
import type { Interner } from '../cluster/intern.ts';
import type { EarlyAddresses } from '../io/cni-cache.ts';
import type { KubeObject } from '../manifest/object.ts';
import type { ContainerPort, Pod } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Labels } from '../model/selector.ts';
import { isUndecodable, keyOf, seenPod } from './objects.ts';

/** `before` is what was given out last. */
export interface PodChange {
  readonly before: Pod | null;
  readonly after: Pod | null;
}

/** One pod that holds addresses, or may soon. */
interface Held {
  /** With the addresses that it claims. */
  pod: Pod;
  uid: string;
  created: number;
  /** The uid that the network plugin knows it by. */
  sandbox: string;
  /** The addresses of its status. */
  status: readonly Ip[];
  /** What the network plugin says of it. */
  early: EarlyAddresses | null;
  /** It is gone from the API server, or has finished; its sandbox is still there, and with it whoever runs in it. */
  leaving: boolean;
  gone: boolean;
  /** What was given out last: with the addresses that it owns. */
  given: Pod | null;
}

/** The pods of the cluster that own addresses; what has changed of them is collected until it is asked for. */
export interface PodTable {
  /** Takes in a pod as it is now. */
  put(shared: Interner, object: KubeObject, diagnostics: Diagnostic[]): void;
  /** Removes the pod, unless it is another one by now than that of the uid. */
  remove(key: string, uid: string | null): void;
  /** Removes every pod whose key is not among these. */
  keep(keys: ReadonlySet<string>): void;
  early(key: string, addresses: EarlyAddresses | null): void;
  pending(): boolean;
  /** What has changed since the last call, in an order in which no two pods ever have one address. */
  drain(): readonly PodChange[];
  /** The pods as they were last given out. */
  given(): IterableIterator<Pod>;
  /** How many of them are in the namespace. */
  countIn(namespace: string): number;
  undecodable(): number;
  readonly size: () => number;
}

const NO_ADDRESSES: readonly Ip[] = [];

/** A table of pods, seen from `node`. */
export function podTable(node: string): PodTable {
  const pods = new Map<string, Held>();
  const earlies = new Map<string, EarlyAddresses>();
  /** Who claims an address: mostly one pod. */
  const claims: Readonly<Record<Family, Map<bigint, Held | Held[]>>> = { 4: new Map(), 6: new Map() };
  const dirty = new Set<Held>();
  const leaving = new Map<string, Held>();
  const perNamespace = new Map<string, number>();
  let undecodable = 0;

  function claim(held: Held): void {
    for (const { family, value } of held.pod.addresses) {
      const others = claims[family].get(value);
      if (others === undefined) claims[family].set(value, held);
      else {
        const all = Array.isArray(others) ? others : [others];
        for (const other of all) dirty.add(other);
        claims[family].set(value, [...all, held]);
      }
    }
  }

  function release(held: Held): void {
    for (const { family, value } of held.pod.addresses) {
      const claimants = claims[family].get(value);
      if (!Array.isArray(claimants)) {
        if (claimants === held) claims[family].delete(value);
        continue;
      }
      const rest = claimants.filter((other) => other !== held);
      for (const other of rest) dirty.add(other);
      const [only] = rest;
      if (only !== undefined && rest.length === 1) claims[family].set(value, only);
      else claims[family].set(value, rest);
    }
  }

  /** Of several pods with one address, the one with the best claim owns it. */
  function owns(held: Held, ip: Ip): boolean {
    const claimants = claims[ip.family].get(ip.value);
    if (!Array.isArray(claimants)) return claimants === held;
    return claimants.every((other) => other === held || isBetter(held, other, ip));
  }

  function drop(held: Held): void {
    release(held);
    held.gone = true;
    if (held.given === null) dirty.delete(held);
    else dirty.add(held);
  }

  /** The pod is no more; its addresses stay guarded as long as its sandbox lives. */
  function leave(key: string, held: Held): void {
    pods.delete(key);
    if (held.early === null) {
      drop(held);
      return;
    }
    endLeaving(key);
    leaving.set(key, held);
    release(held);
    held.leaving = true;
    held.status = NO_ADDRESSES;
    // Another pod may come that has its name.
    const name = `${held.pod.name}\0${held.uid}`;
    held.pod = { ...held.pod, name, addresses: held.early.addresses };
    claim(held);
    dirty.add(held);
  }

  function endLeaving(key: string): void {
    const held = leaving.get(key);
    if (held === undefined) return;
    leaving.delete(key);
    drop(held);
  }

  function earlyFor(key: string, pod: Pod, sandbox: string): EarlyAddresses | null {
    const early = earlies.get(key);
    return early !== undefined && early.uid === sandbox && pod.node === node ? early : null;
  }

  function want(held: Held): Pod | null {
    if (held.gone) return null;
    const { pod, given } = held;
    const owned = pod.addresses.every((ip) => owns(held, ip))
      ? pod.addresses
      : pod.addresses.filter((ip) => owns(held, ip));
    if (owned.length === 0) return null;
    const wanted = owned === pod.addresses ? pod : { ...pod, addresses: owned };
    return given !== null && samePod(given, wanted) ? given : wanted;
  }

  function give(held: Held, after: Pod | null): void {
    const { given: before } = held;
    held.given = after;
    count(before, -1);
    count(after, 1);
  }

  function count(pod: Pod | null, by: 1 | -1): void {
    if (pod === null) return;
    const now = (perNamespace.get(pod.namespace) ?? 0) + by;
    if (now === 0) perNamespace.delete(pod.namespace);
    else perNamespace.set(pod.namespace, now);
    if (isUndecodable(pod)) undecodable += by;
  }

  return {
    put(shared, object, diagnostics) {
      const read = seenPod(shared, object, diagnostics);
      // Where it is cannot be told: it may be here.
      const isLost = isUndecodable(read.pod) && read.pod.node === null && read.pod.addresses.length > 0;
      const seen = isLost ? { ...read, pod: { ...read.pod, node } } : read;
      const key = keyOf({ namespace: seen.pod.namespace, name: seen.pod.name });
      const held = pods.get(key);
      // The agent has no use for a pod that shares its node's addresses, or will never have any.
      const matters = !seen.finished && !seen.pod.hostNetwork && seen.pod.node !== null;
      const early = earlyFor(key, seen.pod, seen.sandbox);
      if (!matters || (seen.pod.addresses.length === 0 && seen.pod.node !== node)) {
        if (held !== undefined) leave(key, held);
        return;
      }
      const { uid, created, sandbox } = seen;
      const { addresses: status } = seen.pod;
      const pod = claiming(seen.pod, status, early);
      if (leaving.get(key)?.uid === uid) endLeaving(key);
      // Another pod of its name: what is left of it is not this one's.
      const isNext = held !== undefined && held.uid !== uid && held.early !== null;
      if (isNext) leave(key, held);
      if (held === undefined || isNext) {
        const added: Held = { pod, uid, created, sandbox, status, early, leaving: false, gone: false, given: null };
        pods.set(key, added);
        claim(added);
        dirty.add(added);
        return;
      }
      const isSame = held.uid === uid && held.created === created && sameAddresses(held.status, status);
      if (isSame && held.early === early && samePod(held.pod, pod)) return;
      release(held);
      Object.assign(held, { pod, uid, created, sandbox, status, early });
      claim(held);
      if (want(held) !== held.given) dirty.add(held);
    },

    remove(key, uid) {
      const held = pods.get(key);
      if (held === undefined || (uid !== null && held.uid !== '' && held.uid !== uid)) return;
      leave(key, held);
    },

    keep(keys) {
      for (const [key, held] of [...pods]) if (!keys.has(key)) leave(key, held);
    },

    early(key, addresses) {
      if (addresses === null) earlies.delete(key);
      else earlies.set(key, addresses);
      if (leaving.get(key)?.sandbox !== addresses?.uid) endLeaving(key);
      const held = pods.get(key);
      if (held === undefined) return;
      const early = earlyFor(key, held.pod, held.sandbox);
      if (early === null && held.early === null) return;
      release(held);
      held.early = early;
      held.pod = claiming(held.pod, held.status, early);
      claim(held);
      if (want(held) !== held.given) dirty.add(held);
    },

    pending: () => dirty.size > 0,

    drain() {
      const losses: PodChange[] = [];
      const gains: PodChange[] = [];
      for (const held of dirty) {
        const after = want(held);
        const { given: before } = held;
        if (after === before) continue;
        give(held, after);
        const loses =
          before !== null &&
          (after === null || before.addresses.some((ip) => !after.addresses.some((kept) => sameIp(kept, ip))));
        // Another pod may have what this one loses: all losses come first.
        if (!loses) gains.push({ before, after });
        else {
          losses.push({ before, after: null });
          if (after !== null) gains.push({ before: null, after });
        }
      }
      dirty.clear();
      return [...losses, ...gains];
    },

    *given() {
      for (const table of [pods, leaving]) for (const { given } of table.values()) if (given !== null) yield given;
    },

    countIn: (namespace) => perNamespace.get(namespace) ?? 0,
    undecodable: () => undecodable,
    size: () => pods.size,
  };
}

/** The pod with all addresses that it claims: while its sandbox is made anew, its status has those of the old one. */
function claiming(pod: Pod, status: readonly Ip[], early: EarlyAddresses | null): Pod {
  const more = (early?.addresses ?? NO_ADDRESSES).filter((ip) => !has(status, ip));
  const addresses = more.length === 0 ? status : [...status, ...more];
  return addresses === pod.addresses ? pod : { ...pod, addresses };
}

/** Plugin and status, or the plugin alone; the status alone; the plugin against the status; what is leaving. */
function strengthOf({ leaving, early, status }: Held, ip: Ip): number {
  if (leaving) return 0;
  const isNoted = early !== null && has(early.addresses, ip);
  const isTold = has(status, ip);
  return isNoted && (isTold || status.length === 0) ? 3 : isTold ? 2 : 1;
}

function isBetter(a: Held, b: Held, ip: Ip): boolean {
  const strength = strengthOf(a, ip);
  const other = strengthOf(b, ip);
  if (strength !== other) return strength > other;
  const [noted = 0, otherNoted = 0] = [a.early?.at, b.early?.at];
  if (strength !== 2 && noted !== otherNoted) return noted > otherNoted;
  return a.created === b.created ? a.uid > b.uid : a.created > b.created;
}

function has(addresses: readonly Ip[], ip: Ip): boolean {
  return addresses.some((other) => sameIp(other, ip));
}

function samePod(a: Pod, b: Pod): boolean {
  return (
    a === b ||
    (sameLabels(a.labels, b.labels) &&
      samePorts(a.ports, b.ports) &&
      sameAddresses(a.addresses, b.addresses) &&
      a.node === b.node &&
      a.name === b.name)
  );
}

function sameAddresses(a: readonly Ip[], b: readonly Ip[]): boolean {
  return a === b || (a.length === b.length && a.every((ip, i) => sameIp(ip, b[i] ?? ip)));
}

/** Whether two label sets are equal; `null` stands for unknown labels. */
export function sameLabels(a: Labels | null, b: Labels | null): boolean {
  if (a === b) return true;
  if (a === null || b === null || a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}

function samePorts(a: readonly ContainerPort[], b: readonly ContainerPort[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every((port, i) => {
    const other = b[i];
    return (
      other !== undefined && port.name === other.name && port.port === other.port && port.protocol === other.protocol
    );
  });
}
