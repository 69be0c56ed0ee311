import { parseCidr } from '../base/ip.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import type { EndpointMatch, NamespaceMatch } from '../model/match.ts';
import type { Direction } from '../model/program.ts';
import { EVERYTHING, type Selector } from '../model/selector.ts';
import {
  complain,
  type Decoding,
  get,
  isList,
  isObject,
  onlyField,
  show,
  unknownFields,
  withEffect,
} from './decoding.ts';
import { decodeLabelSelector, isLabelKey } from './label-selector.ts';

/** In what the peers of the cluster-scoped kinds differ. */
export interface PeerDialect {
  /** Kinds of peers that egress rules have besides `namespaces` and `pods`. */
  readonly egressPeers: readonly ('nodes' | 'networks' | 'domainNames')[];
  /** Whether `pods` needs a `namespaceSelector`; if not, an absent one is every namespace. */
  readonly namespaceSelectorRequired: boolean;
  /** Whether the first shape of the API is read, in which a `namespaceSelector` stands inside `namespaces`. */
  readonly nestedSelectors: boolean;
}

/** The peers of a rule (S3.8 to S3.12); `null`, with diagnostics, if any of them cannot be understood. */
export function decodeClusterPeers(
  decoding: Decoding,
  json: Json | undefined,
  path: string,
  direction: Direction,
  dialect: PeerDialect,
): readonly EndpointMatch[] | null {
  if (!isList(json) || json.length === 0) {
    const given = isList(json) ? 'an empty list' : show(json);
    complain(decoding, 'bad-peer', path, `must be a list of at least one peer, not ${given}`);
    return null;
  }
  const kinds = direction === 'egress' ? ['namespaces', 'pods', ...dialect.egressPeers] : ['namespaces', 'pods'];
  const peers = json.map((peer, index) => decodePeer(decoding, peer, `${path}[${index}]`, kinds, dialect));
  const understood = peers.filter((peer) => peer !== null);
  return understood.length === peers.length ? understood.flat() : null;
}

function decodePeer(
  decoding: Decoding,
  json: Json,
  path: string,
  kinds: readonly string[],
  dialect: PeerDialect,
): readonly EndpointMatch[] | null {
  const only = onlyField(decoding, json, kinds, path, 'bad-peer');
  if (only === null) return null;
  const field = `${path}.${only.key}`;
  switch (only.key) {
    case 'namespaces': {
      const namespaces = decodeNamespaces(decoding, only.value, field, dialect);
      return namespaces === null ? null : [{ kind: 'pods', namespaces, pods: EVERYTHING }];
    }
    case 'pods': {
      const peer = decodePods(decoding, only.value, field, dialect, true);
      return peer === null ? null : [peer];
    }
    case 'nodes': {
      const nodes = decodeLabelSelector(decoding, only.value, field);
      return nodes === null ? null : [{ kind: 'nodes', nodes }];
    }
    case 'networks':
      return decodeTexts(decoding, only.value, field, (text, at) => {
        const cidr = parseCidr(text);
        if (cidr !== null) return { kind: 'addresses', cidr, except: [] };
        complain(decoding, 'bad-cidr', at, `${show(text)} is not an address block`);
        return null;
      });
    default: {
      const names = decodeTexts(decoding, only.value, field, (text, at) => {
        const name = decodeDomain(text);
        if (name === null) complain(decoding, 'bad-domain', at, `${show(text)} is not a domain name`);
        return name;
      });
      return names === null ? null : [{ kind: 'domains', names }];
    }
  }
}

/** Every entry of a non-empty list of strings; `null` if any is not understood. */
function decodeTexts<T>(
  decoding: Decoding,
  json: Json,
  path: string,
  decode: (text: string, path: string) => T | null,
): T[] | null {
  if (!isList(json) || json.length === 0) {
    complain(decoding, 'wrong-type', path, `must be a list of at least one entry, not ${show(json)}`);
    return null;
  }
  const out: T[] = [];
  let understood = true;
  for (const [index, item] of json.entries()) {
    const at = `${path}[${index}]`;
    if (typeof item !== 'string') complain(decoding, 'wrong-type', at, `must be a string, not ${show(item)}`);
    const value = typeof item === 'string' ? decode(item, at) : null;
    if (value === null) understood = false;
    else out.push(value);
  }
  return understood ? out : null;
}

const DOMAIN = /^(\*\.)?([a-z0-9_]([-a-z0-9_]*[a-z0-9])?\.)+[a-z0-9_]([-a-z0-9_]*[a-z0-9])?$/;

/** Lower case, without the final dot; `null` if it is no name, or has a `*` elsewhere than as its first label. */
function decodeDomain(text: string): string | null {
  const name = text.toLowerCase().replace(/\.$/, '');
  return name.length <= 253 && DOMAIN.test(name) ? name : null;
}

function decodeNamespaces(decoding: Decoding, json: Json, path: string, dialect: PeerDialect): NamespaceMatch | null {
  const withdrawn = ['sameLabels', 'notSameLabels', ...(dialect.nestedSelectors ? ['namespaceSelector'] : [])];
  if (!isObject(json) || !withdrawn.some((key) => get(json, key) !== undefined)) {
    const labels = decodeLabelSelector(decoding, json, path);
    return labels === null ? null : { kind: 'labelled', labels };
  }
  const only = onlyField(decoding, json, withdrawn, path, 'bad-peer');
  if (only === null) return null;
  const at = `${path}.${only.key}`;
  if (only.key === 'namespaceSelector') {
    const labels = decodeLabelSelector(decoding, only.value, at);
    return labels === null ? null : { kind: 'labelled', labels };
  }
  const keys = decodeLabelKeys(decoding, only.value, at);
  if (keys === null) return null;
  warnWithdrawn(decoding, at, only.key);
  return { kind: only.key === 'sameLabels' ? 'same-labels' : 'different-labels', keys };
}

function decodeLabelKeys(decoding: Decoding, json: Json, path: string): readonly string[] | null {
  // S3.12: an empty list is legal and selects nothing.
  if (isList(json) && json.length === 0) return [];
  return decodeTexts(decoding, json, path, (text, at) => {
    if (isLabelKey(text)) return text;
    complain(decoding, 'bad-selector', at, `${show(text)} is not a valid label key`);
    return null;
  });
}

function warnWithdrawn(decoding: Decoding, path: string, field: string): void {
  withEffect(decoding, 'it is evaluated as it was defined; current API servers drop it', () =>
    complain(decoding, 'withdrawn-peer', path, `\`${field}\` has been withdrawn from the API`),
  );
}

function decodePods(
  decoding: Decoding,
  json: Json,
  path: string,
  dialect: PeerDialect,
  withdrawnToo: boolean,
): EndpointMatch | null {
  if (!isObject(json)) {
    complain(decoding, 'wrong-type', path, `must be an object, not ${show(json)}`);
    return null;
  }
  const nested = withdrawnToo && get(json, 'namespaces') !== undefined;
  const known = [nested ? 'namespaces' : 'namespaceSelector', 'podSelector'];
  const understood = unknownFields(decoding, json, known, path).length === 0;
  const namespaces = nested
    ? decodeNamespaces(decoding, get(json, 'namespaces') ?? {}, `${path}.namespaces`, {
        ...dialect,
        nestedSelectors: true,
      })
    : decodeNamespaceSelector(decoding, json, path, dialect);
  const pods = required(decoding, json, 'podSelector', path);
  return understood && namespaces !== null && pods !== null ? { kind: 'pods', namespaces, pods } : null;
}

function decodeNamespaceSelector(
  decoding: Decoding,
  json: JsonObject,
  path: string,
  dialect: PeerDialect,
): NamespaceMatch | null {
  if (get(json, 'namespaceSelector') === undefined && !dialect.namespaceSelectorRequired) {
    return { kind: 'labelled', labels: EVERYTHING };
  }
  const labels = required(decoding, json, 'namespaceSelector', path);
  return labels === null ? null : { kind: 'labelled', labels };
}

function required(decoding: Decoding, json: JsonObject, key: string, path: string): Selector | null {
  const value = get(json, key);
  if (value !== undefined) return decodeLabelSelector(decoding, value, `${path}.${key}`);
  complain(decoding, 'bad-selector', `${path}.${key}`, 'is required');
  return null;
}

/** What the policy applies to (S3.18); `null`, with diagnostics, if it cannot be understood. */
export function decodeClusterSubject(
  decoding: Decoding,
  json: Json | undefined,
  dialect: PeerDialect,
): EndpointMatch | null {
  if (json === undefined) {
    complain(decoding, 'bad-subject', 'spec.subject', 'is required');
    return null;
  }
  const only = onlyField(decoding, json, ['namespaces', 'pods'], 'spec.subject', 'bad-subject');
  if (only === null) return null;
  const path = `spec.subject.${only.key}`;
  if (only.key === 'pods') return decodePods(decoding, only.value, path, dialect, false);
  const labels = decodeLabelSelector(decoding, only.value, path);
  return labels === null ? null : { kind: 'pods', namespaces: { kind: 'labelled', labels }, pods: EVERYTHING };
}
