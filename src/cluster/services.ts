import { FAMILIES, type Family, type Ip } from '../base/ip.ts';
import type { JsonObject, KubeObject } from '../manifest/object.ts';
import type { Backend, ContainerPort, Missing, Pod, Service, ServicePort } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Labels } from '../model/selector.ts';
import {
  type Decoding,
  decoding,
  element,
  listAt,
  numberAt,
  numberOrName,
  objectAt,
  present,
  refused,
  remark,
  textAt,
} from './decode.ts';
import { type Interner, internLabels } from './intern.ts';
import { addressOf, distinct, isPort, protocolAt } from './pod-spec.ts';
import { type PodSelection, selectPods } from './selection.ts';
import { type EndpointLists, endpointsOf } from './slices.ts';

/** What the backends of Services are made from. */
export interface BackendSources {
  readonly pods: PodSelection;
  readonly endpoints: EndpointLists;
  readonly missing: readonly Missing[];
}

/** Reads a Service; its backends are made when they are first asked for. `null` if it is refused. */
export function serviceOf(
  shared: Interner,
  sources: BackendSources,
  object: KubeObject,
  namespace: string,
  diagnostics: Diagnostic[],
): Service | null {
  const of = decoding(object, diagnostics);
  const spec = objectAt(of, object.value.spec, 'spec', '');
  const selector = internLabels(shared, of, objectAt(of, spec.selector, 'selector', 'spec'), 'spec.selector');
  const type = serviceType(textAt(of, spec.type, 'type', 'spec'));
  const written = clusterIpTexts(of, spec);
  const headless = type !== 'ExternalName' && written.some(({ text }) => text === 'None');
  const clusterIPs = distinct(written.map(({ text, field }) => (text === 'None' ? null : addressOf(of, text, field))));
  const ports = servicePorts(of, spec);
  const families = familiesOf(of, spec, clusterIPs);
  const facts = {
    namespace,
    name: object.ref.name,
    type,
    headless,
    clusterIPs,
    externalIPs: addressList(of, spec, 'externalIPs', 'spec'),
    loadBalancerIPs: loadBalancerIps(of, type, spec),
    externalName: type === 'ExternalName' ? textAt(of, spec.externalName, 'externalName', 'spec') : null,
    externalTrafficPolicy: trafficPolicy(textAt(of, spec.externalTrafficPolicy, 'externalTrafficPolicy', 'spec')),
    internalTrafficPolicy: trafficPolicy(textAt(of, spec.internalTrafficPolicy, 'internalTrafficPolicy', 'spec')),
    ports,
    unread: unreadReason(sources, type, selector, namespace, object.ref.name),
    origin: { object: object.ref, field: '' },
  };
  if (refused(of)) return null;
  const service: Service = new ReadService(facts, () => {
    if (type === 'ExternalName') return [];
    if (selector.size === 0) return endpointsOf(sources.endpoints, namespace, object.ref.name, ports);
    return selectedBackends(sources, service, selector, families);
  });
  return service;
}

type ServiceFacts = Omit<Service, 'backends'>;

/**
 * A Service whose backends are made when they are first asked for. A class, as a getter in an object literal costs a
 * kilobyte for each Service.
 */
class ReadService implements Service {
  readonly namespace: Service['namespace'];
  readonly name: Service['name'];
  readonly type: Service['type'];
  readonly headless: Service['headless'];
  readonly clusterIPs: Service['clusterIPs'];
  readonly externalIPs: Service['externalIPs'];
  readonly loadBalancerIPs: Service['loadBalancerIPs'];
  readonly externalName: Service['externalName'];
  readonly externalTrafficPolicy: Service['externalTrafficPolicy'];
  readonly internalTrafficPolicy: Service['internalTrafficPolicy'];
  readonly ports: Service['ports'];
  readonly unread: Service['unread'];
  readonly origin: Service['origin'];
  readonly #make: () => readonly Backend[];
  #backends: readonly Backend[] | null = null;

  constructor(facts: ServiceFacts, make: () => readonly Backend[]) {
    this.namespace = facts.namespace;
    this.name = facts.name;
    this.type = facts.type;
    this.headless = facts.headless;
    this.clusterIPs = facts.clusterIPs;
    this.externalIPs = facts.externalIPs;
    this.loadBalancerIPs = facts.loadBalancerIPs;
    this.externalName = facts.externalName;
    this.externalTrafficPolicy = facts.externalTrafficPolicy;
    this.internalTrafficPolicy = facts.internalTrafficPolicy;
    this.ports = facts.ports;
    this.unread = facts.unread;
    this.origin = facts.origin;
    this.#make = make;
  }

  get backends(): readonly Backend[] {
    this.#backends ??= this.#make();
    return this.#backends;
  }
}

function serviceType(text: string | null): Service['type'] {
  return text === 'NodePort' || text === 'LoadBalancer' || text === 'ExternalName' ? text : 'ClusterIP';
}

function trafficPolicy(text: string | null): 'Cluster' | 'Local' {
  return text === 'Local' ? 'Local' : 'Cluster';
}

function clusterIpTexts(of: Decoding, spec: JsonObject): { text: string; field: string }[] {
  const list = textList(of, spec, 'clusterIPs', 'spec');
  if (list.length > 0) return list;
  const text = textAt(of, spec.clusterIP, 'clusterIP', 'spec');
  return text === null ? [] : [{ text, field: 'spec.clusterIP' }];
}

function textList(of: Decoding, json: JsonObject, key: string, path: string): { text: string; field: string }[] {
  const out: { text: string; field: string }[] = [];
  const list = listAt(of, json[key], key, path);
  for (let i = 0; i < list.length; i++) {
    const item = list[i];
    const field = `${path}.${key}[${i}]`;
    const text = textAt(of, item, 'item', field);
    if (text !== null) out.push({ text, field });
  }
  return out;
}

function addressList(of: Decoding, json: JsonObject, key: string, path: string): readonly Ip[] {
  return distinct(textList(of, json, key, path).map(({ text, field }) => addressOf(of, text, field)));
}

/** The addresses that were given, else the one that is asked for. */
function loadBalancerIps(of: Decoding, type: Service['type'], spec: JsonObject): readonly Ip[] {
  const status = objectAt(
    of,
    objectAt(of, of.object.value.status, 'status', '').loadBalancer,
    'loadBalancer',
    'status',
  );
  const list = listAt(of, status.ingress, 'ingress', 'status.loadBalancer');
  const given = distinct(
    list.map((_, i) => {
      const at = `status.loadBalancer.ingress[${i}]`;
      return addressOf(of, textAt(of, element(of, list, i, at).ip, 'ip', at), `${at}.ip`);
    }),
  );
  const asked = textAt(of, spec.loadBalancerIP, 'loadBalancerIP', 'spec');
  if (given.length > 0 || type !== 'LoadBalancer') return given;
  return distinct([addressOf(of, asked, 'spec.loadBalancerIP')]);
}

function servicePorts(of: Decoding, spec: JsonObject): readonly ServicePort[] {
  const list = listAt(of, spec.ports, 'ports', 'spec');
  const ports = list.map((_, i): ServicePort | null => {
    const at = `spec.ports[${i}]`;
    const json = element(of, list, i, at);
    const port = numberAt(of, json.port, 'port', at);
    const nodePort = numberAt(of, json.nodePort, 'nodePort', at);
    const target = numberOrName(of, json.targetPort, 'targetPort', at);
    const name = textAt(of, json.name, 'name', at);
    const protocol = protocolAt(of, json, at);
    if (of.fault !== null || protocol === null) return null;
    if (port === null || !isPort(port) || (typeof target === 'number' && !isPort(target))) {
      const field = port === null || !isPort(port) ? 'port' : 'targetPort';
      remark(of, 'bad-port', `${at}.${field}`, 'must be between 1 and 65535, inclusive', 'the port is left out');
      return null;
    }
    return {
      name,
      protocol,
      port,
      nodePort: nodePort !== null && isPort(nodePort) ? nodePort : null,
      targetPort: target ?? port,
    };
  });
  return present(ports);
}

/** The families that a Service serves; `null` where only the cluster knows: then each pod's first address counts. */
function familiesOf(of: Decoding, spec: JsonObject, clusterIPs: readonly Ip[]): readonly Family[] | null {
  const asked = textList(of, spec, 'ipFamilies', 'spec');
  const policy = textAt(of, spec.ipFamilyPolicy, 'ipFamilyPolicy', 'spec');
  if (policy === 'PreferDualStack' || policy === 'RequireDualStack') return FAMILIES;
  const serves = (family: Family): boolean =>
    clusterIPs.some((ip) => ip.family === family) || asked.some(({ text }) => text === `IPv${family}`);
  const served = FAMILIES.filter(serves);
  return served.length > 0 ? served : null;
}

function unreadReason(
  sources: BackendSources,
  type: Service['type'],
  selector: Labels,
  namespace: string,
  name: string,
): string | null {
  if (type === 'ExternalName') return null;
  if (selector.size > 0) {
    const pods = sources.missing.find(({ resource, group }) => resource === 'pods' && group === '');
    return pods === undefined ? null : `pods could not be read: ${pods.reason}`;
  }
  if (sources.endpoints.has(`${namespace}/${name}`)) return null;
  const slices = sources.missing.find(({ resource }) => resource === 'endpointslices');
  if (slices !== undefined) return `endpointslices could not be read: ${slices.reason}`;
  return 'the Service has no selector, and no EndpointSlice of it is in the input';
}

function selectedBackends(
  sources: BackendSources,
  service: Pick<Service, 'namespace' | 'ports' | 'headless'>,
  selector: Labels,
  families: readonly Family[] | null,
): Backend[] {
  const out: Backend[] = [];
  const resolved = new Map<readonly ContainerPort[], Backend['ports']>();
  for (const pod of selectPods(sources.pods, service.namespace, selector)) {
    let ports = resolved.get(pod.ports);
    if (ports === undefined) {
      ports = resolvePorts(service, pod);
      resolved.set(pod.ports, ports);
    }
    if (pod.addresses.length === 0) out.push({ pod, address: null, ports });
    else if (families === null) out.push({ pod, address: pod.addresses[0] ?? null, ports });
    else for (const address of pod.addresses) if (families.includes(address.family)) out.push({ pod, address, ports });
  }
  return out;
}

/** A port name is looked up per pod; a headless Service translates nothing (the API text: `targetPort` is ignored). */
function resolvePorts(service: Pick<Service, 'ports' | 'headless'>, pod: Pod): Backend['ports'] {
  const out: { service: ServicePort; port: number }[] = [];
  for (const port of service.ports) {
    if (service.headless) out.push({ service: port, port: port.port });
    else if (typeof port.targetPort === 'number') out.push({ service: port, port: port.targetPort });
    else {
      const named = pod.ports.find((own) => own.name === port.targetPort && own.protocol === port.protocol);
      if (named !== undefined) out.push({ service: port, port: named.port });
    }
  }
  return out;
}
