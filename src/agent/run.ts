import { join } from 'node:path';
import { parseCidr } from '../base/ip.ts';
import { type CniCache, followCniCache } from '../io/cni-cache.ts';
import { serve } from '../io/http-server.ts';
import { IoError } from '../io/io-error.ts';
import { openClient } from '../io/kube-client.ts';
import { type ClusterChoice, connect } from '../io/kubeconfig.ts';
import { lockNamespace } from '../io/namespace-lock.ts';
import { nftKernel } from '../io/nft.ts';
import { type FollowNote, follow } from '../io/watch.ts';
import type { WatchEvent } from '../io/watch-event.ts';
import type { JsonObject } from '../manifest/object.ts';
import { NodeCompiler } from '../targets/nftables/node-compiler.ts';
import { parseTable } from '../targets/nftables/parse.ts';
import { SYSTEM_CLOCK } from './clock.ts';
import { anyGeneration, type ConfigReading, changedSettings, layoutOf, withLive } from './config.ts';
import { type Log, logObserver, openLog } from './log.ts';
import { type Loop, syncLoop } from './loop.ts';
import { giveMemoryBack, keepMemorySmall } from './memory.ts';
import { agentMetrics } from './metrics.ts';
import { observers, SILENT } from './observers.ts';
import { gatherFacts, judge } from './preflight.ts';
import { waitingFor } from './readiness.ts';
import { answerRequest } from './routes.ts';
import type { Config } from './settings.ts';
import { type AgentState, agentState } from './state.ts';
import { policyAnnouncer } from './status.ts';
import { taintRemover } from './taint.ts';

export interface RunOptions {
  readonly config: Config;
  /** Reads the configuration again. */
  readonly reread: () => ConfigReading;
  /** Calls back when the configuration may have changed; the answer calls that off. */
  readonly onReload: (then: () => void) => () => void;
  /** Ends the agent; the table stays. */
  readonly signal: AbortSignal;
  /** Takes lines of the log. */
  readonly write: (line: string) => void;
  readonly env: NodeJS.ProcessEnv;
}

/** The node of a configuration. Throws {@link IoError} where there is none. */
export function nodeOf(config: Config): string {
  if (config.node !== null) return config.node;
  throw new IoError('not-found', 'it is not said which node this is', {
    help: 'pass --node NAME, as `kubectl get nodes` lists it, or set RAMPART_AGENT_NODE',
  });
}

/** How the API server of a configuration is reached. */
export function choiceOf({ kubeconfig, context, server }: Config): ClusterChoice {
  return {
    ...(kubeconfig === null ? {} : { kubeconfig }),
    ...(context === null ? {} : { context }),
    ...(server === null ? {} : { server }),
  };
}

/** What keeps the canary: it succeeds exactly where our table is. */
export function canaryFor(table: string): string {
  return `add counter inet ${table} denied_ingress\n`;
}

/** An empty state for the node of a configuration. */
export function stateFor(config: Config): AgentState {
  const podRanges = config.podCidr.flatMap((text) => parseCidr(text) ?? []);
  return agentState({ node: nodeOf(config), ...(podRanges.length === 0 ? {} : { podRanges }) });
}

/** Follows the API server and keeps the node's table true to it, until the signal. Throws {@link IoError}. */
export async function runAgent(options: RunOptions): Promise<void> {
  keepMemorySmall();
  let { config } = options;
  const node = nodeOf(config);
  const log = openLog(config.logLevel, node, options.write);
  const lock = await lockNamespace(`rampart-agent-${config.table}`);
  const closers: (() => Promise<void> | void)[] = [() => lock.release()];
  try {
    const kernel = nftKernel({ table: config.table, path: config.nft, timeoutMs: config.nftTimeout });
    for (const finding of judge(await gatherFacts({ kernel, config }))) {
      const { severity, message, help } = finding;
      if (severity === 'error') log.error({ help }, message);
      else if (severity === 'warning') log.warn({ help }, message);
      else log.debug({ help }, message);
    }
    const client = openClient(await connect(choiceOf(config), options.env));
    closers.push(() => client.close());
    const state = stateFor(config);
    const announcer = policyAnnouncer({
      client,
      node,
      log,
      enabled: config.events,
      find: (id) => state.policyObject(id),
      marked: () => state.markedPolicies(),
      gone: (name) => state.nodeIsGone(name),
      spreadMs: () => Math.min(60 * state.counts().nodes, 60_000),
    });
    closers.push(() => announcer.stop());
    const taint = config.taint === null ? null : taintRemover(client, node, config.taint, log);
    if (taint !== null) closers.push(() => taint.stop());

    // The loop tells the metrics, and the metrics ask the loop.
    const metrics = agentMetrics(
      {
        kernel,
        compiler: () => loop.compiler(),
        status: () => loop.status(),
        state,
        watches: () => follower.statistics(),
        clock: SYSTEM_CLOCK,
      },
      { default: true },
    );
    let isLarge = false;
    const loop: Loop = syncLoop({
      state,
      makeCompiler: () => new NodeCompiler({ node, layout: layoutOf(config), generation: anyGeneration() }),
      kernel,
      parse: parseTable,
      timing: () => ({
        coalesceMs: config.coalesce,
        coalesceLimitMs: config.coalesceLimit,
        verifyMs: config.verifyInterval,
        canaryMs: config.canaryInterval,
      }),
      clock: SYSTEM_CLOCK,
      canary: canaryFor(config.table),
      observer: observers(metrics.observer, logObserver(log), announcer.observer, {
        ...SILENT,
        loaded: () => {
          isLarge = true;
        },
        committed: () => {
          taint?.ready();
          if (!isLarge) return;
          isLarge = false;
          setTimeout(() => giveMemoryBack(SYSTEM_CLOCK.now()), 1000).unref();
        },
      }),
    });
    closers.push(() => loop.stop());

    let isInSync = false;
    const begun = SYSTEM_CLOCK.now();
    const startIfInSync = (): void => {
      if (isInSync || waitingFor(state).length > 0) return;
      isInSync = true;
      log.info({ ms: Math.round(SYSTEM_CLOCK.now() - begun), ...state.counts() }, 'everything was listed');
      loop.start();
    };
    const onEvent = (event: WatchEvent): void => {
      if (state.take(event)) loop.changed();
      if (taint !== null) for (const own of ownNodes(event, node)) taint.seen(own);
      if (!isInSync) startIfInSync();
    };
    const follower = follow(client, { onNote: (note) => logNote(log, note) }, onEvent);
    closers.push(() => follower.stop());

    const listening = await serve(config.listen, (request) =>
      answerRequest(request, {
        status: () => loop.status(),
        waitingFor: () => waitingFor(state),
        staleAfterMs: () => config.staleAfter,
        stuckAfterMs: Math.max(120_000, 4 * config.nftTimeout),
        clock: SYSTEM_CLOCK,
        metrics,
      }),
    );
    for (const each of listening) closers.push(() => each.close());
    log.info(
      { listen: listening.map(({ address }) => address), server: client.connection.server },
      'the agent has started',
    );

    const cache = earlyAddresses(config, state, loop);
    if (cache !== null) closers.push(() => cache.close());

    closers.push(
      options.onReload(() => {
        const next = options.reread();
        config = reload(config, next, log, loop);
      }),
    );
    await Promise.race([aborted(options.signal), follower.done]);
    log.info('the agent ends; the table stays');
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

function earlyAddresses(config: Config, state: AgentState, loop: Loop): CniCache | null {
  if (config.cniCache.length === 0) return null;
  return followCniCache({
    folders: config.cniCache.flatMap((folder) => [join(folder, 'results'), join(folder, 'cache', 'results')]),
    onChange: (key, addresses) => {
      if (state.early(key, addresses)) loop.changed();
    },
  });
}

/** The configuration that holds from now on. */
function reload(config: Config, reading: ConfigReading, log: Log, loop: Loop): Config {
  if (reading.kind === 'problems') {
    for (const { where, message, help } of reading.problems)
      log.error({ where, help }, `the configuration is not taken: ${message}`);
    return config;
  }
  const { live, restart } = changedSettings(config, reading.config);
  if (restart.length > 0) log.warn({ settings: restart }, 'these settings take effect when the agent is started again');
  if (live.length === 0) return config;
  const next = withLive(config, reading.config);
  log.level = next.logLevel;
  log.info({ settings: live }, 'the configuration has changed');
  if (JSON.stringify(layoutOf(next)) !== JSON.stringify(layoutOf(config)))
    queueMicrotask(() => loop.recompile('configuration'));
  return next;
}

function* ownNodes(event: WatchEvent, name: string): IterableIterator<JsonObject> {
  if (event.resource !== 'nodes') return;
  const objects = event.kind === 'listed' ? event.objects : event.kind === 'put' ? [event.object] : [];
  for (const object of objects) {
    const { metadata } = object;
    if (typeof metadata === 'object' && metadata !== null && 'name' in metadata && metadata.name === name) yield object;
  }
}

function logNote(log: Log, { resource, kind, message }: FollowNote): void {
  if (kind === 'failed' || kind === 'unreadable') log.warn({ resource }, `${resource}: ${message}`);
  else log.info({ resource }, `${resource}: ${message}`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
