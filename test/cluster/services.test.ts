import { describe, expect, test } from 'vitest';
import { formatIp } from '../../src/base/ip.ts';
import { buildCluster } from '../../src/cluster/build.ts';
import type { Missing, Service } from '../../src/model/cluster.ts';
import { objectsIn } from './read-manifests.ts';

const PODS = `
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: web, tier: front}}
spec: {containers: [{ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 5353, protocol: UDP}]}]}
status: {podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: web}}
spec: {hostNetwork: true, containers: [{ports: [{name: http, containerPort: 9090}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: other, labels: {app: web}}
`;

function service(spec: string, more = '', missing: readonly Missing[] = []): Service {
  const text = `${PODS}---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: ${spec}\n${more}`;
  const { services } = buildCluster(objectsIn(text), { missing }).cluster;
  expect(services).toHaveLength(1);
  return services[0] as Service;
}

function backends(of: Service): string[] {
  return of.backends.map(({ pod, address, ports }) => {
    const served = ports.map(({ service: own, port }) => `${own.port}/${own.protocol}>${port}`).join(',');
    return `${pod?.name ?? '-'} ${address === null ? '-' : formatIp(address)} ${served}`;
  });
}

describe('backends by selector', () => {
  test('pods of the namespace that carry all labels, host-network ones too; a name is looked up per pod', () => {
    const web = service('{selector: {app: web}, ports: [{port: 80, targetPort: http}]}');
    expect(backends(web)).toEqual(['a 10.0.0.1 80/TCP>8080', 'b - 80/TCP>9090']);
    expect(web.unread).toBeNull();
    expect(backends(service('{selector: {app: web, tier: front}, ports: [{port: 80}]}'))).toEqual([
      'a 10.0.0.1 80/TCP>80',
    ]);
    expect(backends(service('{selector: {app: web, tier: back}}'))).toEqual([]);
    expect(backends(service('{selector: {nobody: here}}'))).toEqual([]);
  });

  test('a pod that carries some of the labels is none', () => {
    const pods = ['{x: "1", y: "1"}', '{x: "1", y: "2"}', '{x: "2", y: "1"}'].map(
      (labels, i) => `---\napiVersion: v1\nkind: Pod\nmetadata: {name: p${i}, namespace: shop, labels: ${labels}}\n`,
    );
    expect(backends(service('{selector: {x: "1", y: "1"}}', pods.join('')))).toEqual(['p0 - ']);
  });

  test('the port defaults to itself, the protocol to TCP; a named port must have the protocol', () => {
    const ports =
      '[{name: x, port: 53, protocol: UDP, targetPort: dns}, {name: y, port: 54, targetPort: dns}, {name: z, port: 443}]';
    const web = service(`{selector: {tier: front}, ports: ${ports}}`);
    expect(backends(web)).toEqual(['a 10.0.0.1 53/UDP>5353,443/TCP>443']);
    expect(web.ports).toEqual([
      { name: 'x', protocol: 'UDP', port: 53, nodePort: null, targetPort: 'dns' },
      { name: 'y', protocol: 'TCP', port: 54, nodePort: null, targetPort: 'dns' },
      { name: 'z', protocol: 'TCP', port: 443, nodePort: null, targetPort: 443 },
    ]);
  });

  test('targetPort 0 and "" mean the port, as an API server defaults them', () => {
    const ports = '[{name: a, port: 80, targetPort: 0}, {name: b, port: 81, targetPort: ""}]';
    expect(service(`{ports: ${ports}}`).ports.map(({ targetPort }) => targetPort)).toEqual([80, 81]);
  });

  test('addresses are those of the families that the Service has', () => {
    const of = (spec: string): string[] => backends(service(`{selector: {tier: front}, ${spec}}`));
    expect(of('ipFamilies: [IPv6]')).toEqual(['a fd00::1 ']);
    expect(of('ipFamilyPolicy: PreferDualStack')).toEqual(['a 10.0.0.1 ', 'a fd00::1 ']);
    expect(of('clusterIPs: ["fd00:1::1"]')).toEqual(['a fd00::1 ']);
    expect(of('type: ClusterIP')).toEqual(['a 10.0.0.1 ']);
  });

  test('a headless Service translates no port', () => {
    const web = service('{clusterIP: None, selector: {tier: front}, ports: [{port: 80, targetPort: http}]}');
    expect(web.headless).toBe(true);
    expect(web.clusterIPs).toEqual([]);
    expect(backends(web)).toEqual(['a 10.0.0.1 80/TCP>80']);
  });

  test('pods that could not be read leave the backends open', () => {
    const missing = [{ resource: 'pods', group: '', reason: 'forbidden' }];
    expect(service('{selector: {app: web}}', '', missing).unread).toBe('pods could not be read: forbidden');
    expect(service('{type: ExternalName, externalName: example.org}', '', missing).unread).toBeNull();
  });
});

describe('backends by EndpointSlice', () => {
  const SLICE = `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints:
- {addresses: [10.0.0.1], targetRef: {kind: Pod, name: a, namespace: shop}}
- {addresses: [192.0.2.9], conditions: {ready: false}}
- {addresses: [10.0.0.77], targetRef: {kind: Pod, name: a, namespace: shop}}
ports: [{name: http, port: 8080}, {name: dns, port: 9953}, {name: dns, port: 5353, protocol: UDP}]
`;
  const SPEC = '{ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}, {name: other, port: 1}]}';

  test('without a selector: addresses of pods, of others, and of a pod that has been replaced', () => {
    const web = service(SPEC, SLICE);
    expect(backends(web)).toEqual([
      'a 10.0.0.1 80/TCP>8080,53/UDP>5353',
      '- 192.0.2.9 80/TCP>8080,53/UDP>5353',
      '- 10.0.0.77 80/TCP>8080,53/UDP>5353',
    ]);
    expect(web.unread).toBeNull();
  });

  test('several slices of one Service hold an address once', () => {
    const second = SLICE.replace('web-1', 'web-2').replace(/ports:.*\n/, 'ports: [{name: other, port: 7}]\n');
    expect(backends(service(SPEC, SLICE + second))[0]).toBe('a 10.0.0.1 80/TCP>8080,53/UDP>5353,1/TCP>7');
  });

  test('Endpoints count where there is no slice', () => {
    const endpoints = `---
apiVersion: v1
kind: Endpoints
metadata: {name: web, namespace: shop}
subsets:
- {addresses: [{ip: 192.0.2.1}], notReadyAddresses: [{ip: 192.0.2.2}], ports: [{name: http, port: 81}]}
`;
    expect(backends(service(SPEC, endpoints))).toEqual(['- 192.0.2.1 80/TCP>81', '- 192.0.2.2 80/TCP>81']);
    expect(backends(service(SPEC, endpoints + SLICE))[0]).toBe('a 10.0.0.1 80/TCP>8080,53/UDP>5353');
  });

  test('none in the input, or none readable: the backends are open', () => {
    expect(service(SPEC).unread).toMatch(/no EndpointSlice/);
    const missing = [{ resource: 'endpointslices', group: 'discovery.k8s.io', reason: 'forbidden' }];
    expect(service(SPEC, '', missing).unread).toBe('endpointslices could not be read: forbidden');
  });

  test('a Service with a selector has its pods, whatever slices say', () => {
    expect(backends(service('{selector: {tier: front}, ports: [{name: http, port: 80}]}', SLICE))).toEqual([
      'a 10.0.0.1 80/TCP>80',
    ]);
  });
});

describe('facts of a Service', () => {
  test('addresses, policies, node ports', () => {
    const web = service(
      '{type: LoadBalancer, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, "fd00:96::1"], externalIPs: [203.0.113.1], externalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30080}]}',
      'status: {loadBalancer: {ingress: [{ip: 203.0.113.9}, {hostname: lb.example.org}]}}',
    );
    expect(web.clusterIPs.map(formatIp)).toEqual(['10.96.0.1', 'fd00:96::1']);
    expect(web.externalIPs.map(formatIp)).toEqual(['203.0.113.1']);
    expect(web.loadBalancerIPs.map(formatIp)).toEqual(['203.0.113.9']);
    expect(web.ports[0]?.nodePort).toBe(30080);
    expect(web).toMatchObject({
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Cluster',
    });
  });

  test('an ExternalName has a name and no backends', () => {
    const web = service('{type: ExternalName, externalName: db.example.org, selector: {app: web}}');
    expect(web.externalName).toBe('db.example.org');
    expect(web.backends).toEqual([]);
  });

  test('a port that cannot be is left out; one that cannot be decoded refuses the Service', () => {
    expect(
      service('{ports: [{port: 0}, {port: 80, targetPort: 70000}, {port: 81}, {}]}').ports.map(({ port }) => port),
    ).toEqual([81]);
    const text = 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: "80"}]}';
    const { cluster, diagnostics } = buildCluster(objectsIn(text));
    expect(cluster.services).toEqual([]);
    expect(diagnostics[0]).toMatchObject({ refused: true, origin: { field: 'spec.ports[0].port' } });
  });

  test('the backends are made once', () => {
    const web = service('{selector: {app: web}}');
    expect(web.backends).toBe(web.backends);
  });
});
