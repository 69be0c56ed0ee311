import type { Family } from '../../base/ip.ts';
import type { Backend, Node, Pod, Service, ServicePort } from '../../model/cluster.ts';
import type { Endpoint } from '../../model/flow.ts';
import type { Protocol } from '../../model/match.ts';
import type { Facts } from '../match.ts';
import { SOME_NODE, wordList } from './words.ts';

/** One way that a connection to a Service may go. */
export interface ServiceTarget {
  readonly endpoint: Endpoint;
  readonly protocol: Protocol;
  /** Of the backend, after translation. */
  readonly port: number;
  /** The Service's port; `null` where the client talks to the backend without translation. */
  readonly servicePort: ServicePort | null;
}

/** Where connections to a Service go, or why there is no place that they go to. */
export type ServiceTargets =
  | { readonly kind: 'targets'; readonly targets: readonly ServiceTarget[]; readonly caveats: readonly string[] }
  | { readonly kind: 'domain'; readonly name: string; readonly caveats: readonly string[] }
  | { readonly kind: 'none'; readonly because: string };

/** What is asked of a Service; `port` by number or name, `null` for all its ports; `protocol` `null` for any of them. */
export interface ServiceQuestion {
  readonly service: Service;
  readonly protocol: Protocol | null;
  readonly port: number | string | null;
  /** Who asks; decides which backends `internalTrafficPolicy` leaves. */
  readonly source: Endpoint | null;
  /** Of the address by which the Service was named. */
  readonly family: Family | null;
}

/** The backends and ports behind a port of a Service (S6.1). */
export function serviceTargets(question: ServiceQuestion): ServiceTargets {
  const { service, protocol, port } = question;
  const name = `Service \`${service.namespace}/${service.name}\``;
  if (service.type === 'ExternalName') {
    return service.externalName === null || service.externalName === ''
      ? { kind: 'none', because: `${name} has no \`externalName\`` }
      : { kind: 'domain', name: service.externalName.toLowerCase().replace(/\.$/, ''), caveats: [] };
  }
  if (protocol === 'ICMP' || protocol === 'ICMPv6') {
    return { kind: 'none', because: `${name} leads only its ports to its backends, not ${protocol}` };
  }
  if (service.unread !== null)
    return { kind: 'none', because: `the backends of ${name} are not known: ${service.unread}` };
  if (service.backends.length === 0) return { kind: 'none', because: `${name} has no backends` };

  const caveats: string[] = [];
  const backends = localBackends(question, caveats);
  if (backends.length === 0) {
    return {
      kind: 'none',
      because: `${name} has \`internalTrafficPolicy: Local\` and no backend on the node of the source`,
    };
  }
  const direct = service.headless && typeof port === 'number';
  if (direct) caveats.push(`${name} is headless: nothing translates its ports`);
  const fits = (each: ServicePort): boolean =>
    (protocol === null || each.protocol === protocol) &&
    (port === null || (typeof port === 'string' ? each.name === port : each.port === port));
  if (!direct && !service.ports.some(fits)) return { kind: 'none', because: noSuchPort(name, service, protocol, port) };

  const targets: ServiceTarget[] = [];
  for (const backend of backends) {
    const endpoint = endpointOf(backend);
    if (endpoint === null) continue;
    if (direct) targets.push({ endpoint, protocol: protocol ?? 'TCP', port, servicePort: null });
    else {
      for (const each of backend.ports) {
        if (fits(each.service)) {
          targets.push({ endpoint, protocol: each.service.protocol, port: each.port, servicePort: each.service });
        }
      }
    }
  }
  if (targets.length > 0) return { kind: 'targets', targets, caveats };
  const wanted = service.ports.filter(fits).map((each) => `\`${each.targetPort}\``);
  return { kind: 'none', because: `no backend of ${name} has the target port ${wordList([...new Set(wanted)])}` };
}

function noSuchPort(name: string, service: Service, protocol: Protocol | null, port: number | string | null): string {
  const shown = service.ports.map(
    (each) => `${each.port}/${each.protocol}${each.name === null ? '' : ` (${each.name})`}`,
  );
  const asked =
    port === null ? `${protocol ?? ''} ports` : `port \`${port}\`${protocol === null ? '' : ` for ${protocol}`}`;
  return `${name} has no ${asked}; it has ${shown.length === 0 ? 'no ports' : wordList(shown, 10)}`;
}

/** `internalTrafficPolicy: Local` leads pods only to backends of their own node. */
function localBackends({ service, source, family }: ServiceQuestion, caveats: string[]): readonly Backend[] {
  const fitting = service.backends.filter(
    (backend) => family === null || backend.address === null || backend.address.family === family,
  );
  const backends = fitting.length > 0 ? fitting : service.backends;
  const inside = source?.kind === 'pod' || source?.kind === 'node';
  if (service.internalTrafficPolicy !== 'Local' || service.headless || !inside) return backends;
  const node = source.kind === 'pod' ? source.pod.node : source.node.name;
  if (node === null || backends.some((backend) => backend.pod === null || backend.pod.node === null)) {
    caveats.push(
      '`internalTrafficPolicy: Local` leads only to backends on the node of the source; which those are is not known',
    );
    return backends;
  }
  return backends.filter((backend) => backend.pod?.node === node);
}

function endpointOf(backend: Backend): Endpoint | null {
  if (backend.pod !== null) return { kind: 'pod', pod: backend.pod };
  return backend.address === null ? null : { kind: 'external', address: backend.address };
}

/** As whom a backend of a Service sees a source. */
export interface SeenSources {
  readonly sources: readonly Endpoint[];
  readonly caveats: readonly string[];
}

/**
 * What source address the policies at a backend see (S6.2). Pods and nodes keep theirs. Connections from outside of the
 * cluster enter through some node, which puts its own address in their place unless `externalTrafficPolicy` is `Local`.
 */
export function seenSources(service: Service, source: Endpoint, facts: Facts): SeenSources {
  if ((source.kind !== 'external' && source.kind !== 'domain') || service.headless)
    return { sources: [source], caveats: [] };
  const name = `Service \`${service.namespace}/${service.name}\``;
  const open = service.type === 'NodePort' || service.type === 'LoadBalancer' || service.externalIPs.length > 0;
  if (!open) {
    const caveat = `${name} has only cluster addresses, which outside of the cluster lead nowhere unless they are routed`;
    return { sources: [source], caveats: [caveat] };
  }
  if (service.externalTrafficPolicy === 'Local') {
    const caveat = `${name} has \`externalTrafficPolicy: Local\`: policies see the client's address, and only nodes with a backend answer`;
    return { sources: [source], caveats: [caveat] };
  }
  const caveat = `${name} has \`externalTrafficPolicy: Cluster\`: policies see the address of the node through which a connection enters (S6.2)`;
  return {
    sources:
      facts.cluster.nodes.length === 0 || facts.nodesUnread
        ? [someNode(service)]
        : facts.cluster.nodes.map(nodeEndpoint),
    caveats: [caveat],
  };
}

function nodeEndpoint(node: Node): Endpoint {
  return { kind: 'node', node, address: null };
}

/** A node of which nothing is known: what matching makes of a host-network pod without a place. */
function someNode(service: Service): Endpoint {
  const pod: Pod = {
    namespace: service.namespace,
    name: SOME_NODE,
    labels: new Map(),
    ports: [],
    addresses: [],
    hostNetwork: true,
    node: null,
    template: true,
    origin: service.origin,
  };
  return { kind: 'pod', pod };
}
