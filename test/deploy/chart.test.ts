import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/agent/config.ts';
import { SETTINGS } from '../../src/agent/settings.ts';
import { inPath } from '../e2e/cluster.ts';
import { readText, TOP } from '../support/source-files.ts';
import { CHART, helm, objectsOf, only, podOf, refusal, render } from './helm.ts';

if (helm === null) console.log('skipped: there is no Helm to render the chart with (scripts/helm.sh builds one)');
const manifest = JSON.parse(readText('package.json')) as { readonly version: string };

describe.skipIf(helm === null)('the chart', () => {
  it('passes lint', () => {
    const said = execFileSync(helm ?? '', ['lint', '--strict', CHART], { encoding: 'utf8' });
    expect(said).toContain('0 chart(s) failed');
  });

  it('is of the version of the package', () => {
    const chart = load(readText('deploy/chart/rampart/Chart.yaml')) as Readonly<Record<string, unknown>>;
    expect([chart.version, chart.appVersion]).toEqual([manifest.version, manifest.version]);
    const { image } = podOf(only(render(), 'DaemonSet')).containers[0] ?? {};
    expect(image).toBe(`localhost/rampart:${manifest.version}`);
  });

  it('gives the agent the node’s network, root and NET_ADMIN, and nothing else', () => {
    const pod = podOf(only(render('init.hostSettings=false'), 'DaemonSet'));
    expect(pod).toMatchObject({
      hostNetwork: true,
      priorityClassName: 'system-node-critical',
      tolerations: [{ operator: 'Exists' }],
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
    });
    for (const key of ['hostPID', 'hostIPC', 'shareProcessNamespace']) expect(pod).not.toHaveProperty(key);
    expect(pod.terminationGracePeriodSeconds).toBeLessThanOrEqual(10);
    const containers = [...(pod.initContainers ?? []), ...pod.containers];
    expect(containers.map(({ name }) => name)).toEqual(['init', 'agent']);
    for (const { securityContext, lifecycle } of containers) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsUser: 0,
        runAsGroup: 0,
        capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      });
      // What runs before the end of an agent would run at every upgrade, too.
      expect(lifecycle).toBeUndefined();
    }
  });

  it('asks for a privileged container only to set up the node, and only before the agent', () => {
    const pod = podOf(only(render(), 'DaemonSet'));
    expect(pod.containers.map(({ securityContext }) => securityContext?.privileged)).toEqual([undefined]);
    expect(pod.initContainers?.map(({ name, securityContext }) => [name, securityContext?.privileged])).toEqual([
      ['init', true],
    ]);
    expect(podOf(only(render('init.enabled=false'), 'DaemonSet')).initContainers).toBeUndefined();
  });

  it('is replaced node by node, with health asked where it is served', () => {
    const set = only(render('http.host=127.0.0.1', 'http.port=9111'), 'DaemonSet');
    expect(set.spec).toMatchObject({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } } });
    const agent = podOf(set).containers[0];
    expect(agent?.livenessProbe?.httpGet).toEqual({ path: '/livez', port: 'http', host: '127.0.0.1' });
    expect(agent?.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'http', host: '127.0.0.1' });
  });

  it('adds the right to change nodes only where taints are removed', () => {
    const verbs = (...settings: readonly string[]): readonly string[] =>
      (only(render(...settings), 'ClusterRole').rules ?? [])
        .filter(({ resources }) => resources.includes('nodes'))
        .flatMap((rule) => rule.verbs);
    expect(verbs()).toEqual(['list', 'watch']);
    expect(verbs('taint.enabled=true')).toEqual(['list', 'watch', 'patch']);
  });

  it('cleans up nodes instead of enforcing when told to', () => {
    const pod = podOf(only(render('cleanup=true'), 'DaemonSet'));
    expect(pod.initContainers?.map(({ args }) => args)).toEqual([
      ['agent', '--cleanup', '--config=/etc/rampart/agent.yaml'],
    ]);
    expect(pod.containers.map(({ command }) => command)).toEqual([['sleep', 'infinity']]);
  });

  it('cleans up with all that agents were given: their node, the way to the API server, and no other rights', () => {
    const settings = [
      'taint.enabled=true',
      'apiServer.host=10.0.0.1',
      'extraArgs={--table=mine}',
      'extraEnv[0].name=RAMPART_AGENT_NFT,extraEnv[0].value=/sbin/nft',
    ];
    const running = render(...settings);
    const cleaning = render(...settings, 'cleanup=true');
    const [agent] = podOf(only(running, 'DaemonSet')).containers;
    const [cleanup] = podOf(only(cleaning, 'DaemonSet')).initContainers ?? [];
    expect(cleanup?.env?.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['RAMPART_AGENT_NODE', 'KUBERNETES_SERVICE_HOST', 'RAMPART_AGENT_NFT']),
    );
    expect(cleanup?.env).toEqual(agent?.env);
    expect(cleanup?.args).toEqual(['agent', '--cleanup', ...(agent?.args?.slice(1) ?? [])]);
    const [init] = podOf(only(running, 'DaemonSet')).initContainers ?? [];
    expect(init?.args).toEqual(['agent', '--init', ...(agent?.args?.slice(1) ?? [])]);
    expect(cleanup?.args).toContain('--table=mine');
    expect(cleanup?.securityContext).toEqual(agent?.securityContext);
    // Agents of nodes that are not yet cleaned up go on with the same rights.
    const { rules } = only(cleaning, 'ClusterRole');
    expect(rules).toEqual(only(running, 'ClusterRole').rules);
    const verbs = (resource: string): readonly string[] =>
      (rules ?? []).filter(({ resources }) => resources.includes(resource)).flatMap((rule) => rule.verbs);
    for (const plural of ['adminnetworkpolicies', 'baselineadminnetworkpolicies', 'clusternetworkpolicies']) {
      expect([plural, verbs(plural), verbs(`${plural}/status`)]).toEqual([plural, ['list', 'watch'], ['patch']]);
    }
  });

  it('brings what Prometheus and Grafana need when told to, and not otherwise', () => {
    const kinds = (...settings: readonly string[]): readonly string[] =>
      render(...settings).map(({ kind, apiVersion }) => `${kind} ${apiVersion}`);
    expect(kinds().filter((kind) => kind.includes('monitoring.coreos.com'))).toEqual([]);
    const all = kinds('podMonitor.enabled=true', 'serviceMonitor.enabled=true', 'prometheusRule.enabled=true');
    expect(all.filter((kind) => kind.includes('monitoring.coreos.com')).sort()).toEqual([
      'PodMonitor monitoring.coreos.com/v1',
      'PrometheusRule monitoring.coreos.com/v1',
      'ServiceMonitor monitoring.coreos.com/v1',
    ]);
    const dashboard = render('dashboard.enabled=true').find(({ metadata }) => metadata.name.endsWith('-dashboard'));
    expect(JSON.parse(dashboard?.data?.['rampart.json'] ?? '')).toHaveProperty('panels');
  });

  it.each([
    ['an unknown key', 'init={"hostsettings":true}', 'hostsettings'],
    ['the tag latest', 'image={"tag":"latest"}', 'image.tag: `latest` says nothing about what runs on which node'],
    ['no image', 'image=null', "missing property 'image'"],
    ['an address with its port', 'http={"host":"10.0.0.1:80"}', '/http/host'],
    ['a taint that is none', 'taint={"enabled":true,"key":"a b"}', '/taint/key'],
    ['a misspelt toleration', 'tolerations=[{"operater":"Exists"}]', "'operater' not allowed"],
    ['a strategy of another kind', 'updateStrategy={"type":"Recreate"}', "'RollingUpdate', 'OnDelete'"],
    ['a label of its own', 'podLabels={"app.kubernetes.io/name":"x"}', 'podLabels: the chart itself sets the label'],
    [
      'a setting that has a value of its own',
      'config={"listen":":1"}',
      'config.listen would have no effect: set http.host',
    ],
    ['a port that is none', 'http={"port":70000}', '/http/port'],
    ['a digest that is none', 'image={"digest":"abc"}', '/image/digest'],
    ['a number for a switch', 'cleanup=1', '/cleanup'],
  ])('refuses %s', (_, setting, named) => {
    expect(refusal(setting)).toContain(named);
  });

  describe('checks the agent’s configuration', () => {
    const schema = JSON.parse(readText('deploy/chart/rampart/values.schema.json')) as {
      readonly properties: {
        readonly config: { readonly properties: Readonly<Record<string, { readonly enum?: readonly string[] }>> };
      };
    };
    const { properties } = schema.properties.config;
    const fromFile = (config: object): boolean => {
      const file = { name: 'agent.yaml', text: JSON.stringify(config) };
      return readConfig({ flags: {}, env: {}, file }).kind === 'config';
    };

    it('for exactly the settings that there are', () => {
      expect(Object.keys(properties).sort()).toEqual(Object.keys(SETTINGS).sort());
      for (const name of ['logLevel', 'deny'] as const) {
        expect(properties[name]?.enum?.join('|')).toBe(SETTINGS[name].kind.form);
      }
    });

    it('and takes what the agent takes', () => {
      const file = {
        logLevel: 'debug',
        deny: 'reject',
        nflogGroup: 'off',
        nflogRate: 1_000_000,
        refuseEncapsulation: false,
        closedUntilKnown: true,
        podCidr: ['10.1.0.0/24', 'fd00::/64'],
        generationMask: '0xff00',
        table: 'my_table',
        nftTimeout: '1m30s',
        coalesce: '0ms',
        coalesceLimit: '1.5s',
        verifyInterval: '1h',
        events: false,
      };
      expect([fromFile(file), refusal(`config=${JSON.stringify(file)}`)]).toEqual([true, null]);
    });

    it('and hands on what YAML makes of texts without quotes', () => {
      const folder = mkdtempSync(join(tmpdir(), 'rampart-values-'));
      try {
        const values = join(folder, 'values.yaml');
        writeFileSync(values, 'config:\n  generationMask: 0xffff0000\n  nflogGroup: off\n');
        const args = ['template', 'rampart', CHART, '--kube-version', '1.34.0', '-f', values];
        const map = only(objectsOf(execFileSync(helm ?? '', args, { encoding: 'utf8' })), 'ConfigMap');
        const file = { name: 'agent.yaml', text: map.data?.['agent.yaml'] ?? '' };
        expect(readConfig({ flags: {}, env: {}, file })).toMatchObject({
          config: { generationMask: 0xffff0000, nflogGroup: 'off' },
        });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });

    it.each([
      ['tabel', 'x'],
      ['logLevel', 'loud'],
      ['deny', 'refuse'],
      ['nflogGroup', 65_536],
      ['nflogRate', 0],
      ['closedUntilKnown', 'yes'],
      ['generationMask', 2 ** 32],
      ['generationMask', 'ffff0000'],
      ['table', 'My-table'],
      ['coalesce', 50],
      ['staleAfter', '30'],
    ])('and refuses what it refuses: %s = %j', (name, value) => {
      expect(fromFile({ [name]: value })).toBe(false);
      expect(refusal(`config=${JSON.stringify({ [name]: value })}`)).toContain(name);
    });
  });

  it('names what every value is for: each key of values.yaml is in the schema and the other way round', () => {
    const values = load(readText('deploy/chart/rampart/values.yaml')) as Readonly<Record<string, unknown>>;
    const schema = JSON.parse(readText('deploy/chart/rampart/values.schema.json')) as {
      readonly properties: Readonly<Record<string, unknown>>;
    };
    // Helm hands down `global` to every chart.
    expect(Object.keys(values).sort()).toEqual(
      Object.keys(schema.properties)
        .filter((key) => key !== 'global')
        .sort(),
    );
  });
});

describe('the kustomize form', () => {
  const folder = join(TOP, 'deploy/kustomize');

  it.skipIf(helm === null)('is the chart’s', () => {
    const fresh = mkdtempSync(join(tmpdir(), 'rampart-kustomize-'));
    try {
      execFileSync('sh', [join(folder, 'render.sh'), fresh], { env: { ...process.env, HELM: helm ?? '' } });
      const files = readdirSync(fresh, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'));
      expect(files.sort()).toEqual(['base/agent.yaml', 'cleanup/agent.yaml', 'monitoring/monitoring.yaml']);
      for (const file of files) {
        expect(readFileSync(join(folder, file), 'utf8'), file).toBe(readFileSync(join(fresh, file), 'utf8'));
      }
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  });

  it.skipIf(!inPath('kubectl'))('builds, in a namespace that admits it', () => {
    const build = (name: string) =>
      objectsOf(execFileSync('kubectl', ['kustomize', join(folder, name)], { encoding: 'utf8' }));
    const base = build('base');
    expect(only(base, 'Namespace').metadata.labels).toEqual({ 'pod-security.kubernetes.io/enforce': 'privileged' });
    const spaces = base.flatMap(({ metadata }) => (metadata.namespace === undefined ? [] : [metadata.namespace]));
    expect(new Set(spaces)).toEqual(new Set(['rampart-system']));
    expect(only(base, 'DaemonSet').metadata.name).toBe(only(build('cleanup'), 'DaemonSet').metadata.name);
    expect(build('monitoring').map(({ kind }) => kind)).toContain('PrometheusRule');
  });
});
