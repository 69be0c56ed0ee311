/** `rampart probe` on a real Kubernetes: first nobody enforces policies, then agents do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOP } from '../support/source-files.ts';
import { AGNHOST, missingCluster, type NodeCluster, startNodes, until } from './cluster.ts';
import { AGENT, type Installation, install, NAMESPACE } from './install.ts';

const why = missingCluster();
if (why !== null) console.log(`skipped: probes of a Kubernetes with nodes, since ${why}`);

const MAIN = join(TOP, 'src/cli/main.ts');
const SPACE = 'probed';
const NODES = ['node1', 'node2'];

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Nobody but a probe may send to the pods of `db`, and only `web` may; `eager` is sent to although it is not ready. */
function deployment(name: string): object {
  const container = {
    name: 'c',
    image: AGNHOST,
    args: ['netexec', '--http-port=8080', '--udp-port=8081'],
    ports: [{ containerPort: 8080 }, { containerPort: 8081, protocol: 'UDP' }],
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: SPACE },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 0,
          securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [container],
        },
      },
    },
  };
}

function service(name: string, spec: object): object {
  const ports = [{ port: 80, targetPort: 8080 }];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: SPACE },
    spec: { selector: { app: name }, ports, ...spec },
  };
}

const OBJECTS: readonly object[] = [
  {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: SPACE, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  },
  deployment('web'),
  deployment('db'),
  deployment('eager'),
  service('web', {}),
  service('db', {}),
  service('eager', { publishNotReadyAddresses: true }),
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'db', namespace: SPACE },
    spec: {
      podSelector: { matchLabels: { app: 'db' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 8080 }] }],
    },
  },
];

interface PodJson {
  readonly metadata: { readonly ownerReferences: readonly { readonly kind: string }[] };
  readonly status: { readonly podIP?: string };
}

interface ProbeJson {
  readonly flows: readonly Readonly<Record<string, unknown>>[];
  readonly skipped: readonly { readonly because: string }[];
  readonly disagreements: number;
}

/** What a failed run has to say, without the flows that went well. */
function brief({ out, err }: Ran): string {
  const lines = out.split('\n').filter((line) => !line.includes('"agrees":true'));
  return `${err}${lines.join('\n').slice(0, 3000)}`;
}
describe.skipIf(why !== null)('rampart probe on a real Kubernetes', () => {
  let cluster: NodeCluster | null = null;
  const get = (): NodeCluster => {
    if (cluster === null) throw new Error('no cluster');
    return cluster;
  };
  const start = (...args: readonly string[]): { readonly child: ChildProcess; readonly ran: Promise<Ran> } => {
    const child = spawn(process.execPath, [MAIN, 'probe', ...args], {
      env: get().env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 150_000,
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    return { child, ran: new Promise((done) => child.on('close', (code) => done({ code, out, err }))) };
  };
  const probe = (...args: readonly string[]): Promise<Ran> => start(...args).ran;
  const json = (ran: Ran): ProbeJson => {
    if (!ran.out.startsWith('{')) throw new Error(`no JSON, but ${ran.out}${ran.err}`);
    return JSON.parse(ran.out) as ProbeJson;
  };
  const made = async (): Promise<string> =>
    (await get().kubectl('get', 'ns,pods,cm,netpol', '-A', '-l', 'rampart.dev/probe', '-o', 'name')).trim();
  const flow = (report: ProbeJson, src: string, dst: string, port: number): Readonly<Record<string, unknown>> => {
    const find = (end: string): string => `${SPACE}/deployment/${end}`;
    const found = report.flows.find((one) => one.src === find(src) && one.dst === find(dst) && one.port === port);
    if (found === undefined) throw new Error(`${src} → ${dst} ${port} is not among ${JSON.stringify(report.flows)}`);
    return found;
  };

  beforeAll(async () => {
    // Beside the cluster of the other tests.
    process.env.RAMPART_KUBE_NAME = 'probe';
    process.env.RAMPART_KUBE_PORT = '17850';
    process.env.RAMPART_KUBE_NET4 = '10.219';
    process.env.RAMPART_KUBE_NET6 = 'fd10:219';
    cluster = await startNodes({
      cni: process.env.RAMPART_E2E_CNI === 'bridge' ? 'bridge' : 'ptp',
      nodes: NODES.length,
    });
    await cluster.apply(...OBJECTS);
    for (const name of ['web', 'db', 'eager']) {
      await cluster.kubectl('-n', SPACE, 'rollout', 'status', `deployment/${name}`, '--timeout=90s');
    }
  }, 400_000);

  afterAll(async () => {
    await cluster?.down();
  }, 120_000);

  describe('where nobody enforces policies', () => {
    it('says so, with exit code 2, for every way', async () => {
      const ran = await probe('--smoke', '--image', AGNHOST, '-o', 'json');
      expect(ran.code, ran.err).toBe(2);
      const report = JSON.parse(ran.out) as { enforced: string; checks: Record<string, unknown>[]; seconds: number };
      expect(report.enforced).toBe('no');
      const ways = report.checks.map((one) => [one.direction, one.protocol, one.family, one.placement].join(' '));
      expect(new Set(ways).size).toBe(16);
      expect(report.checks.map((one) => [one.without, one.denied, one.after, one.enforced])).toEqual(
        Array.from({ length: 16 }, () => ['allowed', 'allowed', 'allowed', 'no']),
      );
      expect(report.seconds).toBeLessThan(60);
      expect(await until(30, made, (left) => left === '')).toBe('');
    }, 180_000);

    it('finds the flow that should be denied, from pods that are admitted under the restricted standard', async () => {
      const ran = await probe('-n', SPACE, '--image', AGNHOST, '-o', 'json');
      expect(ran.code, ran.err).toBe(2);
      const report = json(ran);
      expect(flow(report, 'web', 'db', 8080)).toMatchObject({ verdict: 'allowed', observed: 'allowed', agrees: true });
      expect(flow(report, 'web', 'db', 8081)).toMatchObject({
        verdict: 'denied',
        observed: 'allowed',
        agrees: false,
        rounds: 3,
      });
      expect(report.disagreements).toBe(1);
      // A Service that sends to pods that are not ready would send to a pod that stands in.
      expect(report.skipped.map(({ because }) => because)).toEqual([expect.stringContaining('Service `probed/eager`')]);
      expect(await made()).toBe('');
    }, 180_000);
  });

  describe('while it runs', () => {
    it('disturbs neither Services nor controllers', async () => {
      const { ran } = start('-n', SPACE, '--image', AGNHOST, '-o', 'json');
      const pods = async (): Promise<readonly PodJson[]> => {
        const text = await get().kubectl('-n', SPACE, 'get', 'pods', '-l', 'rampart.dev/probe', '-o', 'json');
        return (JSON.parse(text) as { items: PodJson[] }).items;
      };
      const addressed = (items: readonly PodJson[]): readonly string[] =>
        items.flatMap(({ status }) => (status.podIP === undefined ? [] : [status.podIP]));
      const seen = await until(60, pods, (items) => addressed(items).length === 2);
      const own = addressed(seen);
      expect(own).toHaveLength(2);
      const slices = JSON.parse(await get().kubectl('-n', SPACE, 'get', 'endpointslices', '-o', 'json')) as {
        items: { endpoints: { addresses: string[]; conditions: { ready: boolean; serving: boolean } }[] }[];
      };
      const endpoints = slices.items.flatMap((slice) => slice.endpoints ?? []);
      expect(endpoints.filter(({ conditions }) => conditions.ready)).toHaveLength(6);
      const ours = endpoints.filter(({ addresses }) => addresses.some((address) => own.includes(address)));
      expect(ours.filter(({ conditions }) => conditions.ready || conditions.serving)).toEqual([]);
      const owners = seen.map(({ metadata }) => metadata.ownerReferences.map(({ kind }) => kind));
      expect(owners).toEqual([['ConfigMap'], ['ConfigMap']]);
      const sets = JSON.parse(await get().kubectl('-n', SPACE, 'get', 'replicasets', '-o', 'json')) as {
        items: { status: { replicas: number } }[];
      };
      expect(sets.items.map(({ status }) => status.replicas)).toEqual([2, 2, 2]);
      expect((await ran).code).toBe(2);
      const real = await get().kubectl('-n', SPACE, 'get', 'pods', '-o', 'name');
      expect(real.trim().split('\n')).toHaveLength(6);
    }, 180_000);

    it('removes what it made when it is interrupted', async () => {
      const { child, ran } = start('-n', SPACE, '--image', AGNHOST);
      expect(await until(30, made, (there) => there.includes('pod/'))).toContain('pod/');
      child.kill('SIGINT');
      const { code, err } = await ran;
      expect([code, err]).toEqual([1, expect.stringContaining('interrupted; what the probe made is removed')]);
      expect(await made()).toBe('');
    }, 120_000);

    it('leaves to --cleanup what a killed one made', async () => {
      const { child, ran } = start('-n', SPACE, '--image', AGNHOST);
      expect(await until(30, made, (there) => there.includes('pod/'))).toContain('pod/');
      child.kill('SIGKILL');
      await ran;
      expect(await made()).toContain('configmap/');
      const { code, out } = await probe('--cleanup');
      expect([code, out]).toEqual([0, expect.stringMatching(/^removed [1-9]/m)]);
      expect(await until(10, made, (left) => left === '')).toBe('');
    }, 120_000);

    it('says which image could not be had', async () => {
      const ran = await probe('--smoke', '--image', 'localhost/there-is-none:1');
      expect(ran.code).toBe(1);
      expect(ran.err).toContain('does not run: ');
      expect(ran.err).toContain('choose another with --image');
      expect(await until(30, made, (left) => left === '')).toBe('');
    }, 120_000);
  });

  describe('where agents enforce them', () => {
    let installation: Installation | null = null;
    /** Tables of nftables on both nodes. */
    const tables = (): Promise<readonly string[]> =>
      Promise.all(NODES.map(async (node) => (await get().onNode(node, 'nft', 'list', 'tables')).stdout));
    let before: readonly string[] = [];

    beforeAll(async () => {
      before = await tables();
      // The chart is what the other tests of a cluster install.
      installation = await install(get(), NODES, 'kustomize');
    }, 300_000);

    it('says so, with exit code 0, for every way', async () => {
      const ran = await probe('--smoke', '--image', AGNHOST, '-o', 'json');
      expect(ran.code, brief(ran)).toBe(0);
      const report = JSON.parse(ran.out) as { enforced: string; checks: Record<string, unknown>[]; seconds: number };
      expect(report.checks.map((one) => [one.without, one.denied, one.after, one.enforced])).toEqual(
        Array.from({ length: 16 }, () => ['allowed', 'denied', 'allowed', 'yes']),
      );
      expect(report.enforced).toBe('yes');
      expect(report.seconds).toBeLessThan(60);
    }, 180_000);

    it('agrees with the policies, from probe pods', async () => {
      const ran = await probe('-n', SPACE, '--image', AGNHOST, '-o', 'json');
      expect(ran.code, brief(ran)).toBe(0);
      const report = json(ran);
      expect(flow(report, 'web', 'db', 8080)).toMatchObject({ observed: 'allowed', agrees: true });
      // Nobody may send to it over UDP, so silence cannot be told from a program that does not answer.
      expect(flow(report, 'web', 'db', 8081)).toMatchObject({ observed: 'error', agrees: true });
      expect(flow(report, 'web', 'db', 8081).unverifiable).toContain('UDP');
      expect(flow(report, 'db', 'web', 8081)).toMatchObject({ observed: 'allowed', agrees: true });
    }, 180_000);

    it('agrees with the policies, from the pods themselves', async () => {
      const pairs = ['--from', `${SPACE}/web`, '--from', `${SPACE}/eager`, '--to', `${SPACE}/db`, '--port', '8080'];
      const ran = await probe('--via', 'exec', ...pairs, '-o', 'json');
      expect(ran.code, brief(ran)).toBe(0);
      expect(json(ran).flows.map(({ src, observed, agrees }) => [src, observed, agrees])).toEqual([
        [`${SPACE}/web`, 'allowed', true],
        [`${SPACE}/eager`, 'denied', true],
      ]);
      expect(await made()).toBe('');
    }, 180_000);

    it('runs from the registry that the kustomization names', async () => {
      const images = '-o=jsonpath={..image}';
      const pods = await get().kubectl('-n', NAMESPACE, 'get', 'daemonset', AGENT, images);
      expect(new Set(pods.split(' '))).toEqual(new Set(['registry.example/rampart:0.1.0']));
    });

    it('is gone from nodes and cluster after the kustomization that cleans up', async () => {
      expect(await tables()).not.toEqual(before);
      await installation?.uninstall();
      expect(await tables()).toEqual(before);
      const kinds = 'clusterroles,clusterrolebindings,namespaces';
      const names = await get().kubectl('get', kinds, '-o', 'name');
      expect(names.split('\n').filter((name) => name.includes('rampart'))).toEqual([]);
    }, 300_000);
  });
});
