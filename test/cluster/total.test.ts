import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildCluster } from '../../src/cluster/build.ts';
import { indexCluster } from '../../src/cluster/cluster-index.ts';
import { parseEndpoint } from '../../src/cluster/endpoint-text.ts';
import { findEndpoint } from '../../src/cluster/find.ts';
import type { Json, JsonObject, KubeObject } from '../../src/manifest/object.ts';

const TYPES = [
  'v1/Namespace',
  'v1/Node',
  'v1/Pod',
  'v1/Service',
  'v1/Endpoints',
  'v1/ReplicationController',
  'apps/v1/Deployment',
  'apps/v1/ReplicaSet',
  'apps/v1/StatefulSet',
  'batch/v1/Job',
  'batch/v1/CronJob',
  'argoproj.io/v1alpha1/Rollout',
  'monitoring.coreos.com/v1/Prometheus',
  'monitoring.coreos.com/v1/Alertmanager',
  'discovery.k8s.io/v1/EndpointSlice',
  'networking.k8s.io/v1/Ingress',
  'route.openshift.io/v1/Route',
  'gateway.networking.k8s.io/v1/HTTPRoute',
  'gateway.networking.k8s.io/v1/ReferenceGrant',
  'example.org/v1/Widget',
];

/** Field names that the readers look for, so that random trees get deep. */
const KEYS = [
  'metadata',
  'labels',
  'ownerReferences',
  'controller',
  'kind',
  'name',
  'namespace',
  'apiVersion',
  'spec',
  'template',
  'jobTemplate',
  'containers',
  'initContainers',
  'restartPolicy',
  'ports',
  'port',
  'containerPort',
  'targetPort',
  'protocol',
  'hostPort',
  'hostNetwork',
  'nodeName',
  'status',
  'phase',
  'podIP',
  'podIPs',
  'ip',
  'hostIPs',
  'addresses',
  'address',
  'type',
  'selector',
  'clusterIP',
  'clusterIPs',
  'externalIPs',
  'ipFamilies',
  'loadBalancer',
  'ingress',
  'subsets',
  'endpoints',
  'targetRef',
  'addressType',
  'rules',
  'http',
  'paths',
  'backend',
  'service',
  'number',
  'to',
  'from',
  'alternateBackends',
  'weight',
  'backendRefs',
  'filters',
  'requestMirror',
  'backendRef',
  'parentRefs',
  'shards',
  'replicas',
  'podMetadata',
  'conditions',
  '__proto__',
  'constructor',
  'toString',
];

const scalar = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    false,
    0,
    80,
    -1,
    80.5,
    1e300,
    '',
    'a',
    'web',
    'TCP',
    'None',
    'Always',
    'Service',
    'Pod',
    '10.0.0.1',
    '::1',
    'IPv6',
    '1.2.3.4.5',
  ),
  fc.string(),
);
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 7, withCrossShrink: true },
    scalar,
    fc.array(tie('json'), { maxLength: 3 }),
    fc.array(fc.tuple(fc.constantFrom(...KEYS), tie('json')), { maxLength: 5 }).map(jsonObject),
  ),
}));

/** Own properties only, `__proto__` included, as JSON.parse makes them. */
function jsonObject(entries: readonly (readonly [string, Json])[]): JsonObject {
  const out: Record<string, Json> = {};
  for (const [key, value] of entries) {
    Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return out;
}

const object: fc.Arbitrary<KubeObject> = fc
  .record({
    type: fc.constantFrom(...TYPES),
    namespace: fc.constantFrom(null, 'a', 'b', '__proto__'),
    name: fc.constantFrom('a', 'web', 'constructor', ''),
    metadata: json,
    spec: json,
    status: json,
    endpoints: json,
  })
  .map(({ type, namespace, name, ...value }) => {
    const slash = type.lastIndexOf('/');
    const ref = { apiVersion: type.slice(0, slash), kind: type.slice(slash + 1), namespace, name, source: null };
    return { ref, value: { ...value, subsets: value.endpoints, ports: value.endpoints } };
  });

describe('total on any JSON', () => {
  test('a cluster comes out, every pod in one workload, and what is refused is not in it', () => {
    let refusals = 0;
    let pods = 0;
    fc.assert(
      fc.property(fc.array(object, { maxLength: 8 }), (objects) => {
        const { cluster, diagnostics } = buildCluster(objects);
        const all = cluster.workloads.flatMap((workload) => workload.pods);
        expect(new Set(all).size).toBe(all.length);
        expect(cluster.workloads.every((workload) => workload.pods.length > 0)).toBe(true);
        for (const pod of all) expect(cluster.namespaces.has(pod.namespace)).toBe(true);
        for (const service of cluster.services) expect(Array.isArray(service.backends)).toBe(true);
        const refused = new Set(diagnostics.filter((one) => one.refused).map((one) => one.origin?.object));
        for (const pod of all) expect(refused.has(pod.origin.object)).toBe(false);
        indexCluster(cluster);
        refusals += refused.size;
        pods += all.length;
      }),
      { numRuns: 1500, seed: 7 },
    );
    // The trees must be neither all refused nor all trivial, or the test says nothing.
    expect(refusals).toBeGreaterThan(100);
    expect(pods).toBeGreaterThan(100);
  });

  test('any text is an endpoint or says why it is none', () => {
    const index = indexCluster(buildCluster([]).cluster);
    const piece = fc.constantFrom(
      'a',
      '/',
      ':',
      '[',
      ']',
      '10.0.0.1',
      '::1',
      '24',
      'svc',
      'fqdn:',
      'udp',
      '.',
      '80',
      ' ',
    );
    const texts = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 7 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const result = parseEndpoint(text);
        if (result.ok) findEndpoint(index, result.endpoint, { podFirst: false });
        else expect(result.message).not.toBe('');
      }),
      { numRuns: 2000, seed: 7 },
    );
  });
});
