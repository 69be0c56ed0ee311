import type { JsonObject } from '../manifest/object.ts';
import type { PortProtocol, TrafficMatch } from '../model/match.ts';
import { complain, type Decoding, get, isPort, show, withEffect } from './decoding.ts';

/** A decoded entry of a traffic list; `nothing` is understood and matches nothing. */
export type TrafficEntry = TrafficMatch | { readonly kind: 'nothing' };

/** The `start` and `end` of a range; an inverted range can be stored and matches nothing (S3.13). */
export function decodeRange(
  decoding: Decoding,
  json: JsonObject,
  path: string,
  protocol: PortProtocol,
): TrafficEntry | null {
  const start = get(json, 'start');
  const end = get(json, 'end');
  if (!isPort(start) || !isPort(end)) {
    const message = `${show(start)} and ${show(end)} are not both port numbers from 1 to 65535`;
    complain(decoding, 'bad-port', path, message);
    return null;
  }
  if (start <= end) return { kind: 'ports', protocol, first: start, last: end };
  withEffect(decoding, 'this entry matches nothing', () =>
    complain(decoding, 'inverted-range', path, `the port range ends at \`${end}\`, before its start \`${start}\``),
  );
  return { kind: 'nothing' };
}

/** A single port number; `null`, with a diagnostic, for anything else. */
export function decodeNumber(
  decoding: Decoding,
  json: unknown,
  path: string,
  protocol: PortProtocol,
): TrafficEntry | null {
  if (typeof json === 'number' && isPort(json)) return { kind: 'ports', protocol, first: json, last: json };
  const shown = typeof json === 'number' || typeof json === 'string' ? show(json) : 'this';
  complain(decoding, 'bad-port', path, `${shown} is not a port number from 1 to 65535`);
  return null;
}

/** A port name that brings the protocol of the container ports that have it (S3.11). */
export function decodePortName(decoding: Decoding, json: unknown, path: string): TrafficEntry | null {
  if (typeof json === 'string' && json !== '') return { kind: 'named-port', protocol: null, name: json };
  complain(decoding, 'bad-port', path, 'must be the name of a port');
  return null;
}
