import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';
import type { Route, Service } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import {
  type Decoding,
  decoding,
  element,
  listAt,
  numberAt,
  numberOrName,
  objectAt,
  refused,
  remark,
  textAt,
} from './decode.ts';

type RouteBackend = Route['backends'][number];

/** Who may send from where to which Services, by the namespace of the ReferenceGrant. */
export type Grants = Map<string, Grant[]>;
interface Grant {
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name: string | null }[];
}

const GATEWAY = 'gateway.networking.k8s.io';

/** Reads an Ingress (v1, or the withdrawn beta form with `serviceName`). */
export function ingressOf(object: KubeObject, namespace: string, diagnostics: Diagnostic[]): Route | null {
  const of = decoding(object, diagnostics);
  const spec = objectAt(of, object.value.spec, 'spec', '');
  const backends: RouteBackend[] = [];
  for (const key of ['defaultBackend', 'backend']) {
    ingressBackend(of, namespace, objectAt(of, spec[key], key, 'spec'), `spec.${key}`, backends);
  }
  const rules = listAt(of, spec.rules, 'rules', 'spec');
  for (let i = 0; i < rules.length; i++) {
    const at = `spec.rules[${i}]`;
    const http = objectAt(of, element(of, rules, i, at).http, 'http', at);
    const paths = listAt(of, http.paths, 'paths', `${at}.http`);
    for (let j = 0; j < paths.length; j++) {
      const path = `${at}.http.paths[${j}]`;
      ingressBackend(
        of,
        namespace,
        objectAt(of, element(of, paths, j, path).backend, 'backend', path),
        `${path}.backend`,
        backends,
      );
    }
  }
  return refused(of) ? null : routeOf(object, namespace, backends);
}

function ingressBackend(of: Decoding, namespace: string, json: JsonObject, path: string, out: RouteBackend[]): void {
  const legacy = textAt(of, json.serviceName, 'serviceName', path);
  if (legacy !== null) {
    addBackend(of, out, namespace, legacy, numberOrName(of, json.servicePort, 'servicePort', path), path);
    return;
  }
  const service = objectAt(of, json.service, 'service', path);
  const at = `${path}.service`;
  const name = textAt(of, service.name, 'name', at);
  if (name === null) return;
  const port = objectAt(of, service.port, 'port', at);
  const number = numberAt(of, port.number, 'number', `${at}.port`);
  addBackend(of, out, namespace, name, number ?? textAt(of, port.name, 'name', `${at}.port`), path);
}

function addBackend(
  of: Decoding,
  out: RouteBackend[],
  namespace: string,
  service: string,
  port: number | string | null,
  field: string,
): void {
  if (out.some((known) => known.namespace === namespace && known.service === service && known.port === port)) return;
  out.push({ service, namespace, port, origin: { object: of.object.ref, field } });
}

function routeOf(object: KubeObject, namespace: string, backends: readonly RouteBackend[]): Route {
  const { kind, name } = object.ref;
  return { namespace, name, kind, backends, origin: { object: object.ref, field: '' } };
}

/** Reads an OpenShift Route. `port.targetPort` names a port of the endpoints; it becomes the Service port that leads there. */
export function openshiftRouteOf(
  object: KubeObject,
  namespace: string,
  services: ReadonlyMap<string, Service>,
  diagnostics: Diagnostic[],
): Route | null {
  const of = decoding(object, diagnostics);
  const spec = objectAt(of, object.value.spec, 'spec', '');
  const target = numberOrName(of, objectAt(of, spec.port, 'port', 'spec').targetPort, 'targetPort', 'spec.port');
  const found: { name: string; field: string }[] = [];
  openshiftTarget(of, objectAt(of, spec.to, 'to', 'spec'), 'spec.to', found);
  const others = listAt(of, spec.alternateBackends, 'alternateBackends', 'spec');
  for (let i = 0; i < others.length; i++) {
    const at = `spec.alternateBackends[${i}]`;
    openshiftTarget(of, element(of, others, i, at), at, found);
  }
  if (refused(of)) return null;
  const backends: RouteBackend[] = [];
  for (const { name, field } of found) {
    const service = services.get(`${namespace}/${name}`);
    if (service === undefined || target === null) {
      addBackend(of, backends, namespace, name, target, field);
      continue;
    }
    const ports = portsLeadingTo(service, target);
    for (const port of ports) addBackend(of, backends, namespace, name, port, field);
    if (ports.length === 0) {
      const message = `Service \`${name}\` has no port that leads to \`${target}\``;
      remark(of, 'no-such-target-port', 'spec.port.targetPort', message, 'the route leads nowhere');
    }
  }
  return routeOf(object, namespace, backends);
}

function openshiftTarget(of: Decoding, json: JsonObject, path: string, out: { name: string; field: string }[]): void {
  const name = textAt(of, json.name, 'name', path);
  const kind = textAt(of, json.kind, 'kind', path) ?? 'Service';
  const weight = numberAt(of, json.weight, 'weight', path);
  if (name === null || weight === 0) return;
  if (kind === 'Service') out.push({ name, field: path });
  else foreign(of, path, kind, name);
}

function foreign(of: Decoding, field: string, kind: string, name: string): void {
  remark(of, 'foreign-backend', field, `leads to the ${kind} \`${name}\`, which is no Service`, 'it is not followed');
}

/** A name is a Service port's name, else (of a Service port without one) of its target; a number is the pods' port. */
function portsLeadingTo(service: Service, target: number | string): number[] {
  const numbers = (some: readonly { readonly port: number }[]): number[] => [...new Set(some.map(({ port }) => port))];
  const named = service.ports.filter((port) => port.name === target);
  if (named.length > 0) return numbers(named);
  const direct = service.ports.filter((port) => port.targetPort === target);
  if (direct.length > 0 || typeof target === 'string') return numbers(direct);
  const resolved = service.backends.flatMap((backend) => backend.ports.filter(({ port }) => port === target));
  return numbers(resolved.map((port) => port.service));
}

/** Reads a ReferenceGrant. */
export function addGrant(into: Grants, object: KubeObject, namespace: string, diagnostics: Diagnostic[]): void {
  const of = decoding(object, diagnostics);
  const spec = objectAt(of, object.value.spec, 'spec', '');
  const from = entries(of, listAt(of, spec.from, 'from', 'spec'), 'spec.from').map(({ json, path }) => ({
    group: textAt(of, json.group, 'group', path) ?? '',
    kind: textAt(of, json.kind, 'kind', path) ?? '',
    namespace: textAt(of, json.namespace, 'namespace', path) ?? '',
  }));
  const to = entries(of, listAt(of, spec.to, 'to', 'spec'), 'spec.to').map(({ json, path }) => ({
    group: textAt(of, json.group, 'group', path) ?? '',
    kind: textAt(of, json.kind, 'kind', path) ?? '',
    name: textAt(of, json.name, 'name', path),
  }));
  if (refused(of)) return;
  const known = into.get(namespace);
  if (known === undefined) into.set(namespace, [{ from, to }]);
  else known.push({ from, to });
}

function entries(of: Decoding, list: readonly Json[], path: string): { json: JsonObject; path: string }[] {
  return list.map((_, i) => ({ json: element(of, list, i, `${path}[${i}]`), path: `${path}[${i}]` }));
}

/** Reads a Gateway API route; `null` for one that is refused, or that has only Services (of a mesh) as parents. */
export function gatewayRouteOf(
  object: KubeObject,
  namespace: string,
  grants: Grants,
  diagnostics: Diagnostic[],
): Route | null {
  const of = decoding(object, diagnostics);
  const spec = objectAt(of, object.value.spec, 'spec', '');
  const parents = entries(of, listAt(of, spec.parentRefs, 'parentRefs', 'spec'), 'spec.parentRefs');
  const mesh =
    parents.length > 0 && parents.every(({ json, path }) => textAt(of, json.kind, 'kind', path) === 'Service');
  const refs: { json: JsonObject; path: string }[] = [];
  for (const rule of entries(of, listAt(of, spec.rules, 'rules', 'spec'), 'spec.rules')) {
    mirrors(of, rule.json, rule.path, refs);
    for (const ref of entries(
      of,
      listAt(of, rule.json.backendRefs, 'backendRefs', rule.path),
      `${rule.path}.backendRefs`,
    )) {
      if (numberAt(of, ref.json.weight, 'weight', ref.path) === 0) continue;
      refs.push(ref);
      mirrors(of, ref.json, ref.path, refs);
    }
  }
  const backends: RouteBackend[] = [];
  const said: (() => void)[] = [];
  for (const { json, path } of refs) gatewayBackend(of, namespace, grants, json, path, backends, said);
  if (refused(of) || mesh) return null;
  for (const say of said) say();
  return routeOf(object, namespace, backends);
}

/** Requests that a filter copies reach a Service, too. */
function mirrors(of: Decoding, json: JsonObject, path: string, out: { json: JsonObject; path: string }[]): void {
  for (const filter of entries(of, listAt(of, json.filters, 'filters', path), `${path}.filters`)) {
    const mirror = objectAt(of, filter.json.requestMirror, 'requestMirror', filter.path);
    const at = `${filter.path}.requestMirror`;
    if ((mirror.backendRef ?? null) === null) continue;
    out.push({ json: objectAt(of, mirror.backendRef, 'backendRef', at), path: `${at}.backendRef` });
  }
}

function gatewayBackend(
  of: Decoding,
  home: string,
  grants: Grants,
  json: JsonObject,
  path: string,
  out: RouteBackend[],
  said: (() => void)[],
): void {
  const group = textAt(of, json.group, 'group', path) ?? '';
  const kind = textAt(of, json.kind, 'kind', path) ?? 'Service';
  const name = textAt(of, json.name, 'name', path);
  const namespace = textAt(of, json.namespace, 'namespace', path) ?? home;
  const port = numberAt(of, json.port, 'port', path);
  if (name === null) return;
  if (group !== '' || kind !== 'Service') {
    said.push(() => foreign(of, path, kind, name));
    return;
  }
  if (namespace !== home && !granted(grants, of.object.ref.kind, home, namespace, name)) {
    const message = `no ReferenceGrant in namespace \`${namespace}\` allows the way to Service \`${name}\``;
    said.push(() => remark(of, 'ungranted-backend', path, message, 'the backend is not counted'));
    return;
  }
  addBackend(of, out, namespace, name, port, path);
}

function granted(grants: Grants, kind: string, home: string, namespace: string, name: string): boolean {
  return (grants.get(namespace) ?? []).some(
    ({ from, to }) =>
      from.some((one) => one.group === GATEWAY && one.kind === kind && one.namespace === home) &&
      to.some((one) => one.group === '' && one.kind === 'Service' && (one.name === null || one.name === name)),
  );
}
