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

/** No named port may stand beside a peer that has no pods: `peers` are the fields of such peers. */
export function noNamedPorts(ports: string, port: string, peers: readonly string[]): SchemaRule {
  const names = peers.join('/');
  return {
    message: `${names} peer cannot be set with namedPorts since there are no namedPorts for ${names}`,
    holds: (rule: Json): boolean => {
      if (!isObject(rule)) return true;
      const without = items(rule.to).some((peer) => peers.some((field) => has(peer, field)));
      return !(without && items(rule[ports]).some((entry) => has(entry, port)));
    },
  };
}
