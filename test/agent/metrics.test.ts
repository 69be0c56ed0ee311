import { expect, it } from 'vitest';
import { agentMetrics, type Metrics } from '../../src/agent/metrics.ts';
import type { Kernel } from '../../src/io/kernel.ts';
import { ingressPolicy, namespaceObject, podObject } from './objects.ts';
import { type Rig, rig } from './rig.ts';

/** The samples of a text of metrics, by name and labels. */
function samples(text: string): Map<string, number> {
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const at = line.lastIndexOf(' ');
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
  );
}

function metricsOf(one: Rig, kernel: Pick<Kernel, 'counters'> = one.kernel): Metrics {
  return agentMetrics(
    {
      kernel,
      compiler: one.loop.compiler,
      status: one.loop.status,
      state: one.state,
      watches: () => [
        {
          resource: 'pods',
          state: 'listed',
          watching: true,
          objects: 1,
          lists: 2,
          relists: { expired: 1, forbidden: 0, missing: 0, failing: 0, restored: 0 },
          events: 9,
          dropped: 0,
          bookmarks: 0,
          watches: 1,
          failures: 3,
          lastEventMs: 1000,
          lastContactMs: 5000,
          lastFailure: null,
        },
        {
          resource: 'clusternetworkpolicies',
          state: 'absent',
          watching: false,
          objects: 0,
          lists: 0,
          relists: { expired: 0, forbidden: 0, missing: 0, failing: 0, restored: 0 },
          events: 0,
          dropped: 0,
          bookmarks: 0,
          watches: 0,
          failures: 0,
          lastEventMs: null,
          lastContactMs: 4000,
          lastFailure: null,
        },
      ],
      clock: one.clock,
    },
    { default: true },
  );
}

it('metrics say what there is, in seconds and with names as Prometheus wants them', async () => {
  const one = rig();
  const metrics = metricsOf(one);
  expect(samples(await metrics.render()).get('rampart_agent_synced')).toBe(0);
  one.list({
    namespaces: [namespaceObject('a')],
    pods: [podObject('web', '10.0.0.1'), podObject('far', '10.0.1.1', { node: 'n2' })],
    networkpolicies: [ingressPolicy('web', 'web', 'far', 80)],
  });
  one.loop.start();
  await one.clock.advance(100);
  for (const what of one.committed) metrics.observer.committed(what);
  metrics.observer.ran('ok', 5);
  metrics.observer.ran('refused', 5);
  metrics.observer.loaded(['first'], 3);
  metrics.observer.drifted('gone', []);
  metrics.observer.policyFailed('x', 'y');
  metrics.observer.committed({
    changes: 3,
    tightens: true,
    replaced: true,
    compileMs: 10,
    nftMs: 20,
    latencies: [60, 300],
    events: 2,
    sinceCreation: [1500],
  });
  const text = await metrics.render();
  const found = samples(text);
  const expected: Record<string, number> = {
    rampart_agent_synced: 1,
    rampart_agent_local_pods: 1,
    rampart_agent_subjects: 1,
    'rampart_agent_objects{resource="pods"}': 2,
    'rampart_agent_elements{set="in4"}': 1,
    'rampart_agent_packets_total{verdict="denied",direction="ingress"}': 1,
    'rampart_agent_transactions_total{result="refused"}': 1,
    'rampart_agent_full_loads_total{reason="first"}': 1,
    'rampart_agent_drift_repairs_total{reason="gone"}': 1,
    'rampart_agent_drift_repairs_total{reason="changed"}': 0,
    rampart_agent_policy_failures_total: 1,
    rampart_agent_table_replacements_total: 1,
    'rampart_agent_programming_duration_seconds_bucket{le="0.075"}': 1,
    rampart_agent_programming_duration_seconds_sum: 0.36,
    rampart_agent_policy_creation_to_kernel_seconds_sum: 1.5,
    'rampart_agent_watch_events_total{resource="pods"}': 9,
    'rampart_agent_watch_relists_total{resource="pods",reason="expired"}': 1,
    'rampart_agent_watch_failures_total{resource="pods"}': 3,
    'rampart_agent_watch_open{resource="pods"}': 1,
    'rampart_agent_watch_absent{resource="pods"}': 0,
    'rampart_agent_watch_open{resource="clusternetworkpolicies"}': 0,
    'rampart_agent_watch_absent{resource="clusternetworkpolicies"}': 1,
    'rampart_agent_watch_last_contact_timestamp_seconds{resource="pods"}': 5,
  };
  expect(Object.fromEntries(Object.keys(expected).map((name) => [name, found.get(name)]))).toEqual(expected);
  expect(found.get('rampart_agent_last_success_timestamp_seconds')).toBeCloseTo(Date.UTC(2026, 0, 1) / 1000, 0);
  expect([...found.keys()].some((name) => name.startsWith('nodejs_eventloop_lag_seconds'))).toBe(true);
  // Whatever is a counter is named one, and nothing else is.
  const types = [...text.matchAll(/^# TYPE (rampart_\S+) (\S+)$/gm)].map(
    ([, name = '', type = '']) => [name, type] as const,
  );
  expect(types.length).toBeGreaterThan(25);
  expect(types.filter(([name, type]) => name.endsWith('_total') !== (type === 'counter'))).toEqual([]);
  expect(types.filter(([name]) => /_(ms|milliseconds|minutes)(_|$)/.test(name))).toEqual([]);
  // A second reading of the same counts does not add them up.
  expect(samples(await metrics.render()).get('rampart_agent_watch_events_total{resource="pods"}')).toBe(9);
});

it('counters are read once at a time, and seldom where that takes long: transactions wait meanwhile', async () => {
  const one = rig();
  let takes = 30_000;
  let readings = 0;
  const metrics = metricsOf(one, {
    counters: async () => {
      readings++;
      await new Promise<void>((resolve) => one.clock.after(takes, resolve));
      return new Map([['denied_ingress', { packets: readings, bytes: 0 }]]);
    },
  });
  const denied = async (): Promise<number | undefined> => {
    const text = metrics.render();
    await one.clock.advance(2000);
    return samples(await text).get('rampart_agent_packets_total{verdict="denied",direction="ingress"}');
  };
  for (let i = 0; i < 10; i++) expect(await denied()).toBeUndefined();
  expect(readings).toBe(1);
  await one.clock.advance(10_000);
  // 30 s of it are followed by a minute without.
  expect([await denied(), readings]).toEqual([1, 1]);
  takes = 10;
  await one.clock.advance(60_000);
  expect([await denied(), readings]).toEqual([2, 2]);
  expect([await denied(), readings]).toEqual([2, 2]);
  await one.clock.advance(2000);
  expect([await denied(), readings]).toEqual([3, 3]);
});
