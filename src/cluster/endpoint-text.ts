import { type Cidr, type Ip, parseCidr, parseIp } from '../base/ip.ts';
import type { PortProtocol } from '../model/match.ts';

/** The port of an endpoint as a user writes it: `:5432`, `:5432/udp`, `:http`. */
export interface PortText {
  readonly port: number | string;
  /** `null` where none is written: TCP for a number, the container port's own for a name. */
  readonly protocol: PortProtocol | null;
}

/** An endpoint as a user writes it, before a cluster says what it is. */
export type EndpointText =
  /** `namespace/name`, or with `resource` `namespace/kind/name`. */
  | {
      readonly kind: 'named';
      readonly namespace: string;
      readonly name: string;
      /** The kind in the singular and lower case (`deployment`), or what was written where it is no known short name. */
      readonly resource: string | null;
      readonly port: PortText | null;
    }
  | {
      readonly kind: 'service';
      readonly namespace: string;
      readonly name: string;
      readonly port: PortText | null;
    }
  | { readonly kind: 'node'; readonly name: string; readonly port: PortText | null }
  | { readonly kind: 'address'; readonly address: Ip; readonly port: PortText | null }
  | { readonly kind: 'range'; readonly cidr: Cidr; readonly port: PortText | null }
  /** Lower case, without a final dot. */
  | { readonly kind: 'domain'; readonly name: string; readonly port: PortText | null };

/** What a text means, or why it means nothing. */
export type ParsedEndpoint =
  | { readonly ok: true; readonly endpoint: EndpointText }
  | { readonly ok: false; readonly message: string; readonly help: string };

const FORMS =
  'write `namespace/pod`, `namespace/workload`, `namespace/kind/name`, `svc/namespace/name`, `node/name`, `fqdn:name`, an IP address or a CIDR, and a port as `:443` or `:53/udp`';

/** Short and plural names as in kubectl. */
const RESOURCES: ReadonlyMap<string, string> = new Map([
  ...names('pod', 'po', 'pods'),
  ...names('deployment', 'deploy', 'deployments'),
  ...names('replicaset', 'rs', 'replicasets'),
  ...names('statefulset', 'sts', 'statefulsets'),
  ...names('daemonset', 'ds', 'daemonsets'),
  ...names('job', 'jobs'),
  ...names('cronjob', 'cj', 'cronjobs'),
  ...names('replicationcontroller', 'rc', 'replicationcontrollers'),
  ...names('deploymentconfig', 'dc', 'deploymentconfigs'),
  ...names('rollout', 'ro', 'rollouts'),
  ...names('prometheus', 'prom', 'prometheuses'),
  ...names('prometheusagent', 'promagent', 'prometheusagents'),
  ...names('alertmanager', 'am', 'alertmanagers'),
  ...names('thanosruler', 'ruler', 'thanosrulers'),
  ...names('service', 'svc', 'services'),
  ...names('node', 'no', 'nodes'),
]);

function names(kind: string, ...others: string[]): [string, string][] {
  return [kind, ...others].map((name) => [name, kind]);
}

/** The kind that a kubectl name stands for, in lower case; a group after a dot (`deployments.apps`) is dropped. */
export function resourceOf(text: string): string {
  const lower = text.toLowerCase().split('.', 1)[0] ?? '';
  return RESOURCES.get(lower) ?? lower;
}

/** Reads an endpoint; names are not looked up. */
export function parseEndpoint(text: string): ParsedEndpoint {
  const trimmed = text.trim();
  if (trimmed === '') return failure('the endpoint is empty');
  if (trimmed.toLowerCase().startsWith('fqdn:')) return domain(trimmed.slice(5));
  if (trimmed.startsWith('[')) return bracketed(trimmed);
  const whole = addressOrRange(trimmed, null);
  if (whole !== null) return whole;
  const colon = trimmed.indexOf(':');
  const port = colon < 0 ? null : parsePort(trimmed.slice(colon + 1));
  if (typeof port === 'string') return failure(`\`${text}\`: ${port}`);
  const rest = colon < 0 ? trimmed : trimmed.slice(0, colon);
  return addressOrRange(rest, port) ?? name(text, rest, port);
}

function failure(message: string): ParsedEndpoint {
  return { ok: false, message, help: FORMS };
}

function domain(text: string): ParsedEndpoint {
  const colon = text.indexOf(':');
  const port = colon < 0 ? null : parsePort(text.slice(colon + 1));
  if (typeof port === 'string') return failure(`\`fqdn:${text}\`: ${port}`);
  const written = (colon < 0 ? text : text.slice(0, colon)).toLowerCase().replace(/\.$/, '');
  if (!/^[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$/.test(written)) {
    return failure(`\`${written}\` is no domain name`);
  }
  return { ok: true, endpoint: { kind: 'domain', name: written, port } };
}

function bracketed(text: string): ParsedEndpoint {
  const end = text.indexOf(']');
  if (end < 0) return failure(`\`${text}\` has no closing bracket`);
  const after = text.slice(end + 1);
  if (after !== '' && !after.startsWith(':')) return failure(`\`${text}\` has text after the bracket that is no port`);
  const port = after === '' ? null : parsePort(after.slice(1));
  if (typeof port === 'string') return failure(`\`${text}\`: ${port}`);
  const inner = text.slice(1, end);
  return addressOrRange(inner, port) ?? failure(`\`${inner}\` is neither an IP address nor a CIDR`);
}

function addressOrRange(text: string, port: PortText | null): ParsedEndpoint | null {
  const address = parseIp(text);
  if (address !== null) return { ok: true, endpoint: { kind: 'address', address, port } };
  const cidr = parseCidr(text);
  return cidr === null ? null : { ok: true, endpoint: { kind: 'range', cidr, port } };
}

function name(text: string, rest: string, port: PortText | null): ParsedEndpoint {
  const parts = rest.split('/');
  if (parts.some((part) => part === '')) return failure(`\`${text}\` has an empty part`);
  const [first, second, third, ...more] = parts;
  if (first === undefined || second === undefined) {
    return failure(
      /^[0-9.]+$/.test(rest) ? `\`${rest}\` is no IP address` : `\`${rest}\` has no namespace before its name`,
    );
  }
  if (more.length > 0) return failure(`\`${text}\` has too many parts`);
  if (third === undefined) {
    if (resourceOf(first) === 'node') return { ok: true, endpoint: { kind: 'node', name: second, port } };
    return { ok: true, endpoint: { kind: 'named', namespace: first, name: second, resource: null, port } };
  }
  if (resourceOf(first) === 'service') {
    return { ok: true, endpoint: { kind: 'service', namespace: second, name: third, port } };
  }
  const resource = resourceOf(second);
  if (resource === 'service') {
    return { ok: true, endpoint: { kind: 'service', namespace: first, name: third, port } };
  }
  return { ok: true, endpoint: { kind: 'named', namespace: first, name: third, resource, port } };
}

/** Reads `443`, `53/udp` or `http`; a text says what is wrong with it. */
export function parsePort(text: string): PortText | string {
  const [written = '', protocolText, ...more] = text.split('/');
  if (more.length > 0) return `\`${text}\` is no port`;
  const protocol = protocolText === undefined ? null : protocolText.toUpperCase();
  if (protocol !== null && protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP') {
    return `\`${protocolText}\` is no protocol with ports: write tcp, udp or sctp`;
  }
  if (/^[0-9]+$/.test(written)) {
    const port = Number(written);
    return port >= 1 && port <= 65535 ? { port, protocol } : `port \`${written}\` is not between 1 and 65535`;
  }
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/i.test(written)) return `\`${written}\` is no port`;
  return { port: written, protocol };
}
