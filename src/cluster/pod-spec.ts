import { type Ip, parseIp, sameIp } from '../base/ip.ts';
import type { JsonObject } from '../manifest/object.ts';
import type { ContainerPort } from '../model/cluster.ts';
import type { PortProtocol } from '../model/match.ts';
import { type Decoding, element, flagAt, listAt, numberAt, objectAt, present, remark, textAt } from './decode.ts';
import { type Interner, internPorts } from './intern.ts';

const NO_ADDRESSES: readonly Ip[] = [];

/** What a pod's spec says of its network. */
export interface PodNetwork {
  readonly ports: readonly ContainerPort[];
  readonly hostNetwork: boolean;
  readonly node: string | null;
}

/** Reads a pod spec: ports of the containers, then of the native sidecars, as Services look them up. */
export function podNetwork(shared: Interner, of: Decoding, spec: JsonObject, path: string): PodNetwork {
  const ports: ContainerPort[] = [];
  containerPorts(of, spec, 'containers', path, ports);
  containerPorts(of, spec, 'initContainers', path, ports);
  return {
    ports: internPorts(shared, ports),
    hostNetwork: flagAt(of, spec.hostNetwork, 'hostNetwork', path) ?? false,
    node: textAt(of, spec.nodeName, 'nodeName', path),
  };
}

function containerPorts(
  of: Decoding,
  spec: JsonObject,
  key: 'containers' | 'initContainers',
  path: string,
  out: ContainerPort[],
): void {
  const containers = listAt(of, spec[key], key, path);
  for (let i = 0; i < containers.length; i++) {
    const at = `${path}.${key}[${i}]`;
    const container = element(of, containers, i, at);
    const ports = listAt(of, container.ports, 'ports', at);
    const runs = key === 'containers' || textAt(of, container.restartPolicy, 'restartPolicy', at) === 'Always';
    for (let j = 0; j < ports.length; j++) {
      const field = `${at}.ports[${j}]`;
      const port = containerPort(of, element(of, ports, j, field), field);
      if (port !== null && runs) out.push(port);
    }
  }
}

function containerPort(of: Decoding, json: JsonObject, path: string): ContainerPort | null {
  const name = textAt(of, json.name, 'name', path);
  const port = numberAt(of, json.containerPort, 'containerPort', path);
  const hostPort = numberAt(of, json.hostPort, 'hostPort', path);
  const protocol = protocolAt(of, json, path);
  if (of.fault !== null || protocol === null) return null;
  if (port === null || !isPort(port)) {
    remark(of, 'bad-port', `${path}.containerPort`, 'must be between 1 and 65535, inclusive', 'the port is left out');
    return null;
  }
  return { name, port, protocol, hostPort: hostPort !== null && isPort(hostPort) ? hostPort : null };
}

export function isPort(port: number): boolean {
  return port >= 1 && port <= 65535;
}

/** The field `protocol`, TCP where it is absent; `null` (and a remark) for one without ports. */
export function protocolAt(of: Decoding, json: JsonObject, path: string): PortProtocol | null {
  const protocol = textAt(of, json.protocol, 'protocol', path) ?? 'TCP';
  if (protocol === 'TCP' || protocol === 'UDP' || protocol === 'SCTP') return protocol;
  const help = 'supported values are `TCP`, `UDP` and `SCTP`; the port is left out';
  remark(of, 'bad-port', `${path}.protocol`, `unsupported value \`${protocol}\``, help);
  return null;
}

/** The addresses of `status.podIPs` or `status.podIP`; of a host-network pod those of its host where it has none. */
export function podAddresses(of: Decoding, status: JsonObject, hostNetwork: boolean): readonly Ip[] {
  const own = addressesAt(of, status, 'podIPs', 'podIP');
  return own.length === 0 && hostNetwork ? addressesAt(of, status, 'hostIPs', 'hostIP') : own;
}

function addressesAt(of: Decoding, status: JsonObject, plural: string, singular: string): readonly Ip[] {
  const list = listAt(of, status[plural], plural, 'status');
  if (list.length === 0) {
    const ip = addressOf(of, textAt(of, status[singular], singular, 'status'), `status.${singular}`);
    return ip === null ? NO_ADDRESSES : [ip];
  }
  return distinct(
    list.map((_, i) => {
      const at = `status.${plural}[${i}]`;
      return addressOf(of, textAt(of, element(of, list, i, at).ip, 'ip', at), `${at}.ip`);
    }),
  );
}

/** Reads an address; one that cannot be understood is left out with a remark. */
export function addressOf(of: Decoding, text: string | null, field: string): Ip | null {
  if (text === null) return null;
  const ip = parseIp(text);
  if (ip === null) remark(of, 'bad-address', field, `\`${text}\` is no IP address`, 'it is left out');
  return ip;
}

/** Each address once, in the order of the list. */
export function distinct(list: readonly (Ip | null)[]): readonly Ip[] {
  const ips = present(list);
  const isNew = (ip: Ip, i: number): boolean => ips.findIndex((known) => sameIp(known, ip)) === i;
  return ips.every(isNew) ? ips : ips.filter(isNew);
}

/** `metadata.labels` of an object. */
export function labelsJson(of: Decoding): JsonObject {
  return objectAt(of, objectAt(of, of.object.value.metadata, 'metadata', '').labels, 'labels', 'metadata');
}
