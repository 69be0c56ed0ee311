import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planLab } from '../../src/lab/model-plan.ts';
import { downLab, type LabSession, upLab } from '../../src/lab/session.ts';
import { readManifests } from '../../src/manifest/read.ts';
import { type CustomResourceDefinition, type Kube, missingKube, sharedDir, startKube } from '../apiserver/kube.ts';
import { asked, downAll, missingLab, newName, output, tcp } from './labs.ts';
import { smallPlan } from './small-plan.ts';

const why = missingLab() ?? missingKube();
if (why !== null) console.log(`skipped: a lab under a real API server (${why})`);

const MORE = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shopfront, namespace: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: shopfront}}
  template:
    metadata: {labels: {app: shopfront}}
    spec:
      containers: [{name: c, image: x, ports: [{containerPort: 6060}]}]
---
apiVersion: v1
kind: Service
metadata: {name: shopfront, namespace: web}
spec:
  selector: {app: shopfront}
  ports: [{port: 60, targetPort: 6060}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-a, namespace: web}
spec:
  podSelector: {matchLabels: {app: shopfront}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: a}}}]
`;
const ADMIN = `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: not-b}
spec:
  tier: Admin
  priority: 10
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: b}}}}
  ingress: [{name: deny, action: Deny, from: [{namespaces: {}}]}]
`;

const CROWD = `
apiVersion: v1
kind: Namespace
metadata: {name: crowd}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: c, namespace: crowd}
spec:
  replicas: 3
  selector: {matchLabels: {app: c}}
  template:
    metadata: {labels: {app: c}}
    spec: {containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: c, namespace: crowd}
spec: {selector: {app: c}, ports: [{port: 80}]}
`;
const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const SMALL = join(import.meta.dirname, 'small.yaml');

interface Listed {
  readonly items: readonly { readonly metadata: { readonly name: string; readonly namespace?: string } }[];
}

describe.skipIf(why !== null)('a lab under a real API server', { timeout: 120_000 }, () => {
  let kube: Kube;
  let lab: LabSession;
  let name = '';
  const list = async (path: string): Promise<readonly string[]> =>
    ((await kube.send('GET', path)).body as Listed).items.map(({ metadata }) => metadata.name).sort();

  beforeAll(async () => {
    kube = await startKube({ name: 'labs', port: 17_330 });
    name = newName();
  }, 180_000);
  afterAll(async () => {
    lab?.close();
    await downAll();
    await kube?.down();
  });

  it('refuses to leave out a policy that the server has no kind for', async () => {
    const coming = upLab(smallPlan(ADMIN), { name, apiserver: kube.kubeconfig });
    await expect(coming).rejects.toMatchObject({ message: expect.stringContaining('no ClusterNetworkPolicy') });
    await kube.define(
      load(
        readFileSync(
          join(
            sharedDir,
            'crds/network-policy-api/v1alpha2-standard/policy.networking.k8s.io_clusternetworkpolicies.yaml',
          ),
          'utf8',
        ),
      ) as CustomResourceDefinition,
    );
  });

  /** A real control plane gives addresses in an order of its own. */
  const addressOfB = async (): Promise<string> => {
    const { pods } = await lab.status();
    return pods.find(({ id }) => id === 'web/b')?.addresses[0] ?? 'web/b has no address';
  };

  it('is its nodes: what real controllers and the real scheduler decide runs here, and is enforced', async () => {
    lab = await upLab(smallPlan(`${MORE}---${ADMIN}`), { name, apiserver: kube.kubeconfig, replicas: 3 });
    const { nodes, pods } = await lab.status();
    expect(nodes.map((node) => [node.name, node.agent.state])).toEqual([
      ['left', 'ready'],
      ['right', 'ready'],
    ]);
    expect(pods.every(({ state }) => state === 'running')).toBe(true);
    const fronts = pods.filter(({ id }) => id.startsWith('web/shopfront-'));
    expect(fronts).toHaveLength(2);
    const ready = await kube.send('GET', '/apis/apps/v1/namespaces/web/deployments/shopfront');
    expect(ready.body).toMatchObject({ status: { readyReplicas: 2 } });
    for (const front of fronts) {
      const all = front.addresses.map((address) => tcp(address, 6060));
      expect(await asked(lab, 'web/a', all)).toEqual(Array(2).fill(`allowed by ${front.id}`));
      expect(await asked(lab, 'web/c', all)).toEqual(Array(2).fill('denied'));
    }
    // The server gave the Service another address than the plan.
    const address = (await output(lab, 'web/a', 'getent', 'ahostsv4', 'shopfront')).split(' ')[0] ?? '';
    const service = await kube.send('GET', '/api/v1/namespaces/web/services/shopfront');
    expect(service.body).toMatchObject({ spec: { clusterIP: address } });
    expect((await asked(lab, 'web/a', [tcp(address, 60)]))[0]).toMatch(/^allowed by web\/shopfront-/);
    expect(await asked(lab, 'web/c', [tcp(address, 60)])).toEqual(['denied']);
    expect(await asked(lab, 'web/a', [tcp(await addressOfB(), 80)])).toEqual(['denied']);
  });

  it('follows what others change there', async () => {
    await kube.send('DELETE', '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/not-b');
    await lab.settled();
    await expect
      .poll(async () => asked(lab, 'web/a', [tcp(await addressOfB(), 80)]), { timeout: 60_000 })
      .toEqual(['allowed by web/b']);
    await kube.send('DELETE', '/api/v1/namespaces/web/pods/c');
    await expect
      .poll(async () => (await lab.status()).pods.some(({ id }) => id === 'web/c'), { timeout: 60_000 })
      .toBe(false);
  }, 240_000);

  it('takes back what it made', async () => {
    lab.close();
    expect(await downLab(name)).toBe(true);
    expect(await list('/api/v1/nodes')).toEqual([]);
    expect(await list('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases')).toEqual([]);
    await expect.poll(() => list('/api/v1/pods'), { timeout: 60_000 }).toEqual([]);
    await expect.poll(() => list('/api/v1/namespaces'), { timeout: 60_000 }).not.toContain('web');
    expect(await list('/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies')).toEqual([]);
    expect(await list('/apis/networking.k8s.io/v1/networkpolicies')).toEqual([]);
  });

  it('brings its own DNS where the manifests have none, and no two pods have one address', async () => {
    name = newName();
    const inputs = [{ file: 'shop.yaml', bytes: new TextEncoder().encode(CROWD) }];
    lab = await upLab(planLab(readManifests(inputs).objects), { name, apiserver: kube.kubeconfig });
    const { pods } = await lab.status();
    expect(pods.map(({ id, state }) => [id.replace(/-.*/, ''), state]).sort()).toEqual([
      ['crowd/c', 'running'],
      ['crowd/c', 'running'],
      ['crowd/c', 'running'],
      ['kube', 'running'],
    ]);
    const addresses = pods.flatMap((pod) => pod.addresses);
    expect(new Set(addresses).size).toBe(addresses.length);
    const first = pods.find(({ id }) => id.startsWith('crowd/'))?.id ?? '';
    expect(await output(lab, first, 'getent', 'hosts', 'c')).toContain('c.crowd.svc.cluster.local');
    lab.close();
    await downLab(name);
    expect(await list('/api/v1/nodes')).toEqual([]);
  });

  it.each([100, 500, 1000, 2000, 3500])('takes back what it made when it is called off after %s ms', async (ms) => {
    name = newName();
    const coming = upLab(smallPlan(MORE), { name, apiserver: kube.kubeconfig, signal: AbortSignal.timeout(ms) });
    await coming.then((early) => early.close()).catch(() => undefined);
    await downLab(name);
    expect(await list('/api/v1/nodes')).toEqual([]);
    const label = `labelSelector=rampart.dev%2Flab%3D${name}`;
    expect(await list(`/apis/apps/v1/deployments?${label}`)).toEqual([]);
    await expect.poll(() => list(`/api/v1/namespaces?${label}`), { timeout: 60_000 }).toEqual([]);
  });

  it('takes back what it made when whoever made it is killed', async () => {
    name = newName();
    const args = ['lab', 'run', '-f', SMALL, '--name', name, '--apiserver', kube.kubeconfig];
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: 'ignore' });
    await expect.poll(() => list('/api/v1/nodes'), { timeout: 60_000, interval: 20 }).toContain('left');
    child.kill('SIGKILL');
    await expect.poll(() => list('/api/v1/nodes'), { timeout: 60_000 }).toEqual([]);
  });
});
