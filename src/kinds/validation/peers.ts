import type { Json } from '../../manifest/object.ts';
import { isCidr } from './cidr.ts';
import { has, isObject, items } from './json.ts';
import { type IntegerSchema, type ListSchema, list, type SchemaRule, STRING, type StringSchema } from './schema.ts';

/** The name of a rule of the admin kinds. */
export const RULE_NAME: StringSchema = { kind: 'string', maxLength: 100 };

export const PORT_NUMBER: IntegerSchema = { kind: 'integer', minimum: 1, maximum: 65535 };

export const PRIORITY: IntegerSchema = { kind: 'integer', minimum: 0, maximum: 1000 };

/** `networks`: a set of up to 25 CIDRs. */
export const NETWORKS: ListSchema = list(
  {
    kind: 'string',
    maxLength: 43,
    rules: [{ message: 'Invalid CIDR format provided', holds: (value) => typeof value === 'string' && isCidr(value) }],
  },
  { minItems: 1, maxItems: 25, set: true },
);

/** `domainNames`: a set of up to 25 names. The ranges `A-z` are the API's own. */
export const DOMAIN_NAMES: ListSchema = list(
  {
    ...STRING,
    pattern: /^(\*\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$/,
  },
  { minItems: 1, maxItems: 25, set: true },
);

/** Which fields of a rule list its ports, which field of such an entry names one, and which peers have no pods. */
export interface NamedPorts {
  readonly ports: string;
  readonly port: string;
  readonly peers: readonly string[];
}

/** What the server says of a named port beside a peer that has no pods. */
export function namedPortsMessage({ peers }: NamedPorts): string {
  const names = peers.join('/');
  return `${names} peer cannot be set with namedPorts since there are no namedPorts for ${names}`;
}

/** No named port may stand beside a peer that has no pods. `spare` says which rules are let through all the same. */
export function noNamedPorts(fields: NamedPorts, spare: (rule: Json) => boolean = () => false): SchemaRule {
  return {
    message: namedPortsMessage(fields),
    holds: (rule) => spare(rule) || !namesPortsOf(rule, fields),
  };
}

/** Whether a rule names a port beside a peer that has none. */
export function namesPortsOf(rule: Json, { ports, port, peers }: NamedPorts): boolean {
  if (!isObject(rule)) return false;
  const without = items(rule.to).some((peer) => peers.some((field) => has(peer, field)));
  return without && items(rule[ports]).some((entry) => has(entry, port));
}

/** Whether every peer of a rule is either `networks` or has pods, and there is one that has: named ports mean those. */
export function mixesPodsAndNetworks(rule: Json): boolean {
  if (!isObject(rule)) return false;
  const pods = items(rule.to).filter((peer) => has(peer, 'pods') || has(peer, 'namespaces'));
  const networks = items(rule.to).filter((peer) => has(peer, 'networks'));
  return pods.length > 0 && pods.length + networks.length === items(rule.to).length;
}
