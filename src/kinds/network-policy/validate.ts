import type { Json, JsonObject, KubeObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { cidrWarnings, parseSloppy, strictSubset } from '../validation/cidr.ts';
import { unknownDiagnostics, unknownField } from '../validation/custom-resource.ts';
import {
  at,
  child,
  diagnosticsOf,
  type FieldError,
  forbidden,
  invalid,
  required,
  unsupported,
} from '../validation/field-error.ts';
import { asObject, get, has, items, stringOf } from '../validation/json.ts';
import { METADATA, metadataErrors } from '../validation/metadata.ts';
import { portName, portNumber } from '../validation/names.ts';
import { list, type ObjectSchema, object, SELECTOR, STRING } from '../validation/schema.ts';
import { selectorErrors } from '../validation/selector.ts';
import { decodeTyped } from '../validation/typed.ts';

const PROTOCOLS: readonly string[] = ['TCP', 'UDP', 'SCTP'];
const POLICY_TYPES: readonly string[] = ['Ingress', 'Egress'];

const PORTS = list(
  object({ protocol: STRING, port: { kind: 'int-or-string' }, endPort: { kind: 'integer', bits: 32 } }),
);
const PEERS = list(
  object({
    podSelector: SELECTOR,
    namespaceSelector: SELECTOR,
    ipBlock: object({ cidr: STRING, except: list(STRING) }),
  }),
);
const POLICY: ObjectSchema = object({
  apiVersion: STRING,
  kind: STRING,
  metadata: METADATA,
  spec: object({
    podSelector: SELECTOR,
    ingress: list(object({ ports: PORTS, from: PEERS })),
    egress: list(object({ ports: PORTS, to: PEERS })),
    policyTypes: list(STRING),
  }),
});

/** What kube-apiserver says of a NetworkPolicy that is to be created (S2.2): errors, unknown fields, warnings. */
export function validateNetworkPolicy(policy: KubeObject): readonly Diagnostic[] {
  const { value, unknown, pruned, errors: mistyped } = decodeTyped(policy.value, POLICY, '');
  // The server decodes first, and looks no further when that fails.
  if (mistyped.length > 0) return diagnosticsOf(policy, mistyped, 'error', 'refused');

  const spec = asObject(get(asObject(value), 'spec'));
  const metadata = asObject(get(asObject(value), 'metadata'));
  const errors = [...metadataErrors(metadata, { namespaced: true, builtIn: true }), ...specErrors(spec, pruned)];
  const diagnostics = [
    ...diagnosticsOf(policy, errors, 'error', 'refused'),
    ...unknownDiagnostics(
      policy,
      unknown.map((path) => unknownField(path, POLICY)),
    ),
  ];
  // The server warns only of what it accepts.
  return errors.length > 0
    ? diagnostics
    : [...diagnostics, ...diagnosticsOf(policy, warnings(spec), 'warning', 'kept')];
}

const DIRECTIONS = [
  { rules: 'ingress', peers: 'from' },
  { rules: 'egress', peers: 'to' },
] as const;

function specErrors(spec: JsonObject, pruned: ReadonlySet<string>): FieldError[] {
  const errors = selectorErrors(spec.podSelector, 'spec.podSelector');
  for (const direction of DIRECTIONS) {
    items(spec[direction.rules]).forEach((item, i) => {
      const rule = asObject(item);
      const path = at(`spec.${direction.rules}`, i);
      items(rule.ports).forEach((port, j) => {
        errors.push(...portErrors(asObject(port), at(`${path}.ports`, j)));
      });
      items(rule[direction.peers]).forEach((peer, j) => {
        errors.push(...peerErrors(asObject(peer), at(`${path}.${direction.peers}`, j), pruned));
      });
    });
  }
  const types = items(spec.policyTypes);
  if (types.length > POLICY_TYPES.length) {
    return [...errors, invalid('spec.policyTypes', types, 'may not specify more than two policyTypes')];
  }
  types.forEach((type, i) => {
    if (!POLICY_TYPES.includes(stringOf(type))) {
      errors.push(unsupported(at('spec.policyTypes', i), type, POLICY_TYPES, true));
    }
  });
  return errors;
}

function portErrors(entry: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const protocol = get(entry, 'protocol');
  if (protocol !== undefined && !PROTOCOLS.includes(stringOf(protocol))) {
    errors.push(unsupported(child(path, 'protocol'), protocol, PROTOCOLS, true));
  }
  const port = get(entry, 'port');
  const last = get(entry, 'endPort');
  const endPort = child(path, 'endPort');
  if (typeof port === 'number') {
    for (const message of portNumber(port)) errors.push(invalid(child(path, 'port'), port, message));
    if (typeof last === 'number') {
      // The server prints `port` as the bad value of `endPort`.
      if (last < port) errors.push(invalid(endPort, port, 'must be greater than or equal to `port`'));
      for (const message of portNumber(last)) errors.push(invalid(endPort, last, message));
    }
  } else if (typeof port === 'string') {
    if (last !== undefined) errors.push(invalid(endPort, last, 'may not be specified when `port` is non-numeric'));
    for (const message of portName(port)) errors.push(namedPortError(child(path, 'port'), port, message));
  } else if (last !== undefined) {
    errors.push(invalid(endPort, last, 'may not be specified when `port` is not specified'));
  }
  return errors;
}

function namedPortError(path: string, port: string, message: string): FieldError {
  const error = invalid(path, port, message);
  return /^[0-9]+$/.test(port) ? { ...error, help: `write the number without quotes: ${port}` } : error;
}

function peerErrors(peer: JsonObject, path: string, pruned: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const others = ['podSelector', 'namespaceSelector'].filter((key) => has(peer, key));
  for (const key of others) errors.push(...selectorErrors(peer[key], child(path, key)));
  const block = has(peer, 'ipBlock');
  if (block) errors.push(...ipBlockErrors(asObject(peer.ipBlock), child(path, 'ipBlock')));
  if (others.length === 0 && !block) {
    // A peer of a kind that nobody knows yet fails closed (S2.15); only a peer that says nothing at all is refused.
    if (!pruned.has(path)) errors.push(required(path, 'must specify a peer'));
  } else if (others.length > 0 && block) {
    errors.push(forbidden(path, 'may not specify both ipBlock and another peer'));
  }
  return errors;
}

function ipBlockErrors(block: JsonObject, path: string): FieldError[] {
  const field = child(path, 'cidr');
  const text = stringOf(block.cidr);
  if (text === '') return [required(field)];
  const cidr = parseSloppy(text);
  if (cidr === null) return [notCidr(field, text)];
  const errors: FieldError[] = [];
  items(block.except).forEach((item, i) => {
    const except = stringOf(item);
    const place = at(child(path, 'except'), i);
    const hole = parseSloppy(except);
    if (hole === null) errors.push(notCidr(place, except));
    else if (!strictSubset(hole, cidr)) errors.push(invalid(place, except, 'must be a strict subset of `cidr`'));
  });
  return errors;
}

function notCidr(path: string, text: string): FieldError {
  const error = invalid(path, text, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)');
  const single = `${text}/${text.includes(':') ? 128 : 32}`;
  return parseSloppy(single) === null ? error : { ...error, help: `for this one address write \`${single}\`` };
}

function warnings(spec: JsonObject): FieldError[] {
  const found: FieldError[] = [];
  const look = (value: Json | undefined, path: string): void => {
    if (value === undefined) return;
    for (const { ambiguous, message } of cidrWarnings(stringOf(value))) {
      found.push({ code: ambiguous ? 'RP120' : 'RP121', field: path, message });
    }
  };
  for (const direction of DIRECTIONS) {
    items(spec[direction.rules]).forEach((rule, i) => {
      items(asObject(rule)[direction.peers]).forEach((peer, j) => {
        const path = `spec.${direction.rules}[${i}].${direction.peers}[${j}].ipBlock`;
        const block = asObject(asObject(peer).ipBlock);
        look(block.cidr, child(path, 'cidr'));
        items(block.except).forEach((except, k) => {
          look(except, at(child(path, 'except'), k));
        });
      });
    });
  }
  return found;
}
