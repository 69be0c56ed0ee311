import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { conditionPatch } from '../../src/agent/conditions.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import { sayWhySkipped } from '../support/network-namespace.ts';
import { ingressPolicy, namespaceObject, nodeObject, podObject } from './objects.ts';
import { type Node, node, until } from './process.ts';

const WEB = '10.0.0.1';
const CLIENT = '10.0.1.1';
const OTHER = '10.0.1.2';
const POLICY = '/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/web';

describe.skipIf(sayWhySkipped('agents as processes'))('an agent', () => {
  let n1: Node;
  beforeEach(async () => {
    n1 = await node();
    await n1.put(
      namespaceObject('a'),
      nodeObject('n1', '192.168.0.1', ['10.0.0.0/24']),
      nodeObject('n2', '192.168.0.2'),
      podObject('web', WEB),
      podObject('client', CLIENT, { node: 'n2' }),
      podObject('other', OTHER, { node: 'n2' }),
      ingressPolicy('web', 'web', 'client', 80),
    );
  });
  afterEach(() => n1.close());

  /** Whether `client`, then `other`, get through to port 80. */
  const enforced = (): string => [CLIENT, OTHER].map((source) => (n1.passes(source, WEB, 80) ? 'yes' : 'no')).join(' ');

  /** A program in the place of nft that does what the script says before it becomes nft. */
  function insteadOfNft(script: string): string {
    const path = join(n1.space.folder, 'instead-of-nft');
    writeFileSync(path, `#!/bin/sh\n${script}\nexec nft "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  it('enforces, follows changes, and leaves its table when it ends', async () => {
    const agent = n1.start();
    await agent.ready();
    expect(enforced()).toBe('yes no');
    await n1.put(ingressPolicy('web', 'web', 'other', 80));
    await until(() => enforced() === 'no yes');
    expect(await agent.get('/livez')).toBe('ok');
    expect(await agent.metric('rampart_agent_local_pods')).toBe(1);
    expect(await agent.metric('rampart_agent_programming_duration_seconds_count')).toBe(1);
    agent.signal('SIGTERM');
    expect(await agent.ended).toBe(0);
    expect(enforced()).toBe('no yes');
    expect(agent.log.map(({ level }) => level)).not.toContain('error');
    expect(agent.stderr()).toBe('');
  });

  it('that is killed leaves its table, and the next one changes nothing', async () => {
    const first = n1.start();
    await first.ready();
    const before = n1.table();
    first.signal('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');
    expect(enforced()).toBe('yes no');
    const second = n1.start();
    await second.ready();
    expect(n1.table()).toBe(before);
    expect(await second.metric('rampart_agent_changes_total')).toBe(0);
    expect(await second.metric('rampart_agent_generation_bumps_total')).toBe(0);
  });

  it('that is killed while nft works leaves the table as it was, or as it should be', async () => {
    const started = join(n1.space.folder, 'started');
    const path = insteadOfNft(`case "$*" in "-f -") touch ${started}; sleep 0.3;; esac`);
    const first = n1.start('--nft', path);
    await first.ready();
    rmSync(started, { force: true });
    await n1.put(ingressPolicy('web', 'web', 'other', 80));
    await until(() => existsSync(started));
    first.signal('SIGKILL');
    await first.ended;
    expect(['yes no', 'no yes']).toContain(enforced());
    await sleep(600);
    // nft had the whole transaction, and needs nobody to finish it.
    expect(enforced()).toBe('no yes');
    const second = n1.start();
    await second.ready();
    expect(enforced()).toBe('no yes');
  });

  it('refuses to start where another one is', async () => {
    const first = n1.start();
    await first.ready();
    const second = n1.start();
    expect(await second.ended).toBe(1);
    expect(second.stderr()).toContain('another process of this network namespace holds `rampart-agent-rampart`');
    expect(await first.get('/readyz')).toBe('ok');
    const cleaner = await n1.once('--cleanup');
    expect([cleaner.code, n1.table() === null]).toEqual([1, false]);
  });

  it('mends what others do to its table, and leaves theirs alone', async () => {
    n1.space.load('table inet theirs {\n\tchain c {\n\t\tcounter\n\t}\n}\n');
    const theirs = n1.space.run('nft', 'list', 'table', 'inet', 'theirs');
    const agent = n1.start('--canary-interval', '500ms', '--verify-interval', '1s');
    await agent.ready();
    n1.space.run('nft', 'delete', 'table', 'inet', 'rampart');
    await until(() => n1.table() !== null);
    expect(enforced()).toBe('yes no');
    n1.space.run('nft', 'insert', 'rule', 'inet', 'rampart', 'forward', 'accept');
    expect(enforced()).toBe('yes yes');
    await until(() => enforced() === 'yes no');
    n1.space.run('nft', 'flush', 'map', 'inet', 'rampart', 'in4');
    await until(() => enforced() === 'yes no');
    expect(await agent.metric('rampart_agent_drift_repairs_total{reason="gone"}')).toBe(1);
    expect(await agent.metric('rampart_agent_drift_repairs_total{reason="changed"}')).toBe(2);
    expect(n1.space.run('nft', 'list', 'table', 'inet', 'theirs')).toBe(theirs);
  });

  it('goes on after nft has crashed, hung or been away', async () => {
    const broken = join(n1.space.folder, 'broken');
    const path = insteadOfNft(`if [ -e ${broken} ]; then . ${broken}; fi`);
    const agent = n1.start('--nft', path, '--nft-timeout', '1s', '--stale-after', '1s');
    await agent.ready();
    const peers = ['other', 'client', 'other'];
    for (const [i, script] of ['kill -SEGV $$', 'sleep 60', 'exit 1'].entries()) {
      writeFileSync(broken, script);
      const before = enforced();
      await n1.put(ingressPolicy('web', 'web', peers[i] ?? '', 80));
      await until(async () => (await agent.get('/readyz')).includes('has waited for the kernel'));
      expect(enforced()).toBe(before);
      expect(await agent.get('/livez')).toBe('ok');
      rmSync(broken);
      await until(() => enforced() === (peers[i] === 'other' ? 'no yes' : 'yes no'));
      await agent.ready();
    }
    expect(await agent.metric('rampart_agent_transactions_total{result="broken"}')).toBeGreaterThanOrEqual(3);
  });

  it('keeps what it knows while the API server is away, and catches up', async () => {
    const agent = n1.start();
    await agent.ready();
    await n1.stopServer();
    await n1.put(ingressPolicy('web', 'web', 'other', 80));
    await sleep(1500);
    expect(enforced()).toBe('yes no');
    expect(await agent.get('/readyz')).toBe('ok');
    await n1.startServer();
    await until(() => enforced() === 'no yes');
    n1.api.faults.expiredWatches = 7;
    n1.server.dropConnections();
    await n1.remove(POLICY);
    await until(() => enforced() === 'yes yes');
  });

  it('touches nothing while it may not read what it needs', async () => {
    n1.api.faults.forbidden = ['pods'];
    const agent = n1.start();
    await until(async () => /waiting for .*pods/.test(await agent.get('/readyz')));
    await sleep(1000);
    expect(n1.table()).toBeNull();
    n1.api.faults.forbidden = [];
    await agent.ready();
    expect(enforced()).toBe('yes no');
  });

  it('takes a new configuration while it runs, and refuses a wrong one', async () => {
    const file = join(n1.space.folder, 'agent.yaml');
    writeFileSync(file, 'deny: drop\n');
    const agent = n1.start('--config', file);
    await agent.ready();
    expect(n1.table()).not.toContain('reject');
    writeFileSync(file, 'deny: reject\ntable: other\n');
    await until(() => n1.table()?.includes('reject') === true);
    expect(enforced()).toBe('yes no');
    expect(agent.log.find(({ settings }) => JSON.stringify(settings) === '["table"]')?.level).toBe('warn');
    writeFileSync(file, 'deny: perhaps\n');
    agent.signal('SIGHUP');
    await until(() => agent.log.some(({ msg }) => String(msg).includes('the configuration is not taken')));
    expect(agent.log.at(-1)).toMatchObject({ level: 'error', where: `${file}:1:7` });
    expect(await agent.get('/readyz')).toBe('ok');
  });

  it('says what is wrong with its configuration before anything else', async () => {
    const file = join(n1.space.folder, 'agent.yaml');
    writeFileSync(file, 'logLevel: loud\n\ndny: drop\n');
    const { code, stderr } = await n1.once('--node', 'n1', '--config', file);
    expect(code).toBe(64);
    expect(stderr).toContain(`${file}:1:11: \`loud\` is not one of`);
    expect(stderr).toContain(`${file}:3:6: there is no setting \`dny\`; did you mean \`deny\`?`);
    expect((await n1.once('--server', 'http://127.0.0.1:9')).stderr).toContain('--node NAME');
    expect((await n1.once('--check', '--cleanup')).code).toBe(64);
    expect((await n1.once('--dry-run')).code).toBe(64);
  });

  it('is cleaned up after, and nothing else is', async () => {
    n1.space.load('table inet theirs {\n}\ntable ip rampart {\n}\n');
    const agent = n1.start();
    await agent.ready();
    agent.signal('SIGTERM');
    await agent.ended;
    expect((await n1.once('--cleanup')).code).toBe(0);
    expect(n1.space.run('nft', 'list', 'tables').trim().split('\n')).toEqual(['table inet theirs', 'table ip rampart']);
    expect(await n1.once('--cleanup')).toMatchObject({ code: 0, stderr: 'there is no table `rampart`\n' });
  });

  it('is cleaned up after on the policies, too, as far as the API server lets us', async () => {
    const path = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';
    await n1.put({
      apiVersion: 'policy.networking.k8s.io/v1alpha2',
      kind: 'ClusterNetworkPolicy',
      metadata: { name: 'guard' },
      spec: { tier: 'Admin', priority: 1, subject: { namespaces: {} } },
    });
    for (const name of ['n1', 'n2']) {
      const patch = conditionPatch(
        { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', name: 'guard' },
        name,
        'no',
      );
      n1.api.handle({
        method: 'PATCH',
        target: patch?.path ?? '',
        accept: 'application/json',
        contentType: 'application/apply-patch+yaml',
        body: JSON.stringify(patch?.body),
      });
    }
    const marks = (): readonly (string | undefined)[] =>
      JSON.stringify(objectAt(`${path}/guard`)).match(/rampart\.dev\/enforced\.\w+/g) ?? [];
    expect(marks()).toEqual(['rampart.dev/enforced.n1', 'rampart.dev/enforced.n2']);
    const cleanup = async (...flags: readonly string[]) => {
      n1.space.load('table inet rampart {\n}\n');
      const begun = performance.now();
      const { code, stderr } = await n1.once('--cleanup', ...flags);
      expect([code, n1.table()]).toEqual([0, null]);
      return { lines: stderr.split('\n'), ms: performance.now() - begun };
    };
    const where = ['--node', 'n1', '--server', n1.server.url];
    const removed = 'removed the table `rampart`';
    expect((await cleanup()).lines).toEqual([removed, '']);
    expect((await cleanup('--server', n1.server.url)).lines).toEqual([
      removed,
      'conditions on policies may still be there: it is not said which node this is',
      expect.stringContaining('--node NAME'),
      '',
    ]);
    n1.api.faults.delayMs = 60_000;
    const slow = await cleanup(...where);
    expect(slow.lines[1]).toMatch(
      /the condition `rampart.dev\/enforced.n1` may still be there: the API server has not answered in time$/,
    );
    expect(slow.ms).toBeLessThan(15_000);
    n1.api.faults.delayMs = 0;
    n1.api.faults.forbidden = ['clusternetworkpolicies.policy.networking.k8s.io'];
    expect((await cleanup(...where)).lines[1]).toMatch(/^clusternetworkpolicies: .*may still be there: .*forbidden/);
    n1.api.faults.forbidden = [];
    const away = await cleanup('--node', 'n1', '--server', 'http://127.0.0.1:9');
    expect(away.lines[1]).toContain('may still be there: cannot reach `http://127.0.0.1:9`');
    expect((await cleanup('--node', 'n1', '--kubeconfig', '/nowhere/config')).lines[1]).toContain('/nowhere/config');
    expect(marks()).toHaveLength(2);
    expect((await cleanup(...where)).lines).toEqual([
      removed,
      "took this node's condition back from `ClusterNetworkPolicy/guard`",
      '',
    ]);
    expect(marks()).toEqual(['rampart.dev/enforced.n2']);
    expect((await cleanup(...where)).lines).toEqual([removed, '']);
  });

  it('brings the kernel to what is wanted once, or prints what it would load', async () => {
    const where = ['--node', 'n1', '--server', n1.server.url];
    const dry = await n1.once(...where, '--once', '--dry-run', '--closed-until-known');
    expect([dry.code, dry.stderr, n1.table()]).toEqual([0, '', null]);
    expect(dry.stdout).toContain('10.0.0.0-10.0.0.255');
    n1.space.load(dry.stdout);
    expect(enforced()).toBe('yes no');
    expect(n1.passes(CLIENT, '10.0.0.200', 80)).toBe(false);
    expect((await n1.once(...where, '--once')).stderr).toMatch(/^[1-9]\d* changes\n$/);
    expect(n1.passes(CLIENT, '10.0.0.200', 80)).toBe(true);
    expect(await n1.once(...where, '--once')).toMatchObject({ code: 0, stderr: '0 changes\n' });
    const manifests = join(n1.space.folder, 'cluster.json');
    const items = [namespaceObject('a'), podObject('web', WEB), ingressPolicy('web', 'web', 'nobody', 80)];
    writeFileSync(manifests, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    expect((await n1.once('--node', 'n1', '--once', '-f', manifests)).code).toBe(0);
    expect(enforced()).toBe('no no');
    expect((await n1.once('--node', 'n1', '--server', 'http://127.0.0.1:9', '--once')).code).toBe(1);
  });

  it('keeps addresses closed from the beginning until it knows them', async () => {
    const init = await n1.once('--init', '--node', 'n1', '--closed-until-known', '--server', n1.server.url);
    expect([init.code, init.stderr]).toEqual([0, expect.stringContaining('closed until the agent knows them')]);
    expect(enforced()).toBe('no no');
    expect(n1.passes(CLIENT, '10.0.0.200', 80)).toBe(false);
    expect(n1.passes(CLIENT, OTHER, 80)).toBe(true);
    const agent = n1.start('--closed-until-known');
    await agent.ready();
    expect(enforced()).toBe('yes no');
    expect(n1.passes(CLIENT, '10.0.0.200', 80)).toBe(false);
    await n1.put(podObject('new', '10.0.0.200'));
    await until(() => n1.passes(CLIENT, '10.0.0.200', 80));
    expect((await n1.once('--init', '--node', 'n1', '--closed-until-known', '--server', n1.server.url)).code).toBe(0);
    expect(enforced()).toBe('yes no');
  });

  it('that made its table while another one was being made ready keeps it', async () => {
    const path = insteadOfNft(
      'case "$*" in *"list table"*) nft "$@"; code=$?; echo "add table inet rampart; add chain inet rampart living" | nft -f -; exit $code;; esac',
    );
    const flags = ['--init', '--node', 'n1', '--closed-until-known', '--server', n1.server.url, '--nft', path];
    const init = await n1.once(...flags);
    expect([init.code, init.stderr]).toEqual([0, expect.not.stringContaining('closed until')]);
    expect(n1.table()).toContain('chain living');
    expect(n1.table()).not.toContain('podcidr4');
  });

  it('closes the pods of a policy that nft refuses, serves all others, and says so', async () => {
    const text = join(n1.space.folder, 'text');
    const path = insteadOfNft(
      `case "$*" in *"-f -") cat > ${text}; if grep -Eq ' 666( |,|$)' ${text}; then\n` +
        `echo "/dev/stdin:1:1-3: Error: Could not process rule: Invalid argument" >&2; exit 1; fi; exec nft "$@" < ${text};; esac`,
    );
    const agent = n1.start('--nft', path);
    await agent.ready();
    await n1.put(podObject('db', '10.0.0.2'), ingressPolicy('db', 'db', 'client', 666));
    await until(async () => (await agent.metric('rampart_agent_policies_failed')) === 1);
    // It is counted when it is found, and closed a transaction later.
    await until(() => !n1.passes(CLIENT, '10.0.0.2', 666));
    expect(enforced()).toBe('yes no');
    await n1.put(ingressPolicy('web', 'web', 'other', 80));
    await until(() => enforced() === 'no yes');
    expect(await agent.get('/readyz')).toBe('ok');
    await until(async () => (await eventsOn('db')).length > 0);
    const [said] = await eventsOn('db');
    expect(said).toMatchObject({ reason: 'EnforcementFailed', source: { host: 'n1' }, type: 'Warning' });
    await n1.put(ingressPolicy('db', 'db', 'client', 667));
    await until(() => n1.passes(CLIENT, '10.0.0.2', 667));
    await until(async () => (await agent.metric('rampart_agent_policies_failed')) === 0);
  });

  it('guards a starting pod by what the CNI plugin has noted, before the API server knows its address', async () => {
    const results = join(n1.space.folder, 'cni', 'results');
    mkdirSync(results, { recursive: true });
    const agent = n1.start('--cni-cache', join(n1.space.folder, 'cni'));
    await agent.ready();
    await n1.put(podObject('late', null, { labels: { app: 'web' } }));
    await sleep(300);
    expect(n1.passes(OTHER, '10.0.0.9', 80)).toBe(true);
    const args = { K8S_POD_NAMESPACE: 'a', K8S_POD_NAME: 'late', K8S_POD_UID: 'uid-a-late' };
    const noted = {
      kind: 'cniCacheV1',
      ifName: 'eth0',
      cniArgs: Object.entries(args),
      result: { cniVersion: '1.0.0', ips: [{ address: '10.0.0.9/24' }] },
    };
    writeFileSync(join(results, 'pods-1-eth0'), JSON.stringify(noted));
    await until(() => !n1.passes(OTHER, '10.0.0.9', 80));
    expect(n1.passes(CLIENT, '10.0.0.9', 80)).toBe(true);
    // Made anew, with the same pod and another address; then its pod is gone by force, and it still runs.
    const anew = { ...noted, result: { cniVersion: '1.0.0', ips: [{ address: '10.0.0.19/24' }] } };
    await n1.put(podObject('late', '10.0.0.9', { labels: { app: 'web' } }));
    writeFileSync(join(results, 'pods-2-eth0'), JSON.stringify(anew));
    rmSync(join(results, 'pods-1-eth0'));
    await until(() => !n1.passes(OTHER, '10.0.0.19', 80));
    await n1.remove('/api/v1/namespaces/a/pods/late');
    await until(() => n1.passes(OTHER, '10.0.0.9', 80));
    expect([n1.passes(OTHER, '10.0.0.19', 80), n1.passes(CLIENT, '10.0.0.19', 80)]).toEqual([false, true]);
    rmSync(join(results, 'pods-2-eth0'));
    await until(() => n1.passes(OTHER, '10.0.0.19', 80));
  });

  it('takes the taint off its node when policies are in force, not before', async () => {
    const key = 'rampart.dev/agent-not-ready';
    const taints = [
      { key: 'other', effect: 'NoSchedule' },
      { key, effect: 'NoSchedule' },
    ];
    await n1.put({ ...nodeObject('n1', '192.168.0.1'), spec: { taints } });
    n1.api.faults.forbidden = ['pods'];
    const agent = n1.start('--taint', key);
    await until(async () => (await agent.get('/readyz')).startsWith('waiting for'));
    await sleep(500);
    expect(JSON.stringify(objectAt('/api/v1/nodes/n1'))).toContain(key);
    n1.api.faults.forbidden = [];
    await agent.ready();
    await until(() => !JSON.stringify(objectAt('/api/v1/nodes/n1')).includes(key));
    expect(objectAt('/api/v1/nodes/n1')).toMatchObject({ spec: { taints: [{ key: 'other' }] } });
  });

  const objectAt = (target: string): JsonObject => {
    const answer = n1.api.handle({ method: 'GET', target, accept: 'application/json', contentType: '', body: '' });
    return answer.kind === 'json' ? answer.body : {};
  };

  /** The events on a policy, once there are some. */
  async function eventsOn(name: string): Promise<readonly JsonObject[]> {
    let found: readonly JsonObject[] = [];
    await until(() => {
      const { items } = objectAt('/api/v1/namespaces/a/events');
      found = (Array.isArray(items) ? (items as JsonObject[]) : []).filter((event) =>
        JSON.stringify(event.involvedObject).includes(`"name":"${name}"`),
      );
      return found.length > 0;
    });
    return found;
  }
});
