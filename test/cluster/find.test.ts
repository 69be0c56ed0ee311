import { describe, expect, test } from 'vitest';
import { formatCidr, formatIp } from '../../src/base/ip.ts';
import { buildCluster } from '../../src/cluster/build.ts';
import { indexCluster } from '../../src/cluster/cluster-index.ts';
import { type PortText, parseEndpoint } from '../../src/cluster/endpoint-text.ts';
import { type FoundEndpoint, findEndpoint } from '../../src/cluster/find.ts';
import { workloadId } from '../../src/model/cluster.ts';
import { objectsIn } from './read-manifests.ts';

/** What a user is told. */
function didYouMean(found: Extract<FoundEndpoint, { kind: 'unknown' }>): string {
  if (found.candidates.length === 0) return found.message;
  return `${found.message}; did you mean ${found.candidates.map((candidate) => `\`${candidate}\``).join(' or ')}?`;
}

function port(text: PortText | null): string {
  return text === null ? '' : ` ${text.port}/${text.protocol}`;
}

function parsed(text: string): string {
  const result = parseEndpoint(text);
  if (!result.ok) return `! ${result.message}`;
  const { endpoint } = result;
  switch (endpoint.kind) {
    case 'named':
      return `${endpoint.resource ?? 'any'} ${endpoint.namespace} ${endpoint.name}${port(endpoint.port)}`;
    case 'service':
      return `service ${endpoint.namespace} ${endpoint.name}${port(endpoint.port)}`;
    case 'address':
      return `address ${formatIp(endpoint.address)}${port(endpoint.port)}`;
    case 'range':
      return `range ${formatCidr(endpoint.cidr)}${port(endpoint.port)}`;
    default:
      return `${endpoint.kind} ${endpoint.name}${port(endpoint.port)}`;
  }
}

describe('endpoints as text', () => {
  test.each([
    ['shop/web', 'any shop web'],
    ['shop/web:8080', 'any shop web 8080/null'],
    ['shop/web:5432/udp', 'any shop web 5432/UDP'],
    ['shop/web:http', 'any shop web http/null'],
    ['shop/web:http/TCP', 'any shop web http/TCP'],
    ['shop/deploy/web', 'deployment shop web'],
    ['shop/deployments.apps/web:1', 'deployment shop web 1/null'],
    ['shop/po/web-0', 'pod shop web-0'],
    ['shop/sts/db', 'statefulset shop db'],
    ['shop/ds/log', 'daemonset shop log'],
    ['shop/rs/web-5', 'replicaset shop web-5'],
    ['shop/rc/old', 'replicationcontroller shop old'],
    ['shop/cj/nightly', 'cronjob shop nightly'],
    ['shop/Workflow/x', 'workflow shop x'],
    ['svc/shop/web:80', 'service shop web 80/null'],
    ['services/shop/web', 'service shop web'],
    ['shop/svc/web', 'service shop web'],
    ['node/n1', 'node n1'],
    ['no/n1:10250', 'node n1 10250/null'],
    ['10.0.0.1', 'address 10.0.0.1'],
    ['10.0.0.1:443', 'address 10.0.0.1 443/null'],
    ['10.0.0.1:53/udp', 'address 10.0.0.1 53/UDP'],
    ['2001:db8::1', 'address 2001:db8::1'],
    ['[2001:db8::1]', 'address 2001:db8::1'],
    ['[2001:db8::1]:443', 'address 2001:db8::1 443/null'],
    ['::ffff:10.0.0.1', 'address 10.0.0.1'],
    ['10.0.0.0/8', 'range 10.0.0.0/8'],
    ['10.0.0.0/8:443', 'range 10.0.0.0/8 443/null'],
    ['2001:db8::/32', 'range 2001:db8::/32'],
    ['[2001:db8::/32]:53/udp', 'range 2001:db8::/32 53/UDP'],
    ['fqdn:Example.ORG.', 'domain example.org'],
    ['fqdn:api.example.org:443', 'domain api.example.org 443/null'],
    [' shop/web ', 'any shop web'],
  ])('%s', (text, expected) => {
    expect(parsed(text)).toBe(expected);
  });

  test.each([
    ['', 'the endpoint is empty'],
    ['web', '`web` has no namespace before its name'],
    ['10.0.0.256', '`10.0.0.256` is no IP address'],
    ['shop/', '`shop/` has an empty part'],
    ['a/b/c/d', '`a/b/c/d` has too many parts'],
    ['shop/web:', '`shop/web:`: `` is no port'],
    ['shop/web:0', '`shop/web:0`: port `0` is not between 1 and 65535'],
    ['shop/web:65536', '`shop/web:65536`: port `65536` is not between 1 and 65535'],
    ['shop/web:80/icmp', '`shop/web:80/icmp`: `icmp` is no protocol with ports: write tcp, udp or sctp'],
    ['shop/web:80/tcp/x', '`shop/web:80/tcp/x`: `80/tcp/x` is no port'],
    ['[2001:db8::1', '`[2001:db8::1` has no closing bracket'],
    ['[2001:db8::1]443', '`[2001:db8::1]443` has text after the bracket that is no port'],
    ['[shop/web]:80', '`shop/web` is neither an IP address nor a CIDR'],
    ['fqdn:', '`` is no domain name'],
    ['fqdn:a b', '`a b` is no domain name'],
  ])('%s is refused', (text, message) => {
    expect(parsed(text)).toBe(`! ${message}`);
  });
});

const CLUSTER = `
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: shop
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, uid: u, controller: true}]
status: {podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: front-5d4f-x
  namespace: front
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: front-5d4f, uid: u, controller: true}]
---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: front-5d4f
  namespace: front
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: front, uid: u, controller: true}]
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop}
spec: {hostNetwork: true, nodeName: n1}
status: {podIP: 192.168.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: stray, namespace: shop}
spec: {hostNetwork: true, nodeName: n2}
status: {podIP: 192.168.0.2}
---
{apiVersion: v1, kind: Pod, metadata: {name: cache, namespace: shop}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: cache, namespace: shop}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: twin, namespace: shop}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: twin, namespace: shop}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: api, namespace: blog}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, externalIPs: [203.0.113.1, 192.168.0.1]}
---
{apiVersion: v1, kind: Service, metadata: {name: lonely, namespace: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: own, namespace: loop, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: own, uid: u, controller: true}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: own-2, namespace: loop, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: own, uid: u, controller: true}]}}
`;
const index = indexCluster(buildCluster(objectsIn(CLUSTER)).cluster);

function found(text: string, podFirst: boolean): string {
  const result = parseEndpoint(text);
  if (!result.ok) return `! ${result.message}`;
  const what = findEndpoint(index, result.endpoint, { podFirst });
  switch (what.kind) {
    case 'pods': {
      const workload = what.workload === null ? '-' : workloadId(what.workload);
      return `${workload} ${what.pods.map(({ name, template }) => (template ? '*' : name)).join(',')} ${what.family}`;
    }
    case 'service':
      return `svc ${what.service.name} ${what.address === null ? '-' : formatIp(what.address)}`;
    case 'node':
      return `node ${what.node.name} ${what.address === null ? '-' : formatIp(what.address)}`;
    case 'external':
      return `outside ${formatIp(what.address)}`;
    case 'range':
      return `range ${formatCidr(what.cidr)}`;
    case 'domain':
      return `domain ${what.name}`;
    case 'unknown':
      return `? ${didYouMean(what)}`;
  }
}

describe('endpoints in a cluster', () => {
  test.each([
    ['shop/web-0', 'shop/web[StatefulSet] web-0 null'],
    ['shop/web', 'shop/web[StatefulSet] web-0 null'],
    ['shop/sts/web', 'shop/web[StatefulSet] web-0 null'],
    ['shop/pod/web-0', 'shop/web[StatefulSet] web-0 null'],
    ['blog/api', 'blog/api[Deployment] * null'],
    ['svc/shop/web:80', 'svc web -'],
    ['node/n1', 'node n1 -'],
    ['10.0.0.1', 'shop/web[StatefulSet] web-0 4'],
    ['[fd00::1]:80', 'shop/web[StatefulSet] web-0 6'],
    ['10.96.0.1', 'svc web 10.96.0.1'],
    ['203.0.113.1', 'svc web 203.0.113.1'],
    // A Node's address is the node, though a pod uses it and a Service borrows it.
    ['192.168.0.1', 'node n1 192.168.0.1'],
    // Its Node is not in the input.
    ['192.168.0.2', 'shop/stray[Pod] stray 4'],
    ['198.51.100.7', 'outside 198.51.100.7'],
    ['10.0.0.0/8', 'range 10.0.0.0/8'],
    ['fqdn:example.org', 'domain example.org'],
    ['shop/deployment/cache', 'shop/cache[Deployment] * null'],
    ['shop/pod/cache', 'shop/cache[Pod] cache null'],
  ])('%s', (text, expected) => {
    expect(found(text, true)).toBe(expected);
    expect(found(text, false)).toBe(expected);
  });

  test('a name of a pod and of an unrelated workload: the pod where pods come first, else ambiguous', () => {
    expect(found('shop/cache', true)).toBe('shop/cache[Pod] cache null');
    expect(found('shop/cache', false)).toBe(
      '? `shop/cache` is the name of several things; did you mean `shop/deployment/cache` or `shop/pod/cache`?',
    );
  });

  test('a name of a pod and of its own workload', () => {
    expect(found('loop/own', true)).toBe('loop/own[ReplicaSet] own null');
    expect(found('loop/own', false)).toBe('loop/own[ReplicaSet] own,own-2 null');
  });

  test.each([
    [
      'shop/twin',
      '`shop/twin` is the name of several things; did you mean `shop/deployment/twin` or `shop/statefulset/twin`?',
    ],
    ['shop/wbe-0', 'there is no pod or workload `wbe-0` in namespace `shop`; did you mean `shop/web-0`?'],
    ['shop/lonely', 'there is no pod or workload `lonely` in namespace `shop`; did you mean `svc/shop/lonely`?'],
    ['shop/api', 'there is no pod or workload `api` in namespace `shop`; did you mean `blog/api`?'],
    [
      'shop/ds/web',
      'there is no daemonset `web` in namespace `shop`; did you mean `shop/statefulset/web` or `svc/shop/web`?',
    ],
    ['shpo/web', 'there is no namespace `shpo`; did you mean `shop/web`?'],
    ['deploy/api', '`deploy/api` has no namespace; did you mean `blog/deployment/api`?'],
    ['svc/web', '`svc/web` has no namespace; did you mean `svc/shop/web`?'],
    ['svc/shop/wbe', 'there is no Service `wbe` in namespace `shop`; did you mean `svc/shop/web`?'],
    ['svc/blog/web', 'there is no Service `web` in namespace `blog`; did you mean `svc/shop/web`?'],
    ['node/n2', 'there is no node `n2`; did you mean `node/n1`?'],
    [
      'front/rs/front-5d4f',
      'there is no replicaset `front-5d4f` in namespace `front`; did you mean `front/deployment/front`?',
    ],
    ['shop/zzzzzzzz', 'there is no pod or workload `zzzzzzzz` in namespace `shop`'],
  ])('%s is unknown', (text, message) => {
    expect(found(text, false)).toBe(`? ${message}`);
    expect(found(text, true)).toBe(`? ${message}`);
  });
});

test('one address of several pods is all of them', () => {
  const pod = (name: string): string =>
    `{apiVersion: v1, kind: Pod, metadata: {name: ${name}}, status: {podIP: 10.0.0.9}}`;
  const built = indexCluster(buildCluster(objectsIn([pod('a'), pod('b')].join('\n---\n'))).cluster);
  const result = parseEndpoint('10.0.0.9');
  const what = result.ok ? findEndpoint(built, result.endpoint, { podFirst: true }) : null;
  expect(what).toMatchObject({ kind: 'pods', workload: null, family: 4 });
  expect(what?.kind === 'pods' ? what.pods.map(({ name }) => name) : []).toEqual(['a', 'b']);
});
