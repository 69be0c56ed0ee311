import { describe, expect, test } from 'vitest';
import { indexCluster } from '../../src/cluster/cluster-index.ts';
import { parseEndpoint } from '../../src/cluster/endpoint-text.ts';
import { findEndpoint } from '../../src/cluster/find.ts';
import { type AskedEnd, answerQuestion } from '../../src/engine/explain/answer.ts';
import { prepareExplain } from '../../src/engine/explain/prepare.ts';
import { factsOf } from '../../src/engine/match.ts';
import { inputOf } from '../../src/input/input.ts';
import { readManifests } from '../../src/manifest/read.ts';

/** Two nodes, a pod on the first, a NodePort Service in front of it, and a policy that admits one client network. */
function answer(policy: 'Cluster' | 'Local', source: string, destination: string, port: number) {
  const text = `
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 10.0.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: c, image: i}]}
status: {phase: Running, podIPs: [{ip: 10.244.0.5}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec: {nodeName: n1, containers: [{name: c, image: i}]}
status: {phase: Running, podIPs: [{ip: 10.244.0.6}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: NodePort
  externalTrafficPolicy: ${policy}
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 8080}]}]
`;
  const { cluster, program } = inputOf(readManifests([{ file: 'np.yaml', text }]).objects);
  const index = indexCluster(cluster);
  const find = (written: string): AskedEnd => {
    const parsed = parseEndpoint(written);
    if (!parsed.ok) throw new Error(parsed.message);
    const found = findEndpoint(index, parsed.endpoint, { podFirst: true });
    if (found.kind === 'unknown') throw new Error(found.message);
    return found;
  };
  return answerQuestion(prepareExplain(program, factsOf(cluster)), {
    source: find(source),
    destination: find(destination),
    protocol: 'TCP',
    port,
    direction: null,
  });
}

describe('NodePorts', () => {
  test('S6.2 with Cluster the backend sees the node: its own is always let in, another is not', () => {
    expect(answer('Cluster', '203.0.113.7', '10.0.0.1', 30080).verdict).toBe('allowed');
    const elsewhere = answer('Cluster', '203.0.113.7', '10.0.0.2', 30080);
    expect(elsewhere.verdict).toBe('denied');
    expect(elsewhere.ingress?.decidedBy).toBe('NetworkPolicy/shop/web');
    expect(elsewhere.caveats.join()).toContain('port 80 of Service `shop/web`');
  });

  test('S6.2 with Local the backend sees the client, and only nodes with a backend answer', () => {
    expect(answer('Local', '203.0.113.7', '10.0.0.1', 30080).ingress?.decidedBy).toBe(
      'NetworkPolicy/shop/web#ingress[0]',
    );
    expect(answer('Local', '198.51.100.9', '10.0.0.1', 30080).verdict).toBe('denied');
    const elsewhere = answer('Local', '203.0.113.7', '10.0.0.2', 30080);
    expect(elsewhere.verdict).toBe('undefined');
    expect(elsewhere.undefinedBecause).toContain('no backend on node `n2`');
  });

  test('S7.6 other ports are the node itself', () => {
    expect(answer('Cluster', '203.0.113.7', '10.0.0.2', 22)).toMatchObject({ verdict: 'allowed', caveats: [] });
  });

  test('S6.2 of a pod only the way to the node is judged', () => {
    const inside = answer('Cluster', 'shop/client', '10.0.0.2', 30080);
    expect(inside.verdict).toBe('allowed');
    expect(inside.caveats.join()).toContain('not what its backends admit');
  });
});
