import { type Cidr, formatCidr, sameIp } from '../base/ip.ts';
import { by, byText } from '../base/order.ts';
import { type Interner, interner } from '../cluster/intern.ts';
import type { EarlyAddresses } from '../io/cni-cache.ts';
import type { WatchEvent, WatchedResource } from '../io/watch-event.ts';
import { assemble } from '../kinds/assemble.ts';
import type { Unread } from '../kinds/foreign.ts';
import type { Fragment, TierSlot } from '../kinds/kind.ts';
import type { JsonObject, KubeObject } from '../manifest/object.ts';
import type { Cluster, Namespace, Node, Pod, Workload } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { PolicyProgram } from '../model/program.ts';
import { keyOf, kubeObject, type SeenNode, seenNamespace, seenNode, UNDECODABLE_POLICY, uidOf } from './objects.ts';
import { type PodChange, podTable, sameLabels } from './pod-table.ts';
import { type Notice, type PolicyChange, type PolicyObject, policyTable } from './policy-table.ts';

export const WATCHED: readonly WatchedResource[] = [
  'pods',
  'namespaces',
  'nodes',
  'networkpolicies',
  'clusternetworkpolicies',
  'adminnetworkpolicies',
  'baselineadminnetworkpolicies',
];

const POLICY_KIND: Readonly<Partial<Record<WatchedResource, string>>> = {
  networkpolicies: 'NetworkPolicy',
  clusternetworkpolicies: 'ClusterNetworkPolicy',
  adminnetworkpolicies: 'AdminNetworkPolicy',
  baselineadminnetworkpolicies: 'BaselineAdminNetworkPolicy',
};

/** The tiers that lack policies where a resource cannot be read. */
const TIERS_OF: Readonly<Partial<Record<WatchedResource, readonly TierSlot[]>>> = {
  networkpolicies: ['networkpolicy'],
  clusternetworkpolicies: ['admin', 'baseline'],
  adminnetworkpolicies: ['admin'],
  baselineadminnetworkpolicies: ['baseline'],
};

/** What is known of a resource. */
export type Standing =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'listed' }
  | { readonly kind: 'absent' }
  /** `known`: it was listed before, so the last that was seen of it still counts. */
  | { readonly kind: 'unreadable'; readonly reason: string; readonly known: boolean };

/** Why everything has to be compiled anew. */
export type ReloadReason = 'first' | 'namespaces' | 'nodes' | 'unread';

/** All that has changed since the last batch. */
export interface Batch {
  /** Empty where the changes below say everything. */
  readonly reload: readonly ReloadReason[];
  /** New ones, in which no pod ever was. */
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly PodChange[];
  readonly policies: readonly PolicyChange[];
  /** The blocks of this node's pods, if they have changed. */
  readonly podRanges: readonly Cidr[] | null;
  readonly notices: readonly Notice[];
}

/** What the agent knows of the cluster: takes events in, gives changes out. Pure: the same events give the same batches. */
export interface AgentState {
  /** Takes in an event; tells whether anything came of it. */
  take(event: WatchEvent): boolean;
  /** What the network plugin says of a pod; `null` takes it back. */
  early(key: string, addresses: EarlyAddresses | null): boolean;
  standing(resource: WatchedResource): Standing;
  /** Whether there is something to drain. */
  pending(): boolean;
  /** What has changed; `'without-nodes'` leaves out what needs a full compile for the sake of nodes alone. */
  drain(what?: 'everything' | 'without-nodes'): Batch;
  /** Whether changed nodes have been left out. */
  leftOut(): boolean;
  /** The cluster and the program as of the last batch. */
  snapshot(): {
    readonly cluster: Cluster;
    readonly program: PolicyProgram;
    readonly diagnostics: readonly Diagnostic[];
  };
  podRanges(): readonly Cidr[];
  /** The object that the policy of that id was made from. */
  policyObject(id: string): PolicyObject | null;
  /** The policies that nodes say to fail there, by id. */
  markedPolicies(): ReadonlyMap<string, PolicyObject>;
  /** Whether the API server lists no such node; `false` as long as that is not known. */
  nodeIsGone(name: string): boolean;
  /** Of every policy that was given out. */
  policyIds(): readonly string[];
  counts(): Readonly<Record<'pods' | 'namespaces' | 'nodes' | 'policies', number>>;
}

export interface StateOptions {
  /** The node that this agent is for. */
  readonly node: string;
  /** Blocks of this node's pods that are given instead of what the Node says. */
  readonly podRanges?: readonly Cidr[];
}

/** A state that knows nothing yet. */
export function agentState(options: StateOptions): AgentState {
  let shared = interner();
  let read = 0;
  const pods = podTable(options.node);
  const policies = policyTable();
  const namespaces = new Map<string, Namespace>();
  /** Namespaces in which pods were given out since everything was. */
  const peopled = new Set<string>();
  /** Such namespaces that have changed since. */
  const stale = new Set<string>();
  /** Other namespaces that are new or different. */
  const fresh = new Set<string>();
  /** Namespaces that the server does not have, or does not have yet, and that pods are in. */
  const unlisted = new Set<string>();
  /** Namespaces that are gone since the last batch; their pods may be as well. */
  const removed = new Set<string>();
  const nodes = new Map<string, SeenNode>();
  /** Nodes that are there, and cannot be decoded. */
  const obscure = new Set<string>();
  const standings = new Map<WatchedResource, Standing>(WATCHED.map((resource) => [resource, { kind: 'waiting' }]));
  const reload = new Set<ReloadReason>(['first']);
  let notices: Notice[] = [];
  let ranges: readonly Cidr[] = options.podRanges ?? [];
  let newRanges = ranges.length > 0;
  let closing = false;
  let nodesLeftOut = false;

  /** Shares equal labels; begun anew at times, since it keeps every label that it ever saw. */
  function sharing(): Interner {
    if (++read > 50_000 + 4 * pods.size()) {
      shared = interner();
      read = 0;
    }
    return shared;
  }

  function note(object: KubeObject, diagnostics: readonly Diagnostic[]): void {
    if (diagnostics.length > 0) notices.push({ object: object.ref, diagnostics });
  }

  function putNamespace(next: Namespace): void {
    unlisted.delete(next.name);
    removed.delete(next.name);
    const before = namespaces.get(next.name);
    if (before !== undefined && sameLabels(before.labels, next.labels)) return;
    namespaces.set(next.name, next);
    touch(next.name);
  }

  /** Namespaces matter through their pods alone. */
  function touch(name: string): void {
    if (!peopled.has(name)) fresh.add(name);
    else if (pods.countIn(name) > 0) reload.add('namespaces');
    else stale.add(name);
  }

  function putNode(object: KubeObject): void {
    const diagnostics: Diagnostic[] = [];
    const next = seenNode(sharing(), object, diagnostics);
    note(object, diagnostics);
    if (next === null) {
      removeNode(object.ref.name);
      obscure.add(object.ref.name);
    } else {
      obscure.delete(object.ref.name);
      const before = nodes.get(object.ref.name);
      if (before !== undefined && sameNode(before, next)) return;
      nodes.set(object.ref.name, next);
      if (before === undefined || !sameEndpoint(before.node, next.node)) reload.add('nodes');
      setRanges(object.ref.name, next.podRanges);
    }
  }

  function removeNode(name: string): void {
    obscure.delete(name);
    if (nodes.delete(name)) reload.add('nodes');
  }

  function setRanges(name: string, next: readonly Cidr[]): void {
    if (name !== options.node || options.podRanges !== undefined || next.length === 0) return;
    ranges = next;
    newRanges = true;
  }

  function put(resource: WatchedResource, object: KubeObject): void {
    switch (resource) {
      case 'pods': {
        const diagnostics: Diagnostic[] = [];
        pods.put(sharing(), object, diagnostics);
        note(object, diagnostics);
        return;
      }
      case 'namespaces': {
        const diagnostics: Diagnostic[] = [];
        putNamespace(seenNamespace(sharing(), object, diagnostics));
        note(object, diagnostics);
        return;
      }
      case 'nodes':
        putNode(object);
        return;
      default:
        policies.put(object, notices);
    }
  }

  function remove(resource: WatchedResource, object: KubeObject): void {
    const key = keyOf(object.ref);
    if (resource === 'pods') pods.remove(key, uidOf(object));
    else if (resource === 'namespaces') removeNamespace(key);
    else if (resource === 'nodes') removeNode(key);
    else policies.remove(POLICY_KIND[resource] ?? resource, key, uidOf(object), notices);
  }

  function removeNamespace(name: string): void {
    if (namespaces.has(name)) removed.add(name);
  }

  /** Policies that choose by labels may mean it: what its labels are is not known, so nothing is left open. */
  function putUnlisted(name: string): void {
    putNamespace({ name, labels: null, origin: null });
    unlisted.add(name);
  }

  function dropNamespace(name: string): void {
    unlisted.delete(name);
    if (namespaces.delete(name)) touch(name);
  }

  function keep(resource: WatchedResource, keys: ReadonlySet<string>): void {
    if (resource === 'pods') pods.keep(keys);
    else if (resource === 'namespaces') {
      for (const name of [...namespaces.keys()]) if (!keys.has(name)) removeNamespace(name);
    } else if (resource === 'nodes') {
      for (const name of [...nodes.keys(), ...obscure]) if (!keys.has(name)) removeNode(name);
    } else policies.keep(POLICY_KIND[resource] ?? resource, keys, notices);
  }

  function stand(resource: WatchedResource, next: Standing): void {
    const before = standings.get(resource) ?? { kind: 'waiting' };
    standings.set(resource, next);
    if (isUnread(before) !== isUnread(next) && TIERS_OF[resource] !== undefined) reload.add('unread');
  }

  function unread(): Unread {
    const out: Partial<Record<TierSlot, string>> = {};
    for (const [resource, standing] of standings) {
      if (standing.kind !== 'unreadable' || standing.known) continue;
      for (const slot of TIERS_OF[resource] ?? []) out[slot] ??= `${resource} could not be read: ${standing.reason}`;
    }
    return out;
  }

  function pending(): boolean {
    const reloads = reload.size - (nodesLeftOut && reload.has('nodes') ? 1 : 0);
    return (
      pods.pending() ||
      policies.pending() ||
      fresh.size > 0 ||
      removed.size > 0 ||
      reloads > 0 ||
      newRanges ||
      notices.length > 0
    );
  }

  /** Pods of namespaces that nobody knows yet, or that were given out otherwise. */
  function settleNamespaces(changes: readonly PodChange[]): void {
    for (const { after } of changes) {
      if (after === null) continue;
      const { namespace } = after;
      if (!namespaces.has(namespace)) putUnlisted(namespace);
      if (stale.has(namespace)) reload.add('namespaces');
      peopled.add(namespace);
    }
  }

  return {
    take(event) {
      const { resource } = event;
      switch (event.kind) {
        case 'listed': {
          const keys = new Set<string>();
          for (const json of event.objects) {
            const object = objectFor(resource, json);
            if (object === null) continue;
            keys.add(keyOf(object.ref));
            put(resource, object);
          }
          keep(resource, keys);
          stand(resource, { kind: 'listed' });
          break;
        }
        case 'put': {
          const object = objectFor(resource, event.object);
          if (object !== null) put(resource, object);
          break;
        }
        case 'removed': {
          const object = objectFor(resource, event.object);
          if (object !== null) remove(resource, object);
          break;
        }
        case 'absent':
          keep(resource, new Set());
          stand(resource, { kind: 'absent' });
          break;
        case 'unreadable': {
          const before = standings.get(resource);
          const known = before?.kind === 'listed' || isStale(before);
          stand(resource, { kind: 'unreadable', reason: event.reason, known });
          break;
        }
      }
      return pending();
    },

    early(key, addresses) {
      pods.early(key, addresses);
      return pending();
    },

    standing: (resource) => standings.get(resource) ?? { kind: 'waiting' },
    pending,

    leftOut: () => nodesLeftOut,

    drain(what = 'everything') {
      nodesLeftOut = what === 'without-nodes' && reload.delete('nodes');
      const changes = pods.drain();
      for (const name of removed) {
        if (pods.countIn(name) > 0) putUnlisted(name);
        else dropNamespace(name);
      }
      removed.clear();
      settleNamespaces(changes);
      for (const name of [...unlisted]) if (pods.countIn(name) === 0) dropNamespace(name);
      const closes = pods.undecodable() > 0;
      const flip: PolicyChange[] =
        closes === closing
          ? []
          : [
              {
                tier: 'admin',
                before: closing ? UNDECODABLE_POLICY : null,
                after: closes ? UNDECODABLE_POLICY : null,
              },
            ];
      closing = closes;
      const batch: Batch = {
        reload: reload.has('first') ? ['first'] : [...reload],
        namespaces: [...fresh].flatMap((name) => namespaces.get(name) ?? []),
        pods: changes,
        policies: [...flip, ...policies.drain()],
        podRanges: newRanges ? ranges : null,
        notices,
      };
      if (reload.size > 0) {
        peopled.clear();
        stale.clear();
        for (const { namespace } of pods.given()) peopled.add(namespace);
      }
      fresh.clear();
      // A full compile has the nodes with it, whatever it was for.
      if (reload.size > 0) nodesLeftOut = false;
      reload.clear();
      if (nodesLeftOut) reload.add('nodes');
      newRanges = false;
      notices = [];
      return batch;
    },

    snapshot() {
      const fragments: readonly Fragment[] = [
        ...policies.given(),
        ...(closing ? [{ slot: 'admin', policy: UNDECODABLE_POLICY } as const] : []),
      ];
      const { program, diagnostics } = assemble(fragments, { profile: 'kubernetes', unread: unread() });
      return { cluster: clusterOf(namespaces, nodes, pods.given()), program, diagnostics };
    },

    podRanges: () => ranges,
    policyObject: (id) => policies.objectOf(id),
    markedPolicies: () => policies.marked(),
    nodeIsGone: (name) => standings.get('nodes')?.kind === 'listed' && !nodes.has(name) && !obscure.has(name),
    policyIds: () => policies.given().map(({ policy }) => policy.id),
    counts: () => ({ pods: pods.size(), namespaces: namespaces.size, nodes: nodes.size, policies: policies.size() }),
  };
}

/** Objects of core resources may come without their type: lists do not repeat it. */
const TYPE_OF: Readonly<Record<WatchedResource, { readonly apiVersion: string; readonly kind: string }>> = {
  pods: { apiVersion: 'v1', kind: 'Pod' },
  namespaces: { apiVersion: 'v1', kind: 'Namespace' },
  nodes: { apiVersion: 'v1', kind: 'Node' },
  networkpolicies: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
  clusternetworkpolicies: { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy' },
  adminnetworkpolicies: { apiVersion: 'policy.networking.k8s.io/v1alpha1', kind: 'AdminNetworkPolicy' },
  baselineadminnetworkpolicies: { apiVersion: 'policy.networking.k8s.io/v1alpha1', kind: 'BaselineAdminNetworkPolicy' },
};

function objectFor(resource: WatchedResource, json: JsonObject): KubeObject | null {
  return kubeObject({ ...json, ...TYPE_OF[resource] });
}

function isUnread(standing: Standing): boolean {
  return standing.kind === 'unreadable' && !standing.known;
}

function isStale(standing: Standing | undefined): boolean {
  return standing?.kind === 'unreadable' && standing.known;
}

function sameNode(a: SeenNode, b: SeenNode): boolean {
  const text = (ranges: readonly Cidr[]): string => ranges.map(formatCidr).join();
  return sameEndpoint(a.node, b.node) && text(a.podRanges) === text(b.podRanges);
}

function sameEndpoint(a: Node, b: Node): boolean {
  const known = a.addresses.length === b.addresses.length;
  return known && sameLabels(a.labels, b.labels) && a.addresses.every((ip, i) => sameIp(ip, b.addresses[i] ?? ip));
}

function clusterOf(
  namespaces: ReadonlyMap<string, Namespace>,
  nodes: ReadonlyMap<string, SeenNode>,
  pods: Iterable<Pod>,
): Cluster {
  const workloads: Workload[] = [];
  for (const pod of pods) {
    const { namespace, name, origin } = pod;
    workloads.push({ namespace, name, kind: 'Pod', pods: [pod], replicas: null, origin });
  }
  return {
    namespaces: new Map([...namespaces].sort(by(([name]) => name, byText))),
    nodes: [...nodes.values()].map(({ node }) => node).sort(by((node) => node.name, byText)),
    workloads: workloads.sort((a, b) => byText(a.namespace, b.namespace) || byText(a.name, b.name)),
    services: [],
    routes: [],
    missing: [],
  };
}
