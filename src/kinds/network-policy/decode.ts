import { type Cidr, parseCidr } from '../../base/ip.ts';
import type { Json } from '../../manifest/object.ts';
import { type EndpointMatch, PORT_PROTOCOLS, type TrafficMatch } from '../../model/match.ts';
import { EVERYTHING } from '../../model/selector.ts';
import { complain, type Decoding, get, isList, isObject, isPort, show, unknownFields } from '../decoding.ts';
import { decodeLabelSelector } from '../label-selector.ts';

const NOTHING: EndpointMatch = { kind: 'nothing' };

/** One entry of `from` or `to` (S2.8 to S2.11); what cannot be understood matches nothing. */
export function decodePeer(decoding: Decoding, json: Json, path: string): EndpointMatch {
  if (!isObject(json)) {
    complain(decoding, 'wrong-type', path, `a peer must be an object, not ${show(json)}`);
    return NOTHING;
  }
  if (unknownFields(decoding, json, ['podSelector', 'namespaceSelector', 'ipBlock'], path).length > 0) return NOTHING;
  const podSelector = get(json, 'podSelector');
  const namespaceSelector = get(json, 'namespaceSelector');
  const ipBlock = get(json, 'ipBlock');
  if (ipBlock !== undefined) {
    if (podSelector !== undefined || namespaceSelector !== undefined) {
      complain(decoding, 'bad-peer', path, 'may not specify both ipBlock and another peer');
      return NOTHING;
    }
    return decodeIpBlock(decoding, ipBlock, `${path}.ipBlock`) ?? NOTHING;
  }
  if (podSelector === undefined && namespaceSelector === undefined) {
    complain(decoding, 'bad-peer', path, 'must specify a peer');
    return NOTHING;
  }
  const pods =
    podSelector === undefined ? EVERYTHING : decodeLabelSelector(decoding, podSelector, `${path}.podSelector`);
  if (namespaceSelector === undefined) {
    return pods === null ? NOTHING : { kind: 'pods', namespaces: { kind: 'named', name: namespaceOf(decoding) }, pods };
  }
  const labels = decodeLabelSelector(decoding, namespaceSelector, `${path}.namespaceSelector`);
  return pods === null || labels === null ? NOTHING : { kind: 'pods', namespaces: { kind: 'labelled', labels }, pods };
}

/** The namespace that the policy lives in. */
export function namespaceOf(decoding: Decoding): string {
  return decoding.object.namespace ?? 'default';
}

function decodeIpBlock(decoding: Decoding, json: Json, path: string): EndpointMatch | null {
  if (!isObject(json)) {
    complain(decoding, 'wrong-type', path, `must be an object, not ${show(json)}`);
    return null;
  }
  if (unknownFields(decoding, json, ['cidr', 'except'], path).length > 0) return null;
  const cidr = decodeCidr(decoding, get(json, 'cidr'), `${path}.cidr`);
  const holes = get(json, 'except') ?? [];
  if (!isList(holes)) {
    complain(decoding, 'wrong-type', `${path}.except`, `must be a list, not ${show(holes)}`);
    return null;
  }
  const except: Cidr[] = [];
  for (const [index, hole] of holes.entries()) {
    // A hole that is not understood might be any part of the block, so nothing of the block is left.
    const block = decodeCidr(decoding, hole, `${path}.except[${index}]`);
    if (block === null) return null;
    except.push(block);
  }
  return cidr === null ? null : { kind: 'addresses', cidr, except };
}

function decodeCidr(decoding: Decoding, json: Json | undefined, path: string): Cidr | null {
  const cidr = typeof json === 'string' ? parseCidr(json) : null;
  if (cidr === null) {
    const hint = 'write an address block such as `10.9.8.0/24` or `2001:db8::/64`';
    complain(decoding, 'bad-cidr', path, `${show(json)} is not an address block`, hint);
  }
  return cidr;
}

/** One entry of `ports` (S2.12 to S2.14); `null` if it cannot be understood, and then it matches nothing. */
export function decodePort(decoding: Decoding, json: Json, path: string): TrafficMatch | null {
  if (!isObject(json)) {
    complain(decoding, 'wrong-type', path, `a port must be an object, not ${show(json)}`);
    return null;
  }
  if (unknownFields(decoding, json, ['protocol', 'port', 'endPort'], path).length > 0) return null;
  const named = get(json, 'protocol') ?? 'TCP';
  const protocol = PORT_PROTOCOLS.find((known) => known === named);
  if (protocol === undefined) {
    complain(decoding, 'bad-port', `${path}.protocol`, `${show(named)} is not one of \`TCP\`, \`UDP\`, \`SCTP\``);
    return null;
  }
  const port = get(json, 'port');
  const endPort = get(json, 'endPort');
  if (port === undefined || typeof port === 'string') {
    if (endPort !== undefined) {
      complain(decoding, 'bad-port', `${path}.endPort`, '`endPort` needs a number in `port`');
      return null;
    }
    if (port === undefined) return { kind: 'ports', protocol, first: 1, last: 65535 };
    if (port !== '') return { kind: 'named-port', protocol, name: port };
  }
  if (!isPort(port)) {
    complain(decoding, 'bad-port', `${path}.port`, `${show(port)} is neither a port number from 1 to 65535 nor a name`);
    return null;
  }
  if (endPort === undefined) return { kind: 'ports', protocol, first: port, last: port };
  if (!isPort(endPort) || endPort < port) {
    complain(decoding, 'bad-port', `${path}.endPort`, `${show(endPort)} is not a port number from ${port} to 65535`);
    return null;
  }
  return { kind: 'ports', protocol, first: port, last: endPort };
}
