import { type Cidr, type Family, formatCidr, parseIp } from '../base/ip.ts';
import { asObject, items, stringOf } from '../kinds/validation/json.ts';
import type { JsonObject } from '../manifest/object.ts';
import { withDefaults } from './api-server/defaults.ts';
import { BUILT_IN } from './api-server/resources.ts';
import { type ServiceAddresses, serviceAddresses } from './api-server/service-addresses.ts';
import { Refusal } from './api-server/status.ts';
import type { LabObject } from './model.ts';
import type { Remark } from './model-codes.ts';
import { type AddressBook, takeFree } from './model-place.ts';
import { addressPool } from './model-pool.ts';
import type { ChosenRanges } from './model-ranges.ts';

/** The objects with addresses and node ports for their Services: as given, else allocated. */
export function serviceObjects(
  objects: readonly LabObject[],
  chosen: ChosenRanges,
  families: readonly Family[],
  book: AddressBook,
  remark: Remark,
): readonly LabObject[] {
  const addresses = serviceAddresses(chosen.byPurpose.services.map(formatCidr));
  const balancers = chosen.byPurpose.loadBalancers.map((range) => addressPool(range, 1));
  const out = [...objects];
  const services = [...objects.entries()].filter(
    ([, { object }]) => object.ref.kind === 'Service' && object.ref.apiVersion === 'v1',
  );
  // What is given is taken before anything is allocated.
  services.sort(([i, a], [j, b]) => fixedness(a) - fixedness(b) || i - j);
  for (const [i, { by, object }] of services) {
    const usable = withUsable(object.value, book, families);
    if (usable !== object.value)
      remark(
        'address-changed',
        `Service \`${object.ref.namespace}/${object.ref.name}\` cannot have all of its addresses in a lab`,
        object.ref,
        'spec.clusterIPs',
      );
    const complete = withDefaults('Service', usable);
    const assigned = assign(addresses, complete, (why) => remark('service-changed', why, object.ref, 'spec'));
    for (const address of clusterIps(assigned)) book.claim(address);
    out[i] = { by, object: { ref: object.ref, value: balanced(assigned, balancers, book) } };
  }
  return out;
}

function fixedness({ object }: LabObject): number {
  const spec = asObject(object.value.spec);
  if (clusterIps(object.value).length > 0) return 0;
  return items(spec.ports).some((port) => typeof asObject(port).nodePort === 'number') ? 1 : 2;
}

function clusterIps(service: JsonObject): readonly string[] {
  const spec = asObject(service.spec);
  const list = items(spec.clusterIPs).map(stringOf);
  return (list.length > 0 ? list : [stringOf(spec.clusterIP)]).filter((text) => text !== '' && text !== 'None');
}

/** Without cluster addresses that another has, or that are of a family that the lab does not have. */
function withUsable(service: JsonObject, book: AddressBook, families: readonly Family[]): JsonObject {
  const written = clusterIps(service);
  const isOurs = (address: string): boolean => {
    const family = parseIp(address)?.family;
    return family !== undefined && families.includes(family) && !book.has(address);
  };
  if (written.every(isOurs)) return service;
  const kept = written.filter(isOurs);
  const spec = Object.fromEntries(
    Object.entries(asObject(service.spec)).filter(
      ([key]) => key !== 'clusterIP' && key !== 'clusterIPs' && key !== 'ipFamilies',
    ),
  );
  return { ...service, spec: { ...spec, ...(kept.length > 0 ? { clusterIP: kept[0] ?? '', clusterIPs: kept } : {}) } };
}

function assign(addresses: ServiceAddresses, service: JsonObject, say: (why: string) => void): JsonObject {
  const resource = BUILT_IN.find(({ kind }) => kind === 'Service');
  if (resource === undefined) return service;
  try {
    return addresses.assign(resource, service, null);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    say(error.message);
    const spec = asObject(service.spec);
    const free = Object.fromEntries(
      Object.entries(spec).filter(([key]) => key !== 'clusterIP' && key !== 'clusterIPs'),
    );
    const ports = items(spec.ports).map((port) =>
      Object.fromEntries(Object.entries(asObject(port)).filter(([key]) => key !== 'nodePort')),
    );
    return addresses.assign(resource, { ...service, spec: { ...free, ports } }, null);
  }
}

/** A LoadBalancer Service with addresses of its own: those of its status, the one it asks for, else new ones. */
function balanced(
  service: JsonObject,
  pools: readonly { readonly block: Cidr; take(): string | null }[],
  book: AddressBook,
): JsonObject {
  const spec = asObject(service.spec);
  if (spec.type !== 'LoadBalancer') return service;
  const status = asObject(service.status);
  const given = items(asObject(status.loadBalancer).ingress)
    .map((one) => stringOf(asObject(one).ip))
    .filter((address) => address !== '' && book.claim(address));
  const asked = stringOf(spec.loadBalancerIP);
  if (given.length === 0 && asked !== '' && book.claim(asked)) given.push(asked);
  const families = items(spec.ipFamilies).map((text): Family => (text === 'IPv6' ? 6 : 4));
  if (given.length === 0) {
    for (const pool of pools) {
      if (!families.includes(pool.block.family)) continue;
      const address = takeFree(pool, book);
      if (address !== null) given.push(address);
    }
  }
  const ingress = given.map((ip) => ({ ip, ipMode: 'VIP' }));
  return { ...service, status: { ...status, loadBalancer: { ingress } } };
}
