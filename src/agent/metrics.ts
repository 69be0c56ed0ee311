import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import manifest from '../../package.json' with { type: 'json' };
import { isFault, type Kernel } from '../io/kernel.ts';
import type { FollowStatistics } from '../io/watch.ts';
import type { Clock } from './clock.ts';
import type { Compiler } from './compiler.ts';
import type { LoopStatus } from './loop.ts';
import type { Observer } from './observer.ts';
import type { AgentState } from './state.ts';

export interface MetricsSources {
  readonly kernel: Pick<Kernel, 'counters'>;
  readonly compiler: () => Compiler;
  readonly status: () => LoopStatus;
  readonly state: AgentState;
  readonly watches: () => readonly FollowStatistics[];
  readonly clock: Clock;
}

/** What Prometheus reads. */
export interface Metrics {
  readonly observer: Observer;
  readonly contentType: string;
  /** The text of all metrics. */
  render(): Promise<string>;
}

const PREFIX = 'rampart_agent_';
const FAST = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const SLOW = [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300];
/** Reading counters makes nft look at the whole table: scrapes that follow each other share an answer. */
const COUNTERS_AGE_MS = 5000;
/** Reading them may take one part in so many of the time, since transactions wait meanwhile; but they never get older than this. */
const COUNTERS_SHARE = 20;
const COUNTERS_OLDEST_MS = 60_000;
const COUNTERS_PATIENCE_MS = 2000;

/** Makes the agent's metrics; `default` adds those of the process. */
export function agentMetrics(sources: MetricsSources, options: { readonly default: boolean }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name: `${PREFIX}${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name: `${PREFIX}${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: readonly number[]): Histogram =>
    new Histogram({ name: `${PREFIX}${name}`, help, buckets: [...buckets], registers });
  if (options.default) collectDefaultMetrics({ register: registry });

  const made = {
    programming: histogram('programming_duration_seconds', 'From an event of the API server to the kernel.', FAST),
    creation: histogram(
      'policy_creation_to_kernel_seconds',
      "From a new policy's creationTimestamp (whole seconds) to the kernel.",
      SLOW,
    ),
    sync: histogram('sync_duration_seconds', 'One sync: compiling, and nft.', FAST),
    nft: histogram('nft_duration_seconds', 'Runs of nft that write.', FAST),
    events: counter('events_total', 'Events that have led to a sync.'),
    syncs: counter('syncs_total', 'Syncs by result.', ['result']),
    transactions: counter('transactions_total', 'Transactions by what became of them.', ['result']),
    changes: counter('changes_total', 'Elements and chains that were written.'),
    replacements: counter('table_replacements_total', 'Transactions that replaced the whole table.'),
    loads: counter('full_loads_total', 'Compilations of everything, by reason.', ['reason']),
    drift: counter('drift_repairs_total', 'Times that the table was not as it was left, by what had happened.', [
      'reason',
    ]),
    generations: counter('generation_bumps_total', 'Changes after which live connections are judged again.'),
    refused: counter('policy_failures_total', 'Policies that the kernel refused, hence closed.'),
  };
  for (const result of ['ok', 'failed']) made.syncs.inc({ result }, 0);
  for (const result of ['ok', 'refused', 'broken']) made.transactions.inc({ result }, 0);
  for (const reason of ['gone', 'changed', 'unreadable']) made.drift.inc({ reason }, 0);

  const levels = {
    failed: gauge('policies_failed', 'Policies that the kernel refuses at present; their pods are closed.'),
    synced: gauge('synced', '1 once the kernel has had what it should.'),
    lastSuccess: gauge(
      'last_success_timestamp_seconds',
      'When the kernel last had what it should, as far as was looked: after a sync, or when the table was found in place.',
    ),
    pending: gauge('pending_seconds', 'For how long the oldest change has waited for the kernel.'),
    localPods: gauge('local_pods', 'Pods of this node with an address.'),
    subjects: gauge('subjects', 'Distinct sets of rules for pods of this node.'),
    identities: gauge('identities', 'Classes of peers that they tell apart.'),
    elements: gauge('elements', 'Elements by set.', ['set']),
    objects: gauge('objects', 'What is known of the cluster.', ['resource']),
    watching: gauge('watch_open', '1 while a watch of the resource is open.', ['resource']),
    absent: gauge('watch_absent', '1 while the API server does not serve the resource, so that none is open.', [
      'resource',
    ]),
    contact: gauge('watch_last_contact_timestamp_seconds', 'When the API server last said something.', ['resource']),
    build: gauge('build_info', 'Always 1.', ['version', 'node']),
  };
  levels.build.set({ version: manifest.version, node: process.version }, 1);
  /** Counted elsewhere: what is read is set. */
  const counted = {
    packets: counter('packets_total', 'Packets that were judged, since the table was made.', ['direction', 'verdict']),
    lists: counter('watch_lists_total', 'Lists of the resource.', ['resource']),
    relists: counter('watch_relists_total', 'Lists after the first, by reason.', ['resource', 'reason']),
    events: counter('watch_events_total', 'Events of the resource.', ['resource']),
    failures: counter('watch_failures_total', 'Requests that failed.', ['resource']),
  };

  let nextReading = 0;
  let reading: Promise<void> | null = null;
  /** Once at a time: what waits for an nft that hangs would keep transactions waiting when it no longer does. */
  function readCounters(): Promise<void> {
    if (reading === null && sources.clock.now() < nextReading) return Promise.resolve();
    reading ??= readNow().finally(() => {
      reading = null;
    });
    return reading;
  }

  async function readNow(): Promise<void> {
    const begun = sources.clock.now();
    const answer = await sources.kernel.counters();
    const now = sources.clock.now();
    nextReading = now + Math.min(COUNTERS_SHARE * (now - begun), COUNTERS_OLDEST_MS);
    if (answer === null || isFault(answer)) return;
    nextReading = Math.max(nextReading, now + COUNTERS_AGE_MS);
    counted.packets.reset();
    for (const [name, { packets }] of answer) {
      const found = /^(allowed|denied)_(ingress|egress)$/.exec(name);
      if (found?.[1] !== undefined && found[2] !== undefined) {
        counted.packets.inc({ verdict: found[1], direction: found[2] }, packets);
      }
    }
  }

  function readLevels(): void {
    const { clock } = sources;
    const status = sources.status();
    levels.failed.set(status.failedPolicies.length);
    levels.synced.set(status.synced ? 1 : 0);
    levels.lastSuccess.set((status.lastSuccessWall ?? 0) / 1000);
    levels.pending.set(status.pendingSince === null ? 0 : (clock.now() - status.pendingSince) / 1000);
    const compiler = sources.compiler();
    const stats = compiler.stats();
    levels.localPods.set(stats.localPods);
    levels.subjects.set(stats.subjects);
    levels.identities.set(stats.identities);
    for (const [set, { elements }] of compiler.desired.content().sets) levels.elements.set({ set }, elements.size);
    for (const [resource, count] of Object.entries(sources.state.counts())) levels.objects.set({ resource }, count);
    for (const each of [counted.lists, counted.relists, counted.events, counted.failures]) each.reset();
    for (const watch of sources.watches()) {
      const { resource } = watch;
      levels.watching.set({ resource }, watch.watching ? 1 : 0);
      levels.absent.set({ resource }, watch.state === 'absent' ? 1 : 0);
      levels.contact.set({ resource }, (watch.lastContactMs ?? 0) / 1000);
      counted.lists.inc({ resource }, watch.lists);
      for (const [reason, count] of Object.entries(watch.relists)) counted.relists.inc({ resource, reason }, count);
      counted.events.inc({ resource }, watch.events);
      counted.failures.inc({ resource }, watch.failures);
    }
  }

  return {
    contentType: registry.contentType,
    async render() {
      readLevels();
      // nft may hang, and then old counters are better than none.
      await Promise.race([
        readCounters(),
        new Promise<void>((wake) => void sources.clock.after(COUNTERS_PATIENCE_MS, wake)),
      ]);
      return registry.metrics();
    },
    observer: {
      committed(what) {
        made.syncs.inc({ result: 'ok' });
        made.events.inc(what.events);
        made.changes.inc(what.changes);
        if (what.tightens) made.generations.inc();
        if (what.replaced) made.replacements.inc();
        made.sync.observe((what.compileMs + what.nftMs) / 1000);
        for (const ms of what.latencies) made.programming.observe(ms / 1000);
        for (const ms of what.sinceCreation) made.creation.observe(ms / 1000);
      },
      ran(result, ms) {
        made.transactions.inc({ result });
        made.nft.observe(ms / 1000);
      },
      loaded(reasons) {
        for (const reason of reasons) made.loads.inc({ reason });
      },
      drifted(reason) {
        made.drift.inc({ reason });
      },
      failed() {
        made.syncs.inc({ result: 'failed' });
      },
      policyFailed() {
        made.refused.inc();
      },
      policyHealed: () => undefined,
      noticed: () => undefined,
    },
  };
}
