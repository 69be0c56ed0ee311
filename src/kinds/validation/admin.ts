import type { Json, JsonObject, KubeObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { type Judgement, unknownDiagnostics } from './custom-resource.ts';
import { at, child, diagnosticsOf, type FieldError, invalid, unsupported, withCode } from './field-error.ts';
import { asObject, get, has, items, stringOf } from './json.ts';
import { portName } from './names.ts';
import { type Schema, SELECTOR } from './schema.ts';
import { selectorErrors } from './selector.ts';
import { walk } from './structural.ts';

/** Where the admin kinds differ in what their text forbids and their schema lets through. */
export interface AdminDialect {
  readonly schema: Schema;
  /** The field of a rule that lists ports, and the field of such an entry that names one. */
  readonly ports: 'ports' | 'protocols';
  readonly namedPort: 'namedPort' | 'destinationNamedPort';
  /** The action that domain names need. */
  readonly allow: 'Allow' | 'Accept';
  readonly actions: readonly string[];
  /** What a server would refuse of an egress rule that is kept all the same: its own words, or `null`. */
  spared?(rule: JsonObject): string | null;
}

const PROTOCOLS: readonly string[] = ['TCP', 'UDP', 'SCTP'];
const WITHDRAWN: readonly string[] = ['sameLabels', 'notSameLabels'];

/** The diagnostics of an admin kind: the server's errors, unknown fields, and what only the text of the API forbids. */
export function adminDiagnostics(policy: KubeObject, judgement: Judgement, dialect: AdminDialect): Diagnostic[] {
  const { errors, unknown, spec } = judgement;
  const refused = [...diagnosticsOf(policy, errors, 'error', 'refused'), ...unknownDiagnostics(policy, unknown)];
  // The text of the API is read only where the schema holds: a wrong type is complaint enough.
  if (errors.length > 0) return refused;
  const forbidden: FieldError[] = [];
  const doubtful: FieldError[] = [];
  for (const [rules, peers] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const) {
    items(asObject(spec)[rules]).forEach((rule, i) => {
      readRule(asObject(rule), at(`spec.${rules}`, i), peers, dialect, forbidden, doubtful);
    });
  }
  walk(spec, dialect.schema, 'spec', (value, schema, path) => {
    // The schema does not look into selectors; one that cannot be read matches nothing under allow (S3.4).
    if (schema !== SELECTOR) return;
    forbidden.push(...selectorErrors(value, path).map((error) => withCode(error, 'RP133')));
  });
  const namespace = get(asObject(get(policy.value, 'metadata')), 'namespace');
  if (stringOf(namespace) !== '') {
    const message = `metadata.namespace is ignored: a ${policy.ref.kind} is cluster-scoped`;
    doubtful.push({ code: 'RP137', field: 'metadata.namespace', message });
  }
  return [
    ...refused,
    ...diagnosticsOf(policy, forbidden, 'error', 'kept'),
    ...diagnosticsOf(policy, doubtful, 'warning', 'kept'),
  ];
}

function readRule(
  rule: JsonObject,
  path: string,
  peers: 'from' | 'to',
  dialect: AdminDialect,
  forbidden: FieldError[],
  doubtful: FieldError[],
): void {
  const action = get(rule, 'action');
  if (typeof action === 'string' && !dialect.actions.includes(action)) {
    forbidden.push(withCode(unsupported(child(path, 'action'), action, dialect.actions), 'RP135'));
  }
  const spared = peers === 'to' ? (dialect.spared?.(rule) ?? null) : null;
  if (spared !== null) {
    const help = 'a server with the experimental channel installed refuses the policy; write two rules';
    doubtful.push({ code: 'RP138', field: path, message: spared, help });
  }
  items(rule[dialect.ports]).forEach((entry, i) => {
    const place = at(child(path, dialect.ports), i);
    readPort(asObject(entry), place, dialect, forbidden, doubtful);
  });
  items(rule[peers]).forEach((peer, i) => {
    const place = at(child(path, peers), i);
    if (has(peer, 'domainNames') && action !== dialect.allow) {
      const message = `domain names are only supported with action \`${dialect.allow}\``;
      forbidden.push({ code: 'RP131', field: child(place, 'domainNames'), message });
    }
    const { namespaces, pods } = asObject(peer);
    readWithdrawn(namespaces, child(place, 'namespaces'), doubtful);
    readWithdrawn(asObject(pods).namespaces, child(child(place, 'pods'), 'namespaces'), doubtful);
  });
}

function readPort(
  entry: JsonObject,
  path: string,
  dialect: AdminDialect,
  forbidden: FieldError[],
  doubtful: FieldError[],
): void {
  for (const form of ['portNumber', 'portRange']) {
    const port = asObject(entry[form]);
    const place = child(path, form);
    const { protocol, start, end } = port;
    if (typeof protocol === 'string' && !PROTOCOLS.includes(protocol)) {
      forbidden.push(withCode(unsupported(child(place, 'protocol'), protocol, PROTOCOLS), 'RP134'));
    }
    if (typeof start === 'number' && typeof end === 'number' && start > end) {
      const message = `port range ends before it starts: ${start} > ${end}, it matches nothing`;
      forbidden.push({ code: 'RP130', field: place, message, help: 'swap `start` and `end`' });
    }
  }
  const name = get(entry, dialect.namedPort);
  if (typeof name === 'string') {
    const field = child(path, dialect.namedPort);
    for (const message of portName(name)) doubtful.push(withCode(invalid(field, name, message), 'RP136'));
  }
}

function readWithdrawn(namespaces: Json | undefined, path: string, doubtful: FieldError[]): void {
  for (const field of WITHDRAWN) {
    if (!has(namespaces, field)) continue;
    const message = `\`${field}\` was withdrawn from the API in v0.1.7, current servers do not know it`;
    doubtful.push({ code: 'RP132', field: child(path, field), message });
  }
}
