import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  type Question,
  RECURSION_DESIRED,
  type SoaAnswer,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import { parseIp } from '../base/ip.ts';
import type { DnsPod, DnsZone } from './dns-zone.ts';
import type { LabEndpoint, LabService } from './model.ts';

const TTL = 5;
/** Response codes are the low bits of the flags. */
const RCODE = { fine: 0, badFormat: 1, noName: 3, notImplemented: 4 } as const;

/**
 * Answers questions for cluster names as CoreDNS does with its defaults; every other name does not exist. `null` for
 * what is no question.
 */
export function dnsAnswer(zone: DnsZone): (message: Buffer, transport: 'udp' | 'tcp') => Buffer | null {
  const records = recordsOf(zone);
  return (message, transport) => {
    const query = read(message);
    if (query === null || query.type !== 'query') return null;
    const room = transport === 'tcp' ? 65_535 : roomOf(query);
    const reply = (packet: Packet, flags: number): Buffer =>
      encode({
        ...packet,
        type: 'response',
        id: query.id ?? 0,
        flags: AUTHORITATIVE_ANSWER | ((query.flags ?? 0) & RECURSION_DESIRED) | flags,
        questions: query.questions ?? [],
      });
    const [question] = query.questions ?? [];
    if (question === undefined || query.questions?.length !== 1) return reply({}, RCODE.badFormat);
    // The operation is in bits 11 to 14; only the standard query is known here.
    if (((query.flags ?? 0) & 0x7800) !== 0) return reply({}, RCODE.notImplemented);
    const found = lookUp(records, question);
    const full = reply(found.packet, found.rcode);
    return full.length <= room ? full : reply({}, found.rcode | TRUNCATED_RESPONSE);
  };
}

function read(message: Buffer): Packet | null {
  try {
    return decode(message);
  } catch {
    return null;
  }
}

function roomOf(query: Packet): number {
  const edns = query.additionals?.find((answer) => answer.type === 'OPT');
  return edns?.type === 'OPT' ? Math.min(4096, Math.max(512, edns.udpPayloadSize)) : 512;
}

interface Records {
  readonly domain: string;
  readonly soa: SoaAnswer;
  /** Of every name that exists, also those that are only between others; all in small letters. */
  readonly byName: ReadonlyMap<string, readonly Answer[]>;
}

function lookUp(records: Records, question: Question): { readonly packet: Packet; readonly rcode: number } {
  const name = question.name.toLowerCase().replace(/\.$/, '');
  const all = records.byName.get(name);
  const inZone = name === records.domain || name.endsWith(`.${records.domain}`);
  const authorities = inZone ? [records.soa] : [];
  if (all === undefined) return { packet: { authorities }, rcode: RCODE.noName };
  // A reply repeats the name as it was asked, since some resolvers mix capital letters in to see it again.
  const answers = all
    .filter((answer) => (question.type as string) === 'ANY' || answer.type === question.type)
    .map((answer) => ({ ...answer, name: question.name }));
  if (answers.length === 0) return { packet: { authorities }, rcode: RCODE.fine };
  const targets = answers.flatMap((answer) => (answer.type === 'SRV' ? [answer.data.target] : []));
  const additionals = [...new Set(targets)].flatMap((target) =>
    (records.byName.get(target) ?? []).filter(({ type }) => type === 'A' || type === 'AAAA'),
  );
  return { packet: { answers, additionals }, rcode: RCODE.fine };
}

function recordsOf(zone: DnsZone): Records {
  const domain = zone.domain.toLowerCase().replace(/\.$/, '');
  const soa: SoaAnswer = {
    type: 'SOA',
    name: domain,
    ttl: TTL,
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL,
    },
  };
  const byName = new Map<string, Answer[]>();
  const at = (name: string): Answer[] => {
    const known = byName.get(name);
    if (known !== undefined) return known;
    const fresh: Answer[] = [];
    byName.set(name, fresh);
    // What lies above a name exists, too, and has no records of its own.
    const above = name.slice(name.indexOf('.') + 1);
    if (name.includes('.') && above !== name && (above === domain || above.endsWith(`.${domain}`))) at(above);
    return fresh;
  };
  at(domain).push(soa, { type: 'NS', name: domain, ttl: TTL, data: `ns.dns.${domain}` });
  at(`dns-version.${domain}`).push({ type: 'TXT', name: `dns-version.${domain}`, ttl: 28_800, data: '1.1.0' });
  at(`svc.${domain}`);
  at(`pod.${domain}`);
  const pods = new Map(zone.pods.map((pod) => [pod.id, pod]));
  for (const service of zone.services) addService(at, domain, service, pods);
  for (const pod of zone.pods) {
    const [namespace = ''] = pod.id.split('/');
    for (const address of pod.addresses) {
      const name = `${hyphenated(address)}.${namespace}.pod.${domain}`;
      addAddress(at(name), name, address);
    }
  }
  return { domain, soa, byName };
}

function addService(
  at: (name: string) => Answer[],
  domain: string,
  service: LabService,
  pods: ReadonlyMap<string, DnsPod>,
): void {
  const base = `${service.name}.${service.namespace}.svc.${domain}`.toLowerCase();
  const own = at(base);
  if (!service.headless) {
    for (const address of service.clusterIPs) {
      addAddress(own, base, address);
      addPointer(at, address, base);
    }
    for (const port of service.ports) {
      if (port.name === null) continue;
      addPort(at, base, port.name, port.protocol, port.port, base);
    }
    return;
  }
  for (const port of service.ports.length > 0 ? service.ports : []) {
    for (const endpoint of port.endpoints) {
      const host = `${hostOf(endpoint, service, pods)}.${base}`;
      addAddress(own, base, endpoint.address);
      addAddress(at(host), host, endpoint.address);
      addPointer(at, endpoint.address, host);
      if (port.name !== null) addPort(at, base, port.name, port.protocol, endpoint.port, host);
    }
  }
}

/** A pod that names this Service as its subdomain has a name of its own; others go by their address. */
function hostOf(endpoint: LabEndpoint, service: LabService, pods: ReadonlyMap<string, DnsPod>): string {
  const pod = endpoint.pod === null ? undefined : pods.get(endpoint.pod);
  const named = pod !== undefined && pod.hostname !== null && pod.subdomain === service.name;
  return named ? (pod.hostname ?? '').toLowerCase() : hyphenated(endpoint.address);
}

function addAddress(answers: Answer[], name: string, address: string): void {
  const type = address.includes(':') ? 'AAAA' : 'A';
  const known = answers.some((answer) => answer.type === type && answer.data === address);
  if (!known) answers.push({ type, name, ttl: TTL, data: address });
}

function addPort(
  at: (name: string) => Answer[],
  base: string,
  port: string,
  protocol: string,
  number: number,
  target: string,
): void {
  const name = `_${port}._${protocol}.${base}`.toLowerCase();
  const answers = at(name);
  const known = answers.some(
    (answer) => answer.type === 'SRV' && answer.data.target === target && answer.data.port === number,
  );
  if (!known) answers.push({ type: 'SRV', name, ttl: TTL, data: { port: number, target, priority: 0, weight: 100 } });
}

function addPointer(at: (name: string) => Answer[], address: string, target: string): void {
  const name = reverseName(address);
  if (name === null) return;
  const answers = at(name);
  if (!answers.some((answer) => answer.type === 'PTR' && answer.data === target)) {
    answers.push({ type: 'PTR', name, ttl: TTL, data: target });
  }
}

function reverseName(address: string): string | null {
  const ip = parseIp(address);
  if (ip === null) return null;
  if (ip.family === 4) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  return `${[...ip.value.toString(16).padStart(32, '0')].reverse().join('.')}.ip6.arpa`;
}

function hyphenated(address: string): string {
  return address.replaceAll(/[.:]/g, '-');
}
