/** Changes of a cluster as the agent hears of them: pods that come and go, policies that get and lose a rule. */
import type { JsonObject } from '../../src/manifest/object.ts';
import type { Pod } from '../../src/model/cluster.ts';
import type { Policy } from '../../src/model/program.ts';
import type { NodeCompiler } from '../../src/targets/nftables/node-compiler.ts';
import { podsOf, theFirst } from '../suite/loaded.ts';
import { understood } from './rampart.ts';
import { NODE, namespaceObject, namespaceOf, podObject, policyObject, type Shape } from './shape.ts';

const TIER = 'networkpolicy';

/** There and back: what one change tells the compiler, and what takes it back. */
export interface Change {
  readonly name: string;
  /** The number tells apart the changes of one sort. */
  make(compiler: NodeCompiler, number: number): void;
  takeBack(compiler: NodeCompiler, number: number): void;
}

/** One of each sort. */
export function changesOf(shape: Shape): readonly Change[] {
  const local = (number: number): number => number % shape.localApps;
  // A peer of a local application, so that the node has to know it.
  const peer = (number: number): number => shape.apps[local(number)]?.from.at(-1) ?? 0;
  return [
    podChange('a pod of another node', (number) =>
      podOf(peer(number), number, `10.99.${number >> 8}.${number & 255}`, 'other'),
    ),
    podChange('a pod of this node', (number) => podOf(local(number), number, `10.64.1.${number & 255}`, NODE)),
    policyChange('a rule of a policy', shape, local),
  ];
}

function podOf(app: number, number: number, address: string, node: string): Pod {
  return readPod(namespaceOf(app), podObject(app, 1000 + number, address, node));
}

/** One pod with its meaning. */
export function readPod(namespace: string, pod: JsonObject): Pod {
  return theFirst(podsOf(understood([namespaceObject(namespace), pod])), () => true, 'such pod');
}

/** One NetworkPolicy with its meaning. */
export function readPolicy(policy: JsonObject): Policy {
  const policies = understood([policy]).program.tiers.flatMap((tier) => tier.policies);
  return theFirst(policies, () => true, 'such policy');
}

function podChange(name: string, podOf: (number: number) => Pod): Change {
  const pods = new Map<number, Pod>();
  return {
    name,
    make: (compiler, number) => {
      const pod = podOf(number);
      pods.set(number, pod);
      compiler.replacePod(null, pod);
    },
    takeBack: (compiler, number) => {
      compiler.replacePod(pods.get(number) ?? null, null);
      pods.delete(number);
    },
  };
}

/** A policy of its own for each number, with one rule: as if a policy got one more. */
function policyChange(name: string, shape: Shape, local: (number: number) => number): Change {
  const policies = new Map<number, Policy>();
  return {
    name,
    make: (compiler, number) => {
      const app = local(number);
      const from = (app * 37 + 1000) % shape.apps.length;
      const policy = readPolicy(
        policyObject(namespaceOf(app), `more-${number}`, {
          podSelector: { matchLabels: { app: `a${app}` } },
          policyTypes: ['Ingress'],
          ingress: [
            {
              from: [
                {
                  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespaceOf(from) } },
                  podSelector: { matchLabels: { app: `a${from}` } },
                },
              ],
              ports: [{ protocol: 'TCP', port: 7000 }],
            },
          ],
        }),
      );
      policies.set(number, policy);
      compiler.replacePolicy(TIER, null, policy);
    },
    takeBack: (compiler, number) => {
      compiler.replacePolicy(TIER, policies.get(number) ?? null, null);
      policies.delete(number);
    },
  };
}
