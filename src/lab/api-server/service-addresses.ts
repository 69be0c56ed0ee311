import { type Cidr, type Family, parseCidr, parseIp } from '../../base/ip.ts';
import { invalid } from '../../kinds/validation/field-error.ts';
import { asObject, items, stringOf } from '../../kinds/validation/json.ts';
import type { Json, JsonObject } from '../../manifest/object.ts';
import { addressPool } from '../model-pool.ts';
import type { ServedResource } from './resources.ts';
import { type Cause, causeOf, invalidObject } from './status.ts';

/** Gives Services their addresses and node ports, as the API server does when one is created or changed. */
export interface ServiceAddresses {
  /** The Service with what it lacks; throws a refusal for an address or port that another has. */
  assign(resource: ServedResource, service: JsonObject, before: JsonObject | null): JsonObject;
  release(service: JsonObject): void;
}

const FIRST_NODE_PORT = 30000;
const LAST_NODE_PORT = 32767;

export function serviceAddresses(ranges: readonly string[]): ServiceAddresses {
  const pools = ranges
    .map(parseCidr)
    .filter((cidr): cidr is Cidr => cidr !== null)
    .map((cidr) => addressPool(cidr, 1));
  // By protocol and port; TCP and UDP may share a number.
  const nodePorts = new Set<string>();
  let nextNodePort = FIRST_NODE_PORT;

  const takeNodePort = (protocol: string): number => {
    for (let tries = FIRST_NODE_PORT; tries <= LAST_NODE_PORT; tries++) {
      const port = nextNodePort;
      nextNodePort = port === LAST_NODE_PORT ? FIRST_NODE_PORT : port + 1;
      if (nodePorts.has(`${protocol}/${port}`)) continue;
      nodePorts.add(`${protocol}/${port}`);
      return port;
    }
    return 0;
  };

  const release = (service: JsonObject): void => {
    const spec = asObject(service.spec);
    for (const address of clusterIpsOf(spec)) for (const pool of pools) pool.release(address);
    for (const port of items(spec.ports).map(asObject)) nodePorts.delete(`${stringOf(port.protocol)}/${port.nodePort}`);
  };

  const assign: ServiceAddresses['assign'] = (resource, service, before) => {
    const spec = asObject(service.spec);
    const name = stringOf(asObject(service.metadata).name);
    if (before !== null) release(before);
    const causes: Cause[] = [];
    const refuse = (field: string, value: Json, detail: string): void => {
      const { code, message } = invalid(field, value, detail);
      causes.push(causeOf(code, field, message));
    };
    const addresses = addressesOf(spec, before, pools, refuse);
    const ports = items(spec.ports).map((port, i): Json => {
      const json = asObject(port);
      if (spec.type !== 'NodePort' && spec.type !== 'LoadBalancer') {
        return Object.fromEntries(Object.entries(json).filter(([key]) => key !== 'nodePort'));
      }
      const protocol = stringOf(json.protocol);
      if (typeof json.nodePort === 'number' && json.nodePort !== 0) {
        const key = `${protocol}/${json.nodePort}`;
        if (json.nodePort < FIRST_NODE_PORT || json.nodePort > LAST_NODE_PORT) {
          const range = `${FIRST_NODE_PORT}-${LAST_NODE_PORT}`;
          const detail = `provided port is not in the valid range. The range of valid ports is ${range}`;
          refuse(`spec.ports[${i}].nodePort`, json.nodePort, detail);
        } else if (nodePorts.has(key))
          refuse(`spec.ports[${i}].nodePort`, json.nodePort, 'provided port is already allocated');
        nodePorts.add(key);
        return json;
      }
      if (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts === false) return json;
      const earlier = items(asObject(before?.spec).ports)
        .map(asObject)
        .find((one) => one.port === json.port && one.protocol === json.protocol);
      const kept = earlier?.nodePort;
      if (typeof kept === 'number' && !nodePorts.has(`${protocol}/${kept}`)) {
        nodePorts.add(`${protocol}/${kept}`);
        return { ...json, nodePort: kept };
      }
      return { ...json, nodePort: takeNodePort(protocol) };
    });
    if (causes.length > 0) {
      if (before !== null) reserveAgain(before);
      throw invalidObject(resource, name, causes);
    }
    return { ...service, spec: { ...spec, ...addresses, ...(ports.length > 0 ? { ports } : {}) } };
  };

  const reserveAgain = (service: JsonObject): void => {
    const spec = asObject(service.spec);
    for (const address of clusterIpsOf(spec)) for (const pool of pools) pool.reserve(address);
    for (const port of items(spec.ports).map(asObject)) nodePorts.add(`${stringOf(port.protocol)}/${port.nodePort}`);
  };

  return { assign, release };
}

function clusterIpsOf(spec: JsonObject): readonly string[] {
  const list = items(spec.clusterIPs).map(stringOf);
  const texts = list.length > 0 ? list : [stringOf(spec.clusterIP)];
  return texts.filter((text) => text !== '' && text !== 'None');
}

function addressesOf(
  spec: JsonObject,
  before: JsonObject | null,
  pools: readonly ReturnType<typeof addressPool>[],
  refuse: (field: string, value: Json, detail: string) => void,
): JsonObject {
  if (spec.type === 'ExternalName') return {};
  const families = familiesOf(
    spec,
    pools.map((pool) => pool.block.family),
  );
  const ipFamilies = families.map((family) => `IPv${family}`);
  const common = { ipFamilies, ipFamilyPolicy: stringOf(spec.ipFamilyPolicy) || 'SingleStack' };
  if (spec.clusterIP === 'None' || items(spec.clusterIPs)[0] === 'None') {
    return { ...common, clusterIP: 'None', clusterIPs: ['None'] };
  }
  const given = clusterIpsOf(spec);
  const old = clusterIpsOf(asObject(before?.spec));
  if (given.length > 0 && old.length > 0 && given[0] !== old[0]) {
    refuse('spec.clusterIPs[0]', given[0] ?? '', 'may not change once set');
  }
  const known = given.length > 0 ? given : old;
  for (const [i, address] of known.entries()) {
    const pool = pools.find((one) => one.block.family === parseIp(address)?.family);
    if (pool === undefined || pool.reserve(address)) continue;
    const ip = parseIp(address);
    const inside = ip !== null && ip.value >= pool.block.first && ip.value <= pool.block.last;
    // Whoever seeds a server may know better than its ranges.
    if (inside)
      refuse(`spec.clusterIPs[${i}]`, [...known], `failed to allocate IP ${address}: provided IP is already allocated`);
  }
  const addresses = [...known];
  for (const family of families) {
    if (addresses.some((address) => parseIp(address)?.family === family)) continue;
    const taken = pools.find((pool) => pool.block.family === family)?.take();
    if (typeof taken === 'string') addresses.push(taken);
  }
  const [first] = addresses;
  return first === undefined ? common : { ...common, clusterIP: first, clusterIPs: addresses };
}

function familiesOf(spec: JsonObject, served: readonly Family[]): readonly Family[] {
  const asked = items(spec.ipFamilies).map((text): Family => (text === 'IPv6' ? 6 : 4));
  const given = clusterIpsOf(spec).flatMap((address): Family[] => {
    const family = parseIp(address)?.family;
    return family === undefined ? [] : [family];
  });
  const wanted = new Set([...given, ...asked]);
  const isDual = spec.ipFamilyPolicy === 'RequireDualStack' || spec.ipFamilyPolicy === 'PreferDualStack';
  if (isDual) for (const family of served) wanted.add(family);
  if (wanted.size === 0 && served[0] !== undefined) wanted.add(served[0]);
  return [...wanted];
}
