import type { Json } from '../../manifest/object.ts';
import { PORT_PROTOCOLS } from '../../model/match.ts';
import { decodeNumber, decodePortName, decodeRange, type TrafficEntry } from '../cluster-ports.ts';
import { complain, type Decoding, get, isObject, onlyField, show, unknownFields } from '../decoding.ts';

/** One entry of `ports` (S3.13). */
export function decodeAdminPort(decoding: Decoding, json: Json, path: string): TrafficEntry | null {
  const only = onlyField(decoding, json, ['portNumber', 'portRange', 'namedPort'], path, 'bad-port');
  if (only === null) return null;
  const field = `${path}.${only.key}`;
  if (only.key === 'namedPort') return decodePortName(decoding, only.value, field);
  if (!isObject(only.value)) {
    complain(decoding, 'wrong-type', field, `must be an object, not ${show(only.value)}`);
    return null;
  }
  const known = only.key === 'portNumber' ? ['protocol', 'port'] : ['protocol', 'start', 'end'];
  if (unknownFields(decoding, only.value, known, field).length > 0) return null;
  const named = get(only.value, 'protocol') ?? 'TCP';
  const protocol = PORT_PROTOCOLS.find((candidate) => candidate === named);
  if (protocol === undefined) {
    complain(decoding, 'bad-port', `${field}.protocol`, `${show(named)} is not one of \`TCP\`, \`UDP\`, \`SCTP\``);
    return null;
  }
  return only.key === 'portNumber'
    ? decodeNumber(decoding, get(only.value, 'port'), `${field}.port`, protocol)
    : decodeRange(decoding, only.value, field, protocol);
}
