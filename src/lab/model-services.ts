import { formatIp, parseIp } from '../base/ip.ts';
import { by, byText } from '../base/order.ts';
import { buildCluster } from '../cluster/build.ts';
import { asObject, items, stringOf } from '../kinds/validation/json.ts';
import type { JsonObject } from '../manifest/object.ts';
import type { Backend, Cluster, Pod, Service, ServicePort } from '../model/cluster.ts';
import type { LabEndpoint, LabService, LabServicePort } from './model.ts';
import { labelsOf, madeObject, nameOf, namespaceOf, objectKey, suffixOf, uidFor, uidOf } from './model-json.ts';

/** The Services of a set of objects with the ready pods behind them; what a node translates and what DNS answers. */
export function labServices(objects: readonly JsonObject[]): readonly LabService[] {
  const relevant = objects.filter(
    (object) => RELEVANT.has(stringOf(object.kind)) && (object.kind !== 'Pod' || isReady(object)),
  );
  return servicesIn(buildCluster(relevant.map(madeObject)).cluster, relevant);
}

const RELEVANT: ReadonlySet<string> = new Set(['Pod', 'Service', 'Node', 'EndpointSlice', 'Endpoints']);

function isReady(pod: JsonObject): boolean {
  if (Object.hasOwn(asObject(pod.metadata), 'deletionTimestamp')) return false;
  return items(asObject(pod.status).conditions)
    .map(asObject)
    .some((one) => one.type === 'Ready' && one.status === 'True');
}

/** The Services of a cluster; `objects` are those that it was built from. */
export function servicesIn(cluster: Cluster, objects: readonly JsonObject[]): readonly LabService[] {
  const selecting = new Set(
    objects
      .filter((object) => object.kind === 'Service' && labelsOf(asObject(object.spec).selector).size > 0)
      .map(objectKey),
  );
  const out: LabService[] = [];
  for (const service of cluster.services) {
    if (service.type === 'ExternalName') continue;
    const selects = selecting.has(`Service/${service.namespace}/${service.name}`);
    out.push({
      namespace: service.namespace,
      name: service.name,
      type: service.type,
      headless: service.headless,
      clusterIPs: service.clusterIPs.map(formatIp),
      externalIPs: service.externalIPs.map(formatIp),
      loadBalancerIPs: service.loadBalancerIPs.map(formatIp),
      externalTrafficPolicy: service.externalTrafficPolicy,
      internalTrafficPolicy: service.internalTrafficPolicy,
      ports: service.ports.map((port) => portOf(service, port, selects)),
    });
  }
  return out;
}

function portOf(service: Service, port: ServicePort, selects: boolean): LabServicePort {
  const endpoints: LabEndpoint[] = [];
  for (const { pod, address, ports } of service.backends) {
    if (address === null) continue;
    const target = selects && pod !== null ? targetOf(pod, port) : portBehind(ports, port);
    if (target === null) continue;
    endpoints.push({
      address: formatIp(address),
      port: target,
      node: pod?.node ?? null,
      pod: pod === null ? null : `${pod.namespace}/${pod.name}`,
    });
  }
  endpoints.sort(by((endpoint) => `${endpoint.pod ?? ''} ${endpoint.address}`, byText));
  return { name: port.name, protocol: port.protocol, port: port.port, nodePort: port.nodePort, endpoints };
}

/** The port of a pod that a port of a Service leads to; `null` where the pod has none of that name. */
export function targetOf(pod: Pick<Pod, 'ports'>, port: ServicePort): number | null {
  if (typeof port.targetPort === 'number') return port.targetPort;
  return pod.ports.find((own) => own.name === port.targetPort && own.protocol === port.protocol)?.port ?? null;
}

function portBehind(ports: Backend['ports'], port: ServicePort): number | null {
  return ports.find((one) => one.service === port)?.port ?? null;
}

interface SliceDraft {
  readonly family: 4 | 6;
  readonly ports: Map<LabServicePort, number>;
  readonly endpoints: LabEndpoint[];
}

/** The EndpointSlices of a Service that selects pods: one for each family and set of ports, as the real controller groups them. */
export function slicesOf(service: JsonObject, from: LabService): readonly JsonObject[] {
  const byAddress = new Map<string, { endpoint: LabEndpoint; ports: Map<LabServicePort, number> }>();
  for (const port of from.ports) {
    for (const endpoint of port.endpoints) {
      const known = byAddress.get(endpoint.address);
      if (known === undefined) byAddress.set(endpoint.address, { endpoint, ports: new Map([[port, endpoint.port]]) });
      else known.ports.set(port, endpoint.port);
    }
  }
  const drafts = new Map<string, SliceDraft>();
  for (const { endpoint, ports } of byAddress.values()) {
    const family = parseIp(endpoint.address)?.family ?? 4;
    const key = `${family} ${[...ports].map(([port, target]) => `${port.name ?? ''}/${port.protocol}/${target}`).join(' ')}`;
    const known = drafts.get(key);
    if (known === undefined) drafts.set(key, { family, ports, endpoints: [endpoint] });
    else known.endpoints.push(endpoint);
  }
  return [...drafts].map(([key, draft]) => sliceOf(service, from.headless, key, draft));
}

function sliceOf(service: JsonObject, isHeadless: boolean, key: string, draft: SliceDraft): JsonObject {
  const namespace = namespaceOf(service);
  const name = `${nameOf(service)}-${suffixOf(`${objectKey(service)} ${key}`, 5)}`;
  const labels: JsonObject = {
    'kubernetes.io/service-name': nameOf(service),
    'endpointslice.kubernetes.io/managed-by': SLICE_MANAGER,
    ...(isHeadless ? { 'service.kubernetes.io/headless': '' } : {}),
  };
  const owner = { apiVersion: 'v1', kind: 'Service', name: nameOf(service), uid: uidOf(service), controller: true };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, uid: uidFor(`EndpointSlice/${namespace}/${name}`), labels, ownerReferences: [owner] },
    addressType: `IPv${draft.family}`,
    endpoints: draft.endpoints.map(({ address, node, pod }) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      ...(node === null ? {} : { nodeName: node }),
      ...(pod === null ? {} : { targetRef: { kind: 'Pod', namespace, name: pod.slice(pod.indexOf('/') + 1) } }),
    })),
    ports: [...draft.ports].map(([port, target]) => ({ name: port.name ?? '', port: target, protocol: port.protocol })),
  };
}

/** Who keeps the slices of Services that select pods, in real clusters, too. */
export const SLICE_MANAGER = 'endpointslice-controller.k8s.io';
