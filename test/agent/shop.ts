import type { TableContent } from '../../src/targets/nftables/table.ts';
import { ingressPolicy, namespaceObject, nodeObject, podObject } from './objects.ts';
import { type Rig, rig } from './rig.ts';

export const WEB = '10.0.0.1';
export const CLIENT = '10.0.1.1';
export const OTHER = '10.0.1.2';

/** Two pods of another node may or may not reach `web`, which is on this one. */
export const SHOP = {
  namespaces: [namespaceObject('a')],
  nodes: [nodeObject('n1', '192.168.0.1'), nodeObject('n2', '192.168.0.2')],
  pods: [podObject('web', WEB), podObject('client', CLIENT, { node: 'n2' }), podObject('other', OTHER, { node: 'n2' })],
  networkpolicies: [ingressPolicy('web', 'web', 'client', 80)],
};

/** Lists the shop and waits until it is in the kernel. */
export async function begin(one: Rig): Promise<Rig> {
  one.list(SHOP);
  one.loop.start();
  await one.clock.advance(100);
  return one;
}

/** A rig that has begun. */
export const started = (): Promise<Rig> => begin(rig());

/** A port that this kernel does not take in any element. */
export function refusing(port: number): (content: TableContent) => string | null {
  return ({ sets }) => {
    for (const { elements } of sets.values()) {
      for (const key of elements.keys())
        if (key.endsWith(` . ${port}`)) return 'Could not process rule: Invalid argument';
    }
    return null;
  };
}
