import type { Cidr, Family, Ip } from '../base/ip.ts';
import { suggest } from '../base/suggest.ts';
import type { Node, Pod, Service, Workload } from '../model/cluster.ts';
import type { ClusterIndex, NamespaceIndex } from './cluster-index.ts';
import { type EndpointText, resourceOf } from './endpoint-text.ts';

/** What an endpoint is in a cluster. */
export type FoundEndpoint =
  | {
      readonly kind: 'pods';
      /** At least one. */
      readonly pods: readonly Pod[];
      /** Theirs; `null` where one address is of pods of several workloads. */
      readonly workload: Workload | null;
      /** Of the address that was asked for; `null` where a name was. */
      readonly family: Family | null;
    }
  | {
      readonly kind: 'service';
      readonly service: Service;
      /** The address that was asked for; `null` where the name was. */
      readonly address: Ip | null;
    }
  | { readonly kind: 'node'; readonly node: Node; readonly address: Ip | null }
  | { readonly kind: 'external'; readonly address: Ip }
  | { readonly kind: 'range'; readonly cidr: Cidr }
  | { readonly kind: 'domain'; readonly name: string }
  /** No or several things of that name; `candidates` are endpoints that can be written instead. */
  | { readonly kind: 'unknown'; readonly message: string; readonly candidates: readonly string[] };

export interface FindOptions {
  /** `namespace/name` is a pod if there is one; else a name that is a pod and an unrelated workload is ambiguous. */
  readonly podFirst: boolean;
}

/** Looks up what a user wrote; constant time where it is found. */
export function findEndpoint(index: ClusterIndex, endpoint: EndpointText, options: FindOptions): FoundEndpoint {
  switch (endpoint.kind) {
    case 'address':
      return byAddress(index, endpoint.address);
    case 'range':
      return { kind: 'range', cidr: endpoint.cidr };
    case 'domain':
      return { kind: 'domain', name: endpoint.name };
    case 'node':
      return byNode(index, endpoint.name, options);
    case 'service':
      return byService(index, endpoint.namespace, endpoint.name);
    case 'named':
      return byName(index, endpoint, options);
  }
}

function byAddress(index: ClusterIndex, address: Ip): FoundEndpoint {
  const owner = index.addresses[address.family].get(address.value);
  if (owner === undefined) return { kind: 'external', address };
  switch (owner.kind) {
    case 'node':
      return { kind: 'node', node: owner.node, address };
    case 'service':
      return { kind: 'service', service: owner.service, address };
    case 'pods': {
      const workloads = new Set(owner.pods.map((pod) => index.workloadOf.get(pod)));
      const [workload] = workloads;
      return {
        kind: 'pods',
        pods: owner.pods,
        workload: workloads.size === 1 && workload !== undefined ? workload : null,
        family: address.family,
      };
    }
  }
}

function byNode(index: ClusterIndex, name: string, options: FindOptions): FoundEndpoint {
  const node = index.nodes.get(name);
  if (node !== undefined) return { kind: 'node', node, address: null };
  for (const namespace of ['node', 'nodes', 'no']) {
    if (!index.namespaces.has(namespace)) continue;
    const found = byName(index, { namespace, name, resource: null }, options);
    if (found.kind !== 'unknown') return found;
  }
  return unknown(
    `there is no node \`${name}\``,
    suggest(name, index.nodes.keys()).map((other) => `node/${other}`),
  );
}

function byService(index: ClusterIndex, namespace: string, name: string): FoundEndpoint {
  const here = index.namespaces.get(namespace);
  if (here === undefined) return noNamespace(index, namespace, (other) => `svc/${other}/${name}`);
  const service = here.services.get(name);
  if (service !== undefined) return { kind: 'service', service, address: null };
  return unknown(`there is no Service \`${name}\` in namespace \`${namespace}\``, [
    ...elsewhere(index, namespace, (other) => other.services.has(name)).map((other) => `svc/${other}/${name}`),
    ...suggest(name, here.services.keys()).map((other) => `svc/${namespace}/${other}`),
  ]);
}

interface Named {
  readonly namespace: string;
  readonly name: string;
  readonly resource: string | null;
}

function byName(index: ClusterIndex, { namespace, name, resource }: Named, options: FindOptions): FoundEndpoint {
  const here = index.namespaces.get(namespace);
  const write = (space: string, item: string): string =>
    resource === null ? `${space}/${item}` : `${space}/${resource}/${item}`;
  if (here === undefined) {
    const habit = resource === null ? kubectlHabit(index, namespace, name) : [];
    if (habit.length > 0) return unknown(`\`${namespace}/${name}\` has no namespace`, habit);
    return noNamespace(index, namespace, (other) => write(other, name));
  }
  const pod = resource === null || resource === 'pod' ? here.pods.get(name) : undefined;
  const workloads = workloadsNamed(here, name, resource);
  if (pod !== undefined) {
    const owner = index.workloadOf.get(pod) ?? null;
    const rivals = workloads.filter((workload) => workload !== owner);
    if (resource === 'pod' || options.podFirst || rivals.length === 0) {
      // Asked for a name that a workload shares with a pod of its own, the workload is meant, unless pods come first.
      if (!options.podFirst && resource === null && owner !== null && workloads.includes(owner))
        return ofWorkload(owner);
      return { kind: 'pods', pods: [pod], workload: owner, family: null };
    }
    return ambiguous(namespace, name, ['pod', ...rivals.map((workload) => workload.kind)]);
  }
  const [only] = workloads;
  if (only !== undefined && workloads.length === 1) return ofWorkload(only);
  if (workloads.length > 1)
    return ambiguous(
      namespace,
      name,
      workloads.map((workload) => workload.kind),
    );
  return missingName(index, here, { namespace, name, resource }, write);
}

function workloadsNamed(here: NamespaceIndex, name: string, resource: string | null): readonly Workload[] {
  const all = here.workloads.get(name) ?? [];
  return resource === null ? all : all.filter((workload) => workload.kind.toLowerCase() === resource);
}

function ofWorkload(workload: Workload): FoundEndpoint {
  return { kind: 'pods', pods: workload.pods, workload, family: null };
}

function ambiguous(namespace: string, name: string, kinds: readonly string[]): FoundEndpoint {
  const candidates = kinds.map((kind) => `${namespace}/${kind.toLowerCase()}/${name}`).sort();
  return unknown(`\`${namespace}/${name}\` is the name of several things`, candidates);
}

function missingName(
  index: ClusterIndex,
  here: NamespaceIndex,
  { namespace, name, resource }: Named,
  write: (namespace: string, name: string) => string,
): FoundEndpoint {
  const has = (other: NamespaceIndex): boolean =>
    workloadsNamed(other, name, resource).length > 0 ||
    ((resource === null || resource === 'pod') && other.pods.has(name));
  const candidates: string[] = [];
  if (resource !== null) {
    for (const workload of here.workloads.get(name) ?? []) {
      candidates.push(`${namespace}/${workload.kind.toLowerCase()}/${name}`);
    }
    candidates.push(...ownersBelow(index, here, name));
  }
  if (here.services.has(name)) candidates.push(`svc/${namespace}/${name}`);
  candidates.push(...elsewhere(index, namespace, has).map((other) => write(other, name)));
  const names = [...here.workloads.keys()].filter((other) => workloadsNamed(here, other, resource).length > 0);
  if (resource === null || resource === 'pod') names.push(...here.pods.keys());
  candidates.push(...suggest(name, names).map((other) => write(namespace, other)));
  const what = resource === null ? 'pod or workload' : resource;
  return unknown(`there is no ${what} \`${name}\` in namespace \`${namespace}\``, candidates);
}

/** A controller below a workload (the ReplicaSet of a Deployment) is none itself, but its pods carry its name. */
function ownersBelow(index: ClusterIndex, here: NamespaceIndex, name: string): string[] {
  for (const pod of here.pods.values()) {
    if (!pod.name.startsWith(`${name}-`)) continue;
    const workload = index.workloadOf.get(pod);
    return workload === undefined ? [] : [`${workload.namespace}/${workload.kind.toLowerCase()}/${workload.name}`];
  }
  return [];
}

const MOST_CANDIDATES = 5;

function elsewhere(index: ClusterIndex, but: string, holds: (namespace: NamespaceIndex) => boolean): string[] {
  const out: string[] = [];
  for (const [name, namespace] of index.namespaces) {
    if (name !== but && holds(namespace)) out.push(name);
    if (out.length === MOST_CANDIDATES) break;
  }
  return out;
}

function noNamespace(index: ClusterIndex, name: string, write: (namespace: string) => string): FoundEndpoint {
  return unknown(`there is no namespace \`${name}\``, suggest(name, index.namespaces.keys()).map(write));
}

/** `deploy/web` as kubectl takes it: the namespaces in which there is one. */
function kubectlHabit(index: ClusterIndex, written: string, name: string): string[] {
  const resource = resourceOf(written);
  const holds = (here: NamespaceIndex): boolean =>
    resource === 'service'
      ? here.services.has(name)
      : (resource === 'pod' && here.pods.has(name)) || workloadsNamed(here, name, resource).length > 0;
  const spaces = elsewhere(index, '', holds);
  return spaces.map((space) => (resource === 'service' ? `svc/${space}/${name}` : `${space}/${resource}/${name}`));
}

function unknown(message: string, candidates: readonly string[]): FoundEndpoint {
  return { kind: 'unknown', message, candidates: [...new Set(candidates)].slice(0, MOST_CANDIDATES) };
}
