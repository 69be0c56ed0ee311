import type { Json, KubeObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { type AdminDialect, adminDiagnostics } from '../validation/admin.ts';
import { type CustomResource, judge } from '../validation/custom-resource.ts';
import { asObject, get, has, items } from '../validation/json.ts';
import {
  DOMAIN_NAMES,
  mixesPodsAndNetworks,
  type NamedPorts,
  NETWORKS,
  namedPortsMessage,
  namesPortsOf,
  noNamedPorts,
  PORT_NUMBER,
  PRIORITY,
  RULE_NAME,
} from '../validation/peers.ts';
import { list, type ObjectSchema, object, oneOf, type Schema, SELECTOR, STRING } from '../validation/schema.ts';

/** Which release's definition: `v0.1.0` has `sameLabels`, `v0.1.8` (experimental channel) is the last one. */
type Shape = 'v0.1.0' | 'v0.1.8';

const PROTOCOL: Schema = { kind: 'string', default: 'TCP' };
const PORT = oneOf({
  portNumber: object({ protocol: PROTOCOL, port: PORT_NUMBER }, { required: ['protocol', 'port'] }),
  portRange: object({ protocol: PROTOCOL, start: PORT_NUMBER, end: PORT_NUMBER }, { required: ['start', 'end'] }),
  namedPort: STRING,
});

const PODS = object(
  { namespaceSelector: SELECTOR, podSelector: SELECTOR },
  { required: ['namespaceSelector', 'podSelector'] },
);
const SUBJECT = oneOf({ namespaces: SELECTOR, pods: PODS });

const LABEL_KEYS = list(STRING, { maxItems: 100 });
const OLD_NAMESPACES = oneOf({ namespaceSelector: SELECTOR, sameLabels: LABEL_KEYS, notSameLabels: LABEL_KEYS });
const OLD_PEER = oneOf({
  namespaces: OLD_NAMESPACES,
  pods: object({ namespaces: OLD_NAMESPACES, podSelector: SELECTOR }, { required: ['namespaces', 'podSelector'] }),
});
const PEER = { namespaces: SELECTOR, pods: PODS };

const BASELINE_NAME = {
  only: 'default',
  message: 'Only one baseline admin network policy with metadata.name="default" can be created in the cluster',
};

const ADMIN_WITHOUT_PODS = ['networks', 'nodes', 'domainNames'];
const BASELINE_WITHOUT_PODS = ['networks', 'nodes'];

const ADMIN: Readonly<Record<Shape, CustomResource>> = {
  'v0.1.8': {
    spec: specOf(
      ['Allow', 'Deny', 'Pass'],
      oneOf(PEER),
      oneOf({ ...PEER, nodes: SELECTOR, networks: NETWORKS, domainNames: DOMAIN_NAMES }),
      ADMIN_WITHOUT_PODS,
      true,
    ),
  },
  'v0.1.0': { spec: oldSpecOf(true) },
};

const BASELINE: Readonly<Record<Shape, CustomResource>> = {
  'v0.1.8': {
    spec: specOf(
      ['Allow', 'Deny'],
      oneOf(PEER),
      oneOf({ ...PEER, nodes: SELECTOR, networks: NETWORKS }),
      BASELINE_WITHOUT_PODS,
      false,
    ),
    name: BASELINE_NAME,
  },
  'v0.1.0': { spec: oldSpecOf(false), name: BASELINE_NAME },
};

function specOf(
  actions: readonly string[],
  from: Schema,
  to: Schema,
  withoutPods: readonly string[],
  admin: boolean,
): ObjectSchema {
  const action: Schema = { kind: 'string', enum: actions };
  const ports = list(PORT, { minItems: 1, maxItems: 100 });
  const peers = { minItems: 1, maxItems: 100 };
  const ingress = object({ name: RULE_NAME, action, from: list(from, peers), ports }, { required: ['action', 'from'] });
  const egress = object(
    { name: RULE_NAME, action, to: list(to, peers), ports },
    { required: ['action', 'to'], rules: [noNamedPorts(namedPorts(withoutPods), mixesPodsAndNetworks)] },
  );
  return policyOf(ingress, egress, admin);
}

// The name means the ports of the pods, so a rule that has some is kept, with a warning in the server's words.
function namedPorts(peers: readonly string[]): NamedPorts {
  return { ports: 'ports', port: 'namedPort', peers };
}

function oldSpecOf(admin: boolean): ObjectSchema {
  const ports = list(PORT, { maxItems: 100 });
  // The baseline kind forgot to limit its peers.
  const peers = list(OLD_PEER, admin ? { minItems: 1, maxItems: 100 } : { minItems: 1 });
  return policyOf(
    object({ name: RULE_NAME, action: STRING, from: peers, ports }, { required: ['action', 'from'] }),
    object({ name: RULE_NAME, action: STRING, to: peers, ports }, { required: ['action', 'to'] }),
    admin,
  );
}

function policyOf(ingress: Schema, egress: Schema, admin: boolean): ObjectSchema {
  const rules = { ingress: list(ingress, { maxItems: 100 }), egress: list(egress, { maxItems: 100 }) };
  return admin
    ? object({ priority: PRIORITY, subject: SUBJECT, ...rules }, { required: ['priority', 'subject'] })
    : object({ subject: SUBJECT, ...rules }, { required: ['subject'] });
}

const OLD_FIELDS = { namespaces: ['namespaceSelector', 'sameLabels', 'notSameLabels'], pods: ['namespaces'] };
const NEW_FIELDS = { namespaces: ['matchLabels', 'matchExpressions'], pods: ['namespaceSelector'] };

/** How many peers use the own fields of each definition. */
function shapesOf(policy: KubeObject): Readonly<Record<Shape, number>> {
  const spec = asObject(get(policy.value, 'spec'));
  const peers = [
    ...items(spec.ingress).flatMap((rule) => items(asObject(rule).from)),
    ...items(spec.egress).flatMap((rule) => items(asObject(rule).to)),
  ];
  return {
    'v0.1.0': peers.filter((peer) => uses(peer, OLD_FIELDS)).length,
    'v0.1.8': peers.filter((peer) => uses(peer, NEW_FIELDS) || isNewPeer(peer)).length,
  };
}

function uses(peer: Json, fields: typeof OLD_FIELDS): boolean {
  const { namespaces, pods } = asObject(peer);
  return fields.namespaces.some((field) => has(namespaces, field)) || fields.pods.some((field) => has(pods, field));
}

function isNewPeer(peer: Json): boolean {
  return ['nodes', 'networks', 'domainNames'].some((field) => has(peer, field));
}

function validate(
  policy: KubeObject,
  definitions: Readonly<Record<Shape, CustomResource>>,
  actions: readonly string[],
  withoutPods: readonly string[],
): readonly Diagnostic[] {
  const shapes = shapesOf(policy);
  // The definition whose own fields the object uses more; the last one if it uses those of neither.
  const definition = definitions[shapes['v0.1.0'] > shapes['v0.1.8'] ? 'v0.1.0' : 'v0.1.8'];
  const dialect: AdminDialect = {
    schema: definition.spec,
    ports: 'ports',
    namedPort: 'namedPort',
    allow: 'Allow',
    actions,
    spared: (rule) =>
      mixesPodsAndNetworks(rule) && namesPortsOf(rule, namedPorts(withoutPods))
        ? namedPortsMessage(namedPorts(withoutPods))
        : null,
  };
  const diagnostics = adminDiagnostics(policy, judge(policy, definition), dialect);
  // No definition knows both shapes, and which one a server has is not known: what each peer means is.
  const isMixed = shapes['v0.1.0'] > 0 && shapes['v0.1.8'] > 0;
  const onlyShape = diagnostics.every((one) => one.refused !== true || isAboutShape(one) || one.code === 'RP109');
  return isMixed && onlyShape ? diagnostics.map(({ refused: _, ...rest }) => rest) : diagnostics;
}

/** Whether a peer only lacks what the other definition does not ask for. */
function isAboutShape({ code, origin }: Diagnostic): boolean {
  return code === 'RP100' && /\.pods\.(namespaceSelector|namespaces)$/.test(origin?.field ?? '');
}

/** What kube-apiserver says of an AdminNetworkPolicy (S3.3), and what the text of the API forbids. */
export function validateAdminNetworkPolicy(policy: KubeObject): readonly Diagnostic[] {
  return validate(policy, ADMIN, ['Allow', 'Deny', 'Pass'], ADMIN_WITHOUT_PODS);
}

/** What kube-apiserver says of a BaselineAdminNetworkPolicy (S3.3), and what the text of the API forbids. */
export function validateBaselineAdminNetworkPolicy(policy: KubeObject): readonly Diagnostic[] {
  return validate(policy, BASELINE, ['Allow', 'Deny'], BASELINE_WITHOUT_PODS);
}
