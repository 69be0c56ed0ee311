import type { ClusterIndex } from '../cluster/cluster-index.ts';
import { type EndpointText, parseEndpoint } from '../cluster/endpoint-text.ts';
import { findEndpoint } from '../cluster/find.ts';
import type { AskedEnd } from '../engine/explain/answer.ts';
import type { Protocol } from '../model/match.ts';
import type { Direction } from '../model/program.ts';

/** A text that could not be understood: what is wrong with it, and the way out. */
export interface Misunderstood {
  readonly message: string;
  readonly help: string;
}

export type Understood<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: Misunderstood };

/** Looks up an endpoint that the user wrote. */
export function endpointOf(
  text: string,
  index: ClusterIndex,
  podFirst: boolean,
): Understood<{ readonly end: AskedEnd; readonly written: EndpointText }> {
  const parsed = parseEndpoint(text);
  if (!parsed.ok) return { ok: false, error: { message: parsed.message, help: parsed.help } };
  if (parsed.endpoint.kind === 'named' && /^(?:\d+\.){3}\d+$/.test(parsed.endpoint.namespace)) {
    const help = 'the length of an IPv4 prefix is 0 to 32, and each of the four numbers 0 to 255';
    return { ok: false, error: { message: `\`${text.trim()}\` is no CIDR`, help } };
  }
  const found = findEndpoint(index, parsed.endpoint, { podFirst });
  if (found.kind === 'unknown') {
    const { message, candidates } = found;
    const help =
      candidates.length > 0 ? `did you mean \`${candidates.join('`, `')}\`?` : whatThereIs(parsed.endpoint, index);
    return { ok: false, error: { message, help } };
  }
  return { ok: true, value: { end: found, written: parsed.endpoint } };
}

const LISTED = 10;

/** The names that could have been written in the place of one that is like none of them. */
function whatThereIs(written: EndpointText, index: ClusterIndex): string {
  const list = (what: string, names: Iterable<string>): string => {
    const sorted = [...names].sort();
    if (sorted.length === 0) return `the input has no ${what}`;
    const more = sorted.length > LISTED ? `, … (${sorted.length} in all)` : '';
    return `the input has the ${what} ${sorted.slice(0, LISTED).join(', ')}${more}`;
  };
  if (written.kind === 'node') return list('nodes', index.nodes.keys());
  if (written.kind !== 'named' && written.kind !== 'service') return 'see `rampart connectivity` for what there is';
  const { namespace } = written;
  const here = index.namespaces.get(namespace);
  if (here === undefined) return list('namespaces', index.namespaces.keys());
  const names = written.kind === 'service' ? here.services : here.workloads;
  const what = written.kind === 'service' ? 'services' : 'workloads';
  return list(
    what,
    [...names.keys()].map((name) => `${namespace}/${name}`),
  );
}

/** Any value as the user may have written it; objects have no text of their own that could be trusted. */
function written(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6'];

export function protocolOf(text: unknown): Understood<Protocol | null> {
  if (text === undefined || text === null) return { ok: true, value: null };
  const found =
    typeof text === 'string' ? PROTOCOLS.find((one) => one.toLowerCase() === text.toLowerCase()) : undefined;
  if (found !== undefined) return { ok: true, value: found };
  return {
    ok: false,
    error: { message: `\`${written(text)}\` is no protocol`, help: `write ${PROTOCOLS.join(', ')}` },
  };
}

export function portOf(value: unknown): Understood<number | string | null> {
  if (value === undefined || value === null) return { ok: true, value: null };
  const port = typeof value === 'string' && /^[0-9]+$/.test(value) ? Number(value) : value;
  if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65535)
    return { ok: true, value: port };
  if (typeof port === 'string' && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/i.test(port)) return { ok: true, value: port };
  return {
    ok: false,
    error: {
      message: `\`${written(value)}\` is no port`,
      help: 'write a number from 1 to 65535, or the name of a port',
    },
  };
}

/** What is wrong with a protocol that is written at the destination as well. */
export function protocolsApart(atPort: Protocol | null, asked: Protocol | null): Misunderstood | null {
  if (atPort === null || asked === null || atPort === asked) return null;
  return { message: `the destination says ${atPort}, the protocol is ${asked}`, help: 'write the protocol once' };
}

export function icmpTypeOf(value: unknown): Understood<number | null> {
  if (value === undefined || value === null) return { ok: true, value: null };
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255) return { ok: true, value };
  const message = `\`${written(value)}\` is no ICMP type`;
  return { ok: false, error: { message, help: 'write a number from 0 to 255, or leave it out' } };
}

export function directionOf(value: unknown): Understood<Direction | null> {
  if (value === undefined || value === null) return { ok: true, value: null };
  if (value === 'egress' || value === 'ingress') return { ok: true, value };
  return {
    ok: false,
    error: { message: `\`${written(value)}\` is no direction`, help: 'write egress or ingress, or leave it out' },
  };
}
