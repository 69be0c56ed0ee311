import type { Cluster, Node, Service, ServicePort } from '../../model/cluster.ts';
import type { Endpoint } from '../../model/flow.ts';
import type { Protocol } from '../../model/match.ts';

/** A port of a node that leads to a Service. */
export interface NodePort {
  readonly node: Node;
  readonly service: Service;
  readonly port: ServicePort;
}

/** The Service that a port of a node leads to, if it is a NodePort of one. */
export function nodePortOf(
  cluster: Cluster,
  node: Node,
  port: number | string | null,
  protocol: Protocol | null,
): NodePort | null {
  if (typeof port !== 'number') return null;
  for (const service of cluster.services) {
    if (service.type !== 'NodePort' && service.type !== 'LoadBalancer') continue;
    const found = service.ports.find((each) => each.nodePort === port && each.protocol === (protocol ?? 'TCP'));
    if (found !== undefined) return { node, service, port: found };
  }
  return null;
}

/** How a connection from outside of the pods' network goes on behind a NodePort (S6.2). */
export interface BehindNodePort {
  /** Whom policies at the backends see. */
  readonly source: Endpoint;
  /** The Service as far as this node leads to it. */
  readonly service: Service;
  readonly caveats: readonly string[];
}

/**
 * With `externalTrafficPolicy: Cluster` the node puts its own address in the place of the client's and leads to every
 * backend; with `Local` the client's stays, and only backends on the node are led to.
 */
export function behindNodePort(
  { node, service, port }: NodePort,
  source: Endpoint,
): BehindNodePort | { readonly because: string } {
  const name = `Service \`${service.namespace}/${service.name}\``;
  const leads = `port ${port.nodePort} of node \`${node.name}\` is a NodePort: it leads to port ${port.port} of ${name}`;
  if (service.externalTrafficPolicy !== 'Local') {
    const caveat = `${leads}, and with \`externalTrafficPolicy: Cluster\` policies see the address of that node (S6.2)`;
    return { source: { kind: 'node', node, address: null }, service, caveats: [caveat] };
  }
  const here = service.backends.filter(({ pod }) => pod?.node === node.name);
  const unplaced = service.backends.some(({ pod }) => pod === null || pod.node === null);
  if (here.length === 0) {
    const because = `${name} has \`externalTrafficPolicy: Local\` and no backend on node \`${node.name}\`, so the node drops the connection`;
    return {
      because: unplaced
        ? `${name} has \`externalTrafficPolicy: Local\`, and where its backends run is not known`
        : because,
    };
  }
  const caveat = `${leads}, and with \`externalTrafficPolicy: Local\` policies see the client's address, at backends on that node only`;
  return { source, service: { ...service, backends: here }, caveats: [caveat] };
}
