import { type Ip, sameIp } from '../base/ip.ts';
import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';
import type { Backend, Pod, ServicePort, Workload } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { type Decoding, decoding, element, listAt, numberAt, objectAt, refused, textAt } from './decode.ts';
import { addressOf, protocolAt } from './pod-spec.ts';

/** The addresses and ports that EndpointSlices give for a Service. */
export interface EndpointList {
  readonly addresses: readonly { readonly ip: Ip; readonly podName: string | null }[];
  readonly ports: readonly {
    readonly name: string | null;
    readonly protocol: ServicePort['protocol'];
    readonly port: number | null;
  }[];
}

/** By `namespace/name` of the Service, and the pods that the addresses may be of. */
export interface EndpointLists {
  has(service: string): boolean;
  get(service: string): readonly EndpointList[];
  pod(namespace: string, name: string): Pod | null;
}

/** Sorts what was read by Service; a Service with EndpointSlices needs no Endpoints (which the cluster mirrors). */
export function endpointLists(
  slices: ReadonlyMap<string, readonly EndpointList[]>,
  endpoints: ReadonlyMap<string, readonly EndpointList[]>,
  workloads: readonly Workload[],
): EndpointLists {
  let pods: Map<string, Pod> | null = null;
  return {
    has: (service) => slices.has(service) || endpoints.has(service),
    get: (service) => slices.get(service) ?? endpoints.get(service) ?? [],
    pod: (namespace, name) => {
      if (pods === null) {
        pods = new Map();
        for (const workload of workloads) {
          for (const pod of workload.pods) if (!pod.template) pods.set(`${pod.namespace}/${pod.name}`, pod);
        }
      }
      return pods.get(`${namespace}/${name}`) ?? null;
    },
  };
}

/** Reads an EndpointSlice into the lists of its Service. Whether an endpoint is ready does not matter to a policy. */
export function addSlice(
  into: Map<string, EndpointList[]>,
  object: KubeObject,
  namespace: string,
  diagnostics: Diagnostic[],
): void {
  const of = decoding(object, diagnostics);
  const labels = objectAt(of, objectAt(of, object.value.metadata, 'metadata', '').labels, 'labels', 'metadata');
  const service = textAt(of, labels['kubernetes.io/service-name'], 'kubernetes.io/service-name', 'metadata.labels');
  const type = textAt(of, object.value.addressType, 'addressType', '');
  const list = listAt(of, object.value.endpoints, 'endpoints', '');
  const addresses: { ip: Ip; podName: string | null }[] = [];
  for (let i = 0; i < list.length; i++) {
    const at = `endpoints[${i}]`;
    const endpoint = element(of, list, i, at);
    const texts = listAt(of, endpoint.addresses, 'addresses', at);
    for (let j = 0; j < texts.length; j++) {
      const text = textAt(of, texts[j], 'item', `${at}.addresses[${j}]`);
      if (type === 'FQDN') continue;
      const ip = addressOf(of, text, `${at}.addresses[${j}]`);
      if (ip !== null) addresses.push({ ip, podName: podNamed(of, endpoint, at) });
    }
  }
  const ports = portsOf(of, listAt(of, object.value.ports, 'ports', ''), 'ports');
  if (refused(of) || service === null) return;
  add(into, `${namespace}/${service}`, { addresses, ports });
}

/** Reads an Endpoints object: one list for each subset. */
export function addEndpoints(
  into: Map<string, EndpointList[]>,
  object: KubeObject,
  namespace: string,
  diagnostics: Diagnostic[],
): void {
  const of = decoding(object, diagnostics);
  const subsets = listAt(of, object.value.subsets, 'subsets', '');
  const lists: EndpointList[] = [];
  for (let i = 0; i < subsets.length; i++) {
    const at = `subsets[${i}]`;
    const subset = element(of, subsets, i, at);
    const addresses: { ip: Ip; podName: string | null }[] = [];
    for (const key of ['addresses', 'notReadyAddresses']) {
      const list = listAt(of, subset[key], key, at);
      for (let j = 0; j < list.length; j++) {
        const where = `${at}.${key}[${j}]`;
        const json = element(of, list, j, where);
        const ip = addressOf(of, textAt(of, json.ip, 'ip', where), `${where}.ip`);
        if (ip !== null) addresses.push({ ip, podName: podNamed(of, json, where) });
      }
    }
    lists.push({ addresses, ports: portsOf(of, listAt(of, subset.ports, 'ports', at), `${at}.ports`) });
  }
  if (refused(of)) return;
  for (const list of lists) add(into, `${namespace}/${object.ref.name}`, list);
}

function add(into: Map<string, EndpointList[]>, service: string, list: EndpointList): void {
  const known = into.get(service);
  if (known === undefined) into.set(service, [list]);
  else known.push(list);
}

function podNamed(of: Decoding, endpoint: JsonObject, path: string): string | null {
  if ((endpoint.targetRef ?? null) === null) return null;
  const target = objectAt(of, endpoint.targetRef, 'targetRef', path);
  const at = `${path}.targetRef`;
  return textAt(of, target.kind, 'kind', at) === 'Pod' ? textAt(of, target.name, 'name', at) : null;
}

function portsOf(of: Decoding, list: readonly Json[], path: string): EndpointList['ports'] {
  const out: EndpointList['ports'][number][] = [];
  for (let i = 0; i < list.length; i++) {
    const at = `${path}[${i}]`;
    const json = element(of, list, i, at);
    const name = textAt(of, json.name, 'name', at);
    const port = numberAt(of, json.port, 'port', at);
    const protocol = protocolAt(of, json, at);
    if (protocol !== null) out.push({ name, protocol, port });
  }
  return out;
}

/** The backends that EndpointSlices give: each address once, with the ports of all slices that hold it. */
export function endpointsOf(
  lists: EndpointLists,
  namespace: string,
  name: string,
  ports: readonly ServicePort[],
): readonly Backend[] {
  const found = new Map<string, { ip: Ip; podName: string | null; ports: Map<ServicePort, number> }>();
  for (const list of lists.get(`${namespace}/${name}`)) {
    for (const { ip, podName } of list.addresses) {
      const key = `${ip.family}/${ip.value}`;
      let backend = found.get(key);
      if (backend === undefined) {
        backend = { ip, podName, ports: new Map() };
        found.set(key, backend);
      }
      for (const service of ports) {
        const target = list.ports.find((port) => port.name === service.name && port.protocol === service.protocol);
        if (target === undefined) continue;
        const fallback = typeof service.targetPort === 'number' ? service.targetPort : service.port;
        backend.ports.set(service, target.port ?? fallback);
      }
    }
  }
  return [...found.values()].map(({ ip, podName, ports: served }) => {
    const named = podName === null ? null : lists.pod(namespace, podName);
    // A pod that has since been replaced by one of the same name has another address.
    const pod =
      named !== null && (named.addresses.length === 0 || named.addresses.some((own) => sameIp(own, ip))) ? named : null;
    return { pod, address: ip, ports: [...served].map(([service, port]) => ({ service, port })) };
  });
}
