import type { Json, KubeObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { adminDiagnostics } from '../validation/admin.ts';
import { type CustomResource, judge } from '../validation/custom-resource.ts';
import { isObject } from '../validation/json.ts';
import {
  DOMAIN_NAMES,
  type NamedPorts,
  NETWORKS,
  noNamedPorts,
  PORT_NUMBER,
  PRIORITY,
  RULE_NAME,
} from '../validation/peers.ts';
import { list, object, oneOf, type Schema, SELECTOR, STRING } from '../validation/schema.ts';

const ACTION: Schema = { kind: 'string', enum: ['Accept', 'Deny', 'Pass'] };
const PODS = object({ namespaceSelector: SELECTOR, podSelector: SELECTOR }, { required: ['podSelector'] });

const RANGE = object(
  { start: PORT_NUMBER, end: PORT_NUMBER },
  { required: ['start', 'end'], rules: [{ message: 'Start port must be less than End port', holds: ascends }] },
);
const TRANSPORT = object({ destinationPort: oneOf({ number: PORT_NUMBER, range: RANGE }) }, { minProperties: 1 });
const PROTOCOLS = list(oneOf({ tcp: TRANSPORT, udp: TRANSPORT, sctp: TRANSPORT, destinationNamedPort: STRING }), {
  minItems: 1,
  maxItems: 25,
});

const FROM = list(oneOf({ namespaces: SELECTOR, pods: PODS }), { minItems: 1, maxItems: 25 });
const TO = list(
  oneOf({ namespaces: SELECTOR, pods: PODS, nodes: SELECTOR, networks: NETWORKS, domainNames: DOMAIN_NAMES }),
  { minItems: 1, maxItems: 25 },
);

const NAMED_PORTS: NamedPorts = {
  ports: 'protocols',
  port: 'destinationNamedPort',
  peers: ['networks', 'nodes', 'domainNames'],
};

const DEFINITION: CustomResource = {
  spec: object(
    {
      tier: { kind: 'string', enum: ['Admin', 'Baseline'] },
      priority: PRIORITY,
      subject: oneOf({ namespaces: SELECTOR, pods: PODS }),
      ingress: list(
        object({ name: RULE_NAME, action: ACTION, from: FROM, protocols: PROTOCOLS }, { required: ['action', 'from'] }),
        { maxItems: 25 },
      ),
      egress: list(
        object(
          { name: RULE_NAME, action: ACTION, to: TO, protocols: PROTOCOLS },
          {
            required: ['action', 'to'],
            rules: [noNamedPorts(NAMED_PORTS)],
          },
        ),
        { maxItems: 25 },
      ),
    },
    { required: ['tier', 'priority', 'subject'] },
  ),
};

function ascends(range: Json): boolean {
  if (!isObject(range)) return true;
  const { start, end } = range;
  return !(typeof start === 'number' && typeof end === 'number' && start >= end);
}

/** What kube-apiserver says of a ClusterNetworkPolicy (S4.2, experimental channel), and what its text forbids. */
export function validateClusterNetworkPolicy(policy: KubeObject): readonly Diagnostic[] {
  const judgement = judge(policy, DEFINITION);
  return adminDiagnostics(policy, judgement, {
    schema: DEFINITION.spec,
    ports: 'protocols',
    namedPort: 'destinationNamedPort',
    allow: 'Accept',
    actions: ['Accept', 'Deny', 'Pass'],
  });
}
