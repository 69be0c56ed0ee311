import type { JsonObject } from '../../src/manifest/object.ts';

/** Objects as an API server tells of them, for tests of the agent. */

export function podObject(
  name: string,
  address: string | null,
  more: {
    readonly namespace?: string;
    readonly node?: string;
    readonly labels?: JsonObject;
    readonly ports?: readonly JsonObject[];
  } = {},
): JsonObject {
  const { namespace = 'a', node = 'n1', labels = { app: name }, ports = [] } = more;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, uid: `uid-${namespace}-${name}`, creationTimestamp: '2026-01-01T00:00:00Z', labels },
    spec: { nodeName: node, containers: [{ name: 'c', ports }] },
    status: { phase: 'Running', ...(address === null ? {} : { podIPs: [{ ip: address }] }) },
  };
}

export function namespaceObject(name: string, labels: JsonObject = {}): JsonObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

export function nodeObject(name: string, address: string, podCIDRs: readonly string[] = []): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: { podCIDRs },
    status: { addresses: [{ type: 'InternalIP', address }] },
  };
}

/** Selects `app: subject` (everything where it is `null`) and admits `app: peer` at the TCP port. */
export function ingressPolicy(
  name: string,
  subject: string | null,
  peer: string,
  port: number,
  more: { readonly namespace?: string; readonly created?: string } = {},
): JsonObject {
  const { namespace = 'a', created = '2026-01-01T00:00:00Z' } = more;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace, uid: `uid-${name}`, creationTimestamp: created },
    spec: {
      podSelector: subject === null ? {} : { matchLabels: { app: subject } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: peer } } }], ports: [{ port }] }],
    },
  };
}
