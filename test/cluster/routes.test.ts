import { describe, expect, test } from 'vitest';
import { buildCluster } from '../../src/cluster/build.ts';
import { objectsIn } from './read-manifests.ts';

function routes(text: string): { found: string[]; codes: string[] } {
  const { cluster, diagnostics } = buildCluster(objectsIn(text));
  const found = cluster.routes.flatMap((route) =>
    route.backends.map(
      (to) =>
        `${route.namespace}/${route.name}[${route.kind}] ${to.namespace}/${to.service}:${to.port} ${to.origin.field}`,
    ),
  );
  return { found, codes: diagnostics.map(({ code }) => code) };
}

describe('Ingress', () => {
  test('default backend and rules, each backend once; a backend that is no Service does not count', () => {
    const { found } = routes(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  defaultBackend: {service: {name: fallback, port: {name: http}}}
  rules:
  - http:
      paths:
      - backend: {service: {name: api, port: {number: 8080}}}
      - backend: {service: {name: api, port: {number: 8080}}}
      - backend: {service: {name: api, port: {number: 9090}}}
      - backend: {resource: {kind: Bucket, name: assets}}
  - {host: no.paths.example}
`);
    expect(found).toEqual([
      'shop/web[Ingress] shop/fallback:http spec.defaultBackend',
      'shop/web[Ingress] shop/api:8080 spec.rules[0].http.paths[0].backend',
      'shop/web[Ingress] shop/api:9090 spec.rules[0].http.paths[2].backend',
    ]);
  });

  test('the withdrawn form with serviceName', () => {
    const { found } = routes(`
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: web}
spec: {backend: {serviceName: a, servicePort: 80}, rules: [{http: {paths: [{backend: {serviceName: b, servicePort: https}}]}}]}
`);
    expect(found).toEqual([
      'default/web[Ingress] default/a:80 spec.backend',
      'default/web[Ingress] default/b:https spec.rules[0].http.paths[0].backend',
    ]);
  });
});

describe('OpenShift Route', () => {
  const SERVICE = `
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: web}}
spec: {containers: [{ports: [{name: tls, containerPort: 8443}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: tls}]}
---
`;
  const route = (spec: string): { found: string[]; codes: string[] } =>
    routes(`${SERVICE}apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: r}\nspec: ${spec}`);

  test.each([
    ['{to: {kind: Service, name: web}}', 'null'],
    ['{to: {kind: Service, name: web}, port: {targetPort: http}}', '80'],
    ['{to: {kind: Service, name: web}, port: {targetPort: 8080}}', '80'],
    ['{to: {kind: Service, name: web}, port: {targetPort: 8443}}', '443'],
    ['{to: {kind: Service, name: web}, port: {targetPort: tls}}', '443'],
  ])('%s leads to Service port %s', (spec, port) => {
    expect(route(spec)).toEqual({ found: [`default/r[Route] default/web:${port} spec.to`], codes: [] });
  });

  test('a port that no endpoint has leads nowhere, and this is said', () => {
    expect(route('{to: {kind: Service, name: web}, port: {targetPort: 80}}')).toEqual({ found: [], codes: ['RP307'] });
    expect(route('{to: {kind: Service, name: web}, port: {targetPort: grpc}}')).toEqual({
      found: [],
      codes: ['RP307'],
    });
  });

  test('alternate backends count, unless their weight is 0', () => {
    const { found } = route(
      '{to: {name: web}, alternateBackends: [{kind: Service, name: b, weight: 1}, {kind: Service, name: c, weight: 0}]}',
    );
    expect(found).toEqual([
      'default/r[Route] default/web:null spec.to',
      'default/r[Route] default/b:null spec.alternateBackends[0]',
    ]);
  });
});

describe('Gateway API', () => {
  const route = (kind: string, rules: string, more = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: {name: r, namespace: shop}
spec: {parentRefs: [{name: gw}], rules: ${rules}}
${more}`;
  const grant = (from: string, to: string): string => `---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: backends}
spec: {from: [${from}], to: [${to}]}
`;
  const FROM = '{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}';
  const TO = '{group: "", kind: Service}';
  const AWAY = '[{backendRefs: [{name: api, namespace: backends, port: 80}]}]';

  test.each(['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute', 'UDPRoute'])('%s', (kind) => {
    expect(
      routes(route(kind, '[{backendRefs: [{name: api, port: 80}, {name: old, port: 80, weight: 0}]}]')).found,
    ).toEqual([`shop/r[${kind}] shop/api:80 spec.rules[0].backendRefs[0]`]);
  });

  test('requests that are mirrored arrive, too', () => {
    const { found } = routes(
      route(
        'HTTPRoute',
        '[{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 81}}}], backendRefs: [{name: api, port: 80}]}]',
      ),
    );
    expect(found).toEqual([
      'shop/r[HTTPRoute] shop/shadow:81 spec.rules[0].filters[0].requestMirror.backendRef',
      'shop/r[HTTPRoute] shop/api:80 spec.rules[0].backendRefs[0]',
    ]);
  });

  test('another namespace needs a grant', () => {
    expect(routes(route('HTTPRoute', AWAY))).toEqual({ found: [], codes: ['RP305'] });
    expect(routes(route('HTTPRoute', AWAY, grant(FROM, TO)))).toEqual({
      found: ['shop/r[HTTPRoute] backends/api:80 spec.rules[0].backendRefs[0]'],
      codes: [],
    });
  });

  test.each([
    ['of another kind of route', FROM.replace('HTTP', 'GRPC'), TO],
    ['of another namespace', FROM.replace('shop', 'blog'), TO],
    ['to another Service', FROM, '{group: "", kind: Service, name: db}'],
    ['to another kind', FROM, '{group: "", kind: Secret}'],
  ])('a grant %s is none', (_, from, to) => {
    expect(routes(route('HTTPRoute', AWAY, grant(from, to)))).toEqual({ found: [], codes: ['RP305'] });
  });

  test('what is no Service is not followed', () => {
    const pool = '[{backendRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: llm}]}]';
    expect(routes(route('HTTPRoute', pool))).toEqual({ found: [], codes: ['RP306'] });
  });

  test('a route whose only parent is a Service belongs to a mesh', () => {
    const text = route('HTTPRoute', '[{backendRefs: [{name: api, port: 80}]}]');
    const mesh = text.replace('[{name: gw}]', '[{group: "", kind: Service, name: api}]');
    expect(buildCluster(objectsIn(mesh)).cluster.routes).toEqual([]);
    expect(buildCluster(objectsIn(text)).cluster.routes).toHaveLength(1);
  });
});
