import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingCluster, type NodeCluster, startNodes } from './cluster.ts';
import { buildConformance, runConformance } from './conformance.ts';
import { findHelm, type Installation, install, NAMESPACE } from './install.ts';
import { ALL, CONFORMANCE, FEW, PARTS } from './specs.ts';
import { health, kubernetesItself, nodesComeAndGo, rights, settings, upgrade } from './suites-cluster.ts';
import { mistakes } from './suites-helm.ts';
import { dualStack, hostNetwork, nodePorts } from './suites-traffic.ts';
import { focusOf, runUpstream, type SpecResult } from './upstream.ts';

const why = missingCluster();
if (why !== null) console.log(`skipped: Rampart is tried on a Kubernetes with nodes, and ${why}`);
const helm = findHelm();
if (helm === null)
  console.log('there is no Helm: the chart is installed by its kustomize form, and upgrades are skipped');

const cni = process.env.RAMPART_E2E_CNI === 'bridge' ? 'bridge' : 'ptp';
/** `few`, `all`, `none`, or a regular expression. */
const specs = process.env.RAMPART_E2E_SPECS ?? 'few';
/** Most of a test is waiting: several at a time take the time of one. */
const FEW_SHARES = [0, 1, 2].map((share) => focusOf(FEW.filter((_, i) => i % 3 === share)));
/** What the init container of the chart sets. */
const BRIDGED = ['net.bridge.bridge-nf-call-iptables', 'net.bridge.bridge-nf-call-ip6tables'];
const NODES = ['node1', 'node2'];

describe.skipIf(why !== null)(`Rampart on a real Kubernetes (${cni})`, () => {
  let cluster: NodeCluster | null = null;
  let installation: Installation | null = null;
  let before: readonly string[] = [];
  const get = (): NodeCluster => {
    if (cluster === null) throw new Error('no cluster');
    return cluster;
  };
  const installed = (): Installation => {
    if (installation === null) throw new Error('not installed');
    return installation;
  };
  /** What the nodes have of nftables and of interfaces. */
  const traces = async (): Promise<readonly string[]> =>
    Promise.all(
      NODES.map(async (node) => {
        const tables = await get().onNode(node, 'nft', 'list', 'tables');
        const rules = await get().onNode(node, 'ip', 'rule');
        return tables.stdout + rules.stdout;
      }),
    );

  beforeAll(async () => {
    cluster = await startNodes({ cni, nodes: NODES.length });
    before = await traces();
    // As it is where nobody has needed it before: policies do not bind pods that a bridge connects.
    for (const node of NODES) await cluster.onNode(node, 'sysctl', '-w', ...BRIDGED.map((name) => `${name}=0`));
    installation = await install(cluster, NODES);
  }, 400_000);

  afterAll(async () => {
    if (process.env.RAMPART_E2E_KEEP !== '1') await cluster?.down();
  }, 120_000);

  it('has made nodes ready for it', async () => {
    for (const node of NODES) {
      const { stdout } = await get().onNode(node, 'sysctl', '-n', ...BRIDGED);
      expect([node, stdout]).toEqual([node, '1\n1\n']);
    }
  });

  nodePorts(get);
  hostNetwork(get);
  dualStack(get);
  kubernetesItself(get);
  rights(get);
  health(get);

  describe.skipIf(specs === 'none')("Kubernetes' own suite", () => {
    let results: readonly SpecResult[] = [];
    beforeAll(async () => {
      const shares = specs === 'few' ? FEW_SHARES : specs === 'all' ? PARTS : [specs];
      results = (await Promise.all(shares.map((focus) => runUpstream(get(), focus)))).flat();
    }, 7_200_000);

    it('has run as many tests as were asked for', () => {
      const wanted = specs === 'few' ? FEW.length : specs === 'all' ? ALL : 1;
      expect(new Set(results.map(({ name }) => name)).size).toBeGreaterThanOrEqual(wanted);
    });
    if (specs === 'few') {
      it.each(FEW)('%s', (name) => {
        const result = results.find((one) => one.name === name);
        expect(result?.passed === true ? 'passed' : (result?.log ?? 'did not run')).toBe('passed');
      });
    } else {
      it('passes whole', () => {
        for (const { name, seconds, passed } of results)
          console.log(`${passed ? 'passed' : 'FAILED'} ${name} (${seconds} s)`);
        expect(results.filter(({ passed }) => !passed).map(({ name, log }) => `${name}: ${log}`)).toEqual([]);
      });
    }
  });

  describe.skipIf(process.env.RAMPART_E2E_CONFORMANCE !== '1')('the conformance suite of ClusterNetworkPolicy', () => {
    it('passes', async (context) => {
      const built = await buildConformance();
      if ('missing' in built) return context.skip(built.missing);
      const { results, leftOut, output } = await runConformance(get(), NODES, built.folder);
      if (leftOut > 0) console.log(`${leftOut} attempts by SCTP were left out: this kernel has none`);
      const tops = results.filter(({ name }) => !name.includes('/'));
      for (const { name, passed } of tops) console.log(`${passed ? 'passed' : 'FAILED'} ${name}`);
      expect(results.filter(({ passed }) => !passed).map(({ name }) => name)).toEqual([]);
      expect(tops.length, output.slice(-4000)).toBeGreaterThanOrEqual(CONFORMANCE);
    }, 3_600_000);
  });

  nodesComeAndGo(get, installed);
  describe.skipIf(helm === null)('with Helm', () => {
    settings(get, installed);
    upgrade(get, installed);
    mistakes(get, installed);
  });

  it('leaves nothing on nodes and in the cluster', async () => {
    expect(await traces()).not.toEqual(before);
    await installed().uninstall();
    await sleep(1000);
    expect(await traces()).toEqual(before);
    const kinds = 'clusterroles,clusterrolebindings';
    const left = await get().kubectl('get', kinds, '-l', 'app.kubernetes.io/part-of=rampart', '-o', 'name');
    const spaced = await get().kubectl('-n', NAMESPACE, 'get', 'ds,sa,cm,netpol', '-o', 'name');
    const ours = spaced.split('\n').filter((name) => name.includes('rampart'));
    expect([left.trim(), ours]).toEqual(['', []]);
  }, 300_000);
});
