import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conditionPatch, takeBackConditions } from '../../src/agent/conditions.ts';
import { openLog } from '../../src/agent/log.ts';
import type { Committed } from '../../src/agent/observer.ts';
import { type AgentState, agentState } from '../../src/agent/state.ts';
import { type Announcer, type AnnouncerOptions, policyAnnouncer } from '../../src/agent/status.ts';
import { taintRemover } from '../../src/agent/taint.ts';
import { type KubeClient, openClient } from '../../src/io/kube-client.ts';
import { connect } from '../../src/io/kubeconfig.ts';
import { type Follower, follow } from '../../src/io/watch.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import { objectsOf } from '../deploy/helm.ts';
import { readText } from '../support/source-files.ts';
import { startCluster, type TestCluster } from './cluster.ts';
import { type CustomResourceDefinition, missingKube, sharedDir } from './kube.ts';

const why = missingKube();
if (why !== null) console.log(`skipped: what agents write is taken by a real API server, and ${why}`);

const POLICY_CRD = join(
  sharedDir,
  'crds/network-policy-api/v1alpha2-standard/policy.networking.k8s.io_clusternetworkpolicies.yaml',
);
const CNPS = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';
const GUARD = 'ClusterNetworkPolicy/guard';
const NODES = Array.from({ length: 30 }, (_, i) => `node-${i}.example.org`);
const COMMITTED: Committed = {
  changes: 0,
  tightens: false,
  replaced: false,
  compileMs: 0,
  nftMs: 0,
  latencies: [],
  events: 0,
  sinceCreation: [],
};

describe.skipIf(why !== null)('what agents write to a real API server', () => {
  let cluster: TestCluster;
  let client: KubeClient;
  let follower: Follower;
  let state: AgentState;
  const warnings: string[] = [];
  const log = openLog('debug', null, (line) => warnings.push(line));

  beforeAll(async () => {
    cluster = await startCluster('n2w', 17300);
    client = openClient(await connect({ kubeconfig: cluster.kubeconfig }));
    await cluster.kube.define(load(readFileSync(POLICY_CRD, 'utf8')) as CustomResourceDefinition);
    const policy = {
      apiVersion: 'policy.networking.k8s.io/v1alpha2',
      kind: 'ClusterNetworkPolicy',
      metadata: { name: 'guard' },
      spec: {
        tier: 'Admin',
        priority: 10,
        subject: { namespaces: {} },
        ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }],
      },
    };
    await cluster.create([{ path: CNPS, object: policy }]);
    state = agentState({ node: 'n1' });
    follower = follow(client, { resources: ['clusternetworkpolicies'] }, (event) => {
      state.take(event);
    });
    await follower.ready;
    state.drain();
  });
  afterAll(async () => {
    await follower?.stop();
    client?.close();
    await cluster?.stop();
  });

  const announcer = (node: string, own: KubeClient = client, more: Partial<AnnouncerOptions> = {}): Announcer =>
    policyAnnouncer({
      client: own,
      node,
      log,
      enabled: true,
      find: (id) => state.policyObject(id),
      marked: () => state.markedPolicies(),
      gone: () => false,
      spreadMs: () => 60 * NODES.length * 2,
      ...more,
    });

  async function conditions(): Promise<readonly string[]> {
    const { body } = await client.get(`${CNPS}/guard`);
    const { status } = body as { readonly status?: { readonly conditions?: readonly { readonly type: string }[] } };
    return (status?.conditions ?? []).map(({ type }) => type);
  }

  it('are an event of each node, and conditions of a few that go again', async () => {
    const foreign = {
      conditions: [
        { type: 'Accepted', status: 'True', reason: 'R', message: '', lastTransitionTime: new Date().toISOString() },
      ],
    };
    await client.send(
      'PATCH',
      `${CNPS}/guard/status`,
      { status: foreign } as JsonObject,
      'application/merge-patch+json',
    );
    const all = NODES.map((node) => announcer(node));
    for (const { observer } of all) observer.policyFailed(GUARD, `nft refuses: ${'ä'.repeat(3000)}`);
    const events = async (): Promise<number> => {
      const { body } = await client.get('/api/v1/namespaces/default/events');
      const { items } = body as unknown as { items: { reason: string; involvedObject: { name: string } }[] };
      return items.filter(
        ({ reason, involvedObject }) => reason === 'EnforcementFailed' && involvedObject.name === 'guard',
      ).length;
    };
    await expect.poll(events, { timeout: 20_000 }).toBe(NODES.length);
    await sleep(3600);
    const marked = await conditions();
    expect(marked.filter((type) => type.startsWith('rampart.dev/enforced.node-')).length).toBeGreaterThanOrEqual(8);
    // Those that were under way when the eighth was seen come on top.
    expect(marked.length).toBeLessThan(20);
    expect(marked).toContain('Accepted');
    // An agent that ended with its word on the policy, and its successor.
    const left = NODES.find((node) => marked.includes(`rampart.dev/enforced.${node}`)) ?? '';
    const successor = announcer(left);
    for (const [i, { observer }] of all.entries()) if (NODES[i] !== left) observer.policyHealed(GUARD);
    await expect.poll(conditions, { timeout: 20_000 }).toEqual(['Accepted', `rampart.dev/enforced.${left}`]);
    await expect.poll(() => [...state.markedPolicies().values()].map(({ marks }) => marks)).toEqual([[left]]);
    successor.observer.committed(COMMITTED);
    await expect.poll(conditions, { timeout: 20_000 }).toEqual(['Accepted']);
    for (const each of [...all, successor]) each.stop();
    expect(warnings).toEqual([]);
  }, 90_000);

  it('are taken back of nodes that are gone and of those that are cleaned up, with the rights that deploy/ gives', async () => {
    await cluster.create([
      { path: '/api/v1/namespaces', object: { metadata: { name: 'rampart-system' } } },
      { path: '/api/v1/nodes', object: { metadata: { name: 'there' } } },
    ]);
    const paths = new Map([
      ['ServiceAccount', '/api/v1/namespaces/rampart-system/serviceaccounts'],
      ['ClusterRole', '/apis/rbac.authorization.k8s.io/v1/clusterroles'],
      ['ClusterRoleBinding', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings'],
    ]);
    const rights = objectsOf(readText('deploy/kustomize/base/agent.yaml')).flatMap((object) => {
      const path = paths.get(object.kind);
      return path === undefined ? [] : [{ path, object }];
    });
    expect(rights).toHaveLength(3);
    await cluster.create(rights);
    const account = '/api/v1/namespaces/rampart-system/serviceaccounts/rampart-agent/token';
    const issued = await cluster.kube.send('POST', account, { spec: { expirationSeconds: 3600 } });
    const { token } = (issued.body as { readonly status: { readonly token: string } }).status;
    const own = openClient(await connect({ kubeconfig: cluster.kubeconfigFor(token, 'agent') }));
    const guard = { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', name: 'guard' };
    const borne = ['there', 'gone.example.org', 'gone'].map((name) => `rampart.dev/enforced.${name}`);
    for (const name of ['there', 'gone.example.org', 'gone']) {
      const patch = conditionPatch(guard, name, 'no');
      await own.send('PATCH', patch?.path ?? '', patch?.body, 'application/apply-patch+yaml');
    }
    expect((await conditions()).slice(1)).toEqual(borne);
    await expect.poll(() => state.policyObject(GUARD)?.marks.length, { timeout: 10_000 }).toBe(3);
    // What the API server says counts, whatever the agent has been told.
    const one = announcer('n1', own, { gone: () => true, goneMs: 100 });
    one.observer.committed(COMMITTED);
    await expect.poll(conditions, { timeout: 10_000 }).toEqual(['Accepted', 'rampart.dev/enforced.there']);
    for (let i = 0; i < 5; i++) {
      one.observer.committed(COMMITTED);
      await sleep(200);
    }
    expect(await conditions()).toEqual(['Accepted', 'rampart.dev/enforced.there']);
    one.stop();
    expect(await takeBackConditions(own, 'other')).toEqual({ policies: [], problems: [] });
    expect(await takeBackConditions(own, 'there')).toEqual({ policies: [GUARD], problems: [] });
    expect(await conditions()).toEqual(['Accepted']);
    own.close();
    expect(warnings).toEqual([]);
  }, 60_000);

  it('are one event for what no node understands', async () => {
    const object = state.policyObject(GUARD)?.ref;
    if (object === undefined) throw new Error('no policy');
    const diagnostics = [
      { code: 'RP203', severity: 'error', message: 'no such field', origin: { object, field: 'spec.x' } },
    ] as const;
    const all = NODES.slice(0, 5).map((node) => announcer(node));
    for (const { observer } of all) observer.noticed({ object, diagnostics });
    await sleep(4500);
    const { body } = await client.get('/api/v1/namespaces/default/events');
    const { items } = body as unknown as { items: { reason: string; message: string; source: object }[] };
    const mine = items.filter(({ reason }) => reason === 'NotUnderstood');
    expect(mine).toMatchObject([{ message: 'spec.x: no such field', source: { component: 'rampart-agent' } }]);
    for (const each of all) each.stop();
    expect(warnings).toEqual([]);
  }, 30_000);

  it('are a warning where they are not permitted', async () => {
    await cluster.create([
      { path: '/api/v1/namespaces/default/serviceaccounts', object: { metadata: { name: 'reader' } } },
    ]);
    const path = '/api/v1/namespaces/default/serviceaccounts/reader/token';
    const issued = await cluster.kube.send('POST', path, { spec: { expirationSeconds: 3600 } });
    const { token } = (issued.body as { readonly status: { readonly token: string } }).status;
    const own = openClient(await connect({ kubeconfig: cluster.kubeconfigFor(token, 'reader') }));
    const one = announcer('n1', own);
    one.observer.policyFailed(GUARD, 'no');
    await expect
      .poll(() => warnings.map((line) => (JSON.parse(line) as { msg: string }).msg.split(':')[0]).sort(), {
        timeout: 20_000,
      })
      .toEqual(['conditions of ClusterNetworkPolicy may not be written', 'events may not be written']);
    one.stop();
    const { problems } = await takeBackConditions(own, 'n1');
    // Whether a kind is served at all is not said to whom it is forbidden.
    expect(problems.toSorted()).toEqual(
      ['adminnetworkpolicies', 'baselineadminnetworkpolicies', 'clusternetworkpolicies'].map((plural) =>
        expect.stringMatching(new RegExp(`^${plural}: .*\\.n1. may still be there: .* cannot list resource`)),
      ),
    );
    own.close();
  }, 60_000);

  it('are patches of the node that take off the taint and nothing else', async () => {
    const taints = ['a', 'rampart.dev/agent-not-ready', 'b'].map((key) => ({ key, effect: 'NoExecute' }));
    const object = { metadata: { name: 'n9' }, spec: { taints } };
    await cluster.create([{ path: '/api/v1/nodes', object }]);
    const taint = taintRemover(client, 'n9', 'rampart.dev/agent-not-ready', log);
    taint.seen((await client.get('/api/v1/nodes/n9')).body as JsonObject);
    taint.ready();
    const keys = async (): Promise<readonly string[]> => {
      const { spec } = (await client.get('/api/v1/nodes/n9')).body as unknown as {
        spec: { taints: { key: string }[] };
      };
      return spec.taints.map(({ key }) => key).filter((key) => !key.startsWith('node.kubernetes.io/'));
    };
    await expect.poll(keys, { timeout: 10_000 }).toEqual(['a', 'b']);
    taint.stop();
  }, 30_000);
});
