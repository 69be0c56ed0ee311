/** Generated objects given their meaning, and every endpoint that a flow can have there. */
import { parseIp } from '../../src/base/ip.ts';
import { type Input, inputOf } from '../../src/input/input.ts';
import type { KubeObject } from '../../src/manifest/object.ts';
import type { Missing } from '../../src/model/cluster.ts';
import type { Endpoint } from '../../src/model/flow.ts';
import { type KubeJson, OUTSIDE } from './generators.ts';

export function objectsOf(objects: readonly KubeJson[]): KubeObject[] {
  return objects.map((value) => {
    const metadata = value.metadata as { name: string; namespace?: string };
    return {
      ref: {
        apiVersion: String(value.apiVersion),
        kind: String(value.kind),
        namespace: metadata.namespace ?? null,
        name: metadata.name,
        source: null,
      },
      value: value as KubeObject['value'],
    };
  });
}

export function read(objects: readonly KubeJson[], missing: readonly Missing[] = []): Input {
  return inputOf(objectsOf(objects), { missing });
}

export function endpointsOf(input: Input): Endpoint[] {
  return [
    ...input.cluster.workloads.flatMap((workload) => workload.pods.map((pod): Endpoint => ({ kind: 'pod', pod }))),
    ...input.cluster.nodes.map((node): Endpoint => ({ kind: 'node', node, address: node.addresses[0] ?? null })),
    ...OUTSIDE.flatMap((text): Endpoint[] => {
      const address = parseIp(text);
      return address === null ? [] : [{ kind: 'external', address }];
    }),
    { kind: 'domain', name: 'example.com' },
    { kind: 'domain', name: 'a.b.example.com' },
  ];
}
