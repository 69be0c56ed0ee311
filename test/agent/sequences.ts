/** Random lives of a cluster, told to an agent in ways that must not matter. */
import fc from 'fast-check';
import type { WatchedResource } from '../../src/io/watch-event.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import { type Dice, dice } from '../manifest/mutations.ts';
import {
  adminNetworkPolicy,
  clusterNetworkPolicy,
  type KubeJson,
  labels,
  networkPolicy,
  podPlan,
} from '../properties/generators.ts';
import type { Rig } from './rig.ts';

interface Kept {
  readonly resource: WatchedResource;
  readonly object: JsonObject;
}

/** Objects by resource and name. */
export type Objects = ReadonlyMap<string, Kept>;

const NAMESPACES = ['x', 'y', 'z', 'late'];
const NODES = ['n1', 'n2', 'n3'];

const pick = <T>(roll: Dice, list: readonly T[]): T => list[roll(list.length)] as T;

/** Samples from which lives are made. */
function pools(seed: number) {
  const sample = <T>(of: fc.Arbitrary<T>, numRuns: number): readonly T[] => fc.sample(of, { seed, numRuns });
  return {
    plans: sample(podPlan, 200),
    labels: sample(labels, 100),
    policies: sample(networkPolicy, 300),
    clusterPolicies: sample(clusterNetworkPolicy, 100),
    adminPolicies: sample(adminNetworkPolicy, 60),
  };
}

/** A cluster that changes at random; every change is one event. */
export class Life {
  readonly objects = new Map<string, Kept>();
  readonly #roll: Dice;
  readonly #pools: ReturnType<typeof pools>;
  #born = 0;
  #version = 0;

  constructor(seed: number) {
    this.#roll = dice(seed);
    this.#pools = pools(seed);
  }

  /** Changes something; returns what has to be told, in this order if it is about one object. */
  step(): readonly (Kept & { readonly gone: boolean })[] {
    const kind = this.#roll(20);
    if (kind < 9) return this.#pod();
    if (kind < 16) return this.#policy();
    if (kind < 19) return this.#namespace();
    return this.#node();
  }

  #put(resource: WatchedResource, object: JsonObject): readonly (Kept & { readonly gone: boolean })[] {
    const metadata = object.metadata as JsonObject;
    const told = { ...object, metadata: { ...metadata, resourceVersion: String(++this.#version) } };
    this.objects.set(keyOf(resource, object), { resource, object: told });
    return [{ resource, object: told, gone: false }];
  }

  #remove(key: string): readonly (Kept & { readonly gone: boolean })[] {
    const kept = this.objects.get(key);
    if (kept === undefined) return [];
    this.objects.delete(key);
    return [{ ...kept, gone: true }];
  }

  #keys(resource: WatchedResource): readonly string[] {
    return [...this.objects].filter(([, kept]) => kept.resource === resource).map(([key]) => key);
  }

  #pod(): readonly (Kept & { readonly gone: boolean })[] {
    const roll = this.#roll;
    const pods = this.#keys('pods');
    if (pods.length < 8 || (pods.length < 40 && roll(3) === 0)) {
      const plan = pick(roll, this.#pools.plans);
      const id = ++this.#born;
      // Few addresses, so that they are used again, and sometimes claimed twice.
      const host = roll(60);
      const ips = plan.families.map((family) => ({ ip: family === 4 ? `10.1.0.${host}` : `fd00::${host}` }));
      return this.#put('pods', {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name: `p${roll(60)}`,
          namespace: pick(roll, NAMESPACES),
          uid: `uid-${String(id).padStart(6, '0')}`,
          creationTimestamp: new Date(Date.UTC(2026, 0, 1) + id * 1000).toISOString(),
          labels: plan.labels,
        },
        spec: {
          ...(roll(8) === 0 ? {} : { nodeName: pick(roll, NODES) }),
          ...(plan.hostNetwork ? { hostNetwork: true } : {}),
          containers: [{ name: 'c', ports: plan.ports as unknown as JsonObject[] }],
        },
        status: { phase: 'Running', ...(ips.length > 0 && roll(6) > 0 ? { podIPs: ips } : {}) },
      });
    }
    const key = pick(roll, pods);
    const { object } = this.objects.get(key) as Kept;
    const metadata = object.metadata as JsonObject;
    const spec = object.spec as JsonObject;
    const status = object.status as JsonObject;
    switch (roll(7)) {
      case 0:
      case 1:
        return this.#remove(key);
      case 2:
        return this.#put('pods', { ...object, status: { ...status, phase: pick(roll, ['Succeeded', 'Failed']) } });
      case 3:
        return this.#put('pods', { ...object, status: { ...status, podIPs: [{ ip: `10.1.0.${roll(60)}` }] } });
      case 4:
        return this.#put('pods', { ...object, spec: { ...spec, nodeName: spec.nodeName ?? pick(roll, NODES) } });
      default:
        return this.#put('pods', { ...object, metadata: { ...metadata, labels: pick(roll, this.#pools.labels) } });
    }
  }

  #policy(): readonly (Kept & { readonly gone: boolean })[] {
    const roll = this.#roll;
    const kinds = [
      ['networkpolicies', this.#pools.policies, 14],
      ['networkpolicies', this.#pools.policies, 14],
      ['clusternetworkpolicies', this.#pools.clusterPolicies, 4],
      ['adminnetworkpolicies', this.#pools.adminPolicies, 2],
    ] as const;
    const [resource, pool, most] = pick<(typeof kinds)[number]>(roll, kinds);
    const present = this.#keys(resource);
    if (present.length > 0 && (present.length >= most || roll(3) === 0)) return this.#remove(pick(roll, present));
    const drawn = pick<KubeJson>(roll, pool as readonly KubeJson[]) as JsonObject;
    const metadata = { ...(drawn.metadata as JsonObject), name: `n${roll(8)}`, uid: `policy-${++this.#born}` };
    return this.#put(resource, { ...drawn, metadata });
  }

  #namespace(): readonly (Kept & { readonly gone: boolean })[] {
    const roll = this.#roll;
    const name = pick(roll, NAMESPACES);
    const key = `namespaces|/${name}`;
    if (this.objects.has(key) && roll(4) === 0) return this.#remove(key);
    return this.#put('namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: pick(roll, this.#pools.labels) },
    });
  }

  #node(): readonly (Kept & { readonly gone: boolean })[] {
    const roll = this.#roll;
    const name = pick(roll, NODES);
    const key = `nodes|/${name}`;
    if (this.objects.has(key) && roll(5) === 0) return this.#remove(key);
    const address = roll(6) === 0 ? `172.18.1.${NODES.indexOf(name) + 1}` : `172.18.0.${NODES.indexOf(name) + 1}`;
    return this.#put('nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: roll(3) === 0 ? pick(roll, this.#pools.labels) : {} },
      spec: {},
      status: { addresses: [{ type: 'InternalIP', address }] },
    });
  }
}

function keyOf(resource: WatchedResource, object: JsonObject): string {
  const { namespace = '', name } = object.metadata as { readonly namespace?: string; readonly name: string };
  return `${resource}|${namespace}/${name}`;
}

export function listsOf(objects: Objects): Partial<Record<WatchedResource, readonly JsonObject[]>> {
  const out: Partial<Record<WatchedResource, JsonObject[]>> = {};
  for (const { resource, object } of objects.values()) {
    const list = out[resource] ?? [];
    list.push(object);
    out[resource] = list;
  }
  return out;
}

export interface Telling {
  /** Events about different objects may be told in another order. */
  readonly shuffle: boolean;
  /** In between, what is known already is told again, and lists are repeated. */
  readonly repeat: boolean;
}

/** Tells steps of a life; `pause` is called at random moments, for whatever is to happen in between. Returns the number of events. */
export async function tell(
  rig: Pick<Rig, 'put' | 'remove' | 'state' | 'loop'>,
  life: Life,
  steps: number,
  roll: Dice,
  { shuffle, repeat }: Telling,
  pause: () => Promise<void>,
): Promise<number> {
  let told = 0;
  const send = ({ resource, object, gone }: Kept & { readonly gone: boolean }): void => {
    told++;
    if (gone) rig.remove(resource, object);
    else rig.put(resource, object);
  };
  for (let i = 0; i < steps; ) {
    const window = 1 + roll(shuffle ? 12 : 3);
    const events: (Kept & { readonly gone: boolean })[] = [];
    for (let k = 0; k < window && i < steps; k++, i++) events.push(...life.step());
    for (const event of shuffle ? shuffled(events, roll) : events) {
      send(event);
      if (repeat && roll(5) === 0) send(event);
      if (roll(6) === 0) await pause();
    }
    if (repeat && roll(3) === 0) {
      const known = [...life.objects.values()];
      const again = known[roll(Math.max(1, known.length))];
      if (again !== undefined) send({ ...again, gone: false });
    }
    if (repeat && roll(15) === 0) {
      const resource = pick(roll, ['pods', 'namespaces', 'nodes', 'networkpolicies'] as const);
      told++;
      const objects = listsOf(life.objects)[resource] ?? [];
      if (rig.state.take({ kind: 'listed', resource, objects })) rig.loop.changed();
    }
  }
  return told;
}

/** Another order, in which events about one object keep theirs. */
function shuffled<T extends Kept>(events: readonly T[], roll: Dice): readonly T[] {
  const queues = new Map<string, T[]>();
  for (const event of events) {
    const key = keyOf(event.resource, event.object);
    const queue = queues.get(key) ?? [];
    queue.push(event);
    queues.set(key, queue);
  }
  const out: T[] = [];
  while (queues.size > 0) {
    const key = pick(roll, [...queues.keys()]);
    const queue = queues.get(key) ?? [];
    const next = queue.shift();
    if (next !== undefined) out.push(next);
    if (queue.length === 0) queues.delete(key);
  }
  return out;
}
