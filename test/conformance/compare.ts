/** Compares reports with the vectors pair by pair and address by address, in their own terms. */
import { isDeepStrictEqual } from 'node:util';
import { parseIp } from '../../src/base/ip.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import type { Conn, ConnectivityReport, DiffReport, ExposureReport } from '../../src/model/report.ts';
import type { Case } from './case.ts';

type Connectivity = NonNullable<Case['connectivity']>;

/** A conn in one canonical text; ports merged where they touch. */
export function connText(conn: Conn): string {
  const lanes = conn === 'all' ? { TCP: [[1, 65535]], UDP: [[1, 65535]], SCTP: [[1, 65535]] } : conn;
  const part = (name: 'TCP' | 'UDP' | 'SCTP'): string =>
    (lanes[name] ?? []).map(([first, last]) => `${first}-${last}`).join(',');
  const named = conn === 'all' ? [] : (conn.named ?? []).map(({ protocol, port }) => `${protocol}/${port}`);
  return `TCP ${part('TCP')} UDP ${part('UDP')} SCTP ${part('SCTP')} named ${named.join(',')}`;
}

const NONE = connText({});

interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** The IPv4 range of a peer, or `null` for a workload (or an IPv6 range, about which vectors say nothing). */
function rangeOf(peer: string): Range | null {
  const [first, last] = peer.split('-').map((text) => parseIp(text));
  if (first === null || first === undefined || last === null || last === undefined || first.family !== 4) return null;
  return { first: first.value, last: last.value };
}

const isIpv6Range = (peer: string): boolean => peer.includes(':') && !peer.includes('/');

/** Every workload, and the atoms into which all ranges in sight cut the IPv4 space, less pods' and nodes' addresses. */
function atomsOf(names: Iterable<string>, cluster: Cluster | null): Range[] {
  const edges = new Set<bigint>([0n, 1n << 32n]);
  for (const name of names) {
    const range = rangeOf(name);
    if (range === null) continue;
    edges.add(range.first);
    edges.add(range.last + 1n);
  }
  const taken = new Set<bigint>();
  if (cluster !== null) {
    for (const workload of cluster.workloads) {
      for (const pod of workload.pods) for (const ip of pod.addresses) if (ip.family === 4) taken.add(ip.value);
    }
    for (const node of cluster.nodes) for (const ip of node.addresses) if (ip.family === 4) taken.add(ip.value);
  }
  const sorted = [...edges].sort((a, b) => (a < b ? -1 : 1));
  return sorted.slice(0, -1).flatMap((first, i) => {
    const last = (sorted[i + 1] as bigint) - 1n;
    const only = first === last && taken.has(first);
    return only ? [] : [{ first, last }];
  });
}

/** Spreads entries over pairs of workloads and atoms. */
function spread<T>(entries: Iterable<readonly [string, string, T]>, atoms: readonly Range[]): Map<string, T> {
  const out = new Map<string, T>();
  const names = (peer: string): string[] => {
    const range = rangeOf(peer);
    if (range === null) return isIpv6Range(peer) ? [] : [peer];
    return atoms.filter((a) => range.first <= a.first && a.last <= range.last).map((a) => `${a.first}`);
  };
  for (const [src, dst, value] of entries) {
    for (const from of names(src)) for (const to of names(dst)) out.set(`${from} => ${to}`, value);
  }
  return out;
}

export function compareConnectivity(expected: Connectivity, actual: ConnectivityReport, cluster: Cluster): string[] {
  const ranges = [...expected.peers, ...actual.peers];
  const atoms = atomsOf(ranges, cluster);
  const problems: string[] = [];
  const workloads = (peers: readonly string[]): string[] => peers.filter((peer) => peer.includes('[')).sort();
  if (!isDeepStrictEqual(workloads(expected.peers), workloads(actual.peers))) {
    problems.push(`peers: expected ${workloads(expected.peers)}, got ${workloads(actual.peers)}`);
  }
  const want = spread(
    expected.allowed.map((e) => [e.src, e.dst, connText(e.conn)] as const),
    atoms,
  );
  const have = spread(
    actual.allowed.map((e) => [e.src, e.dst, connText(e.conn)] as const),
    atoms,
  );
  const open = spread(
    (expected.unspecified ?? []).map(([src, dst]) => [src, dst, true] as const),
    atoms,
  );
  const undecided = spread(
    actual.unspecified.map(([src, dst]) => [src, dst, true] as const),
    atoms,
  );
  for (const pair of new Set([...want.keys(), ...have.keys(), ...undecided.keys()])) {
    const [src, dst] = pair.split(' => ');
    if (open.has(pair) || src === dst) continue;
    if (undecided.has(pair)) problems.push(`${pair}: undecided, expected ${want.get(pair) ?? NONE}`);
    else if ((want.get(pair) ?? NONE) !== (have.get(pair) ?? NONE)) {
      problems.push(`${pair}: expected ${want.get(pair) ?? NONE}, got ${have.get(pair) ?? NONE}`);
    }
  }
  return problems;
}

type Controllers = readonly { readonly dst: string; readonly conn: Conn }[];

export function compareControllers(expected: Controllers, actual: Controllers): string[] {
  const texts = (entries: Controllers): string[] => entries.map((e) => `${e.dst} ${connText(e.conn)}`).sort();
  const want = texts(expected);
  const have = texts(actual);
  return isDeepStrictEqual(want, have) ? [] : [`ingress controller: expected ${want}, got ${have}`];
}

/** A peer class in one canonical text: a label that is one of one value is a matchLabels entry. */
function peerText(peer: Readonly<Record<string, unknown>>): string {
  const selector = (value: unknown): string => {
    const { matchLabels = {}, matchExpressions = [] } = value as {
      matchLabels?: Record<string, string>;
      matchExpressions?: { key: string; operator: string; values?: string[] }[];
    };
    const labels = Object.entries(matchLabels).map(([key, one]) => `${key} In ${one}`);
    const rest = matchExpressions.map((e) => `${e.key} ${e.operator} ${[...(e.values ?? [])].sort()}`);
    return [...labels, ...rest].sort().join(';');
  };
  return Object.entries(peer)
    .map(([key, value]) => `${key}:${typeof value === 'object' ? selector(value) : String(value)}`)
    .sort()
    .join(' ');
}

type Exposure = NonNullable<Case['exposure']>['entries'];

export function compareExposure(expected: Exposure, actual: ExposureReport['entries'], cluster: Cluster): string[] {
  const problems: string[] = [];
  const ranges = [...expected, ...actual].flatMap((entry) => ('range' in entry.peer ? [String(entry.peer.range)] : []));
  const atoms = atomsOf(ranges, cluster);
  const rows = (
    entries: readonly { workload: string; direction: string; peer: unknown; conn: Conn }[],
  ): Map<string, string> => {
    const out = new Map<string, string>();
    for (const { workload, direction, peer, conn } of entries) {
      const fields = peer as Readonly<Record<string, unknown>>;
      if (typeof fields.range === 'string') {
        for (const key of spread([[workload, fields.range, 0] as const], atoms).keys())
          out.set(`${direction} ${key}`, connText(conn));
      } else out.set(`${direction} ${workload} => ${peerText(fields)}`, connText(conn));
    }
    return out;
  };
  const want = rows(expected);
  const have = rows(actual);
  for (const [key, conn] of want) {
    if (have.get(key) !== conn) problems.push(`exposure ${key}: expected ${conn}, got ${have.get(key) ?? 'no row'}`);
  }
  for (const [key, conn] of have) {
    // Classes that only existing pods are in have a row here, and none in the vectors.
    if (!want.has(key) && !key.includes('namespace') && !key.includes('allNamespaces')) {
      problems.push(`exposure ${key}: unexpected row ${conn}`);
    }
  }
  return problems;
}

type Unprotected = readonly { readonly workload: string; readonly direction: string }[];

export function compareUnprotected(expected: Unprotected, actual: Unprotected): string[] {
  const texts = (rows: Unprotected): string[] => rows.map((row) => `${row.workload} ${row.direction}`).sort();
  return isDeepStrictEqual(texts(expected), texts(actual))
    ? []
    : [`unprotected: expected ${texts(expected)}, got ${texts(actual)}`];
}

export function compareChanges(expected: NonNullable<Case['diff']>, actual: DiffReport): string[] {
  const sides = [...expected.changes, ...actual.changes].flatMap((change) => [change.src, change.dst]);
  const pairs = [...(expected.unspecified ?? []), ...actual.unspecified].flat();
  const atoms = atomsOf([...sides, ...pairs], null);
  const text = (c: { type: string; before: Conn; after: Conn }): string =>
    `${c.type}: ${connText(c.before)} -> ${connText(c.after)}`;
  const want = spread(
    expected.changes.map((c) => [c.src, c.dst, text(c)] as const),
    atoms,
  );
  const have = spread(
    actual.changes.map((c) => [c.src, c.dst, text(c)] as const),
    atoms,
  );
  const open = spread(
    (expected.unspecified ?? []).map(([src, dst]) => [src, dst, true] as const),
    atoms,
  );
  const undecided = spread(
    actual.unspecified.map(([src, dst]) => [src, dst, true] as const),
    atoms,
  );
  const problems: string[] = [];
  for (const pair of new Set([...want.keys(), ...have.keys(), ...undecided.keys()])) {
    if (open.has(pair)) continue;
    if (undecided.has(pair)) problems.push(`${pair}: undecided, expected ${want.get(pair) ?? 'no change'}`);
    else if (want.get(pair) !== have.get(pair)) {
      problems.push(`${pair}: expected ${want.get(pair) ?? 'no change'}, got ${have.get(pair) ?? 'no change'}`);
    }
  }
  const controllers = (changes: readonly { type: string; dst: string; before: Conn; after: Conn }[]): string[] =>
    changes.map((c) => `${c.dst} ${text(c)}`).sort();
  const wantControllers = controllers(expected.ingressControllerChanges ?? []);
  const haveControllers = controllers(actual.ingressControllerChanges);
  if (!isDeepStrictEqual(wantControllers, haveControllers)) {
    problems.push(`ingress controller: expected ${wantControllers}, got ${haveControllers}`);
  }
  return problems;
}
