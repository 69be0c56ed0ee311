import type { Json, JsonObject } from '../../manifest/object.ts';
import type { PortProtocol } from '../../model/match.ts';
import { decodeNumber, decodePortName, decodeRange, type TrafficEntry } from '../cluster-ports.ts';
import { decodePriority } from '../cluster-scoped.ts';
import { complain, type Decoding, get, isObject, onlyField, show, unknownFields } from '../decoding.ts';
import type { TierSlot } from '../kind.ts';

const TRANSPORTS: Readonly<Record<'tcp' | 'udp' | 'sctp', PortProtocol>> = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' };
const SLOTS: ReadonlyMap<unknown, TierSlot> = new Map([
  ['Admin', 'admin'],
  ['Baseline', 'baseline'],
]);

/** Tier and priority (S4.1). */
export function decodePlace(
  decoding: Decoding,
  spec: JsonObject,
): { readonly slot: TierSlot; readonly rank: number } | null {
  const slot = SLOTS.get(get(spec, 'tier'));
  if (slot === undefined) {
    complain(decoding, 'bad-rank', 'spec.tier', `${show(get(spec, 'tier'))} is not one of \`Admin\`, \`Baseline\``);
  }
  const rank = decodePriority(decoding, spec);
  return slot === undefined || rank === null ? null : { slot, rank };
}

/** One entry of `protocols` (S4.3). */
export function decodeProtocol(decoding: Decoding, json: Json, path: string): TrafficEntry | null {
  const only = onlyField(decoding, json, ['tcp', 'udp', 'sctp', 'destinationNamedPort'], path, 'bad-port');
  if (only === null) return null;
  const field = `${path}.${only.key}`;
  if (only.key === 'destinationNamedPort') return decodePortName(decoding, only.value, field);
  const inner = onlyField(decoding, only.value, ['destinationPort'], field, 'bad-port');
  if (inner === null) return null;
  const at = `${field}.destinationPort`;
  const port = onlyField(decoding, inner.value, ['number', 'range'], at, 'bad-port');
  if (port === null) return null;
  const protocol = TRANSPORTS[only.key];
  if (port.key === 'number') return decodeNumber(decoding, port.value, `${at}.number`, protocol);
  if (!isObject(port.value)) {
    complain(decoding, 'wrong-type', `${at}.range`, `must be an object, not ${show(port.value)}`);
    return null;
  }
  if (unknownFields(decoding, port.value, ['start', 'end'], `${at}.range`).length > 0) return null;
  return decodeRange(decoding, port.value, `${at}.range`, protocol);
}
