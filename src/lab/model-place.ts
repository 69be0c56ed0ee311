import { type Cidr, type Family, formatCidr, formatIp, type IpRange, parseCidr, parseIp } from '../base/ip.ts';
import { asObject, items, stringOf } from '../kinds/validation/json.ts';
import type { JsonObject } from '../manifest/object.ts';
import { labelsOf, nameOf, withMetadata } from './model-json.ts';
import { type AddressPool, addressPool } from './model-pool.ts';
import { isUsable } from './model-ranges.ts';
import { fits, type NodeFacts } from './model-workloads.ts';

/** A node of a lab while pods are put on it. */
export interface NodeSite extends NodeFacts {
  readonly labels: Map<string, string>;
  /** As it is in the manifests, or made. */
  readonly object: JsonObject;
  readonly isGiven: boolean;
  readonly addresses: string[];
  /** One for each family. */
  readonly pools: AddressPool[];
  /** `TCP/80` that a pod on it has, by host port or host network. */
  readonly ports: Set<string>;
  pods: number;
}

/** The addresses that are in use, each once. */
export interface AddressBook {
  /** Takes an address; `false` if it is taken, unusable, or of a family that the lab does not have. */
  claim(address: string): boolean;
  has(address: string): boolean;
}

export function addressBook(families: readonly Family[]): AddressBook {
  const taken = new Set<string>();
  const canonical = (text: string): string | null => {
    const ip = parseIp(text);
    return ip !== null && families.includes(ip.family) && isUsable(ip) ? formatIp(ip) : null;
  };
  return {
    claim: (address) => {
      const text = canonical(address);
      if (text === null || taken.has(text)) return false;
      taken.add(text);
      return true;
    },
    has: (address) => {
      const text = canonical(address);
      return text !== null && taken.has(text);
    },
  };
}

/** The next address of a pool that nobody has. */
export function takeFree(pool: Pick<AddressPool, 'take'>, book: AddressBook): string | null {
  for (let address = pool.take(); address !== null; address = pool.take()) if (book.claim(address)) return address;
  return null;
}

/** Internal and external addresses that a Node object has. */
export function nodeAddresses(object: JsonObject): readonly string[] {
  return items(asObject(object.status).addresses)
    .map(asObject)
    .filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP')
    .map(({ address }) => stringOf(address));
}

/** Pod ranges that a Node object has and that can be used: not too small, and of a family of the lab. */
export function nodeRanges(object: JsonObject, families: readonly Family[]): readonly Cidr[] {
  const spec = asObject(object.spec);
  const texts = items(spec.podCIDRs).map(stringOf);
  const found = (texts.length > 0 ? texts : [stringOf(spec.podCIDR)]).map(parseCidr);
  return found.filter(
    (cidr): cidr is Cidr =>
      cidr !== null && families.includes(cidr.family) && cidr.prefix <= (cidr.family === 4 ? 28 : 120),
  );
}

/** The part of a range that the node of this number has: a /24, or a /64. */
export function partOf(range: Cidr, index: number): Cidr | null {
  const prefix = range.family === 4 ? 24 : 64;
  const first = range.first + (BigInt(index) << BigInt((range.family === 4 ? 32 : 128) - prefix));
  return first > range.last
    ? null
    : {
        family: range.family,
        first,
        last: first + (1n << BigInt((range.family === 4 ? 32 : 128) - prefix)) - 1n,
        prefix,
      };
}

/** A node that the manifests do not have. */
export function madeNode(name: string): JsonObject {
  const labels = {
    'beta.kubernetes.io/arch': 'amd64',
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
  };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {}, status: {} };
}

export function siteOf(object: JsonObject, isGiven: boolean): NodeSite {
  const labels = new Map(labelsOf(asObject(object.metadata).labels));
  return { name: nameOf(object), labels, object, isGiven, addresses: [], pools: [], ports: new Set(), pods: 0 };
}

/** The pool of a range of pods: the network's own address and the node's end of it stay free. */
export function podPool(range: Cidr): AddressPool {
  return addressPool(range, 2);
}

/** The Node object with the labels, addresses and ranges of its site, and ready. */
export function nodeObject(site: NodeSite): JsonObject {
  const { object } = site;
  const status = asObject(object.status);
  const podCIDRs = site.pools.map((pool) => formatCidr(pool.block));
  const hostname = { type: 'Hostname', address: site.name };
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'the lab runs it' };
  return {
    ...withMetadata(object, { labels: Object.fromEntries(site.labels) }),
    spec: { ...asObject(object.spec), ...(podCIDRs.length > 0 ? { podCIDR: podCIDRs[0] ?? '', podCIDRs } : {}) },
    status: {
      ...status,
      addresses: [...site.addresses.map((address) => ({ type: 'InternalIP', address })), hostname],
      conditions: [...items(status.conditions).filter((one) => asObject(one).type !== 'Ready'), ready],
    },
  };
}

/** Ports of its node that a pod takes: `TCP/80`. */
export function hostPortsOf(spec: JsonObject): readonly string[] {
  const isHost = spec.hostNetwork === true;
  return items(spec.containers).flatMap((container) =>
    items(asObject(container).ports).flatMap((port) => {
      const json = asObject(port);
      const number = isHost ? json.containerPort : json.hostPort;
      return typeof number === 'number' && number > 0 ? [`${stringOf(json.protocol) || 'TCP'}/${number}`] : [];
    }),
  );
}

/**
 * The node for a pod that names none: one that its node selector admits and that has its host ports free, of these the
 * one with the fewest pods. If labels alone stand in the way, a made node is given them (`lent`).
 */
export function placeFor(
  spec: JsonObject,
  sites: readonly NodeSite[],
): { readonly site: NodeSite; readonly lent: boolean } | null {
  const ports = hostPortsOf(spec);
  const isFree = (site: NodeSite): boolean => ports.every((port) => !site.ports.has(port));
  const best = fewest(sites.filter((site) => fits(spec, site) && isFree(site)));
  if (best !== null) return { site: best, lent: false };
  const wanted = labelsOf(spec.nodeSelector);
  const lendable = sites.filter(
    (site) =>
      !site.isGiven && isFree(site) && [...wanted].every(([key, value]) => (site.labels.get(key) ?? value) === value),
  );
  const other = fewest(lendable);
  if (other === null) return null;
  for (const [key, value] of wanted) other.labels.set(key, value);
  return { site: other, lent: true };
}

function fewest(sites: readonly NodeSite[]): NodeSite | null {
  let best: NodeSite | null = null;
  for (const site of sites) if (best === null || site.pods < best.pods) best = site;
  return best;
}

/** Ranges and single addresses as ranges, for choosing others beside them. */
export function asRanges(texts: readonly string[]): readonly IpRange[] {
  return texts.flatMap((text): IpRange[] => {
    const cidr = parseCidr(text);
    if (cidr !== null) return [cidr];
    const ip = parseIp(text);
    return ip === null ? [] : [{ family: ip.family, first: ip.value, last: ip.value }];
  });
}
