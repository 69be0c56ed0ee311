import { type IpRange, parseIp } from '../base/ip.ts';
import { byText } from '../base/order.ts';
import { formatRanges, LONGEST_CIDR_LIST, mergeRanges, subtractRanges } from './ranges.ts';
import { visible } from './visible.ts';

/** A peer's name taken apart. */
export type Peer =
  | { readonly kind: 'workload'; readonly namespace: string; readonly name: string; readonly workloadKind: string }
  | { readonly kind: 'range'; readonly range: IpRange }
  /** `{ingress-controller}` and whatever has no known form. */
  | { readonly kind: 'other'; readonly name: string };

/** Reads `namespace/name[Kind]` or `first-last`; total. */
export function parsePeer(text: string): Peer {
  const slash = text.indexOf('/');
  if (slash > 0) {
    const bracket = text.endsWith(']') ? text.lastIndexOf('[') : -1;
    const end = bracket > slash ? bracket : text.length;
    return {
      kind: 'workload',
      namespace: text.slice(0, slash),
      name: text.slice(slash + 1, end),
      workloadKind: bracket > slash ? text.slice(bracket + 1, -1) : '',
    };
  }
  const dash = text.indexOf('-');
  if (dash > 0) {
    const first = parseIp(text.slice(0, dash));
    const last = parseIp(text.slice(dash + 1));
    if (first !== null && last !== null && first.family === last.family && first.value <= last.value) {
      return { kind: 'range', range: { family: first.family, first: first.value, last: last.value } };
    }
  }
  return { kind: 'other', name: text };
}

/** Short, stable names for the peers of one report. */
export interface PeerNames {
  /** `shop/web`, with `[Kind]` only where two workloads would share the name; ranges as blocks. */
  one(peer: string): string;
  /**
   * A set in words: `shop/{api,web}`, `shop/*` for every other workload of a namespace with three or more, blocks, and
   * `everything outside the cluster`. `self` is not counted as missing, since no pair leads from a peer to itself.
   */
  set(peers: readonly string[], self?: readonly string[]): string;
  /** The parts of {@link PeerNames.set}, one by one. */
  parts(peers: readonly string[], self?: readonly string[]): readonly string[];
  namespaceOf(peer: string): string | null;
  /** Whether a `*` has been written so far. */
  starUsed(): boolean;
}

/**
 * Names for the given peers; peers outside of that list are shown in full. With `partial` the list is not all that
 * there is, so nothing is called `every`, `everything` or `*`, except a range that is the whole address space.
 */
export function peerNames(peers: readonly string[], options: { readonly partial?: boolean } = {}): PeerNames {
  const whole = options.partial !== true;
  const parsed = new Map<string, Peer>();
  const shared = new Map<string, number>();
  const members = new Map<string, string[]>();
  const ranges: IpRange[] = [];
  let workloads = 0;
  let star = false;
  const lookup = (peer: string): Peer => {
    let found = parsed.get(peer);
    if (found === undefined) {
      found = parsePeer(peer);
      parsed.set(peer, found);
    }
    return found;
  };
  for (const text of new Set(peers)) {
    const peer = lookup(text);
    if (peer.kind === 'workload') {
      workloads++;
      const key = `${peer.namespace}/${peer.name}`;
      shared.set(key, (shared.get(key) ?? 0) + 1);
      const list = members.get(peer.namespace);
      if (list === undefined) members.set(peer.namespace, [text]);
      else list.push(text);
    } else if (peer.kind === 'range') ranges.push(peer.range);
  }
  const outside = whole ? mergeRanges(ranges) : [];
  const rangeTexts = new Map<string, string>();

  const bare = (peer: Extract<Peer, { kind: 'workload' }>): string => {
    const ambiguous = (shared.get(`${peer.namespace}/${peer.name}`) ?? 2) > 1 && peer.workloadKind !== '';
    return visible(ambiguous ? `${peer.name}[${peer.workloadKind}]` : peer.name);
  };

  const rangeText = (some: readonly IpRange[], limit = LONGEST_CIDR_LIST): string => {
    const merged = mergeRanges(some);
    const key = `${limit} ${formatRanges(merged, 0)}`;
    const known = rangeTexts.get(key);
    if (known !== undefined) return known;
    const rest = subtractRanges(outside, merged);
    let text = formatRanges(merged, limit);
    if (whole && rest.length === 0) text = 'everything outside the cluster';
    else if (whole) {
      const except = `everything outside the cluster except ${formatRanges(rest, LONGEST_CIDR_LIST)}`;
      if (except.length < text.length) text = except;
    }
    rangeTexts.set(key, text);
    return text;
  };

  const parts = (set: readonly string[], self: readonly string[] = []): readonly string[] => {
    const own = new Set(self);
    const byNamespace = new Map<string, string[]>();
    const setRanges: IpRange[] = [];
    const others: string[] = [];
    let count = 0;
    for (const text of new Set(set)) {
      const peer = lookup(text);
      if (peer.kind === 'workload') {
        if (!own.has(text)) count++;
        const list = byNamespace.get(peer.namespace);
        if (list === undefined) byNamespace.set(peer.namespace, [text]);
        else list.push(text);
      } else if (peer.kind === 'range') setRanges.push(peer.range);
      else others.push(visible(peer.name));
    }
    const ownIn = (all: readonly string[]): number => all.reduce((n, text) => (own.has(text) ? n + 1 : n), 0);
    const ownWorkloads = [...own].filter((text) => shared.size > 0 && lookup(text).kind === 'workload').length;
    const out: string[] = [];
    if (whole && workloads >= 3 && count >= 2 && count === workloads - ownWorkloads) {
      if (setRanges.length > 0 && others.length === 0 && subtractRanges(outside, mergeRanges(setRanges)).length === 0) {
        return ['everything'];
      }
      out.push('every workload');
    } else {
      for (const [namespace, texts] of [...byNamespace].sort((a, b) => byText(a[0], b[0]))) {
        const all = members.get(namespace) ?? [];
        const inSet = texts.length - ownIn(texts);
        if (whole && all.length >= 3 && inSet >= 2 && inSet === all.length - ownIn(all)) {
          star = true;
          out.push(`${visible(namespace)}/*`);
          continue;
        }
        const names = texts
          .map((text) => lookup(text))
          .filter((peer) => peer.kind === 'workload')
          .map(bare)
          .sort(byText);
        out.push(`${visible(namespace)}/${names.length === 1 ? names[0] : `{${names.join(',')}}`}`);
      }
    }
    if (setRanges.length > 0) out.push(rangeText(setRanges));
    return [...out, ...others.sort(byText)];
  };

  return {
    one: (text) => {
      const peer = lookup(text);
      if (peer.kind === 'workload') return `${visible(peer.namespace)}/${bare(peer)}`;
      return peer.kind === 'range' ? rangeText([peer.range], 2) : visible(peer.name);
    },
    set: (set, self) => parts(set, self).join(', '),
    parts,
    namespaceOf: (text) => {
      const peer = lookup(text);
      return peer.kind === 'workload' ? peer.namespace : null;
    },
    starUsed: () => star,
  };
}
