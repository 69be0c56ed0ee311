/** Pods and policies that come to a generated cluster, made after ones that are there. */

import { isObject } from '../../src/io/kube-client.ts';
import { items } from '../../src/kinds/validation/json.ts';
import type { Json, JsonObject } from '../../src/manifest/object.ts';
import { NODE } from './rig.ts';
import type { ObjectServer } from './server.ts';

/** Which no generated policy mentions. */
const PORT = 7777;

/** A change that the agent of the measured node has to act upon, and its undoing. */
export interface Change {
  make(api: ObjectServer, number: number): void;
  takeBack(api: ObjectServer, number: number): void;
  /** By what it is seen in the kernel. */
  trace(number: number): { readonly set: string; readonly text: string };
}

const field = (object: Json | undefined, name: string): Json | undefined =>
  isObject(object) ? object[name] : undefined;
const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

const namespaceOf = (object: JsonObject): string => text(field(object.metadata, 'namespace'));
const nodeOf = (pod: JsonObject): string => text(field(pod.spec, 'nodeName'));
const addressOf = (pod: JsonObject): string => text(field(pod.status, 'podIP'));

/** Pods of applications, on the measured node or others. */
export function podsOf(objects: readonly JsonObject[], onNode: boolean): readonly JsonObject[] {
  return objects.filter(
    (object) =>
      object.kind === 'Pod' &&
      (nodeOf(object) === NODE) === onNode &&
      isObject(field(object.metadata, 'labels')) &&
      field(field(object.metadata, 'labels'), 'team') !== undefined,
  );
}

export { addressOf };

/** A pod like one of these, with addresses that nobody has; it shows in a set of the kernel. */
export function podChange(like: readonly JsonObject[], set: 'in4' | 'id4'): Change {
  const podFor = (number: number): JsonObject => {
    const model = like[number % like.length];
    if (model === undefined) throw new Error('the generated cluster has no such pod');
    const address = `10.250.${(number >> 8) & 255}.${number & 255}`;
    const sixth = `fd10:250::${number.toString(16)}`;
    return {
      ...model,
      metadata: { ...(model.metadata as JsonObject), name: `added-${number}`, uid: `added-${number}` },
      status: {
        ...(model.status as JsonObject),
        podIP: address,
        podIPs: items(field(model.status, 'podIPs')).length > 1 ? [{ ip: address }, { ip: sixth }] : [{ ip: address }],
      },
    };
  };
  return {
    make: (api, number) => api.put('pods', podFor(number)),
    takeBack: (api, number) => api.remove('pods', podFor(number)),
    trace: (number) => ({ set, text: `${addressOf(podFor(number))} :` }),
  };
}

/** A policy that opens a port of a local pod, which no other does, to all in its namespace. */
export function policyChange(localPods: readonly JsonObject[]): Change {
  const policyFor = (number: number): JsonObject => {
    const pod = localPods[number % localPods.length];
    if (pod === undefined) throw new Error('the generated cluster has no local pod');
    const name = `added-${number}`;
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, namespace: namespaceOf(pod), uid: name, creationTimestamp: new Date().toISOString() },
      spec: {
        podSelector: { matchLabels: field(pod.metadata, 'labels') as JsonObject },
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ podSelector: {} }], ports: [{ protocol: 'TCP', port: PORT }] }],
      },
    };
  };
  return {
    make: (api, number) => api.put('networkpolicies', policyFor(number)),
    takeBack: (api, number) => api.remove('networkpolicies', policyFor(number)),
    trace: () => ({ set: 'exact', text: ` . 6 . ${PORT}` }),
  };
}
